//! What the simulation knows better than any node: every block that was ever signed, its post-state
//! by the state transition itself, and every finalized checkpoint that some node reported.

use crate::naive::Weights;
use consensus::helpers::{
    compute_epoch_at_slot, compute_start_slot_at_epoch, get_attesting_indices,
};
use consensus::transition::{SignatureMode, Signatures, process_slots, state_transition};
use consensus::{
    Attestation, BeaconState, Checkpoint, Epoch, Root, SignedBeaconBlock, Slot, ValidatorIndex,
    Verifier,
};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A signed block.
#[derive(Clone, Debug)]
pub(crate) struct KnownBlock {
    /// Its slot.
    pub(crate) slot: Slot,
    /// Root of its parent.
    pub(crate) parent: Root,
    /// The block; `None` for genesis.
    pub(crate) block: Option<Arc<SignedBeaconBlock>>,
    /// Its post-state.
    pub(crate) state: BeaconState,
}

/// All that was ever signed and finalized.
pub(crate) struct World {
    genesis: Root,
    blocks: BTreeMap<Root, KnownBlock>,
    /// States of checkpoints: the block's, advanced to the epoch.
    checkpoints: BTreeMap<(Epoch, Root), BeaconState>,
    weights: BTreeMap<(Epoch, Root), Arc<Weights>>,
    /// What some node finalized, by epoch.
    finalized: BTreeMap<Epoch, Root>,
    verifier: Arc<dyn Verifier>,
}

impl World {
    /// A world of the genesis block alone.
    pub(crate) fn new(genesis: &BeaconState, root: Root, verifier: Arc<dyn Verifier>) -> World {
        let known = KnownBlock {
            slot: 0,
            parent: Root::ZERO,
            block: None,
            state: genesis.clone(),
        };
        World {
            genesis: root,
            blocks: BTreeMap::from([(root, known)]),
            checkpoints: BTreeMap::new(),
            weights: BTreeMap::new(),
            finalized: BTreeMap::from([(0, root)]),
            verifier,
        }
    }

    /// Root of the genesis block.
    pub(crate) fn genesis(&self) -> Root {
        self.genesis
    }

    /// A block that was signed.
    pub(crate) fn block(&self, root: Root) -> Result<&KnownBlock, String> {
        let known = self.blocks.get(&root);
        known.ok_or_else(|| format!("nobody ever signed a block {root}"))
    }

    /// Adds a block that was just signed; its state root is checked.
    pub(crate) fn add_block(&mut self, block: &Arc<SignedBeaconBlock>) -> Result<Root, String> {
        let mut state = self.block(block.message.parent_root)?.state.clone();
        let mut signatures = Signatures::new(SignatureMode::Skip, &*self.verifier);
        let root = state_transition(&mut state, block, &mut signatures, true)
            .map_err(|error| format!("a composed block is invalid: {error}"))?;
        let known = KnownBlock {
            slot: block.message.slot,
            parent: block.message.parent_root,
            block: Some(block.clone()),
            state,
        };
        self.blocks.insert(root, known);
        Ok(root)
    }

    /// The state of a checkpoint: its block's post-state, advanced to the epoch's first slot.
    pub(crate) fn checkpoint_state(
        &mut self,
        checkpoint: Checkpoint,
    ) -> Result<&BeaconState, String> {
        let key = (checkpoint.epoch, checkpoint.root);
        if !self.checkpoints.contains_key(&key) {
            let state = self.block(checkpoint.root)?.state.clone();
            let start = compute_start_slot_at_epoch(checkpoint.epoch, state.spec());
            let start = start.map_err(|error| error.to_string())?;
            self.checkpoints.insert(key, advanced(state, start)?);
        }
        Ok(&self.checkpoints[&key])
    }

    /// What votes weigh when this checkpoint is justified.
    pub(crate) fn weights(&mut self, checkpoint: Checkpoint) -> Result<Arc<Weights>, String> {
        let key = (checkpoint.epoch, checkpoint.root);
        if let Some(weights) = self.weights.get(&key) {
            return Ok(weights.clone());
        }
        let weights = Arc::new(Weights::of(
            self.checkpoint_state(checkpoint)?,
            checkpoint.epoch,
        ));
        self.weights.insert(key, weights.clone());
        Ok(weights)
    }

    /// Who attests in an attestation.
    pub(crate) fn attesters(
        &mut self,
        attestation: &Attestation,
    ) -> Result<Vec<ValidatorIndex>, String> {
        let state = self.checkpoint_state(attestation.data.target)?;
        get_attesting_indices(state, &attestation.data, &attestation.aggregation_bits)
            .map_err(|error| error.to_string())
    }

    /// The ancestor of a block at a slot, or the last one before it.
    pub(crate) fn ancestor(&self, mut root: Root, slot: Slot) -> Result<Root, String> {
        loop {
            let known = self.block(root)?;
            if known.slot <= slot {
                return Ok(root);
            }
            root = known.parent;
        }
    }

    /// The blocks from `root` back to, but without, an ancestor; in order of slots.
    pub(crate) fn branch(&self, ancestor: Root, mut root: Root) -> Result<Vec<Root>, String> {
        let mut branch = Vec::new();
        while root != ancestor {
            branch.push(root);
            root = self.block(root)?.parent;
        }
        branch.reverse();
        Ok(branch)
    }

    /// A node finalizes a checkpoint: it must fit all that others ever finalized. Says whether that
    /// is news.
    pub(crate) fn finalize(&mut self, checkpoint: Checkpoint) -> Result<bool, String> {
        let Checkpoint { epoch, root } = checkpoint;
        if let Some(known) = self.finalized.get(&epoch) {
            return match *known == root {
                true => Ok(false),
                false => Err(format!(
                    "epoch {epoch} is finalized with {root} and with {known}"
                )),
            };
        }
        let before = self.finalized.range(..epoch).next_back();
        let after = self.finalized.range(epoch..).next();
        let before = before.map(|(&epoch, &root)| Checkpoint { epoch, root });
        let after = after.map(|(&epoch, &root)| Checkpoint { epoch, root });
        let pairs = [
            before.map(|c| (c, checkpoint)),
            after.map(|c| (checkpoint, c)),
        ];
        for (older, newer) in pairs.into_iter().flatten() {
            let slot = self.block(older.root)?.slot;
            if self.ancestor(newer.root, slot)? != older.root {
                return Err(format!(
                    "conflicting finality: {} of epoch {} does not descend from {} of epoch {}",
                    newer.root, newer.epoch, older.root, older.epoch
                ));
            }
        }
        self.finalized.insert(epoch, root);
        Ok(true)
    }
}

/// A state for duties in the epoch of `slot`: advanced to that epoch if it is earlier.
pub(crate) fn state_for_duties(state: &BeaconState, slot: Slot) -> Result<BeaconState, String> {
    let spec = state.spec();
    let start = slot - slot % spec.SLOTS_PER_EPOCH;
    if compute_epoch_at_slot(state.slot(), spec) > compute_epoch_at_slot(slot, spec) {
        return Err(format!(
            "the head is of slot {}, after {slot}",
            state.slot()
        ));
    }
    advanced(state.clone(), start)
}

fn advanced(mut state: BeaconState, slot: Slot) -> Result<BeaconState, String> {
    if state.slot() < slot {
        process_slots(&mut state, slot).map_err(|error| error.to_string())?;
    }
    Ok(state)
}
