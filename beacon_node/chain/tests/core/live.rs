//! Blocks one by one, as they come on a live network.

use crate::support::{Node, config, maker};
use chain::*;
use chain_maker::BlockOptions;
use consensus::{Gwei, Root, SignedBeaconBlock, Spec};
use std::collections::BTreeMap;
use std::sync::Arc;

fn verdict(node: &Node, token: Token) -> Option<Verdict> {
    node.effects.iter().find_map(|effect| match effect {
        Effect::Verdict(of, verdict) if *of == token => Some(*verdict),
        _ => None,
    })
}

#[test]
fn gossip_blocks_are_accepted_and_become_the_head() {
    let mut maker = maker();
    let mut node = Node::new(maker.genesis(), config());
    for slot in (1..=40).filter(|slot| slot % 8 != 0) {
        let made = maker.block_at(slot, &BlockOptions::default()).unwrap();
        node.tick_to(slot, 0);
        node.apply(Input::GossipBlock(slot, Arc::new(made.block)));
        node.run();
        assert_eq!(verdict(&node, slot), Some(Verdict::Accept), "slot {slot}");
        let snapshot = node.chain.snapshot();
        assert_eq!(snapshot.head.root, made.root, "slot {slot}");
        assert_eq!(snapshot.proposer_boost_root, made.root);
        assert!(snapshot.blocks[&made.root].row.timely);
    }
    let events = node.events();
    let heads = events
        .iter()
        .filter(|event| matches!(event, Event::Head { .. }));
    assert_eq!(heads.count(), 35);
    let transitions = events.iter().filter(|event| {
        matches!(
            event,
            Event::Head {
                epoch_transition: true,
                ..
            }
        )
    });
    assert_eq!(transitions.count(), 4);
    assert!(
        events
            .iter()
            .any(|event| matches!(event, Event::FinalizedCheckpoint { .. }))
    );
    assert!(
        !events
            .iter()
            .any(|event| matches!(event, Event::ChainReorg { .. }))
    );
}

#[test]
fn orphans_wait_for_their_parents() {
    let mut maker = maker();
    let mut node = Node::new(maker.genesis(), config());
    let blocks: Vec<_> = (1..=4)
        .map(|slot| maker.block_at(slot, &BlockOptions::default()).unwrap())
        .collect();
    node.tick_to(4, 0);
    for made in blocks[1..].iter().rev() {
        node.apply(Input::GossipBlock(1, Arc::new(made.block.clone())));
        node.run();
    }
    assert!(matches!(verdict(&node, 1), Some(Verdict::Ignore(_))));
    let requests: Vec<_> = node
        .effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::RequestBlock(root) => Some(*root),
            _ => None,
        })
        .collect();
    assert_eq!(requests, [blocks[2].root, blocks[1].root, blocks[0].root]);
    node.apply(Input::RequestedBlock(0, Arc::new(blocks[0].block.clone())));
    node.run();
    assert_eq!(node.chain.snapshot().head.root, blocks[3].root);
    assert_eq!(node.chain.snapshot().figures.delayed, 0);
}

fn notices(node: &Node) -> Vec<Notice> {
    let notices = node.effects.iter().filter_map(|effect| match effect {
        Effect::Notice(notice) => Some(notice.clone()),
        _ => None,
    });
    notices.collect()
}

fn gossip(node: &mut Node, token: Token, block: &SignedBeaconBlock) -> Option<Verdict> {
    node.apply(Input::GossipBlock(token, Arc::new(block.clone())));
    node.run();
    verdict(node, token)
}

#[test]
fn a_bad_signature_does_not_condemn_the_block() {
    let mut maker = maker();
    let mut node = Node::new(maker.genesis(), config());
    let made = maker.block_at(1, &BlockOptions::default()).unwrap();
    node.tick_to(1, 0);
    let mut forged = made.block.clone();
    forged.signature = forged.message.body.randao_reveal;
    // While the forged one is being verified the true one comes.
    node.apply(Input::GossipBlock(1, Arc::new(forged.clone())));
    node.apply(Input::GossipBlock(2, Arc::new(made.block.clone())));
    node.run();
    assert!(matches!(verdict(&node, 1), Some(Verdict::Reject(_))));
    assert_eq!(verdict(&node, 2), Some(Verdict::Accept));
    assert_eq!(node.chain.snapshot().head.root, made.root);
    assert!(notices(&node).is_empty());
    // The first in a batch is stopped by its signature alone.
    let mut node = Node::new(maker.genesis(), config());
    node.tick_to(1, 0);
    let result = node.batch(&[Arc::new(forged)]);
    assert!(
        matches!(result.error, Some(BatchError::Invalid(_))),
        "{result:?}"
    );
    let result = node.batch(&[Arc::new(made.block)]);
    assert_eq!((result.imported, result.error), (1, None));
}

