//! Rows on the attestation pool: choosing what goes into a block.

use std::sync::Arc;

use anyhow::{Context, Result, bail, ensure};
use chain::gossip::{Check, Seen, View, validate_beacon_aggregate_and_proof_gossip};
use chain::pools::{AttestationPool, pack_attestations};
use chain::{HotStates, InvalidRoots};
use chain_maker::{Dice, attestation_data};
use consensus::helpers::compute_time_at_slot;
use consensus::transition::process_slots;
use consensus::validator_guide::is_selected;
use consensus::{
    AggregateAndProof, AggregationBits, Attestation, BLSSignature, BeaconState, CommitteeIndex,
    SignedAggregateAndProof, Slot, Spec,
};

use crate::bench::{BLOCK_SLOT, Bench};
use crate::chain::Chain;
use crate::measure::{Sample, measure};

/// Slot of the head: the slots after it are empty, so that the state has none of the attestations.
const HEAD_SLOT: Slot = 64;
/// Aggregates of a committee.
const AGGREGATES: usize = 4;

/// `pool_pack_1984`: those of 16 committees of a slot.
pub fn pool_pack_1984(bench: &Bench) -> Result<Sample> {
    pool_pack(bench, 16, 1_984)
}

/// `pool_pack_7936`: those of 64 committees of a slot.
pub fn pool_pack_7936(bench: &Bench) -> Result<Sample> {
    pool_pack(bench, 64, 7_936)
}

/// Chooses the attestations of a block. Every committee of 31 slots has four aggregates that overlap,
/// each of about four fifths of it.
fn pool_pack(bench: &Bench, committees: CommitteeIndex, expected: usize) -> Result<Sample> {
    let verifier = bench.verifier();
    let chain = Chain::up_to(HEAD_SLOT, &bench.inputs, &verifier)?;
    let pool = pool(&chain, committees)?;
    ensure!(
        pool.len() == expected,
        "{} aggregates: other inputs have other committees",
        pool.len()
    );
    let mut state = chain.head_state().clone();
    process_slots(&mut state, BLOCK_SLOT)?;
    let limit = Spec::mainnet().MAX_ATTESTATIONS as usize;
    measure(
        bench.runs,
        || Ok(()),
        |()| {
            let packed = pack_attestations(&pool, &state, limit);
            ensure!(packed.len() == limit, "{} attestations", packed.len());
            Ok(packed)
        },
    )
}

/// The aggregates of the slots from the head's on, as gossip takes them in.
fn pool(chain: &Chain, committees: CommitteeIndex) -> Result<AttestationPool> {
    let mut state = chain.head_state().clone();
    process_slots(&mut state, BLOCK_SLOT - 1)?;
    let now = compute_time_at_slot(&state, BLOCK_SLOT - 1)?;
    let mut fork_choice = chain.store.clone();
    fork_choice.on_tick(now)?;
    let view = View {
        now: now * 1_000,
        finalized: fork_choice.finalized_checkpoint(),
        head_root: fork_choice.get_head()?,
        fork_choice: &fork_choice,
        head_state: &state,
        states: &HotStates::default(),
        invalid: &InvalidRoots::default(),
    };
    let (mut pool, mut seen) = (AttestationPool::default(), Seen::default());
    let mut dice = Dice::new(3);
    for slot in HEAD_SLOT..BLOCK_SLOT - 1 {
        for index in 0..committees {
            for number in 0..AGGREGATES {
                let aggregate = aggregate(&state, slot, index, number, &mut dice)?;
                let check =
                    validate_beacon_aggregate_and_proof_gossip(&view, &seen, &Arc::new(aggregate));
                let Check::Verify(claim) = check else {
                    bail!("slot {slot}: {check:?}");
                };
                // What is measured asks for no signatures: they are taken for good.
                match claim.accept(Ok(()), &mut seen) {
                    Ok(vote) => pool.add_aggregate(&vote),
                    Err(verdict) => bail!("slot {slot}: {verdict:?}"),
                }
            }
        }
    }
    Ok(pool)
}

fn aggregate(
    state: &BeaconState,
    slot: Slot,
    index: CommitteeIndex,
    number: usize,
    dice: &mut Dice,
) -> Result<SignedAggregateAndProof> {
    let data = attestation_data(state, slot, index)?;
    let shuffling = state.shuffling(data.target.epoch)?;
    let committee = shuffling.committee(slot, index);
    let committee = committee.context("fewer committees")?;
    let bits = AggregationBits::with_capacity(committee.len()).ok();
    let mut aggregation_bits = bits.context("a committee of more than 2,048")?;
    for at in 0..committee.len() {
        let attests = dice.percent(80);
        let set = aggregation_bits.set(at, attests).ok();
        set.context("beyond the committee")?;
    }
    let mut selection_proof = BLSSignature::ZERO;
    while !is_selected(committee.len(), &selection_proof) {
        selection_proof[..8].copy_from_slice(&dice.roll().to_le_bytes());
    }
    Ok(SignedAggregateAndProof {
        message: AggregateAndProof {
            aggregator_index: committee[number].into(),
            aggregate: Attestation {
                aggregation_bits,
                data,
                signature: BLSSignature::ZERO,
            },
            selection_proof,
        },
        signature: BLSSignature::ZERO,
    })
}
