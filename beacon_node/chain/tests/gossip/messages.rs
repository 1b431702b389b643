//! Attestations and aggregates from arrival to verdict and vote.

use crate::world::{World, ignored, rejected, verdicts};
use chain::messages::{BATCH_DELAY, BATCH_SIZE, BLOCKS_PER_SLOT, Messages, Out, STATES_PER_SLOT};
use chain::{ApiCall, ApiError, ApiReply, Effect, Event, GossipMessage, Verdict};
use chain_maker::BlockOptions;
use consensus::transition::process_slots;
use consensus::*;
use std::sync::Arc;

/// A chain of three blocks, in slot 3 after attestations are due.
fn world() -> World {
    let mut world = World::new();
    world.extend_to(3);
    world.tick(3, 2_100);
    world
}

#[test]
fn attestations_are_verified_together_and_only_the_culprit_is_rejected() {
    let mut world = world();
    let head = world.head;
    let good: Vec<_> = (0..3)
        .map(|position| world.attestation(head, 3, 0, &[position]))
        .collect();
    let mut bad = world.attestation(head, 3, 1, &[0]);
    bad.signature = good[0].signature;

    let out = world.send(1, &good[0]);
    assert!(out.jobs.is_empty() && verdicts(&out).is_empty());
    let due = world.now + BATCH_DELAY;
    assert!(matches!(out.effects[..], [Effect::WakeAt(at)] if at == due));
    for (token, attestation) in [(2, &bad), (3, &good[1]), (4, &good[2])] {
        let out = world.send(token, attestation);
        assert!(out.effects.is_empty() && out.jobs.is_empty());
    }
    let out = world.tick(3, 2_100 + BATCH_DELAY);
    assert_eq!(out.jobs.len(), 1);
    let out = world.run(out);
    let reason = "the attestation's signature does not verify";
    assert_eq!(
        verdicts(&out),
        [
            (1, Verdict::Accept),
            (2, Verdict::Reject(reason)),
            (3, Verdict::Accept),
            (4, Verdict::Accept)
        ]
    );
    let events = out.effects.iter();
    let events = events.filter(|effect| matches!(effect, Effect::Event(Event::Attestation(_))));
    assert_eq!(events.count(), 3);
    // The votes count when their slot is over.
    assert!(out.votes.is_empty());
    let out = world.tick(4, 0);
    assert_eq!(out.votes.len(), 3);
    for vote in &out.votes {
        assert_eq!((vote.data, vote.indices.len()), (good[0].data, 1));
        world
            .store
            .on_attestation(&vote.data, &vote.indices, false)
            .unwrap();
    }
    // Seen is seen, whatever the signature says.
    assert_eq!(
        ignored(&world.send(5, &good[0])),
        "the validator's attestation of this epoch was seen"
    );
    // The rejected one left no mark.
    let honest = world.attestation(head, 3, 1, &[0]);
    let out = world.send(6, &honest);
    assert!(verdicts(&out).is_empty());
}

#[test]
fn a_full_batch_does_not_wait_and_equals_count_once() {
    let mut world = world();
    let attestation = world.attestation(world.head, 3, 0, &[1]);
    for token in 0..BATCH_SIZE as u64 - 1 {
        assert!(world.send(token, &attestation).jobs.is_empty());
    }
    let out = world.send(BATCH_SIZE as u64 - 1, &attestation);
    assert_eq!(out.jobs.len(), 1);
    let out = world.run(out);
    let verdicts = verdicts(&out);
    assert_eq!(verdicts.len(), BATCH_SIZE);
    let accepted = verdicts
        .iter()
        .filter(|(_, verdict)| *verdict == Verdict::Accept);
    assert_eq!(accepted.count(), 1);
    assert!(
        verdicts
            .iter()
            .all(|(_, it)| *it == Verdict::Accept || it.is_duplicate())
    );
    assert_eq!(world.figures().attestations, 1);
}

