//! Range sync: batches into the core, what it stores and shows.

use crate::support::{Node, chain_of, config, frugal, maker};
use chain::*;
use chain_maker::BlockOptions;
use consensus::SignedBeaconBlock;
use std::sync::Arc;

#[test]
fn a_chain_in_batches_is_imported_finalized_and_stored() {
    let mut maker = maker();
    let blocks = chain_of(&mut maker, (1..=150).filter(|slot| slot % 64 != 0));
    let mut node = Node::new(maker.genesis(), config());
    node.tick_to(150, 0);
    for chunk in blocks.chunks(20) {
        let result = node.batch(chunk);
        assert_eq!((result.imported, result.error), (chunk.len(), None));
    }
    let snapshot = node.chain.snapshot().clone();
    assert_eq!(snapshot.head.root, maker.head());
    assert_eq!(
        snapshot.head.state.hash_tree_root(),
        snapshot.head.state_root
    );
    assert_eq!(snapshot.head.slot, 150);
    // With the clock at the epoch of the last block: as the last state says.
    assert_eq!(snapshot.finalized.epoch, 16);
    assert_eq!(snapshot.justified.epoch, 17);
    let model = node.model.lock().unwrap();
    assert_eq!(model.split.checkpoint, snapshot.finalized);
    assert_eq!(model.boundaries.len(), 3, "eras 0, 1 and 2");
    assert_eq!(model.durable_seq, model.last_seq);
    assert_eq!(model.hot.len(), 150 - 128);
    let slots: Vec<_> = snapshot.canonical.keys().copied().collect();
    assert_eq!(
        slots,
        (127..=150)
            .filter(|slot| slot % 64 != 0)
            .collect::<Vec<_>>()
    );
    assert_eq!(snapshot.blocks.size(), slots.len());
}

#[test]
fn batches_say_what_stopped_them() {
    let mut maker = maker();
    let blocks = chain_of(&mut maker, 1..=60);
    let mut node = Node::new(maker.genesis(), config());
    node.tick_to(50, 0);
    let result = node.batch(&blocks[5..9]);
    assert_eq!(result.imported, 0);
    assert!(matches!(result.error, Some(BatchError::UnknownParent(_))));
    // Slots that have not begun.
    let result = node.batch(&blocks);
    assert_eq!(
        (result.imported, result.error),
        (50, Some(BatchError::Future))
    );
    // Known ones count, finalized or not.
    let result = node.batch(&blocks[..52]);
    assert_eq!(
        (result.imported, result.error),
        (50, Some(BatchError::Future))
    );
    // A side branch from before the finalized block.
    assert!(node.chain.snapshot().finalized.epoch >= 4);
    let options = BlockOptions::default();
    let parent = blocks[2].message.parent_root;
    let side = maker.block_on(parent, 5, &options).unwrap();
    let result = node.batch(&[Arc::new(side.block)]);
    assert_eq!(result.imported, 0);
    assert!(
        matches!(result.error, Some(BatchError::Finalized(_))),
        "{result:?}"
    );
    // A bad block in the middle: those before it are in.
    node.tick_to(60, 0);
    let mut bad = (*blocks[55]).clone();
    bad.message.state_root = parent;
    bad.signature = {
        let state = maker.state_at(bad.message.parent_root, 56).unwrap();
        maker
            .sign_block(&state, bad.message.clone())
            .unwrap()
            .signature
    };
    let mut batch: Vec<Arc<SignedBeaconBlock>> = blocks[50..].to_vec();
    batch[5] = Arc::new(bad);
    let result = node.batch(&batch);
    assert_eq!(result.imported, 5);
    assert!(matches!(&result.error, Some(BatchError::Invalid(why)) if why.contains("state root")));
    let result = node.batch(&blocks[50..]);
    assert_eq!((result.imported, result.error), (10, None));
    assert_eq!(node.chain.snapshot().head.root, maker.head());
}

#[test]
fn branches_can_come_in_one_batch() {
    let mut maker = maker();
    let first = maker.block_at(1, &BlockOptions::default()).unwrap();
    let side = maker
        .block_on(first.root, 2, &BlockOptions::default())
        .unwrap();
    let other = maker.block_at(3, &BlockOptions::default()).unwrap();
    let last = maker
        .block_on(side.root, 4, &BlockOptions::default())
        .unwrap();
    let mut node = Node::new(maker.genesis(), config());
    node.tick_to(9, 0);
    let batch = [first, side, other, last].map(|made| Arc::new(made.block));
    let result = node.batch(&batch);
    assert_eq!((result.imported, result.error), (4, None));
    assert_eq!(node.chain.snapshot().tips.len(), 2);
}

