//! [`EraFile`]: an era file from anywhere.

use super::e2store::{HEAD_BYTES, Header, MAX_BLOCK_BYTES, SLOT_INDEX, SlotIndex};
use super::files::{self, io_at};
use super::growing::slots_of;
use super::scan::{self, Scanned};
use super::segment;
use super::sidecar::{Row, Sidecar};
use super::{BlockId, id_of, names};
use crate::reader::StoredBlock;
use crate::{Disk, DiskFile, OpenMode, StoreError};
use consensus::{BeaconState, Root, Slot, Spec};
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

/// A file of the system that is only read.
struct HostFile(File);

impl DiskFile for HostFile {
    fn len(&self) -> io::Result<u64> {
        self.0.metadata().map(|metadata| metadata.len())
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.0.read_exact_at(buffer, offset)
    }

    fn write_at(&self, _: u64, _: &[u8]) -> io::Result<()> {
        Err(io::ErrorKind::PermissionDenied.into())
    }

    fn set_len(&self, _: u64) -> io::Result<()> {
        Err(io::ErrorKind::PermissionDenied.into())
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }
}

/// Bytes of the index of one state: a head, the slot, one offset, the count.
const STATE_INDEX: usize = HEAD_BYTES as usize + 3 * 8;
/// Bytes copied at once.
const PIECE: u64 = 1 << 20;

/// An era file from anywhere, read as a whole and found sound in itself: its blocks are a chain and
/// exactly those that its state knows, the state's last historical root is that of its own block and
/// state roots, its indices point at its records. Whether the chain is the right one, and whether
/// its transitions and signatures are valid, is the caller's question.
pub struct EraFile {
    path: String,
    file: Arc<dyn DiskFile>,
    scanned: Scanned,
    root: Root,
    slots: Range<Slot>,
}

impl EraFile {
    /// Reads and checks a file of the system.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] with what does not fit.
    pub fn open(path: &Path, spec: &Arc<Spec>) -> Result<EraFile, StoreError> {
        let name = path.display().to_string();
        let file = File::open(path).map_err(io_at(&name))?;
        EraFile::check(Arc::new(HostFile(file)), &name, spec)
    }

    /// The number of a file's era by its last index alone; the file itself is not checked.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] if it does not end as an era file does.
    pub fn number_of(path: &Path, spec: &Spec) -> Result<u64, StoreError> {
        let name = path.display().to_string();
        let file = HostFile(File::open(path).map_err(io_at(&name))?);
        let length = file.len().map_err(io_at(&name))?;
        let mut record = [0; STATE_INDEX];
        let index = length.checked_sub(record.len() as u64).and_then(|at| {
            file.read_at(at, &mut record).ok()?;
            let (head, payload) = record.split_first_chunk()?;
            let head = Header::decode(*head, at)?;
            let fits = head.kind == SLOT_INDEX && head.end() == length;
            let index = SlotIndex::decode(payload, at).ok().filter(|_| fits)?;
            let era = index.start_slot / spec.SLOTS_PER_HISTORICAL_ROOT;
            index
                .start_slot
                .is_multiple_of(spec.SLOTS_PER_HISTORICAL_ROOT)
                .then_some(era)
                .filter(|era| names::is_possible(*era, spec))
        });
        index.ok_or_else(|| {
            files::damaged(
                &name,
                "it does not end with the index of an era's state: it is no complete era file, or of another preset",
            )
        })
    }

    /// Reads and checks a file of a disk.
    ///
    /// # Errors
    /// As [`EraFile::open`].
    pub fn open_on(disk: &dyn Disk, path: &str, spec: &Arc<Spec>) -> Result<EraFile, StoreError> {
        EraFile::check(files::open(disk, path, OpenMode::Read)?, path, spec)
    }

    fn check(file: Arc<dyn DiskFile>, path: &str, spec: &Arc<Spec>) -> Result<EraFile, StoreError> {
        let scanned = scan::scan(&*file, path, spec)?;
        let era = scanned.sidecar.era;
        let root = names::era_root(&scanned.state, era)
            .ok_or_else(|| files::damaged(path, "its state has no historical root of it"))?;
        Ok(EraFile {
            path: path.to_owned(),
            file,
            scanned,
            root,
            slots: slots_of(spec, era)?,
        })
    }

    /// The path it was opened by.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Its number.
    pub fn era(&self) -> u64 {
        self.scanned.sidecar.era
    }

    /// The slots of its blocks; none for era 0.
    pub fn slots(&self) -> Range<Slot> {
        self.slots.clone()
    }

    /// Its historical root; for era 0 the genesis validators root.
    pub fn root(&self) -> Root {
        self.root
    }

    /// The name that such a file has by convention.
    pub fn name(&self) -> String {
        names::era_name(self.scanned.state.spec(), self.era(), self.root)
    }

    /// Its length, bytes.
    pub fn bytes(&self) -> u64 {
        self.scanned.sidecar.length
    }

    /// Root of the newest block before the era; zero in eras 0 and 1.
    pub fn before(&self) -> Root {
        self.scanned.before
    }

    /// The first block.
    pub fn first(&self) -> Option<BlockId> {
        self.sidecar().blocks.first().map(id_of)
    }

    /// The last block.
    pub fn last(&self) -> Option<BlockId> {
        self.sidecar().blocks.last().map(id_of)
    }

    /// How many blocks it has.
    pub fn block_count(&self) -> usize {
        self.sidecar().blocks.len()
    }

    /// The boundary state, of slot `era * SLOTS_PER_HISTORICAL_ROOT`.
    pub fn state(&self) -> &BeaconState {
        &self.scanned.state
    }

    /// Root of the boundary state.
    pub fn state_root(&self) -> Root {
        self.sidecar().state.root
    }

    /// The blocks in order, decompressed as the iterator advances.
    pub fn blocks(&self) -> impl Iterator<Item = Result<StoredBlock, StoreError>> {
        self.sidecar().blocks.iter().map(|row| self.block(row))
    }

    fn block(&self, row: &Row) -> Result<StoredBlock, StoreError> {
        debug_assert!(u64::from(row.ssz) <= MAX_BLOCK_BYTES);
        let stored = segment::read_record(&*self.file, &self.path, row)?;
        Ok(StoredBlock {
            slot: row.slot,
            root: row.root,
            ssz: segment::decompress(&self.path, row, &stored)?,
        })
    }

    pub(super) fn sidecar(&self) -> &Sidecar {
        &self.scanned.sidecar
    }

    /// Copies it as it is into the folder, synced, under the temporary name that goes with a name.
    /// The bytes are checked again on their way.
    pub(super) fn copy_to(&self, disk: &dyn Disk, name: &str) -> Result<(), StoreError> {
        let path = names::path(&names::temporary_name(name));
        let copy = files::open(disk, &path, OpenMode::WriteOrCreate)?;
        copy.set_len(0).map_err(io_at(&path))?;
        let mut buffer = vec![0; PIECE.min(self.bytes()) as usize];
        let mut at = 0;
        while at < self.bytes() {
            let length = (self.bytes() - at).min(PIECE) as usize;
            let piece = &mut buffer[..length];
            self.file.read_at(at, piece).map_err(io_at(&self.path))?;
            copy.write_at(at, piece).map_err(io_at(&path))?;
            at += length as u64;
        }
        copy.sync().map_err(io_at(&path))?;
        for row in self.sidecar().rows() {
            segment::read_record(&*copy, &path, row)?;
        }
        Ok(())
    }
}
