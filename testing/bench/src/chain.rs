//! A chain from genesis with its fork choice: what a node does with every block.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use consensus::genesis::genesis_block;
use consensus::helpers::{
    compute_start_slot_at_epoch, compute_time_at_slot, get_attesting_indices,
};
use consensus::transition::{SignatureMode, Signatures, process_slots, state_transition};
use consensus::{BeaconState, Root, Verifier};
use fork_choice::{JustifiedBalances, Store, get_forkchoice_store};

use crate::inputs::{Inputs, decode_block};

/// Post-states by block root, back to the finalized one, and the fork choice over them.
#[derive(Clone)]
pub struct Chain {
    /// The fork choice.
    pub store: Store,
    states: BTreeMap<Root, BeaconState>,
    head: Root,
}

impl Chain {
    /// Only genesis, whose root is computed.
    pub fn at_genesis(inputs: &Inputs) -> Result<Chain> {
        let genesis = inputs.genesis()?;
        let block = genesis_block(&genesis);
        let store = get_forkchoice_store(&genesis, &block)?;
        let head = store.justified_checkpoint().root;
        Ok(Chain {
            store,
            states: BTreeMap::from([(head, genesis)]),
            head,
        })
    }

    /// Genesis and the blocks up to `slot`, trusted.
    pub fn up_to(slot: u64, inputs: &Inputs, verifier: &dyn Verifier) -> Result<Chain> {
        let mut chain = Chain::at_genesis(inputs)?;
        for slot in 1..=slot {
            chain.import(&inputs.block_bytes(slot)?, SignatureMode::Skip, verifier)?;
        }
        Ok(chain)
    }

    /// State after the head.
    pub fn head_state(&self) -> &BeaconState {
        &self.states[&self.head]
    }

    /// Decodes, checks and adds a block with its attestations; it becomes the head.
    pub fn import(
        &mut self,
        bytes: &[u8],
        mode: SignatureMode,
        verifier: &dyn Verifier,
    ) -> Result<()> {
        let signed_block = decode_block(bytes)?;
        let block = &signed_block.message;
        let parent = self.states.get(&block.parent_root);
        let mut state = parent.context("a block without a parent")?.clone();
        self.store
            .on_tick(compute_time_at_slot(&state, block.slot)?)?;
        self.store.check_block(block.slot, block.parent_root)?;
        let mut signatures = Signatures::new(mode, verifier);
        let root = state_transition(&mut state, &signed_block, &mut signatures, true)?;
        self.store.on_block(block, &state)?;
        self.states.insert(root, state.clone());
        self.answer_store()?;
        for attestation in &block.body.attestations {
            let data = &attestation.data;
            let indices = get_attesting_indices(&state, data, &attestation.aggregation_bits)?;
            self.store.on_attestation(data, &indices, true)?;
        }
        for slashing in &block.body.attester_slashings {
            self.store.on_attester_slashing(slashing)?;
        }
        self.head = self.store.get_head()?;
        ensure!(self.head == root, "slot {}: another head", block.slot);
        for root in self.store.prune() {
            self.states.remove(&root);
        }
        Ok(())
    }

    fn answer_store(&mut self) -> Result<()> {
        let Some(checkpoint) = self.store.justified_balances_needed() else {
            return Ok(());
        };
        let state = self.states.get(&checkpoint.root);
        let mut state = state.context("no state of the justified block")?.clone();
        let start = compute_start_slot_at_epoch(checkpoint.epoch, self.store.spec())?;
        if state.slot() < start {
            process_slots(&mut state, start)?;
        }
        let balances = JustifiedBalances::from_state(&state)?;
        self.store.set_justified_balances(checkpoint, balances)?;
        Ok(())
    }
}
