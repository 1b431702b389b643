//! [`Writer`]: the only one that changes the store.
//!
//! How a batch is whole or absent: its blocks go into hot files, each row with the number of the
//! batch; then the head in the index takes that number. After a crash, rows of a number that the
//! head does not have are removed. A durable commit syncs all hot files before the index, so the
//! head never speaks of rows that are not there, and no later batch is there without an earlier one.

use crate::finalized::FinalizedStore;
use crate::hot::{HotFile, file_of};
use crate::index::{Head, HotFileEntry, IndexChanges, Place, StateEntry};
use crate::paths;
use crate::shared::Shared;
use crate::stored_states;
use crate::{Reader, StoreError};
use consensus::{BeaconState, Root, SignedBeaconBlock, Slot};
use rows::{Batch, Finalize, HotRow, Recovered};
use std::collections::{BTreeMap, BTreeSet, HashSet, VecDeque};
use std::sync::Arc;

/// How much history is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retention {
    /// Everything.
    Archive,
    /// Finalized blocks of the last so many epochs, whole eras, and never fewer than
    /// `MIN_EPOCHS_FOR_BLOCK_REQUESTS`.
    Epochs(u64),
}

/// Settings of a store.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How much history is kept.
    pub retention: Retention,
    /// Most bytes of finalized history: the oldest eras go first. The floor of [`Retention::Epochs`]
    /// holds here too.
    pub max_finalized_bytes: Option<u64>,
}

/// An open store.
pub struct Opened {
    /// Changes it.
    pub writer: Writer,
    /// Reads it.
    pub reader: Reader,
    /// What the core starts from.
    pub recovered: Recovered,
}

/// Finalized blocks of a batch that are to be moved.
pub(crate) struct Move {
    pub(crate) seq: u64,
    pub(crate) blocks: VecDeque<Place>,
}

/// Changes the store.
pub struct Writer {
    pub(crate) shared: Arc<Shared>,
    pub(crate) settings: Settings,
    pub(crate) finalized: FinalizedStore,
    pub(crate) head: Head,
    pub(crate) moves: VecDeque<Move>,
    /// Rows of blocks that were moved or pruned.
    pub(crate) garbage: VecDeque<Place>,
    /// State files that no entry speaks of, once the head is durable.
    pub(crate) doomed: Vec<StateEntry>,
    /// Whether history may be longer than is to be kept.
    pub(crate) may_retire: bool,
    /// Whether a change failed: nobody knows what it left.
    pub(crate) failed: bool,
}

impl Writer {
    /// Applies a batch. When it is durable, it and all before it survive a power cut from here on.
    ///
    /// # Errors
    /// [`StoreError::Misuse`] if the batch is not the next one or does not fit what is stored; then
    /// nothing was changed. After any other error the writer refuses everything: the store is to be
    /// opened again.
    pub fn commit(&mut self, batch: &Batch) -> Result<(), StoreError> {
        self.check(batch)?;
        self.guarded(|writer| writer.apply(batch))
    }

    /// Does a bounded piece of deferred work: moving finalized blocks, sealing, pruning. Whether
    /// there is more.
    pub fn step(&mut self) -> Result<bool, StoreError> {
        self.guarded(Writer::work)
    }

    /// Makes everything durable.
    pub fn flush(&mut self) -> Result<(), StoreError> {
        self.guarded(|writer| writer.write_head(IndexChanges::default(), true))
    }

    fn guarded<T>(
        &mut self,
        change: impl FnOnce(&mut Writer) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        if self.failed {
            let what = "a write has failed: the store must be opened again";
            return Err(StoreError::Misuse(what.into()));
        }
        // Stays set if the change panics.
        self.failed = true;
        let outcome = change(self);
        self.failed = outcome.is_err();
        outcome
    }

