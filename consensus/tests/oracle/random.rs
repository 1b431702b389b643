//! Random states in the last slot of an epoch: every mixture that epoch processing can meet, and
//! some that no chain makes.

use super::rng::Rng;
use super::state::PlainState;
use consensus::*;
use std::sync::Arc;

/// What a random state is like.
#[derive(Clone, Copy, Debug)]
pub struct Profile {
    pub validators: u64,
    pub epoch: Epoch,
    /// Percent of a committee's members in an attestation.
    pub participation: u64,
    /// Percent of the votes that are right.
    pub right_votes: u64,
    pub leak: bool,
    /// Percent of the validators.
    pub slashed: u64,
    /// Percent of the validators whose epochs are not simply those of genesis.
    pub churn: u64,
    /// Percent of the validators whose balance is not their effective balance.
    pub restless: u64,
}

impl Profile {
    pub fn random(rng: &mut Rng, spec: &Spec) -> Profile {
        let last = [
            spec.SLOTS_PER_HISTORICAL_ROOT / spec.SLOTS_PER_EPOCH - 1,
            spec.EPOCHS_PER_SLASHINGS_VECTOR - 1,
            spec.EPOCHS_PER_HISTORICAL_VECTOR - 1,
            spec.EPOCHS_PER_ETH1_VOTING_PERIOD - 1,
        ];
        let epochs = [0, 1, 2, 3, 4, 7, 8, 9, 40, 100, 1000];
        Profile {
            validators: match rng.below(4) {
                0 => rng.range(1, 9),
                1 => rng.range(10, 64),
                _ => rng.range(65, 200),
            },
            epoch: match rng.percent(25) {
                true => rng.pick(&last),
                false => rng.pick(&epochs),
            },
            participation: rng.pick(&[0, 20, 67, 67, 95, 100, 100]),
            right_votes: rng.pick(&[50, 90, 100, 100]),
            leak: rng.percent(30),
            slashed: rng.pick(&[0, 0, 5, 30]),
            churn: rng.pick(&[0, 10, 30, 80]),
            restless: rng.pick(&[0, 20, 100]),
        }
    }

    /// A chain in good order: everybody active, all votes right.
    pub fn steady(validators: u64, epoch: Epoch, participation: u64) -> Profile {
        Profile {
            validators,
            epoch,
            participation,
            right_votes: 100,
            leak: false,
            slashed: 0,
            churn: 0,
            restless: 0,
        }
    }
}

/// The key of a validator: the same in every state, so that the table of keys stays small. No
/// point of the curve: nothing here verifies signatures.
pub fn key(index: u64) -> BLSPubkey {
    let mut key = BLSPubkey::repeat_byte(0xa5);
    key[..8].copy_from_slice(&index.to_le_bytes());
    key
}

fn root(rng: &mut Rng) -> Root {
    Root::from(rng.bytes())
}

/// A state of `profile` with nothing attested yet.
fn quiet_state(rng: &mut Rng, spec: &Arc<Spec>, profile: &Profile) -> PlainState {
    let roots = |rng: &mut Rng, count: u64| (0..count).map(|_| root(rng)).collect::<Vec<_>>();
    let epoch = profile.epoch;
    let votes = rng.below(spec.eth1_voting_slots().min(20));
    let version = spec.GENESIS_FORK_VERSION;
    let mut slashings = vec![0; spec.EPOCHS_PER_SLASHINGS_VECTOR as usize];
    for _ in 0..rng.below(6) {
        let at = rng.below(slashings.len() as u64) as usize;
        slashings[at] = rng.below(200) * 16_000_000_000;
    }
    let history = rng.below(5);
    PlainState {
        spec: spec.clone(),
        genesis_time: rng.next(),
        genesis_validators_root: root(rng),
        slot: epoch * spec.SLOTS_PER_EPOCH + spec.SLOTS_PER_EPOCH - 1,
        fork: Fork {
            previous_version: version,
            current_version: version,
            epoch: 0,
        },
        latest_block_header: BeaconBlockHeader {
            slot: epoch * spec.SLOTS_PER_EPOCH,
            proposer_index: rng.below(profile.validators),
            parent_root: root(rng),
            state_root: match rng.percent(50) {
                true => Root::ZERO,
                false => root(rng),
            },
            body_root: root(rng),
        },
        block_roots: roots(rng, spec.SLOTS_PER_HISTORICAL_ROOT),
        state_roots: roots(rng, spec.SLOTS_PER_HISTORICAL_ROOT),
        historical_roots: roots(rng, history),
        eth1_data: Eth1Data::default(),
        eth1_data_votes: (0..votes)
            .map(|_| Eth1Data {
                deposit_root: root(rng),
                ..Eth1Data::default()
            })
            .collect(),
        eth1_deposit_index: rng.below(1000),
        validators: Vec::new(),
        balances: Vec::new(),
        randao_mixes: roots(rng, spec.EPOCHS_PER_HISTORICAL_VECTOR),
        slashings,
        previous_epoch_attestations: Vec::new(),
        current_epoch_attestations: Vec::new(),
        justification_bits: [0; 4].map(|_: u8| rng.percent(70)),
        previous_justified_checkpoint: Checkpoint::default(),
        current_justified_checkpoint: Checkpoint::default(),
        finalized_checkpoint: Checkpoint::default(),
    }
}

