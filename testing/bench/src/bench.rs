//! What the rows share: inputs, threads, and states that take long to make.

use std::cell::OnceCell;

use anyhow::Result;
use consensus::helpers::{
    get_beacon_proposer_index, get_current_epoch, get_previous_epoch, get_total_active_balance,
};
use consensus::transition::{process_slots, unrealized_checkpoints};
use consensus::{BeaconState, Bls, Pool, Root, SignedBeaconBlock};

use crate::chain::Chain;
use crate::inputs::Inputs;

/// Slot of the block on the input state.
pub const BLOCK_SLOT: u64 = 96;

/// What should be secret of a verifier; nobody attacks a benchmark.
pub const VERIFIER_SEED: [u8; 32] = [0x5e; 32];

/// One set of inputs being measured.
pub struct Bench {
    /// The files.
    pub inputs: Inputs,
    /// Threads of the rows that can use several.
    pub pool: Pool,
    /// How often a row is measured.
    pub runs: usize,
    bytes: OnceCell<Vec<u8>>,
    warm: OnceCell<BeaconState>,
    before_block: OnceCell<BeaconState>,
    before_block_chain: OnceCell<Chain>,
}

impl Bench {
    /// Nothing is read yet.
    pub fn new(inputs: Inputs, pool: Pool, runs: usize) -> Bench {
        Bench {
            inputs,
            pool,
            runs,
            bytes: OnceCell::new(),
            warm: OnceCell::new(),
            before_block: OnceCell::new(),
            before_block_chain: OnceCell::new(),
        }
    }

    /// The input state as SSZ.
    pub fn bytes(&self) -> Result<&[u8]> {
        if self.bytes.get().is_none() {
            let _ = self.bytes.set(self.inputs.state_bytes()?);
        }
        Ok(self.bytes.get().expect("set above"))
    }

    /// The input state, decoded anew: nothing that it could keep is there.
    pub fn cold(&self) -> Result<BeaconState> {
        self.inputs.decode(self.bytes()?)
    }

    /// A clone of the input state with its roots, shufflings and totals present.
    pub fn warm(&self) -> Result<BeaconState> {
        if self.warm.get().is_none() {
            let state = self.cold()?;
            warm_up(&state, &self.pool)?;
            let _ = self.warm.set(state);
        }
        Ok(self.warm.get().expect("set above").clone())
    }

    /// A clone of the input state advanced to the slot of the next block.
    pub fn before_block(&self) -> Result<BeaconState> {
        if self.before_block.get().is_none() {
            let mut state = self.warm()?;
            process_slots(&mut state, BLOCK_SLOT)?;
            let _ = self.before_block.set(state);
        }
        Ok(self.before_block.get().expect("set above").clone())
    }

    /// A chain from genesis to the input state.
    pub fn before_block_chain(&self) -> Result<&Chain> {
        if self.before_block_chain.get().is_none() {
            let chain = Chain::up_to(BLOCK_SLOT - 1, &self.inputs, &self.verifier())?;
            let _ = self.before_block_chain.set(chain);
        }
        Ok(self.before_block_chain.get().expect("set above"))
    }

    /// Gives back the memory of the inputs, of everything but the input state.
    pub fn forget_inputs(&mut self) {
        self.bytes.take();
        self.before_block.take();
        self.before_block_chain.take();
    }

    /// The block on the input state.
    pub fn block(&self) -> Result<SignedBeaconBlock> {
        self.inputs.block(BLOCK_SLOT)
    }

    /// A verifier over the pool.
    pub fn verifier(&self) -> Bls {
        Bls::new(self.pool.clone(), VERIFIER_SEED)
    }
}

/// Computes what a state keeps: roots, shufflings, totals, proposers.
pub fn warm_up(state: &BeaconState, pool: &Pool) -> Result<()> {
    root(state, pool);
    for epoch in get_previous_epoch(state)..=get_current_epoch(state) + 1 {
        state.shuffling(epoch)?;
    }
    unrealized_checkpoints(state)?;
    get_total_active_balance(state)?;
    get_beacon_proposer_index(state)?;
    Ok(())
}

/// The state's root, computed on all threads of the pool.
pub fn root(state: &BeaconState, pool: &Pool) -> Root {
    if pool.threads() > 1 {
        state.warm_roots(pool);
    }
    state.hash_tree_root()
}
