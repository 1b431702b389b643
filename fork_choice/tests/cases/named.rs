//! Single situations: known attacks and bugs, edges of time, long chains, refusals.

use crate::oracle::world::{
    VALIDATORS, World, anchor_block, anchored_store, root_of, slashing, small_spec,
};
use consensus::{Checkpoint, Gwei, Root, Slot, Spec};
use fork_choice::{BlockFacts, Error, JustifiedBalances, Store, get_forkchoice_store};
use std::sync::Arc;

const ETH: Gwei = 1_000_000_000;

/// A world at genesis where every validator weighs 32 ETH.
fn equal_world() -> World {
    let mut world = World::new(anchored_store(&small_spec(), 0));
    let total = VALIDATORS as u64 * 32 * ETH;
    world.set_exact_balances(vec![32 * ETH; VALIDATORS], total);
    world
}

/// The whole of a store as text: equal text, equal store.
fn image(store: &Store) -> String {
    format!("{store:?}")
}

fn name<T: std::fmt::Debug>(result: Result<T, Error>) -> &'static str {
    result.expect_err("a refusal").name()
}

/// A proto-array that moves weights and chooses best children in one backward pass compares a child
/// whose weight it has moved already with one that it has not: the votes leave the earlier child for
/// the later one, and the head stays.
#[test]
fn cl_2020_24_votes_that_leave_the_best_child_do_not_leave_a_stale_head() {
    for reversed in [false, true] {
        let mut world = equal_world();
        let anchor = world.order[0];
        world.tick_to(3);
        let mut forks = [0, 0].map(|_| Root::ZERO);
        for fork in &mut forks {
            *fork = world.good_block(anchor, 1);
        }
        let [mut from, mut to] = forks;
        if reversed {
            std::mem::swap(&mut from, &mut to);
        }
        let first = world.attestation(from, 1);
        world.attest(&first, &[0, 1, 2, 3], false);
        world.check(true);
        assert_eq!(world.store.get_head(), Ok(from));
        // All leave, but fewer than had come arrive at the other child.
        world.tick_to(5);
        let to_tip = world.good_block(to, 2);
        let second = world.attestation(to_tip, 4);
        world.attest(&second, &[0], false);
        let away = world.attestation(anchor, 4);
        world.attest(&away, &[1, 2, 3], false);
        assert_eq!(world.store.get_head(), Ok(to_tip));
        world.check(true);
    }
}

/// The same with viability: in one step the heavier branch stops being viable and votes move.
#[test]
fn cl_2020_24_weights_and_viability_may_change_in_the_same_pass() {
    let mut world = World::new(anchored_store(&small_spec(), 3));
    let anchor = world.order[0];
    world.set_exact_balances(vec![32 * ETH; VALIDATORS], 512 * ETH);
    world.tick_to(17);
    let old = world.good_block(anchor, 13);
    let facts = world.facts(anchor, 16, true, false);
    assert!(world.block(&facts));
    let justifying = facts.root;
    let vote = world.attestation(old, 15);
    world.attest(&vote, &[0, 1, 2, 3, 4], false);
    assert_eq!(world.store.get_head(), Ok(old));
    // Epoch 6: the other branch's justification is realized, and `old` lags three epochs.
    world.tick_to(25);
    assert_eq!(world.store.justified_checkpoint().epoch, 4);
    world.set_exact_balances(vec![32 * ETH; VALIDATORS], 512 * ETH);
    let vote = world.attestation(justifying, 24);
    world.attest(&vote, &[5], false);
    assert_eq!(world.store.get_head(), Ok(justifying));
    assert_eq!(world.store.viable_heads(), Ok(vec![(justifying, 32 * ETH)]));
    world.check(true);
}

