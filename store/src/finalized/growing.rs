//! The segment of the current era, which grows as blocks finalize.

use super::e2store::{self, HEAD_BYTES, MAX_BLOCK_BYTES, Records, SIGNED_BLOCK, max_stored_bytes};
use super::files::{self, damaged, io_at};
use super::names;
use super::scan::{self, VERSION_RECORD};
use super::segment::record;
use super::sidecar::{Head, ROW_BYTES, Row};
use crate::{Disk, DiskFile, OpenMode, StoreError};
use consensus::{Root, Slot, Spec};
use std::ops::Range;
use std::sync::Arc;

/// The segment of the current era. Rows reach the sidecar only after their records are synced: a row
/// that is there vouches for its record.
pub(super) struct Growing {
    pub(super) era: u64,
    pub(super) slots: Range<Slot>,
    pub(super) path: String,
    pub(super) file: Arc<dyn DiskFile>,
    sidecar_path: String,
    sidecar: Arc<dyn DiskFile>,
    pub(super) rows: Vec<Row>,
    /// How many rows have been synced.
    pub(super) synced: usize,
    /// Where the next record goes, bytes.
    pub(super) end: u64,
}

impl Growing {
    /// Opens the segment of an era, or makes it. Complete blocks at its end whose rows were not
    /// written are taken in; what follows the last complete block is cut off. `before` is the newest
    /// block before the era. If what is there ends before the block of slot `acknowledged`, that is
    /// damage, and everything stays as it is; 0 is no such block.
    pub(super) fn open(
        disk: &dyn Disk,
        spec: &Spec,
        era: u64,
        before: Option<Root>,
        acknowledged: Slot,
    ) -> Result<Growing, StoreError> {
        let slots = slots_of(spec, era)?;
        let path = names::path(&names::growing_name(era));
        let sidecar_path = names::path(&names::growing_sidecar_name(era));
        let file = files::open(disk, &path, OpenMode::WriteOrCreate)?;
        let sidecar = files::open(disk, &sidecar_path, OpenMode::WriteOrCreate)?;
        let mut growing = Growing {
            era,
            slots,
            path,
            file,
            sidecar_path,
            sidecar,
            rows: Vec::new(),
            synced: 0,
            end: HEAD_BYTES,
        };
        growing.recover(before, acknowledged)?;
        files::sync_folder(disk)?;
        Ok(growing)
    }

    /// The newest block, synced or not.
    pub(super) fn last(&self) -> Option<&Row> {
        self.rows.last()
    }

    /// Bytes of both files.
    pub(super) fn bytes(&self) -> u64 {
        self.end + ((self.rows.len() + 1) * ROW_BYTES) as u64
    }

    fn recover(&mut self, before: Option<Root>, acknowledged: Slot) -> Result<(), StoreError> {
        let length = self.file.len().map_err(io_at(&self.path))?;
        let rows = self.read_rows()?;
        let vouched = rows.iter().flatten().filter_map(Row::end);
        let vouched = vouched.filter(|end| *end <= length).max().unwrap_or(0);
        self.take_rows(&rows, length);
        if length > self.end {
            self.scan(length, before)?;
        }
        if self.end < vouched {
            return Err(damaged(
                &self.path,
                format!("the record at byte {} is not what was written", self.end),
            ));
        }
        let is_ours = acknowledged > 0 && acknowledged >= self.slots.start;
        if is_ours && self.last().is_none_or(|row| row.slot < acknowledged) {
            let what = format!(
                "what can be read ends at byte {}, before the block of slot {acknowledged}",
                self.end
            );
            return Err(damaged(&self.path, what));
        }
        self.write_version(length)?;
        let write = || {
            if length > self.end {
                self.file.set_len(self.end)?;
            }
            self.file.sync()
        };
        write().map_err(io_at(&self.path))?;
        self.write_sidecar()
    }

