//! What is not verified is not believed, and what is believed is not lost.

use crate::support::{Node, chain_of, config, frugal, maker};
use chain::*;
use chain_maker::{BlockOptions, ChainMaker, Made};
use consensus::{HashTreeRoot, Root, SignedBeaconBlock};
use std::sync::Arc;

fn verdicts(node: &Node) -> Vec<(Token, Verdict)> {
    let verdicts = node.effects.iter().filter_map(|effect| match effect {
        Effect::Verdict(token, verdict) => Some((*token, *verdict)),
        _ => None,
    });
    verdicts.collect()
}

fn requests(node: &Node) -> Vec<Root> {
    let requests = node.effects.iter().filter_map(|effect| match effect {
        Effect::RequestBlock(root) => Some(*root),
        _ => None,
    });
    requests.collect()
}

fn has_notice(node: &Node) -> bool {
    let mut effects = node.effects.iter();
    effects.any(|effect| matches!(effect, Effect::Notice(_)))
}

fn block(maker: &mut ChainMaker, slot: u64) -> Made {
    maker.block_at(slot, &BlockOptions::default()).unwrap()
}

/// The block with a signature that its proposer made for something else.
fn forged(block: &SignedBeaconBlock) -> Arc<SignedBeaconBlock> {
    let mut forged = block.clone();
    forged.signature = forged.message.body.randao_reveal;
    Arc::new(forged)
}

/// The same with a body that is wrong, too.
fn made_up(block: &SignedBeaconBlock) -> Arc<SignedBeaconBlock> {
    let mut made_up = block.clone();
    made_up.message.state_root = Root::repeat_byte(9);
    Arc::new(made_up)
}

#[test]
fn what_waited_is_judged_all_the_same() {
    let mut maker = maker();
    let mut node = Node::new(maker.genesis(), config());
    let (first, second) = (block(&mut maker, 1), block(&mut maker, 2));
    node.tick_to(2, 0);
    for (token, orphan) in [(1, forged(&second.block)), (2, made_up(&second.block))] {
        node.apply(Input::GossipBlock(token, orphan));
    }
    node.apply(Input::GossipBlock(3, Arc::new(first.block)));
    node.run();
    assert_eq!(node.chain.snapshot().head.root, first.root);
    assert!(!has_notice(&node), "an unsigned block was condemned");
    // The true one is the first of its slot.
    node.apply(Input::GossipBlock(4, Arc::new(second.block)));
    node.run();
    assert!(verdicts(&node).contains(&(4, Verdict::Accept)));
    assert_eq!(node.chain.snapshot().head.root, second.root);
}

#[test]
fn unsigned_blocks_are_not_remembered_as_invalid() {
    let mut maker = maker();
    let first = block(&mut maker, 1);
    let bad = made_up(&first.block);
    let mut child = block(&mut maker, 2).block;
    child.message.parent_root = bad.message.hash_tree_root();
    for batch in [false, true] {
        let mut node = Node::new(maker.genesis(), config());
        node.tick_to(2, 0);
        if batch {
            let error = node.batch(std::slice::from_ref(&bad)).error;
            assert!(matches!(error, Some(BatchError::Invalid(_))), "{error:?}");
        } else {
            node.apply(Input::RequestedBlock(0, bad.clone()));
            node.run();
        }
        assert!(!has_notice(&node));
        node.apply(Input::GossipBlock(1, Arc::new(child.clone())));
        let verdict = verdicts(&node);
        assert!(
            matches!(verdict[..], [(1, Verdict::Ignore(_))]),
            "{verdict:?}"
        );
    }
}

#[test]
fn a_good_copy_waits_for_a_forged_one_in_flight() {
    let mut maker = maker();
    let first = block(&mut maker, 1);
    let good = Arc::new(first.block.clone());
    let bad = forged(&first.block);
    for input in [
        Input::RequestedBlock(0, bad.clone()),
        Input::Batch(0, vec![bad]),
    ] {
        let mut node = Node::new(maker.genesis(), config());
        node.tick_to(1, 0);
        node.apply(input);
        node.apply(Input::GossipBlock(1, good.clone()));
        assert!(verdicts(&node).is_empty(), "answered too early");
        node.run();
        assert_eq!(verdicts(&node), [(1, Verdict::Accept)]);
        assert_eq!(node.chain.snapshot().head.root, first.root);
        assert!(!has_notice(&node));
    }
}

