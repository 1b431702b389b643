//! One to a few messages with the SHA instructions of x86-64.

use std::arch::x86_64::*;

use crate::Node;
use crate::lanes::each_of_16;
use crate::portable::{INITIAL, K, PADDING, Tail};

/// Proof that this CPU has the SHA instructions.
#[derive(Clone, Copy)]
pub(crate) struct ShaNi(());

impl ShaNi {
    /// `None` if the CPU lacks an instruction.
    pub(crate) fn detect() -> Option<Self> {
        let present = is_x86_feature_detected!("sha")
            && is_x86_feature_detected!("ssse3")
            && is_x86_feature_detected!("sse4.1");
        present.then_some(ShaNi(()))
    }

    /// `out[i]` = SHA-256 of `pairs[i]`; the `N` messages are interleaved to hide latency.
    pub(crate) fn hash_pairs<const N: usize>(self, pairs: [[&Node; 2]; N], out: &mut [Node; N]) {
        // SAFETY: `detect` saw sha, ssse3 and sse4.1, or there would be no `self`.
        unsafe { hash_pairs(pairs, out) }
    }

    /// `out[i]` = SHA-256 of `seed` and `tails[i]`.
    pub(crate) fn hash_tails<const N: usize>(
        self,
        seed: &[u32; 8],
        tails: &[Tail; N],
        out: &mut [Node; N],
    ) {
        // SAFETY: as above.
        unsafe { hash_tails(seed, tails, out) }
    }
}

/// The eight words of each message, in the order of the instructions: `[f, e, b, a]` and `[h, g, d, c]`.
type State<const N: usize> = [[__m128i; N]; 2];
/// The sixteen words of each message.
type Block<const N: usize> = [[__m128i; N]; 4];

