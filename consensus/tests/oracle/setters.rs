//! Writes to a state through every public setter, the same to the plain state.

use super::random::key;
use super::rng::Rng;
use super::state::PlainState;
use consensus::*;

/// The setters, by what they write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Write {
    GenesisTime,
    GenesisValidatorsRoot,
    SlotInEpoch,
    NextEpoch,
    SlotFarAhead,
    Fork,
    LatestBlockHeader,
    Eth1Data,
    Eth1DataVote,
    ClearEth1DataVotes,
    Eth1DepositIndex,
    BlockRoot,
    StateRoot,
    HistoricalRoot,
    RandaoMix,
    Slashing,
    Balance,
    PushValidator,
    EffectiveBalance,
    Slashed,
    ActivationEligibilityEpoch,
    ActivationEpoch,
    ExitEpoch,
    WithdrawableEpoch,
    PushAttestation,
    RotateAttestations,
    JustificationBits,
    PreviousJustified,
    CurrentJustified,
    Finalized,
}

pub const WRITES: [Write; 30] = [
    Write::GenesisTime,
    Write::GenesisValidatorsRoot,
    Write::SlotInEpoch,
    Write::NextEpoch,
    Write::SlotFarAhead,
    Write::Fork,
    Write::LatestBlockHeader,
    Write::Eth1Data,
    Write::Eth1DataVote,
    Write::ClearEth1DataVotes,
    Write::Eth1DepositIndex,
    Write::BlockRoot,
    Write::StateRoot,
    Write::HistoricalRoot,
    Write::RandaoMix,
    Write::Slashing,
    Write::Balance,
    Write::PushValidator,
    Write::EffectiveBalance,
    Write::Slashed,
    Write::ActivationEligibilityEpoch,
    Write::ActivationEpoch,
    Write::ExitEpoch,
    Write::WithdrawableEpoch,
    Write::PushAttestation,
    Write::RotateAttestations,
    Write::JustificationBits,
    Write::PreviousJustified,
    Write::CurrentJustified,
    Write::Finalized,
];

fn root(rng: &mut Rng) -> Root {
    Root::from(rng.bytes())
}

fn checkpoint(rng: &mut Rng, plain: &PlainState) -> Checkpoint {
    Checkpoint {
        epoch: plain.current_epoch().saturating_sub(rng.below(4)),
        root: root(rng),
    }
}

/// An epoch around the current one or one that never comes.
fn epoch(rng: &mut Rng, plain: &PlainState) -> Epoch {
    match rng.percent(15) {
        true => FAR_FUTURE_EPOCH,
        false => (plain.current_epoch() + rng.below(9)).saturating_sub(4),
    }
}

impl Write {
    /// Writes random values to both; nothing where the plain state has no place for it.
    pub fn apply(self, rng: &mut Rng, plain: &mut PlainState, state: &mut BeaconState) {
        match self {
            Write::SlotInEpoch | Write::NextEpoch | Write::SlotFarAhead => {
                self.apply_slot(rng, plain, state);
            }
            Write::PushValidator
            | Write::EffectiveBalance
            | Write::Slashed
            | Write::ActivationEligibilityEpoch
            | Write::ActivationEpoch
            | Write::ExitEpoch
            | Write::WithdrawableEpoch
            | Write::Balance => self.apply_registry(rng, plain, state),
            Write::PushAttestation | Write::RotateAttestations => {
                self.apply_attestations(rng, plain, state);
            }
            Write::BlockRoot
            | Write::StateRoot
            | Write::HistoricalRoot
            | Write::RandaoMix
            | Write::Slashing => self.apply_vectors(rng, plain, state),
            _ => self.apply_plain(rng, plain, state),
        }
    }

    fn apply_slot(self, rng: &mut Rng, plain: &mut PlainState, state: &mut BeaconState) {
        let per_epoch = plain.spec.SLOTS_PER_EPOCH;
        let left = per_epoch - 1 - plain.slot % per_epoch;
        plain.slot += match self {
            Write::SlotInEpoch => rng.below(left + 1),
            Write::NextEpoch => left + 1 + rng.below(per_epoch),
            _ => left + 1 + per_epoch + rng.below(100),
        };
        state.set_slot(plain.slot);
    }

