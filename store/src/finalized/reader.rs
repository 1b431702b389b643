//! [`FinalizedReader`].

use super::growing::Growing;
use super::names;
use super::segment::{self, Segment, Stored};
use super::sidecar::Row;
use crate::reader::StoredBlock;
use crate::{Disk, DiskFile, StoreError};
use consensus::{BeaconState, HashTreeRoot, Root, Slot, Spec};
use parking_lot::{Mutex, RwLock};
use rows::{BlockId, StoredState};
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

/// Most segments held open at once.
const OPEN_SEGMENTS: usize = 64;

/// A block as it is stored: snappy frames, already checked against their CRC-32C. Cheap to clone.
#[derive(Clone)]
pub struct RawBlock {
    /// Its slot.
    pub slot: Slot,
    /// Its root.
    pub root: Root,
    /// Bytes of its SSZ.
    pub ssz_length: u32,
    stored: Stored,
}

impl RawBlock {
    /// The frames, starting with the stream identifier.
    pub fn frames(&self) -> &[u8] {
        &self.stored
    }
}

/// A complete segment on disk.
#[derive(Clone, Debug)]
pub(super) struct SealedFile {
    pub(super) name: String,
    /// Bytes of segment and sidecar.
    pub(super) bytes: u64,
    /// Reading it under a map has failed once: it is read piece by piece.
    pub(super) suspect: bool,
}

/// What readers see of the growing segment.
pub(super) struct View {
    pub(super) era: u64,
    path: String,
    file: Arc<dyn DiskFile>,
    rows: Vec<Row>,
    bytes: u64,
}

impl View {
    pub(super) fn of(growing: &Growing) -> View {
        View {
            era: growing.era,
            path: growing.path.clone(),
            file: growing.file.clone(),
            rows: growing.rows[..growing.synced].to_vec(),
            bytes: growing.bytes(),
        }
    }

    /// Takes in what has been synced since.
    pub(super) fn advance(&mut self, growing: &Growing) {
        let known = self.rows.len();
        self.rows
            .extend_from_slice(&growing.rows[known..growing.synced]);
        self.bytes = growing.bytes();
    }
}

/// What is published to readers.
pub(super) struct Published {
    pub(super) sealed: BTreeMap<u64, SealedFile>,
    pub(super) growing: View,
    /// The newest synced block.
    pub(super) last: BlockId,
}

impl Published {
    /// The oldest era with blocks that is there.
    pub(super) fn oldest_era(&self) -> u64 {
        let mut eras = self.sealed.range(1..);
        eras.next().map_or(self.growing.era, |(era, _)| *era)
    }

    pub(super) fn bytes(&self) -> u64 {
        self.sealed.values().map(|file| file.bytes).sum::<u64>() + self.growing.bytes
    }
}

pub(super) struct Shared {
    pub(super) disk: Arc<dyn Disk>,
    pub(super) spec: Arc<Spec>,
    pub(super) published: RwLock<Published>,
    /// Open segments, the latest used last.
    pub(super) open: Mutex<Vec<(u64, Arc<Segment>)>>,
    /// Held while a sidecar is made again, which takes a read of the whole segment.
    pub(super) rebuilds: Mutex<()>,
}

/// Reads finalized history beside the one that appends. Cheap to clone; works from any thread.
#[derive(Clone)]
pub struct FinalizedReader {
    pub(super) shared: Arc<Shared>,
}

/// Where records are read from.
#[derive(Clone)]
enum Source {
    Sealed(Arc<Segment>),
    Growing(Arc<dyn DiskFile>, String),
}

impl Source {
    fn read(&self, row: &Row) -> Result<Stored, StoreError> {
        match self {
            Source::Sealed(segment) => segment.read(row),
            Source::Growing(file, path) => segment::read_record(&**file, path, row),
        }
    }

    fn path(&self) -> &str {
        match self {
            Source::Sealed(segment) => segment.path(),
            Source::Growing(_, path) => path,
        }
    }

    fn raw(&self, row: &Row) -> Result<RawBlock, StoreError> {
        Ok(RawBlock {
            slot: row.slot,
            root: row.root,
            ssz_length: row.ssz,
            stored: self.read(row)?,
        })
    }
}

impl FinalizedReader {
    /// The newest synced block.
    pub fn last(&self) -> BlockId {
        self.shared.published.read().last
    }

    /// The lowest slot whose blocks are all there.
    pub fn oldest_block_slot(&self) -> Slot {
        let oldest = self.shared.published.read().oldest_era();
        (oldest - 1) * self.shared.spec.SLOTS_PER_HISTORICAL_ROOT
    }

    /// The newest sealed era.
    pub fn newest_era(&self) -> u64 {
        self.shared.published.read().growing.era - 1
    }

    /// The sealed eras that are there, ascending.
    pub fn eras(&self) -> Vec<u64> {
        self.shared
            .published
            .read()
            .sealed
            .keys()
            .copied()
            .collect()
    }

