//! The sidecar of a segment: where its records are, and what their bytes must hash to. It can be
//! rebuilt from the segment at any time. `FORMAT.md` draws it.

use super::e2store::HEAD_BYTES;
use consensus::{Root, Slot};

/// Bytes of the head and of a row.
pub(super) const ROW_BYTES: usize = 64;
const MAGIC: [u8; 8] = *b"FresnelX";
const FORM: u32 = 1;
/// Where the checksum of a head or a row is.
const CHECKED: usize = 60;

/// A record of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Row {
    /// Slot of the block or state.
    pub(super) slot: Slot,
    /// Root of the block or state.
    pub(super) root: Root,
    /// Where the record starts, bytes.
    pub(super) offset: u64,
    /// Bytes of its payload as stored.
    pub(super) stored: u32,
    /// Bytes of the SSZ.
    pub(super) ssz: u32,
    /// CRC-32C over the record, its head included.
    pub(super) crc: u32,
}

impl Row {
    /// Bytes of the record with its head.
    pub(super) fn record_length(&self) -> u64 {
        HEAD_BYTES + u64::from(self.stored)
    }

    /// Where the record ends, bytes; `None` if nowhere.
    pub(super) fn end(&self) -> Option<u64> {
        self.offset.checked_add(self.record_length())
    }

    /// The bytes of the row with this number. Its checksum covers era and number as well: no row is
    /// taken for another.
    pub(super) fn encode(&self, era: u64, number: usize) -> [u8; ROW_BYTES] {
        let mut bytes = [0; ROW_BYTES];
        bytes[..8].copy_from_slice(&self.slot.to_le_bytes());
        bytes[8..40].copy_from_slice(self.root.as_slice());
        bytes[40..48].copy_from_slice(&self.offset.to_le_bytes());
        bytes[48..52].copy_from_slice(&self.stored.to_le_bytes());
        bytes[52..56].copy_from_slice(&self.ssz.to_le_bytes());
        bytes[56..60].copy_from_slice(&self.crc.to_le_bytes());
        let crc = row_crc(&bytes, era, number);
        bytes[CHECKED..].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// Reads a row; `None` if its bytes are not what was written at this place.
    pub(super) fn decode(bytes: &[u8; ROW_BYTES], era: u64, number: usize) -> Option<Row> {
        let crc = row_crc(bytes, era, number);
        (u32_at(bytes, CHECKED) == crc).then(|| Row {
            slot: u64_at(bytes, 0),
            root: Root::from_slice(&bytes[8..40]),
            offset: u64_at(bytes, 40),
            stored: u32_at(bytes, 48),
            ssz: u32_at(bytes, 52),
            crc: u32_at(bytes, 56),
        })
    }
}

/// What the head of a sidecar says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    /// The era.
    pub(super) era: u64,
    /// What is known of a complete segment.
    pub(super) sealed: Option<Sealed>,
}

/// What is known of a complete segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sealed {
    /// Number of blocks: so many rows, and one more for the state, follow.
    pub(super) blocks: u64,
    /// Bytes of the segment.
    pub(super) length: u64,
    /// CRC-32C over the bytes of the segment that belong to no row.
    pub(super) rest_crc: u32,
}

