//! `hash_tree_root`, `simple-serialize.md#merkleization`, over the kernels' layer hasher.

use crate::primitives::Root;
use alloy_primitives::FixedBytes;
use kernels::{Node, hash_layer, hash_pair};
use ssz_types::typenum::Unsigned;
use ssz_types::{BitList, BitVector, FixedVector, VariableList};
use std::sync::LazyLock;

/// Deepest tree of any phase-0 type: the validator registry's 2^40 leaves.
const MAX_DEPTH: usize = 48;

/// `ZERO_HASHES[d]` is the root of a tree of depth `d` with all leaves zero.
static ZERO_HASHES: LazyLock<[Node; MAX_DEPTH + 1]> = LazyLock::new(|| {
    let mut hashes = [[0; 32]; MAX_DEPTH + 1];
    for depth in 1..=MAX_DEPTH {
        hashes[depth] = hash_pair(&hashes[depth - 1], &hashes[depth - 1]);
    }
    hashes
});

/// Root of a tree of `depth` with all leaves zero. Depths up to 48.
pub fn zero_hash(depth: u32) -> Node {
    ZERO_HASHES[depth as usize]
}

/// From so many values on, their roots are computed together.
const BATCH_FROM: usize = 4;

/// `beacon-chain.md#hash_tree_root`
pub trait HashTreeRoot {
    /// How many values share one leaf: 1 but for basic types.
    const PER_LEAF: usize = 1;

    /// The Merkle root of the value.
    fn hash_tree_root(&self) -> Root;

    /// The roots of many values. Composites hash layer by layer over all values together, so that
    /// the multi-buffer kernels see hundreds of nodes at once: 128 attestations take half the time.
    fn roots(items: &[&Self]) -> Vec<Node> {
        items.iter().map(|item| item.hash_tree_root().0).collect()
    }

    /// The leaves of a sequence of such values: roots of composites; basic types pack.
    fn leaves(items: &[Self]) -> Vec<Node>
    where
        Self: Sized,
    {
        if items.len() < BATCH_FROM {
            return items.iter().map(|item| item.hash_tree_root().0).collect();
        }
        Self::roots(&items.iter().collect::<Vec<_>>())
    }
}

/// Depth of the smallest binary tree with at least `leaves` leaves.
pub fn tree_depth(leaves: usize) -> u32 {
    leaves.next_power_of_two().trailing_zeros()
}

/// `simple-serialize.md#merkleization`'s `merkleize`: the root of `leaves` in a tree of `depth`,
/// missing leaves zero. `leaves` is scratch space afterwards.
///
/// # Panics
/// If there are more than `2^depth` leaves: a length the decoder or the caller has bounded.
pub fn merkleize(mut leaves: Vec<Node>, depth: u32) -> Node {
    let mut len = leaves.len();
    assert!(
        depth >= tree_depth(len),
        "{len} leaves exceed a tree of depth {depth}"
    );
    if len == 0 {
        return zero_hash(depth);
    }
    if !len.is_multiple_of(2) {
        leaves.push(zero_hash(0));
    }
    let mut level = 0;
    while len > 1 {
        if !len.is_multiple_of(2) {
            leaves[len] = zero_hash(level);
            len += 1;
        }
        hash_layer(&mut leaves[..len]);
        len /= 2;
        level += 1;
    }
    let mut root = leaves[0];
    while level < depth {
        root = hash_pair(&root, &zero_hash(level));
        level += 1;
    }
    root
}

/// `simple-serialize.md#merkleization`'s `mix_in_length`.
pub fn mix_in_length(root: &Node, length: usize) -> Root {
    Root::from(hash_pair(root, &length_node(length)))
}

/// The root of a container from its fields' roots.
pub fn container_root<const N: usize>(fields: [Root; N]) -> Root {
    let mut nodes = [[0u8; 32]; 32];
    let width = N.next_power_of_two();
    for (node, field) in nodes.iter_mut().zip(&fields) {
        *node = field.0;
    }
    let mut len = width;
    while len > 1 {
        hash_layer(&mut nodes[..len]);
        len /= 2;
    }
    Root::from(nodes[0])
}

/// The roots of many containers of one type, from the roots of each field over all of them.
pub fn container_roots<const N: usize>(fields: &[Vec<Node>; N]) -> Vec<Node> {
    let width = N.next_power_of_two();
    let count = fields[0].len();
    let mut nodes = vec![[0u8; 32]; width * count];
    for (at, roots) in fields.iter().enumerate() {
        for (container, root) in nodes.chunks_exact_mut(width).zip(roots) {
            container[at] = *root;
        }
    }
    fold(nodes, width)
}

/// The roots of many trees of `width` leaves each, a power of two, one tree after the other.
fn fold(mut nodes: Vec<Node>, width: usize) -> Vec<Node> {
    for _ in 0..width.trailing_zeros() {
        hash_layer(&mut nodes);
        nodes.truncate(nodes.len() / 2);
    }
    nodes
}

/// Hashes every node with the sibling that `right` gives for its place.
fn pair_all(nodes: &[Node], right: impl Fn(usize) -> Node) -> Vec<Node> {
    let mut pairs = Vec::with_capacity(2 * nodes.len());
    for (at, node) in nodes.iter().enumerate() {
        pairs.push(*node);
        pairs.push(right(at));
    }
    fold(pairs, 2)
}