    /// Name of the file of a sealed era, in the folder `finalized`.
    pub fn era_file(&self, era: u64) -> Option<String> {
        let published = self.shared.published.read();
        published.sealed.get(&era).map(|file| file.name.clone())
    }

    /// Bytes of all segments and sidecars.
    pub fn bytes(&self) -> u64 {
        self.shared.published.read().bytes()
    }

    /// Root of the block of a slot; `None` if the slot is empty or not there.
    pub fn root(&self, slot: Slot) -> Result<Option<Root>, StoreError> {
        Ok(self.locate(slot)?.map(|(_, row)| row.root))
    }

    /// The newest block at or before a slot; `None` if it is not there.
    pub fn block_at_or_before(&self, slot: Slot) -> Result<Option<BlockId>, StoreError> {
        let mut era = self.era_of(slot);
        while era >= self.shared.published.read().oldest_era() {
            let (_, rows) = self.rows_in(era, 0..slot.saturating_add(1))?;
            if let Some(row) = rows.last() {
                return Ok(Some(BlockId {
                    slot: row.slot,
                    root: row.root,
                }));
            }
            era -= 1;
        }
        Ok(None)
    }

    /// Slots and roots of the blocks of a range of slots, without reading the blocks.
    pub fn ids(&self, slots: Range<Slot>) -> Result<Vec<BlockId>, StoreError> {
        let mut ids = Vec::new();
        for era in self.eras_of(&slots) {
            let (_, rows) = self.rows_in(era, slots.clone())?;
            ids.extend(rows.iter().map(|row| BlockId {
                slot: row.slot,
                root: row.root,
            }));
        }
        Ok(ids)
    }

    /// The block of a slot, decompressed.
    pub fn block(&self, slot: Slot) -> Result<Option<StoredBlock>, StoreError> {
        let Some((source, row)) = self.locate(slot)? else {
            return Ok(None);
        };
        let stored = source.read(&row)?;
        Ok(Some(StoredBlock {
            slot,
            root: row.root,
            ssz: segment::decompress(source.path(), &row, &stored)?,
        }))
    }

    /// The block of a slot as it is stored.
    pub fn raw_block(&self, slot: Slot) -> Result<Option<RawBlock>, StoreError> {
        match self.locate(slot)? {
            Some((source, row)) => source.raw(&row).map(Some),
            None => Ok(None),
        }
    }

    /// The blocks of a range of slots as they are stored, in order, read as the iterator advances.
    pub fn raw_blocks(
        &self,
        slots: Range<Slot>,
    ) -> impl Iterator<Item = Result<RawBlock, StoreError>> + use<> {
        let reader = self.clone();
        self.eras_of(&slots).flat_map(move |era| {
            let (source, rows, error) = match reader.rows_in(era, slots.clone()) {
                Ok((source, rows)) => (Some(source), rows, None),
                Err(error) => (None, Vec::new(), Some(Err(error))),
            };
            let source = source.into_iter().cycle();
            let blocks = rows.into_iter().zip(source);
            error
                .into_iter()
                .chain(blocks.map(|(row, source)| source.raw(&row)))
        })
    }

    /// The boundary state of an era, at slot `era * SLOTS_PER_HISTORICAL_ROOT`.
    pub fn era_state(&self, era: u64) -> Result<Option<StoredState>, StoreError> {
        let Some(segment) = self.segment(era)? else {
            return Ok(None);
        };
        let row = segment.sidecar().state;
        let stored = segment.read(&row)?;
        let ssz = segment::decompress(segment.path(), &row, &stored)?;
        let state = BeaconState::from_ssz_bytes(&ssz, &self.shared.spec)
            .map_err(|error| super::files::damaged(segment.path(), error))?;
        let mut header = *state.latest_block_header();
        if header.state_root.is_zero() {
            header.state_root = row.root;
        }
        Ok(Some(StoredState {
            block_root: header.hash_tree_root(),
            state,
        }))
    }

    /// Root of the boundary state of an era, without reading the state.
    pub fn era_state_root(&self, era: u64) -> Result<Option<Root>, StoreError> {
        let segment = self.segment(era)?;
        Ok(segment.map(|segment| segment.sidecar().state.root))
    }

    /// The newest boundary state at or before a slot.
    pub fn nearest_state(&self, slot: Slot) -> Result<Option<StoredState>, StoreError> {
        let latest = slot / self.shared.spec.SLOTS_PER_HISTORICAL_ROOT;
        let era = {
            let published = self.shared.published.read();
            published
                .sealed
                .range(..=latest)
                .next_back()
                .map(|(era, _)| *era)
        };
        era.map_or(Ok(None), |era| self.era_state(era))
    }