/// Workers that do not answer: what cannot be verified makes way, oldest first, and is told so.
#[test]
fn a_backlog_is_bounded() {
    let mut world = world();
    let attestation = world.attestation(world.head, 3, 0, &[1]);
    let (mut jobs, mut dropped) = (Vec::new(), Vec::new());
    let sent = (1 << 14) + 1_000;
    for token in 0..sent {
        let out = world.send(token, &attestation);
        dropped.extend(verdicts(&out));
        jobs.extend(out.jobs);
    }
    assert_eq!(jobs.len(), 8);
    let waiting = world.figures().unverified;
    assert_eq!(waiting, 1 << 14);
    assert_eq!(waiting + dropped.len() as u64 + 8 * BATCH_SIZE as u64, sent);
    let first = 8 * BATCH_SIZE as u64;
    let reason = "more messages than this node can take";
    assert_eq!(dropped[0], (first, Verdict::Ignore(reason)));
    // An outcome makes room for the next batch; one that nobody waits for does nothing.
    let outcome = jobs[0].run(&world.tools);
    for expected in [1, 0] {
        let outcome = outcome.clone();
        let ((), out) = world.act(|messages, view, out| messages.on_outcome(view, outcome, out));
        assert_eq!(out.jobs.len(), expected);
    }
}

#[test]
fn rules_without_signatures() {
    let mut world = world();
    let head = world.head;
    let good = world.attestation(head, 3, 0, &[0]);
    let with = |change: &dyn Fn(&mut Attestation)| {
        let mut changed = good.clone();
        change(&mut changed);
        changed
    };
    let cases: [(Attestation, &str); 5] = [
        (
            with(&|it| it.data.index = 9),
            "the slot has no such committee",
        ),
        (
            with(&|it| it.data.target.epoch = 1),
            "the target epoch is not the slot's",
        ),
        (
            with(&|it| it.data.target.root = head),
            "the target is not the checkpoint block of the block voted for",
        ),
        (
            with(&|it| it.aggregation_bits.set(1, true).unwrap()),
            "the attestation does not have exactly one bit",
        ),
        (
            with(&|it| {
                let length = it.aggregation_bits.len() + 1;
                it.aggregation_bits = AggregationBits::with_capacity(length).unwrap();
                it.aggregation_bits.set(0, true).unwrap();
            }),
            "not as many bits as the committee has members",
        ),
    ];
    for (attestation, reason) in cases {
        assert_eq!(rejected(&world.send(1, &attestation)), reason);
    }
    let subnet = world.subnet_of(&good) + 1;
    let wrong = Arc::new(good.clone());
    let ((), out) = world.act(|messages, view, out| {
        messages.receive_attestation(view, 1, subnet, wrong, out);
    });
    assert_eq!(rejected(&out), "the attestation belongs to another subnet");
    // Numbers from strangers overflow nothing.
    for slot in [u64::MAX, u64::MAX / 6_000, 1 << 40] {
        let far = with(&|it| {
            it.data.slot = slot;
            it.data.target.epoch = slot / 8;
        });
        let subnet = 0;
        let ((), out) = world.act(|messages, view, out| {
            messages.receive_attestation(view, 1, subnet, Arc::new(far), out);
        });
        assert_eq!(ignored(&out), "its slot is too far in the future");
    }
}

#[test]
fn a_vote_for_an_unknown_block_waits_for_it() {
    let mut world = world();
    let parent = world.head;
    let made = world
        .maker
        .block_on(parent, 4, &BlockOptions::default())
        .unwrap();
    world.tick(4, 2_100);
    let votes: Vec<_> = (0..2)
        .map(|position| world.attestation(made.root, 4, 0, &[position]))
        .collect();
    assert_eq!(world.send(1, &votes[0]).blocks_wanted, [made.root]);
    // Asked for once.
    let out = world.send(2, &votes[1]);
    assert!(out.blocks_wanted.is_empty() && verdicts(&out).is_empty());
    assert_eq!(world.figures().delayed, 2);

    world.import(&made.block);
    let message = made.block.message.clone();
    let ((), mut out) = world.act(|messages, view, out| {
        messages.on_block_imported(view, made.root, &message, out);
    });
    let more = world.tick(4, 2_100 + BATCH_DELAY);
    out.jobs.extend(more.jobs);
    let out = world.run(out);
    assert_eq!(verdicts(&out), [(1, Verdict::Accept), (2, Verdict::Accept)]);
    assert_eq!(world.figures().delayed, 0);
}

