//! The permanent index: what the store is, where its chain begins, how far it has come, the last
//! votes, and the slots of finalized blocks by their roots.

mod head;
mod roots;

pub(crate) use head::{Head, HotFileEntry, Identity, Place, SCHEMA, StateEntry};
pub(crate) use roots::RootMap;

use crate::paths::{self, INDEX, NEW_INDEX, damaged, io_at};
use crate::row_file::{Change, RowFile};
use crate::{Disk, OpenMode, StoreError};
use consensus::{Root, Slot, Spec};
use head::{PackedVotes, Pending};
use rows::{Row, VoteDump, decode, encode};
use std::io::Read;

const TABLE: &str = "index";
const IDENTITY: &[u8] = b"identity";
const HEAD: &[u8] = b"head";
const VOTES: &[u8] = b"votes";

/// Most bytes of a dump of votes: 4 bytes for each of several million validators.
const MAX_VOTES: u64 = 256 << 20;

/// The index.
pub(crate) struct Index {
    file: RowFile,
}

/// Changes of the index that belong together.
#[derive(Default)]
pub(crate) struct IndexChanges(Vec<Change>);

impl IndexChanges {
    fn put<R: Row>(&mut self, key: &[u8], row: &R) {
        self.0.push(Change {
            table: TABLE,
            key: key.to_vec(),
            value: Some(encode(TABLE, key, row)),
        });
    }

    /// The head; part of nearly every change.
    pub(crate) fn head(&mut self, head: &Head) {
        self.put(HEAD, head);
    }

    /// A dump of the votes.
    pub(crate) fn votes(&mut self, votes: &VoteDump) -> Result<(), StoreError> {
        let mut bytes = Vec::new();
        votes.write(&mut bytes);
        let packed = zstd::encode_all(&bytes[..], 1).map_err(io_at(INDEX))?;
        self.put(VOTES, &PackedVotes(packed));
        Ok(())
    }

    /// The blocks of a batch that became final.
    pub(crate) fn pending(&mut self, seq: u64, blocks: &[Place]) {
        self.put(&pending_key(seq), &Pending(blocks.to_vec()));
    }

    /// Those of a batch are all moved.
    pub(crate) fn remove_pending(&mut self, seq: u64) {
        self.0.push(Change {
            table: TABLE,
            key: pending_key(seq),
            value: None,
        });
    }
}

fn pending_key(seq: u64) -> Vec<u8> {
    [&b"pending/"[..], &seq.to_be_bytes()].concat()
}

impl Index {
    /// Makes the index. It appears under its name only when it is whole.
    pub(crate) fn create(
        disk: &dyn Disk,
        identity: &Identity,
        mut head: Head,
    ) -> Result<(), StoreError> {
        let index = Index {
            file: RowFile::create(disk, NEW_INDEX)?,
        };
        let mut changes = IndexChanges::default();
        changes.put(IDENTITY, identity);
        let first = [head.moved];
        index.add_roots(&mut head.roots, &first, 0, &mut changes)?;
        changes.head(&head);
        index.write(true, changes)?;
        drop(index);
        let file = disk.open(NEW_INDEX, OpenMode::Write);
        file.and_then(|file| file.sync())
            .map_err(io_at(NEW_INDEX))?;
        disk.rename(NEW_INDEX, INDEX).map_err(io_at(INDEX))?;
        disk.sync_folder("").map_err(io_at("the data folder"))
    }

    /// Opens it; `None` if there is none.
    pub(crate) fn open(disk: &dyn Disk) -> Result<Option<Index>, StoreError> {
        match paths::exists(disk, "", INDEX)? {
            true => Ok(Some(Index {
                file: RowFile::open(disk, INDEX)?,
            })),
            false => Ok(None),
        }
    }

    /// What the store is, if it is of this program's schema and of the network of `spec`.
    pub(crate) fn identity(&self, spec: &Spec) -> Result<Identity, StoreError> {
        let identity: Identity = self.expect(IDENTITY)?;
        identity.check(spec)?;
        Ok(identity)
    }

    /// How far the store has come.
    pub(crate) fn head(&self) -> Result<Head, StoreError> {
        self.expect(HEAD)
    }

    /// The last dump of the votes.
    pub(crate) fn votes(&self, head: &Head) -> Result<Option<VoteDump>, StoreError> {
        if !head.has_votes {
            return Ok(None);
        }
        let PackedVotes(packed) = self.expect(VOTES)?;
        let mut bytes = Vec::new();
        let decoder = zstd::Decoder::new(&packed[..]).map_err(io_at(INDEX))?;
        decoder
            .take(MAX_VOTES)
            .read_to_end(&mut bytes)
            .map_err(|error| damaged(INDEX, error))?;
        rows::read_whole(&bytes)
            .map(Some)
            .map_err(|error| damaged(INDEX, error))
    }

    /// The blocks of a batch that became final.
    pub(crate) fn pending(&self, seq: u64) -> Result<Vec<Place>, StoreError> {
        self.expect::<Pending>(&pending_key(seq))
            .map(|pending| pending.0)
    }

    /// Slots in which a finalized block with this root may be.
    pub(crate) fn slots_of(&self, roots: &RootMap, root: Root) -> Result<Vec<Slot>, StoreError> {
        let number = roots::bucket_of(root);
        if !roots.has(number) {
            return Ok(Vec::new());
        }
        let bucket: roots::Bucket = self.expect(&roots::key(number))?;
        Ok(bucket.slots_of(root))
    }

    /// Adds finalized blocks to those found by their roots; entries before `oldest` are dropped on
    /// the way.
    pub(crate) fn add_roots(
        &self,
        roots: &mut RootMap,
        blocks: &[Place],
        oldest: Slot,
        changes: &mut IndexChanges,
    ) -> Result<(), StoreError> {
        for (number, new) in roots::by_bucket(blocks) {
            let mut bucket = match roots.has(number) {
                true => self.expect(&roots::key(number))?,
                false => roots::Bucket::default(),
            };
            bucket.add(&new, oldest);
            roots.set(number);
            changes.put(&roots::key(number), &bucket);
        }
        Ok(())
    }

    /// Makes changes, all or none.
    pub(crate) fn write(&self, durable: bool, changes: IndexChanges) -> Result<(), StoreError> {
        self.file.write(durable, changes.0)
    }

    /// Keeps what is not durable from ever becoming so.
    pub(crate) fn abandon(&self) {
        self.file.abandon();
    }

    fn expect<R: Row>(&self, key: &[u8]) -> Result<R, StoreError> {
        let bytes = self.file.get(TABLE, key)?;
        let name = || String::from_utf8_lossy(key).into_owned();
        let bytes = bytes
            .ok_or_else(|| damaged(self.file.path(), format!("row {:?} is missing", name())))?;
        decode(TABLE, key, &bytes)
            .map_err(|error| damaged(self.file.path(), format!("row {:?}: {error}", name())))
    }
}
