//! A complete segment, opened for reading.

use super::e2store::{self, HEAD_BYTES, Header};
use super::files::{self, damaged, io_at};
use super::names;
use super::scan;
use super::sidecar::{ROW_BYTES, Row, Sidecar};
use crate::{Disk, DiskFile, OpenMode, StoreError};
use consensus::{Slot, Spec};
use parking_lot::Mutex;
use segment_map::SegmentMap;
use std::ops::{Deref, Range};
use std::sync::Arc;

/// Stored bytes that have been checked.
#[derive(Clone)]
pub(super) enum Stored {
    /// Part of a mapped segment.
    Mapped(Arc<Segment>, Range<usize>),
    /// Read, with the record's head before it.
    Read(Arc<[u8]>),
}

impl Deref for Stored {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Stored::Mapped(segment, range) => match &segment.bytes {
                Bytes::Map(map) => &map.as_ref()[range.clone()],
                Bytes::File(_) => unreachable!("only a mapped segment gives parts"),
            },
            Stored::Read(record) => &record[HEAD_BYTES as usize..],
        }
    }
}

enum Bytes {
    Map(SegmentMap),
    File(Arc<dyn DiskFile>),
}

/// A complete segment, opened for reading.
pub(super) struct Segment {
    path: String,
    bytes: Bytes,
    sidecar: Sidecar,
}

impl Segment {
    /// Opens the segment with this name. Its sidecar is made again if it is missing or damaged.
    /// Without `mapped` it is read piece by piece: then a failing disk is an error, not a signal.
    /// Sidecars are made again under `rebuilds`, one at a time.
    pub(super) fn open(
        disk: &dyn Disk,
        spec: &Arc<Spec>,
        name: &str,
        era: u64,
        mapped: bool,
        rebuilds: &Mutex<()>,
    ) -> Result<Segment, StoreError> {
        let path = names::path(name);
        let file = files::open(disk, &path, OpenMode::Read)?;
        let known = || -> Result<Option<Sidecar>, StoreError> {
            let sidecar = read_sidecar(disk, spec, name)?;
            Ok(sidecar.filter(|sidecar| sidecar.era == era))
        };
        let sidecar = match known()? {
            Some(sidecar) => sidecar,
            None => {
                let _turn = rebuilds.lock();
                // Somebody else may just have made it.
                match known()? {
                    Some(sidecar) => sidecar,
                    None => rebuild_sidecar(disk, spec, name, era, &*file)?,
                }
            }
        };
        let length = file.len().map_err(io_at(&path))?;
        if length != sidecar.length {
            let expected = sidecar.length;
            return Err(damaged(
                &path,
                format!("it has {length} bytes, not {expected}"),
            ));
        }
        let map = match mapped {
            true => disk.map(&path).map_err(io_at(&path))?,
            false => None,
        };
        let bytes = match map {
            Some(map) if map.as_ref().len() as u64 == length => Bytes::Map(map),
            _ => Bytes::File(file),
        };
        let segment = Segment {
            path,
            bytes,
            sidecar,
        };
        segment.check_rest()?;
        Ok(segment)
    }

    pub(super) fn path(&self) -> &str {
        &self.path
    }

    pub(super) fn sidecar(&self) -> &Sidecar {
        &self.sidecar
    }

    /// The payload of a row's record, checked.
    pub(super) fn read(self: &Arc<Segment>, row: &Row) -> Result<Stored, StoreError> {
        match &self.bytes {
            Bytes::Map(map) => {
                let start = row.offset as usize;
                let end = start + row.record_length() as usize;
                check(&self.path, row, &map.as_ref()[start..end])?;
                let payload = start + HEAD_BYTES as usize..end;
                Ok(Stored::Mapped(self.clone(), payload))
            }
            Bytes::File(file) => read_record(&**file, &self.path, row),
        }
    }

    /// Checks every record; the number of bytes read.
    pub(super) fn check_all(self: &Arc<Segment>) -> Result<u64, StoreError> {
        for row in self.sidecar.rows() {
            self.read(row)?;
        }
        Ok(self.sidecar.length)
    }

