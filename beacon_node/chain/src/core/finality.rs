//! What finality changes: what the store is told, and what is forgotten.

use super::Chain;
use super::commits::Afterwards;
use crate::state_source::era_epochs;
use crate::{Class, Effect, Event, Notice};
use consensus::helpers::compute_epoch_at_slot;
use consensus::*;
use rows::{Finalize, StoredState};
use std::collections::BTreeSet;

/// Epochs of the head's chain between two stored states while nothing is finalized: what is dropped
/// from memory is replayed from these.
const FAR_STATE_EPOCHS: u64 = 32;

impl Chain {
    /// Hands a new finalized checkpoint to the store once everything for that is at hand; until then
    /// it stays behind the fork choice's.
    pub(super) fn advance_finality(&mut self, effects: &mut Vec<Effect>) {
        let checkpoint = self.store.finalized_checkpoint();
        if checkpoint.epoch <= self.finalized.epoch {
            return;
        }
        if self.store.finality_conflicts() {
            if !self.told_conflict {
                self.told_conflict = true;
                effects.push(Effect::Notice(Notice::ConflictingFinality));
            }
            return;
        }
        let Some(state) = self.states.get(checkpoint.root).cloned() else {
            self.request_state(checkpoint.root, effects);
            return;
        };
        let Some(boundary_states) = self.boundary_states(checkpoint, effects) else {
            return;
        };
        let Some(blocks) = self.blocks_between(checkpoint.root) else {
            return;
        };
        let previous = std::mem::replace(&mut self.finalized, checkpoint);
        let mut leaving: BTreeSet<Root> = blocks.iter().copied().collect();
        leaving.insert(previous.root);
        let dropped = self.store.prune();
        let pruned: Vec<Root> = dropped
            .into_iter()
            .filter(|root| !leaving.contains(root))
            .collect();
        for &root in &pruned {
            self.blocks.remove(root);
            self.states.remove(root);
        }
        leaving.remove(&checkpoint.root);
        let leaving = leaving.into_iter().collect();
        self.commits.afterwards(Afterwards::Forget(leaving));
        self.forget_behind(checkpoint);
        self.store_finalized_state(checkpoint, &state);
        self.commits.open.finalize = Some(Finalize {
            checkpoint,
            blocks,
            boundary_states,
            pruned,
        });
        let slot = self.blocks.get(checkpoint.root).map(|it| it.row.slot);
        self.messages.on_finalized(slot.unwrap_or(0), &state);
        self.pending.changed = true;
        self.pending.tree_changed = true;
        if let Some(node) = self.store.node(checkpoint.root) {
            self.pending.events.push(Event::FinalizedCheckpoint {
                block: checkpoint.root,
                state: node.facts().state_root,
                epoch: checkpoint.epoch,
            });
        }
    }

    /// The states at era boundaries after the last finalized epoch up to the new one; none at all if
    /// one must be made first.
    fn boundary_states(
        &mut self,
        finalized: Checkpoint,
        effects: &mut Vec<Effect>,
    ) -> Option<Vec<BeaconState>> {
        let era = era_epochs(&self.spec);
        let first = self.finalized.epoch / era + 1;
        let mut states = Vec::new();
        for number in first..=finalized.epoch / era {
            let epoch = number * era;
            let root = self
                .store
                .get_checkpoint_block(finalized.root, epoch)
                .ok()?;
            let checkpoint = Checkpoint { epoch, root };
            match self.states.checkpoint(checkpoint) {
                Some(state) => states.push(state.clone()),
                None => {
                    self.request_checkpoint(Class::Import, checkpoint, effects);
                    return None;
                }
            }
        }
        Some(states)
    }

    /// The chain of the new finalized block after the last one.
    fn blocks_between(&self, finalized: Root) -> Option<Vec<Root>> {
        let mut blocks = Vec::new();
        let mut root = finalized;
        while root != self.finalized.root {
            blocks.push(root);
            root = self.store.node(root)?.facts().parent_root;
        }
        blocks.reverse();
        Some(blocks)
    }

    /// Drops the states that nothing can come back to.
    fn forget_behind(&mut self, finalized: Checkpoint) {
        let store = &self.store;
        self.states.retain_checkpoints(|checkpoint| {
            checkpoint.epoch >= finalized.epoch && store.contains_block(checkpoint.root)
        });
        self.jobs
            .stored_states
            .retain(|root| store.contains_block(*root));
    }

    fn store_finalized_state(&mut self, finalized: Checkpoint, state: &BeaconState) {
        let due = self
            .stored_state_epoch
            .saturating_add(self.config.state_interval_epochs);
        if finalized.epoch >= due {
            self.stored_state_epoch = finalized.epoch;
            self.store_state(finalized.root, state.clone());
        }
        self.far_state_epoch = self.far_state_epoch.max(finalized.epoch);
    }

    /// Stores the head's state now and then while nothing is finalized.
    pub(super) fn store_far_state(&mut self) {
        let head_epoch = compute_epoch_at_slot(self.head_state.slot(), &self.spec);
        if head_epoch >= self.far_state_epoch.saturating_add(FAR_STATE_EPOCHS) {
            self.far_state_epoch = head_epoch;
            self.store_state(self.head, self.head_state.clone());
        }
    }

    fn store_state(&mut self, block_root: Root, state: BeaconState) {
        let stored = StoredState { block_root, state };
        self.commits.open.states.push(stored);
        self.commits.afterwards(Afterwards::Stored(block_root));
    }
}