/// An epoch around `epoch`, now and then one that never comes.
fn near(rng: &mut Rng, epoch: Epoch) -> Epoch {
    match rng.percent(10) {
        true => FAR_FUTURE_EPOCH,
        false => (epoch + rng.below(9)).saturating_sub(4),
    }
}

fn restless_validator(rng: &mut Rng, epoch: Epoch, validator: &mut Validator) {
    match rng.below(6) {
        // Waits to be eligible, or for its turn.
        0 => {
            validator.activation_eligibility_epoch = near(rng, epoch);
            validator.activation_epoch = FAR_FUTURE_EPOCH;
        }
        // Becomes active about now.
        1 => {
            validator.activation_eligibility_epoch = epoch.saturating_sub(8);
            validator.activation_epoch = near(rng, epoch);
        }
        // Leaves about now, or has left.
        2 | 3 => {
            validator.exit_epoch = near(rng, epoch);
            validator.withdrawable_epoch = validator.exit_epoch.saturating_add(rng.below(300));
        }
        // To be ejected.
        4 => validator.effective_balance = rng.pick(&[16, 15, 17, 1, 0]) * 1_000_000_000,
        _ => validator.effective_balance = rng.below(33) * 1_000_000_000,
    }
}

fn slash(rng: &mut Rng, spec: &Spec, epoch: Epoch, validator: &mut Validator) {
    let half = spec.EPOCHS_PER_SLASHINGS_VECTOR / 2;
    validator.slashed = true;
    if validator.exit_epoch == FAR_FUTURE_EPOCH {
        validator.exit_epoch = near(rng, epoch).min(epoch + 5);
    }
    validator.withdrawable_epoch = match rng.below(4) {
        0 | 1 => epoch + half,
        2 => epoch + half + rng.below(3),
        _ => near(rng, epoch),
    };
}

/// A balance where the hysteresis decides.
fn edgy_balance(rng: &mut Rng, effective_balance: Gwei) -> Gwei {
    let edge = rng.pick(&[0, 250_000_000, 1_250_000_000, 1_000_000_000, 5_000_000_000]);
    let edge = (edge + rng.below(3)).saturating_sub(1);
    match rng.percent(50) {
        true => effective_balance + edge,
        false => effective_balance.saturating_sub(edge),
    }
}

fn populate(rng: &mut Rng, profile: &Profile, state: &mut PlainState) {
    let (spec, epoch) = (state.spec.clone(), profile.epoch);
    for index in 0..profile.validators {
        let mut validator = Validator {
            pubkey: key(index),
            withdrawal_credentials: root(rng),
            effective_balance: spec.MAX_EFFECTIVE_BALANCE,
            slashed: false,
            activation_eligibility_epoch: 0,
            activation_epoch: 0,
            exit_epoch: FAR_FUTURE_EPOCH,
            withdrawable_epoch: FAR_FUTURE_EPOCH,
        };
        if rng.percent(profile.churn) {
            restless_validator(rng, epoch, &mut validator);
        }
        if rng.percent(profile.slashed) {
            slash(rng, &spec, epoch, &mut validator);
        }
        state.balances.push(match rng.percent(profile.restless) {
            true => edgy_balance(rng, validator.effective_balance),
            false => validator.effective_balance,
        });
        state.validators.push(validator);
    }
}

