//! Blocks made of whatever the pools hold.

use crate::world::{World, tools, verdicts};
use chain::messages::Messages;
use chain::pools::pack_attestations;
use chain::production::{
    BlockRequest, Ingredients, ProductionError, attestation_data, produce_block,
};
use chain::{ApiCall, HeadInfo, SharedMap, Snapshot, Toolbox, Verdict};
use chain_maker::{BlockOptions, Dice};
use consensus::helpers::{get_beacon_committee, get_beacon_proposer_index, get_current_epoch};
use consensus::transition::{SignatureMode, Signatures, state_transition};
use consensus::*;
use std::collections::BTreeSet;
use std::sync::Arc;

fn produce(world: &World, state: &BeaconState, ingredients: &Ingredients) -> BeaconBlock {
    let proposer = get_beacon_proposer_index(state).unwrap();
    let epoch = get_current_epoch(state);
    let request = BlockRequest {
        randao_reveal: world.maker.sign_randao(state, epoch, proposer).unwrap(),
        graffiti: Root::repeat_byte(9),
        eth1_data: None,
    };
    produce_block(state, ingredients, &request, &world.tools).unwrap()
}

/// Signs the block and applies it to its parent's state with all signatures.
fn check(world: &World, parent: Root, state: &BeaconState, block: BeaconBlock) {
    let signed = world.maker.sign_block(state, block).unwrap();
    let mut post_state = world.maker.post_state(parent).unwrap().clone();
    let mut signatures = Signatures::new(SignatureMode::Bulk, &*world.tools.verifier);
    state_transition(&mut post_state, &signed, &mut signatures, true).unwrap();
}

fn submit(world: &mut World, call: ApiCall) {
    let (_, out) = world.act(|messages, view, out| messages.on_api(view, 1, call, out));
    world.run(out);
}

/// Attestations by random members of random committees to random blocks, alone and in aggregates,
/// some of them too old or on another branch.
fn fill(world: &mut World, heads: &[Root], dice: &mut Dice) {
    let now = world.store.get_current_slot();
    let (mut singles, mut aggregates) = (Vec::new(), Vec::new());
    for _ in 0..30 {
        let head = heads[dice.below(heads.len() as u64) as usize];
        let from = world.maker.post_state(head).unwrap().slot();
        let slot = from.max(now - dice.below(10).min(now));
        let members = 4;
        if dice.percent(50) {
            let position = dice.below(members) as usize;
            singles.push(world.attestation(head, slot, dice.below(2), &[position]));
        } else {
            let mut positions: Vec<usize> = (0..members as usize).collect();
            positions.retain(|_| dice.percent(60));
            if !positions.is_empty() {
                let aggregator = dice.below(members) as usize;
                aggregates.push(world.aggregate(head, slot, &positions, aggregator));
            }
        }
    }
    submit(world, ApiCall::SubmitAttestations(singles));
    submit(world, ApiCall::SubmitAggregates(aggregates));
}

