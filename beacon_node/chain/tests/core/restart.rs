//! A core that is stopped at any moment goes on as one that never was.

use crate::support::{Node, chain_of, config, frugal, maker, tools};
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
        let weights: BTreeMap<Root, Gwei> = snapshot.weights.iter().copied().collect();
        let entries = snapshot.blocks.values();
        entries
            .map(|entry| (entry.row, weights.get(&entry.row.root).copied()))
            .collect()
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
    assert_eq!(a.blocks.size(), b.blocks.size());
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

/// A node that was stopped after 420 slots in which nothing was finalized, half of the validators
/// voting, with a block in each slot, and beside the chain one of slot 101; and the slot of the last
/// state that it stored on the way.
fn without_finality() -> (Node, Slot) {
    let mut maker = maker();
    maker.set_participation(50);
    let mut blocks = chain_of(&mut maker, 1..=100);
    let side = maker.block_on(maker.head(), 101, &BlockOptions::default());
    blocks.extend(chain_of(&mut maker, 102..=420));
    blocks.insert(100, Arc::new(side.unwrap().block));
    let mut node = Node::new(maker.genesis(), config());
    node.tick_to(420, 0);
    let (main, rest) = (&blocks[..100], &blocks[101..]);
    for chunk in [main, &blocks[100..101], rest] {
        for chunk in chunk.chunks(50) {
            assert_eq!(node.batch(chunk).error, None);
        }
    }
    node.apply(Input::Shutdown);
    node.run();
    assert_eq!(node.chain.snapshot().finalized.epoch, 0);
    let model = node.model.lock().unwrap();
    let stored = model.states.values().map(BeaconState::slot).max().unwrap();
    let dump = model.votes.as_ref().unwrap();
    assert_eq!((model.hot.len(), dump.slot), (420, 420));
    drop(model);
    (node, stored)
}

#[test]
fn a_start_reads_only_the_blocks_that_it_needs() {
    let (node, stored) = without_finality();
    assert!((256..356).contains(&stored), "{stored}");
    let again = node.restarted();
    assert_same(&node, &again, "without finality");
    let votes = |node: &Node| node.chain.fork_choice().latest_messages();
    assert!(votes(&node).iter().flatten().count() > 20);
    assert_eq!(votes(&node), votes(&again));
    let weights = &node.chain.snapshot().weights;
    assert!(weights.iter().filter(|(_, weight)| *weight > 0).count() > 400);
    // Those after the last stored state, once each, and no other.
    let mut model = again.model.lock().unwrap();
    let hot = model.hot.iter().map(|hot| hot.row);
    let needed: Vec<Root> = hot
        .filter(|row| row.slot > stored)
        .map(|row| row.root)
        .collect();
    assert_eq!(needed.len() as u64, 420 - stored);
    assert_eq!(std::mem::take(&mut model.read), needed);
    let shown = &again.chain.snapshot().blocks;
    let in_memory = shown.values().filter(|entry| entry.block.is_some());
    assert_eq!(in_memory.count(), needed.len());
}

#[test]
fn a_start_reads_the_finalized_blocks_after_the_stored_state() {
    let mut maker = maker();
    let blocks = chain_of(&mut maker, 1..=48);
    let config = Config {
        state_interval_epochs: 100,
        ..config()
    };
    let mut node = Node::new(maker.genesis(), config);
    node.tick_to(48, 0);
    assert_eq!(node.batch(&blocks).error, None);
    let split = node.model.lock().unwrap().split;
    assert_eq!(split.slot, 32);
    let again = node.restarted();
    assert_same(&node, &again, "with finalized blocks");
    let all: Vec<Root> = blocks
        .iter()
        .map(|it| it.message.hash_tree_root())
        .collect();
    assert_eq!(again.model.lock().unwrap().read, all, "each once, in order");
    // One that was lost, and a list that ends too early.
    let tools = tools(&node.model);
    let start = |recovered| Chain::start(node.config.clone(), recovered, &tools, node.now).err();
    let recovered = || node.model.lock().unwrap().recovered();
    let lost = |root| node.model.lock().unwrap().lost.insert(root, None);
    let mut short = recovered();
    short.finalized_blocks.pop();
    let error = start(short);
    assert!(
        matches!(error, Some(StartError::Inconsistent(_))),
        "{error:?}"
    );
    lost(all[5]);
    let error = start(recovered());
    assert!(
        matches!(&error, Some(StartError::Unreadable { slot: 6, root, .. }) if *root == all[5]),
        "{error:?}"
    );
}

