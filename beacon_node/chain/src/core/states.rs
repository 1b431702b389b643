//! Where states come from: memory, or a replay from the nearest one.

use super::Chain;
use super::jobs::Running;
use crate::job::Work;
use crate::state_source::{Start, StateSource};
use crate::{Class, Effect};
use consensus::helpers::{compute_epoch_at_slot, compute_start_slot_at_epoch};
use consensus::*;
use std::collections::BTreeSet;

/// Most checkpoints of other branches that one run's votes are judged by.
const MAX_FOREIGN_TARGETS: usize = 8;

impl Chain {
    /// The post-state of a block of the tree.
    pub(super) fn source_of(&self, root: Root) -> Option<StateSource> {
        let mut path = Vec::new();
        let mut at = root;
        let start = loop {
            if let Some(state) = self.states.get(at) {
                break Start::Memory(Box::new(state.clone()));
            }
            if self.jobs.stored_states.contains(&at) {
                break Start::Stored(at);
            }
            let node = self.store.node(at)?;
            let block = self.blocks.get(at).and_then(|entry| entry.block.clone());
            path.push((at, block));
            at = node.facts().parent_root;
        };
        path.reverse();
        Some(StateSource { start, path })
    }

    /// A state of the chain of `parent` from which a block of `slot` on top of it can be made: the
    /// parent's, or that one advanced over empty slots.
    pub(super) fn state_before(&self, parent: Root, slot: Slot) -> Option<StateSource> {
        let epoch = compute_epoch_at_slot(slot, &self.spec);
        let advanced = self.states.latest_checkpoint(parent, epoch);
        match advanced {
            Some((_, state)) if state.slot() <= slot => Some(StateSource::of(state)),
            _ => self.source_of(parent),
        }
    }

    /// The states at the checkpoints of other branches that the blocks' attestations name. The
    /// blocks are linked; `roots` are theirs.
    pub(super) fn foreign_targets<'a>(
        &self,
        blocks: impl Iterator<Item = &'a BeaconBlock>,
        roots: &[Root],
    ) -> Vec<(Checkpoint, StateSource)> {
        let mut parent = None;
        let mut seen = BTreeSet::new();
        let mut targets = Vec::new();
        for block in blocks {
            let parent = *parent.get_or_insert(block.parent_root);
            let epoch = compute_epoch_at_slot(block.slot, &self.spec);
            for attestation in &block.body.attestations {
                let target = attestation.data.target;
                // The transition refuses a vote of any other epoch.
                let is_recent = (epoch.saturating_sub(1)..=epoch).contains(&target.epoch);
                if !is_recent || !seen.insert(target) || targets.len() >= MAX_FOREIGN_TARGETS {
                    continue;
                }
                let own = self.store.get_checkpoint_block(parent, target.epoch);
                let is_own = own.is_ok_and(|own| own == target.root);
                if is_own || roots.contains(&target.root) {
                    continue;
                }
                if let Some(source) = self.checkpoint_source(target) {
                    targets.push((target, source));
                }
            }
        }
        targets
    }

    /// The state at a checkpoint, or one before it.
    fn checkpoint_source(&self, checkpoint: Checkpoint) -> Option<StateSource> {
        self.store.node(checkpoint.root)?;
        let Checkpoint { epoch, root } = checkpoint;
        match self.states.latest_checkpoint(root, epoch) {
            Some((_, state)) => Some(StateSource::of(state)),
            None => self.source_of(root),
        }
    }

    /// Has the state at a checkpoint made, unless that is under way. Whether it will come.
    pub(super) fn request_checkpoint(
        &mut self,
        class: Class,
        checkpoint: Checkpoint,
        effects: &mut Vec<Effect>,
    ) -> bool {
        let is_same =
            |running: &Running| matches!(running, Running::Advance(at) if *at == checkpoint);
        if self.jobs.is_running(is_same) {
            return true;
        }
        if self.jobs.failed.contains(&checkpoint.root) {
            return false;
        }
        let Some(source) = self.checkpoint_source(checkpoint) else {
            return false;
        };
        if source.is_costly_to(checkpoint.epoch) && !self.jobs.may_replay_in(class) {
            return false;
        }
        let work = Work::Advance { source, checkpoint };
        self.run(class, work, Running::Advance(checkpoint), effects);
        true
    }

    /// Has the post-state of a block made, unless that is under way. In the background only finality
    /// asks, for one at a time: it does not wait until others have ended.
    pub(super) fn request_state(&mut self, class: Class, root: Root, effects: &mut Vec<Effect>) {
        let is_same = |running: &Running| matches!(running, Running::Regenerate(at) if *at == root);
        let has_failed = self.jobs.failed.contains(&root);
        let may_run = class == Class::Background || self.jobs.may_replay_in(class);
        if has_failed || self.jobs.is_running(is_same) || !may_run {
            return;
        }
        if let Some(source) = self.source_of(root) {
            let running = Running::Regenerate(root);
            self.run(class, Work::Regenerate(source), running, effects);
        }
    }

    /// Drops states and blocks that are beyond their budgets.
    pub(super) fn fit(&mut self) {
        let era = crate::state_source::era_epochs(&self.spec);
        let current = compute_epoch_at_slot(self.store.get_current_slot(), &self.spec);
        let justified = self.store.justified_checkpoint();
        let unrealized = self.store.unrealized_justified_checkpoint();
        let head = self.head;
        let finalized = self.finalized;
        // Later boundaries are made again when it is their turn.
        let boundary = (finalized.epoch / era + 1) * era;
        // A head far behind the clock is advanced in steps.
        let step = self.states.latest_checkpoint(head, current);
        let duties = step.map_or(current, |(epoch, _)| epoch);
        let mut pinned = BTreeSet::from([
            head,
            justified.root,
            unrealized.root,
            finalized.root,
            self.store.finalized_checkpoint().root,
        ]);
        pinned.extend(self.step.as_ref().map(|step| step.checkpoint.root));
        self.states.fit(&pinned, |checkpoint| {
            let is_duty = checkpoint.root == head && checkpoint.epoch >= duties;
            is_duty
                || checkpoint.epoch == boundary
                || *checkpoint == justified
                || *checkpoint == unrealized
        });
        self.blocks.fit(self.commits.committed());
    }

    /// The first slot of an epoch; epochs that never begin have none.
    pub(super) fn start_of(&self, epoch: Epoch) -> Option<Slot> {
        compute_start_slot_at_epoch(epoch, &self.spec).ok()
    }
}
