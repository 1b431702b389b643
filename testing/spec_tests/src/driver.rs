//! A fork-choice store with the states that it asks for: what a client is to it. And a verifier for
//! messages without good signatures.

use consensus::helpers::{
    compute_start_slot_at_epoch, get_indexed_attestation, is_valid_indexed_attestation,
};
use consensus::transition::{SignatureMode, Signatures, process_slots, state_transition};
use consensus::{
    Attestation, AttesterSlashing, BeaconBlock, BeaconState, Checkpoint, Root, SignatureSet,
    SignedBeaconBlock, Verifier,
};
use fork_choice::{Error, JustifiedBalances, Store, get_forkchoice_store};
use std::collections::BTreeMap;

/// Finds every signature good: for cases made with signatures switched off.
pub struct AcceptAll;

impl Verifier for AcceptAll {
    fn verify_sets(&self, _sets: &[SignatureSet]) -> Result<(), usize> {
        Ok(())
    }
}

/// Drives a [`Store`] with whole blocks and attestations, as the specification's handlers take
/// them. Keeps the post-state of every block for good: for tests.
pub struct Driver<'a> {
    store: Store,
    post_states: BTreeMap<Root, BeaconState>,
    checkpoint_states: BTreeMap<Checkpoint, BeaconState>,
    verifier: &'a dyn Verifier,
}

impl<'a> Driver<'a> {
    /// A store that begins with `anchor_block` and its post-state. Signatures are verified by
    /// `verifier`.
    ///
    /// # Errors
    /// If block and state do not belong together.
    pub fn new(
        anchor_state: BeaconState,
        anchor_block: &BeaconBlock,
        verifier: &'a dyn Verifier,
    ) -> Result<Driver<'a>, Error> {
        let mut store = get_forkchoice_store(&anchor_state, anchor_block)?;
        let anchor = store.get_head()?;
        Ok(Driver {
            store,
            post_states: BTreeMap::from([(anchor, anchor_state)]),
            checkpoint_states: BTreeMap::new(),
            verifier,
        })
    }

    /// The store. Its own handlers must not be called around the driver.
    pub fn store(&mut self) -> &mut Store {
        &mut self.store
    }

    /// The store, and the post-state of every block.
    pub fn into_parts(self) -> (Store, BTreeMap<Root, BeaconState>) {
        (self.store, self.post_states)
    }

    /// `fork-choice.md#on_tick`, `time` in Unix seconds.
    ///
    /// # Errors
    /// As [`Store::on_tick`].
    pub fn on_tick(&mut self, time: u64) -> Result<(), Error> {
        self.store.on_tick(time)?;
        self.supply_balances()
    }

    /// `fork-choice.md#on_block`, with the state transition and all signatures.
    ///
    /// # Errors
    /// The first violated assertion of the store or of the transition.
    pub fn on_block(&mut self, signed_block: &SignedBeaconBlock) -> Result<Root, Error> {
        let block = &signed_block.message;
        self.store.check_block(block.slot, block.parent_root)?;
        let mut state = self.post_state(block.parent_root)?.clone();
        let mut signatures = Signatures::new(SignatureMode::Bulk, self.verifier);
        state_transition(&mut state, signed_block, &mut signatures, true)?;
        let root = self.store.on_block(block, &state)?;
        self.post_states.insert(root, state);
        self.supply_balances()?;
        Ok(root)
    }

    /// What the body of a block tells the store. An attestation may be good for the block and say
    /// nothing to the store, which then passes over it.
    pub fn on_body(&mut self, signed_block: &SignedBeaconBlock) {
        let body = &signed_block.message.body;
        for attestation in &body.attestations {
            let _ = self.on_attestation(attestation, true);
        }
        for slashing in &body.attester_slashings {
            let _ = self.on_attester_slashing(slashing);
        }
    }

    /// `fork-choice.md#on_attestation`
    ///
    /// # Errors
    /// The first violated assertion.
    pub fn on_attestation(
        &mut self,
        attestation: &Attestation,
        is_from_block: bool,
    ) -> Result<(), Error> {
        let data = &attestation.data;
        self.store.validate_on_attestation(data, is_from_block)?;
        let target_state = self.checkpoint_state(data.target)?;
        let indexed = get_indexed_attestation(&target_state, attestation)?;
        is_valid_indexed_attestation(&target_state, &indexed, self.verifier)?;
        self.store
            .on_attestation(data, &indexed.attesting_indices, is_from_block)?;
        self.supply_balances()
    }

    /// `fork-choice.md#on_attester_slashing`
    ///
    /// # Errors
    /// The first violated assertion.
    pub fn on_attester_slashing(&mut self, slashing: &AttesterSlashing) -> Result<(), Error> {
        let state = self.post_state(self.store.justified_checkpoint().root)?;
        for attestation in [&slashing.attestation_1, &slashing.attestation_2] {
            is_valid_indexed_attestation(state, attestation, self.verifier)?;
        }
        self.store.on_attester_slashing(slashing)?;
        self.supply_balances()
    }

    fn post_state(&self, root: Root) -> Result<&BeaconState, Error> {
        self.post_states.get(&root).ok_or(Error::UnknownBlock(root))
    }

    /// `fork-choice.md#store_target_checkpoint_state`
    fn checkpoint_state(&mut self, checkpoint: Checkpoint) -> Result<BeaconState, Error> {
        if let Some(state) = self.checkpoint_states.get(&checkpoint) {
            return Ok(state.clone());
        }
        let mut state = self.post_state(checkpoint.root)?.clone();
        let start = compute_start_slot_at_epoch(checkpoint.epoch, state.spec())?;
        if state.slot() < start {
            process_slots(&mut state, start)?;
        }
        self.checkpoint_states.insert(checkpoint, state.clone());
        Ok(state)
    }

    fn supply_balances(&mut self) -> Result<(), Error> {
        if let Some(checkpoint) = self.store.justified_balances_needed() {
            let state = self.checkpoint_state(checkpoint)?;
            let balances = JustifiedBalances::from_state(&state)?;
            self.store.set_justified_balances(checkpoint, balances)?;
        }
        Ok(())
    }
}