#[test]
fn a_block_that_cannot_be_read_is_named_if_it_is_needed() {
    let (node, stored) = without_finality();
    let tools = tools(&node.model);
    let hot = node.model.lock().unwrap().hot.clone();
    let start_without = |slot: Slot, said: Option<&str>| {
        let row = hot.iter().find(|hot| hot.row.slot == slot).unwrap().row;
        let mut model = node.model.lock().unwrap();
        model.lost = BTreeMap::from([(row.root, said.map(str::to_owned))]);
        let recovered = model.recovered();
        drop(model);
        let started = Chain::start(node.config.clone(), recovered, &tools, node.now);
        (row.root, started.err().map(|error| error.to_string()))
    };
    for slot in [stored + 1, 400, 420] {
        for said in [None, Some("hot/0.redb is damaged: its checksum is wrong")] {
            let (root, error) = start_without(slot, said);
            let error = error.unwrap();
            assert!(
                error.contains(&format!("block {root} of slot {slot}")),
                "{error}"
            );
            let reason = said.unwrap_or("the store does not have it");
            assert!(error.contains(reason), "{error}");
        }
    }
    // What is not needed may be damaged: that is found when it is read.
    for slot in [1, 101, stored] {
        assert_eq!(start_without(slot, None).1, None);
    }
}

trait Stops {
    fn contains_stopped(&self) -> bool;
}

impl Stops for Vec<Effect> {
    fn contains_stopped(&self) -> bool {
        self.iter().any(|effect| matches!(effect, Effect::Stopped))
    }
}

/// Finality comes after five eras without it, to a node that keeps few states: an era at a time,
/// each step after the commit of the one before. A node that was stopped between two steps goes on.
#[test]
fn late_finality_goes_by_eras() {
    let mut maker = maker();
    let mut node = Node::new(maker.genesis(), frugal());
    maker.set_participation(0);
    let mut blocks = chain_of(&mut maker, 1..=330);
    maker.set_participation(100);
    blocks.extend(chain_of(&mut maker, 331..=370));
    node.tick_to(370, 0);
    let (last, before) = blocks.split_last().unwrap();
    let mut between = 0;
    for chunk in before.chunks(64) {
        let finalizes = |batch: &rows::Batch| batch.finalize.is_some();
        node.apply(Input::Batch(78, chunk.to_vec()));
        loop {
            while node.run_one(0) {}
            let steps = node.commits.iter().filter(|batch| finalizes(batch));
            assert!(steps.count() <= 1, "a step waits for the one before");
            let is_step = node.commits.front().is_some_and(finalizes);
            if !node.commit_one() {
                break;
            }
            let split = node.model.lock().unwrap().split.checkpoint;
            if is_step && split != node.chain.snapshot().finalized {
                between += 1;
                let again = node.restarted();
                assert_eq!(
                    again.chain.snapshot().head.root,
                    node.chain.snapshot().head.root
                );
                let goal = again.chain.snapshot().finalized;
                assert_eq!(again.model.lock().unwrap().split.checkpoint, goal);
                assert_eq!(again.model.lock().unwrap().boundaries.len(), 6);
            }
        }
    }
    assert_eq!(between, 4);
    let result = node.batch(std::slice::from_ref(last));
    assert_eq!((result.imported, result.error), (1, None));
    let snapshot = node.chain.snapshot();
    assert!(snapshot.finalized.epoch >= 43, "{:?}", snapshot.finalized);
    let model = node.model.lock().unwrap();
    assert_eq!(model.split.checkpoint, snapshot.finalized);
    assert_eq!(model.boundaries.len(), 6);
    let told = node.events().into_iter();
    let told = told.filter(|event| matches!(event, Event::FinalizedCheckpoint { .. }));
    assert!(told.count() <= 4, "steps are no news");
}
