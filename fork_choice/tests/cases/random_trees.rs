//! Random histories: the store answers as the specification's text does, after every step.

use crate::oracle::world::{World, anchored_store, root_of, small_spec};
use consensus::{Root, ValidatorIndex};
use fork_choice::Store;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::LazyLock;

/// Anchors at genesis and at a later epoch: finality at genesis lets every leaf be viable.
static ANCHORS: LazyLock<[Store; 2]> =
    LazyLock::new(|| [0, 3].map(|epoch| anchored_store(&small_spec(), epoch)));

#[derive(Clone, Debug)]
enum Op {
    Tick {
        seconds: u64,
    },
    Block {
        parent: usize,
        gap: u64,
        now: bool,
        justify: bool,
        finalize: bool,
    },
    Again {
        block: usize,
    },
    Attest {
        block: usize,
        delay: u64,
        fault: u8,
        from_block: bool,
        voters: u32,
    },
    Slash {
        first: u32,
        second: u32,
        slashable: bool,
    },
    Balances {
        seed: u64,
    },
    Prune,
    Restart,
    LateHead {
        voters: u32,
    },
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        6 => (0..20u64).prop_map(|seconds| Op::Tick { seconds }),
        1 => (0..120u64).prop_map(|seconds| Op::Tick { seconds }),
        12 => (0..40usize, 0..6u64, any::<bool>(), any::<bool>(), any::<bool>()).prop_map(
            |(parent, gap, now, justify, finalize)| Op::Block {
                parent, gap, now, justify, finalize
            }
        ),
        1 => (0..40usize).prop_map(|block| Op::Again { block }),
        10 => (0..40usize, 0..9u64, 0..24u8, any::<bool>(), any::<u32>()).prop_map(
            |(block, delay, fault, from_block, voters)| Op::Attest {
                block, delay, fault, from_block, voters
            }
        ),
        1 => (any::<u32>(), any::<u32>(), any::<bool>()).prop_map(
            |(first, second, slashable)| Op::Slash { first: first & second, second, slashable }
        ),
        1 => any::<u64>().prop_map(|seed| Op::Balances { seed }),
        2 => Just(Op::Prune),
        2 => Just(Op::Restart),
        1 => any::<u32>().prop_map(|voters| Op::LateHead { voters }),
    ]
}

/// Counting from the newest block; beyond the oldest there is one that nobody knows.
fn pick(world: &World, back: usize) -> Root {
    let len = world.order.len();
    // Half of the picks go to the four newest blocks: chains, not only bushes.
    let back = if back < 20 { back % 4 } else { back - 20 };
    match len.checked_sub(back + 1) {
        Some(at) => world.order[at],
        None if back == 19 => root_of(u64::MAX),
        None => world.order[back % len],
    }
}

/// Validators of the low 16 bits, most often few; rarely one that does not exist.
fn voters(bits: u32) -> Vec<ValidatorIndex> {
    let mask = bits & (bits >> 16);
    let mut voters: Vec<_> = (0..16).filter(|i| mask >> i & 1 == 1).collect();
    if bits >> 28 == 0 {
        voters.push(16);
    }
    voters
}

fn apply(world: &mut World, op: &Op) {
    match *op {
        Op::Tick { seconds } => world.tick(seconds),
        Op::Block {
            parent,
            gap,
            now,
            justify,
            finalize,
        } => {
            let parent = pick(world, parent);
            let above = world.oracle.blocks.get(&parent).map_or(0, |b| b.slot);
            let current = world.oracle.current_slot();
            let slot = if now { current } else { above + gap };
            let facts = world.facts(parent, slot, justify, finalize);
            if !world.order.contains(&facts.root) {
                world.block(&facts);
            }
        }
        Op::Again { block } => {
            if let Some(&facts) = world.oracle.blocks.get(&pick(world, block)) {
                world.block(&facts);
            }
        }
        Op::Attest {
            block,
            delay,
            fault,
            from_block,
            voters: bits,
        } => {
            let root = pick(world, block);
            let slot = world.oracle.blocks.get(&root).map_or(0, |b| b.slot);
            // Most faults of the slot and the target are rare among good attestations.
            let mut data = world.attestation(root, slot + delay);
            match fault {
                0 => data.target.root = pick(world, block + 1),
                1 => data.target.epoch += 1,
                2 => data.slot = slot.saturating_sub(1),
                3 => data.target.root = root_of(u64::MAX),
                4 => data.beacon_block_root = root_of(u64::MAX),
                _ => {}
            }
            world.attest(&data, &voters(bits), from_block);
        }
        Op::Slash {
            first,
            second,
            slashable,
        } => {
            let set = |bits| {
                let mut set = voters(bits);
                set.retain(|&i| i < 16);
                set
            };
            world.slash(&set(first), &set(second), slashable);
        }
        Op::Balances { seed } => world.set_balances(seed),
        Op::Prune => world.prune(),
        Op::Restart => world.restart(),
        Op::LateHead { voters } => late_head(world, voters),
    }
}

/// A timely block that is voted for, and a late one on it: what `get_proposer_head` is about.
fn late_head(world: &mut World, voters: u32) {
    let slot = world.oracle.current_slot() + 1;
    world.tick_to(slot);
    let parent = world.facts(world.oracle.get_head(), slot, false, false);
    world.block(&parent);
    world.tick_to(slot + 1);
    world.tick(3);
    let head = world.facts(parent.root, slot + 1, false, false);
    world.block(&head);
    world.tick_to(slot + 2);
    let data = world.attestation(parent.root, slot);
    let voters: Vec<_> = (0..16).filter(|i| voters >> i & 3 != 0).collect();
    world.attest(&data, &voters, true);
}

/// What enough random histories must have led to: else they show little.
const SITUATIONS: [&str; 24] = [
    "AttestationTooEarly",
    "AttestedBlockTooNew",
    "BlockConflictsWithFinalized",
    "BlockNotAfterFinalized",
    "FutureBlock",
    "SlotNotAfterParent",
    "TargetEpochInFuture",
    "TargetEpochInPast",
    "TargetEpochSlotMismatch",
    "TargetNotOnAttestedChain",
    "UnknownAttestedBlock",
    "UnknownParent",
    "UnknownTarget",
    "attestation",
    "block on a pruned one",
    "conflict that forbids pruning",
    "head to build around",
    "known block",
    "new justified checkpoint",
    "no viable head",
    "pruned block",
    "restart",
    "several viable heads",
    "several viable heads and a boost",
];

#[test]
fn the_store_answers_as_the_specification() {
    let histories = (0..2usize, prop::collection::vec(op(), 1..120));
    let seen: RefCell<BTreeMap<&str, u64>> = RefCell::default();
    let mut runner = TestRunner::new(ProptestConfig {
        cases: 6_000,
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    let result = runner.run(&histories, |(anchor, ops)| {
        let mut world = World::new(ANCHORS[anchor].clone());
        world.check(true);
        for (i, op) in ops.iter().enumerate() {
            apply(&mut world, op);
            world.check(i % 8 == 7);
        }
        world.check(true);
        for (situation, times) in world.seen {
            *seen.borrow_mut().entry(situation).or_default() += times;
        }
        Ok(())
    });
    result.unwrap_or_else(|error| panic!("{error}"));
    let seen = seen.into_inner();
    for situation in SITUATIONS {
        let times = seen.get(situation).copied().unwrap_or(0);
        assert!(times >= 50, "{situation}: only {times} times");
    }
}