/// The node that `mix_in_length` puts beside a root.
fn length_node(length: usize) -> Node {
    let mut node = [0; 32];
    node[..8].copy_from_slice(&(length as u64).to_le_bytes());
    node
}

/// Splits bytes into leaves, the last one padded with zeros.
pub fn pack_bytes(bytes: &[u8]) -> Vec<Node> {
    bytes
        .chunks(32)
        .map(|chunk| {
            let mut leaf = [0; 32];
            leaf[..chunk.len()].copy_from_slice(chunk);
            leaf
        })
        .collect()
}

macro_rules! basic_root {
    ($($type:ty),*) => {$(
        impl HashTreeRoot for $type {
            const PER_LEAF: usize = 32 / size_of::<$type>();

            fn hash_tree_root(&self) -> Root {
                let mut leaf = [0; 32];
                leaf[..size_of::<$type>()].copy_from_slice(&self.to_le_bytes());
                Root::from(leaf)
            }

            fn leaves(items: &[Self]) -> Vec<Node> {
                items.chunks(Self::PER_LEAF).map(|chunk| {
                    let mut leaf = [0; 32];
                    for (at, item) in leaf.chunks_exact_mut(size_of::<$type>()).zip(chunk) {
                        at.copy_from_slice(&item.to_le_bytes());
                    }
                    leaf
                }).collect()
            }
        }
    )*};
}

basic_root!(u8, u16, u32, u64, u128);

impl HashTreeRoot for bool {
    const PER_LEAF: usize = 32;

    fn hash_tree_root(&self) -> Root {
        u8::from(*self).hash_tree_root()
    }

    fn leaves(items: &[Self]) -> Vec<Node> {
        pack_bytes(&items.iter().map(|&bit| u8::from(bit)).collect::<Vec<_>>())
    }
}

impl<const N: usize> HashTreeRoot for FixedBytes<N> {
    fn hash_tree_root(&self) -> Root {
        if N <= 32 {
            let mut leaf = [0; 32];
            leaf[..N].copy_from_slice(&self.0);
            return Root::from(leaf);
        }
        let mut nodes = [[0u8; 32]; 4];
        for (node, chunk) in nodes.iter_mut().zip(self.0.chunks(32)) {
            node[..chunk.len()].copy_from_slice(chunk);
        }
        let mut len = N.div_ceil(32).next_power_of_two();
        while len > 1 {
            hash_layer(&mut nodes[..len]);
            len /= 2;
        }
        Root::from(nodes[0])
    }

    fn roots(items: &[&Self]) -> Vec<Node> {
        let width = N.div_ceil(32).next_power_of_two();
        let mut nodes = vec![[0u8; 32]; width * items.len()];
        for (item, leaves) in items.iter().zip(nodes.chunks_exact_mut(width)) {
            for (leaf, chunk) in leaves.iter_mut().zip(item.0.chunks(32)) {
                leaf[..chunk.len()].copy_from_slice(chunk);
            }
        }
        fold(nodes, width)
    }
}

impl<T: HashTreeRoot, N: Unsigned> HashTreeRoot for VariableList<T, N> {
    fn hash_tree_root(&self) -> Root {
        let depth = tree_depth(N::to_usize().div_ceil(T::PER_LEAF));
        mix_in_length(&merkleize(T::leaves(self), depth), self.len())
    }
}

impl<T: HashTreeRoot, N: Unsigned> HashTreeRoot for FixedVector<T, N> {
    fn hash_tree_root(&self) -> Root {
        let depth = tree_depth(N::to_usize().div_ceil(T::PER_LEAF));
        Root::from(merkleize(T::leaves(self), depth))
    }
}

impl<N: Unsigned + Clone> HashTreeRoot for BitList<N> {
    fn hash_tree_root(&self) -> Root {
        let bytes = &self.as_slice()[..self.len().div_ceil(8)];
        let depth = tree_depth(N::to_usize().div_ceil(256));
        mix_in_length(&merkleize(pack_bytes(bytes), depth), self.len())
    }

    /// Together as long as no list has more than one leaf, 256 bits.
    fn roots(items: &[&Self]) -> Vec<Node> {
        if items.iter().any(|item| item.len() > 256) {
            return items.iter().map(|item| item.hash_tree_root().0).collect();
        }
        let mut nodes = vec![[0u8; 32]; items.len()];
        for (node, item) in nodes.iter_mut().zip(items) {
            let bytes = &item.as_slice()[..item.len().div_ceil(8)];
            node[..bytes.len()].copy_from_slice(bytes);
        }
        for level in 0..tree_depth(N::to_usize().div_ceil(256)) {
            nodes = pair_all(&nodes, |_| zero_hash(level));
        }
        pair_all(&nodes, |at| length_node(items[at].len()))
    }
}

impl<N: Unsigned + Clone> HashTreeRoot for BitVector<N> {
    fn hash_tree_root(&self) -> Root {
        let depth = tree_depth(N::to_usize().div_ceil(256));
        Root::from(merkleize(pack_bytes(self.as_slice()), depth))
    }
}