#[test]
fn made_blocks_of_random_pools_always_pass() {
    let (mut included, mut operations) = (0, 0);
    for seed in 0..6 {
        let spec = Arc::new(Spec {
            SHARD_COMMITTEE_PERIOD: 1,
            ..Spec::minimal()
        });
        let mut world = World::with(&spec, 64, seed);
        world.maker.set_participation(40);
        let mut dice = Dice::of(seed, &[1]);
        world.extend_to(8 + dice.below(4));
        let fork_parent = world.head;
        let fork_slot = world.head_state.slot() + 1;
        let side = world
            .maker
            .block_on(fork_parent, fork_slot, &BlockOptions::default());
        let side = side.unwrap();
        world.tick(fork_slot + 1, 0);
        world.import(&side.block);
        world.extend(fork_slot + 1, &BlockOptions::default());
        for slot in fork_slot + 2..fork_slot + 12 {
            world.tick(slot, 0);
            let heads = [world.head, side.root, fork_parent];
            fill(&mut world, &heads, &mut dice);
            let state = world.head_state.clone();
            let index = dice.below(64);
            if let Ok(slashing) = world.maker.proposer_slashing(&state, index) {
                submit(&mut world, ApiCall::SubmitProposerSlashing(slashing));
            }
            let both = [index, dice.below(64)];
            if let Ok(slashing) = world.maker.attester_slashing(&state, &both) {
                submit(&mut world, ApiCall::SubmitAttesterSlashing(slashing));
            }
            // The same validator, so that a slashing makes the exit pointless in one block.
            for index in [index, dice.below(64)] {
                if let Ok(exit) = world.maker.voluntary_exit(&state, index) {
                    submit(&mut world, ApiCall::SubmitVoluntaryExit(exit));
                }
            }
            let slot = slot + dice.below(3);
            for parent in [world.head, side.root] {
                let state = world.maker.state_at(parent, slot).unwrap();
                let proposer = get_beacon_proposer_index(&state).unwrap();
                if state.validators().slashed(proposer as usize) == Some(true) {
                    continue;
                }
                let block = produce(&world, &state, &world.messages.ingredients());
                let body = &block.body;
                included += body.attestations.len();
                operations += body.proposer_slashings.len()
                    + body.attester_slashings.len()
                    + body.voluntary_exits.len();
                check(&world, parent, &state, block);
            }
        }
    }
    assert!(included > 300, "{included} attestations");
    assert!(operations > 150, "{operations} operations");
}

#[test]
fn packing_takes_the_most_new_attesters_first_and_nothing_twice() {
    let mut world = World::new();
    world.maker.set_participation(0);
    world.extend_to(6);
    world.tick(7, 0);
    let head = world.head;
    let aggregates = vec![
        world.aggregate(head, 6, &[0, 1], 0),
        world.aggregate(head, 6, &[1, 2, 3], 1),
        world.aggregate(world.head, 6, &[0, 2], 2),
    ];
    let mut before = aggregates.clone();
    submit(
        &mut world,
        ApiCall::SubmitAggregates(std::mem::take(&mut before)),
    );
    let older = world.attestation(world.head, 6, 1, &[3]);
    submit(&mut world, ApiCall::SubmitAttestations(vec![older]));
    let state = world.maker.state_at(head, 7).unwrap();
    let pool = world.messages.ingredients().attestations;
    let packed = pack_attestations(&pool, &state, 128);
    let gains: Vec<_> = packed.iter().map(|it| it.new_attesters).collect();
    // Committee 0: {1, 2, 3}, and then 0 by whichever has it; committee 1: its single attester.
    assert_eq!(gains, [3, 1, 1]);
    assert_eq!(pack_attestations(&pool, &state, 2).len(), 2);

    let block = produce(&world, &state, &world.messages.ingredients());
    let mut attesters = BTreeSet::new();
    for attestation in &block.body.attestations {
        let committee = get_beacon_committee(&state, 6, attestation.data.index).unwrap();
        let bits = attestation.aggregation_bits.iter().zip(committee);
        attesters.extend(bits.filter(|(bit, _)| *bit).map(|(_, index)| index));
    }
    assert_eq!(attesters.len(), 5);
    check(&world, head, &state, block.clone());

    // What the chain has adds nothing.
    let (signed, post_state) = world.maker.seal(&state, block).unwrap();
    let root = world.maker.adopt(&signed, post_state);
    let state = world.maker.state_at(root, 8).unwrap();
    assert!(pack_attestations(&pool, &state, 128).is_empty());
}