    /// Refuses a batch that does not fit, before anything is changed.
    fn check(&self, batch: &Batch) -> Result<(), StoreError> {
        let refused =
            |what: String| Err(StoreError::Misuse(format!("batch {}: {what}", batch.seq)));
        if batch.seq != self.head.last_seq + 1 {
            return refused(format!("the last one was {}", self.head.last_seq));
        }
        let new: BTreeMap<Root, Slot> = batch
            .blocks
            .iter()
            .map(|block| (block.row.root, block.row.slot))
            .collect();
        for block in &batch.blocks {
            let (row, message) = (&block.row, &block.block.message);
            if row.slot != message.slot || row.parent_root != message.parent_root {
                return refused(format!("the row of block {} is of another block", row.root));
            }
            if row.slot <= self.head.split.slot {
                return refused(format!("block {} is not after the finalized one", row.root));
            }
        }
        let Some(finalize) = &batch.finalize else {
            return Ok(());
        };
        let hot = self.shared.hot.read();
        let mut last = (self.head.split.slot, self.head.split.checkpoint.root);
        for root in &finalize.blocks {
            match new.get(root).or_else(|| hot.slots.get(root)) {
                Some(slot) if *slot > last.0 => last = (*slot, *root),
                Some(_) => return refused(format!("finalized block {root} is out of order")),
                None => return refused(format!("finalized block {root} is not there")),
            }
        }
        if finalize.checkpoint.root != last.1 {
            return refused("its checkpoint is not the last finalized block".into());
        }
        if finalize.checkpoint.epoch < self.head.split.checkpoint.epoch {
            return refused("finality went back".into());
        }
        self.check_boundary_states(finalize).or_else(refused)
    }

    /// Every era that ends by the new checkpoint has its state.
    fn check_boundary_states(&self, finalize: &Finalize) -> Result<(), String> {
        let spec = &self.shared.spec;
        let slots = spec.SLOTS_PER_HISTORICAL_ROOT;
        let era_at = |epoch: u64| epoch.saturating_mul(spec.SLOTS_PER_EPOCH) / slots;
        let old = era_at(self.head.split.checkpoint.epoch);
        let given = finalize.boundary_states.iter().map(BeaconState::slot);
        let given: HashSet<Slot> = given.collect();
        for era in old + 1..=era_at(finalize.checkpoint.epoch) {
            let slot = era * slots;
            if !given.contains(&slot) {
                return Err(format!(
                    "the state of slot {slot}, where era {era} ends, is missing"
                ));
            }
        }
        Ok(())
    }

    fn apply(&mut self, batch: &Batch) -> Result<(), StoreError> {
        let mut changes = IndexChanges::default();
        self.add_blocks(batch)?;
        stored_states::add(&*self.shared.disk, &mut self.head, batch)?;
        self.head.last_seq = batch.seq;
        if batch.chain.is_some() {
            self.head.chain = batch.chain;
        }
        if let Some(votes) = &batch.votes {
            changes.votes(votes)?;
            self.head.has_votes = true;
        }
        if let Some(finalize) = &batch.finalize {
            self.finalize(batch.seq, finalize, &mut changes)?;
        }
        if batch.finalize.is_some() || !batch.states.is_empty() {
            self.retain_states()?;
        }
        self.write_head(changes, batch.durable || batch.finalize.is_some())
    }