fn set_checkpoints(rng: &mut Rng, profile: &Profile, state: &mut PlainState) {
    let epoch = profile.epoch;
    let ago = |epochs: u64, root| Checkpoint {
        epoch: epoch.saturating_sub(epochs),
        root,
    };
    let (current, previous) = (1 + rng.below(3), 1 + rng.below(3));
    state.current_justified_checkpoint = ago(current, root(rng));
    state.previous_justified_checkpoint = ago(current.max(previous) + rng.below(2), root(rng));
    let finalized = match profile.leak {
        true => 6 + rng.below(30),
        // A delay of exactly the threshold does not leak yet.
        false => rng.pick(&[2, 2, 3, 5]),
    };
    state.finalized_checkpoint = ago(finalized, root(rng));
}

/// Attestations of `epoch` up to the slot before the state's, as blocks would have included them.
pub fn attestations(
    rng: &mut Rng,
    state: &PlainState,
    epoch: Epoch,
    profile: &Profile,
) -> Vec<PendingAttestation> {
    let spec = &state.spec;
    let start = epoch * spec.SLOTS_PER_EPOCH;
    let mut attestations = Vec::new();
    for slot in start..(start + spec.SLOTS_PER_EPOCH).min(state.slot) {
        for index in 0..state.committee_count_per_slot(epoch) {
            attestations.extend(aggregates(rng, state, slot, index, profile));
        }
    }
    // Inclusion is not ordered by slot.
    for at in (1..attestations.len()).rev() {
        attestations.swap(at, rng.below(at as u64 + 1) as usize);
    }
    attestations
}

fn aggregates(
    rng: &mut Rng,
    state: &PlainState,
    slot: Slot,
    index: CommitteeIndex,
    profile: &Profile,
) -> Vec<PendingAttestation> {
    let epoch = slot / state.spec.SLOTS_PER_EPOCH;
    let committee = state.beacon_committee(slot, index).expect("a small index");
    let count = if rng.percent(60) { 1 } else { rng.below(4) };
    let mut aggregates = Vec::new();
    for _ in 0..count {
        let mut bits = AggregationBits::with_capacity(committee.len()).expect("within the limit");
        for at in 0..committee.len() {
            let set = rng.percent(profile.participation);
            bits.set(at, set).expect("within the length");
        }
        let wrong = |rng: &mut Rng| !rng.percent(profile.right_votes);
        let mut target = state.block_root(epoch).expect("a recent epoch");
        let mut head = state.block_root_at_slot(slot).expect("a recent slot");
        if wrong(rng) {
            target = root(rng);
        }
        if wrong(rng) {
            head = root(rng);
        }
        aggregates.push(PendingAttestation {
            aggregation_bits: bits,
            data: AttestationData {
                slot,
                index,
                beacon_block_root: head,
                source: state.current_justified_checkpoint,
                target: Checkpoint {
                    epoch,
                    root: target,
                },
            },
            inclusion_delay: match rng.percent(60) {
                true => 1,
                false => rng.range(1, state.spec.SLOTS_PER_EPOCH),
            },
            proposer_index: rng.below(state.validators.len() as u64),
        });
    }
    aggregates
}

pub fn state_of(rng: &mut Rng, spec: &Arc<Spec>, profile: &Profile) -> PlainState {
    let mut state = quiet_state(rng, spec, profile);
    populate(rng, profile, &mut state);
    set_checkpoints(rng, profile, &mut state);
    let (previous, current) = (state.previous_epoch(), state.current_epoch());
    if previous != current {
        state.previous_epoch_attestations = attestations(rng, &state, previous, profile);
    }
    state.current_epoch_attestations = attestations(rng, &state, current, profile);
    state
}

pub fn state(rng: &mut Rng, spec: &Arc<Spec>) -> PlainState {
    let profile = Profile::random(rng, spec);
    state_of(rng, spec, &profile)
}
