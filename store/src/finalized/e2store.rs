//! The e2store form: a sequence of records, each a type, a length and a payload. Era files are made
//! of it, and the segments of finalized history.

use consensus::Slot;
use snap::read::FrameDecoder;
use std::io::{self, Read, Write};
use thiserror::Error;

/// Type of the empty record that starts a file.
pub const VERSION: u16 = u16::from_le_bytes(*b"e2");
/// Type of a snappy-framed signed block.
pub const SIGNED_BLOCK: u16 = 0x0001;
/// Type of a snappy-framed state.
pub const STATE: u16 = 0x0002;
/// Type of an index by slot.
pub const SLOT_INDEX: u16 = u16::from_le_bytes(*b"i2");

/// Bytes of a record before its payload.
pub const HEAD_BYTES: u64 = 8;
/// Most bytes of a block's SSZ: the specification's `MAX_PAYLOAD_SIZE`.
pub const MAX_BLOCK_BYTES: u64 = 10 * 1024 * 1024;
/// Most bytes of a state's SSZ: one of several million validators.
pub const MAX_STATE_BYTES: u64 = 1 << 30;

/// What can be wrong with a file of records; offsets are bytes from its start.
#[derive(Debug, Error)]
pub enum RecordError {
    /// The file ends within a record.
    #[error("the file ends in the middle of a record (after byte {after})")]
    CutShort {
        /// Where the record ought to end.
        after: u64,
    },
    /// Reserved bytes of a head are not zero.
    #[error("the record at byte {at} has an invalid head")]
    InvalidHead {
        /// Where the record starts.
        at: u64,
    },
    /// A payload is longer than anything of its type.
    #[error("the record at byte {at} holds more than {limit} bytes")]
    TooLong {
        /// Where the record starts.
        at: u64,
        /// Most bytes of its type.
        limit: u64,
    },
    /// A payload is not what snappy makes.
    #[error("the record at byte {at} does not decompress")]
    NotSnappy {
        /// Where the record starts.
        at: u64,
    },
    /// An index has other than one entry for each slot of its count.
    #[error("the record at byte {at} is no slot index")]
    NotIndex {
        /// Where the record starts.
        at: u64,
    },
    /// The file cannot be read.
    #[error("the file cannot be read: {0}")]
    Io(#[from] io::Error),
}

/// The head of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Type of the record.
    pub kind: u16,
    /// Bytes of its payload.
    pub length: u32,
    /// Where in the file the record starts, bytes.
    pub offset: u64,
}

impl Header {
    /// The bytes of a head.
    pub fn encode(kind: u16, length: u32) -> [u8; 8] {
        let mut bytes = [0; 8];
        bytes[..2].copy_from_slice(&kind.to_le_bytes());
        bytes[2..6].copy_from_slice(&length.to_le_bytes());
        bytes
    }

    /// Reads a head; `None` if its reserved bytes are not zero.
    pub fn decode(bytes: [u8; 8], offset: u64) -> Option<Header> {
        let [k0, k1, l0, l1, l2, l3, 0, 0] = bytes else {
            return None;
        };
        Some(Header {
            kind: u16::from_le_bytes([k0, k1]),
            length: u32::from_le_bytes([l0, l1, l2, l3]),
            offset,
        })
    }

    /// Where the record ends, bytes from the start of the file.
    pub fn end(&self) -> u64 {
        self.offset + HEAD_BYTES + u64::from(self.length)
    }
}

/// Reads the records of a file one after the other.
pub struct Records<R> {
    reader: R,
    offset: u64,
}

impl<R: Read> Records<R> {
    /// From the first record on.
    pub fn new(reader: R) -> Records<R> {
        Records::at(reader, 0)
    }

    /// From a reader that stands at this byte of the file, where a record starts.
    pub fn at(reader: R, offset: u64) -> Records<R> {
        Records { reader, offset }
    }

    /// The head of the next record, whose payload must then be read or skipped. `None` at the end.
    pub fn next_header(&mut self) -> Result<Option<Header>, RecordError> {
        let mut bytes = Vec::with_capacity(8);
        let mut reader = self.reader.by_ref().take(HEAD_BYTES);
        reader.read_to_end(&mut bytes)?;
        let head: [u8; 8] = match bytes.len() {
            0 => return Ok(None),
            8 => bytes.try_into().expect("8 bytes"),
            _ => return Err(self.cut_short()),
        };
        let header = Header::decode(head, self.offset)
            .ok_or(RecordError::InvalidHead { at: self.offset })?;
        self.offset = header.end();
        Ok(Some(header))
    }

