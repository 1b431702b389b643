//! Persistent lists: elements live in shared chunks, chunks in shared groups, and each level keeps
//! its Merkle root. A clone costs one reference count; a write copies one chunk, one group of 32
//! pointers and the spine, and forgets the roots above it.

mod plain;

pub use plain::{Plain, PlainChunk};

use crate::hashing::zero_hash;
use crate::pool::Pool;
use kernels::{Node, hash_pair};
use std::sync::{Arc, OnceLock};

/// Chunks per group, a power of two: deep enough that a write copies under 300 bytes of pointers.
const GROUP_DEPTH: u32 = 5;
const GROUP_LEN: usize = 1 << GROUP_DEPTH;

/// A root that is computed at most once between two writes.
#[derive(Clone, Debug, Default)]
pub struct Memo(OnceLock<Node>);

impl Memo {
    /// The kept root, or what `compute` gives, kept from now on.
    pub fn get_or(&self, compute: impl FnOnce() -> Node) -> Node {
        *self.0.get_or_init(compute)
    }

    /// Must be called by everything that changes what the root covers.
    pub fn forget(&mut self) {
        self.0 = OnceLock::new();
    }
}

/// A run of elements that is shared, copied and hashed as one.
pub trait Chunk: Clone + Default + Send + Sync {
    /// Depth of a full chunk's Merkle tree.
    const DEPTH: u32;
    /// Elements of a full chunk. All chunks of a list but the last are full.
    const CAPACITY: usize;
    /// Root of the chunk as a tree of `depth`, which is [`Self::DEPTH`] but in lists whose whole
    /// tree is shallower. The same for every call on the chunks of one list.
    fn root(&self, depth: u32) -> Node;
    /// Forgets the kept root.
    fn forget_root(&mut self);
}

#[derive(Clone, Debug)]
struct Group<C> {
    chunks: Vec<Arc<C>>,
    memo: Memo,
}

/// A persistent list of `C`'s elements. See the module's text.
#[derive(Clone, Debug)]
pub struct CowList<C> {
    groups: Arc<Vec<Arc<Group<C>>>>,
    len: usize,
    memo: Memo,
}

impl<C> Default for CowList<C> {
    fn default() -> Self {
        CowList {
            groups: Arc::default(),
            len: 0,
            memo: Memo::default(),
        }
    }
}

impl<C: Chunk> CowList<C> {
    /// A list of `len` elements in `chunks`, all full but the last.
    pub fn from_chunks(chunks: impl IntoIterator<Item = C>, len: usize) -> Self {
        let mut groups = Vec::new();
        let mut group = Vec::with_capacity(GROUP_LEN);
        for chunk in chunks {
            group.push(Arc::new(chunk));
            if group.len() == GROUP_LEN {
                groups.push(new_group(std::mem::replace(
                    &mut group,
                    Vec::with_capacity(GROUP_LEN),
                )));
            }
        }
        if !group.is_empty() {
            groups.push(new_group(group));
        }
        CowList {
            groups: Arc::new(groups),
            len,
            memo: Memo::default(),
        }
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are no elements.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The chunks in order.
    pub fn chunks(&self) -> impl Iterator<Item = &C> {
        self.groups
            .iter()
            .flat_map(|group| group.chunks.iter().map(|chunk| &**chunk))
    }

    /// The chunk that holds element `index`, and the element's place in it.
    pub fn locate(&self, index: usize) -> Option<(&C, usize)> {
        if index >= self.len {
            return None;
        }
        let chunk = index / C::CAPACITY;
        let group = &self.groups[chunk / GROUP_LEN];
        Some((&group.chunks[chunk % GROUP_LEN], index % C::CAPACITY))
    }

    /// The same for writing: the chunk becomes this list's own, and roots above it are forgotten.
    pub fn locate_mut(&mut self, index: usize) -> Option<(&mut C, usize)> {
        if index >= self.len {
            return None;
        }
        let chunk = self.own_chunk(index / C::CAPACITY);
        Some((chunk, index % C::CAPACITY))
    }

    /// The chunk that takes one more element, which the caller must push: the length has grown.
    pub fn grow(&mut self) -> &mut C {
        let index = self.len / C::CAPACITY;
        if self.len.is_multiple_of(C::CAPACITY) {
            let groups = Arc::make_mut(&mut self.groups);
            if index.is_multiple_of(GROUP_LEN) {
                groups.push(new_group(Vec::with_capacity(GROUP_LEN)));
            }
            let group = groups.last_mut().expect("a group was pushed for chunk 0");
            Arc::make_mut(group).chunks.push(Arc::new(C::default()));
        }
        self.len += 1;
        self.own_chunk(index)
    }

    /// All chunks for writing, in order; forgets every root.
    pub fn chunks_mut(&mut self) -> impl Iterator<Item = &mut C> {
        self.memo.forget();
        Arc::make_mut(&mut self.groups)
            .iter_mut()
            .flat_map(|group| {
                let group = Arc::make_mut(group);
                group.memo.forget();
                group.chunks.iter_mut().map(|chunk| {
                    let chunk = Arc::make_mut(chunk);
                    chunk.forget_root();
                    chunk
                })
            })
    }

    fn own_chunk(&mut self, index: usize) -> &mut C {
        self.memo.forget();
        let group = &mut Arc::make_mut(&mut self.groups)[index / GROUP_LEN];
        let group = Arc::make_mut(group);
        group.memo.forget();
        let chunk = Arc::make_mut(&mut group.chunks[index % GROUP_LEN]);
        chunk.forget_root();
        chunk
    }

    /// The root of the list as a tree of `depth`, without a length. Always called with the same
    /// depth on one list.
    pub fn root(&self, depth: u32) -> Node {
        self.memo.get_or(|| {
            if self.groups.is_empty() {
                return zero_hash(depth);
            }
            let group_roots = self
                .groups
                .iter()
                .map(|group| group.root(depth))
                .collect::<Vec<_>>();
            let group_depth = depth.min(C::DEPTH + GROUP_DEPTH);
            climb(group_roots, group_depth, depth)
        })
    }

    /// Computes the missing roots of groups through the pool, so that [`Self::root`] finds them.
    pub fn warm_root(&self, depth: u32, pool: &Pool) {
        pool.map(&self.groups, |group| group.root(depth));
    }
}

impl<C: Chunk> Group<C> {
    fn root(&self, depth: u32) -> Node {
        let chunk_depth = depth.min(C::DEPTH);
        self.memo.get_or(|| {
            let roots = self
                .chunks
                .iter()
                .map(|chunk| chunk.root(chunk_depth))
                .collect();
            climb(roots, chunk_depth, depth.min(C::DEPTH + GROUP_DEPTH))
        })
    }
}

fn new_group<C>(chunks: Vec<Arc<C>>) -> Arc<Group<C>> {
    Arc::new(Group {
        chunks,
        memo: Memo::default(),
    })
}

/// The root at depth `to` over nodes that are themselves roots of depth `from`; missing nodes are
/// empty subtrees.
fn climb(mut nodes: Vec<Node>, from: u32, to: u32) -> Node {
    for level in from..to {
        if nodes.len() == 1 {
            nodes[0] = hash_pair(&nodes[0], &zero_hash(level));
            continue;
        }
        if !nodes.len().is_multiple_of(2) {
            nodes.push(zero_hash(level));
        }
        kernels::hash_layer(&mut nodes);
        nodes.truncate(nodes.len() / 2);
    }
    assert!(nodes.len() == 1, "a list longer than its limit");
    nodes[0]
}
