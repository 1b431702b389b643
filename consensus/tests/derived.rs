//! What a state keeps beside its fields is right after any writes in any order: compared with a
//! fresh copy that has kept nothing.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod oracle;

use consensus::deposit_tree::DepositTree;
use consensus::helpers::*;
use consensus::transition::*;
use consensus::*;
use oracle::fixture::{AcceptAll, minimal};
use oracle::random::{self, Profile};
use oracle::rng::Rng;
use oracle::setters::{WRITES, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Everything public that is computed from fields.
#[derive(Debug, PartialEq)]
struct Derived {
    orders: Vec<Option<Vec<u32>>>,
    proposers: Vec<Option<ValidatorIndex>>,
    total: Result<Gwei, Error>,
    churn: Result<u64, Error>,
    unrealized: Result<(Checkpoint, Checkpoint), Error>,
    indices: Vec<Option<ValidatorIndex>>,
    exit_epoch: Option<Epoch>,
}

fn derived(state: &BeaconState) -> Derived {
    let epoch = get_current_epoch(state);
    let start = compute_start_slot_at_epoch(epoch, state.spec()).unwrap();
    let proposers = start..start + state.spec().SLOTS_PER_EPOCH;
    // A slot of the state's own epoch keeps everything.
    let at_slot = |slot| {
        let mut at_slot = state.clone();
        at_slot.set_slot(slot);
        get_beacon_proposer_index(&at_slot).ok()
    };
    Derived {
        orders: [epoch.saturating_sub(1), epoch, epoch + 1, epoch + 9]
            .iter()
            .map(|&of| state.shuffling(of).ok().map(|it| it.order().to_vec()))
            .collect(),
        proposers: proposers.map(at_slot).collect(),
        total: get_total_active_balance(state),
        churn: get_validator_churn_limit(state),
        unrealized: unrealized_checkpoints(state),
        indices: (0..state.validators().len() as u64 + 2)
            .map(|index| state.index_of_key(&random::key(index)))
            .collect(),
        exit_epoch: next_exit_epoch(state),
    }
}

/// Where the exit queue ends: the epoch that the next one to leave gets.
fn next_exit_epoch(state: &BeaconState) -> Option<Epoch> {
    let stays = |exit_epoch: &Epoch| *exit_epoch == FAR_FUTURE_EPOCH;
    let epochs: Vec<Epoch> = state.validators().iter().map(|it| it.exit_epoch).collect();
    let index = epochs.iter().position(stays)?;
    let mut state = state.clone();
    initiate_validator_exit(&mut state, index as u64).ok()?;
    state.validators().exit_epoch(index)
}

fn fresh(state: &BeaconState) -> BeaconState {
    BeaconState::from_ssz_bytes(&state.as_ssz_bytes(), state.spec()).unwrap()
}

fn assert_derived(state: &BeaconState, context: &str) {
    let kept = catch_unwind(AssertUnwindSafe(|| derived(state)));
    let kept = kept.unwrap_or_else(|_| panic!("{context}: a kept value made it panic"));
    assert_eq!(kept, derived(&fresh(state)), "{context}");
}

#[test]
fn each_setter_forgets_what_it_feeds() {
    for (number, write) in (0..).zip(WRITES) {
        for round in 0..25 {
            let rng = &mut Rng::new(number * 1000 + round);
            let mut profile = Profile::random(rng, &minimal());
            profile.validators = rng.range(20, 90);
            let mut plain = random::state_of(rng, &minimal(), &profile);
            let mut state = plain.to_state();
            assert_derived(&state, "before");
            write.apply(rng, &mut plain, &mut state);
            assert_derived(&state, &format!("{write:?}, round {round}"));
        }
    }
}

#[test]
fn any_order_of_setters_keeps_what_is_right() {
    for seed in 0..60 {
        let rng = &mut Rng::new(seed);
        let mut profile = Profile::random(rng, &minimal());
        profile.validators = rng.range(20, 90);
        let mut plain = random::state_of(rng, &minimal(), &profile);
        let mut state = plain.to_state();
        let mut writes = Vec::new();
        for _ in 0..12 {
            let write = rng.pick(&WRITES);
            writes.push(write);
            write.apply(rng, &mut plain, &mut state);
            if rng.percent(60) {
                assert_derived(&state, &format!("seed {seed}: {writes:?}"));
            }
        }
        assert_derived(&state, &format!("seed {seed}: {writes:?}"));
    }
}

/// The order of a chain: attestations come in, the epoch turns, its slot is set.
#[test]
fn epochs_as_a_chain_has_them_keep_what_is_right() {
    for seed in 0..20 {
        let rng = &mut Rng::new(seed);
        let profile = Profile::steady(70, rng.pick(&[0, 1, 2, 7]), 80);
        let mut plain = random::state_of(rng, &minimal(), &profile);
        let mut state = plain.to_state();
        for step in 0..6 {
            let slot = state.slot() + 1 + rng.below(9);
            plain.process_slots(slot).unwrap();
            process_slots(&mut state, slot).unwrap();
            assert_derived(&state, &format!("seed {seed}, step {step}"));
            for _ in 0..5 {
                Write::PushAttestation.apply(rng, &mut plain, &mut state);
                if rng.percent(30) {
                    Write::Slashed.apply(rng, &mut plain, &mut state);
                }
            }
            assert_derived(&state, &format!("seed {seed}, step {step}, attested"));
        }
    }
}

fn deposit_data(index: u64) -> DepositData {
    DepositData {
        pubkey: random::key(1_000_000 + index),
        withdrawal_credentials: Root::repeat_byte(index as u8),
        amount: 32_000_000_000,
        signature: BLSSignature::ZERO,
    }
}

/// `state` after the deposits in this order, with proofs under its own eth1 data.
fn with_deposits(state: &BeaconState, deposits: &[DepositData]) -> BeaconState {
    let mut tree = DepositTree::new();
    for data in deposits {
        tree.push(data.hash_tree_root()).unwrap();
    }
    let mut state = state.clone();
    state.set_eth1_deposit_index(0);
    state.set_eth1_data(Eth1Data {
        deposit_root: tree.root(),
        deposit_count: deposits.len() as u64,
        block_hash: Root::ZERO,
    });
    for (index, data) in (0..).zip(deposits) {
        let deposit = Deposit {
            proof: tree.proof(index).unwrap(),
            data: *data,
        };
        let signatures = Signatures::new(SignatureMode::Bulk, &AcceptAll);
        process_deposit(&mut state, &deposit, &signatures).unwrap();
    }
    state
}

/// The index of a key depends on the fork: two branches process the same deposits in another
/// order. Some clients once kept one table of keys for all forks.
#[test]
fn forks_with_swapped_deposits_give_the_same_keys_different_indices() {
    let rng = &mut Rng::new(3);
    let plain = random::state_of(rng, &minimal(), &Profile::steady(64, 3, 100));
    for warmed in [false, true] {
        let common = plain.to_state();
        if warmed {
            assert_eq!(common.index_of_key(&random::key(5)), Some(5));
        }
        let (a, b) = (deposit_data(0), deposit_data(1));
        let one = with_deposits(&common, &[a, b]);
        let other = with_deposits(&common, &[b, a]);
        for (state, first, second) in [(&one, &a, &b), (&other, &b, &a)] {
            assert_eq!(state.index_of_key(&first.pubkey), Some(64));
            assert_eq!(state.index_of_key(&second.pubkey), Some(65));
            assert_eq!(state.validators().get(64).unwrap().pubkey, first.pubkey);
            assert_eq!(state.validators().get(65).unwrap().pubkey, second.pubkey);
            assert_derived(state, "a fork");
        }
        assert_eq!(common.index_of_key(&a.pubkey), None);
        // A further deposit for a known key goes to the fork's own validator.
        let topped_up = with_deposits(&other, &[a]);
        assert_eq!(topped_up.balances().get(65), Some(64_000_000_000));
        assert_eq!(topped_up.validators().len(), 66);
    }
}

/// More additions than the table of additions holds before it is folded into its base.
#[test]
fn many_new_keys_are_found_on_their_fork_only() {
    let rng = &mut Rng::new(4);
    let plain = random::state_of(rng, &minimal(), &Profile::steady(10, 3, 0));
    let common = plain.to_state();
    common.index_of_key(&random::key(0));
    let mut forks = [common.clone(), common];
    let keys: Vec<BLSPubkey> = (0..2100).map(|at| random::key(2_000_000 + at)).collect();
    let mut validator = plain.validators[0].clone();
    for at in 0..keys.len() {
        for (fork, key) in forks.iter_mut().zip([at, keys.len() - 1 - at]) {
            validator.pubkey = keys[key];
            fork.push_validator(&validator, 1).unwrap();
        }
    }
    let last = keys.len() as u64 - 1;
    for (at, key) in (0..).zip(&keys) {
        assert_eq!(forks[0].index_of_key(key), Some(10 + at));
        assert_eq!(forks[1].index_of_key(key), Some(10 + last - at));
    }
}

/// The first of equal keys counts, as in a search of the registry from its beginning.
#[test]
fn of_equal_keys_the_first_counts() {
    let rng = &mut Rng::new(4);
    let mut plain = random::state_of(rng, &minimal(), &Profile::steady(10, 3, 0));
    plain.validators[7].pubkey = plain.validators[2].pubkey;
    let mut state = plain.to_state();
    let key = plain.validators[2].pubkey;
    assert_eq!(state.index_of_key(&key), Some(2));
    state.push_validator(&plain.validators[2], 1).unwrap();
    assert_eq!(state.index_of_key(&key), Some(2));
}

/// A block with all attestations of one committee, as a proposer would include them.
fn full_attestation(state: &BeaconState, slot: Slot, source: Checkpoint) -> Attestation {
    let epoch = compute_epoch_at_slot(slot, state.spec());
    let committee = get_beacon_committee(state, slot, 0).unwrap();
    let mut aggregation_bits = AggregationBits::with_capacity(committee.len()).unwrap();
    for at in 0..committee.len() {
        aggregation_bits.set(at, true).unwrap();
    }
    Attestation {
        aggregation_bits,
        data: AttestationData {
            slot,
            index: 0,
            beacon_block_root: get_block_root_at_slot(state, slot).unwrap(),
            source,
            target: Checkpoint {
                epoch,
                root: get_block_root(state, epoch).unwrap(),
            },
        },
        signature: BLSSignature::ZERO,
    }
}

/// CL-2021-14: late attestations of the previous epoch on top of a full list. The list has a
/// limit, and the block that goes beyond it is invalid.
#[test]
fn cl_2021_14_the_list_of_previous_attestations_does_not_overflow() {
    let rng = &mut Rng::new(8);
    let mut plain = random::state_of(rng, &minimal(), &Profile::steady(64, 6, 100));
    plain.slot = 6 * plain.spec.SLOTS_PER_EPOCH + 3;
    plain.current_epoch_attestations.clear();
    let limit = plain.spec.pending_attestations_limit() as usize;
    let some = plain.previous_epoch_attestations[0].clone();
    plain.previous_epoch_attestations.resize(limit - 1, some);
    let mut state = plain.to_state();
    let slot = plain.slot - 6;
    let attestation = full_attestation(&state, slot, state.previous_justified_checkpoint());
    let mut include = || {
        let signatures = &mut Signatures::new(SignatureMode::Skip, &AcceptAll);
        process_attestation(&mut state, &attestation, signatures)
    };
    assert_eq!(include(), Ok(()));
    assert_eq!(
        include(),
        Err(Error::ListFull("previous_epoch_attestations"))
    );
    assert_eq!(state.previous_epoch_attestations().len(), limit);
    assert_eq!(fresh(&state).hash_tree_root(), state.hash_tree_root());
    let unrealized = unrealized_checkpoints(&state);
    assert_eq!(unrealized, unrealized_checkpoints(&fresh(&state)));
}

/// The largest `x` with `x * x <= n`, by bisection on numbers of 128 bits.
fn square_root_by_search(n: u64) -> u64 {
    let (mut low, mut high) = (0u128, 1u128 << 32);
    while high - low > 1 {
        let middle = low.midpoint(high);
        match middle * middle <= u128::from(n) {
            true => low = middle,
            false => high = middle,
        }
    }
    low as u64
}

/// CL-2021-23: a square root through floating-point numbers is off by one for some large numbers.
#[test]
fn cl_2021_23_square_roots_are_exact() {
    let rng = &mut Rng::new(9);
    let mut numbers: Vec<u64> = (0..2000).collect();
    numbers.extend([u64::MAX, u64::MAX - 1, 1 << 53, (1 << 53) + 1, 1 << 63]);
    for _ in 0..20_000 {
        let root = rng.next() >> (32 + rng.below(32));
        let square = root * root;
        numbers.extend([square, square.saturating_sub(1), square.saturating_add(1)]);
        numbers.push(rng.next() >> rng.below(64));
    }
    for root in (0xffff_ff00u64..=0xffff_ffff).chain((1 << 26)..(1 << 26) + 100) {
        numbers.extend([root * root, root * root - 1, root * root + 1]);
    }
    for n in numbers {
        let root = integer_squareroot(n);
        assert_eq!(root, square_root_by_search(n), "of {n}");
        assert_eq!(root, oracle::helpers::integer_squareroot(n), "of {n}");
    }
}

/// CL-2021-47: a proposer slashing and an exit of the same validator in one block. The slashing has
/// begun the exit, so that the exit after it is invalid, and a proposer must not pack both.
#[test]
fn cl_2021_47_slashing_and_exit_of_one_validator() {
    let rng = &mut Rng::new(10);
    let plain = random::state_of(rng, &minimal(), &Profile::steady(64, 100, 100));
    let state = plain.to_state();
    let header = |body: u8| SignedBeaconBlockHeader {
        message: BeaconBlockHeader {
            slot: 790,
            proposer_index: 9,
            parent_root: Root::ZERO,
            state_root: Root::ZERO,
            body_root: Root::repeat_byte(body),
        },
        signature: BLSSignature::ZERO,
    };
    let slashing = ProposerSlashing {
        signed_header_1: header(1),
        signed_header_2: header(2),
    };
    let exit = SignedVoluntaryExit {
        message: VoluntaryExit {
            epoch: 90,
            validator_index: 9,
        },
        signature: BLSSignature::ZERO,
    };
    let signatures = &mut Signatures::new(SignatureMode::Skip, &AcceptAll);
    let mut alone = state.clone();
    assert_eq!(
        process_voluntary_exit(&mut alone, &exit, signatures),
        Ok(())
    );
    let mut both = state.clone();
    assert_eq!(
        process_proposer_slashing(&mut both, &slashing, signatures),
        Ok(())
    );
    let refused = process_voluntary_exit(&mut both, &exit, signatures);
    assert_eq!(refused, Err(Error::ExitAlreadyInitiated(9)));
    // The other way round, over two blocks, the slashing is still possible.
    let slashed = process_proposer_slashing(&mut alone, &slashing, signatures);
    assert_eq!(slashed, Ok(()));
    assert_eq!(alone.validators().slashed(9), Some(true));
}

/// Slashing and leaving against the plain state: balances, queue and slashed totals.
#[test]
fn slashings_and_exits_agree_with_the_plain_state() {
    for seed in 0..60 {
        let rng = &mut Rng::new(seed);
        let mut profile = Profile::random(rng, &minimal());
        profile.validators = rng.range(10, 100);
        let mut plain = random::state_of(rng, &minimal(), &profile);
        let mut state = plain.to_state();
        for _ in 0..10 {
            let index = rng.below(profile.validators);
            let (expected, found) = match rng.percent(50) {
                true => (
                    plain.slash_validator(index),
                    slash_validator(&mut state, index, None),
                ),
                false => (
                    plain.initiate_validator_exit(index),
                    initiate_validator_exit(&mut state, index),
                ),
            };
            assert_eq!(found.is_ok(), expected.is_ok(), "seed {seed}: {expected:?}");
            if found.is_err() {
                break;
            }
            let difference = plain.differs_from(&state.as_ssz_bytes());
            assert_eq!(difference, None, "seed {seed}");
            assert_derived(&state, &format!("seed {seed}"));
        }
    }
}
