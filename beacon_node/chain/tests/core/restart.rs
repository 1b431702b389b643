//! A core that is stopped at any moment goes on as one that never was.

use crate::support::{Node, config, maker};
use chain::*;
use chain_maker::{BlockOptions, ChainMaker, ChainOptions, make_chain};
use consensus::*;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A chain with empty slots, side branches and slashings, by slot.
fn lively_chain(maker: &mut ChainMaker, slots: u64) -> BTreeMap<Slot, Vec<Arc<SignedBeaconBlock>>> {
    let options = ChainOptions {
        slots,
        skip_percent: 15,
        slashings: 2,
        forks: slots / 12,
        ..ChainOptions::default()
    };
    let mut blocks: BTreeMap<Slot, Vec<_>> = BTreeMap::new();
    make_chain(maker, &options, |made, _| {
        let slot = made.block.message.slot;
        blocks
            .entry(slot)
            .or_default()
            .push(Arc::new(made.block.clone()));
        Ok::<_, chain_maker::Error>(())
    })
    .unwrap();
    blocks
}

/// Everything that readers can see of the chain, and what the votes come to.
fn assert_same(one: &Node, other: &Node, when: &str) {
    let (a, b) = (one.chain.snapshot(), other.chain.snapshot());
    assert_eq!(a.head.root, b.head.root, "head {when}");
    assert_eq!(a.head.state.hash_tree_root(), b.head.state.hash_tree_root());
    assert_eq!(a.current_slot, b.current_slot);
    let checkpoints = |snapshot: &Snapshot| {
        (
            snapshot.justified,
            snapshot.finalized,
            snapshot.unrealized_justified,
            snapshot.unrealized_finalized,
        )
    };
    assert_eq!(checkpoints(a), checkpoints(b), "checkpoints {when}");
    assert_eq!(a.proposer_boost_root, b.proposer_boost_root, "boost {when}");
    assert_eq!(a.canonical, b.canonical, "canonical chain {when}");
    let rows = |snapshot: &Snapshot| -> Vec<_> {
        let entries = snapshot.blocks.values();
        entries.map(|entry| (entry.row, entry.weight)).collect()
    };
    let finalized = a.finalized.root;
    for (a, b) in rows(a).into_iter().zip(rows(b)) {
        assert_eq!(a.0.root, b.0.root, "blocks {when}");
        // Of the finalized block's row the store keeps the part that still matters, and votes for
        // it and those before it weigh nothing against each other.
        if a.0.root != finalized {
            assert_eq!(a, b, "rows and weights {when}");
        }
    }
    assert_eq!(a.blocks.len(), b.blocks.len());
    let slashed =
        |node: &Node| -> Vec<_> { node.chain.fork_choice().equivocating_indices().collect() };
    assert_eq!(
        slashed(one),
        slashed(other),
        "equivocating validators {when}"
    );
}

#[test]
fn a_restart_in_any_slot_changes_nothing() {
    let mut maker = maker();
    let genesis = maker.genesis().clone();
    let blocks = lively_chain(&mut maker, 96);
    let mut node = Node::new(&genesis, config());
    // One that is stopped and started again in every slot.
    let mut reborn = Node::new(&genesis, config());
    for slot in 1..=96 {
        for node in [&mut node, &mut reborn] {
            node.tick_to(slot, 0);
            for block in blocks.get(&slot).into_iter().flatten() {
                node.apply(Input::RequestedBlock(0, block.clone()));
                node.run();
            }
        }
        assert_same(
            &node,
            &node.restarted(),
            &format!("restarted in slot {slot}"),
        );
        reborn = reborn.restarted();
        assert_same(&node, &reborn, &format!("reborn in slot {slot}"));
    }
    let snapshot = node.chain.snapshot();
    assert!(snapshot.finalized.epoch >= 8, "{:?}", snapshot.finalized);
    assert_eq!(snapshot.head.root, maker.head());
    assert!(
        snapshot.figures.reorgs > 0,
        "no side branch was ever the head"
    );
    let model = node.model.lock().unwrap();
    let other = reborn.model.lock().unwrap();
    assert_eq!(model.boundaries.len(), 2);
    let roots = |model: &crate::support::Model| -> Vec<_> {
        let boundaries = model.boundaries.iter();
        boundaries.map(BeaconState::hash_tree_root).collect()
    };
    assert_eq!(roots(&model), roots(&other));
    assert_eq!(model.split, other.split);
}

#[test]
fn after_a_crash_between_any_two_batches_the_chain_is_found_again() {
    let mut maker = maker();
    let genesis = maker.genesis().clone();
    let blocks = lively_chain(&mut maker, 80);
    let all: Vec<_> = blocks.values().flatten().cloned().collect();
    let mut node = Node::new(&genesis, config());
    let mut models = vec![node.model.lock().unwrap().clone()];
    node.tick_to(80, 0);
    for block in &all {
        node.apply(Input::RequestedBlock(0, block.clone()));
        while node.run_one(0) || !node.commits.is_empty() {
            node.commit_one();
            models.push(node.model.lock().unwrap().clone());
        }
    }
    let expected = node.chain.snapshot();
    assert!(expected.finalized.epoch >= 6);
    assert!(models.len() > 80, "{} batches", models.len());
    for (at, model) in models.into_iter().enumerate().step_by(7) {
        let split = model.split.slot;
        let model = Arc::new(std::sync::Mutex::new(model));
        let mut node = Node::start(model, config(), node.now);
        for block in all.iter().filter(|block| block.message.slot > split) {
            node.apply(Input::RequestedBlock(0, block.clone()));
            node.run();
        }
        let found = node.chain.snapshot();
        assert_eq!(found.head.root, expected.head.root, "crash {at}");
        assert_eq!(found.canonical, expected.canonical, "crash {at}");
        assert_eq!(found.finalized, expected.finalized, "crash {at}");
    }
}

#[test]
fn dumped_votes_come_back() {
    let mut maker = maker();
    let genesis = maker.genesis().clone();
    let mut node = Node::new(&genesis, config());
    let first = maker.block_at(1, &BlockOptions::default()).unwrap();
    node.tick_to(1, 0);
    node.apply(Input::RequestedBlock(0, Arc::new(first.block)));
    node.run();
    node.tick_to(2, 0);
    // Nobody has seen these votes in a block.
    let mut state = maker.post_state(first.root).unwrap().clone();
    transition::process_slots(&mut state, 2).unwrap();
    let side = maker.attester_slashing(&state, &[3, 4]).unwrap();
    node.apply(Input::GossipAttesterSlashing(5, Arc::new(side)));
    node.tick_to(2, 200);
    let slashed: Vec<_> = node.chain.fork_choice().equivocating_indices().collect();
    assert_eq!(slashed, [3, 4]);
    node.apply(Input::Shutdown);
    node.run();
    assert!(node.effects.contains_stopped());
    let slashed: Vec<_> = node
        .restarted()
        .chain
        .fork_choice()
        .equivocating_indices()
        .collect();
    assert_eq!(slashed, [3, 4]);
}

trait Stops {
    fn contains_stopped(&self) -> bool;
}

impl Stops for Vec<Effect> {
    fn contains_stopped(&self) -> bool {
        self.iter().any(|effect| matches!(effect, Effect::Stopped))
    }
}
