//! What is in a store, and whether all of it is what was written.

use crate::index::{Place, SCHEMA, StateEntry};
use crate::paths::{FINALIZED, HOT, damaged};
use crate::{Reader, StoreError, StoredBlock, state_files};
use consensus::views::SignedBlockView;
use consensus::{HashTreeRoot, Root, SignedBeaconBlock, Slot};
use rows::{Anchor, Split};
use ssz::Decode;

/// Figures of a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreInfo {
    /// Number of the form of its files.
    pub schema: u32,
    /// Name of the network's configuration.
    pub network: String,
    /// Root of the genesis state's registry.
    pub genesis_validators_root: Root,
    /// Where the chain begins and how far back it goes.
    pub anchor: Anchor,
    /// The newest finalized block.
    pub split: Split,
    /// Slot of the newest block that is in finalized history already.
    pub moved_slot: Slot,
    /// Number of the last batch.
    pub last_seq: u64,
    /// Blocks outside of finalized history.
    pub hot_blocks: u64,
    /// Files of such blocks.
    pub hot_files: u64,
    /// Stored states, those of eras not counted: slot, and root of the latest block.
    pub states: Vec<(Slot, Root)>,
    /// Complete eras, ascending; era 0 is the genesis state.
    pub eras: Vec<u64>,
    /// Bytes of finalized history.
    pub finalized_bytes: u64,
    /// Bytes of the files of hot blocks.
    pub hot_bytes: u64,
    /// Bytes of the states' files.
    pub state_bytes: u64,
    /// Bytes of the index.
    pub index_bytes: u64,
}

/// How far a verification has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// What is being read.
    pub part: &'static str,
    /// Units of it done: slots of finalized history, blocks or states.
    pub done: u64,
    /// Units in all.
    pub total: u64,
}

impl Reader {
    /// Figures of the store.
    pub fn info(&self) -> Result<StoreInfo, StoreError> {
        let shared = &self.shared;
        let head = shared.head();
        let (hot_blocks, hot_files) = {
            let hot = shared.hot.read();
            let paths: Vec<String> = hot.files.values().map(|it| it.path().into()).collect();
            (hot.slots.len() as u64, paths)
        };
        let states = head.states.iter().map(StateEntry::path);
        let state_files: Vec<String> = states.collect();
        Ok(StoreInfo {
            schema: SCHEMA,
            network: shared.identity.network.clone(),
            genesis_validators_root: shared.identity.genesis_validators_root,
            anchor: head.anchor,
            split: head.split,
            moved_slot: head.moved.slot,
            last_seq: head.last_seq,
            hot_blocks,
            hot_files: hot_files.len() as u64,
            states: head
                .states
                .iter()
                .map(|entry| (entry.slot, entry.block_root))
                .collect(),
            eras: shared.finalized.eras(),
            finalized_bytes: shared.finalized.bytes(),
            hot_bytes: self.bytes_of(&hot_files)?,
            state_bytes: self.bytes_of(&state_files)?,
            index_bytes: self.bytes_of(&[crate::paths::INDEX.into()])?,
        })
    }

    fn bytes_of(&self, paths: &[String]) -> Result<u64, StoreError> {
        let mut sum = 0;
        for path in paths {
            let disk = &self.shared.disk;
            let file = disk.open(path, crate::OpenMode::Read);
            match file.and_then(|file| file.len()) {
                Ok(length) => sum += length,
                // Removed in this moment.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => return Err(crate::paths::io_at(path)(error)),
            }
        }
        Ok(sum)
    }

    /// Reads everything: each row, record and state, their checksums, the roots of blocks, and
    /// whether each block's parent is there. Gives all damage found, each with its file.
    pub fn verify(&self, mut progress: impl FnMut(Progress)) -> Vec<StoreError> {
        let mut check = Check {
            reader: self,
            damage: Vec::new(),
        };
        check.index();
        check.eras(&mut progress);
        check.finalized_blocks(&mut progress);
        check.hot_blocks(&mut progress);
        check.states(&mut progress);
        check.damage
    }
}

struct Check<'a> {
    reader: &'a Reader,
    damage: Vec<StoreError>,
}