    /// The rows of the sidecar, `None` where they are damaged; none if its head is.
    fn read_rows(&self) -> Result<Vec<Option<Row>>, StoreError> {
        let at = io_at(&self.sidecar_path);
        let most = (self.slots.end - self.slots.start + 1) * ROW_BYTES as u64;
        let length = self.sidecar.len().map_err(&at)?.min(most);
        let mut bytes = vec![0; length as usize];
        self.sidecar.read_at(0, &mut bytes).map_err(&at)?;
        let (chunks, _) = bytes.as_chunks::<ROW_BYTES>();
        let Some((head, rows)) = chunks.split_first() else {
            return Ok(Vec::new());
        };
        let expected = Head {
            era: self.era,
            sealed: None,
        };
        if Head::decode(head) != Some(expected) {
            return Ok(Vec::new());
        }
        let rows = rows.iter().enumerate();
        Ok(rows
            .map(|(number, row)| Row::decode(row, self.era, number))
            .collect())
    }

    /// Takes the rows up to the first that is damaged or whose record is cut off.
    fn take_rows(&mut self, rows: &[Option<Row>], length: u64) {
        for row in rows.iter().map_while(|row| *row) {
            let fits = row.offset == self.end
                && self.slots.contains(&row.slot)
                && self.last().is_none_or(|last| last.slot < row.slot);
            match row.end() {
                Some(end) if fits && end <= length => {
                    self.end = end;
                    self.rows.push(row);
                }
                _ => break,
            }
        }
    }

    /// Writes the version record if it is not there: it is always the same.
    fn write_version(&mut self, length: u64) -> Result<(), StoreError> {
        let at = io_at(&self.path);
        let mut found = [0; HEAD_BYTES as usize];
        if length >= HEAD_BYTES {
            self.file.read_at(0, &mut found).map_err(&at)?;
        }
        match found == VERSION_RECORD {
            true => Ok(()),
            false => self.file.write_at(0, &VERSION_RECORD).map_err(&at),
        }
    }

    /// Takes in complete blocks after the last row. Anything else is a torn tail.
    fn scan(&mut self, length: u64, before: Option<Root>) -> Result<(), StoreError> {
        let file = self.file.clone();
        let reader = files::reader(&*file, self.end, length);
        let mut records = Records::at(reader, self.end);
        let mut parent = self.last().map(|row| row.root).or(before);
        loop {
            let header = match records.next_header() {
                Err(e2store::RecordError::Io(source)) => return Err(io_at(&self.path)(source)),
                Ok(Some(header)) if header.kind == SIGNED_BLOCK => header,
                _ => return Ok(()),
            };
            let stored = match records.payload(header, max_stored_bytes(MAX_BLOCK_BYTES)) {
                Err(e2store::RecordError::Io(source)) => return Err(io_at(&self.path)(source)),
                Ok(stored) => stored,
                Err(_) => return Ok(()),
            };
            let Some((row, block_parent)) = scan::growing_block(header, &stored) else {
                return Ok(());
            };
            let fits = parent.is_none_or(|parent| parent == block_parent)
                && self.slots.contains(&row.slot)
                && self.last().is_none_or(|last| last.slot < row.slot);
            if !fits {
                return Ok(());
            }
            parent = Some(row.root);
            self.end = header.end();
            self.rows.push(row);
        }
    }

    /// Writes all of the sidecar, if it is not what it must be.
    fn write_sidecar(&mut self) -> Result<(), StoreError> {
        let bytes = encode_rows(self.era, &self.rows);
        let write = || {
            let length = self.sidecar.len()?;
            let mut found = vec![0; bytes.len().min(length as usize)];
            self.sidecar.read_at(0, &mut found)?;
            if length == bytes.len() as u64 && found == bytes {
                return Ok(());
            }
            self.sidecar.set_len(0)?;
            self.sidecar.write_at(0, &bytes)?;
            self.sidecar.sync()
        };
        write().map_err(io_at(&self.sidecar_path))?;
        self.synced = self.rows.len();
        Ok(())
    }

    /// Appends a block that follows the last one; not synced.
    pub(super) fn append(&mut self, slot: Slot, root: Root, ssz: &[u8]) -> Result<(), StoreError> {
        let stored = e2store::compress(ssz);
        let (Some(bytes), true) = (
            record(SIGNED_BLOCK, &stored),
            ssz.len() as u64 <= MAX_BLOCK_BYTES,
        ) else {
            return Err(StoreError::Misuse(format!(
                "the block of slot {slot} has {} bytes, more than any block",
                ssz.len()
            )));
        };
        self.file
            .write_at(self.end, &bytes)
            .map_err(io_at(&self.path))?;
        self.rows.push(Row {
            slot,
            root,
            offset: self.end,
            stored: stored.len() as u32,
            ssz: ssz.len() as u32,
            crc: crc32c::crc32c(&bytes),
        });
        self.end += bytes.len() as u64;
        Ok(())
    }

