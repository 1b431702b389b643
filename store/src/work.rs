//! What the writer does in its own time, a bounded piece at each step: finalized blocks are moved
//! into segments, complete eras sealed, old rows, files and eras removed.
//!
//! The order in which a crash at any point can be undone or finished: the finalizing batch is
//! durable with the list of its blocks; blocks are appended and synced; the head takes them,
//! durably; only then do their rows go.

use crate::hot::file_of;
use crate::index::{IndexChanges, Place};
use crate::paths::{self, FINALIZED, damaged};
use crate::writer::{Writer, note_generation};
use crate::{Retention, StoreError, state_files};
use consensus::views::SignedBlockView;
use consensus::{Root, Slot};
use std::collections::BTreeMap;

/// Most blocks moved in one step.
const MOVED: usize = 64;
/// Most bytes of their SSZ, but for the last one.
const MOVED_BYTES: usize = 8 << 20;
/// Most rows removed in one step.
const REMOVED: usize = 256;

impl Writer {
    pub(crate) fn work(&mut self) -> Result<bool, StoreError> {
        Ok(self.seal()?
            || self.move_blocks()?
            || self.drop_file()?
            || self.drop_rows()?
            || self.retire()?)
    }

    /// Seals the growing era if all its blocks are there and final.
    fn seal(&mut self) -> Result<bool, StoreError> {
        let end = self.finalized.era_slots().end;
        let spec = self.shared.spec.clone();
        let finalized = self.head.split.checkpoint.epoch;
        let next = self.moves.front().and_then(|it| it.blocks.front());
        let is_due = finalized.saturating_mul(spec.SLOTS_PER_EPOCH) >= end
            && next.is_none_or(|block| block.slot >= end);
        if !is_due {
            return Ok(false);
        }
        let entry = self.head.states.iter_mut();
        let mut boundary = entry.filter(|entry| entry.is_boundary && entry.slot == end);
        let Some(entry) = boundary.next() else {
            let what = format!("the state of slot {end}, which ends its last era, was not stored");
            return Err(damaged(FINALIZED, what));
        };
        let stored = state_files::read(&*self.shared.disk, entry, &spec)?;
        self.finalized.seal(&stored.state)?;
        // If this is lost, the next start sees that the era is sealed.
        entry.is_boundary = false;
        self.retain_states()?;
        self.may_retire = true;
        self.write_head(IndexChanges::default(), false)?;
        Ok(true)
    }

    /// Moves some blocks of the growing era into its segment.
    fn move_blocks(&mut self) -> Result<bool, StoreError> {
        let end = self.finalized.era_slots().end;
        let Some(first) = self.moves.front() else {
            return Ok(false);
        };
        let seq = first.seq;
        let mut moved = Vec::new();
        let mut bytes = 0;
        let mut parent = self.finalized.last().root;
        for place in first.blocks.iter().take(MOVED) {
            if place.slot >= end || bytes >= MOVED_BYTES {
                break;
            }
            let missing = StoreError::Missing {
                slot: place.slot,
                root: place.root,
            };
            let block = self.shared.hot_block(place.root)?.ok_or(missing)?;
            let view = SignedBlockView::new(&block.ssz);
            if view.map(|view| view.parent_root()).ok() != Some(parent) {
                let what = format!("block {} does not follow block {parent}", place.root);
                return Err(damaged(FINALIZED, what));
            }
            self.finalized.append(place.slot, place.root, &block.ssz)?;
            bytes += block.ssz.len();
            parent = place.root;
            moved.push(*place);
        }
        if moved.is_empty() {
            return Ok(false);
        }
        self.finalized.sync()?;
        self.take_moved(seq, &moved)?;
        Ok(true)
    }

