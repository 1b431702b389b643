//! Time.

use super::Chain;
use super::commits::Afterwards;
use crate::gossip::compute_time_at_slot_ms;
use crate::{Class, Effect, Milliseconds, Notice};
use consensus::helpers::compute_epoch_at_slot;
use consensus::*;
use rows::VoteDump;

/// Epochs that the head's state is advanced at once for duties.
const MAX_DUTY_GAP: u64 = 64;

impl Chain {
    pub(super) fn advance_clock(&mut self, now: Milliseconds, effects: &mut Vec<Effect>) {
        if now < self.now {
            return;
        }
        self.now = now;
        let before = self.store.get_current_slot();
        let seconds = now / 1_000;
        if seconds > self.store.time() && self.store.on_tick(seconds).is_err() {
            return;
        }
        let slot = self.store.get_current_slot();
        if slot > before {
            self.on_slot(before, slot, effects);
        }
        self.release_early(effects);
        self.message_tick(effects);
        self.release_held(effects);
    }

    /// A slot begins.
    fn on_slot(&mut self, before: Slot, slot: Slot, effects: &mut Vec<Effect>) {
        self.pending.changed = true;
        // Once per slot all that was handed to the store is made to last.
        if self.commits.is_undurable() {
            self.commits.open.durable = true;
        }
        let (epoch, spec) = (compute_epoch_at_slot(slot, &self.spec), &self.spec);
        if epoch > compute_epoch_at_slot(before, spec) {
            self.dump_votes();
            self.tell_phase_end(effects);
        }
        let is_last = slot % self.spec.SLOTS_PER_EPOCH + 1 == self.spec.SLOTS_PER_EPOCH;
        if is_last && let Some(at) = self.three_quarters_of(slot) {
            effects.push(Effect::WakeAt(at));
        }
        let expired = self.arrivals.delays.expire(slot);
        self.refuse(expired, effects);
        self.request_awaited(effects);
        self.jobs.failed.clear();
    }

    fn three_quarters_of(&self, slot: Slot) -> Option<Milliseconds> {
        let start = compute_time_at_slot_ms(&self.store, slot)?;
        start.checked_add(self.spec.SLOT_DURATION_MS / 4 * 3)
    }

    /// Blocks whose slot has begun now.
    fn release_early(&mut self, effects: &mut Vec<Effect>) {
        let slot = self.store.get_current_slot();
        let early = std::mem::take(&mut self.arrivals.early);
        let (due, early) = early
            .into_iter()
            .partition(|(imported, _)| imported.facts.slot <= slot);
        self.arrivals.early = early;
        for (imported, incoming) in due {
            self.arrivals.land(imported.root, incoming.block.signature);
            self.finish_block(imported, incoming, effects);
        }
        let released = self.arrivals.delays.release_slots(slot);
        self.release(released, effects);
    }

    /// Puts a dump of the votes into the open batch.
    fn dump_votes(&mut self) {
        let head = self.blocks.get(self.head).map_or(0, |entry| entry.row.slot);
        self.commits.open.votes = Some(VoteDump {
            // Blocks may come long after their slots: those after the head's have not.
            slot: head.min(self.store.get_current_slot()),
            latest: self.store.latest_messages(),
            equivocating: self.store.equivocating_indices().collect(),
        });
    }

    pub(super) fn on_shutdown(&mut self, _effects: &mut [Effect]) {
        self.dump_votes();
        self.commits.open.durable = true;
        self.commits.afterwards(Afterwards::Stop);
    }

    /// Says once that the network has left phase 0.
    pub(super) fn tell_phase_end(&mut self, effects: &mut Vec<Effect>) {
        let end = self.spec.ALTAIR_FORK_EPOCH;
        let epoch = compute_epoch_at_slot(self.store.get_current_slot(), &self.spec);
        if epoch >= end && !self.told_phase_end {
            self.told_phase_end = true;
            effects.push(Effect::Notice(Notice::PhaseEnds(end)));
        }
    }

    /// Has the head's state advanced into the current epoch, and from three quarters of an epoch's
    /// last slot on into the next one.
    pub(super) fn request_duties_state(&mut self, effects: &mut Vec<Effect>) {
        let slot = self.store.get_current_slot();
        let mut epoch = compute_epoch_at_slot(slot, &self.spec);
        let is_last = slot % self.spec.SLOTS_PER_EPOCH + 1 == self.spec.SLOTS_PER_EPOCH;
        let late = self.three_quarters_of(slot);
        if is_last && late.is_some_and(|late| self.now >= late) {
            epoch = epoch.saturating_add(1);
        }
        let root = self.head;
        let head_epoch = compute_epoch_at_slot(self.head_state.slot(), &self.spec);
        let latest = self.states.latest_checkpoint(root, epoch);
        let from = latest.map_or(head_epoch, |(epoch, _)| epoch.max(head_epoch));
        if epoch <= from || epoch >= self.spec.ALTAIR_FORK_EPOCH || self.runs_a_batch() {
            return;
        }
        let class = match epoch - from <= MAX_DUTY_GAP {
            true => Class::Import,
            // Range sync would replace a head so far behind: only one that stays is worth it.
            false if slot > self.head_since.saturating_add(1) => Class::Background,
            false => return,
        };
        let epoch = epoch.min(from.saturating_add(MAX_DUTY_GAP));
        self.request_checkpoint(class, Checkpoint { epoch, root }, effects);
    }
}