    fn apply_plain(self, rng: &mut Rng, plain: &mut PlainState, state: &mut BeaconState) {
        match self {
            Write::GenesisTime => {
                plain.genesis_time = rng.next();
                state.set_genesis_time(plain.genesis_time);
            }
            Write::GenesisValidatorsRoot => {
                plain.genesis_validators_root = root(rng);
                state.set_genesis_validators_root(plain.genesis_validators_root);
            }
            Write::Fork => {
                plain.fork.current_version = rng.bytes().into();
                plain.fork.epoch = epoch(rng, plain);
                state.set_fork(plain.fork);
            }
            Write::LatestBlockHeader => {
                plain.latest_block_header.body_root = root(rng);
                state.set_latest_block_header(plain.latest_block_header);
            }
            Write::Eth1Data => {
                plain.eth1_data.deposit_count = rng.next();
                state.set_eth1_data(plain.eth1_data);
            }
            Write::Eth1DataVote => {
                if (plain.eth1_data_votes.len() as u64) < plain.spec.eth1_voting_slots() {
                    let block_hash = root(rng);
                    let vote = consensus::Eth1Data {
                        block_hash,
                        ..plain.eth1_data
                    };
                    plain.eth1_data_votes.push(vote);
                    state.push_eth1_data_vote(vote).unwrap();
                }
            }
            Write::ClearEth1DataVotes => {
                plain.eth1_data_votes.clear();
                state.clear_eth1_data_votes();
            }
            Write::Eth1DepositIndex => {
                plain.eth1_deposit_index = rng.next();
                state.set_eth1_deposit_index(plain.eth1_deposit_index);
            }
            Write::JustificationBits => {
                let mut bits = consensus::JustificationBits::default();
                for at in 0..4 {
                    plain.justification_bits[at] = rng.percent(50);
                    bits.set(at, plain.justification_bits[at]).unwrap();
                }
                state.set_justification_bits(bits);
            }
            Write::PreviousJustified => {
                plain.previous_justified_checkpoint = checkpoint(rng, plain);
                state.set_previous_justified_checkpoint(plain.previous_justified_checkpoint);
            }
            Write::CurrentJustified => {
                plain.current_justified_checkpoint = checkpoint(rng, plain);
                state.set_current_justified_checkpoint(plain.current_justified_checkpoint);
            }
            Write::Finalized => {
                plain.finalized_checkpoint = checkpoint(rng, plain);
                state.set_finalized_checkpoint(plain.finalized_checkpoint);
            }
            other => unreachable!("{other:?} is applied elsewhere"),
        }
    }

    fn apply_vectors(self, rng: &mut Rng, plain: &mut PlainState, state: &mut BeaconState) {
        // Most writes go where something is derived from.
        let epoch = plain.current_epoch() + 3 - rng.below(6).min(plain.current_epoch() + 3);
        match self {
            Write::BlockRoot | Write::StateRoot => {
                let slot = match rng.percent(70) {
                    true => epoch * plain.spec.SLOTS_PER_EPOCH,
                    false => rng.next(),
                };
                let at = (slot % plain.spec.SLOTS_PER_HISTORICAL_ROOT) as usize;
                let value = root(rng);
                if self == Write::BlockRoot {
                    plain.block_roots[at] = value;
                    state.set_block_root(slot, value);
                } else {
                    plain.state_roots[at] = value;
                    state.set_state_root(slot, value);
                }
            }
            Write::HistoricalRoot => {
                let value = root(rng);
                plain.historical_roots.push(value);
                state.push_historical_root(value).unwrap();
            }
            Write::RandaoMix => {
                let length = plain.spec.EPOCHS_PER_HISTORICAL_VECTOR;
                let of = match rng.percent(70) {
                    true => epoch,
                    false => rng.next(),
                };
                let value = root(rng);
                plain.randao_mixes[(of % length) as usize] = value;
                state.set_randao_mix(of, value);
            }
            _ => {
                let length = plain.spec.EPOCHS_PER_SLASHINGS_VECTOR;
                let (of, amount) = (rng.next(), rng.next() >> 20);
                plain.slashings[(of % length) as usize] = amount;
                state.set_slashing(of, amount);
            }
        }
    }

