//! Slots of finalized blocks by their roots.
//!
//! Entries are in buckets by the first bits of the root, and the head knows which buckets there are:
//! a root that is not found is known not to be there, and a bucket that redb does not find is damage.

use super::Place;
use consensus::{Root, Slot};
use rows::{Input, Row, RowError};
use std::collections::BTreeMap;

/// Number of buckets: 2.4 million blocks make 9 KB in each.
const BUCKETS: usize = 4096;

/// Which buckets there are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RootMap(Box<[u8; BUCKETS / 8]>);

impl Default for RootMap {
    fn default() -> RootMap {
        RootMap(Box::new([0; BUCKETS / 8]))
    }
}

impl RootMap {
    pub(super) fn has(&self, bucket: u16) -> bool {
        self.0[usize::from(bucket / 8)] & 1 << (bucket % 8) != 0
    }

    pub(super) fn set(&mut self, bucket: u16) {
        self.0[usize::from(bucket / 8)] |= 1 << (bucket % 8);
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        out.extend(&*self.0);
    }

    pub(super) fn read(input: &mut Input) -> Result<RootMap, RowError> {
        let mut map = RootMap::default();
        map.0.copy_from_slice(input.bytes(BUCKETS / 8)?);
        Ok(map)
    }
}

/// The bucket of a root.
pub(super) fn bucket_of(root: Root) -> u16 {
    u16::from_be_bytes([root[0], root[1]]) / (u16::MAX / BUCKETS as u16 + 1)
}

/// The key of a bucket.
pub(super) fn key(bucket: u16) -> Vec<u8> {
    [&b"roots/"[..], &bucket.to_be_bytes()].concat()
}

/// Blocks by the bucket they belong to.
pub(super) fn by_bucket(blocks: &[Place]) -> BTreeMap<u16, Vec<Place>> {
    let mut buckets: BTreeMap<u16, Vec<Place>> = BTreeMap::new();
    for block in blocks {
        buckets
            .entry(bucket_of(block.root))
            .or_default()
            .push(*block);
    }
    buckets
}

/// Entries, each eight bytes of a root and a slot, ascending. Several may be of the same eight
/// bytes: who asks compares the whole root with that of the slot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Bucket(Vec<(u64, Slot)>);

fn part(root: Root) -> u64 {
    u64::from_be_bytes(root[1..9].try_into().expect("8 bytes"))
}

impl Bucket {
    pub(super) fn slots_of(&self, root: Root) -> Vec<Slot> {
        let part = part(root);
        let start = self.0.partition_point(|entry| entry.0 < part);
        let same = self.0[start..].iter().take_while(|entry| entry.0 == part);
        same.map(|entry| entry.1).collect()
    }

    pub(super) fn add(&mut self, blocks: &[Place], oldest: Slot) {
        self.0.retain(|(_, slot)| *slot >= oldest);
        let new = blocks.iter().map(|block| (part(block.root), block.slot));
        self.0.extend(new);
        self.0.sort_unstable();
        self.0.dedup();
    }
}

impl Row for Bucket {
    const KIND: u8 = 16;

    fn write(&self, out: &mut Vec<u8>) {
        out.extend((self.0.len() as u32).to_le_bytes());
        for (part, slot) in &self.0 {
            out.extend(part.to_le_bytes());
            out.extend(slot.to_le_bytes());
        }
    }

    fn read(input: &mut Input) -> Result<Bucket, RowError> {
        let entries = input.list(16, |input| Ok((input.u64()?, input.u64()?)))?;
        match entries.is_sorted() {
            true => Ok(Bucket(entries)),
            false => Err(RowError::Value("order of roots")),
        }
    }
}
