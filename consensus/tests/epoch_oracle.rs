//! Epoch processing and the accessors against a slow second implementation on random states.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod oracle;

use consensus::transition::*;
use consensus::{Attestation, BLSSignature, BeaconState, Error, Root, Spec, helpers};
use oracle::deltas::NOTHING_FOR_NOBODY;
use oracle::epoch::Step;
use oracle::fixture::minimal;
use oracle::random::{self, Profile};
use oracle::rng::Rng;
use oracle::state::PlainState;
use oracle::{overflow, random::attestations};
use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

fn mainnet() -> Arc<Spec> {
    Arc::new(Spec::mainnet())
}

/// Both sides of a step, with its name.
type Pair = (
    &'static str,
    Step,
    fn(&mut BeaconState) -> Result<(), Error>,
);

const STEPS: [Pair; 10] = [
    (
        "process_justification_and_finalization",
        PlainState::process_justification_and_finalization,
        process_justification_and_finalization,
    ),
    (
        "process_rewards_and_penalties",
        PlainState::process_rewards_and_penalties,
        process_rewards_and_penalties,
    ),
    (
        "process_registry_updates",
        PlainState::process_registry_updates,
        process_registry_updates,
    ),
    (
        "process_slashings",
        PlainState::process_slashings,
        process_slashings,
    ),
    (
        "process_eth1_data_reset",
        PlainState::process_eth1_data_reset,
        process_eth1_data_reset,
    ),
    (
        "process_effective_balance_updates",
        PlainState::process_effective_balance_updates,
        process_effective_balance_updates,
    ),
    (
        "process_slashings_reset",
        PlainState::process_slashings_reset,
        process_slashings_reset,
    ),
    (
        "process_randao_mixes_reset",
        PlainState::process_randao_mixes_reset,
        process_randao_mixes_reset,
    ),
    (
        "process_historical_roots_update",
        PlainState::process_historical_roots_update,
        process_historical_roots_update,
    ),
    (
        "process_participation_record_updates",
        PlainState::process_participation_record_updates,
        process_participation_record_updates,
    ),
];

const EPOCH: Pair = ("process_epoch", PlainState::process_epoch, process_epoch);

/// Fills what a state keeps, so that stale values would show.
fn warm(state: &BeaconState) {
    let epoch = helpers::get_current_epoch(state);
    for of in [epoch.saturating_sub(1), epoch, epoch + 1] {
        let _ = state.shuffling(of);
    }
    let _ = helpers::get_beacon_proposer_index(state);
    let _ = helpers::get_total_active_balance(state);
    let _ = unrealized_checkpoints(state);
    state.hash_tree_root();
}

/// Runs the step on both; whether it succeeded. Panics with the difference.
fn compare(pair: &Pair, plain: &PlainState, state: &BeaconState, context: &str) -> bool {
    let (name, expected_step, step) = pair;
    let (mut expected, mut found) = (plain.clone(), state.clone());
    let expected_outcome = expected_step(&mut expected);
    let outcome = catch_unwind(AssertUnwindSafe(|| step(&mut found)));
    let outcome = outcome.unwrap_or_else(|_| panic!("{context}: {name} panicked"));
    match (expected_outcome, outcome) {
        (Ok(()), Ok(())) => {
            if let Some(difference) = expected.differs_from(&found.as_ssz_bytes()) {
                panic!("{context}: {name}: {difference}");
            }
            true
        }
        (Err(_), Err(_)) | (Err(NOTHING_FOR_NOBODY), Ok(())) => false,
        (expected, found) => panic!("{context}: {name}: expected {expected:?}, got {found:?}"),
    }
}

fn compare_all(plain: &PlainState, warmed: bool, context: &str) -> bool {
    let state = plain.to_state();
    if warmed {
        warm(&state);
    }
    compare_deltas(plain, &state, context);
    for step in &STEPS {
        compare(step, plain, &state, context);
    }
    let succeeded = compare(&EPOCH, plain, &state, context);
    let untouched = plain.differs_from(&state.as_ssz_bytes());
    assert_eq!(untouched, None, "{context}: the original changed");
    succeeded
}

fn compare_deltas(plain: &PlainState, state: &BeaconState, context: &str) {
    if plain.current_epoch() == 0 {
        // Rewards are not applied in the first epoch, and its previous epoch is itself.
        return;
    }
    let found = attestation_deltas(state).map(|deltas| {
        let parts = [
            deltas.source,
            deltas.target,
            deltas.head,
            deltas.inclusion_delay,
            deltas.inactivity_penalty,
        ];
        oracle::deltas::Components(parts.map(|part| (part.rewards, part.penalties)))
    });
    match (plain.component_deltas_of_all(), found) {
        (Ok(expected), Ok(found)) => assert_eq!(expected, found, "{context}: deltas"),
        (Err(_), Err(_)) => {}
        (expected, found) => panic!(
            "{context}: attestation_deltas: expected {:?}, got {:?}",
            expected.map(|_| ()),
            found.map(|_| ())
        ),
    }
}

