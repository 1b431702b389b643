//! The rules on blocks.

use crate::world::World;
use chain::gossip::{Check, Seen, Wait, validate_beacon_block_gossip};
use chain::{InvalidRoots, Verdict};
use chain_maker::BlockOptions;
use consensus::transition::process_slots;
use consensus::*;
use std::sync::Arc;

/// What the rules say, signatures included.
fn judge(world: &World, seen: &mut Seen, block: &SignedBeaconBlock) -> Result<(), Outcome> {
    match validate_beacon_block_gossip(&world.view(), seen, &Arc::new(block.clone())) {
        Check::Done(verdict) => Err(Outcome::Verdict(verdict)),
        Check::Wait(wait) => Err(Outcome::Wait(wait)),
        Check::Verify(claim) => {
            let outcome = world.tools.verifier.verify_sets(claim.sets());
            let accepted = claim.accept(outcome, seen);
            accepted.map(|_| ()).map_err(Outcome::Verdict)
        }
    }
}

#[derive(Debug, PartialEq)]
enum Outcome {
    Verdict(Verdict),
    Wait(Wait),
}

fn rejected(reason: &'static str) -> Result<(), Outcome> {
    Err(Outcome::Verdict(Verdict::Reject(reason)))
}

fn ignored(reason: &'static str) -> Result<(), Outcome> {
    Err(Outcome::Verdict(Verdict::Ignore(reason)))
}

#[test]
fn each_rule_speaks() {
    let mut world = World::new();
    world.extend_to(4);
    let seen = &mut Seen::default();
    let head = world.head;
    let made = world
        .maker
        .block_on(head, 5, &BlockOptions::default())
        .unwrap();
    let good = made.block;

    assert_eq!(
        judge(&world, seen, &good),
        Err(Outcome::Wait(Wait::Slot(5)))
    );
    world.tick(4, 5_499);
    assert_eq!(
        judge(&world, seen, &good),
        Err(Outcome::Wait(Wait::Slot(5)))
    );
    world.tick(4, 5_500);
    let mut orphan = good.clone();
    orphan.message.parent_root = Root::repeat_byte(1);
    let wait = Wait::Block(orphan.message.parent_root);
    assert_eq!(judge(&world, seen, &orphan), Err(Outcome::Wait(wait)));
    world.invalid.insert(orphan.message.parent_root);
    let invalid = "it builds on or votes for a block that is invalid";
    assert_eq!(judge(&world, seen, &orphan), rejected(invalid));
    world.invalid = InvalidRoots::default();

    let mut early = good.clone();
    early.message.slot = 4;
    let reason = "the block's slot is not after its parent's";
    assert_eq!(judge(&world, seen, &early), rejected(reason));
    early.message.slot = 0;
    let reason = "its slot is not after the finalized one";
    assert_eq!(judge(&world, seen, &early), ignored(reason));
    let mut foreign = good.clone();
    foreign.message.proposer_index += 1;
    assert_eq!(
        judge(&world, seen, &foreign),
        rejected("another validator was to propose")
    );
    foreign.message.proposer_index = u64::MAX;
    assert_eq!(
        judge(&world, seen, &foreign),
        rejected("another validator was to propose")
    );
    let mut forged = good.clone();
    forged.message.body.graffiti = Root::repeat_byte(1);
    let reason = "the proposer's signature does not verify";
    assert_eq!(judge(&world, seen, &forged), rejected(reason));

    // None of these left a mark.
    assert_eq!(judge(&world, seen, &good), Ok(()));
    let reason = "a block of this proposer and slot has been seen";
    assert_eq!(judge(&world, seen, &good), ignored(reason));
    assert_eq!(judge(&world, seen, &forged), ignored(reason));
    seen.prune_finalized(5, &world.head_state);
    assert_eq!(judge(&world, seen, &good), Ok(()));
}

/// The first block of an epoch is judged by an advanced state, and waits for it if there is none.
#[test]
fn the_next_epochs_proposer_needs_an_advanced_state() {
    let mut world = World::new();
    world.extend_to(7);
    let parent = world.head;
    let made = world
        .maker
        .block_on(parent, 9, &BlockOptions::default())
        .unwrap();
    world.tick(9, 0);
    let checkpoint = Checkpoint {
        epoch: 1,
        root: parent,
    };
    let seen = &mut Seen::default();
    let wait = Err(Outcome::Wait(Wait::State(checkpoint)));
    assert_eq!(judge(&world, seen, &made.block), wait);
    let mut advanced = world.head_state.clone();
    process_slots(&mut advanced, 8).unwrap();
    let before = std::mem::replace(&mut world.head_state, advanced.clone());
    assert_eq!(judge(&world, seen, &made.block), Ok(()));
    world.head_state = before;
    world.states.insert_checkpoint(checkpoint, advanced);
    assert_eq!(judge(&world, &mut Seen::default(), &made.block), Ok(()));
}

#[test]
fn a_branch_beside_the_finalized_block_is_rejected() {
    let mut world = World::new();
    let genesis = world.head;
    let side = world
        .maker
        .block_on(genesis, 1, &BlockOptions::default())
        .unwrap();
    world.tick(1, 0);
    world.import(&side.block);
    for slot in 2..=40 {
        world.tick(slot, 0);
        world.extend(slot, &BlockOptions::default());
    }
    let finalized = world.store.finalized_checkpoint();
    assert!(finalized.epoch >= 2, "{finalized:?}");
    let late = world
        .maker
        .block_on(side.root, 40, &BlockOptions::default())
        .unwrap();
    let reason = "the finalized block is not an ancestor of the block it builds on or votes for";
    let outcome = judge(&world, &mut Seen::default(), &late.block);
    assert_eq!(outcome, rejected(reason));
    // Pruned, the branch is not known any more.
    world.store.prune();
    let outcome = judge(&world, &mut Seen::default(), &late.block);
    assert_eq!(outcome, Err(Outcome::Wait(Wait::Block(side.root))));
}
