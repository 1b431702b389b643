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

/// The checkpoint to finalize next.
#[derive(Clone, Copy, Debug)]
pub(super) struct FinalityStep {
    /// The fork choice's finalized checkpoint: where the steps lead.
    goal: Checkpoint,
    /// The checkpoint that was finalized before.
    from: Checkpoint,
    pub(super) checkpoint: Checkpoint,
    /// The era boundary that is crossed.
    crosses: Option<Checkpoint>,
}

impl Chain {
    /// Hands a new finalized checkpoint to the store once everything for that is at hand; until then
    /// it stays behind the fork choice's.
    pub(super) fn advance_finality(&mut self, effects: &mut Vec<Effect>) {
        let goal = self.store.finalized_checkpoint();
        // One step at a time: what it holds in memory goes before the next one comes.
        let is_under_way = self.commits.committed() < self.finalizing_seq;
        if goal.epoch <= self.finalized.epoch || is_under_way {
            return;
        }
        if self.store.finality_conflicts() {
            if !self.told_conflict {
                self.told_conflict = true;
                effects.push(Effect::Notice(Notice::ConflictingFinality));
            }
            return;
        }
        let Some(step) = self.finality_step(goal) else {
            return;
        };
        let checkpoint = step.checkpoint;
        let Some(state) = self.states.get(checkpoint.root).cloned() else {
            self.request_state(Class::Background, checkpoint.root, effects);
            return;
        };
        let mut boundary_states = Vec::new();
        if let Some(boundary) = step.crosses {
            let Some(state) = self.states.checkpoint(boundary) else {
                self.request_checkpoint(Class::Import, boundary, effects);
                return;
            };
            boundary_states.push(state.clone());
        }
        let Some(blocks) = self.blocks_between(checkpoint.root) else {
            return;
        };
        let pruned = self.prune(step, &blocks);
        let previous = std::mem::replace(&mut self.finalized, checkpoint);
        self.step = None;
        self.finalizing_seq = self.commits.next_seq();
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
            boundary_states,
            pruned,
        });
        self.pending.changed = true;
        if checkpoint == goal {
            self.tell_finality(goal, &state);
        }
    }

    /// What the messages and the subscribers learn of finality, when the store is as far as the fork
    /// choice.
    fn tell_finality(&mut self, goal: Checkpoint, state: &BeaconState) {
        let slot = self.blocks.get(goal.root).map(|it| it.row.slot);
        self.messages.on_finalized(slot.unwrap_or(0), state);
        if let Some(node) = self.store.node(goal.root) {
            self.pending.events.push(Event::FinalizedCheckpoint {
                block: goal.root,
                state: node.facts().state_root,
                epoch: goal.epoch,
            });
        }
    }

    /// The next checkpoint on the way to `goal`: across at most one era boundary, so that a step
    /// after long non-finality holds one era of blocks and one state of a boundary. Finding it is a
    /// walk over the tree, which is not repeated while the step waits.
    fn finality_step(&mut self, goal: Checkpoint) -> Option<FinalityStep> {
        let from = self.finalized;
        if let Some(step) = self.step
            && (step.goal, step.from) == (goal, from)
        {
            return Some(step);
        }
        let era = era_epochs(&self.spec);
        let epoch = (from.epoch / era + 1) * era;
        let mut step = FinalityStep {
            goal,
            from,
            checkpoint: goal,
            crosses: None,
        };
        if epoch <= goal.epoch {
            let root = self.store.get_checkpoint_block(goal.root, epoch).ok()?;
            let boundary = Checkpoint { epoch, root };
            step.crosses = Some(boundary);
            if goal.epoch / era > epoch / era {
                step.checkpoint = boundary;
            }
        }
        self.step = Some(step);
        Some(step)
    }

    /// Drops the blocks that a step leaves impossible, and gives them; at the goal also the fork
    /// choice's nodes of these and of what is behind. `blocks` are those that the step finalizes.
    fn prune(&mut self, step: FinalityStep, blocks: &[Root]) -> Vec<Root> {
        let mut canonical: BTreeSet<Root> = blocks.iter().copied().collect();
        canonical.insert(step.from.root);
        let mut pruned = match step.checkpoint == step.goal {
            true => self.store.prune(),
            false => self.conflicting(step.checkpoint),
        };
        // Earlier steps have taken their own.
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
