//! [`HotFile`].

use crate::finalized::e2store::MAX_BLOCK_BYTES;
use crate::paths::{damaged, hot_file};
use crate::row_file::{Change, RowFile};
use crate::{Disk, StoreError, StoredBlock};
use consensus::Root;
use parking_lot::Mutex;
use rows::{BlockBytes, HotRow, Input, Row, RowError, decode, encode};
use ssz::Encode;

const ROWS: &str = "rows";
const BLOCKS: &str = "blocks";
const TALLY: &str = "tally";
const KEY: &[u8] = b"tally";

/// What the rows of a file add up to: redb does not say when it loses some.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Tally {
    /// Counts writes.
    generation: u64,
    count: u64,
    /// Exclusive or of the roots.
    roots: Root,
}

impl Tally {
    fn toggle(&mut self, root: Root) {
        self.roots ^= root;
    }
}

impl Row for Tally {
    const KIND: u8 = 21;

    fn write(&self, out: &mut Vec<u8>) {
        out.extend(self.generation.to_le_bytes());
        out.extend(self.count.to_le_bytes());
        out.extend(self.roots);
    }

    fn read(input: &mut Input) -> Result<Tally, RowError> {
        Ok(Tally {
            generation: input.u64()?,
            count: input.u64()?,
            roots: input.root()?,
        })
    }
}

/// Blocks of a run of epochs with their rows.
pub(crate) struct HotFile {
    file: RowFile,
    tally: Mutex<Tally>,
}

impl HotFile {
    /// Makes an empty file.
    pub(crate) fn create(disk: &dyn Disk, number: u64) -> Result<HotFile, StoreError> {
        Ok(HotFile {
            file: RowFile::create(disk, &hot_file(number))?,
            tally: Mutex::default(),
        })
    }

    /// Opens a file that has seen at least so many writes; gives all its rows.
    pub(crate) fn open(
        disk: &dyn Disk,
        number: u64,
        generation: u64,
    ) -> Result<(HotFile, Vec<HotRow>), StoreError> {
        let file = RowFile::open(disk, &hot_file(number))?;
        let path = file.path();
        let Some(bytes) = file.get(TALLY, KEY)? else {
            return Err(damaged(path, "its tally is missing"));
        };
        let tally: Tally = decode(TALLY, KEY, &bytes).map_err(|error| damaged(path, error))?;
        if tally.generation < generation {
            return Err(damaged(path, "its latest writes are missing"));
        }
        let mut found = Tally {
            generation: tally.generation,
            ..Tally::default()
        };
        let mut rows = Vec::new();
        file.scan(ROWS, |key, value| {
            let row: HotRow = decode(ROWS, key, value).map_err(|error| damaged(path, error))?;
            if key != row.row.root.as_slice() {
                return Err(damaged(path, "a row is at another block's key"));
            }
            found.count += 1;
            found.toggle(row.row.root);
            rows.push(row);
            // Damage may make a tree endless.
            match found.count > tally.count {
                true => Err(damaged(path, "it has rows too many")),
                false => Ok(()),
            }
        })?;
        if found != tally {
            return Err(damaged(path, "rows are missing"));
        }
        let tally = Mutex::new(tally);
        Ok((HotFile { file, tally }, rows))
    }

    /// Its path.
    pub(crate) fn path(&self) -> &str {
        self.file.path()
    }

    /// How many writes it has seen.
    pub(crate) fn generation(&self) -> u64 {
        self.tally.lock().generation
    }

    /// Adds blocks that are not there and removes some that are.
    pub(crate) fn write(
        &self,
        new: &[(HotRow, &consensus::SignedBeaconBlock)],
        old: &[Root],
        durable: bool,
    ) -> Result<(), StoreError> {
        let mut tally = self.tally.lock();
        let mut next = *tally;
        next.generation += 1;
        let mut changes = Vec::with_capacity(2 * (new.len() + old.len()) + 1);
        let mut change = |table, key: &[u8], value| {
            changes.push(Change {
                table,
                key: key.to_vec(),
                value,
            });
        };
        for (row, _) in new {
            let root = row.row.root;
            next.count += 1;
            next.toggle(root);
            change(
                ROWS,
                root.as_slice(),
                Some(encode(ROWS, root.as_slice(), row)),
            );
        }
        for root in old {
            next.count -= 1;
            next.toggle(*root);
            change(ROWS, root.as_slice(), None);
        }
        for (row, block) in new {
            let key = row.row.root;
            let packed = snap::raw::Encoder::new().compress_vec(&block.as_ssz_bytes());
            let packed = packed.map_err(|error| StoreError::Misuse(error.to_string()))?;
            let value = encode(BLOCKS, key.as_slice(), &BlockBytes(packed));
            change(BLOCKS, key.as_slice(), Some(value));
        }
        for root in old {
            change(BLOCKS, root.as_slice(), None);
        }
        change(TALLY, KEY, Some(encode(TALLY, KEY, &next)));
        self.file.write(durable, changes)?;
        *tally = next;
        Ok(())
    }

    /// Makes all writes survive a power cut.
    pub(crate) fn sync(&self) -> Result<(), StoreError> {
        self.file.sync()
    }

    /// The row of a block; `None` if the block is not there.
    pub(crate) fn row(&self, root: Root) -> Result<Option<HotRow>, StoreError> {
        let Some(bytes) = self.file.get(ROWS, root.as_slice())? else {
            return Ok(None);
        };
        decode(ROWS, root.as_slice(), &bytes)
            .map(Some)
            .map_err(|error| self.damage(root, error))
    }

    /// A block; `None` if it is not there.
    pub(crate) fn block(
        &self,
        root: Root,
        slot: consensus::Slot,
    ) -> Result<Option<StoredBlock>, StoreError> {
        let Some(bytes) = self.file.get(BLOCKS, root.as_slice())? else {
            return Ok(None);
        };
        let BlockBytes(packed) = decode(BLOCKS, root.as_slice(), &bytes)
            .map_err(|error: RowError| self.damage(root, error))?;
        let length = snap::raw::decompress_len(&packed);
        let length = length.map_err(|error| self.damage(root, error))?;
        if length as u64 > MAX_BLOCK_BYTES {
            return Err(self.damage(root, "it is longer than any block"));
        }
        let ssz = snap::raw::Decoder::new().decompress_vec(&packed);
        Ok(Some(StoredBlock {
            slot,
            root,
            ssz: ssz.map_err(|error| self.damage(root, error))?,
        }))
    }

    fn damage(&self, root: Root, what: impl std::fmt::Display) -> StoreError {
        damaged(self.path(), format!("block {root}: {what}"))
    }
}