    /// Takes note of blocks that are synced in finalized history.
    fn take_moved(&mut self, seq: u64, moved: &[Place]) -> Result<(), StoreError> {
        let Some(last) = moved.last() else {
            return Ok(());
        };
        let mut changes = IndexChanges::default();
        let oldest = self.head.anchor.oldest_block_slot;
        let index = &self.shared.index;
        index.add_roots(&mut self.head.roots, moved, oldest, &mut changes)?;
        self.head.moved = *last;
        if let Some(first) = self.moves.front_mut() {
            first.blocks.drain(..moved.len());
            if first.blocks.is_empty() {
                self.moves.pop_front();
                self.head.pending.retain(|it| *it != seq);
                changes.remove_pending(seq);
            }
        }
        self.write_head(changes, true)?;
        // From here on readers find them in finalized history.
        let mut published = self.shared.published.write();
        let mut hot = self.shared.hot.write();
        for place in moved {
            published.pending.remove(&place.slot);
            hot.slots.remove(&place.root);
            self.garbage.push_back(*place);
        }
        Ok(())
    }

    /// Removes a file of hot blocks that has none any more.
    fn drop_file(&mut self) -> Result<bool, StoreError> {
        let spec = &self.shared.spec;
        let newest = file_of(self.head.split.slot, spec);
        let Some(number) = self.head.hot_files.first().map(|file| file.number) else {
            return Ok(false);
        };
        let hot = self.shared.hot.read();
        let in_file = |slot: &Slot| file_of(*slot, spec) == number;
        if number >= newest || hot.slots.values().any(in_file) {
            return Ok(false);
        }
        drop(hot);
        self.garbage.retain(|old| file_of(old.slot, spec) != number);
        self.head.hot_files.retain(|file| file.number != number);
        self.write_head(IndexChanges::default(), true)?;
        // Closed when nobody waits for the lock.
        let file = self.shared.hot.write().files.remove(&number);
        drop(file);
        paths::remove(&*self.shared.disk, &paths::hot_file(number))?;
        Ok(true)
    }

    /// Removes some rows of blocks that were moved or pruned. Those that a power cut brings back are
    /// seen to be old.
    fn drop_rows(&mut self) -> Result<bool, StoreError> {
        let count = self.garbage.len().min(REMOVED);
        let mut by_file: BTreeMap<u64, Vec<Root>> = BTreeMap::new();
        for old in self.garbage.drain(..count) {
            let number = file_of(old.slot, &self.shared.spec);
            by_file.entry(number).or_default().push(old.root);
        }
        for (number, roots) in by_file {
            let file = self.shared.hot.read().files.get(&number).cloned();
            if let Some(file) = file {
                file.write(&[], &roots, false)?;
                note_generation(&mut self.head, number, file.generation());
            }
        }
        Ok(count > 0)
    }

    /// Removes the oldest era if history is longer than is to be kept.
    fn retire(&mut self) -> Result<bool, StoreError> {
        if !self.may_retire {
            return Ok(false);
        }
        let spec = self.shared.spec.clone();
        let slots = spec.SLOTS_PER_HISTORICAL_ROOT;
        let floor = spec.MIN_EPOCHS_FOR_BLOCK_REQUESTS;
        let before = |epochs: u64| {
            let epoch = self.head.split.checkpoint.epoch.saturating_sub(epochs);
            epoch.saturating_mul(spec.SLOTS_PER_EPOCH)
        };
        let oldest = self.shared.finalized.oldest_block_slot();
        let next = oldest.saturating_add(slots);
        let by_age = match self.settings.retention {
            Retention::Archive => false,
            Retention::Epochs(epochs) => next <= before(epochs.max(floor)),
        };
        let most = self.settings.max_finalized_bytes;
        let by_size = most.is_some_and(|most| self.finalized.bytes() > most);
        // The newest complete era stays: its state is where a start may begin.
        let is_newest = next / slots + 1 >= self.finalized.era();
        let is_due = by_age || by_size && next <= before(floor);
        if is_newest || !is_due {
            self.may_retire = false;
            return Ok(false);
        }
        let anchor = &mut self.head.anchor;
        anchor.oldest_block_slot = anchor.oldest_block_slot.max(next);
        anchor.oldest_state_slot = anchor.oldest_state_slot.max(next + slots);
        self.write_head(IndexChanges::default(), true)?;
        self.finalized.prune_before(next)?;
        Ok(true)
    }
}
