//! Finalized history: one segment for each era, of which all but the newest are complete era files
//! that other programs read. `FORMAT.md` draws the bytes.

pub mod e2store;
mod era_file;
mod files;
mod growing;
mod names;
mod reader;
mod recovery;
mod scan;
mod segment;
mod sidecar;

pub use era_file::EraFile;
pub use reader::{FinalizedReader, RawBlock};
pub use rows::BlockId;

use crate::{Disk, StoreError};
use consensus::{BeaconState, HashTreeRoot, Root, SignedBeaconBlock, Slot, Spec};
use e2store::{HEAD_BYTES, STATE};
use files::{damaged, io_at};
use growing::Growing;
use parking_lot::{Mutex, RwLock};
use reader::{Published, SealedFile, Shared, View};
use sidecar::{Row, Sidecar};
use ssz::Encode;
use std::ops::Range;
use std::sync::Arc;

/// Appends to finalized history: the one writer.
pub struct FinalizedStore {
    reader: FinalizedReader,
    growing: Growing,
    /// The newest block before the growing era, if it is known.
    before: Option<BlockId>,
}

impl FinalizedStore {
    /// Makes the history of a chain that has only its genesis: era 0, and a growing era 1 with the
    /// genesis block (under a zero signature, as other clients have it). One that was interrupted is
    /// made again. Durable when it returns.
    ///
    /// # Errors
    /// [`StoreError::Misuse`] if there is history beyond the genesis.
    pub fn create(disk: &Arc<dyn Disk>, genesis: &BeaconState) -> Result<(), StoreError> {
        disk.create_folder(names::FOLDER)
            .map_err(io_at(names::FOLDER))?;
        let names = disk.list(names::FOLDER).map_err(io_at(names::FOLDER))?;
        if names
            .iter()
            .any(|name| matches!(names::kind(name), names::Kind::Era(1..)))
        {
            return Err(StoreError::Misuse(format!(
                "{}: there is finalized history already",
                names::FOLDER
            )));
        }
        for name in names {
            files::remove(&**disk, &name)?;
        }
        recovery::write_era_zero(&**disk, genesis)?;
        FinalizedStore::open(disk, genesis.spec()).map(drop)
    }

    /// Opens it; what a crash left half done is finished or cut off. Whole records at the end that
    /// were never synced may be there: compare [`FinalizedStore::last`] with the split.
    pub fn open(disk: &Arc<dyn Disk>, spec: &Arc<Spec>) -> Result<FinalizedStore, StoreError> {
        recovery::open(disk, spec, 0)
    }

    /// As [`FinalizedStore::open`], of history that is known to reach the block of a slot: if it does
    /// not, that is damage, and nothing is cut off.
    pub(crate) fn open_up_to(
        disk: &Arc<dyn Disk>,
        spec: &Arc<Spec>,
        acknowledged: Slot,
    ) -> Result<FinalizedStore, StoreError> {
        recovery::open(disk, spec, acknowledged)
    }

    /// Reads it from any thread.
    pub fn reader(&self) -> FinalizedReader {
        self.reader.clone()
    }

    /// The newest block, synced or not. At least the genesis block.
    pub fn last(&self) -> BlockId {
        match (self.growing.last(), self.before) {
            (Some(row), _) => id_of(row),
            (None, Some(before)) => before,
            (None, None) => BlockId {
                slot: 0,
                root: Root::ZERO,
            },
        }
    }

    /// Number of the era that grows: it takes the blocks of slots
    /// `(era - 1) * SLOTS_PER_HISTORICAL_ROOT .. era * SLOTS_PER_HISTORICAL_ROOT`.
    pub fn era(&self) -> u64 {
        self.growing.era
    }

    /// Slots of the era that grows.
    pub fn era_slots(&self) -> Range<Slot> {
        self.growing.slots.clone()
    }

    /// Appends a block: its slot is after that of [`FinalizedStore::last`] and in the growing era.
    /// Readers see it once it is synced.
    pub fn append(&mut self, slot: Slot, root: Root, ssz: &[u8]) -> Result<(), StoreError> {
        let last = self.last();
        if slot <= last.slot && !last.root.is_zero() || !self.growing.slots.contains(&slot) {
            return Err(StoreError::Misuse(format!(
                "the block of slot {slot} cannot follow that of slot {} in era {}",
                last.slot, self.growing.era
            )));
        }
        self.growing.append(slot, root, ssz)
    }

