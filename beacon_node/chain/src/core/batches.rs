//! Batches of blocks from range sync or a file.

use super::Chain;
use super::arrivals::{Gate, RunOf, Waiting};
use super::jobs::Running;
use crate::import::ProposerCheck;
use crate::state_source::LONG_GAP;
use crate::{BatchError, BatchResult, Effect, Token};
use consensus::helpers::compute_start_slot_at_epoch;
use consensus::*;
use std::sync::Arc;

/// Whether a block of `slot` comes long after the last one of a run.
fn is_far(run: &[(Root, Arc<SignedBeaconBlock>)], slot: Slot) -> bool {
    let last = run.last().map_or(slot, |(_, block)| block.message.slot);
    slot.saturating_sub(last) > LONG_GAP
}

impl Chain {
    pub(super) fn on_batch(
        &mut self,
        token: Token,
        blocks: Vec<Arc<SignedBeaconBlock>>,
        effects: &mut Vec<Effect>,
    ) {
        if self.arrivals.held.is_empty() {
            self.continue_batch(token, 0, blocks, effects);
        } else {
            self.hold(Waiting::Batch(token, 0, blocks), effects);
        }
    }

    /// Goes on with a batch of which `done` blocks are in.
    pub(super) fn continue_batch(
        &mut self,
        token: Token,
        done: usize,
        blocks: Vec<Arc<SignedBeaconBlock>>,
        effects: &mut Vec<Effect>,
    ) {
        if self.commits.uncommitted() > self.config.max_uncommitted {
            self.hold(Waiting::Batch(token, done, blocks), effects);
            return;
        }
        let mut done = done;
        let mut rest = blocks.into_iter();
        let mut run: Vec<(Root, Arc<SignedBeaconBlock>)> = Vec::new();
        let error = loop {
            let Some(block) = rest.as_slice().first() else {
                break None;
            };
            let (message, root) = (&block.message, block.message.hash_tree_root());
            let links = run.last().map(|(last, _)| *last == message.parent_root);
            match (self.gate(message, root), links) {
                (Gate::Known, None) => done += 1,
                // Between two runs: judged again once the first is in.
                (Gate::Known, Some(_)) | (Gate::Open | Gate::UnknownParent, Some(false)) => {
                    break None;
                }
                // A long advance: begun like one between two batches.
                (Gate::UnknownParent | Gate::Open, Some(true)) if is_far(&run, message.slot) => {
                    break None;
                }
                (Gate::UnknownParent | Gate::Open, Some(true)) | (Gate::Open, None) => {
                    let clock = self.store.get_current_slot();
                    if message.slot > clock {
                        break Some(BatchError::Future);
                    }
                    run.push((root, Arc::clone(block)));
                }
                // The batch before this one may bring the parent.
                (Gate::UnknownParent, None)
                    if self.runs_a_batch()
                        || !self.arrivals.held.is_empty()
                        || self.arrivals.is_in_flight(message.parent_root) =>
                {
                    let waiting = Waiting::Batch(token, done, rest.collect());
                    return self.hold(waiting, effects);
                }
                (gate, _) => break Some(self.batch_error(gate, message)),
            }
            rest.next();
        };
        let Some((_, first)) = run.first() else {
            self.end_batch(token, done, error);
            return;
        };
        let message = &first.message;
        let source = self.state_before(message.parent_root, message.slot);
        let Some(source) =
            source.filter(|it| !it.is_costly(message.slot) || self.jobs.may_replay())
        else {
            let blocks = run.into_iter().map(|(_, block)| block).chain(rest);
            self.hold(Waiting::Batch(token, done, blocks.collect()), effects);
            return;
        };
        let rest = rest.collect();
        let from = RunOf::Batch { token, done, rest };
        self.start_run(source, ProposerCheck::Bulk, run, from, effects);
    }

    /// Answers for a batch, once what is imported of it has been published.
    pub(super) fn end_batch(&mut self, token: Token, imported: usize, error: Option<BatchError>) {
        let result = BatchResult { imported, error };
        self.pending.answers.push(Effect::BatchDone(token, result));
    }

    /// Whether blocks of a batch are being imported.
    pub(super) fn runs_a_batch(&self) -> bool {
        self.jobs.is_running(|running| match running {
            Running::Import(run) => matches!(run.from, RunOf::Batch { .. }),
            _ => false,
        })
    }

    fn batch_error(&self, gate: Gate, block: &BeaconBlock) -> BatchError {
        match gate {
            Gate::Finalized => {
                let epoch = self.store.finalized_checkpoint().epoch;
                let slot = compute_start_slot_at_epoch(epoch, &self.spec);
                BatchError::Finalized(slot.unwrap_or(Slot::MAX))
            }
            Gate::Future => BatchError::Future,
            Gate::PhaseEnded => BatchError::Limit(format!(
                "phase 0 of this network ended before epoch {}, and the block is of slot {}",
                self.spec.ALTAIR_FORK_EPOCH, block.slot
            )),
            Gate::Gap => {
                BatchError::Limit(format!("slot {} is too far after the parent's", block.slot))
            }
            Gate::Invalid => {
                BatchError::Invalid("the block or one before it was found invalid".to_owned())
            }
            Gate::UnknownParent | Gate::Open | Gate::Known => {
                BatchError::UnknownParent(block.parent_root)
            }
        }
    }
}
