//! The way of a message: judged, delayed, verified with others, and taken.

use super::claims::{Judged, Origin, Passed};
use super::job::Work;
use super::*;
use crate::gossip::Wait;
use crate::{Effect, Event};

impl Messages {
    pub(super) fn receive(&mut self, view: &View<'_>, incoming: Incoming, out: &mut Out) {
        let Incoming { origin, message } = incoming;
        match message.judge(view, &self.seen) {
            Judged::Done(verdict) => self.answer(origin, verdict, out),
            Judged::Wait(wait) => self.delay(view, wait, Incoming { origin, message }, out),
            Judged::Verify(claim) => {
                self.unverified.push_back(Pending {
                    origin,
                    arrival: view.now,
                    claim,
                });
                if self.unverified.len() > MAX_UNVERIFIED
                    && let Some(oldest) = self.unverified.pop_front()
                {
                    self.drop_message(oldest.origin, MADE_WAY, out);
                }
            }
        }
    }

    pub(super) fn answer(&mut self, origin: Origin, verdict: Verdict, out: &mut Out) {
        match origin {
            Origin::Gossip(token) => out.effects.push(Effect::Verdict(token, verdict)),
            Origin::Api(call, item) => {
                self.calls.finish(call, item, verdict, &mut out.effects);
            }
        }
    }

    pub(super) fn drop_message(&mut self, origin: Origin, reason: Reason, out: &mut Out) {
        self.dropped += 1;
        self.answer(origin, Verdict::Ignore(reason), out);
    }

    pub(super) fn delay(&mut self, view: &View<'_>, wait: Wait, incoming: Incoming, out: &mut Out) {
        let now = view.fork_choice.get_current_slot();
        let mut until = now.saturating_add(PATIENCE);
        if self.asked.slot != now {
            self.asked = Asked {
                slot: now,
                ..Asked::default()
            };
        }
        match wait {
            Wait::Slot(slot) if slot > now.saturating_add(1) => {
                return self.drop_message(incoming.origin, TOO_EARLY, out);
            }
            Wait::Slot(slot) => until = slot,
            Wait::Block(root) => {
                if !self.delays.is_awaited(wait) && self.asked.blocks < BLOCKS_PER_SLOT {
                    self.asked.blocks += 1;
                    out.blocks_wanted.push(root);
                }
            }
            Wait::State(checkpoint) => {
                if !self.states_asked.contains_key(&checkpoint) {
                    if self.asked.states == STATES_PER_SLOT {
                        return self.drop_message(incoming.origin, NO_STATE, out);
                    }
                    self.asked.states += 1;
                    self.states_wanted += 1;
                    self.states_asked.insert(checkpoint, until);
                    out.states_wanted.push(checkpoint);
                }
            }
        }
        for dropped in self.delays.push(wait, until, incoming) {
            self.drop_message(dropped.origin, MADE_WAY, out);
        }
    }

    /// Hands out full batches, and those whose oldest message has waited long enough; with `all`
    /// whatever there is.
    pub(super) fn verify_due(&mut self, view: &View<'_>, all: bool, out: &mut Out) {
        while let Some(oldest) = self.unverified.front() {
            let due = oldest.arrival.saturating_add(BATCH_DELAY);
            if !all && self.unverified.len() < BATCH_SIZE && view.now < due {
                if self.wake_asked != due {
                    self.wake_asked = due;
                    out.effects.push(Effect::WakeAt(due));
                }
                return;
            }
            if self.batches_running() == MAX_BATCHES {
                return;
            }
            let count = self.unverified.len().min(BATCH_SIZE);
            let batch: Vec<_> = self.unverified.drain(..count).collect();
            let sets = batch.iter().map(|pending| pending.claim.sets().to_vec());
            let work = Work::Verify(sets.collect());
            self.run(Running::Verifying(batch), work, out);
        }
    }

    pub(super) fn batches_running(&self) -> usize {
        let running = self.running.values();
        running
            .filter(|running| matches!(running, Running::Verifying(_)))
            .count()
    }

    pub(super) fn settle(
        &mut self,
        view: &View<'_>,
        pending: Pending,
        result: Result<(), usize>,
        out: &mut Out,
    ) {
        match pending.claim.accept(result, &mut self.seen) {
            Ok(passed) => {
                if let Origin::Api(..) = pending.origin {
                    let message = passed.to_gossip();
                    out.effects.push(Effect::Broadcast(message));
                }
                self.answer(pending.origin, Verdict::Accept, out);
                self.take(view, passed, out);
            }
            Err(verdict) => self.answer(pending.origin, verdict, out),
        }
    }

    /// What passed becomes an event, a vote, and something to put into a block.
    pub(super) fn take(&mut self, view: &View<'_>, passed: Passed, out: &mut Out) {
        let event = match passed {
            Passed::Attestation(vote) => {
                self.attestations.add_attestation(&vote);
                let vote = vote.into_inner();
                self.vote(view, vote.attestation.data, vec![vote.validator], out);
                Event::Attestation(vote.attestation)
            }
            Passed::Aggregate(vote) => {
                self.attestations.add_aggregate(&vote);
                let vote = vote.into_inner();
                let attestation = &vote.signed_aggregate.message.aggregate;
                self.vote(view, attestation.data, vote.attesters, out);
                Event::Attestation(Arc::new(attestation.clone()))
            }
            Passed::ProposerSlashing(slashing) => {
                self.operations.add_proposer_slashing(&slashing);
                Event::ProposerSlashing(slashing.into_inner())
            }
            Passed::AttesterSlashing(slashing) => {
                self.operations.add_attester_slashing(&slashing);
                out.slashings.push(Arc::clone(&slashing));
                Event::AttesterSlashing(slashing.into_inner())
            }
            Passed::VoluntaryExit(exit) => {
                self.operations.add_voluntary_exit(&exit);
                Event::VoluntaryExit(exit.into_inner())
            }
        };
        out.effects.push(Effect::Event(event));
    }

    /// A vote counts when its slot is over.
    pub(super) fn vote(
        &mut self,
        view: &View<'_>,
        data: AttestationData,
        indices: Vec<ValidatorIndex>,
        out: &mut Out,
    ) {
        let vote = Vote { data, indices };
        match data.slot < view.fork_choice.get_current_slot() {
            true => out.votes.push(vote),
            false => self.early_votes.entry(data.slot).or_default().push(vote),
        }
    }
}