    /// Makes all appends survive a power cut, and shows them to readers.
    pub fn sync(&mut self) -> Result<(), StoreError> {
        self.growing.sync()?;
        let mut published = self.reader.shared.published.write();
        published.growing.advance(&self.growing);
        published.last = self.last();
        Ok(())
    }

    /// Completes the growing era with the canonical state of slot `era * SLOTS_PER_HISTORICAL_ROOT`
    /// (with that slot's block applied if there is one), syncs it, and starts the next one.
    ///
    /// # Errors
    /// [`StoreError::Misuse`] if the state is of another slot or knows other blocks.
    pub fn seal(&mut self, state: &BeaconState) -> Result<(), StoreError> {
        let era = self.growing.era;
        let slots = self.growing.slots.clone();
        let refused = |what: String| StoreError::Misuse(format!("era {era}: {what}"));
        if state.slot() != slots.end {
            return Err(refused(format!(
                "its state is not of slot {}",
                state.slot()
            )));
        }
        let rows = self.growing.rows.iter().copied();
        scan::check_roots(&self.growing.path, rows, state, slots.start)
            .map_err(|error| refused(error.to_string()))?;
        let root = names::era_root(state, era)
            .ok_or_else(|| refused("its state has no historical root of it".into()))?;
        self.sync()?;
        let shared = self.reader.shared.clone();
        let (disk, spec) = (&*shared.disk, &*shared.spec);
        let (state_root, ssz) = (state.hash_tree_root(), state.as_ssz_bytes());
        let (row, indices) =
            self.growing
                .append_end(spec, STATE, state.slot(), state_root, &ssz)?;
        drop(ssz);
        let rest = [&scan::VERSION_RECORD[..], &indices].concat();
        let sidecar = Sidecar {
            era,
            length: self.growing.end + row.record_length() + indices.len() as u64,
            rest_crc: crc32c::crc32c(&rest),
            blocks: self.growing.rows.clone(),
            state: row,
        };
        let name = names::era_name(spec, era, root);
        files::write_whole(disk, &names::sidecar_name(&name), &sidecar.encode())?;
        let (from, to) = (names::path(&names::growing_name(era)), names::path(&name));
        disk.rename(&from, &to).map_err(io_at(&from))?;
        files::sync_folder(disk)?;
        files::remove(disk, &names::growing_sidecar_name(era))?;
        self.start_next(name, &sidecar)
    }

    /// Puts an era file of another program in the place of our own segment of that era, as it is:
    /// both must hold the same blocks, signatures included, and the same state. Whether the bytes
    /// differed at all.
    ///
    /// # Errors
    /// [`StoreError::Misuse`] if that era is not sealed here, [`StoreError::Damaged`] if it is
    /// another chain's or has another signature.
    pub fn keep(&mut self, file: &EraFile) -> Result<bool, StoreError> {
        let (era, theirs) = (file.era(), file.sidecar());
        let shared = self.reader.shared.clone();
        let Some(ours) = self.reader.segment(era)? else {
            let what = format!("{}: era {era} is not sealed here", file.path());
            return Err(StoreError::Misuse(what));
        };
        let of = |sidecar: &Sidecar| -> Vec<_> {
            sidecar.rows().map(|row| (row.slot, row.root)).collect()
        };
        if of(theirs) != of(ours.sidecar()) {
            return Err(damaged(file.path(), "it is of another chain"));
        }
        if theirs == ours.sidecar() {
            return Ok(false);
        }
        // Neither roots nor the file itself tell anything of a signature.
        for (row, block) in ours.sidecar().blocks.iter().zip(file.blocks()) {
            let stored = ours.read(row)?;
            if segment::decompress(ours.path(), row, &stored)? != block?.ssz {
                let what = format!("its block of slot {} has another signature", row.slot);
                return Err(damaged(file.path(), what));
            }
        }
        let disk = &*shared.disk;
        let name = names::era_name(&shared.spec, era, file.root());
        file.copy_to(disk, &name)?;
        // Until the new one is there, the sidecar is missing: then it is made again from whichever
        // segment a crash leaves.
        files::remove(disk, &names::sidecar_name(&name))?;
        files::sync_folder(disk)?;
        let path = names::path(&name);
        let temporary = names::path(&names::temporary_name(&name));
        disk.rename(&temporary, &path).map_err(io_at(&path))?;
        files::sync_folder(disk)?;
        files::write_whole(disk, &names::sidecar_name(&name), &theirs.encode())?;
        files::sync_folder(disk)?;
        shared.open.lock().retain(|(other, _)| *other != era);
        let bytes = theirs.length + theirs.encoded_length();
        let mut published = shared.published.write();
        published
            .sealed
            .entry(era)
            .and_modify(|file| file.bytes = bytes);
        Ok(true)
    }

