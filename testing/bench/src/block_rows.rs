//! Rows on one block.

use std::hint::black_box;
use std::sync::Mutex;

use anyhow::{Result, ensure};
use consensus::transition::{SignatureMode, Signatures, process_block, verify_block_signature};
use consensus::{BeaconBlock, BeaconState, HashTreeRoot, Root, SignatureSet, Verifier};

use crate::bench::{BLOCK_SLOT, Bench, root};
use crate::inputs::decode_block;
use crate::measure::{Sample, measure, measure_short};

/// `block_decode`
pub fn block_decode(bench: &Bench) -> Result<Sample> {
    let bytes = bench.inputs.block_bytes(BLOCK_SLOT)?;
    decode_block(&bytes)?;
    measure_short(bench.runs, || {
        // It decoded before.
        let _ = black_box(decode_block(black_box(&bytes)));
    })
}

/// `block_signatures`: verifying all sets of the block, whose keys are decompressed.
pub fn block_signatures(bench: &Bench) -> Result<Sample> {
    let recorder = Recorder::default();
    let block = bench.block()?;
    let mut state = bench.before_block()?;
    verify_block_signature(&state, &block, &recorder)?;
    let mut signatures = Signatures::new(SignatureMode::Bulk, &recorder);
    process_block(&mut state, &block.message, &mut signatures)?;
    let sets = recorder.into_sets();
    let verifier = bench.verifier();
    measure(
        bench.runs,
        || Ok(()),
        |()| {
            let verified = verifier.verify_sets(black_box(&sets));
            ensure!(verified.is_ok(), "set {verified:?} does not verify");
            Ok(())
        },
    )
}

/// `block_no_signatures_with_roots`
pub fn block_no_signatures_with_roots(bench: &Bench) -> Result<Sample> {
    let block = bench.block()?.message;
    let verifier = bench.verifier();
    measure(
        bench.runs,
        || bench.before_block(),
        |mut state| {
            let mut signatures = Signatures::new(SignatureMode::Skip, &verifier);
            process_block(&mut state, &block, &mut signatures)?;
            let block_root = block_root(&state, &block);
            let state_root = root(&state, &bench.pool);
            ensure!(state_root == block.state_root, "another state root");
            Ok((state, block_root))
        },
    )
}

/// The root of the block that was processed last: its body's root is known to the state.
fn block_root(state: &BeaconState, block: &BeaconBlock) -> Root {
    let mut header = *state.latest_block_header();
    header.state_root = block.state_root;
    header.hash_tree_root()
}

/// Keeps the sets that it is asked to verify.
#[derive(Default)]
struct Recorder {
    sets: Mutex<Vec<SignatureSet>>,
}

impl Recorder {
    fn into_sets(self) -> Vec<SignatureSet> {
        self.sets
            .into_inner()
            .expect("nothing panics with the lock")
    }
}

impl Verifier for Recorder {
    fn verify_sets(&self, sets: &[SignatureSet]) -> Result<(), usize> {
        let mut kept = self.sets.lock().expect("nothing panics with the lock");
        kept.extend_from_slice(sets);
        Ok(())
    }
}
