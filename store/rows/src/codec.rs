//! The frame around every row, and strict reading of what is in it.
//!
//! A value is the row's kind (u8) and version (u8), a CRC-32C (u32), and the row. The checksum is
//! over the table's name, the key, kind, version and row: a value that turns up under another key
//! is found as well as one that was changed. All numbers are little-endian.

use consensus::{Checkpoint, Root};
use thiserror::Error;

/// Bytes of a frame before the row.
const HEAD: usize = 6;

/// What can be wrong with the bytes of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum RowError {
    /// It ends too early.
    #[error("a row is cut short")]
    CutShort,
    /// It is a row of another kind.
    #[error("a row is of kind {found} instead of {expected}")]
    Kind {
        /// What was asked for.
        expected: u8,
        /// What is there.
        found: u8,
    },
    /// It was written by another version of the program.
    #[error("a row is of version {found} instead of {expected}")]
    Version {
        /// What this program reads.
        expected: u8,
        /// What is there.
        found: u8,
    },
    /// It is not what was written, or was written under another key.
    #[error("a row does not match its checksum")]
    Checksum,
    /// Bytes are left over.
    #[error("a row is too long")]
    TooLong,
    /// A field holds what it never holds.
    #[error("a row holds an impossible {0}")]
    Value(&'static str),
}

/// A row with its byte form.
pub trait Row: Sized {
    /// Tells rows of different types apart.
    const KIND: u8;
    /// Counts changes of the byte form.
    const VERSION: u8 = 1;

    /// Appends the byte form.
    fn write(&self, out: &mut Vec<u8>);

    /// Reads the byte form from the front.
    fn read(input: &mut Input) -> Result<Self, RowError>;
}

impl<R: Row> Row for Option<R> {
    const KIND: u8 = R::KIND;
    const VERSION: u8 = R::VERSION;

    fn write(&self, out: &mut Vec<u8>) {
        out.push(u8::from(self.is_some()));
        if let Some(row) = self {
            row.write(out);
        }
    }

    fn read(input: &mut Input) -> Result<Self, RowError> {
        match input.bool()? {
            true => R::read(input).map(Some),
            false => Ok(None),
        }
    }
}

/// The framed bytes of a row that will be at a key of a table.
pub fn encode<R: Row>(table: &str, key: &[u8], row: &R) -> Vec<u8> {
    let mut bytes = vec![R::KIND, R::VERSION, 0, 0, 0, 0];
    row.write(&mut bytes);
    let crc = checksum(table, key, [R::KIND, R::VERSION], &bytes[HEAD..]);
    bytes[2..HEAD].copy_from_slice(&crc.to_le_bytes());
    bytes
}

/// The row of framed bytes that were at a key of a table.
pub fn decode<R: Row>(table: &str, key: &[u8], bytes: &[u8]) -> Result<R, RowError> {
    let Some((&[kind, version, a, b, c, d], rest)) = bytes.split_first_chunk::<HEAD>() else {
        return Err(RowError::CutShort);
    };
    // The checksum first: what follows speaks of other programs, not of damage.
    if checksum(table, key, [kind, version], rest) != u32::from_le_bytes([a, b, c, d]) {
        return Err(RowError::Checksum);
    }
    if kind != R::KIND {
        let expected = R::KIND;
        return Err(RowError::Kind {
            expected,
            found: kind,
        });
    }
    if version != R::VERSION {
        let expected = R::VERSION;
        return Err(RowError::Version {
            expected,
            found: version,
        });
    }
    read_whole(rest)
}

/// The row of bytes that hold nothing else, without a frame.
pub fn read_whole<R: Row>(bytes: &[u8]) -> Result<R, RowError> {
    let mut input = Input { rest: bytes };
    let row = R::read(&mut input)?;
    match input.rest.is_empty() {
        true => Ok(row),
        false => Err(RowError::TooLong),
    }
}

fn checksum(table: &str, key: &[u8], head: [u8; 2], row: &[u8]) -> u32 {
    // Lengths keep a table's end from being taken for a key's start.
    let mut crc = crc32c::crc32c(&(table.len() as u64).to_le_bytes());
    crc = crc32c::crc32c_append(crc, table.as_bytes());
    crc = crc32c::crc32c_append(crc, &(key.len() as u64).to_le_bytes());
    crc = crc32c::crc32c_append(crc, key);
    crc = crc32c::crc32c_append(crc, &head);
    crc32c::crc32c_append(crc, row)
}

/// Bytes of a row that have not been read yet.
pub struct Input<'a> {
    rest: &'a [u8],
}

impl<'a> Input<'a> {
    /// So many bytes.
    pub fn bytes(&mut self, length: usize) -> Result<&'a [u8], RowError> {
        let (bytes, rest) = self
            .rest
            .split_at_checked(length)
            .ok_or(RowError::CutShort)?;
        self.rest = rest;
        Ok(bytes)
    }

    /// All that is left.
    pub fn remaining(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.rest)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], RowError> {
        let (array, rest) = self.rest.split_first_chunk().ok_or(RowError::CutShort)?;
        self.rest = rest;
        Ok(*array)
    }

    /// A yes (1) or a no (0).
    pub fn bool(&mut self) -> Result<bool, RowError> {
        match self.array()? {
            [0] => Ok(false),
            [1] => Ok(true),
            _ => Err(RowError::Value("flag")),
        }
    }

    /// A number of four bytes.
    pub fn u32(&mut self) -> Result<u32, RowError> {
        self.array().map(u32::from_le_bytes)
    }

    /// A number of eight bytes.
    pub fn u64(&mut self) -> Result<u64, RowError> {
        self.array().map(u64::from_le_bytes)
    }

    /// A root.
    pub fn root(&mut self) -> Result<Root, RowError> {
        self.array().map(Root::new)
    }

    /// A checkpoint.
    pub fn checkpoint(&mut self) -> Result<Checkpoint, RowError> {
        Ok(Checkpoint {
            epoch: self.u64()?,
            root: self.root()?,
        })
    }

    /// A list: its length (u32), then its items, each of at least `size` bytes.
    pub fn list<T>(
        &mut self,
        size: usize,
        item: impl Fn(&mut Input<'a>) -> Result<T, RowError>,
    ) -> Result<Vec<T>, RowError> {
        let length = self.u32()? as usize;
        // Before anything is reserved for items that are not there.
        if self.rest.len() / size.max(1) < length {
            return Err(RowError::CutShort);
        }
        (0..length).map(|_| item(self)).collect()
    }
}