    /// Publishes a sealed era and starts the one after it.
    fn start_next(&mut self, name: String, sidecar: &Sidecar) -> Result<(), StoreError> {
        let shared = self.reader.shared.clone();
        self.before = sidecar.blocks.last().map(id_of).or(self.before);
        let era = sidecar.era;
        let parent = recovery::parent_of(era + 1, self.before);
        self.growing = Growing::open(&*shared.disk, &shared.spec, era + 1, parent, 0)?;
        let mut published = shared.published.write();
        published.sealed.insert(
            era,
            SealedFile {
                name,
                bytes: sidecar.length + sidecar.encoded_length(),
                suspect: false,
            },
        );
        published.growing = View::of(&self.growing);
        published.last = self.last();
        Ok(())
    }

    /// Drops all blocks after a slot. An era that holds one of them grows again, others stay sealed:
    /// their boundary states may be nowhere else. For recovery, when nobody reads.
    pub fn truncate_after(&mut self, slot: Slot) -> Result<(), StoreError> {
        while self.growing.era > 1 && self.before.is_some_and(|before| before.slot > slot) {
            recovery::unseal_newest(self)?;
        }
        self.growing.truncate_after(slot)?;
        let mut published = self.reader.shared.published.write();
        published.growing = View::of(&self.growing);
        published.last = self.last();
        Ok(())
    }

    /// Removes the whole eras before the one of this slot; era 0 and the newest sealed era stay. The
    /// lowest slot whose blocks are all there now.
    pub fn prune_before(&mut self, slot: Slot) -> Result<Slot, StoreError> {
        let shared = self.reader.shared.clone();
        loop {
            let (era, name) = {
                let mut published = shared.published.write();
                let era = published.oldest_era();
                if era + 1 >= published.growing.era
                    || growing::slots_of(&shared.spec, era)?.end > slot
                {
                    return Ok((era - 1) * shared.spec.SLOTS_PER_HISTORICAL_ROOT);
                }
                let file = published.sealed.remove(&era);
                (era, file.map(|file| file.name).unwrap_or_default())
            };
            shared.open.lock().retain(|(other, _)| *other != era);
            let disk = &*shared.disk;
            files::remove(disk, &name)?;
            // One after the other for good: what is left never has a gap.
            files::sync_folder(disk)?;
            files::remove(disk, &names::sidecar_name(&name))?;
            files::remove(disk, &names::suspect_name(&name))?;
        }
    }

    /// Bytes of all segments and sidecars.
    pub fn bytes(&self) -> u64 {
        self.reader.bytes()
    }
}

fn id_of(row: &Row) -> BlockId {
    BlockId {
        slot: row.slot,
        root: row.root,
    }
}

/// The block of a genesis state under a zero signature.
fn genesis_block(genesis: &BeaconState) -> (Root, Vec<u8>) {
    let block = SignedBeaconBlock {
        message: consensus::genesis::genesis_block(genesis),
        signature: consensus::BLSSignature::ZERO,
    };
    (block.message.hash_tree_root(), block.as_ssz_bytes())
}

const _: () = assert!(HEAD_BYTES as usize == scan::VERSION_RECORD.len());

fn new_store(
    disk: &Arc<dyn Disk>,
    spec: &Arc<Spec>,
    sealed: std::collections::BTreeMap<u64, SealedFile>,
    growing: Growing,
    before: Option<BlockId>,
) -> FinalizedStore {
    let last = growing.last().map(id_of).or(before);
    let published = Published {
        sealed,
        growing: View::of(&growing),
        last: last.unwrap_or(BlockId {
            slot: 0,
            root: Root::ZERO,
        }),
    };
    let shared = Shared {
        disk: disk.clone(),
        spec: spec.clone(),
        published: RwLock::new(published),
        open: Mutex::default(),
        rebuilds: Mutex::default(),
    };
    FinalizedStore {
        reader: FinalizedReader {
            shared: Arc::new(shared),
        },
        growing,
        before,
    }
}