#[test]
fn invalid_blocks_are_remembered_with_their_descendants() {
    let mut maker = maker();
    let mut node = Node::new(maker.genesis(), config());
    let state = maker.state_at(maker.genesis_root(), 1).unwrap();
    let mut bad = maker.compose(&state, &BlockOptions::default()).unwrap();
    bad.state_root = Root::repeat_byte(9);
    let bad = maker.sign_block(&state, bad).unwrap();
    let root = maker.adopt(&bad, {
        let mut post = state.clone();
        let mut sealed = bad.message.clone();
        sealed.state_root = Root::ZERO;
        post = maker.seal(&post, sealed).unwrap().1;
        post
    });
    node.tick_to(2, 0);
    // The signature is good: passed on, and then found wrong.
    assert_eq!(gossip(&mut node, 1, &bad), Some(Verdict::Accept));
    assert!(matches!(
        notices(&node).as_slice(),
        [Notice::InvalidBlock { root: found, slot: 1, .. }] if *found == root
    ));
    assert_eq!(node.chain.snapshot().head.slot, 0);
    assert!(matches!(
        gossip(&mut node, 2, &bad),
        Some(Verdict::Reject(_))
    ));
    let mut child = maker.block_at(2, &BlockOptions::default()).unwrap().block;
    child.message.parent_root = root;
    assert!(matches!(
        gossip(&mut node, 3, &child),
        Some(Verdict::Reject(_))
    ));
    assert!(node.jobs.is_empty());
    let result = node.batch(&[Arc::new(bad)]);
    assert!(matches!(result.error, Some(BatchError::Invalid(_))));
}

#[test]
fn a_block_a_little_early_is_passed_on_and_imported_in_its_slot() {
    let mut maker = maker();
    let mut node = Node::new(maker.genesis(), config());
    let made = maker.block_at(1, &BlockOptions::default()).unwrap();
    let length = maker.spec().SLOT_DURATION_MS;
    node.tick_to(0, length - 600);
    assert!(matches!(
        gossip(&mut node, 1, &made.block),
        Some(Verdict::Ignore(_))
    ));
    let mut node = Node::new(maker.genesis(), config());
    node.tick_to(0, length - 400);
    assert_eq!(gossip(&mut node, 1, &made.block), Some(Verdict::Accept));
    assert_eq!(node.chain.snapshot().head.slot, 0);
    node.tick_to(1, 0);
    assert_eq!(node.chain.snapshot().head.root, made.root);
    assert_eq!(node.chain.snapshot().proposer_boost_root, made.root);
}

#[test]
fn a_block_that_waits_for_its_slot_is_judged_again_then() {
    let mut maker = maker();
    let mut node = Node::new(maker.genesis(), config());
    let made = maker.block_at(1, &BlockOptions::default()).unwrap();
    assert!(matches!(
        gossip(&mut node, 1, &made.block),
        Some(Verdict::Ignore(_))
    ));
    node.tick_to(1, 0);
    assert_eq!(node.chain.snapshot().head.root, made.root);
}

#[test]
fn a_submitted_block_is_sent_once_it_cannot_be_lost() {
    let maker = maker();
    let mut node = Node::new(maker.genesis(), config());
    node.tick_to(1, 0);
    let state = maker.state_at(maker.genesis_root(), 1).unwrap();
    let draft = maker.compose(&state, &BlockOptions::default()).unwrap();
    node.apply(Input::Api(
        1,
        ApiCall::ProduceBlock {
            slot: 1,
            randao_reveal: draft.body.randao_reveal,
            graffiti: Root::repeat_byte(7),
            eth1_data: None,
        },
    ));
    node.run();
    let block = match node.effects.pop() {
        Some(Effect::Reply(1, Ok(ApiReply::Block(block)))) => *block,
        other => panic!("{other:?}"),
    };
    assert_eq!(block.body.graffiti, Root::repeat_byte(7));
    let block = Arc::new(maker.sign_block(&state, block).unwrap());
    node.apply(Input::Api(2, ApiCall::SubmitBlock(block.clone())));
    while node.run_one(0) {}
    let root = node.chain.snapshot().head.root;
    assert_eq!(node.chain.snapshot().head.slot, 1);
    let is_answer = |effect: &Effect| matches!(effect, Effect::Broadcast(_) | Effect::Reply(..));
    assert!(
        !node.effects.iter().any(is_answer),
        "sent before it is durable"
    );
    assert!(
        node.commits
            .iter()
            .any(|batch| { batch.durable && batch.blocks.iter().any(|hot| hot.row.root == root) })
    );
    node.commit();
    let answers: Vec<_> = node.effects.iter().filter(|it| is_answer(it)).collect();
    assert!(matches!(
        answers.as_slice(),
        [
            Effect::Broadcast(GossipMessage::Block(sent)),
            Effect::Reply(2, Ok(ApiReply::Accepted))
        ] if *sent == block
    ));
    // Once more: it is known, and sent again.
    node.effects.clear();
    node.apply(Input::Api(3, ApiCall::SubmitBlock(block.clone())));
    assert!(matches!(
        node.effects.as_slice(),
        [
            Effect::Broadcast(GossipMessage::Block(sent)),
            Effect::Reply(3, Ok(ApiReply::Accepted))
        ] if *sent == block
    ));
}

