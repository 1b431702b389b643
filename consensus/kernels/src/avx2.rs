//! Eight messages at once with AVX2.

use std::arch::x86_64::*;

use crate::Node;
use crate::lanes::{each_of_16, multi_buffer};
use crate::portable::{INITIAL, K, PADDING, Tail};

/// Proof that this CPU has AVX2.
#[derive(Clone, Copy)]
pub(crate) struct Avx2(());

impl Avx2 {
    /// `None` if the CPU lacks an instruction.
    pub(crate) fn detect() -> Option<Self> {
        is_x86_feature_detected!("avx2").then_some(Avx2(()))
    }

    /// `out[i]` = SHA-256 of `pairs[i]`.
    pub(crate) fn hash_8_pairs(self, pairs: &[[Node; 2]; 8], out: &mut [Node; 8]) {
        // SAFETY: `detect` saw avx2, or there would be no `self`.
        unsafe { hash_pairs(pairs, out) }
    }

    /// `out[i]` = SHA-256 of `seed` and `tails[i]`.
    pub(crate) fn hash_8_tails(self, seed: &[u32; 8], tails: &[Tail; 8], out: &mut [Node; 8]) {
        // SAFETY: as above.
        unsafe { hash_tails(seed, tails, out) }
    }

    /// As [`crate::portable::swap_mirrored`], for whole chunks.
    pub(crate) fn swap_mirrored(
        self,
        low: &mut [[u32; 8]],
        high: &mut [[u32; 8]],
        bits: &[u8],
        first_bit: usize,
    ) {
        // SAFETY: as above.
        unsafe { swap_mirrored(low, high, bits, first_bit) }
    }
}

multi_buffer!("avx2", __m256i);

#[inline]
#[target_feature(enable = "avx2")]
fn splat(value: u32) -> __m256i {
    _mm256_set1_epi32(value.cast_signed())
}

#[inline]
#[target_feature(enable = "avx2")]
fn add(x: __m256i, y: __m256i) -> __m256i {
    _mm256_add_epi32(x, y)
}

#[inline]
#[target_feature(enable = "avx2")]
fn xor3(x: __m256i, y: __m256i, z: __m256i) -> __m256i {
    _mm256_xor_si256(_mm256_xor_si256(x, y), z)
}

#[inline]
#[target_feature(enable = "avx2")]
fn choose(x: __m256i, y: __m256i, z: __m256i) -> __m256i {
    _mm256_xor_si256(z, _mm256_and_si256(x, _mm256_xor_si256(y, z)))
}

#[inline]
#[target_feature(enable = "avx2")]
fn majority(x: __m256i, y: __m256i, z: __m256i) -> __m256i {
    _mm256_or_si256(
        _mm256_and_si256(x, y),
        _mm256_and_si256(z, _mm256_or_si256(x, y)),
    )
}

#[inline]
#[target_feature(enable = "avx2")]
fn rotate<const N: u32>(x: __m256i) -> __m256i {
    let right = _mm256_srl_epi32(x, _mm_cvtsi32_si128(N.cast_signed()));
    _mm256_or_si256(
        right,
        _mm256_sll_epi32(x, _mm_cvtsi32_si128(32 - N.cast_signed())),
    )
}

#[inline]
#[target_feature(enable = "avx2")]
fn shift<const N: i32>(x: __m256i) -> __m256i {
    _mm256_srli_epi32::<N>(x)
}

