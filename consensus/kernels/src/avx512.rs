//! Sixteen messages at once with AVX-512.

use std::arch::x86_64::*;

use crate::Node;
use crate::lanes::{each_of_16, multi_buffer};
use crate::portable::{INITIAL, K, PADDING, Tail};

/// Proof that this CPU has the AVX-512 instructions used here.
#[derive(Clone, Copy)]
pub(crate) struct Avx512(());

impl Avx512 {
    /// `None` if the CPU lacks an instruction.
    pub(crate) fn detect() -> Option<Self> {
        let present = is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512bw");
        present.then_some(Avx512(()))
    }

    /// `out[i]` = SHA-256 of `pairs[i]`.
    pub(crate) fn hash_16_pairs(self, pairs: &[[Node; 2]; 16], out: &mut [Node; 16]) {
        // SAFETY: `detect` saw avx512f and avx512bw, or there would be no `self`.
        unsafe { hash_pairs::<1>(pairs, out) }
    }

    /// `out[i]` = SHA-256 of `pairs[i]`.
    pub(crate) fn hash_32_pairs(self, pairs: &[[Node; 2]; 32], out: &mut [Node; 32]) {
        // SAFETY: as above.
        unsafe { hash_pairs::<2>(pairs, out) }
    }

    /// `out[i]` = SHA-256 of `seed` and `tails[i]`.
    pub(crate) fn hash_16_tails(self, seed: &[u32; 8], tails: &[Tail; 16], out: &mut [Node; 16]) {
        // SAFETY: as above.
        unsafe { hash_tails::<1>(seed, tails, out) }
    }

    /// `out[i]` = SHA-256 of `seed` and `tails[i]`.
    pub(crate) fn hash_32_tails(self, seed: &[u32; 8], tails: &[Tail; 32], out: &mut [Node; 32]) {
        // SAFETY: as above.
        unsafe { hash_tails::<2>(seed, tails, out) }
    }

    /// As [`crate::portable::swap_mirrored`], for whole chunks.
    pub(crate) fn swap_mirrored(
        self,
        low: &mut [[u32; 16]],
        high: &mut [[u32; 16]],
        bits: &[u8],
        first_bit: usize,
    ) {
        // SAFETY: as above.
        unsafe { swap_mirrored(low, high, bits, first_bit) }
    }
}

multi_buffer!("avx512f,avx512bw", __m512i);