#[test]
fn outcomes_in_any_order_come_to_the_same() {
    let mut maker = maker();
    let fork = maker.block_at(1, &BlockOptions::default()).unwrap();
    let mut blocks = vec![fork.block.clone()];
    let mut tips = [fork.root, fork.root];
    for slot in 2..12 {
        let at = (slot % 2) as usize;
        // Whoever votes on both branches is counted where he is first seen.
        let options = BlockOptions {
            without_attestations: at == 0,
            ..BlockOptions::default()
        };
        let made = maker.block_on(tips[at], slot, &options).unwrap();
        tips[at] = made.root;
        blocks.push(made.block);
    }
    let mut nodes = Vec::new();
    for order in 0..6_u64 {
        let mut node = Node::new(maker.genesis(), config());
        node.tick_to(12, 0);
        let mut dice = chain_maker::Dice::of(order, &[]);
        let mut left = blocks.clone();
        while !left.is_empty() || !node.jobs.is_empty() || !node.commits.is_empty() {
            match dice.below(3) {
                0 if !left.is_empty() => {
                    let at = dice.below(left.len() as u64) as usize;
                    let block = Arc::new(left.remove(at));
                    node.apply(Input::RequestedBlock(0, block));
                }
                1 if !node.jobs.is_empty() => {
                    let at = dice.below(node.jobs.len() as u64) as usize;
                    node.run_one(at);
                }
                2 => node.commit(),
                _ => {}
            }
        }
        nodes.push(node);
    }
    let first = nodes[0].chain.snapshot();
    assert_eq!(first.blocks.size(), 12);
    assert_eq!(first.tips.len(), 2);
    for node in &nodes[1..] {
        let other = node.chain.snapshot();
        assert_eq!(first.head.root, other.head.root);
        assert_eq!(first.canonical, other.canonical);
        assert_eq!(weights(first), weights(other));
        assert!(node.restarted().chain.snapshot().head.root == first.head.root);
    }
}

/// The weights of all blocks, whatever order they came in.
fn weights(snapshot: &Snapshot) -> BTreeMap<Root, Gwei> {
    snapshot.weights.iter().copied().collect()
}

#[test]
fn the_head_is_advanced_before_the_epoch_ends() {
    let mut maker = maker();
    let mut node = Node::new(maker.genesis(), config());
    let blocks: Vec<_> = (1..=7)
        .map(|slot| {
            Arc::new(
                maker
                    .block_at(slot, &BlockOptions::default())
                    .unwrap()
                    .block,
            )
        })
        .collect();
    node.tick_to(7, 0);
    node.batch(&blocks);
    let length = maker.spec().SLOT_DURATION_MS;
    let wake = node.chain.snapshot().genesis_time * 1_000 + 7 * length + length / 4 * 3;
    assert!(
        node.effects
            .iter()
            .any(|it| matches!(it, Effect::WakeAt(at) if *at == wake))
    );
    assert!(node.jobs.is_empty());
    node.now = wake;
    node.apply(Input::Tick(wake));
    assert_eq!(
        node.jobs.iter().map(Job::kind).collect::<Vec<_>>(),
        ["advance"]
    );
    node.run();
    assert_eq!(node.chain.snapshot().head.duties_state.slot(), 7);
    node.tick_to(8, 0);
    let head = node.chain.snapshot().head.clone();
    assert_eq!((head.state.slot(), head.duties_state.slot()), (7, 8));
    let expected = maker.state_at(maker.head(), 8).unwrap();
    assert_eq!(
        head.duties_state.hash_tree_root(),
        expected.hash_tree_root()
    );
}

