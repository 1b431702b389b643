//! What comes back: outcomes of jobs, and commits.

use super::Chain;
use super::arrivals::{Incoming, Run, RunOf};
use super::commits::Afterwards;
use super::jobs::Running;
use crate::gossip::{Verdict, Wait};
use crate::import::Imported;
use crate::job::Found;
use crate::state_source::{Advanced, Failure};
use crate::{ApiError, ApiReply, BatchError, Effect, GossipMessage, Notice, Outcome};
use consensus::*;

use super::arrivals::{BUSY, Origin};

impl Chain {
    pub(super) fn on_done(&mut self, outcome: Outcome, effects: &mut Vec<Effect>) {
        match (self.jobs.end(outcome.id, &outcome.found), *outcome.found) {
            (Some(Running::Proposer(incoming)), Found::Proposer(result)) => {
                self.on_proposer(incoming, result.map(|advanced| *advanced), effects);
            }
            (Some(Running::BlockClaim(incoming, claim)), Found::Verify(results)) => {
                self.arrivals.end_check(&incoming);
                let result = results.into_iter().next().unwrap_or(Err(0));
                match claim.accept(result, self.messages.seen_mut()) {
                    Ok(_) => self.accept_seen(incoming, None, effects),
                    Err(verdict) => {
                        self.answer(&incoming, verdict, effects);
                        self.release_children(incoming.root, effects);
                    }
                }
            }
            (Some(Running::Import(run)), Found::Blocks { imported, stopped }) => {
                self.on_imported(run, imported, stopped, effects);
            }
            (Some(Running::Advance(checkpoint)), Found::Advance(result)) => {
                let is_known = self.store.contains_block(checkpoint.root);
                if is_known && let Err(failure) = &result {
                    self.tell_unavailable(checkpoint.root, failure, effects);
                }
                let state = result.ok().filter(|_| is_known);
                let is_there = state.is_some();
                if let Some(state) = state {
                    self.states.insert_checkpoint(checkpoint, *state);
                    self.pending.changed = true;
                }
                self.message_state(checkpoint, is_there, effects);
            }
            (Some(Running::Regenerate(root)), Found::Regenerate(Ok(state)))
                if self.store.contains_block(root) =>
            {
                self.states.insert(root, *state);
                self.pending.changed = true;
            }
            (Some(Running::Regenerate(root)), Found::Regenerate(Err(failure)))
                if self.store.contains_block(root) =>
            {
                self.tell_unavailable(root, &failure, effects);
            }
            (Some(Running::Messages), Found::Messages(outcome)) => {
                self.message_outcome(outcome, effects);
            }
            (Some(Running::Produce(token)), Found::Produce(result)) => {
                let reply = match result {
                    Ok(block) => Ok(ApiReply::Block(block)),
                    Err(why) => Err(ApiError::Unavailable(why)),
                };
                effects.push(Effect::Reply(token, reply));
            }
            _ => {}
        }
        self.release_held(effects);
    }

    fn tell_unavailable(&mut self, root: Root, failure: &Failure, effects: &mut Vec<Effect>) {
        if self.jobs.is_news(root) {
            let why = failure.to_string();
            effects.push(Effect::Notice(Notice::StateUnavailable { root, why }));
        }
    }

    fn on_proposer(
        &mut self,
        incoming: Incoming,
        result: Result<Advanced, Failure>,
        effects: &mut Vec<Effect>,
    ) {
        self.arrivals.end_check(&incoming);
        match result {
            Ok(advanced) => {
                self.keep_checkpoints(advanced.checkpoints);
                self.accept(incoming, Some(advanced.state), effects);
            }
            Err(failure) => {
                let condemns = failure.condemns_the_root();
                let verdict = match &failure {
                    Failure::Invalid(error) | Failure::Unsigned(error) => {
                        Verdict::Reject(error.name())
                    }
                    Failure::Unavailable(_) => Verdict::Ignore(BUSY),
                };
                if condemns {
                    self.condemn(&incoming, &failure, effects);
                }
                self.answer(&incoming, verdict, effects);
                self.release_children(incoming.root, effects);
            }
        }
    }

    /// What waits for a block is judged again: it has come, or it will not.
    pub(super) fn release_children(&mut self, root: Root, effects: &mut Vec<Effect>) {
        let children = self.arrivals.delays.release(Wait::Block(root));
        self.release(children, effects);
    }

