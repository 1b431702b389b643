//! A clone shares everything and yet is its own: writes to it never show in the original, and kept
//! roots are those of whole trees.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod oracle;

use consensus::transition::unrealized_checkpoints;
use consensus::{BeaconState, Spec, helpers};
use oracle::fixture::minimal;
use oracle::random::{self, Profile};
use oracle::rng::Rng;
use oracle::setters::{WRITES, Write};
use oracle::state::PlainState;
use std::sync::Arc;

/// A state with `validators` validators and everything that can be kept, kept.
fn warm_state(rng: &mut Rng, spec: &Arc<Spec>, validators: u64) -> (PlainState, BeaconState) {
    let mut profile = Profile::random(rng, spec);
    profile.validators = validators;
    let plain = random::state_of(rng, spec, &profile);
    let state = plain.to_state();
    warm(&state);
    (plain, state)
}

fn warm(state: &BeaconState) {
    let epoch = helpers::get_current_epoch(state);
    for of in [epoch.saturating_sub(1), epoch, epoch + 1] {
        state.shuffling(of).unwrap();
    }
    let _ = helpers::get_beacon_proposer_index(state);
    let _ = unrealized_checkpoints(state);
    state.index_of_key(&random::key(0));
    state.hash_tree_root();
}

/// What a state is, in bytes, root and some of what it has computed.
#[derive(Debug, PartialEq)]
struct Snapshot {
    bytes: Vec<u8>,
    root: consensus::Root,
    proposer: Option<u64>,
    total: Option<u64>,
    committee: Option<Vec<u64>>,
}

fn snapshot(state: &BeaconState) -> Snapshot {
    Snapshot {
        bytes: state.as_ssz_bytes(),
        root: state.hash_tree_root(),
        proposer: helpers::get_beacon_proposer_index(state).ok(),
        total: helpers::get_total_active_balance(state).ok(),
        committee: helpers::get_beacon_committee(state, state.slot(), 0).ok(),
    }
}

#[test]
fn no_setter_on_a_clone_changes_the_original() {
    for (number, write) in (0..).zip(WRITES) {
        for round in 0..8 {
            let rng = &mut Rng::new(number * 100 + round);
            let (mut plain, original) = warm_state(rng, &minimal(), 1 + round * 25);
            let before = snapshot(&original);
            let mut copy = original.clone();
            for _ in 0..3 {
                write.apply(rng, &mut plain, &mut copy);
            }
            assert_eq!(plain.differs_from(&copy.as_ssz_bytes()), None, "{write:?}");
            assert!(snapshot(&original) == before, "{write:?} shows through");
            // And the other way: the original written, the copy kept.
            let before = snapshot(&copy);
            let mut original = original;
            for _ in 0..3 {
                write.apply(rng, &mut plain.clone(), &mut original);
            }
            assert!(snapshot(&copy) == before, "{write:?} shows in the copy");
        }
    }
}

/// A tree of clones of clones, written at every level: each stays what it was.
#[test]
fn generations_of_clones_stay_apart() {
    let rng = &mut Rng::new(11);
    let (plain, state) = warm_state(rng, &minimal(), 300);
    let mut family = vec![(plain, state)];
    for _ in 0..120 {
        let parent = rng.below(family.len() as u64) as usize;
        let (mut plain, mut state) = family[parent].clone();
        for _ in 0..rng.range(1, 4) {
            rng.pick(&WRITES).apply(rng, &mut plain, &mut state);
        }
        if rng.percent(50) {
            state.hash_tree_root();
        }
        family.push((plain, state));
    }
    for (number, (plain, state)) in family.iter().enumerate() {
        let difference = plain.differs_from(&state.as_ssz_bytes());
        assert_eq!(difference, None, "member {number}");
        assert_eq!(state.hash_tree_root(), plain.root(), "member {number}");
    }
}

/// Lengths around the chunks of every list: validators 128, balances 1,024, groups of 32 chunks.
const LENGTHS: [u64; 14] = [
    0, 1, 2, 127, 128, 129, 255, 256, 257, 1023, 1024, 1025, 4096, 4097,
];

