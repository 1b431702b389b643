//! `beacon-chain.md#math` and `beacon-chain.md#crypto`.

use crate::primitives::{Hash32, Root};

/// `beacon-chain.md#integer_squareroot`: the largest `x` with `x * x <= n`. Integers only: a float
/// square root is off by one for some large `n`. The standard library's is exact up to `u64::MAX`.
pub fn integer_squareroot(n: u64) -> u64 {
    n.isqrt()
}

/// `beacon-chain.md#xor`
pub fn xor(bytes_1: &Root, bytes_2: &Root) -> Root {
    *bytes_1 ^ *bytes_2
}

/// `beacon-chain.md#bytes_to_uint64`: the first eight bytes, little-endian.
pub fn bytes_to_uint64(data: &[u8; 8]) -> u64 {
    u64::from_le_bytes(*data)
}

/// `beacon-chain.md#hash`: SHA-256.
pub fn hash(data: &[u8]) -> Hash32 {
    Hash32::from(kernels::sha256(data))
}
