//! Hashing of Merkle nodes and whole-list shuffling: the only unsafe arithmetic of the project.
//!
//! The fastest code path of the CPU is picked at run time, see [`Engine`]; every path gives the same results as `sha2`
//! and as the specification's per-index shuffle. No function keeps state or does I/O.

#![deny(unsafe_code, clippy::undocumented_unsafe_blocks)]

#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code, reason = "vector instructions, loads and stores")]
mod avx2;
#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code, reason = "vector instructions, loads and stores")]
mod avx512;
mod engine;
#[cfg(target_arch = "x86_64")]
mod lanes;
mod portable;
#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code, reason = "vector instructions, loads and stores")]
mod sha_ni;
mod shuffle;
#[cfg(test)]
mod tests;

use sha2::{Digest, Sha256};

pub use engine::Engine;

/// A Merkle tree node: a SHA-256 digest or a chunk of 32 bytes.
pub type Node = [u8; 32];

/// SHA-256 of a 64-byte node pair.
pub fn hash_pair(left: &Node, right: &Node) -> Node {
    Engine::fastest().hash_pair(left, right)
}

/// One Merkle layer in place: for `n = nodes.len() / 2`, `nodes[i] = H(nodes[2i] || nodes[2i + 1])` for `i < n`. What the
/// upper half then holds is not specified.
///
/// # Panics
/// If the number of nodes is odd.
pub fn hash_layer(nodes: &mut [Node]) {
    Engine::fastest().hash_layer(nodes);
}

/// One Merkle layer: `out[i] = H(nodes[2i] || nodes[2i + 1])`.
///
/// # Panics
/// If `nodes.len() != 2 * out.len()`.
pub fn hash_layer_into(nodes: &[Node], out: &mut [Node]) {
    Engine::fastest().hash_layer_into(nodes, out);
}

/// SHA-256 of any bytes.
pub fn sha256(bytes: &[u8]) -> Node {
    Sha256::digest(bytes).into()
}

/// Swap-or-not shuffle of a whole list: afterwards `list[i] == old_list[compute_shuffled_index(i, list.len(), seed)]`
/// with `rounds` rounds (`beacon-chain.md#compute_shuffled_index`), so that a committee is a slice of the result.
///
/// # Panics
/// If the list has more than 2^40 elements, the limit of the specification.
pub fn shuffle_list(list: &mut [u32], seed: &Node, rounds: u8) {
    Engine::fastest().shuffle_list(list, seed, rounds);
}

/// Which hashing implementation was picked at run time, for `--version`: for example "avx512 x16 + sha-ni x2".
pub fn implementation() -> &'static str {
    Engine::fastest().name()
}