    /// Checks the bytes that belong to no row: the version, the indices, records that others added.
    fn check_rest(&self) -> Result<(), StoreError> {
        let mut crc = 0;
        for (start, length) in self.sidecar.rest() {
            crc = match &self.bytes {
                Bytes::Map(map) => {
                    let range = start as usize..(start + length) as usize;
                    crc32c::crc32c_append(crc, &map.as_ref()[range])
                }
                Bytes::File(file) => scan::crc_of(&**file, &self.path, start, length, crc)?,
            };
        }
        match crc == self.sidecar.rest_crc {
            true => Ok(()),
            false => Err(damaged(
                &self.path,
                "the version record or the indices at its end are not what was written",
            )),
        }
    }
}

/// Reads and checks the record of a row.
pub(super) fn read_record(
    file: &dyn DiskFile,
    path: &str,
    row: &Row,
) -> Result<Stored, StoreError> {
    let mut record = vec![0; row.record_length() as usize];
    file.read_at(row.offset, &mut record).map_err(io_at(path))?;
    check(path, row, &record)?;
    Ok(Stored::Read(record.into()))
}

/// Decompresses checked bytes.
pub(super) fn decompress(path: &str, row: &Row, stored: &[u8]) -> Result<Vec<u8>, StoreError> {
    let ssz = e2store::decompress(stored, row.offset, row.ssz.into())
        .map_err(|error| damaged(path, format!("{error} (slot {})", row.slot)))?;
    match ssz.len() == row.ssz as usize {
        true => Ok(ssz),
        false => Err(damaged(
            path,
            format!("the record of slot {} is too short", row.slot),
        )),
    }
}

fn check(path: &str, row: &Row, record: &[u8]) -> Result<(), StoreError> {
    if crc32c::crc32c(record) == row.crc {
        return Ok(());
    }
    Err(wrong_checksum(path, row.slot, row.offset))
}

fn wrong_checksum(path: &str, slot: Slot, at: u64) -> StoreError {
    damaged(
        path,
        format!("the record of slot {slot} at byte {at} is not what was written"),
    )
}

/// The checksum of a record from its parts.
pub(super) fn record_crc(head: [u8; 8], payload: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&head), payload)
}

/// A record as it is written.
pub(super) fn record(kind: u16, payload: &[u8]) -> Option<Vec<u8>> {
    let head = Header::encode(kind, u32::try_from(payload.len()).ok()?);
    Some([&head[..], payload].concat())
}

/// The sidecar of a segment; `None` if it is missing or damaged.
fn read_sidecar(disk: &dyn Disk, spec: &Spec, name: &str) -> Result<Option<Sidecar>, StoreError> {
    let path = names::path(&names::sidecar_name(name));
    let limit = (spec.SLOTS_PER_HISTORICAL_ROOT + 2).saturating_mul(ROW_BYTES as u64);
    match files::read_whole(disk, &path, limit) {
        Ok(bytes) => Ok(Sidecar::decode(&bytes).filter(Sidecar::is_sound)),
        Err(StoreError::Io { source, .. })
            if source.kind() != std::io::ErrorKind::NotFound
                && source.kind() != std::io::ErrorKind::UnexpectedEof =>
        {
            Err(io_at(&path)(source))
        }
        Err(_) => Ok(None),
    }
}

fn rebuild_sidecar(
    disk: &dyn Disk,
    spec: &Arc<Spec>,
    name: &str,
    era: u64,
    file: &dyn DiskFile,
) -> Result<Sidecar, StoreError> {
    let scanned = scan::scan(file, &names::path(name), spec)?;
    if scanned.sidecar.era != era {
        return Err(damaged(
            &names::path(name),
            format!("it holds era {}", scanned.sidecar.era),
        ));
    }
    let bytes = scanned.sidecar.encode();
    files::write_whole(disk, &names::sidecar_name(name), &bytes)?;
    files::sync_folder(disk)?;
    Ok(scanned.sidecar)
}