/// Nothing but an epoch's beginning changes the head: a cached best descendant would be stale.
#[test]
fn the_clock_alone_can_end_the_viability_of_a_head() {
    let mut world = World::new(anchored_store(&small_spec(), 3));
    world.set_exact_balances(vec![32 * ETH; VALIDATORS], 512 * ETH);
    let anchor = world.order[0];
    world.tick_to(17);
    let facts = world.facts(anchor, 16, true, false);
    assert!(world.block(&facts));
    let next = world.facts(facts.root, 17, false, false);
    assert!(world.block(&next));
    // The justified block's own branch, of which one child never sees the justification.
    world.tick_to(22);
    world.set_exact_balances(vec![32 * ETH; VALIDATORS], 512 * ETH);
    let blind = BlockFacts {
        root: root_of(77),
        justified_checkpoint: world
            .store
            .nodes()
            .next()
            .unwrap()
            .facts()
            .justified_checkpoint,
        unrealized_justified_checkpoint: Checkpoint {
            epoch: 3,
            root: anchor,
        },
        ..world.facts(facts.root, 18, false, false)
    };
    assert!(world.block(&blind));
    let vote = world.attestation(blind.root, 21);
    world.attest(&vote, &[1, 2, 3], false);
    world.check(true);
    assert_eq!(world.store.get_head(), Ok(blind.root));
    world.tick_to(23);
    assert_eq!(world.store.get_head(), Ok(blind.root));
    world.tick_to(24);
    assert_eq!(world.store.get_head(), Ok(next.root));
    world.check(true);
}

#[test]
fn equal_weights_go_to_the_higher_root() {
    let mut world = equal_world();
    let anchor = world.order[0];
    world.tick_to(6);
    let roots: Vec<Root> = (0..5).map(|_| world.good_block(anchor, 2)).collect();
    let highest = *roots.iter().max().unwrap();
    assert_eq!(world.store.get_head(), Ok(highest));
    for (voter, &root) in roots.iter().enumerate() {
        let vote = world.attestation(root, 5);
        world.attest(&vote, &[voter as u64], false);
    }
    assert_eq!(world.store.get_head(), Ok(highest));
    world.check(true);
}

#[test]
fn a_timely_block_is_boosted_until_the_next_slot() {
    let mut world = equal_world();
    let anchor = world.order[0];
    world.tick_to(4);
    // 3,333 basis points of 6 s are 1,999 ms: second 1 is early enough, second 2 is not.
    world.tick(2);
    let late = world.good_block(anchor, 4);
    assert_eq!(world.store.proposer_boost_root(), Root::ZERO);
    assert_eq!(world.store.is_head_late(late), Ok(true));
    world.tick_to(5);
    world.tick(1);
    let timely = world.good_block(anchor, 5);
    assert_eq!(world.store.proposer_boost_root(), timely);
    assert_eq!(world.store.is_head_late(timely), Ok(false));
    // The second timely block of a slot gets none.
    let second = world.good_block(anchor, 5);
    assert_eq!(world.store.proposer_boost_root(), timely);
    // 40% of a quarter of 512 ETH, for all ancestors.
    let boost = 512 * ETH / 4 * 40 / 100;
    assert_eq!(world.store.get_proposer_score(), Ok(boost));
    assert_eq!(world.store.get_weight(timely), Ok(boost));
    assert_eq!(world.store.get_weight(anchor), Ok(boost));
    assert_eq!(world.store.get_weight(second), Ok(0));
    assert_eq!(world.store.get_head(), Ok(timely));
    world.check(true);
    world.tick_to(6);
    assert_eq!(world.store.get_weight(timely), Ok(0));
    world.check(true);
}

#[test]
fn an_equivocator_counts_neither_before_nor_after_and_only_once() {
    let mut world = equal_world();
    let anchor = world.order[0];
    world.tick_to(3);
    let block = world.good_block(anchor, 1);
    let vote = world.attestation(block, 2);
    world.attest(&vote, &[1, 2], false);
    assert_eq!(world.store.get_weight(block), Ok(64 * ETH));
    world.slash(&[2, 3], &[1, 2], true);
    world.slash(&[2, 3], &[2, 3], true);
    assert_eq!(world.store.get_weight(block), Ok(32 * ETH));
    world.attest(&vote, &[3], false);
    assert_eq!(world.store.latest_message(3), None);
    assert_eq!(world.store.get_weight(block), Ok(32 * ETH));
    world.set_exact_balances(vec![ETH; VALIDATORS], 512 * ETH);
    assert_eq!(world.store.get_weight(block), Ok(ETH));
    world.check(true);
}