fn run_random(spec: &Arc<Spec>, seeds: std::ops::Range<u64>) {
    let mut succeeded = 0;
    for seed in seeds.clone() {
        let rng = &mut Rng::new(seed);
        let profile = Profile::random(rng, spec);
        let plain = random::state_of(rng, spec, &profile);
        let context = format!("seed {seed}, {} {profile:?}", spec.PRESET_BASE);
        succeeded += u64::from(compare_all(&plain, seed % 2 == 0, &context));
    }
    let total = seeds.end - seeds.start;
    assert!(succeeded * 10 >= total * 9, "{succeeded} of {total} ran");
}

#[test]
fn random_states_agree_minimal() {
    run_random(&minimal(), 0..500);
}

#[test]
fn random_states_agree_mainnet() {
    run_random(&mainnet(), 0..60);
}

/// The steps are also compared one after the other, each on what the one before has left.
#[test]
fn steps_in_sequence_agree() {
    for seed in 1000..1100 {
        let rng = &mut Rng::new(seed);
        let mut plain = random::state(rng, &minimal());
        let mut state = plain.to_state();
        warm(&state);
        for (name, expected_step, step) in &STEPS {
            let context = format!("seed {seed}: {name}");
            if let Err(failed) = expected_step(&mut plain) {
                assert!(step(&mut state).is_err(), "{context}: expected {failed:?}");
                break;
            }
            step(&mut state).unwrap_or_else(|error| panic!("{context}: {error}"));
            assert_eq!(plain.differs_from(&state.as_ssz_bytes()), None, "{context}");
        }
    }
}

#[test]
fn full_and_two_thirds_participation_agree() {
    for spec in [minimal(), mainnet()] {
        for participation in [66, 67, 100] {
            for validators in [1, 2, 3, 31, 32, 64, 200] {
                let seed = participation * 1000 + validators;
                let rng = &mut Rng::new(seed);
                let profile = Profile::steady(validators, 10, participation);
                let plain = random::state_of(rng, &spec, &profile);
                let context = format!("{} {profile:?}", spec.PRESET_BASE);
                assert!(compare_all(&plain, true, &context), "{context}");
            }
        }
    }
}

#[test]
fn empty_epochs_agree() {
    for spec in [minimal(), mainnet()] {
        for validators in [1, 5, 120] {
            for epoch in 0..12 {
                let rng = &mut Rng::new(epoch);
                let profile = Profile::steady(validators, epoch, 0);
                let mut plain = random::state_of(rng, &spec, &profile);
                plain.previous_epoch_attestations.clear();
                plain.current_epoch_attestations.clear();
                assert!(compare_all(&plain, true, &format!("{profile:?}")));
            }
        }
    }
}

/// Several epochs through `process_slots`, attestations coming in slot by slot through the state's
/// own bookkeeping; state roots are in the state and so compared too.
fn run_epochs(spec: &Arc<Spec>, seed: u64, epochs: u64) {
    let rng = &mut Rng::new(seed);
    let mut profile = Profile::random(rng, spec);
    profile.epoch = rng.pick(&[0, 1, 2, 6, 60]);
    let mut plain = random::state_of(rng, spec, &profile);
    let mut state = plain.to_state();
    for _ in 0..epochs {
        let slot = plain.slot + 1 + rng.below(spec.SLOTS_PER_EPOCH);
        let context = format!("seed {seed}, {} slot {slot}, {profile:?}", spec.PRESET_BASE);
        let expected = plain.process_slots(slot);
        let before = state.as_ssz_bytes();
        let found = process_slots(&mut state, slot);
        if expected.is_err() {
            assert!(found.is_err(), "{context}: expected {expected:?}");
            assert!(state.as_ssz_bytes() == before, "{context}: state touched");
            return;
        }
        assert_eq!(found, Ok(()), "{context}");
        profile.participation = rng.pick(&[0, 67, 100]);
        for epoch in [plain.previous_epoch(), plain.current_epoch()] {
            let is_current = epoch == plain.current_epoch();
            for attestation in attestations(rng, &plain, epoch, &profile) {
                let kept = match is_current {
                    true => &mut plain.current_epoch_attestations,
                    false => &mut plain.previous_epoch_attestations,
                };
                if kept.len() as u64 == spec.pending_attestations_limit() {
                    break;
                }
                kept.push(attestation.clone());
                let pushed = state.push_pending_attestation(attestation, is_current);
                assert_eq!(pushed, Ok(()), "{context}");
                if rng.percent(10) {
                    assert_unrealized(&plain, &state, &context);
                }
            }
        }
        assert_eq!(plain.differs_from(&state.as_ssz_bytes()), None, "{context}");
        assert_eq!(state.hash_tree_root(), plain.root(), "{context}");
    }
}