    /// Makes the appends survive a power cut, then writes their rows. The rows themselves are not
    /// synced: those that get lost are made again from the records.
    pub(super) fn sync(&mut self) -> Result<(), StoreError> {
        if self.synced == self.rows.len() {
            return Ok(());
        }
        self.file.sync().map_err(io_at(&self.path))?;
        let mut bytes = Vec::with_capacity((self.rows.len() - self.synced) * ROW_BYTES);
        for (number, row) in self.rows.iter().enumerate().skip(self.synced) {
            bytes.extend(row.encode(self.era, number));
        }
        let place = ((self.synced + 1) * ROW_BYTES) as u64;
        self.sidecar
            .write_at(place, &bytes)
            .map_err(io_at(&self.sidecar_path))?;
        self.synced = self.rows.len();
        Ok(())
    }

    /// Drops the blocks after a slot. First their rows, durably: a row vouches for its record.
    pub(super) fn truncate_after(&mut self, slot: Slot) -> Result<(), StoreError> {
        let keep = self.rows.partition_point(|row| row.slot <= slot);
        if keep == self.rows.len() {
            return Ok(());
        }
        self.end = self.rows[keep].offset;
        self.rows.truncate(keep);
        self.synced = self.synced.min(keep);
        let cut = || {
            self.sidecar.set_len(((keep + 1) * ROW_BYTES) as u64)?;
            self.sidecar.sync()
        };
        cut().map_err(io_at(&self.sidecar_path))?;
        let cut = || {
            self.file.set_len(self.end)?;
            self.file.sync()
        };
        cut().map_err(io_at(&self.path))?;
        // Rows that were not written yet must not be counted as synced.
        self.write_sidecar()
    }

    /// Appends the boundary state and the indices, and syncs. Returns the state's row and the
    /// length of the complete segment.
    pub(super) fn append_end(
        &self,
        spec: &Spec,
        kind: u16,
        slot: Slot,
        root: Root,
        ssz: &[u8],
    ) -> Result<(Row, Vec<u8>), StoreError> {
        let too_long = || {
            StoreError::Misuse(format!(
                "the state of slot {slot} has {} bytes, more than a record can hold",
                ssz.len()
            ))
        };
        let stored = e2store::compress(ssz);
        let mut bytes = record(kind, &stored).ok_or_else(too_long)?;
        let row = Row {
            slot,
            root,
            offset: self.end,
            stored: stored.len() as u32,
            ssz: u32::try_from(ssz.len()).map_err(|_| too_long())?,
            crc: crc32c::crc32c(&bytes),
        };
        let at = self.end + bytes.len() as u64;
        let indices = scan::indices(at, self.era, &self.rows, &row, spec).ok_or_else(too_long)?;
        bytes.extend(&indices);
        let write = || {
            self.file.write_at(self.end, &bytes)?;
            self.file.set_len(self.end + bytes.len() as u64)?;
            self.file.sync()
        };
        write().map_err(io_at(&self.path))?;
        Ok((row, indices))
    }
}

/// The sidecar of a growing segment.
pub(super) fn encode_rows(era: u64, rows: &[Row]) -> Vec<u8> {
    let mut bytes = Head { era, sealed: None }.encode().to_vec();
    for (number, row) in rows.iter().enumerate() {
        bytes.extend(row.encode(era, number));
    }
    bytes
}

/// The slots of an era's blocks.
pub(super) fn slots_of(spec: &Spec, era: u64) -> Result<Range<Slot>, StoreError> {
    let slots = spec.SLOTS_PER_HISTORICAL_ROOT;
    let end = era.checked_mul(slots);
    match (era.checked_sub(1), end) {
        (Some(previous), Some(end)) => Ok(previous * slots..end),
        (None, _) => Ok(0..0),
        _ => Err(StoreError::Misuse(format!("there is no era {era}"))),
    }
}