#[test]
fn catching_up_over_any_time_equals_ticking_each_slot() {
    let mut world = World::new(anchored_store(&small_spec(), 3));
    let anchor = world.order[0];
    world.tick_to(14);
    world.tick(1);
    let facts = world.facts(anchor, 14, true, true);
    let facts = BlockFacts {
        unrealized_justified_checkpoint: Checkpoint {
            epoch: 4,
            root: facts.root,
        },
        ..facts
    };
    assert!(world.block(&facts));
    assert_eq!(world.store.proposer_boost_root(), facts.root);
    for seconds in [0, 1, 5, 6, 12, 29, 30, 100, 600_001] {
        let mut at_once = world.clone();
        // The oracle ticks slot by slot; the balances that are needed follow from the checkpoints.
        at_once.tick(seconds);
        at_once.check(true);
    }
    let (mut jump, mut steps) = (world.store.clone(), world.store.clone());
    let end = jump.time() + 6_000_000;
    jump.on_tick(end).unwrap();
    for time in (steps.time()..=end).step_by(6) {
        steps.on_tick(time).unwrap();
    }
    assert_eq!(steps.time(), end);
    assert_eq!(image(&jump), image(&steps));
    // Hundreds of millions of years.
    jump.on_tick(u64::MAX / 1000).unwrap();
    assert_eq!(jump.justified_checkpoint().epoch, 4);
    jump.on_tick(u64::MAX).unwrap();
    assert_eq!(name(jump.on_tick(end)), "TimeBackwards");
}

fn facts(slot: Slot, root: Root, parent_root: Root, anchor: &BlockFacts) -> BlockFacts {
    BlockFacts {
        slot,
        root,
        parent_root,
        ..*anchor
    }
}

#[test]
fn a_chain_of_a_hundred_thousand_blocks_needs_no_stack() {
    const LEN: u64 = 100_000;
    let spec = Arc::new(Spec::minimal());
    let mut store = anchored_store(&spec, 0);
    let anchor = *store.nodes().next().unwrap().facts();
    store.on_tick(store.genesis_time() + (LEN + 2) * 6).unwrap();
    let mut parent = anchor.root;
    for slot in 1..=LEN {
        let facts = BlockFacts {
            validator_count: 1,
            ..facts(slot, root_of(slot), parent, &anchor)
        };
        store.on_block_facts(&facts).unwrap();
        parent = facts.root;
    }
    let balances = JustifiedBalances::new(vec![32 * ETH], 32 * ETH).unwrap();
    store
        .set_justified_balances(store.justified_checkpoint(), balances.clone())
        .unwrap();
    assert_eq!(store.get_head(), Ok(parent));
    assert_eq!(store.get_ancestor(parent, 0), Ok(anchor.root));
    assert_eq!(store.get_ancestor(parent, 700), Ok(root_of(700)));
    assert_eq!(store.viable_heads(), Ok(vec![(parent, 0)]));

    let data = consensus::AttestationData {
        slot: LEN,
        index: 0,
        beacon_block_root: parent,
        source: Checkpoint::default(),
        target: Checkpoint {
            epoch: LEN / 8,
            root: root_of(LEN / 8 * 8),
        },
    };
    store.on_attestation(&data, &[0], false).unwrap();
    assert_eq!(store.get_weight(root_of(1)), Ok(32 * ETH));

    let checkpoint = Checkpoint {
        epoch: 10_000,
        root: root_of(80_000),
    };
    let last = BlockFacts {
        justified_checkpoint: checkpoint,
        finalized_checkpoint: checkpoint,
        unrealized_justified_checkpoint: checkpoint,
        unrealized_finalized_checkpoint: checkpoint,
        ..facts(LEN + 1, root_of(LEN + 1), parent, &anchor)
    };
    store.on_block_facts(&last).unwrap();
    assert_eq!(store.justified_balances_needed(), Some(checkpoint));
    assert_eq!(store.prune().len(), 80_000);
    assert_eq!(store.prune().len(), 0);
    store.set_justified_balances(checkpoint, balances).unwrap();
    assert_eq!(store.get_weight(root_of(80_000)), Ok(32 * ETH));
    assert_eq!(store.nodes().len(), 20_002);
    assert_eq!(store.get_head(), Ok(last.root));
    assert_eq!(name(store.get_ancestor(parent, 79_999)), "UnknownAncestor");
}