    fn add_blocks(&mut self, batch: &Batch) -> Result<(), StoreError> {
        type New<'a> = Vec<(HotRow, &'a SignedBeaconBlock)>;
        let shared = self.shared.clone();
        let spec = &shared.spec;
        let mut by_file: BTreeMap<u64, New> = BTreeMap::new();
        {
            let hot = shared.hot.read();
            let mut seen = HashSet::new();
            for block in &batch.blocks {
                let root = block.row.root;
                if !hot.slots.contains_key(&root) && seen.insert(root) {
                    let row = HotRow {
                        seq: batch.seq,
                        row: block.row,
                    };
                    let new = by_file.entry(file_of(block.row.slot, spec)).or_default();
                    new.push((row, &*block.block));
                }
            }
        }
        for (number, new) in by_file {
            let slot = new[0].0.row.slot;
            let file = self.file_for(slot)?;
            // One that was pruned and comes again before its row has gone.
            let again: Vec<Root> = self.take_garbage_of(number, &new);
            if !again.is_empty() {
                file.write(&[], &again, false)?;
            }
            file.write(&new, &[], false)?;
            note_generation(&mut self.head, number, file.generation());
            let mut hot = shared.hot.write();
            let places = new.iter().map(|(row, _)| (row.row.root, row.row.slot));
            hot.slots.extend(places);
        }
        Ok(())
    }

    /// The file for a slot, made if it is not there. Readers do not wait for that.
    fn file_for(&self, slot: Slot) -> Result<Arc<HotFile>, StoreError> {
        let number = file_of(slot, &self.shared.spec);
        if let Some(file) = self.shared.hot.read().files.get(&number) {
            return Ok(file.clone());
        }
        let disk = &*self.shared.disk;
        let file = Arc::new(HotFile::create(disk, number)?);
        disk.sync_folder(paths::HOT)
            .map_err(paths::io_at(paths::HOT))?;
        let mut hot = self.shared.hot.write();
        hot.files.insert(number, file.clone());
        Ok(file)
    }

    fn take_garbage_of(&mut self, number: u64, new: &[(HotRow, &SignedBeaconBlock)]) -> Vec<Root> {
        let mut taken = Vec::new();
        self.garbage.retain(|old| {
            let again = file_of(old.slot, &self.shared.spec) == number
                && new.iter().any(|(row, _)| row.row.root == old.root);
            if again {
                taken.push(old.root);
            }
            !again
        });
        taken
    }

    /// Queues what became final, and takes what was pruned from the readers.
    fn finalize(
        &mut self,
        seq: u64,
        finalize: &Finalize,
        changes: &mut IndexChanges,
    ) -> Result<(), StoreError> {
        let mut hot = self.shared.hot.write();
        let blocks = finalize.blocks.iter().map(|root| Place {
            slot: hot.slots.get(root).copied().unwrap_or_default(),
            root: *root,
        });
        let blocks: Vec<Place> = blocks.collect();
        for root in &finalize.pruned {
            if let Some(slot) = hot.slots.remove(root) {
                self.garbage.push_back(Place { slot, root: *root });
            }
        }
        drop(hot);
        let split = &mut self.head.split;
        split.checkpoint = finalize.checkpoint;
        if let Some(last) = blocks.last() {
            let row = {
                let hot = self.shared.hot.read();
                let file = hot.locate(last.root, &self.shared.spec);
                file.and_then(|(_, file)| file)
            };
            let row = row.map_or(Ok(None), |file| file.row(last.root))?;
            let row = row.ok_or(StoreError::Missing {
                slot: last.slot,
                root: last.root,
            })?;
            split.slot = last.slot;
            split.state_root = row.row.state_root;
            self.head.pending.push(seq);
            changes.pending(seq, &blocks);
            let mut published = self.shared.published.write();
            let places = blocks.iter().map(|place| (place.slot, place.root));
            published.pending.extend(places);
            drop(published);
            self.moves.push_back(Move {
                seq,
                blocks: blocks.into(),
            });
        }
        self.may_retire = true;
        Ok(())
    }

    /// Lets go of states that are of no more use.
    pub(crate) fn retain_states(&mut self) -> Result<(), StoreError> {
        let dropped = stored_states::retain(&self.shared, &mut self.head)?;
        self.doomed.extend(dropped);
        Ok(())
    }

    /// Writes the head with other changes of the index, and shows it to readers.
    pub(crate) fn write_head(
        &mut self,
        mut changes: IndexChanges,
        durable: bool,
    ) -> Result<(), StoreError> {
        if durable {
            let files: Vec<_> = self.shared.hot.read().files.values().cloned().collect();
            for file in files {
                file.sync()?;
            }
        }
        changes.head(&self.head);
        self.shared.index.write(durable, changes)?;
        self.shared.published.write().head = Arc::new(self.head.clone());
        if durable {
            let doomed = std::mem::take(&mut self.doomed);
            let mut doomed: BTreeSet<String> = doomed.iter().map(StateEntry::path).collect();
            for kept in &self.head.states {
                if !doomed.is_empty() {
                    doomed.remove(&kept.path());
                }
            }
            for path in doomed {
                paths::remove(&*self.shared.disk, &path)?;
            }
        }
        Ok(())
    }
}

/// Notes how many writes a file of hot blocks has seen.
pub(crate) fn note_generation(head: &mut Head, number: u64, generation: u64) {
    let files = &mut head.hot_files;
    match files.binary_search_by_key(&number, |file| file.number) {
        Ok(at) => files[at].generation = generation,
        Err(at) => files.insert(at, HotFileEntry { number, generation }),
    }
}
