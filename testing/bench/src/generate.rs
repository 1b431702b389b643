//! Seeded states that differ from the input files in one respect each: what costs more than in a
//! network where everybody takes part?
//!
//! The keys are no keys and the roots no roots, which no row on such a state notices.

use std::sync::Arc;

use anyhow::{Context, Result};
use consensus::helpers::{get_current_epoch, get_previous_epoch};
use consensus::{
    AggregationBits, AttestationData, BLSPubkey, BeaconState, Checkpoint, Epoch, FAR_FUTURE_EPOCH,
    Gwei, PendingAttestation, Root, Spec, Validator,
};

/// Epoch of the states; the last slot of it is processed.
const EPOCH: Epoch = 10;
const FULL_BALANCE: Gwei = 32_000_000_000;

/// How a state differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Variant {
    /// Not at all: everybody attests.
    Full,
    /// 67% attest.
    Participation67,
    /// 1% are slashed, half of them were so long ago that this epoch is the one to pay in.
    Slashed,
    /// 60% attest, and finality is seven epochs behind.
    Leak,
    /// As many become eligible as the blocks of an epoch can deposit, 1% wait for activation, 1%
    /// are leaving, 0.1% are ejected.
    Churn,
    /// 1% of the effective balances change, all over the registry.
    Scattered,
}

impl Variant {
    /// All variants, the one that the others are compared with first.
    pub const ALL: [Variant; 6] = [
        Variant::Full,
        Variant::Participation67,
        Variant::Slashed,
        Variant::Leak,
        Variant::Churn,
        Variant::Scattered,
    ];

    /// What rows on it are called.
    pub fn name(self) -> &'static str {
        match self {
            Variant::Full => "full",
            Variant::Participation67 => "participation_67",
            Variant::Slashed => "slashed",
            Variant::Leak => "leak",
            Variant::Churn => "churn",
            Variant::Scattered => "scattered",
        }
    }

    /// Percentage of a committee that attests.
    fn participation(self) -> u64 {
        match self {
            Variant::Participation67 => 67,
            Variant::Leak => 60,
            _ => 100,
        }
    }
}

/// A state at the last slot of an epoch, with the attestations of two epochs: for each committee
/// one of all that take part and one of four fifths of them.
pub fn generate(validators: usize, variant: Variant, spec: &Arc<Spec>) -> Result<BeaconState> {
    let mut state = BeaconState::new(spec);
    let slots = spec.SLOTS_PER_EPOCH;
    state.set_slot(EPOCH * slots + slots - 1);
    for slot in 0..state.slot() {
        state.set_block_root(slot, numbered_root(1, slot));
        state.set_state_root(slot, numbered_root(2, slot));
    }
    for epoch in 0..spec.EPOCHS_PER_HISTORICAL_VECTOR {
        state.set_randao_mix(epoch, numbered_root(3, epoch));
    }
    set_checkpoints(&mut state, variant);
    let count = validators as u64;
    for index in 0..count {
        let (validator, balance) = validator(index, count, variant, spec);
        state.push_validator(&validator, balance)?;
    }
    if variant == Variant::Slashed {
        state.set_slashing(EPOCH, validators as u64 / 100 * FULL_BALANCE);
    }
    for (epoch, is_current) in [
        (get_previous_epoch(&state), false),
        (get_current_epoch(&state), true),
    ] {
        push_attestations(&mut state, epoch, is_current, variant)?;
    }
    Ok(state)
}

fn set_checkpoints(state: &mut BeaconState, variant: Variant) {
    let checkpoint = |epoch: Epoch| Checkpoint {
        epoch,
        root: numbered_root(1, epoch * state.spec().SLOTS_PER_EPOCH),
    };
    let [finalized, previous, current] = match variant {
        Variant::Leak => [2, 3, 3],
        _ => [EPOCH - 2, EPOCH - 2, EPOCH - 1],
    }
    .map(checkpoint);
    state.set_finalized_checkpoint(finalized);
    state.set_previous_justified_checkpoint(previous);
    state.set_current_justified_checkpoint(current);
}

fn validator(index: u64, count: u64, variant: Variant, spec: &Spec) -> (Validator, Gwei) {
    let mut pubkey = BLSPubkey::ZERO;
    pubkey[..32].copy_from_slice(numbered_root(4, index).as_slice());
    let mut validator = Validator {
        pubkey,
        withdrawal_credentials: numbered_root(5, index),
        effective_balance: FULL_BALANCE,
        slashed: false,
        activation_eligibility_epoch: 0,
        activation_epoch: 0,
        exit_epoch: FAR_FUTURE_EPOCH,
        withdrawable_epoch: FAR_FUTURE_EPOCH,
    };
    let new = spec.MAX_DEPOSITS * spec.SLOTS_PER_EPOCH;
    match (variant, index % 100) {
        (Variant::Slashed, 0) => {
            let penalised_now = EPOCH + spec.EPOCHS_PER_SLASHINGS_VECTOR / 2;
            validator.slashed = true;
            validator.exit_epoch = EPOCH - 2;
            validator.withdrawable_epoch = penalised_now + index / 100 % 2;
        }
        // The newest come last.
        (Variant::Churn, _) if index + new >= count => {
            validator.activation_eligibility_epoch = FAR_FUTURE_EPOCH;
            validator.activation_epoch = FAR_FUTURE_EPOCH;
        }
        (Variant::Churn, _) if index + new + count / 100 >= count => {
            validator.activation_eligibility_epoch = EPOCH - 3;
            validator.activation_epoch = FAR_FUTURE_EPOCH;
        }
        (Variant::Churn, 2) => {
            validator.exit_epoch = EPOCH + 5 + index / 1000;
            validator.withdrawable_epoch =
                validator.exit_epoch + spec.MIN_VALIDATOR_WITHDRAWABILITY_DELAY;
        }
        (Variant::Churn, 3) if index % 1000 == 3 => {
            validator.effective_balance = spec.EJECTION_BALANCE;
        }
        _ => {}
    }
    let balance = match (variant, index % 100) {
        (Variant::Scattered, 0) => FULL_BALANCE - 500_000_000,
        // Above the step, so that no effective balance changes by itself.
        _ => validator.effective_balance + 500_000_000,
    };
    (validator, balance)
}

