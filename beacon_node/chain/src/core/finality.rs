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
        let goal = self.store.finalized_checkpoint();
        if goal.epoch <= self.finalized.epoch {
            return;
        }
        if self.store.finality_conflicts() {
            if !self.told_conflict {
                self.told_conflict = true;
                effects.push(Effect::Notice(Notice::ConflictingFinality));
            }
            return;
        }
        // One step at a time, each with its own batch.
        if self.commits.open.finalize.is_some() {
            return;
        }
        let Some((checkpoint, crosses)) = self.finality_step(goal) else {
            return;
        };
        let Some(state) = self.states.get(checkpoint.root).cloned() else {
            self.request_state(checkpoint.root, effects);
            return;
        };
        let boundary = match crosses {
            None => None,
            Some(boundary) => match self.states.checkpoint(boundary).cloned() {
                None => {
                    self.request_checkpoint(Class::Import, boundary, effects);
                    return;
                }
                state => state,
            },
        };
        let Some(blocks) = self.blocks_between(checkpoint.root) else {
            return;
        };
        let pruned = self.prune(checkpoint, goal);
        let previous = std::mem::replace(&mut self.finalized, checkpoint);
        let mut leaving: BTreeSet<Root> = blocks.iter().copied().collect();
        leaving.insert(previous.root);
        leaving.remove(&checkpoint.root);
        self.commits
            .afterwards(Afterwards::Forget(leaving.into_iter().collect()));
        self.forget_behind(checkpoint);
        self.store_finalized_state(checkpoint, &state);
        self.commits.open.finalize = Some(Finalize {
            checkpoint,
            blocks,
            boundary_states: boundary.into_iter().collect(),
            pruned,
        });
        let slot = self.blocks.get(checkpoint.root).map(|it| it.row.slot);
        self.messages.on_finalized(slot.unwrap_or(0), &state);
        self.pending.changed = true;
        if checkpoint == goal
            && let Some(node) = self.store.node(goal.root)
        {
            self.pending.events.push(Event::FinalizedCheckpoint {
                block: goal.root,
                state: node.facts().state_root,
                epoch: goal.epoch,
            });
        }
    }

    /// The checkpoint to finalize next on the way to `goal`, and the era boundary that this crosses:
    /// at most one at a time, so that a step after long non-finality holds one era of blocks and
    /// one state of a boundary.
    fn finality_step(&self, goal: Checkpoint) -> Option<(Checkpoint, Option<Checkpoint>)> {
        let era = era_epochs(&self.spec);
        let epoch = (self.finalized.epoch / era + 1) * era;
        if epoch > goal.epoch {
            return Some((goal, None));
        }
        let root = self.store.get_checkpoint_block(goal.root, epoch).ok()?;
        let boundary = Checkpoint { epoch, root };
        match goal.epoch / era == epoch / era {
            true => Some((goal, Some(boundary))),
            false => Some((boundary, Some(boundary))),
        }
    }

    /// Drops the blocks that `checkpoint` leaves impossible, and gives them; at the end of the way to
    /// `goal` also the fork choice's nodes of these and of what is behind.
    fn prune(&mut self, checkpoint: Checkpoint, goal: Checkpoint) -> Vec<Root> {
        let mut canonical = BTreeSet::new();
        let mut next = self.store.node(goal.root);
        while let Some(node) = next {
            canonical.insert(node.facts().root);
            next = self.store.node(node.facts().parent_root);
        }
        let mut pruned = match checkpoint == goal {
            true => self.store.prune(),
            false => self.conflicting(checkpoint),
        };
        // An earlier step has taken its own.
        pruned.retain(|root| !canonical.contains(root) && self.blocks.contains(*root));
        for &root in &pruned {
            self.blocks.remove(root);
            self.states.remove(root);
        }
        pruned
    }

    /// The blocks of the tree that do not descend from a checkpoint, its own ancestors among them.
    fn conflicting(&self, checkpoint: Checkpoint) -> Vec<Root> {
        let start = self.start_of(checkpoint.epoch).unwrap_or(Slot::MAX);
        let mut descends = BTreeSet::from([checkpoint.root]);
        let mut others = Vec::new();
        for node in self.store.nodes() {
            let facts = node.facts();
            if facts.slot > start && descends.contains(&facts.parent_root) {
                descends.insert(facts.root);
            } else if facts.root != checkpoint.root {
                others.push(facts.root);
            }
        }
        others
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