#[test]
fn awaited_blocks_are_asked_for_once_in_a_slot() {
    let mut maker = maker();
    let mut node = Node::new(maker.genesis(), config());
    let (first, second) = (block(&mut maker, 1), block(&mut maker, 2));
    let third = maker
        .block_on(first.root, 3, &BlockOptions::default())
        .unwrap();
    node.tick_to(3, 0);
    for (token, orphan) in [(1, &second), (2, &third)] {
        node.apply(Input::GossipBlock(token, Arc::new(orphan.block.clone())));
    }
    assert_eq!(requests(&node), [first.root]);
    node.tick_to(3, 500);
    assert_eq!(requests(&node).len(), 1);
    node.tick_to(4, 0);
    assert_eq!(requests(&node), [first.root, first.root]);
    node.apply(Input::RequestedBlock(0, Arc::new(first.block)));
    node.run();
    assert_eq!(node.chain.snapshot().blocks.size(), 4);
    node.tick_to(5, 0);
    assert_eq!(requests(&node).len(), 2);
}

#[test]
fn a_long_gap_ends_a_run_of_a_batch() {
    let mut maker = maker();
    let blocks = chain_of(&mut maker, [1, 2, 400, 401].into_iter());
    let mut node = Node::new(maker.genesis(), config());
    node.tick_to(401, 0);
    let head = |node: &Node| node.chain.snapshot().head.slot;
    node.apply(Input::Batch(1, blocks));
    let import = node.jobs.iter().position(|job| job.kind() == "import");
    node.run_one(import.unwrap());
    assert_eq!(head(&node), 2);
    node.run();
    assert_eq!(head(&node), 401);
}

#[test]
fn after_a_long_outage_there_are_duties_and_blocks() {
    let mut maker = maker();
    let mut node = Node::new(maker.genesis(), config());
    node.tick_to(1, 0);
    node.batch(&[Arc::new(block(&mut maker, 1).block)]);
    let slot = 8 * 300;
    node.tick_to(slot, 0);
    let head = &node.chain.snapshot().head;
    assert_eq!((head.slot, head.duties_state.slot()), (1, slot));
    let state = maker.state_at(maker.head(), slot).unwrap();
    let draft = maker.compose(&state, &BlockOptions::default()).unwrap();
    let call = ApiCall::ProduceBlock {
        slot,
        randao_reveal: draft.body.randao_reveal,
        graffiti: Root::ZERO,
        eth1_data: None,
    };
    node.apply(Input::Api(1, call));
    node.run();
    let reply = node.effects.last();
    assert!(
        matches!(reply, Some(Effect::Reply(1, Ok(ApiReply::Block(_))))),
        "{reply:?}"
    );
}

#[test]
fn a_stored_state_that_is_gone_is_not_relied_on() {
    let mut maker = maker();
    let mut node = Node::new(maker.genesis(), frugal());
    maker.set_participation(0);
    let mut blocks = chain_of(&mut maker, 1..=310);
    let parent = maker.head();
    blocks.extend(chain_of(&mut maker, 311..=420));
    let late = maker
        .block_on(parent, 312, &BlockOptions::default())
        .unwrap();
    node.tick_to(420, 0);
    for chunk in blocks.chunks(50) {
        assert_eq!(node.batch(chunk).error, None);
    }
    let lost = {
        let mut model = node.model.lock().unwrap();
        let before = model.states.len();
        let finalized = model.split.checkpoint.root;
        model.states.retain(|root, _| *root == finalized);
        before - model.states.len()
    };
    assert!(lost > 0, "no state was stored");
    let late_block = Arc::new(late.block);
    let is_in = |node: &Node| node.chain.snapshot().blocks.contains_key(&late.root);
    node.apply(Input::RequestedBlock(0, late_block.clone()));
    node.run();
    assert!(!is_in(&node), "nothing was missing");
    node.apply(Input::RequestedBlock(0, late_block));
    node.run();
    assert!(is_in(&node));
}
