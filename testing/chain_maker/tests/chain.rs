//! Made chains pass the full transition, and hold what they were asked to hold.

#![allow(
    clippy::unwrap_used,
    reason = "what cannot happen ends the test, also in its functions"
)]

use chain_maker::{BlockOptions, ChainMaker, ChainOptions, Error, Totals, make_chain};
use consensus::transition::{SignatureMode, Signatures, state_transition};
use consensus::{BeaconState, Bls, Pool, Root, SignedBeaconBlock, Spec};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The minimal preset, where validators may leave after two epochs.
fn spec() -> Arc<Spec> {
    Arc::new(Spec {
        SHARD_COMMITTEE_PERIOD: 2,
        ..Spec::minimal()
    })
}

fn maker(seed: u64) -> ChainMaker {
    ChainMaker::new(&spec(), 64, seed, &Pool::new(1)).unwrap()
}

fn everything() -> ChainOptions {
    ChainOptions {
        slots: 96,
        skip_percent: 10,
        deposits: 20,
        exits: 3,
        slashings: 4,
        forks: 4,
        ..ChainOptions::default()
    }
}

fn make(
    maker: &mut ChainMaker,
    options: &ChainOptions,
) -> (Totals, Vec<(SignedBeaconBlock, bool)>) {
    let mut blocks = Vec::new();
    let totals = make_chain(maker, options, |made, is_on_chain| {
        blocks.push((made.block.clone(), is_on_chain));
        Ok::<_, Error>(())
    });
    (totals.unwrap(), blocks)
}

fn transition(
    state: &mut BeaconState,
    block: &SignedBeaconBlock,
) -> Result<Root, consensus::Error> {
    let bls = Bls::new(Pool::new(1), [1; 32]);
    let mut signatures = Signatures::new(SignatureMode::Bulk, &bls);
    state_transition(state, block, &mut signatures, true)
}

/// Applies every block with its signatures and state root; returns the state after each.
fn verify(maker: &ChainMaker, blocks: &[(SignedBeaconBlock, bool)]) -> BTreeMap<Root, BeaconState> {
    let mut states = BTreeMap::from([(maker.genesis_root(), maker.genesis().clone())]);
    for (block, _) in blocks {
        let mut state = states[&block.message.parent_root].clone();
        let root = transition(&mut state, block)
            .unwrap_or_else(|error| panic!("slot {}: {error}", block.message.slot));
        states.insert(root, state);
    }
    states
}

#[test]
fn a_chain_with_everything_is_valid_and_finalizes() {
    let mut maker = maker(7);
    maker.set_participation(90);
    let (totals, blocks) = make(&mut maker, &everything());
    let states = verify(&maker, &blocks);
    let head = &states[&maker.head()];
    assert!(
        head.finalized_checkpoint().epoch >= 7,
        "{:?}",
        head.finalized_checkpoint()
    );
    assert_eq!(totals.deposits, 20);
    assert_eq!(totals.exits, 3);
    assert_eq!(
        (totals.proposer_slashings, totals.attester_slashings),
        (2, 2)
    );
    assert!(totals.side_blocks >= 4 && totals.empty_slots > totals.side_blocks);
    assert_eq!(totals.blocks + totals.empty_slots, 96);
    assert_eq!(totals.blocks + totals.side_blocks, blocks.len() as u64);

    let validators: Vec<_> = head.validators().iter().collect();
    assert_eq!(
        validators
            .iter()
            .filter(|validator| validator.slashed)
            .count(),
        4
    );
    // Some deposits add to balances, others have bad signatures.
    assert!(
        validators.len() > 70 && validators.len() < 84,
        "{}",
        validators.len()
    );
    let side = blocks.iter().filter(|(_, is_on_chain)| !is_on_chain);
    let votes_aside = side.map(|(block, _)| {
        let root = consensus::HashTreeRoot::hash_tree_root(&block.message);
        let attestations = blocks.iter().filter(|(_, is_on_chain)| *is_on_chain);
        attestations
            .flat_map(|(block, _)| block.message.body.attestations.iter())
            .filter(|attestation| attestation.data.beacon_block_root == root)
            .count()
    });
    assert!(
        votes_aside.sum::<usize>() > 0,
        "nobody attested to a side branch"
    );
}

#[test]
fn a_sparse_chain_finalizes_and_has_its_blocks_where_asked() {
    let mut maker = maker(5);
    let options = ChainOptions {
        slots: 96,
        every: 3,
        empty_slots: BTreeSet::from([30, 63]),
        ..ChainOptions::default()
    };
    let (totals, blocks) = make(&mut maker, &options);
    let slots: Vec<_> = blocks.iter().map(|(block, _)| block.message.slot).collect();
    let expected: Vec<_> = (1..=32)
        .map(|number| number * 3)
        .filter(|slot| ![30, 63].contains(slot))
        .collect();
    assert_eq!(slots, expected);
    assert_eq!((totals.blocks, totals.empty_slots), (30, 66));
    let states = verify(&maker, &blocks);
    let finalized = states[&maker.head()].finalized_checkpoint();
    assert!(finalized.epoch >= 9, "{finalized:?}");
}

#[test]
fn the_seed_alone_decides() {
    let run = |seed| make(&mut maker(seed), &everything());
    let (first, again, other) = (run(3), run(3), run(4));
    assert!(first == again, "two runs with one seed differ");
    assert!(first != other, "two seeds gave the same chain");
}

#[test]
fn an_altered_block_can_be_signed_again() {
    let mut maker = maker(1);
    maker.block_at(1, &BlockOptions::default()).unwrap();
    let pre = maker.state_at(maker.head(), 2).unwrap();
    let mut block = maker.compose(&pre, &BlockOptions::default()).unwrap();
    block.body.eth1_data.deposit_count += 1;
    let signed = maker.sign_block(&pre, block.clone()).unwrap();
    let mut state = maker.post_state(maker.head()).unwrap().clone();
    let error = transition(&mut state, &signed).unwrap_err();
    assert_eq!(error.name(), "StateRootMismatch", "{error}");
    let (sealed, post) = maker.seal(&pre, block).unwrap();
    transition(&mut state, &sealed).unwrap();
    assert_eq!(state.hash_tree_root(), post.hash_tree_root());
}

#[test]
fn what_the_slots_cannot_hold_is_refused() {
    let refused = |options: ChainOptions| {
        let made = make_chain(&mut maker(1), &options, |_, _| Ok::<_, Error>(()));
        assert!(
            matches!(made, Err(Error::Impossible(_))),
            "{options:?}: {made:?}"
        );
    };
    let short = || ChainOptions {
        slots: 15,
        ..ChainOptions::default()
    };
    refused(ChainOptions {
        exits: 1,
        ..short()
    });
    refused(ChainOptions {
        deposits: 1,
        ..short()
    });
    refused(ChainOptions {
        forks: 3,
        ..short()
    });
    refused(ChainOptions {
        forks: u64::MAX,
        ..short()
    });
    refused(ChainOptions {
        empty_slots: BTreeSet::from([4, 16]),
        ..short()
    });
    assert!(ChainMaker::new(&spec(), 0, 1, &Pool::new(1)).is_err());
}
