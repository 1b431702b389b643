//! Rows on a chain with its fork choice: one block, and many.

use anyhow::Result;
use consensus::BeaconState;
use consensus::helpers::compute_time_at_slot;
use consensus::transition::{SignatureMode, Signatures, state_transition};
use fork_choice::Store;

use crate::bench::{BLOCK_SLOT, Bench};
use crate::chain::Chain;
use crate::measure::{Sample, measure};

/// Blocks that are replayed with signatures.
const REPLAYED: u64 = 64;

/// `on_block_fork_choice`: with the unrealized checkpoints of the post-state.
pub fn on_block_fork_choice(bench: &Bench) -> Result<Sample> {
    let signed_block = bench.block()?;
    let verifier = bench.verifier();
    let chain = bench.before_block_chain()?;
    let mut store = chain.store.clone();
    store.on_tick(compute_time_at_slot(chain.head_state(), BLOCK_SLOT)?)?;
    let arrival = || -> Result<(Store, BeaconState)> {
        // Not a clone of one post-state: what the first run computes would be kept for the others.
        let mut state = chain.head_state().clone();
        let mut signatures = Signatures::new(SignatureMode::Skip, &verifier);
        state_transition(&mut state, &signed_block, &mut signatures, false)?;
        Ok((store.clone(), state))
    };
    measure(bench.runs, arrival, |(mut store, state)| {
        store.on_block(&signed_block.message, &state)?;
        Ok((store, state))
    })
}

/// `replay_blocks_per_s_nosig`
pub fn replay_blocks_per_s_nosig(bench: &Bench) -> Result<Sample> {
    replay(bench, bench.inputs.last_slot()?, SignatureMode::Skip)
}

/// `replay_blocks_per_s`
pub fn replay_blocks_per_s(bench: &Bench) -> Result<Sample> {
    replay(bench, REPLAYED, SignatureMode::Bulk)
}

/// Blocks a second: decoding, state transition with the state root of every block, fork choice.
/// Genesis is decoded, hashed and its keys decompressed before, which are rows of their own.
fn replay(bench: &Bench, last_slot: u64, mode: SignatureMode) -> Result<Sample> {
    let verifier = bench.verifier();
    let blocks = (1..=last_slot)
        .map(|slot| bench.inputs.block_bytes(slot))
        .collect::<Result<Vec<_>>>()?;
    if mode != SignatureMode::Skip {
        bench.inputs.genesis()?.warm_keys(&bench.pool);
    }
    let sample = measure(
        bench.runs.min(5),
        || Chain::at_genesis(&bench.inputs),
        |mut chain| {
            for block in &blocks {
                chain.import(block, mode, &verifier)?;
            }
            Ok(chain)
        },
    )?;
    Ok(sample.map(|ms| blocks.len() as f64 / ms * 1e3))
}
