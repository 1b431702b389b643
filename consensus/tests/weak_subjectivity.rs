//! Weak subjectivity: the specification's table of periods, and stale checkpoints.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![forbid(unsafe_code)]

use consensus::helpers::hash;
use consensus::transition::process_slots;
use consensus::weak_subjectivity::*;
use consensus::*;
use std::sync::Arc;

/// `weak-subjectivity.md#compute_weak_subjectivity_period`'s table: average balance in Ether,
/// validators, period in epochs.
const TABLE: [(u64, u64, u64); 12] = [
    (28, 32_768, 504),
    (28, 65_536, 752),
    (28, 131_072, 1_248),
    (28, 262_144, 2_241),
    (28, 524_288, 2_241),
    (28, 1_048_576, 2_241),
    (32, 32_768, 665),
    (32, 65_536, 1_075),
    (32, 131_072, 1_894),
    (32, 262_144, 3_532),
    (32, 524_288, 3_532),
    (32, 1_048_576, 3_532),
];

/// A state of so many active validators, whose keys are no keys.
fn state_of(count: u64, effective_balance: Gwei, spec: &Arc<Spec>) -> BeaconState {
    let mut state = BeaconState::new(spec);
    for index in 0..count {
        let digest = hash(&index.to_le_bytes());
        let mut pubkey = BLSPubkey::ZERO;
        pubkey[..32].copy_from_slice(digest.as_slice());
        let validator = Validator {
            pubkey,
            withdrawal_credentials: Root::ZERO,
            effective_balance,
            slashed: false,
            activation_eligibility_epoch: GENESIS_EPOCH,
            activation_epoch: GENESIS_EPOCH,
            exit_epoch: FAR_FUTURE_EPOCH,
            withdrawable_epoch: FAR_FUTURE_EPOCH,
        };
        state.push_validator(&validator, effective_balance).unwrap();
    }
    state
}

#[test]
fn the_specifications_table() {
    let spec = Spec::mainnet();
    for (average, active, period) in TABLE {
        let churn = spec
            .MIN_PER_EPOCH_CHURN_LIMIT
            .max(active / spec.CHURN_LIMIT_QUOTIENT);
        assert_eq!(period_for(active, average, churn, &spec), Some(period));
    }
}

#[test]
fn the_specifications_table_from_states() {
    let spec = Arc::new(Spec::mainnet());
    for (average, active, period) in TABLE {
        if active <= 65_536 {
            let state = state_of(active, average * ETH_TO_GWEI, &spec);
            assert_eq!(compute_weak_subjectivity_period(&state), Ok(period));
        }
    }
}

#[test]
fn low_balances_take_the_other_branch() {
    let spec = Spec::mainnet();
    // 3 * 100,000 * 10 * 20 / (200 * 512 * 12) + 256
    assert_eq!(period_for(100_000, 20, 4, &spec), Some(48 + 256));
    // The branches meet where the average is 23/32 of the maximum.
    assert!(period_for(100_000, 23, 4, &spec) < period_for(100_000, 28, 4, &spec));
}

#[test]
fn states_without_a_period_are_errors() {
    let mut spec = Spec::minimal();
    let empty = BeaconState::new(&Arc::new(spec.clone()));
    let period = compute_weak_subjectivity_period(&empty);
    assert_eq!(period, Err(Error::NoActiveValidators));
    spec.MAX_EFFECTIVE_BALANCE = ETH_TO_GWEI / 2;
    assert_eq!(period_for(100, 0, 4, &spec), None);
    for huge in [1 << 40, u64::MAX] {
        let _ = period_for(huge, huge, 0, &Spec::mainnet());
        let _ = period_for(huge, huge, huge, &Spec::mainnet());
        let _ = period_for(huge, 0, huge, &Spec::mainnet());
    }
    assert_eq!(period_for(u64::MAX, u64::MAX, 0, &Spec::mainnet()), None);
}

#[test]
fn checkpoints_become_stale() {
    let spec = Arc::new(Spec::minimal());
    let mut state = state_of(64, spec.MAX_EFFECTIVE_BALANCE, &spec);
    process_slots(&mut state, 17).unwrap();
    let period = compute_weak_subjectivity_period(&state).unwrap();
    let epoch = 2;
    let root = *state.latest_block_header();
    let checkpoint = Checkpoint {
        epoch,
        root: root.hash_tree_root(),
    };
    let within = |epoch: Epoch, checkpoint: &Checkpoint| {
        is_within_weak_subjectivity_period(epoch * spec.SLOTS_PER_EPOCH, &state, checkpoint)
    };
    assert_eq!(within(2, &checkpoint), Ok(true));
    assert_eq!(within(2 + period, &checkpoint), Ok(true));
    assert_eq!(within(3 + period, &checkpoint), Ok(false));

    let other = Checkpoint {
        root: Root::ZERO,
        ..checkpoint
    };
    let error = within(2, &other).unwrap_err();
    assert!(matches!(error, WeakSubjectivityError::RootMismatch { .. }));
    let earlier = Checkpoint {
        epoch: 1,
        ..checkpoint
    };
    let mismatch = WeakSubjectivityError::EpochMismatch {
        checkpoint: 1,
        state: 2,
    };
    assert_eq!(within(2, &earlier), Err(mismatch));
    let later = Checkpoint {
        epoch: 3,
        ..checkpoint
    };
    let unavailable = within(2, &later).unwrap_err();
    assert!(matches!(
        unavailable,
        WeakSubjectivityError::State(Error::BlockRootUnavailable { .. })
    ));
    let no_slot = Checkpoint {
        epoch: u64::MAX,
        ..checkpoint
    };
    let overflow = WeakSubjectivityError::State(Error::Overflow);
    assert_eq!(within(2, &no_slot), Err(overflow));
}