#[inline]
#[target_feature(enable = "sha,ssse3,sse4.1")]
fn load_words(words: &[u32; 4]) -> __m128i {
    // SAFETY: the 16 bytes read are those of `words`; the load needs no alignment.
    unsafe { _mm_loadu_si128(words.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "sha,ssse3,sse4.1")]
fn load_bytes(bytes: &[u8; 16]) -> __m128i {
    // SAFETY: the 16 bytes read are those of `bytes`; the load needs no alignment.
    let words = unsafe { _mm_loadu_si128(bytes.as_ptr().cast()) };
    let order = _mm_set_epi8(12, 13, 14, 15, 8, 9, 10, 11, 4, 5, 6, 7, 0, 1, 2, 3);
    _mm_shuffle_epi8(words, order)
}

#[inline]
#[target_feature(enable = "sha,ssse3,sse4.1")]
fn store_bytes(bytes: &mut [u8; 16], value: __m128i) {
    // SAFETY: the 16 bytes written are those of `bytes`; the store needs no alignment.
    unsafe { _mm_storeu_si128(bytes.as_mut_ptr().cast(), value) }
}

#[inline]
#[target_feature(enable = "sha,ssse3,sse4.1")]
fn initial_state<const N: usize>() -> State<N> {
    let [a, b, c, d, e, f, g, h] = INITIAL;
    [
        [load_words(&[f, e, b, a]); N],
        [load_words(&[h, g, d, c]); N],
    ]
}

#[inline]
fn halves(node: &Node) -> (&[u8; 16], &[u8; 16]) {
    let [first, second] = node.as_chunks().0 else {
        unreachable!("32 bytes")
    };
    (first, second)
}

/// Four rounds; `added` is four words of the message schedule plus their round constants.
#[inline]
#[target_feature(enable = "sha,ssse3,sse4.1")]
fn four_rounds<const N: usize>(state: &mut State<N>, added: [__m128i; N]) {
    for i in 0..N {
        state[1][i] = _mm_sha256rnds2_epu32(state[1][i], state[0][i], added[i]);
    }
    for i in 0..N {
        let added = _mm_shuffle_epi32::<0x0e>(added[i]);
        state[0][i] = _mm_sha256rnds2_epu32(state[0][i], state[1][i], added);
    }
}

/// Rounds `4R` to `4R + 3`, and the words those of `4R + 16` need.
#[inline]
#[target_feature(enable = "sha,ssse3,sse4.1")]
fn message_rounds<const N: usize, const R: usize>(state: &mut State<N>, block: &mut Block<N>) {
    let constants = load_words(&K.as_chunks::<4>().0[R]);
    four_rounds(state, block[R % 4].map(|words| add(words, constants)));
    if R < 12 {
        let [w0, w1, w2, w3] = [0, 1, 2, 3].map(|j| block[(R + j) % 4]);
        for (i, words) in block[R % 4].iter_mut().enumerate() {
            let later = _mm_alignr_epi8::<4>(w3[i], w2[i]);
            let partial = add(_mm_sha256msg1_epu32(w0[i], w1[i]), later);
            *words = _mm_sha256msg2_epu32(partial, w3[i]);
        }
    }
}

/// The same rounds of the block that ends a 64-byte message.
#[inline]
#[target_feature(enable = "sha,ssse3,sse4.1")]
fn padding_rounds<const N: usize, const R: usize>(state: &mut State<N>) {
    four_rounds(state, [load_words(&PADDING.as_chunks::<4>().0[R]); N]);
}

#[inline]
#[target_feature(enable = "sha,ssse3,sse4.1")]
fn add(x: __m128i, y: __m128i) -> __m128i {
    _mm_add_epi32(x, y)
}

#[inline]
#[target_feature(enable = "sha,ssse3,sse4.1")]
fn add_state<const N: usize>(state: &mut State<N>, before: &State<N>) {
    for i in 0..N {
        state[0][i] = add(state[0][i], before[0][i]);
        state[1][i] = add(state[1][i], before[1][i]);
    }
}

#[inline]
#[target_feature(enable = "sha,ssse3,sse4.1")]
fn store_state<const N: usize>(state: &State<N>, out: &mut [Node; N]) {
    // Reversing the bytes of [b, a] gives the big-endian a, then b.
    let order = _mm_set_epi8(8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7);
    for (i, out) in out.iter_mut().enumerate() {
        let abcd = _mm_unpackhi_epi64(state[0][i], state[1][i]);
        let efgh = _mm_unpacklo_epi64(state[0][i], state[1][i]);
        let [first, second] = out.as_chunks_mut::<16>().0 else {
            unreachable!("32 bytes")
        };
        store_bytes(first, _mm_shuffle_epi8(abcd, order));
        store_bytes(second, _mm_shuffle_epi8(efgh, order));
    }
}

#[target_feature(enable = "sha,ssse3,sse4.1")]
fn hash_pairs<const N: usize>(pairs: [[&Node; 2]; N], out: &mut [Node; N]) {
    let mut block = [[_mm_setzero_si128(); N]; 4];
    for (i, pair) in pairs.iter().enumerate() {
        for (words, node) in block.as_chunks_mut::<2>().0.iter_mut().zip(pair) {
            let (first, second) = halves(node);
            words[0][i] = load_bytes(first);
            words[1][i] = load_bytes(second);
        }
    }
    let initial = initial_state();
    let mut state = initial;
    each_of_16!(message_rounds, N, (&mut state, &mut block));
    add_state(&mut state, &initial);
    let before = state;
    each_of_16!(padding_rounds, N, (&mut state));
    add_state(&mut state, &before);
    store_state(&state, out);
}

#[target_feature(enable = "sha,ssse3,sse4.1")]
fn hash_tails<const N: usize>(seed: &[u32; 8], tails: &[Tail; N], out: &mut [Node; N]) {
    let [first, second] = seed.as_chunks().0 else {
        unreachable!("eight words")
    };
    let mut block = [
        [load_words(first); N],
        [load_words(second); N],
        [_mm_setzero_si128(); N],
        [_mm_setzero_si128(); N],
    ];
    for (i, tail) in tails.iter().enumerate() {
        block[2][i] = load_words(&[tail.word8, tail.word9, 0, 0]);
        block[3][i] = load_words(&[0, 0, 0, tail.bits]);
    }
    let initial = initial_state();
    let mut state = initial;
    each_of_16!(message_rounds, N, (&mut state, &mut block));
    add_state(&mut state, &initial);
    store_state(&state, out);
}