#[test]
fn a_vote_for_a_block_that_never_comes_is_ignored_and_for_a_bad_one_rejected() {
    let mut world = world();
    let parent = world.head;
    let made = world
        .maker
        .block_on(parent, 4, &BlockOptions::default())
        .unwrap();
    world.tick(4, 2_100);
    let vote = world.attestation(made.root, 4, 0, &[0]);
    world.send(1, &vote);
    assert!(verdicts(&world.tick(6, 0)).is_empty());
    let out = world.tick(7, 0);
    assert_eq!(ignored(&out), "what it depends on did not come in time");
    assert_eq!(world.figures().dropped, 1);

    world.send(2, &vote);
    world.invalid.insert(made.root);
    let ((), out) = world.act(|messages, view, out| {
        messages.on_block_invalid(view, made.root, out);
    });
    assert_eq!(
        rejected(&out),
        "it builds on or votes for a block that is invalid"
    );
}

#[test]
fn only_so_many_unknown_blocks_are_asked_for() {
    let mut world = world();
    let vote = world.attestation(world.head, 3, 0, &[0]);
    let mut wanted = 0;
    for number in 0..10_000_u64 {
        let mut unknown = vote.clone();
        unknown.data.beacon_block_root = Root::left_padding_from(&number.to_be_bytes());
        wanted += world.send(number, &unknown).blocks_wanted.len();
    }
    assert_eq!(wanted, BLOCKS_PER_SLOT);
    // What waits is bounded, and everything gets its verdict in the end.
    let waiting = world.figures().delayed;
    assert!(waiting <= 1 << 14);
    assert_eq!(verdicts(&world.tick(6, 0)).len() as u64, waiting);
    assert_eq!(world.figures().dropped, 10_000);
}

#[test]
fn early_votes_wait_for_their_slot() {
    let mut world = world();
    let early = world.attestation(world.head, 4, 0, &[0]);
    assert!(verdicts(&world.send(1, &early)).is_empty());
    assert_eq!(world.figures().delayed, 1);
    // 500 ms before the slot begins it may come: clocks differ.
    assert!(world.tick(3, 5_499).jobs.is_empty());
    assert_eq!(world.figures().delayed, 1);
    world.tick(3, 5_500);
    assert_eq!(
        (world.figures().delayed, world.figures().unverified),
        (0, 1)
    );
    let out = world.tick(4, 0);
    let out = world.run(out);
    assert_eq!(verdicts(&out), [(1, Verdict::Accept)]);
    let far = world.attestation(world.head, 6, 0, &[0]);
    assert_eq!(
        ignored(&world.send(2, &far)),
        "its slot is too far in the future"
    );
}

/// Thousands of valid votes for old targets on stale branches (mainnet, May 2023): each needs a state
/// that is not at hand, and few are made.
#[test]
fn a_flood_of_votes_for_old_targets_costs_few_states() {
    let mut world = World::new();
    let genesis = world.head;
    let mut sides = Vec::new();
    for slot in 1..=4 {
        world.tick(slot, 0);
        let made = world
            .maker
            .block_on(genesis, slot, &BlockOptions::default())
            .unwrap();
        world.import(&made.block);
        sides.push(made.root);
    }
    for slot in 5..=24 {
        world.tick(slot, 0);
        world.extend(slot, &BlockOptions::default());
    }
    world.tick(24, 2_100);
    let mut votes = Vec::new();
    for side in sides {
        for slot in 17..24 {
            for position in 0..4 {
                votes.push(world.attestation(side, slot, 0, &[position]));
            }
        }
    }
    let (mut wanted, mut ignored) = (Vec::new(), 0);
    for (token, vote) in votes.iter().cycle().take(2_000).enumerate() {
        let out = world.send(token as u64, vote);
        ignored += verdicts(&out).len();
        wanted.extend(out.states_wanted);
    }
    assert_eq!(wanted.len(), STATES_PER_SLOT);
    assert_eq!(ignored as u64 + world.figures().delayed, 2_000);
    // What waits for a state that is made is verified then; the others had their verdict.
    let checkpoint = wanted[0];
    let mut state = world.states.get(checkpoint.root).unwrap().clone();
    process_slots(&mut state, checkpoint.epoch * 8).unwrap();
    world.states.insert_checkpoint(checkpoint, state);
    let ((), out) = world.act(|messages, view, out| messages.on_state(view, checkpoint, true, out));
    let out = world.run(out);
    let accepted = |verdict: &(u64, Verdict)| verdict.1 == Verdict::Accept;
    assert_eq!(
        verdicts(&out).iter().filter(|it| accepted(it)).count(),
        7 * 4
    );
    let ((), out) = world.act(|messages, view, out| {
        messages.on_state(view, wanted[1], false, out);
    });
    assert!(!verdicts(&out).is_empty());
    assert!(
        verdicts(&out)
            .iter()
            .all(|(_, verdict)| matches!(verdict, Verdict::Ignore(_)))
    );
    // The next slot may ask again.
    world.tick(25, 0);
    let mut wanted = Vec::new();
    for vote in &votes {
        wanted.extend(world.send(1, vote).states_wanted);
    }
    assert_eq!(wanted.len(), STATES_PER_SLOT);
}