fn push_attestations(
    state: &mut BeaconState,
    epoch: Epoch,
    is_current: bool,
    variant: Variant,
) -> Result<()> {
    let slots = state.spec().SLOTS_PER_EPOCH;
    let shuffling = state.shuffling(epoch)?;
    let source = match is_current {
        true => state.current_justified_checkpoint(),
        false => state.previous_justified_checkpoint(),
    };
    let target = Checkpoint {
        epoch,
        root: numbered_root(1, epoch * slots),
    };
    let first_slot = epoch * slots;
    for slot in first_slot..(first_slot + slots).min(state.slot()) {
        for index in 0..shuffling.committees_per_slot() {
            let committee = shuffling.committee(slot, index).context("no committee")?;
            for share in [100, 80] {
                let mut aggregation_bits = AggregationBits::with_capacity(committee.len())
                    .ok()
                    .context("a committee of more than 2,048")?;
                for (position, &member) in committee.iter().enumerate() {
                    let takes_part = percentage(6, u64::from(member)) < variant.participation()
                        && percentage(slot, position as u64) < share;
                    if aggregation_bits.set(position, takes_part).is_err() {
                        anyhow::bail!("a bit beyond the committee");
                    }
                }
                let attestation = PendingAttestation {
                    aggregation_bits,
                    data: AttestationData {
                        slot,
                        index,
                        beacon_block_root: numbered_root(1, slot),
                        source,
                        target,
                    },
                    inclusion_delay: 1,
                    proposer_index: (slot * 7919) % state.validators().len() as u64,
                };
                state.push_pending_attestation(attestation, is_current)?;
            }
        }
    }
    Ok(())
}

/// A root that is different for every kind and number.
fn numbered_root(kind: u64, number: u64) -> Root {
    let mut preimage = [0; 16];
    preimage[..8].copy_from_slice(&kind.to_le_bytes());
    preimage[8..].copy_from_slice(&number.to_le_bytes());
    kernels::sha256(&preimage).into()
}

/// Evenly spread over 0 to 99.
fn percentage(kind: u64, number: u64) -> u64 {
    let mixed = (number ^ kind << 40).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    ((mixed ^ mixed >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 32) % 100
}

#[cfg(test)]
mod tests {
    use super::*;
    use consensus::transition::process_epoch;

    const VALIDATORS: usize = 20_000;

    fn processed(variant: Variant) -> (BeaconState, BeaconState) {
        let before = generate(VALIDATORS, variant, &Arc::new(Spec::mainnet())).unwrap();
        let mut after = before.clone();
        process_epoch(&mut after).unwrap();
        (before, after)
    }

    fn changed(variant: Variant, differs: impl Fn(&Validator, &Validator) -> bool) -> usize {
        let (before, after) = processed(variant);
        let pairs = before.validators().iter().zip(after.validators().iter());
        pairs.filter(|(old, new)| differs(old, new)).count()
    }

    fn gainers(variant: Variant) -> usize {
        let (before, after) = processed(variant);
        let pairs = before.balances().iter().zip(after.balances().iter());
        pairs.filter(|(old, new)| new > old).count()
    }

    #[test]
    fn everybody_gains_with_full_participation() {
        assert_eq!(gainers(Variant::Full), VALIDATORS);
    }

    #[test]
    fn two_thirds_gain_when_two_thirds_attest() {
        let gainers = gainers(Variant::Participation67);
        assert!(
            gainers.abs_diff(VALIDATORS * 67 / 100) < VALIDATORS / 50,
            "{gainers}"
        );
    }

    #[test]
    fn nobody_but_proposers_gains_in_a_leak() {
        assert!(gainers(Variant::Leak) <= 32);
    }

    #[test]
    fn all_but_the_slashed_gain() {
        // But for slashed proposers.
        let gainers = gainers(Variant::Slashed);
        assert!(gainers.abs_diff(VALIDATORS / 100 * 99) < 32, "{gainers}");
    }

    #[test]
    fn effective_balances_change_all_over_the_registry() {
        let changed = changed(Variant::Scattered, |old, new| {
            old.effective_balance != new.effective_balance
        });
        assert_eq!(changed, VALIDATORS / 100);
    }

    #[test]
    fn the_registry_churns() {
        let eligible = changed(Variant::Churn, |old, new| {
            old.activation_eligibility_epoch != new.activation_eligibility_epoch
        });
        let activated = changed(Variant::Churn, |old, new| {
            old.activation_epoch != new.activation_epoch
        });
        let ejected = changed(Variant::Churn, |old, new| old.exit_epoch != new.exit_epoch);
        let deposited = 512;
        assert_eq!(
            (eligible, activated, ejected),
            (deposited, 4, VALIDATORS / 1000)
        );
    }
}