    fn apply_registry(self, rng: &mut Rng, plain: &mut PlainState, state: &mut BeaconState) {
        if self == Write::PushValidator {
            return push_validator(rng, plain, state);
        }
        if plain.validators.is_empty() {
            return;
        }
        let index = rng.below(plain.validators.len() as u64) as usize;
        let epoch = epoch(rng, plain);
        let validator = &mut plain.validators[index];
        let written = match self {
            Write::EffectiveBalance => {
                validator.effective_balance = rng.below(33) * 1_000_000_000;
                state.set_effective_balance(index, validator.effective_balance)
            }
            Write::Slashed => {
                validator.slashed = !validator.slashed;
                state.set_slashed(index, validator.slashed)
            }
            Write::ActivationEligibilityEpoch => {
                validator.activation_eligibility_epoch = epoch;
                state.set_activation_eligibility_epoch(index, epoch)
            }
            Write::ActivationEpoch => {
                validator.activation_epoch = epoch;
                state.set_activation_epoch(index, epoch)
            }
            Write::ExitEpoch => {
                validator.exit_epoch = epoch;
                state.set_exit_epoch(index, epoch)
            }
            Write::WithdrawableEpoch => {
                validator.withdrawable_epoch = epoch;
                state.set_withdrawable_epoch(index, epoch)
            }
            _ => {
                plain.balances[index] = rng.next() >> 20;
                state.set_balance(index, plain.balances[index])
            }
        };
        written.unwrap();
    }

    fn apply_attestations(self, rng: &mut Rng, plain: &mut PlainState, state: &mut BeaconState) {
        if self == Write::RotateAttestations {
            plain.previous_epoch_attestations =
                std::mem::take(&mut plain.current_epoch_attestations);
            state.rotate_pending_attestations();
            return;
        }
        let Some((attestation, is_current)) = includable(rng, plain) else {
            return;
        };
        let kept = match is_current {
            true => &mut plain.current_epoch_attestations,
            false => &mut plain.previous_epoch_attestations,
        };
        if (kept.len() as u64) < plain.spec.pending_attestations_limit() {
            kept.push(attestation.clone());
            state
                .push_pending_attestation(attestation, is_current)
                .unwrap();
        }
    }
}

fn push_validator(rng: &mut Rng, plain: &mut PlainState, state: &mut BeaconState) {
    let validator = Validator {
        pubkey: key(plain.validators.len() as u64),
        withdrawal_credentials: root(rng),
        effective_balance: rng.below(33) * 1_000_000_000,
        slashed: rng.percent(10),
        activation_eligibility_epoch: epoch(rng, plain),
        activation_epoch: epoch(rng, plain),
        exit_epoch: epoch(rng, plain),
        withdrawable_epoch: epoch(rng, plain),
    };
    let balance = rng.next() >> 20;
    state.push_validator(&validator, balance).unwrap();
    plain.validators.push(validator);
    plain.balances.push(balance);
}

/// An attestation by one committee of the current or the previous epoch, fit for inclusion.
fn includable(rng: &mut Rng, plain: &PlainState) -> Option<(PendingAttestation, bool)> {
    let back = rng.below(plain.spec.SLOTS_PER_EPOCH) + 1;
    let slot = plain.slot.checked_sub(back)?;
    let epoch = slot / plain.spec.SLOTS_PER_EPOCH;
    let index = rng.below(plain.committee_count_per_slot(epoch));
    let committee = plain.beacon_committee(slot, index).ok()?;
    let mut bits = AggregationBits::with_capacity(committee.len()).unwrap();
    for at in 0..committee.len() {
        bits.set(at, rng.percent(70)).unwrap();
    }
    let target = match rng.percent(80) {
        true => plain.block_root(epoch).ok()?,
        false => root(rng),
    };
    let attestation = PendingAttestation {
        aggregation_bits: bits,
        data: AttestationData {
            slot,
            index,
            beacon_block_root: plain.block_root_at_slot(slot).ok()?,
            source: plain.current_justified_checkpoint,
            target: Checkpoint {
                epoch,
                root: target,
            },
        },
        inclusion_delay: back,
        proposer_index: 0,
    };
    Some((attestation, epoch == plain.current_epoch()))
}