#[test]
fn nothing_happens_after_phase_0() {
    let spec = Spec {
        ALTAIR_FORK_EPOCH: 2,
        ..Spec::minimal()
    };
    let pool = consensus::Pool::new(1);
    let mut maker = chain_maker::ChainMaker::new(&Arc::new(spec), 64, 1, &pool).unwrap();
    let mut node = Node::new(maker.genesis(), config());
    let blocks: Vec<_> = (1..18)
        .map(|slot| {
            Arc::new(
                maker
                    .block_at(slot, &BlockOptions::default())
                    .unwrap()
                    .block,
            )
        })
        .collect();
    node.tick_to(15, 0);
    assert!(notices(&node).is_empty());
    node.tick_to(17, 0);
    node.tick_to(30, 0);
    assert_eq!(notices(&node), [Notice::PhaseEnds(2)]);
    let result = node.batch(&blocks);
    assert_eq!(result.imported, 15);
    let error = result.error.unwrap().to_string();
    assert!(error.contains("phase 0"), "{error}");
    assert_eq!(node.chain.snapshot().head.slot, 15);
    assert!(matches!(
        gossip(&mut node, 5, &blocks[15]),
        Some(Verdict::Ignore(_))
    ));
    node.effects.clear();
    let restarted = node.restarted();
    assert_eq!(notices(&restarted), [Notice::PhaseEnds(2)]);
}

#[test]
fn the_same_inputs_have_the_same_effects() {
    let run = || {
        let mut maker = maker();
        let mut node = Node::new(maker.genesis(), config());
        for slot in 1..=20 {
            let made = maker.block_at(slot, &BlockOptions::default()).unwrap();
            node.tick_to(slot, 0);
            node.apply(Input::GossipBlock(slot, Arc::new(made.block)));
            node.run();
        }
        format!("{:?} {:?}", node.effects, node.model.lock().unwrap().hot)
    };
    assert_eq!(run(), run());
}

#[test]
fn votes_for_the_target_of_another_branch_are_counted() {
    let mut maker = maker();
    let mut node = Node::new(maker.genesis(), config());
    let blocks: Vec<_> = (1..8)
        .map(|slot| {
            Arc::new(
                maker
                    .block_at(slot, &BlockOptions::default())
                    .unwrap()
                    .block,
            )
        })
        .collect();
    // The side branch alone has a block at the epoch's first slot: it has its own target.
    let side = maker
        .block_on(maker.head(), 8, &BlockOptions::default())
        .unwrap();
    maker.split_slot(8, side.root);
    let last = Arc::new(maker.block_at(9, &BlockOptions::default()).unwrap().block);
    let attestations = last.message.body.attestations.iter();
    let aside = attestations.filter(|one| one.data.target.root == side.root);
    assert!(aside.count() > 0, "nobody attested to the side branch");
    node.tick_to(10, 0);
    node.batch(&blocks);
    node.batch(&[Arc::new(side.block)]);
    node.batch(&[last]);
    let votes = |node: &Node| {
        let store = node.chain.fork_choice();
        let messages = (0..64).filter_map(|index| store.latest_message(index));
        messages
            .filter(|message| message.root == Some(side.root))
            .count()
    };
    assert!(votes(&node) > 0, "no vote for the side branch was counted");
    assert_eq!(votes(&node), votes(&node.restarted()));
}

#[test]
fn slashed_attesters_do_not_count() {
    let mut maker = maker();
    let mut node = Node::new(maker.genesis(), config());
    let first = maker.block_at(1, &BlockOptions::default()).unwrap();
    let state = maker.state_at(first.root, 2).unwrap();
    let options = BlockOptions {
        attester_slashings: vec![maker.attester_slashing(&state, &[5, 9]).unwrap()],
        ..BlockOptions::default()
    };
    let second = maker.block_at(2, &options).unwrap();
    node.tick_to(2, 0);
    for made in [first, second] {
        assert_eq!(
            gossip(&mut node, made.block.message.slot, &made.block),
            Some(Verdict::Accept)
        );
    }
    let equivocating: Vec<_> = node.chain.fork_choice().equivocating_indices().collect();
    assert_eq!(equivocating, [5, 9]);
    assert_eq!(notices(&node), [Notice::AttesterSlashed(vec![5, 9])]);
}