#[test]
fn what_cannot_be_produced_is_said() {
    let mut world = World::new();
    world.extend_to(2);
    let state = world.maker.state_at(world.head, 3).unwrap();
    let request = BlockRequest {
        randao_reveal: BLSSignature::ZERO,
        graffiti: Root::ZERO,
        eth1_data: None,
    };
    let none = Ingredients::default();
    let make = |state: &BeaconState| produce_block(state, &none, &request, &tools());
    let mut awaiting = state.clone();
    let mut eth1_data = *state.eth1_data();
    eth1_data.deposit_count += 2;
    awaiting.set_eth1_data(eth1_data);
    assert_eq!(make(&awaiting), Err(ProductionError::DepositsDue(2)));
    let mut slashed = state.clone();
    let proposer = get_beacon_proposer_index(&state).unwrap();
    slashed.set_slashed(proposer as usize, true).unwrap();
    assert_eq!(
        make(&slashed),
        Err(ProductionError::State(Error::ProposerSlashed(proposer)))
    );
    let ended = Spec {
        ALTAIR_FORK_EPOCH: 0,
        ..Spec::minimal()
    };
    let ended =
        genesis::unsigned_interop_genesis(64, 0, Root::ZERO, &Arc::new(ended), &Pool::new(1));
    assert_eq!(make(&ended.unwrap()), Err(ProductionError::PhaseEnded(0)));
}

fn snapshot(world: &World, duties_slot: Slot) -> Snapshot {
    let head_state = world.head_state.clone();
    let checkpoint = Checkpoint::default();
    let duties_state = match duties_slot > head_state.slot() {
        true => world.maker.state_at(world.head, duties_slot).unwrap(),
        false => head_state.clone(),
    };
    Snapshot {
        spec: world.maker.spec().clone(),
        genesis_time: head_state.genesis_time(),
        genesis_validators_root: head_state.genesis_validators_root(),
        genesis_block_root: world.maker.genesis_root(),
        current_slot: duties_slot,
        head: HeadInfo {
            slot: head_state.slot(),
            root: world.head,
            state_root: head_state.hash_tree_root(),
            state: head_state,
            duties_state,
        },
        justified: checkpoint,
        finalized: checkpoint,
        unrealized_justified: checkpoint,
        unrealized_finalized: checkpoint,
        proposer_boost_root: Root::ZERO,
        blocks: SharedMap::default(),
        canonical: SharedMap::default(),
        weights: Arc::new([]),
        tips: Arc::default(),
        figures: Default::default(),
    }
}

#[test]
fn attestation_data_is_what_the_chain_will_show() {
    let mut world = World::new();
    for slot in (1..30).filter(|slot| slot % 5 != 0 && *slot != 16) {
        world.tick(slot, 0);
        world.extend(slot, &BlockOptions::default());
        let at = snapshot(&world, slot);
        // Of this slot, of empty ones after it in the same epoch, and of earlier ones.
        for asked in slot.saturating_sub(3)..=slot | 7 {
            let later = world
                .maker
                .state_at(world.head, asked.max(slot) + 1)
                .unwrap();
            // The sources of the last epoch change when the next begins: compare within one.
            if asked >= slot && get_current_epoch(&later) == asked / 8 {
                let expected = chain_maker::attestation_data(&later, asked, 0).unwrap();
                assert_eq!(
                    attestation_data(&at, asked, 0).unwrap(),
                    expected,
                    "{slot} {asked}"
                );
            }
        }
        let next_epoch = (slot | 7) + 1;
        assert_eq!(
            attestation_data(&at, next_epoch, 0),
            Err(ProductionError::NotThereYet(next_epoch))
        );
        let advanced = snapshot(&world, next_epoch);
        let later = world.maker.state_at(world.head, next_epoch + 1).unwrap();
        let expected = chain_maker::attestation_data(&later, next_epoch, 0).unwrap();
        assert_eq!(
            attestation_data(&advanced, next_epoch, 0).unwrap(),
            expected
        );
    }
    let at = snapshot(&world, 29);
    assert!(matches!(
        attestation_data(&at, 29, 2),
        Err(ProductionError::NoCommittee {
            index: 2,
            count: 2,
            ..
        })
    ));
}

/// Finds every signature good.
struct AcceptAll;

impl Verifier for AcceptAll {
    fn verify_sets(&self, _sets: &[SignatureSet]) -> Result<(), usize> {
        Ok(())
    }
}