#[inline]
#[target_feature(enable = "avx2")]
fn load_words(words: &[u32; 8]) -> __m256i {
    // SAFETY: the 32 bytes read are those of `words`; the load needs no alignment.
    unsafe { _mm256_loadu_si256(words.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx2")]
fn store_words(words: &mut [u32; 8], value: __m256i) {
    // SAFETY: the 32 bytes written are those of `words`; the store needs no alignment.
    unsafe { _mm256_storeu_si256(words.as_mut_ptr().cast(), value) }
}

#[inline]
#[target_feature(enable = "avx2")]
fn load_node(node: &Node) -> __m256i {
    // SAFETY: the 32 bytes read are those of `node`; the load needs no alignment.
    swap_bytes(unsafe { _mm256_loadu_si256(node.as_ptr().cast()) })
}

#[inline]
#[target_feature(enable = "avx2")]
fn store_node(node: &mut Node, value: __m256i) {
    // SAFETY: the 32 bytes written are those of `node`; the store needs no alignment.
    unsafe { _mm256_storeu_si256(node.as_mut_ptr().cast(), swap_bytes(value)) }
}

/// Swaps the bytes of each word.
#[inline]
#[target_feature(enable = "avx2")]
fn swap_bytes(x: __m256i) -> __m256i {
    let order = _mm_set_epi8(12, 13, 14, 15, 8, 9, 10, 11, 4, 5, 6, 7, 0, 1, 2, 3);
    _mm256_shuffle_epi8(x, _mm256_broadcastsi128_si256(order))
}

/// Transposes the 4x4 words in each half.
#[inline]
#[target_feature(enable = "avx2")]
fn transpose_halves(rows: [__m256i; 4]) -> [__m256i; 4] {
    let low01 = _mm256_unpacklo_epi32(rows[0], rows[1]);
    let high01 = _mm256_unpackhi_epi32(rows[0], rows[1]);
    let low23 = _mm256_unpacklo_epi32(rows[2], rows[3]);
    let high23 = _mm256_unpackhi_epi32(rows[2], rows[3]);
    [
        _mm256_unpacklo_epi64(low01, low23),
        _mm256_unpackhi_epi64(low01, low23),
        _mm256_unpacklo_epi64(high01, high23),
        _mm256_unpackhi_epi64(high01, high23),
    ]
}

/// Transposes 8x8 words.
#[inline]
#[target_feature(enable = "avx2")]
fn transpose(rows: [__m256i; 8]) -> [__m256i; 8] {
    let upper = transpose_halves([rows[0], rows[1], rows[2], rows[3]]);
    let lower = transpose_halves([rows[4], rows[5], rows[6], rows[7]]);
    let mut columns = rows;
    for j in 0..4 {
        columns[j] = _mm256_permute2x128_si256::<0x20>(upper[j], lower[j]);
        columns[4 + j] = _mm256_permute2x128_si256::<0x31>(upper[j], lower[j]);
    }
    columns
}

#[inline]
#[target_feature(enable = "avx2")]
fn store_state(state: &State<1>, out: &mut [Node; 8]) {
    let digests = transpose(state.map(|word| word[0]));
    for (out, digest) in out.iter_mut().zip(digests) {
        store_node(out, digest);
    }
}

#[target_feature(enable = "avx2")]
fn hash_pairs(pairs: &[[Node; 2]; 8], out: &mut [Node; 8]) {
    let mut block = [[splat(0)]; 16];
    for (half, words) in block.as_chunks_mut::<8>().0.iter_mut().enumerate() {
        let mut rows = [splat(0); 8];
        for (row, pair) in rows.iter_mut().zip(pairs) {
            *row = load_node(&pair[half]);
        }
        *words = transpose(rows).map(|word| [word]);
    }
    let mut state = initial_state();
    compress(&mut state, &mut block);
    compress_padding(&mut state);
    store_state(&state, out);
}

#[target_feature(enable = "avx2")]
fn hash_tails(seed: &[u32; 8], tails: &[Tail; 8], out: &mut [Node; 8]) {
    let mut block = [[splat(0)]; 16];
    for (word, seed) in block.iter_mut().zip(seed) {
        *word = [splat(*seed)];
    }
    block[8] = [load_words(&tails.map(|tail| tail.word8))];
    block[9] = [load_words(&tails.map(|tail| tail.word9))];
    block[15] = [load_words(&tails.map(|tail| tail.bits))];
    let mut state = initial_state();
    compress(&mut state, &mut block);
    store_state(&state, out);
}

#[target_feature(enable = "avx2")]
fn swap_mirrored(low: &mut [[u32; 8]], high: &mut [[u32; 8]], bits: &[u8], first_bit: usize) {
    let mirror = _mm256_set_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    let lane_bits = _mm256_set_epi32(128, 64, 32, 16, 8, 4, 2, 1);
    let windows = bits[first_bit / 8..].windows(2);
    for ((a, b), window) in low.iter_mut().rev().zip(high).zip(windows) {
        let window = u32::from(u16::from_le_bytes([window[0], window[1]]));
        let chosen = _mm256_and_si256(splat(window >> (first_bit % 8)), lane_bits);
        let swap = _mm256_cmpeq_epi32(chosen, lane_bits);
        let x = _mm256_permutevar8x32_epi32(load_words(a), mirror);
        let y = load_words(b);
        store_words(b, _mm256_blendv_epi8(y, x, swap));
        let x = _mm256_blendv_epi8(x, y, swap);
        store_words(a, _mm256_permutevar8x32_epi32(x, mirror));
    }
}