impl Head {
    /// The bytes of the head.
    pub(super) fn encode(&self) -> [u8; ROW_BYTES] {
        let mut bytes = [0; ROW_BYTES];
        bytes[..8].copy_from_slice(&MAGIC);
        bytes[8..12].copy_from_slice(&FORM.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.era.to_le_bytes());
        if let Some(sealed) = self.sealed {
            bytes[12..16].copy_from_slice(&1u32.to_le_bytes());
            bytes[24..32].copy_from_slice(&sealed.blocks.to_le_bytes());
            bytes[32..40].copy_from_slice(&sealed.length.to_le_bytes());
            bytes[40..44].copy_from_slice(&sealed.rest_crc.to_le_bytes());
        }
        let crc = crc32c::crc32c(&bytes[..CHECKED]);
        bytes[CHECKED..].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// Reads a head; `None` if it is damaged or of another form.
    pub(super) fn decode(bytes: &[u8; ROW_BYTES]) -> Option<Head> {
        let whole = u32_at(bytes, CHECKED) == crc32c::crc32c(&bytes[..CHECKED]);
        if !whole || bytes[..8] != MAGIC || u32_at(bytes, 8) != FORM {
            return None;
        }
        Some(Head {
            era: u64_at(bytes, 16),
            sealed: (u32_at(bytes, 12) == 1).then(|| Sealed {
                blocks: u64_at(bytes, 24),
                length: u64_at(bytes, 32),
                rest_crc: u32_at(bytes, 40),
            }),
        })
    }
}

/// The sidecar of a complete segment: rows of the blocks, then the state's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sidecar {
    /// The era.
    pub(super) era: u64,
    /// Bytes of the segment.
    pub(super) length: u64,
    /// CRC-32C over the bytes of the segment that belong to no row.
    pub(super) rest_crc: u32,
    /// The blocks, in order of slots and of places.
    pub(super) blocks: Vec<Row>,
    /// The state, after all blocks.
    pub(super) state: Row,
}

impl Sidecar {
    /// All bytes of the file.
    pub(super) fn encode(&self) -> Vec<u8> {
        let head = Head {
            era: self.era,
            sealed: Some(Sealed {
                blocks: self.blocks.len() as u64,
                length: self.length,
                rest_crc: self.rest_crc,
            }),
        };
        let mut bytes = head.encode().to_vec();
        for (number, row) in self.rows().enumerate() {
            bytes.extend(row.encode(self.era, number));
        }
        bytes
    }

    /// Reads a whole file; `None` if any byte of it is not what was written.
    pub(super) fn decode(bytes: &[u8]) -> Option<Sidecar> {
        let (chunks, rest) = bytes.as_chunks::<ROW_BYTES>();
        let (head, rows) = chunks.split_first()?;
        let head = Head::decode(head)?;
        let sealed = head.sealed?;
        if !rest.is_empty() || rows.len() as u64 != sealed.blocks.checked_add(1)? {
            return None;
        }
        let rows = rows.iter().enumerate();
        let mut blocks = rows
            .map(|(number, row)| Row::decode(row, head.era, number))
            .collect::<Option<Vec<_>>>()?;
        let state = blocks.pop()?;
        Some(Sidecar {
            era: head.era,
            length: sealed.length,
            rest_crc: sealed.rest_crc,
            blocks,
            state,
        })
    }

    /// Bytes of the file.
    pub(super) fn encoded_length(&self) -> u64 {
        ((self.blocks.len() + 2) * ROW_BYTES) as u64
    }

    /// All rows, in order of their places.
    pub(super) fn rows(&self) -> impl Iterator<Item = &Row> {
        self.blocks.iter().chain([&self.state])
    }

    /// The parts of the segment that belong to no row: start and length, bytes.
    pub(super) fn rest(&self) -> Vec<(u64, u64)> {
        let mut parts = Vec::new();
        let mut at = 0;
        for row in self.rows() {
            if row.offset > at {
                parts.push((at, row.offset - at));
            }
            at = row.end().unwrap_or(u64::MAX);
        }
        if self.length > at {
            parts.push((at, self.length - at));
        }
        parts
    }

    /// Whether the rows lie in order inside the segment.
    pub(super) fn is_sound(&self) -> bool {
        let mut at = Some(0);
        for row in self.rows() {
            match at {
                Some(end) if row.offset >= end => at = row.end(),
                _ => return false,
            }
        }
        at.is_some_and(|end| end <= self.length)
    }
}

fn row_crc(bytes: &[u8; ROW_BYTES], era: u64, number: usize) -> u32 {
    let place = crc32c::crc32c_append(crc32c::crc32c(&era.to_le_bytes()), &number.to_le_bytes());
    crc32c::crc32c_append(place, &bytes[..CHECKED])
}

fn u64_at(bytes: &[u8; ROW_BYTES], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("8 bytes"))
}

fn u32_at(bytes: &[u8; ROW_BYTES], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("4 bytes"))
}
