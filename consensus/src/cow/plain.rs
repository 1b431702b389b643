//! Chunks of values without inner structure worth keeping: numbers, roots, eth1 votes.

use super::{Chunk, CowList, Memo};
use crate::containers::Eth1Data;
use crate::hashing::{HashTreeRoot, merkleize};
use crate::primitives::Root;
use kernels::Node;

/// A value that can fill a [`PlainChunk`].
pub trait Plain: HashTreeRoot + Copy + PartialEq + Send + Sync {
    /// Depth of a chunk's tree: how much is copied and hashed again for one write.
    const CHUNK_DEPTH: u32;
}

/// 1,024 numbers, 8 KiB: balances are written all at once or not at all.
impl Plain for u64 {
    const CHUNK_DEPTH: u32 = 8;
}

/// 64 roots, 2 KiB: every slot writes one root in three vectors.
impl Plain for Root {
    const CHUNK_DEPTH: u32 = 6;
}

/// 16 votes, 1 KiB.
impl Plain for Eth1Data {
    const CHUNK_DEPTH: u32 = 4;
}

/// A chunk of plain values.
#[derive(Clone, Debug)]
pub struct PlainChunk<T> {
    items: Vec<T>,
    memo: Memo,
}

impl<T> Default for PlainChunk<T> {
    fn default() -> Self {
        PlainChunk {
            items: Vec::new(),
            memo: Memo::default(),
        }
    }
}

impl<T: Plain> Chunk for PlainChunk<T> {
    const DEPTH: u32 = T::CHUNK_DEPTH;
    const CAPACITY: usize = T::PER_LEAF << T::CHUNK_DEPTH;

    fn root(&self, depth: u32) -> Node {
        self.memo
            .get_or(|| merkleize(T::leaves(&self.items), depth))
    }

    fn forget_root(&mut self) {
        self.memo.forget();
    }
}

impl<T: Plain> PlainChunk<T> {
    /// The values.
    pub fn items(&self) -> &[T] {
        &self.items
    }

    /// The values for writing. Reached through [`CowList`]'s writers only, which forget the roots.
    pub fn items_mut(&mut self) -> &mut [T] {
        &mut self.items
    }
}

impl<T: Plain> FromIterator<T> for CowList<PlainChunk<T>> {
    fn from_iter<I: IntoIterator<Item = T>>(items: I) -> Self {
        let mut items = items.into_iter();
        let mut chunks = Vec::new();
        let mut len = 0;
        loop {
            let chunk: Vec<T> = items.by_ref().take(PlainChunk::<T>::CAPACITY).collect();
            if chunk.is_empty() {
                return CowList::from_chunks(chunks, len);
            }
            len += chunk.len();
            chunks.push(PlainChunk {
                items: chunk,
                memo: Memo::default(),
            });
        }
    }
}

impl<T: Plain> CowList<PlainChunk<T>> {
    /// The value at `index`.
    pub fn get(&self, index: usize) -> Option<T> {
        self.locate(index).map(|(chunk, at)| chunk.items[at])
    }

    /// All values in order.
    pub fn iter(&self) -> impl Iterator<Item = T> {
        self.chunks().flat_map(|chunk| chunk.items.iter().copied())
    }

    /// Replaces the value at `index`; false if there is none.
    pub fn set(&mut self, index: usize, value: T) -> bool {
        if self.get(index) == Some(value) {
            return true;
        }
        match self.locate_mut(index) {
            Some((chunk, at)) => {
                chunk.items[at] = value;
                true
            }
            None => false,
        }
    }

    /// Appends a value. The caller keeps the list's limit.
    pub fn push(&mut self, value: T) {
        self.grow().items.push(value);
    }
}