    /// Passes over the payload of a record.
    pub fn skip(&mut self, header: Header) -> Result<(), RecordError> {
        let mut payload = self.reader.by_ref().take(header.length.into());
        match io::copy(&mut payload, &mut io::sink())? == u64::from(header.length) {
            true => Ok(()),
            false => Err(self.cut_short()),
        }
    }

    /// The payload of a record as it is stored, at most `limit` bytes.
    pub fn payload(&mut self, header: Header, limit: u64) -> Result<Vec<u8>, RecordError> {
        let at = header.offset;
        let length = u64::from(header.length);
        if length > limit {
            return Err(RecordError::TooLong { at, limit });
        }
        // Grows with what is there, not with what the head claims.
        let mut bytes = Vec::new();
        self.reader.by_ref().take(length).read_to_end(&mut bytes)?;
        match bytes.len() as u64 == length {
            true => Ok(bytes),
            false => Err(self.cut_short()),
        }
    }

    /// The decompressed payload of a record, at most `limit` bytes.
    pub fn decompress(&mut self, header: Header, limit: u64) -> Result<Vec<u8>, RecordError> {
        let stored = self.payload(header, max_stored_bytes(limit))?;
        decompress(&stored, header.offset, limit)
    }

    fn cut_short(&self) -> RecordError {
        RecordError::CutShort { after: self.offset }
    }
}

/// Most stored bytes of a payload whose decompressed length has a limit: every encoder may store
/// what does not compress as it is, in short chunks too.
pub(super) fn max_stored_bytes(limit: u64) -> u64 {
    limit + limit / 4 + 1024
}

/// Decompresses the payload of the record at `at`.
pub(super) fn decompress(stored: &[u8], at: u64, limit: u64) -> Result<Vec<u8>, RecordError> {
    let mut bytes = Vec::new();
    let read = FrameDecoder::new(stored)
        .take(limit + 1)
        .read_to_end(&mut bytes);
    match read {
        Ok(_) if bytes.len() as u64 > limit => Err(RecordError::TooLong { at, limit }),
        Ok(_) => Ok(bytes),
        Err(_) => Err(RecordError::NotSnappy { at }),
    }
}

/// Compresses into frames of 64 KiB. All Fresnel nodes hold the same bytes because of this one
/// encoder: another version of it is another form of the store.
pub(super) fn compress(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = snap::write::FrameEncoder::new(Vec::with_capacity(bytes.len() / 2 + 64));
    encoder.write_all(bytes).expect("memory takes all bytes");
    encoder.into_inner().expect("memory takes all bytes")
}

/// Where the records of a run of slots are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlotIndex {
    /// The slot of the first entry.
    pub start_slot: Slot,
    /// For each slot, the start of its record relative to the start of the index's own record,
    /// bytes; 0 if there is none.
    pub offsets: Vec<i64>,
}

impl SlotIndex {
    /// The whole record.
    pub fn encode(&self) -> Vec<u8> {
        let length = (self.offsets.len() + 2) * 8;
        let mut bytes = Header::encode(SLOT_INDEX, length as u32).to_vec();
        bytes.extend(self.start_slot.to_le_bytes());
        bytes.extend(self.offsets.iter().flat_map(|offset| offset.to_le_bytes()));
        bytes.extend((self.offsets.len() as u64).to_le_bytes());
        bytes
    }