#[test]
fn refused_handlers_leave_the_store_as_it_was() {
    let mut world = equal_world();
    let anchor = world.order[0];
    world.tick_to(6);
    let block = world.good_block(anchor, 2);
    world.good_block(block, 3);
    world.check(true);
    let store = &mut world.store;
    let before = image(store);
    let anchor = *store.nodes().next().unwrap().facts();
    let new = root_of(1 << 40);
    let mut refuse = |facts: BlockFacts| name(store.on_block_facts(&facts));
    assert_eq!(refuse(facts(5, new, new, &anchor)), "UnknownParent");
    assert_eq!(refuse(facts(7, new, block, &anchor)), "FutureBlock");
    assert_eq!(refuse(facts(u64::MAX, new, block, &anchor)), "FutureBlock");
    assert_eq!(
        refuse(facts(0, new, block, &anchor)),
        "BlockNotAfterFinalized"
    );
    assert_eq!(refuse(facts(2, new, block, &anchor)), "SlotNotAfterParent");

    let good = world.attestation(block, 4);
    let store = &mut world.store;
    let mut refuse = |change: &dyn Fn(&mut consensus::AttestationData), from_block: bool| {
        let mut data = good;
        change(&mut data);
        name(store.on_attestation(&data, &[0], from_block))
    };
    assert_eq!(
        refuse(&|d| d.target.epoch = u64::MAX, false),
        "TargetEpochInFuture"
    );
    assert_eq!(
        refuse(&|d| d.target.epoch = 2, true),
        "TargetEpochSlotMismatch"
    );
    assert_eq!(
        refuse(&|d| d.slot = u64::MAX, false),
        "TargetEpochSlotMismatch"
    );
    assert_eq!(refuse(&|d| d.target.root = new, false), "UnknownTarget");
    assert_eq!(
        refuse(&|d| d.beacon_block_root = new, false),
        "UnknownAttestedBlock"
    );
    assert_eq!(
        refuse(&|d| d.target.root = anchor.root, false),
        "TargetNotOnAttestedChain"
    );
    assert_eq!(refuse(&|d| d.slot = 6, false), "AttestationTooEarly");
    let early = |d: &mut consensus::AttestationData| {
        d.slot = 1;
        d.target.epoch = 0;
    };
    assert_eq!(refuse(&early, true), "AttestedBlockTooNew");
    let far = |d: &mut consensus::AttestationData| {
        d.slot = u64::MAX;
        d.target.epoch = u64::MAX / 4;
    };
    assert_eq!(refuse(&far, true), "AttestationTooEarly");

    // An index that a registry cannot have yet must not make room for itself.
    for index in [VALIDATORS as u64, 1 << 40, u64::MAX] {
        let found = store.on_attestation(&good, &[0, index], false);
        assert_eq!(found, Err(Error::UnknownValidator(index)));
        let operation = slashing(&[0, index], &[0, index], true);
        let found = store.on_attester_slashing(&operation);
        assert_eq!(found, Err(Error::UnknownValidator(index)));
    }
    let elsewhere = Checkpoint {
        epoch: 0,
        root: new,
    };
    let balances = JustifiedBalances::new(vec![], 0).unwrap();
    let found = store.set_justified_balances(elsewhere, balances);
    assert_eq!(name(found), "NotTheJustifiedCheckpoint");
    let balances = JustifiedBalances::new(vec![], u64::MAX).unwrap();
    let found = store.set_justified_balances(store.justified_checkpoint(), balances);
    assert_eq!(found, Err(Error::Overflow));
    assert_eq!(image(store), before);
    assert_eq!(store.get_weight(new), Err(Error::UnknownBlock(new)));
    assert_eq!(
        store.get_proposer_head(anchor.root, 6),
        Err(Error::UnknownBlock(Root::ZERO))
    );
}

#[test]
fn inconsistent_balances_are_refused() {
    let over = JustifiedBalances::new(vec![u64::MAX, 1], u64::MAX);
    assert_eq!(over, Err(Error::Overflow));
    let found = JustifiedBalances::new(vec![3, 4], 6);
    assert_eq!(found, Err(Error::BalancesExceedTotal { sum: 7, total: 6 }));
}

#[test]
fn a_late_weak_head_on_a_strong_parent_is_built_around() {
    let mut world = equal_world();
    let anchor = world.order[0];
    world.tick_to(1);
    let parent = world.good_block(anchor, 1);
    world.tick_to(2);
    world.tick(3);
    let head = world.good_block(parent, 2);
    world.tick_to(3);
    // The parent needs more than 160% of 128 ETH, the head less than 20% of it.
    let vote = world.attestation(parent, 1);
    world.attest(&vote, &[0, 1, 2, 3, 4, 5], false);
    assert_eq!(world.store.get_proposer_head(head, 3), Ok(head));
    world.attest(&vote, &[6], false);
    assert_eq!(world.store.get_head(), Ok(head));
    assert_eq!(world.store.get_proposer_head(head, 3), Ok(parent));
    world.check(true);
    // A slot later it would be two slots of re-org, a second later too late.
    assert_eq!(world.store.get_proposer_head(head, 4), Ok(head));
    world.tick(2);
    assert_eq!(world.store.get_proposer_head(head, 3), Ok(head));
    let vote = world.attestation(head, 2);
    world.attest(&vote, &[7], false);
    world.check(true);
}