#[test]
fn epochs_in_sequence_agree() {
    for seed in 0..40 {
        run_epochs(&minimal(), seed, 6);
    }
    for seed in 0..2 {
        run_epochs(&mainnet(), seed, 2);
    }
}

fn assert_unrealized(plain: &PlainState, state: &BeaconState, context: &str) {
    let mut expected = plain.clone();
    let expected_outcome = expected.process_justification_and_finalization();
    let mut advanced = state.clone();
    let outcome = process_justification_and_finalization(&mut advanced);
    assert_eq!(outcome.is_ok(), expected_outcome.is_ok(), "{context}");
    let found = unrealized_checkpoints(state);
    if outcome.is_err() {
        assert!(found.is_err(), "{context}");
        return;
    }
    let on_clone = (
        advanced.current_justified_checkpoint(),
        advanced.finalized_checkpoint(),
    );
    assert_eq!(found, Ok(on_clone), "{context}");
    let on_oracle = (
        expected.current_justified_checkpoint,
        expected.finalized_checkpoint,
    );
    assert_eq!(on_clone, on_oracle, "{context}");
}

#[test]
fn unrealized_checkpoints_are_those_of_the_next_epoch() {
    for seed in 2000..2200 {
        let rng = &mut Rng::new(seed);
        let plain = random::state(rng, &minimal());
        assert_unrealized(&plain, &plain.to_state(), &format!("seed {seed}"));
    }
}

#[test]
fn accessors_agree() {
    for (spec, seeds) in [(minimal(), 0..120), (mainnet(), 0..12)] {
        for seed in seeds {
            let rng = &mut Rng::new(seed);
            let plain = random::state(rng, &spec);
            let state = plain.to_state();
            let context = format!("seed {seed}, {}", spec.PRESET_BASE);
            compare_committees(&plain, &state, &context);
            compare_totals(rng, &plain, &state, &context);
            compare_proposers(&plain, &state, &context);
        }
    }
}

fn compare_committees(plain: &PlainState, state: &BeaconState, context: &str) {
    let epoch = plain.current_epoch();
    // The last one is not kept by the state.
    for epoch in [plain.previous_epoch(), epoch, epoch + 1, epoch + 7] {
        let count = plain.committee_count_per_slot(epoch);
        let found = helpers::get_committee_count_per_slot(state, epoch);
        assert_eq!(found, Ok(count), "{context}");
        let active = plain.active_validator_indices(epoch);
        assert_eq!(
            helpers::get_active_validator_indices(state, epoch),
            active,
            "{context}"
        );
        let start = epoch * plain.spec.SLOTS_PER_EPOCH;
        let step = (plain.spec.SLOTS_PER_EPOCH / 8).max(1);
        for slot in (start..start + plain.spec.SLOTS_PER_EPOCH).step_by(step as usize) {
            for index in 0..count {
                let expected = plain.beacon_committee(slot, index);
                let found = helpers::get_beacon_committee(state, slot, index);
                assert_eq!(found.ok(), expected.ok(), "{context} {slot} {index}");
            }
            let beyond = helpers::get_beacon_committee(state, slot, count);
            assert!(beyond.is_err(), "{context}: committee {count} of {count}");
        }
    }
}

fn compare_totals(rng: &mut Rng, plain: &PlainState, state: &BeaconState, context: &str) {
    let total = helpers::get_total_active_balance(state);
    assert_eq!(total.ok(), plain.total_active_balance().ok(), "{context}");
    let some: BTreeSet<u64> = (0..plain.validators.len() as u64)
        .filter(|_| rng.percent(40))
        .collect();
    let list: Vec<u64> = some.iter().copied().collect();
    let found = helpers::get_total_balance(state, &list);
    assert_eq!(found.ok(), plain.total_balance(&some).ok(), "{context}");
    let beyond = [plain.validators.len() as u64];
    assert!(helpers::get_total_balance(state, &beyond).is_err());
    let churn = helpers::get_validator_churn_limit(state);
    assert_eq!(churn, Ok(plain.validator_churn_limit()), "{context}");
    for attestation in plain.previous_epoch_attestations.iter().take(10) {
        let (data, bits) = (&attestation.data, &attestation.aggregation_bits);
        // A set: in any order, but nobody twice.
        let mut found = helpers::get_attesting_indices(state, data, bits).unwrap();
        found.sort_unstable();
        let expected = plain.attesting_indices(data, bits).unwrap();
        assert!(found.into_iter().eq(expected.clone()), "{context}");
        let attestation = Attestation {
            aggregation_bits: bits.clone(),
            data: *data,
            signature: BLSSignature::ZERO,
        };
        let indexed = helpers::get_indexed_attestation(state, &attestation).unwrap();
        assert!(expected.iter().eq(&indexed.attesting_indices), "{context}");
    }
    for slot in [0, plain.slot - 1, plain.slot, plain.slot + 1, u64::MAX] {
        let found = helpers::get_block_root_at_slot(state, slot).ok();
        assert_eq!(found, plain.block_root_at_slot(slot).ok(), "{context}");
    }
}

