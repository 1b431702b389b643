//! The path every machine has, over `sha2` (ARMv8 instructions on aarch64), and the constants the other paths share.

use sha2::compress256;

use crate::Node;

/// The eight words SHA-256 starts from.
pub(crate) const INITIAL: [u32; 8] = [
    0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
];

/// The round constants of SHA-256.
#[cfg(target_arch = "x86_64")]
pub(crate) const K: [u32; 64] = [
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
];

/// Message schedule plus round constants of the block that ends every 64-byte message: it is always the same.
#[cfg(target_arch = "x86_64")]
pub(crate) const PADDING: [u32; 64] = padding_schedule();

/// The second block of a 64-byte message: the end bit, zeros, and the length of 512 bits.
const PADDING_BLOCK: [u8; 64] = {
    let mut block = [0; 64];
    block[0] = 0x80;
    block[62] = 2;
    block
};

/// The bit of each element of eight.
const LANE_BITS: [u32; 8] = [1, 2, 4, 8, 16, 32, 64, 128];

/// The words of a one-block message that follow its first eight: words 8 and 9, zeros, and word 15, its length in bits.
#[derive(Clone, Copy, Default)]
pub(crate) struct Tail {
    pub(crate) word8: u32,
    pub(crate) word9: u32,
    pub(crate) bits: u32,
}

#[cfg(target_arch = "x86_64")]
const fn padding_schedule() -> [u32; 64] {
    let mut w = [0u32; 64];
    w[0] = 0x8000_0000;
    w[15] = 512;
    let mut t = 16;
    while t < 64 {
        let (x, y) = (w[t - 15], w[t - 2]);
        let s0 = x.rotate_right(7) ^ x.rotate_right(18) ^ (x >> 3);
        let s1 = y.rotate_right(17) ^ y.rotate_right(19) ^ (y >> 10);
        w[t] = w[t - 16]
            .wrapping_add(s0)
            .wrapping_add(w[t - 7])
            .wrapping_add(s1);
        t += 1;
    }
    t = 0;
    while t < 64 {
        w[t] = w[t].wrapping_add(K[t]);
        t += 1;
    }
    w
}

/// What `sha2` hashes with, where that is known.
pub(crate) fn name() -> &'static str {
    #[cfg(target_arch = "aarch64")]
    if std::arch::is_aarch64_feature_detected!("sha2") {
        return "armv8";
    }
    "portable"
}

/// SHA-256 of a 64-byte node pair.
pub(crate) fn hash_pair(left: &Node, right: &Node) -> Node {
    let mut block = [0; 64];
    block[..32].copy_from_slice(left);
    block[32..].copy_from_slice(right);
    let mut state = INITIAL;
    compress256(&mut state, &[block.into(), PADDING_BLOCK.into()]);
    to_bytes(&state)
}

/// SHA-256 of the one-block message made of `seed` (eight big-endian words) and `tail`.
pub(crate) fn hash_tail(seed: &[u32; 8], tail: &Tail) -> Node {
    let mut block = [0; 64];
    block[..32].copy_from_slice(&to_bytes(seed));
    block[32..36].copy_from_slice(&tail.word8.to_be_bytes());
    block[36..40].copy_from_slice(&tail.word9.to_be_bytes());
    block[60..].copy_from_slice(&tail.bits.to_be_bytes());
    let mut state = INITIAL;
    compress256(&mut state, &[block.into()]);
    to_bytes(&state)
}

/// Swaps `low[k]` with its mirror `high[high.len() - 1 - k]` where the mirror's bit is set; the bit of `high[j]` is bit
/// `first_bit + j` of `bits`, lowest bit of a byte first.
///
/// A byte must follow the one with the last bit.
pub(crate) fn swap_mirrored(low: &mut [u32], high: &mut [u32], bits: &[u8], first_bit: usize) {
    let (low, low_rest) = low.as_chunks_mut::<8>();
    let (high_rest, high) = high.as_rchunks_mut::<8>();
    for (j, (a, b)) in low_rest.iter_mut().rev().zip(&mut *high_rest).enumerate() {
        let bit = first_bit + j;
        let mask = 0u32.wrapping_sub(u32::from(bits[bit / 8] >> (bit % 8)) & 1);
        let difference = (*a ^ *b) & mask;
        *a ^= difference;
        *b ^= difference;
    }
    let first_bit = first_bit + high_rest.len();
    let windows = bits[first_bit / 8..].windows(2);
    for ((low, high), window) in low.iter_mut().rev().zip(high).zip(windows) {
        let window = u32::from(u16::from_le_bytes([window[0], window[1]]));
        let chosen = window >> (first_bit % 8);
        // Whole arrays and no branches: the compiler turns this into vector code.
        let masks = LANE_BITS.map(|lane| if chosen & lane == lane { u32::MAX } else { 0 });
        low.reverse();
        for ((a, b), mask) in low.iter_mut().zip(high).zip(masks) {
            let difference = (*a ^ *b) & mask;
            *a ^= difference;
            *b ^= difference;
        }
        low.reverse();
    }
}

fn to_bytes(words: &[u32; 8]) -> Node {
    let mut bytes = [0; 32];
    for (bytes, word) in bytes.chunks_exact_mut(4).zip(words) {
        bytes.copy_from_slice(&word.to_be_bytes());
    }
    bytes
}