    /// Checks every byte of a sealed era and of its sidecar without a map; the bytes read. A mark
    /// that its file is suspect goes when nothing is found.
    pub fn scrub(&self, era: u64) -> Result<u64, StoreError> {
        let Some(file) = self.shared.published.read().sealed.get(&era).cloned() else {
            return Ok(0);
        };
        let segment = self.open_segment(&file.name, era, false)?;
        let read = Arc::new(segment).check_all()?;
        if file.suspect {
            super::files::remove(&*self.shared.disk, &names::suspect_name(&file.name))?;
            let mut published = self.shared.published.write();
            if let Some(file) = published.sealed.get_mut(&era) {
                file.suspect = false;
            }
        }
        Ok(read)
    }

    /// Checks every synced record of the growing segment; the bytes read.
    pub fn scrub_growing(&self) -> Result<u64, StoreError> {
        let era = self.shared.published.read().growing.era;
        let (source, rows) = self.rows_in(era, 0..Slot::MAX)?;
        for row in &rows {
            source.read(row)?;
        }
        Ok(rows.iter().map(Row::record_length).sum())
    }

    fn era_of(&self, slot: Slot) -> u64 {
        let newest = self.shared.published.read().growing.era;
        (slot / self.shared.spec.SLOTS_PER_HISTORICAL_ROOT)
            .saturating_add(1)
            .min(newest)
    }

    /// The eras that are there and have slots of a range.
    fn eras_of(&self, slots: &Range<Slot>) -> Range<u64> {
        let oldest = self.shared.published.read().oldest_era();
        match slots.end.checked_sub(1) {
            Some(last) if slots.start <= last => {
                self.era_of(slots.start).max(oldest)..self.era_of(last) + 1
            }
            _ => 0..0,
        }
    }

    fn locate(&self, slot: Slot) -> Result<Option<(Source, Row)>, StoreError> {
        let of = |source, rows: &[Row]| {
            let found = rows.binary_search_by_key(&slot, |row| row.slot);
            found.ok().map(|number| (source, rows[number]))
        };
        let era = self.era_of(slot);
        {
            let published = self.shared.published.read();
            let growing = &published.growing;
            if era == growing.era {
                let source = Source::Growing(growing.file.clone(), growing.path.clone());
                return Ok(of(source, &growing.rows));
            }
        }
        Ok(self.segment(era)?.and_then(|segment| {
            let source = Source::Sealed(segment.clone());
            of(source, &segment.sidecar().blocks)
        }))
    }

    /// The rows of an era's blocks in a range of slots.
    fn rows_in(&self, era: u64, slots: Range<Slot>) -> Result<(Source, Vec<Row>), StoreError> {
        let within = |rows: &[Row]| {
            let start = rows.partition_point(|row| row.slot < slots.start);
            let end = rows.partition_point(|row| row.slot < slots.end);
            rows[start..end.max(start)].to_vec()
        };
        {
            let published = self.shared.published.read();
            let growing = &published.growing;
            if era == growing.era {
                let source = Source::Growing(growing.file.clone(), growing.path.clone());
                return Ok((source, within(&growing.rows)));
            }
        }
        match self.segment(era)? {
            Some(segment) => {
                let rows = within(&segment.sidecar().blocks);
                Ok((Source::Sealed(segment), rows))
            }
            // It was pruned in the meantime.
            None => {
                let published = self.shared.published.read();
                let growing = &published.growing;
                let source = Source::Growing(growing.file.clone(), growing.path.clone());
                Ok((source, Vec::new()))
            }
        }
    }

    /// The segment of a sealed era, opened if it is not open; others read on meanwhile.
    pub(super) fn segment(&self, era: u64) -> Result<Option<Arc<Segment>>, StoreError> {
        if let Some(segment) = self.opened(era) {
            return Ok(Some(segment));
        }
        let Some(file) = self.shared.published.read().sealed.get(&era).cloned() else {
            return Ok(None);
        };
        let segment = Arc::new(self.open_segment(&file.name, era, !file.suspect)?);
        let mut open = self.shared.open.lock();
        if let Some((_, other)) = open.iter().find(|(other, _)| *other == era) {
            return Ok(Some(other.clone()));
        }
        // One that was pruned in the meantime is not held.
        if self.shared.published.read().sealed.contains_key(&era) {
            if open.len() >= OPEN_SEGMENTS {
                open.remove(0);
            }
            open.push((era, segment.clone()));
        }
        Ok(Some(segment))
    }

    /// A segment that is open, which becomes the latest used.
    fn opened(&self, era: u64) -> Option<Arc<Segment>> {
        let mut open = self.shared.open.lock();
        let at = open.iter().position(|(other, _)| *other == era)?;
        let entry = open.remove(at);
        let segment = entry.1.clone();
        open.push(entry);
        Some(segment)
    }

    fn open_segment(&self, name: &str, era: u64, mapped: bool) -> Result<Segment, StoreError> {
        let shared = &*self.shared;
        Segment::open(
            &*shared.disk,
            &shared.spec,
            name,
            era,
            mapped,
            &shared.rebuilds,
        )
    }
}