fn compare_proposers(plain: &PlainState, state: &BeaconState, context: &str) {
    let start = plain.current_epoch() * plain.spec.SLOTS_PER_EPOCH;
    let mut any = false;
    for slot in start..start + plain.spec.SLOTS_PER_EPOCH {
        let (mut plain, mut state) = (plain.clone(), state.clone());
        plain.slot = slot;
        state.set_slot(slot);
        let Ok(expected) = plain.beacon_proposer_index() else {
            continue;
        };
        // An epoch in which one slot finds no proposer has none at all in the state.
        any = true;
        let found = helpers::get_beacon_proposer_index(&state);
        assert_eq!(found, Ok(expected), "{context}: slot {slot}");
    }
    if !any {
        assert!(
            helpers::get_beacon_proposer_index(state).is_err(),
            "{context}"
        );
    }
}

/// Without any balance the specification still draws whoever meets the random byte 0.
#[test]
fn proposers_without_balance_agree() {
    let rng = &mut Rng::new(1);
    let mut plain = random::state_of(rng, &minimal(), &Profile::steady(40, 5, 100));
    overflow::without_balance(&mut plain);
    let found = helpers::get_beacon_proposer_index(&plain.to_state());
    assert_eq!(found.ok(), plain.beacon_proposer_index().ok());
    for validator in &mut plain.validators {
        validator.exit_epoch = 1;
    }
    let found = helpers::get_beacon_proposer_index(&plain.to_state());
    assert_eq!(found, Err(Error::NoActiveValidators));
}

/// Numbers at the edge of 64 bits: both sides fail or both succeed.
#[test]
fn overflows_agree() {
    let (mut failed, mut succeeded) = (0, 0);
    for seed in 5000..6500 {
        let rng = &mut Rng::new(seed);
        let mut plain = random::state(rng, &minimal());
        overflow::strain(rng, &mut plain);
        if overflow::checkpoint_at_the_end_of_time(&plain) {
            continue;
        }
        let context = format!("seed {seed}");
        match compare(&EPOCH, &plain, &plain.to_state(), &context) {
            true => succeeded += 1,
            false => failed += 1,
        }
    }
    assert!(failed > 100 && succeeded > 100, "{failed}, {succeeded}");
}

/// The rules of finality add up to 3 to an epoch of a checkpoint.
#[test]
fn checkpoints_at_the_end_of_time_agree() {
    for seed in 0..100 {
        let rng = &mut Rng::new(seed);
        let mut plain = random::state_of(rng, &minimal(), &Profile::steady(16, 9, 100));
        let epoch = u64::MAX - rng.below(4);
        match seed % 2 {
            0 => plain.previous_justified_checkpoint.epoch = epoch,
            _ => plain.current_justified_checkpoint.epoch = epoch,
        }
        compare(
            &STEPS[0],
            &plain,
            &plain.to_state(),
            &format!("seed {seed}"),
        );
    }
}

/// The sum of a validator's rewards is beyond 64 bits although each one is not.
#[test]
fn rewards_that_overflow_in_sum_are_an_error() {
    let rng = &mut Rng::new(7);
    let mut plain = random::state_of(rng, &minimal(), &Profile::steady(64, 20, 100));
    overflow::rewards_beyond_64_bits(&mut plain);
    let deltas = plain.component_deltas_of_all();
    assert!(deltas.is_ok(), "each component fits: {:?}", deltas.err());
    compare(
        &STEPS[1],
        &plain,
        &plain.to_state(),
        "rewards beyond 64 bits",
    );
}

#[test]
fn roots_agree() {
    let root =
        |plain: &PlainState| -> (Root, Root) { (plain.to_state().hash_tree_root(), plain.root()) };
    for spec in [minimal(), mainnet()] {
        for seed in 0..20 {
            let (found, expected) = root(&random::state(&mut Rng::new(seed), &spec));
            assert_eq!(found, expected, "seed {seed}, {}", spec.PRESET_BASE);
        }
    }
}