#[test]
fn two_batches_can_be_on_their_way() {
    let mut maker = maker();
    let blocks = chain_of(&mut maker, 1..=16);
    let mut node = Node::new(maker.genesis(), config());
    node.tick_to(16, 0);
    node.apply(Input::Batch(1, blocks[..8].to_vec()));
    node.apply(Input::Batch(2, blocks[8..].to_vec()));
    assert_eq!(
        node.jobs.len(),
        1,
        "a child's transition waits for its parent's"
    );
    node.run();
    assert_eq!(node.chain.snapshot().head.root, maker.head());
    let done = node.effects.iter().filter_map(|effect| match effect {
        Effect::BatchDone(token, result) => Some((*token, result.imported)),
        _ => None,
    });
    assert_eq!(done.collect::<Vec<_>>(), [(1, 8), (2, 8)]);
}

#[test]
fn batches_wait_for_a_store_that_lags() {
    let mut maker = maker();
    let blocks = chain_of(&mut maker, 1..=12);
    let limits = Config {
        max_uncommitted: 2,
        ..config()
    };
    let mut node = Node::new(maker.genesis(), limits);
    node.tick_to(12, 0);
    for block in &blocks {
        node.apply(Input::Batch(1, vec![block.clone()]));
        while node.run_one(0) {}
    }
    assert_eq!(node.commits.len(), 3);
    assert_eq!(node.chain.snapshot().head.slot, 3);
    // Gossip goes on.
    node.apply(Input::GossipBlock(2, blocks[3].clone()));
    while node.run_one(0) {}
    assert_eq!(node.chain.snapshot().head.slot, 4);
    node.run();
    assert_eq!(node.chain.snapshot().head.slot, 12);
    let done = node
        .effects
        .iter()
        .filter(|it| matches!(it, Effect::BatchDone(..)));
    assert_eq!(done.count(), 12);
}

#[test]
fn states_beyond_the_budget_are_made_again() {
    let mut maker = maker();
    let mut node = Node::new(maker.genesis(), frugal());
    maker.set_participation(0);
    let first = maker.block_at(1, &BlockOptions::default()).unwrap();
    let late = maker
        .block_on(first.root, 2, &BlockOptions::default())
        .unwrap();
    let mut blocks = vec![Arc::new(first.block)];
    blocks.extend(chain_of(&mut maker, 3..=600));
    node.tick_to(600, 0);
    for chunk in blocks.chunks(50) {
        let result = node.batch(chunk);
        assert_eq!((result.imported, result.error), (chunk.len(), None));
    }
    let figures = node.chain.snapshot().figures;
    assert!(figures.hot_states < 40, "{figures:?}");
    assert_eq!(node.chain.snapshot().finalized.epoch, 0);
    // A block on a state that is gone.
    node.apply(Input::RequestedBlock(0, Arc::new(late.block.clone())));
    node.run();
    let figures = node.chain.snapshot().figures;
    assert_eq!(figures.regenerated, 1);
    assert!(node.chain.snapshot().blocks.contains_key(&late.root));
    // States on disk are where replays start from, also after a restart.
    assert!(node.model.lock().unwrap().states.len() >= 3);
    let restarted = node.restarted();
    let (one, other) = (node.chain.snapshot(), restarted.chain.snapshot());
    assert_eq!(one.head.root, other.head.root);
    assert_eq!(one.canonical, other.canonical);
    assert_eq!(one.head.root, maker.head());
    // Finality comes at last: the states at all the boundaries are there.
    maker.set_participation(100);
    let more = chain_of(&mut maker, 601..=640);
    for mut node in [node, restarted] {
        node.tick_to(640, 0);
        let result = node.batch(&more);
        assert_eq!((result.imported, result.error), (40, None));
        node.tick_to(641, 0);
        let snapshot = node.chain.snapshot();
        assert!(snapshot.finalized.epoch >= 76, "{:?}", snapshot.finalized);
        let model = node.model.lock().unwrap();
        assert_eq!(model.split.checkpoint, snapshot.finalized);
        assert_eq!(model.boundaries.len(), 10);
    }
}