    /// Reads the payload of an index record at `at`.
    pub fn decode(payload: &[u8], at: u64) -> Result<SlotIndex, RecordError> {
        let (words, rest) = payload.as_chunks::<8>();
        let [start, offsets @ .., count] = words else {
            return Err(RecordError::NotIndex { at });
        };
        if !rest.is_empty() || u64::from_le_bytes(*count) != offsets.len() as u64 {
            return Err(RecordError::NotIndex { at });
        }
        Ok(SlotIndex {
            start_slot: Slot::from_le_bytes(*start),
            offsets: offsets
                .iter()
                .map(|word| i64::from_le_bytes(*word))
                .collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(kind: [u8; 2], payload: &[u8]) -> Vec<u8> {
        let head = Header::encode(u16::from_le_bytes(kind), payload.len() as u32);
        [&head[..], payload].concat()
    }

    /// The payloads of all block records.
    fn blocks(file: &[u8], limit: u64) -> Result<Vec<Vec<u8>>, RecordError> {
        let mut records = Records::new(file);
        let mut blocks = Vec::new();
        while let Some(header) = records.next_header()? {
            match header.kind {
                SIGNED_BLOCK => blocks.push(records.decompress(header, limit)?),
                _ => records.skip(header)?,
            }
        }
        Ok(blocks)
    }

    #[test]
    fn records_are_read_or_skipped() {
        let mut file = record(*b"e2", &[]);
        file.extend(record([1, 0], &compress(b"one")));
        file.extend(record(*b"i2", &[7; 20]));
        file.extend(record([1, 0], &compress(&vec![9; 200_000])));
        let found = blocks(&file, 200_000).expect("whole");
        assert_eq!(found, [b"one".to_vec(), vec![9; 200_000]]);
        let refused = blocks(&file, 199_999);
        assert!(
            matches!(refused, Err(RecordError::TooLong { at: 65, .. })),
            "{refused:?}"
        );
        for cut in 0..file.len() {
            // Whole records may be missing, half ones are an error.
            let cut_at_record = [0, 8, 8 + 8 + compress(b"one").len()];
            let result = blocks(&file[..cut], 200_000);
            let fine = cut_at_record.contains(&cut) || cut == cut_at_record[2] + 28;
            assert_eq!(result.is_ok(), fine, "cut at {cut}: {result:?}");
        }
    }

    #[test]
    fn every_flipped_byte_of_a_block_is_noticed() {
        let block = b"some block that is not long".to_vec();
        let file = record([1, 0], &compress(&block));
        for at in 0..file.len() {
            let mut damaged = file.clone();
            damaged[at] ^= 1;
            let result = blocks(&damaged, 1000);
            assert!(
                !matches!(&result, Ok(found) if *found == [block.clone()]),
                "byte {at}"
            );
        }
    }

    #[test]
    fn a_claimed_length_allocates_nothing() {
        let file = record([1, 0], &[])[..2].to_vec();
        let head = [&file[..], &u32::MAX.to_le_bytes(), &[0, 0]].concat();
        let mut records = Records::new(&head[..]);
        let header = records.next_header().expect("a head").expect("a head");
        let refused = records.payload(header, u64::MAX);
        assert!(matches!(refused, Err(RecordError::CutShort { .. })));
    }

    #[test]
    fn the_encoder_is_the_pinned_one() {
        let bytes: Vec<u8> = (0..150_000_u32)
            .map(|at| (at / 700 * at % 61) as u8)
            .collect();
        let stored = compress(&bytes);
        let read = decompress(&stored, 0, bytes.len() as u64).expect("its own frames");
        assert_eq!(read, bytes);
        // Another value here is another form of the store: nodes would no longer hold equal bytes.
        assert_eq!(
            (stored.len(), crc32c::crc32c(&stored)),
            (PINNED.0, PINNED.1)
        );
        let mut lengths = Vec::new();
        let mut rest = &stored[10..];
        while let [_, a, b, c, after @ ..] = rest {
            let length = u32::from_le_bytes([*a, *b, *c, 0]) as usize;
            let frame = [&stored[..10], &rest[..4 + length]].concat();
            lengths.push(decompress(&frame, 0, 1 << 16).expect("one frame").len());
            rest = &after[length..];
        }
        assert_eq!(lengths, [1 << 16, 1 << 16, 150_000 - (2 << 16)]);
    }

    const PINNED: (usize, u32) = (16_007, 934_445_732);

    #[test]
    fn indices_read_back() {
        let index = SlotIndex {
            start_slot: 64,
            offsets: vec![-500, 0, -3],
        };
        let bytes = index.encode();
        assert_eq!(bytes.len(), 8 + 5 * 8);
        assert_eq!(SlotIndex::decode(&bytes[8..], 0).expect("an index"), index);
        for cut in 8..bytes.len() {
            assert!(SlotIndex::decode(&bytes[8..cut], 0).is_err(), "{cut}");
        }
    }
}
