//! Slashings and exits.

use crate::world::{World, ignored, rejected, verdicts};
use chain::gossip::View;
use chain::messages::{BATCH_DELAY, Messages, Out};
use chain::{ApiCall, ApiError, ApiReply, Effect, Verdict};
use consensus::*;
use std::sync::Arc;

/// A network whose validators may leave at once, in slot 9.
fn world() -> World {
    let spec = Spec {
        SHARD_COMMITTEE_PERIOD: 1,
        ..Spec::minimal()
    };
    let mut world = World::with(&Arc::new(spec), 64, 3);
    world.extend_to(9);
    world
}

/// Lets the messages do something, and verifies what is to be verified.
fn settle(world: &mut World, act: impl FnOnce(&mut Messages, &View<'_>, &mut Out)) -> Out {
    let ((), mut out) = world.act(act);
    world.now += BATCH_DELAY;
    let ((), more) = world.act(Messages::tick);
    out.jobs.extend(more.jobs);
    world.run(out)
}

#[test]
fn slashings_and_exits_pass_once_and_go_into_the_pool() {
    let mut world = world();
    let state = world.head_state.clone();
    let proposer = Arc::new(world.maker.proposer_slashing(&state, 5).unwrap());
    let attester = Arc::new(world.maker.attester_slashing(&state, &[6, 7]).unwrap());
    let exit = Arc::new(world.maker.voluntary_exit(&state, 8).unwrap());
    for round in 0..2 {
        let outs = [
            settle(&mut world, |it, view, out| {
                it.receive_proposer_slashing(view, 1, Arc::clone(&proposer), out);
            }),
            settle(&mut world, |it, view, out| {
                it.receive_attester_slashing(view, 1, Arc::clone(&attester), out);
            }),
            settle(&mut world, |it, view, out| {
                it.receive_voluntary_exit(view, 1, Arc::clone(&exit), out);
            }),
        ];
        for (at, out) in outs.iter().enumerate() {
            match round {
                0 => assert_eq!(verdicts(out), [(1, Verdict::Accept)]),
                _ => assert!(verdicts(out)[0].1.is_duplicate(), "{}", ignored(out)),
            }
            let events = out
                .effects
                .iter()
                .filter(|it| matches!(it, Effect::Event(_)));
            assert_eq!(events.count(), 1 - round);
            assert_eq!(out.slashings.len(), usize::from(at == 1 && round == 0));
        }
    }
    assert_eq!(world.figures().operations, 3);

    // One more that slashes somebody new is news.
    let more = Arc::new(world.maker.attester_slashing(&state, &[7, 9]).unwrap());
    let out = settle(&mut world, |it, view, out| {
        it.receive_attester_slashing(view, 1, more, out);
    });
    assert_eq!(verdicts(&out), [(1, Verdict::Accept)]);

    // What a finalized state shows as done is not kept.
    let mut finalized = state;
    for index in [5, 6, 7, 9] {
        finalized.set_slashed(index, true).unwrap();
    }
    world.messages.on_finalized(8, &finalized);
    assert_eq!(world.figures().operations, 1);
    finalized.set_exit_epoch(8, 9).unwrap();
    world.messages.on_finalized(8, &finalized);
    assert_eq!(world.figures().operations, 0);
}

#[test]
fn bad_signatures_and_broken_conditions_are_rejected() {
    let mut world = world();
    let state = world.head_state.clone();
    let proposer = world.maker.proposer_slashing(&state, 5).unwrap();
    for at in 0..2 {
        let mut bad = proposer;
        match at {
            0 => bad.signed_header_1.signature = proposer.signed_header_2.signature,
            _ => bad.signed_header_2.signature = proposer.signed_header_1.signature,
        }
        let out = settle(&mut world, |it, view, out| {
            it.receive_proposer_slashing(view, 1, Arc::new(bad), out);
        });
        assert_eq!(rejected(&out), "a header's signature does not verify");
    }
    let mut attester = world.maker.attester_slashing(&state, &[6, 7]).unwrap();
    attester.attestation_2.signature = attester.attestation_1.signature;
    let bad = Arc::new(attester.clone());
    let out = settle(&mut world, |it, view, out| {
        it.receive_attester_slashing(view, 1, bad, out);
    });
    assert_eq!(
        rejected(&out),
        "the attestation's signature does not verify"
    );
    attester.attestation_2 = attester.attestation_1.clone();
    let bad = Arc::new(attester);
    let out = settle(&mut world, |it, view, out| {
        it.receive_attester_slashing(view, 1, bad, out);
    });
    assert_eq!(rejected(&out), "AttestationsNotSlashable");

    let mut exit = world.maker.voluntary_exit(&state, 8).unwrap();
    exit.message.epoch = 0;
    let out = settle(&mut world, |it, view, out| {
        it.receive_voluntary_exit(view, 1, Arc::new(exit), out);
    });
    assert_eq!(rejected(&out), "the signature on the exit does not verify");
    exit.message.validator_index = u64::MAX;
    let out = settle(&mut world, |it, view, out| {
        it.receive_voluntary_exit(view, 1, Arc::new(exit), out);
    });
    assert_eq!(rejected(&out), "UnknownValidator");
    assert_eq!(world.figures().operations, 0);
}

#[test]
fn calls_of_the_api_are_answered() {
    let mut world = world();
    let state = world.head_state.clone();
    let exit = world.maker.voluntary_exit(&state, 8).unwrap();
    let mut bad = exit;
    bad.signature = BLSSignature::ZERO;
    for (call, expected) in [
        (bad, Err("the signature on the exit does not verify")),
        (exit, Ok(())),
        (exit, Ok(())),
    ] {
        let (_, out) = world.act(|messages, view, out| {
            messages.on_api(view, 7, ApiCall::SubmitVoluntaryExit(call), out)
        });
        let out = world.run(out);
        let replies = out.effects.iter().filter_map(|effect| match effect {
            Effect::Reply(7, reply) => Some(reply.clone()),
            _ => None,
        });
        let expected = match expected {
            Ok(()) => Ok(ApiReply::Accepted),
            Err(reason) => Err(ApiError::Invalid(reason.to_owned())),
        };
        assert_eq!(replies.collect::<Vec<_>>(), [expected]);
    }
}