fn cold_root(state: &BeaconState) -> consensus::Root {
    let cold = BeaconState::from_ssz_bytes(&state.as_ssz_bytes(), state.spec());
    cold.expect("a state's own bytes").hash_tree_root()
}

#[test]
fn roots_after_any_writes_are_cold_roots() {
    for length in LENGTHS {
        let rng = &mut Rng::new(length);
        let mut plain = empty_registry(rng);
        let mut state = plain.to_state();
        state.hash_tree_root();
        for _ in 0..length {
            Write::PushValidator.apply(rng, &mut plain, &mut state);
            if rng.percent(1) {
                state.hash_tree_root();
            }
        }
        assert_eq!(state.hash_tree_root(), plain.root(), "{length} pushed");
        for round in 0..20 {
            for _ in 0..rng.range(1, 5) {
                cheap(rng).apply(rng, &mut plain, &mut state);
            }
            let context = format!("{length} validators, round {round}");
            assert_eq!(state.hash_tree_root(), cold_root(&state), "{context}");
        }
        let difference = plain.differs_from(&state.as_ssz_bytes());
        assert_eq!(difference, None, "{length} validators");
        assert_eq!(state.hash_tree_root(), plain.root(), "{length} validators");
    }
}

/// One of the setters whose random values do not take a shuffling of thousands to find.
fn cheap(rng: &mut Rng) -> Write {
    loop {
        let write = rng.pick(&WRITES);
        if write != Write::PushAttestation {
            return write;
        }
    }
}

fn empty_registry(rng: &mut Rng) -> PlainState {
    let mut plain = random::state_of(rng, &minimal(), &Profile::steady(1, 5, 0));
    plain.validators.clear();
    plain.balances.clear();
    plain.previous_epoch_attestations.clear();
    plain.current_epoch_attestations.clear();
    plain
}

/// Growth one by one over the boundaries, the root taken at every length.
#[test]
fn every_length_has_its_root() {
    let rng = &mut Rng::new(5);
    let mut plain = empty_registry(rng);
    let mut state = plain.to_state();
    for length in 1..=1100u64 {
        Write::PushValidator.apply(rng, &mut plain, &mut state);
        let root = state.hash_tree_root();
        let boundary = (length + 2) % 128 < 5 || length < 10;
        if boundary {
            assert_eq!(root, plain.root(), "{length} validators");
        }
    }
}

/// The lists of attestations (32 in a chunk), votes (16) and historical roots (64).
#[test]
fn other_lists_grow_over_their_chunks() {
    let rng = &mut Rng::new(6);
    let profile = Profile::steady(64, 9, 100);
    let mut plain = random::state_of(rng, &minimal(), &profile);
    plain.eth1_data_votes.clear();
    plain.current_epoch_attestations.clear();
    let mut state = plain.to_state();
    for round in 0..200 {
        for write in [
            Write::PushAttestation,
            Write::HistoricalRoot,
            Write::Eth1DataVote,
        ] {
            write.apply(rng, &mut plain, &mut state);
        }
        if round == 150 {
            Write::RotateAttestations.apply(rng, &mut plain, &mut state);
        }
        assert_eq!(state.hash_tree_root(), plain.root(), "round {round}");
    }
    assert!(plain.eth1_data_votes.len() == 32 && plain.previous_epoch_attestations.len() > 100);
}

#[test]
fn roots_of_the_mainnet_preset_are_cold_roots() {
    let spec = Arc::new(Spec::mainnet());
    let rng = &mut Rng::new(21);
    let (mut plain, mut state) = warm_state(rng, &spec, 150);
    for round in 0..12 {
        for _ in 0..20 {
            rng.pick(&WRITES).apply(rng, &mut plain, &mut state);
        }
        assert_eq!(state.hash_tree_root(), plain.root(), "round {round}");
    }
}

/// The roots of a pool of threads are those of one thread.
#[test]
fn warmed_roots_are_the_same() {
    for seed in 0..10 {
        let rng = &mut Rng::new(seed);
        let plain = random::state(rng, &minimal());
        let state = plain.to_state();
        state.warm_roots(&consensus::Pool::new(3));
        assert_eq!(state.hash_tree_root(), plain.root(), "seed {seed}");
    }
}