impl Check<'_> {
    fn take<T>(&mut self, outcome: Result<T, StoreError>) -> Option<T> {
        outcome.map_err(|error| self.damage.push(error)).ok()
    }

    /// The rows of the index that no block leads to.
    fn index(&mut self) {
        let shared = &self.reader.shared;
        let head = shared.head();
        self.take(shared.index.votes(&head));
        for seq in &head.pending {
            // One whose blocks have been moved meanwhile is gone.
            if let Err(error) = shared.index.pending(*seq)
                && shared.head().pending.contains(seq)
            {
                self.damage.push(error);
            }
        }
    }

    /// Every byte of segments and sidecars.
    fn eras(&mut self, progress: &mut impl FnMut(Progress)) {
        let finalized = &self.reader.shared.finalized;
        let eras = finalized.eras();
        let total = eras.len() as u64 + 1;
        for (done, era) in (0..).zip(eras) {
            progress(Progress {
                part: "eras",
                done,
                total,
            });
            self.take(finalized.scrub(era));
        }
        self.take(finalized.scrub_growing());
    }

    /// Finalized blocks: their roots, parents, and that they are found by their roots.
    fn finalized_blocks(&mut self, progress: &mut impl FnMut(Progress)) {
        let shared = &self.reader.shared;
        let head = shared.head();
        let end = head.moved.slot + 1;
        let slots = shared.spec.SLOTS_PER_HISTORICAL_ROOT;
        let mut from = head.anchor.oldest_block_slot;
        let mut parent: Option<Root> = None;
        while from < end {
            let to = (from + slots).min(end);
            let ids = shared.finalized.ids(from..to);
            for id in self.take(ids).unwrap_or_default() {
                if id.slot % 256 == 0 {
                    progress(Progress {
                        part: "finalized slots",
                        done: id.slot,
                        total: end,
                    });
                }
                let place = Place {
                    slot: id.slot,
                    root: id.root,
                };
                let outcome = self.finalized_block(place, parent);
                self.take(outcome);
                parent = Some(id.root);
            }
            from = to;
        }
        if parent.is_some_and(|last| last != head.moved.root) {
            self.damage
                .push(damaged(FINALIZED, "its newest block is missing"));
        }
    }

    fn finalized_block(&self, place: Place, parent: Option<Root>) -> Result<(), StoreError> {
        let shared = &self.reader.shared;
        let missing = StoreError::Missing {
            slot: place.slot,
            root: place.root,
        };
        let block = shared.finalized.block(place.slot)?.ok_or(missing)?;
        check_block(&block, FINALIZED)?;
        let view = SignedBlockView::new(&block.ssz);
        let found = view.map(|view| view.parent_root());
        let found = found.map_err(|error| damaged(FINALIZED, error))?;
        if parent.is_some_and(|parent| parent != found) {
            let what = format!("the parent of the block of slot {} is missing", place.slot);
            return Err(damaged(FINALIZED, what));
        }
        match shared.finalized_slot(place.root)? {
            Some(slot) if slot == place.slot => Ok(()),
            _ => {
                let what = format!("block {} is not found by its root", place.root);
                Err(damaged(crate::paths::INDEX, what))
            }
        }
    }

    /// Blocks outside of finalized history, their rows and parents.
    fn hot_blocks(&mut self, progress: &mut impl FnMut(Progress)) {
        let shared = &self.reader.shared;
        let mut places: Vec<(Slot, Root)> = {
            let hot = shared.hot.read();
            let places = hot.slots.iter();
            places.map(|(root, slot)| (*slot, *root)).collect()
        };
        places.sort_unstable();
        let total = places.len() as u64;
        for (done, (slot, root)) in (0..).zip(places) {
            progress(Progress {
                part: "hot blocks",
                done,
                total,
            });
            let outcome = self.hot_block(Place { slot, root });
            self.take(outcome);
        }
    }

    fn hot_block(&self, place: Place) -> Result<(), StoreError> {
        let shared = &self.reader.shared;
        let file = shared.hot.read().locate(place.root, &shared.spec);
        // One that is not there any more was moved or pruned.
        let Some((_, Some(file))) = file else {
            return Ok(());
        };
        let Some(block) = shared.hot_block(place.root)? else {
            return Ok(());
        };
        check_block(&block, file.path())?;
        let view = SignedBlockView::new(&block.ssz);
        let view = view.map_err(|error| damaged(file.path(), error))?;
        let fits = match file.row(place.root)? {
            Some(row) => {
                row.row.slot == view.slot()
                    && row.row.parent_root == view.parent_root()
                    && row.row.state_root == view.state_root()
            }
            None => shared.hot_block(place.root)?.is_none(),
        };
        if !fits {
            let what = format!("the row of block {} is of another block", place.root);
            return Err(damaged(file.path(), what));
        }
        match self.reader.block(view.parent_root())? {
            Some(_) => Ok(()),
            None => {
                let what = format!("the parent of block {} is missing", place.root);
                Err(damaged(file.path(), what))
            }
        }
    }

    /// States outside of eras.
    fn states(&mut self, progress: &mut impl FnMut(Progress)) {
        let shared = &self.reader.shared;
        let head = shared.head();
        let total = head.states.len() as u64;
        for (done, entry) in (0..).zip(&head.states) {
            progress(Progress {
                part: "states",
                done,
                total,
            });
            let read = state_files::read(&*shared.disk, entry, &shared.spec);
            let read = read.and_then(|stored| {
                match state_files::latest_block_root(&stored.state) == entry.block_root {
                    true => Ok(()),
                    false => Err(damaged(&entry.path(), "it is of another block")),
                }
            });
            match read {
                // Removed since.
                Err(_) if !shared.head().states.contains(entry) => {}
                read => {
                    self.take(read);
                }
            }
        }
    }
}

/// Whether the bytes of a block are those of its root and slot.
fn check_block(block: &StoredBlock, place: &str) -> Result<(), StoreError> {
    let place = match place {
        HOT | FINALIZED => format!("{place} (slot {})", block.slot),
        place => place.to_owned(),
    };
    let decoded = SignedBeaconBlock::from_ssz_bytes(&block.ssz);
    let decoded = decoded.map_err(|error| damaged(&place, format!("{error:?}")))?;
    if decoded.message.hash_tree_root() != block.root || decoded.message.slot != block.slot {
        return Err(damaged(
            &place,
            format!("block {} is another one", block.root),
        ));
    }
    Ok(())
}