#[test]
fn weak_is_below_and_strong_is_above_the_threshold() {
    let mut world = equal_world();
    let anchor = world.order[0];
    world.tick_to(3);
    let block = world.good_block(anchor, 1);
    let vote = world.attestation(block, 2);
    world.attest(&vote, &[0], false);
    // A committee weighs 125 ETH: a head is weak below 25 ETH, a parent strong above 200 ETH.
    let mut weigh = |weight: Gwei| {
        world.set_exact_balances(vec![weight], 500 * ETH);
        world.check(true);
        let is_weak = world.store.is_head_weak(block).unwrap();
        (is_weak, world.store.is_parent_strong(block).unwrap())
    };
    assert_eq!(weigh(25 * ETH - 1), (true, false));
    assert_eq!(weigh(25 * ETH), (false, false));
    assert_eq!(weigh(200 * ETH), (false, false));
    assert_eq!(weigh(200 * ETH + 1), (false, true));
}

#[test]
fn balances_whose_weights_with_the_boost_overflow_are_refused() {
    for boost in [1, 40, u64::MAX] {
        let spec = Spec {
            PROPOSER_SCORE_BOOST: boost,
            ..(*small_spec()).clone()
        };
        let state = consensus::BeaconState::new(&Arc::new(spec));
        let block = anchor_block(&state);
        let Ok(mut store) = get_forkchoice_store(&state, &block) else {
            assert_eq!(boost, u64::MAX);
            continue;
        };
        let balances = JustifiedBalances::new(vec![], u64::MAX).unwrap();
        let found = store.set_justified_balances(store.justified_checkpoint(), balances);
        assert_eq!(found, Err(Error::Overflow));
    }
}

/// Two conflicting forks, the one justified, the other finalized at a lower epoch: only with a third
/// of the validators slashable. The search still starts at the justified block.
#[test]
fn nothing_is_pruned_while_justification_and_finality_conflict() {
    let mut world = World::new(anchored_store(&small_spec(), 3));
    let anchor = world.order[0];
    world.tick_to(30);
    let mut add = |parent: Root, slot: Slot, finalize: bool| {
        let facts = world.facts(parent, slot, true, finalize);
        assert!(world.block(&facts));
        facts.root
    };
    let left = add(anchor, 16, false);
    let justified = add(left, 24, false);
    let finalized = add(anchor, 16, false);
    add(finalized, 20, true);
    assert_eq!(world.store.justified_checkpoint().root, justified);
    assert_eq!(world.store.finalized_checkpoint().root, finalized);
    world.prune();
    assert!(world.pruned.is_empty());
    assert_eq!(world.store.get_head(), Ok(justified));
    assert_eq!(world.store.viable_heads(), Ok(vec![]));
    world.check(true);
}

#[test]
fn pruning_keeps_the_epochs_of_votes_for_dropped_blocks() {
    let mut world = World::new(anchored_store(&small_spec(), 3));
    let anchor = world.order[0];
    world.tick_to(30);
    let side = world.good_block(anchor, 13);
    let vote = world.attestation(side, 27);
    world.attest(&vote, &[0, 1], true);
    let mut add = |parent: Root, slot: Slot, finalize: bool| {
        let facts = world.facts(parent, slot, true, finalize);
        assert!(world.block(&facts));
        facts.root
    };
    let finalized = add(anchor, 16, false);
    let tip = add(finalized, 20, true);
    world.check(true);
    world.prune();
    assert_eq!(world.pruned, [anchor, side].into());
    world.check(true);
    // Not newer than the vote for the dropped block: ignored, as before.
    let same_epoch = world.attestation(tip, 27);
    world.attest(&same_epoch, &[0, 2], true);
    assert_eq!(world.store.latest_message(0).unwrap().root, None);
    assert_eq!(world.store.latest_message(2).unwrap().root, Some(tip));
    let newer = world.attestation(tip, 29);
    world.attest(&newer, &[0], true);
    assert_eq!(world.store.latest_message(0).unwrap().root, Some(tip));
    world.check(true);
    assert!(!world.block(&world.facts(side, 29, false, false)));
}