/// A vote on a short fork needs no other state: both branches have the same committees.
#[test]
fn a_short_fork_shares_the_heads_committees() {
    let mut world = world();
    let side = world
        .maker
        .block_on(world.head, 4, &BlockOptions::default())
        .unwrap();
    world.tick(5, 0);
    world.import(&side.block);
    world.extend(5, &BlockOptions::default());
    world.tick(5, 2_100);
    let vote = world.attestation(side.root, 5, 0, &[2]);
    let out = world.send(1, &vote);
    assert!(out.states_wanted.is_empty() && verdicts(&out).is_empty());
    let out = world.tick(5, 2_200);
    let out = world.run(out);
    assert_eq!(verdicts(&out), [(1, Verdict::Accept)]);
}

fn send_aggregate(world: &mut World, aggregate: &SignedAggregateAndProof) -> Out {
    let aggregate = Arc::new(aggregate.clone());
    let ((), mut out) = world.act(|messages, view, out| {
        messages.receive_aggregate(view, 1, aggregate, out);
    });
    world.now += BATCH_DELAY;
    let ((), more) = world.act(Messages::tick);
    out.jobs.extend(more.jobs);
    world.run(out)
}

#[test]
fn aggregates_need_all_three_signatures() {
    let mut world = world();
    let head = world.head;
    let good = world.aggregate(head, 3, &[0, 2], 1);
    let other = world.aggregate(head, 3, &[0, 2], 3);
    type Change<'a> = &'a dyn Fn(&mut SignedAggregateAndProof);
    let cases: [(Change<'_>, &str); 5] = [
        (
            &|it| it.message.selection_proof = other.message.selection_proof,
            "the selection proof does not verify",
        ),
        (
            &|it| it.signature = other.signature,
            "the aggregator's signature does not verify",
        ),
        (
            &|it| it.message.aggregate.aggregation_bits.set(1, true).unwrap(),
            "the aggregator's signature does not verify",
        ),
        (
            &|it| it.message.aggregator_index = 1 << 40,
            "the aggregator is not in the committee",
        ),
        (
            &|it| {
                let length = it.message.aggregate.aggregation_bits.len();
                it.message.aggregate.aggregation_bits =
                    AggregationBits::with_capacity(length).unwrap();
            },
            "the aggregate has no participants",
        ),
    ];
    for (change, reason) in cases {
        let mut bad = good.clone();
        change(&mut bad);
        assert_eq!(rejected(&send_aggregate(&mut world, &bad)), reason);
    }
    let out = send_aggregate(&mut world, &good);
    assert_eq!(verdicts(&out), [(1, Verdict::Accept)]);
    // All its bits are known now, and its aggregator has spoken.
    assert_eq!(
        ignored(&send_aggregate(&mut world, &other)),
        "an aggregate with all these bits has been seen"
    );
    let more = world.aggregate(head, 3, &[0, 1, 2], 1);
    assert_eq!(
        ignored(&send_aggregate(&mut world, &more)),
        "the aggregator's aggregate of this epoch was seen"
    );
    let votes = world.tick(4, 0).votes;
    assert_eq!(
        votes
            .iter()
            .map(|vote| vote.indices.len())
            .collect::<Vec<_>>(),
        [2]
    );
}

#[test]
fn aggregates_of_a_block_count_as_seen() {
    let mut world = world();
    let voted = world.head;
    world.tick(4, 0);
    let (root, block) = world.extend(4, &BlockOptions::default());
    let mut included = block.message.body.attestations.iter();
    let included = included.find(|it| it.data.slot == 3 && it.data.index == 0);
    let bits = &included.expect("somebody attests in time").aggregation_bits;
    let positions: Vec<_> = (0..bits.len())
        .filter(|&at| bits.get(at) == Ok(true))
        .collect();
    assert!(positions.len() > 1);
    let known = world.aggregate(voted, 3, &positions[1..], 0);
    let news = world.aggregate(voted, 3, &[0, 1, 2, 3], 0);
    let message = block.message.clone();
    world.act(|messages, view, out| messages.on_block_imported(view, root, &message, out));
    assert_eq!(
        ignored(&send_aggregate(&mut world, &known)),
        "an aggregate with all these bits has been seen"
    );
    if positions.len() < 4 {
        let out = send_aggregate(&mut world, &news);
        assert_eq!(verdicts(&out), [(1, Verdict::Accept)]);
    }
}

fn reply(out: &Out) -> &Result<ApiReply, ApiError> {
    let replies = out.effects.iter().filter_map(|effect| match effect {
        Effect::Reply(7, reply) => Some(reply),
        _ => None,
    });
    let replies: Vec<_> = replies.collect();
    assert_eq!(replies.len(), 1, "{:?}", out.effects);
    replies[0]
}

#[test]
fn own_attestations_are_sent_pooled_and_aggregated() {
    let mut world = world();
    let head = world.head;
    let good: Vec<_> = (0..3)
        .map(|position| world.attestation(head, 3, 0, &[position]))
        .collect();
    let mut bad = good[1].clone();
    bad.signature = good[2].signature;
    let list = vec![good[0].clone(), bad, good[2].clone(), good[0].clone()];
    let (rest, out) = world.act(|messages, view, out| {
        messages.on_api(view, 7, ApiCall::SubmitAttestations(list), out)
    });
    // Nobody waits for a batch to fill.
    assert!(rest.is_none() && out.jobs.len() == 1);
    let out = world.run(out);
    let broadcast = out.effects.iter().filter_map(|effect| match effect {
        Effect::Broadcast(GossipMessage::Attestation(subnet, it)) => {
            Some((*subnet, (**it).clone()))
        }
        _ => None,
    });
    let broadcast: Vec<_> = broadcast.collect();
    let subnet = world.subnet_of(&good[0]);
    assert_eq!(
        broadcast,
        [(subnet, good[0].clone()), (subnet, good[2].clone())]
    );
    // A repetition is no failure.
    let reason = "the attestation's signature does not verify".to_owned();
    assert_eq!(*reply(&out), Err(ApiError::InvalidItems(vec![(1, reason)])));

    let data_root = good[0].data.hash_tree_root();
    let call = |data_root| ApiCall::AggregateAttestation { data_root, slot: 3 };
    let (_, out) = world.act(|messages, view, out| messages.on_api(view, 7, call(data_root), out));
    let out = world.run(out);
    let Ok(ApiReply::Aggregate(Some(aggregate))) = reply(&out) else {
        panic!("{:?}", out.effects);
    };
    assert_eq!(**aggregate, world.attestation(head, 3, 0, &[0, 2]));
    let (_, out) = world.act(|messages, view, out| messages.on_api(view, 7, call(head), out));
    assert_eq!(*reply(&out), Ok(ApiReply::Aggregate(None)));
    let (_, out) = world.act(|messages, view, out| {
        messages.on_api(view, 7, ApiCall::SubmitAggregates(vec![]), out)
    });
    assert_eq!(*reply(&out), Ok(ApiReply::Accepted));
}