#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn splat(value: u32) -> __m512i {
    _mm512_set1_epi32(value.cast_signed())
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn add(x: __m512i, y: __m512i) -> __m512i {
    _mm512_add_epi32(x, y)
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn xor3(x: __m512i, y: __m512i, z: __m512i) -> __m512i {
    _mm512_ternarylogic_epi32::<0x96>(x, y, z)
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn choose(x: __m512i, y: __m512i, z: __m512i) -> __m512i {
    _mm512_ternarylogic_epi32::<0xca>(x, y, z)
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn majority(x: __m512i, y: __m512i, z: __m512i) -> __m512i {
    _mm512_ternarylogic_epi32::<0xe8>(x, y, z)
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn rotate<const N: i32>(x: __m512i) -> __m512i {
    _mm512_ror_epi32::<N>(x)
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn shift<const N: u32>(x: __m512i) -> __m512i {
    _mm512_srli_epi32::<N>(x)
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn load_words(words: &[u32; 16]) -> __m512i {
    // SAFETY: the 64 bytes read are those of `words`; the load needs no alignment.
    unsafe { _mm512_loadu_si512(words.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn store_words(words: &mut [u32; 16], value: __m512i) {
    // SAFETY: the 64 bytes written are those of `words`; the store needs no alignment.
    unsafe { _mm512_storeu_si512(words.as_mut_ptr().cast(), value) }
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn load_pair(pair: &[Node; 2]) -> __m512i {
    // SAFETY: the 64 bytes read are those of `pair`; the load needs no alignment.
    unsafe { _mm512_loadu_si512(pair.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn store_node(node: &mut Node, value: __m256i) {
    // SAFETY: the 32 bytes written are those of `node`; the store needs no alignment.
    unsafe { _mm256_storeu_si256(node.as_mut_ptr().cast(), value) }
}

/// Swaps the bytes of each word.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn swap_bytes(x: __m512i) -> __m512i {
    let order = _mm_set_epi8(12, 13, 14, 15, 8, 9, 10, 11, 4, 5, 6, 7, 0, 1, 2, 3);
    _mm512_shuffle_epi8(x, _mm512_broadcast_i32x4(order))
}

/// Transposes the 4x4 words in each quarter: quarter `q` of result `j` is column `j` of the quarters `q`.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn transpose_quarters(rows: [__m512i; 4]) -> [__m512i; 4] {
    let low01 = _mm512_unpacklo_epi32(rows[0], rows[1]);
    let high01 = _mm512_unpackhi_epi32(rows[0], rows[1]);
    let low23 = _mm512_unpacklo_epi32(rows[2], rows[3]);
    let high23 = _mm512_unpackhi_epi32(rows[2], rows[3]);
    [
        _mm512_unpacklo_epi64(low01, low23),
        _mm512_unpackhi_epi64(low01, low23),
        _mm512_unpacklo_epi64(high01, high23),
        _mm512_unpackhi_epi64(high01, high23),
    ]
}

/// Sixteen messages of 64 bytes to the sixteen words of a block, one message per lane.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn load_block<const S: usize>(pairs: &[[Node; 2]; 16], block: &mut Block<S>, stream: usize) {
    let mut rows = [[splat(0); 4]; 4];
    // Message 4g + r in row r of group g; afterwards quarter q of `rows[g][j]` is word 4q + j of the group's messages.
    for (row, pairs) in rows.iter_mut().zip(pairs.as_chunks::<4>().0) {
        *row = transpose_quarters([
            swap_bytes(load_pair(&pairs[0])),
            swap_bytes(load_pair(&pairs[1])),
            swap_bytes(load_pair(&pairs[2])),
            swap_bytes(load_pair(&pairs[3])),
        ]);
    }
    for j in 0..4 {
        let low01 = _mm512_shuffle_i32x4::<0x44>(rows[0][j], rows[1][j]);
        let high01 = _mm512_shuffle_i32x4::<0xee>(rows[0][j], rows[1][j]);
        let low23 = _mm512_shuffle_i32x4::<0x44>(rows[2][j], rows[3][j]);
        let high23 = _mm512_shuffle_i32x4::<0xee>(rows[2][j], rows[3][j]);
        block[j][stream] = _mm512_shuffle_i32x4::<0x88>(low01, low23);
        block[4 + j][stream] = _mm512_shuffle_i32x4::<0xdd>(low01, low23);
        block[8 + j][stream] = _mm512_shuffle_i32x4::<0x88>(high01, high23);
        block[12 + j][stream] = _mm512_shuffle_i32x4::<0xdd>(high01, high23);
    }
}

/// The digests of one stream, as bytes.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn store_state<const S: usize>(state: &State<S>, stream: usize, out: &mut [Node; 16]) {
    let word = |i: usize| swap_bytes(state[i][stream]);
    // Quarter q of `first[j]` and `second[j]` are the two halves of digest 4q + j.
    let first = transpose_quarters([word(0), word(1), word(2), word(3)]);
    let second = transpose_quarters([word(4), word(5), word(6), word(7)]);
    let quarters01 = _mm512_set_epi64(11, 10, 3, 2, 9, 8, 1, 0);
    let quarters23 = _mm512_set_epi64(15, 14, 7, 6, 13, 12, 5, 4);
    for j in 0..4 {
        let digests = _mm512_permutex2var_epi64(first[j], quarters01, second[j]);
        store_node(&mut out[j], _mm512_castsi512_si256(digests));
        store_node(&mut out[4 + j], _mm512_extracti64x4_epi64::<1>(digests));
        let digests = _mm512_permutex2var_epi64(first[j], quarters23, second[j]);
        store_node(&mut out[8 + j], _mm512_castsi512_si256(digests));
        store_node(&mut out[12 + j], _mm512_extracti64x4_epi64::<1>(digests));
    }
}

/// `S` times sixteen messages.
#[target_feature(enable = "avx512f,avx512bw")]
fn hash_pairs<const S: usize>(pairs: &[[Node; 2]], out: &mut [Node]) {
    let mut state = initial_state::<S>();
    let mut block = [[splat(0); S]; 16];
    for (stream, pairs) in pairs.as_chunks::<16>().0.iter().enumerate() {
        load_block(pairs, &mut block, stream);
    }
    compress(&mut state, &mut block);
    compress_padding(&mut state);
    for (stream, out) in out.as_chunks_mut::<16>().0.iter_mut().enumerate() {
        store_state(&state, stream, out);
    }
}

/// `S` times sixteen messages.
#[target_feature(enable = "avx512f,avx512bw")]
fn hash_tails<const S: usize>(seed: &[u32; 8], tails: &[Tail], out: &mut [Node]) {
    let mut state = initial_state::<S>();
    let mut block = [[splat(0); S]; 16];
    for (word, seed) in block.iter_mut().zip(seed) {
        *word = [splat(*seed); S];
    }
    for (stream, tails) in tails.as_chunks::<16>().0.iter().enumerate() {
        block[8][stream] = load_words(&tails.map(|tail| tail.word8));
        block[9][stream] = load_words(&tails.map(|tail| tail.word9));
        block[15][stream] = load_words(&tails.map(|tail| tail.bits));
    }
    compress(&mut state, &mut block);
    for (stream, out) in out.as_chunks_mut::<16>().0.iter_mut().enumerate() {
        store_state(&state, stream, out);
    }
}

#[target_feature(enable = "avx512f,avx512bw")]
fn swap_mirrored(low: &mut [[u32; 16]], high: &mut [[u32; 16]], bits: &[u8], first_bit: usize) {
    let mirror = _mm512_set_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    let windows = bits[first_bit / 8..].windows(4).step_by(2);
    for ((a, b), window) in low.iter_mut().rev().zip(high).zip(windows) {
        let window = u32::from_le_bytes([window[0], window[1], window[2], window[3]]);
        let swap = (window >> (first_bit % 8)) as u16;
        let x = _mm512_permutexvar_epi32(mirror, load_words(a));
        let y = load_words(b);
        store_words(b, _mm512_mask_mov_epi32(y, swap, x));
        let x = _mm512_mask_mov_epi32(x, swap, y);
        store_words(a, _mm512_permutexvar_epi32(mirror, x));
    }
}