/// The pool at its fullest: 31 slots of 8 committees, 32 aggregates each.
#[test]
fn a_full_pool_is_packed() {
    let spec = Arc::new(Spec::mainnet());
    let genesis =
        genesis::unsigned_interop_genesis(32_768, 1_606_824_000, Root::ZERO, &spec, &Pool::new(2));
    let genesis = genesis.unwrap();
    let mut world = World::with(&spec, 64, 1);
    world.store =
        fork_choice::get_forkchoice_store(&genesis, &genesis::genesis_block(&genesis)).unwrap();
    world.head = genesis::genesis_block(&genesis).hash_tree_root();
    world.head_state = genesis.clone();
    world.messages = Messages::new(&spec);
    world.tools = Toolbox {
        verifier: Arc::new(AcceptAll),
        ..tools()
    };
    let head = world.head;
    let mut dice = Dice::new(5);
    let mut accepted = 0;
    for slot in 0..31 {
        world.tick(slot, 9_000);
        for index in 0..8 {
            let committee = get_beacon_committee(&genesis, slot, index).unwrap();
            let list = (0..32).map(|aggregator| {
                let mut bits = AggregationBits::with_capacity(committee.len()).unwrap();
                for at in (0..committee.len()).filter(|_| dice.percent(30)) {
                    bits.set(at, true).unwrap();
                }
                own_aggregate(head, slot, index, bits, committee[aggregator], &mut dice)
            });
            for (token, aggregate) in list.collect::<Vec<_>>().into_iter().enumerate() {
                let ((), out) = world.act(|messages, view, out| {
                    messages.receive_aggregate(view, token as u64, Arc::new(aggregate), out);
                });
                let out = world.run(out);
                accepted += verdicts(&out)
                    .iter()
                    .filter(|it| it.1 == Verdict::Accept)
                    .count();
            }
        }
        let out = world.tick(slot, 10_000);
        accepted += verdicts(&world.run(out))
            .iter()
            .filter(|it| it.1 == Verdict::Accept)
            .count();
    }
    assert_eq!(accepted, 7_936);
    assert_eq!(world.messages.ingredients().attestations.len(), 7_936);
    // No data gets more aggregates than that: a large one takes the place of the smallest.
    let committee = get_beacon_committee(&genesis, 30, 0).unwrap();
    let mut bits = AggregationBits::with_capacity(committee.len()).unwrap();
    for at in 5..committee.len() {
        bits.set(at, true).unwrap();
    }
    let large = own_aggregate(head, 30, 0, bits, committee[40], &mut dice);
    submit(&mut world, ApiCall::SubmitAggregates(vec![large]));
    let mut state = genesis;
    transition::process_slots(&mut state, 31).unwrap();
    let pool = world.messages.ingredients().attestations;
    assert!(pool.len() <= 7_936);
    let packed = pack_attestations(&pool, &state, 128);
    assert_eq!(packed.len(), 128);
    assert_eq!(packed[0].new_attesters, committee.len() as u64 - 5);
    assert!(packed.is_sorted_by(|a, b| a.new_attesters >= b.new_attesters));
}

/// An aggregate whose signatures are never looked at, by an aggregator who is selected.
fn own_aggregate(
    head: Root,
    slot: Slot,
    index: CommitteeIndex,
    bits: AggregationBits,
    aggregator_index: ValidatorIndex,
    dice: &mut Dice,
) -> SignedAggregateAndProof {
    let checkpoint = Checkpoint::default();
    let target = Checkpoint {
        root: head,
        ..checkpoint
    };
    let mut selection_proof = BLSSignature::ZERO;
    while !validator_guide::is_selected(bits.len(), &selection_proof) {
        selection_proof[..8].copy_from_slice(&dice.roll().to_be_bytes());
    }
    SignedAggregateAndProof {
        message: AggregateAndProof {
            aggregator_index,
            aggregate: Attestation {
                aggregation_bits: bits,
                data: AttestationData {
                    slot,
                    index,
                    beacon_block_root: head,
                    source: checkpoint,
                    target,
                },
                signature: BLSSignature::ZERO,
            },
            selection_proof,
        },
        signature: BLSSignature::ZERO,
    }
}