    fn on_imported(
        &mut self,
        run: Run,
        imported: Vec<Imported>,
        stopped: Option<Failure>,
        effects: &mut Vec<Effect>,
    ) {
        for &(root, signature) in &run.blocks {
            self.arrivals.land(root, signature);
        }
        let bad = run.blocks.get(imported.len()).map(|(root, _)| *root);
        match run.from {
            RunOf::Block(incoming) => match (imported.into_iter().next(), stopped) {
                (Some(imported), _) => self.finish_block(imported, incoming, effects),
                (None, Some(failure)) => self.fail_block(&incoming, &failure, effects),
                (None, None) => {}
            },
            RunOf::Batch { token, done, rest } => {
                let mut done = done;
                let mut error = None;
                self.commits.open.durable |= !imported.is_empty();
                for imported in imported {
                    match self.adopt(imported, effects) {
                        Ok(()) => done += 1,
                        Err(why) => {
                            error = Some(why);
                            break;
                        }
                    }
                }
                if let (Some(failure), Some(bad), None) = (&stopped, bad, &error) {
                    error = Some(self.batch_failure(bad, failure, effects));
                }
                match error {
                    None if !rest.is_empty() => {
                        // What is in is published before the rest is judged by it.
                        self.settle(effects);
                        self.continue_batch(token, done, rest, effects);
                    }
                    error => self.end_batch(token, done, error),
                }
            }
        }
        for (root, _) in run.blocks {
            self.release_children(root, effects);
        }
    }

    fn batch_failure(
        &mut self,
        root: Root,
        failure: &Failure,
        effects: &mut Vec<Effect>,
    ) -> BatchError {
        match failure {
            Failure::Invalid(error) | Failure::Unsigned(error) => {
                if failure.condemns_the_root() {
                    self.invalid.insert(root);
                    self.message_invalid(root, effects);
                }
                BatchError::Invalid(error.to_string())
            }
            Failure::Unavailable(why) => BatchError::Limit(why.clone()),
        }
    }

    /// A single block that is good: taken in now, or when its slot begins.
    pub(super) fn finish_block(
        &mut self,
        imported: Imported,
        incoming: Incoming,
        effects: &mut Vec<Effect>,
    ) {
        if imported.facts.slot > self.store.get_current_slot() {
            let signature = incoming.block.signature;
            self.arrivals.take_off(imported.root, signature, true);
            self.arrivals.early.push((imported, incoming));
            return;
        }
        let root = imported.root;
        match self.adopt(imported, effects) {
            Ok(()) => self.publish_when_durable(&incoming),
            Err(why) => {
                if let Origin::Api(token) = incoming.origin {
                    let reply = Ok(ApiReply::NotImported(why.to_string()));
                    let block = GossipMessage::Block(incoming.block);
                    effects.push(Effect::Broadcast(block));
                    effects.push(Effect::Reply(token, reply));
                }
            }
        }
        self.release_children(root, effects);
    }

    fn fail_block(&mut self, incoming: &Incoming, failure: &Failure, effects: &mut Vec<Effect>) {
        if failure.condemns_the_root() {
            self.condemn(incoming, failure, effects);
        }
        if let Origin::Api(token) = incoming.origin {
            let error = match failure {
                Failure::Invalid(error) | Failure::Unsigned(error) => {
                    ApiError::Invalid(error.to_string())
                }
                Failure::Unavailable(why) => ApiError::Unavailable(why.clone()),
            };
            effects.push(Effect::Reply(token, Err(error)));
        }
    }

    /// Remembers an invalid block and says so.
    fn condemn(&mut self, incoming: &Incoming, failure: &Failure, effects: &mut Vec<Effect>) {
        self.invalid.insert(incoming.root);
        effects.push(Effect::Notice(Notice::InvalidBlock {
            root: incoming.root,
            slot: incoming.block.message.slot,
            why: failure.to_string(),
        }));
        self.message_invalid(incoming.root, effects);
        self.release_children(incoming.root, effects);
    }

    pub(super) fn on_committed(&mut self, seq: u64, effects: &mut Vec<Effect>) {
        for afterwards in self.commits.on_committed(seq) {
            match afterwards {
                Afterwards::Publish(token, block) => {
                    effects.push(Effect::Broadcast(GossipMessage::Block(block)));
                    effects.push(Effect::Reply(token, Ok(ApiReply::Accepted)));
                }
                Afterwards::Forget(roots) => {
                    for root in roots {
                        self.blocks.remove(root);
                        self.states.remove(root);
                    }
                    self.pending.changed = true;
                }
                Afterwards::Stored(root) => {
                    self.jobs.stored_states.insert(root);
                }
                Afterwards::Stop => self.pending.answers.push(Effect::Stopped),
            }
        }
        self.release_held(effects);
    }
}
