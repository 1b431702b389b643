//! Which code path this CPU takes.

use std::sync::OnceLock;

use crate::{Node, portable, portable::Tail, shuffle};
#[cfg(target_arch = "x86_64")]
use crate::{avx2::Avx2, avx512::Avx512, sha_ni::ShaNi};

/// A combination of code paths that this CPU can run.
///
/// The functions of the crate use the fastest one; the others are here to be compared and measured. All give the same
/// results.
#[derive(Clone, Copy)]
pub struct Engine(Path);

/// Each variant can only be made on a CPU that has its instructions.
#[derive(Clone, Copy)]
enum Path {
    Portable,
    #[cfg(target_arch = "x86_64")]
    Avx2(Avx2),
    #[cfg(target_arch = "x86_64")]
    ShaNi(ShaNi, Option<Avx2>),
    #[cfg(target_arch = "x86_64")]
    Avx512(Avx512),
    #[cfg(target_arch = "x86_64")]
    Avx512ShaNi(Avx512, ShaNi),
}

/// Outputs of a layer that are hashed aside before any node is overwritten.
const ASIDE: usize = 32;

/// Bytes after the last bit of a swap that the vector paths may read, and ignore.
const SPARE_BYTES: usize = 4;

impl Engine {
    /// The fastest on this CPU; detected once.
    pub fn fastest() -> Self {
        static FASTEST: OnceLock<Engine> = OnceLock::new();
        *FASTEST.get_or_init(|| Self::available().pop().unwrap_or(Engine(Path::Portable)))
    }

    /// All this CPU can run, the slowest first.
    pub fn available() -> Vec<Self> {
        let mut engines = vec![Engine(Path::Portable)];
        engines.extend(vector_paths().into_iter().flatten().map(Engine));
        engines
    }

    /// What it hashes with: batches first, then single nodes.
    pub fn name(self) -> &'static str {
        match self.0 {
            Path::Portable => portable::name(),
            #[cfg(target_arch = "x86_64")]
            Path::Avx2(_) => "avx2 x8",
            #[cfg(target_arch = "x86_64")]
            Path::ShaNi(..) => "sha-ni x2",
            #[cfg(target_arch = "x86_64")]
            Path::Avx512(_) => "avx512 x16",
            #[cfg(target_arch = "x86_64")]
            Path::Avx512ShaNi(..) => "avx512 x16 + sha-ni x2",
        }
    }

    /// As [`crate::hash_pair`].
    pub fn hash_pair(self, left: &Node, right: &Node) -> Node {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Path::ShaNi(sha_ni, _) | Path::Avx512ShaNi(_, sha_ni) => {
                let mut out = [[0; 32]];
                sha_ni.hash_pairs([[left, right]], &mut out);
                out[0]
            }
            _ => portable::hash_pair(left, right),
        }
    }

    /// As [`crate::hash_layer`].
    pub fn hash_layer(self, nodes: &mut [Node]) {
        assert!(
            nodes.len().is_multiple_of(2),
            "a Merkle layer needs an even number of nodes"
        );
        let outputs = nodes.len() / 2;
        let mut done = outputs.min(ASIDE);
        let mut aside = [[0; 32]; ASIDE];
        self.hash_layer_into(&nodes[..2 * done], &mut aside[..done]);
        nodes[..done].copy_from_slice(&aside[..done]);
        // The first `done` outputs took the place of nodes already hashed, and so may the next `done`.
        while done < outputs {
            let count = done.min(outputs - done);
            let (spent, waiting) = nodes.split_at_mut(2 * done);
            self.hash_layer_into(&waiting[..2 * count], &mut spent[done..done + count]);
            done += count;
        }
    }

    /// As [`crate::hash_layer_into`].
    pub fn hash_layer_into(self, nodes: &[Node], out: &mut [Node]) {
        let (pairs, rest) = nodes.as_chunks::<2>();
        assert!(
            rest.is_empty() && pairs.len() == out.len(),
            "a Merkle layer has two nodes for each output"
        );
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Path::Avx2(avx2) => {
                let wide = whole_batches(pairs.len(), 8, 2);
                batches(
                    &pairs[..wide],
                    &mut out[..wide],
                    [[0; 32]; 2],
                    |pairs, out| {
                        avx2.hash_8_pairs(pairs, out);
                    },
                );
                portable_pairs(&pairs[wide..], &mut out[wide..]);
            }
            #[cfg(target_arch = "x86_64")]
            Path::ShaNi(sha_ni, _) => sha_ni_pairs(sha_ni, pairs, out),
            #[cfg(target_arch = "x86_64")]
            Path::Avx512(avx512) => {
                let wide = avx512_pairs(avx512, pairs, out, 2);
                portable_pairs(&pairs[wide..], &mut out[wide..]);
            }
            #[cfg(target_arch = "x86_64")]
            Path::Avx512ShaNi(avx512, sha_ni) => {
                let wide = avx512_pairs(avx512, pairs, out, 8);
                sha_ni_pairs(sha_ni, &pairs[wide..], &mut out[wide..]);
            }
            Path::Portable => portable_pairs(pairs, out),
        }
    }

    /// As [`crate::shuffle_list`].
    pub fn shuffle_list(self, list: &mut [u32], seed: &Node, rounds: u8) {
        shuffle::shuffle_list(self, list, seed, rounds);
    }

    /// `out[i]` = SHA-256 of the one-block message made of `seed` and `tails[i]`.
    pub(crate) fn hash_tails(self, seed: &[u32; 8], tails: &[Tail], out: &mut [Node]) {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Path::Avx2(avx2) => batches(tails, out, Tail::default(), |tails, out| {
                avx2.hash_8_tails(seed, tails, out);
            }),
            #[cfg(target_arch = "x86_64")]
            Path::ShaNi(sha_ni, _) => batches(tails, out, Tail::default(), |tails, out| {
                sha_ni.hash_tails::<2>(seed, tails, out);
            }),
            #[cfg(target_arch = "x86_64")]
            Path::Avx512(avx512) | Path::Avx512ShaNi(avx512, _) => {
                let double = tails.len() / 32 * 32;
                let (first, rest) = out.split_at_mut(double);
                batches(&tails[..double], first, Tail::default(), |tails, out| {
                    avx512.hash_32_tails(seed, tails, out);
                });
                batches(&tails[double..], rest, Tail::default(), |tails, out| {
                    avx512.hash_16_tails(seed, tails, out);
                });
            }
            Path::Portable => {
                for (tail, out) in tails.iter().zip(out) {
                    *out = portable::hash_tail(seed, tail);
                }
            }
        }
    }

    /// As [`portable::swap_mirrored`].
    ///
    /// # Panics
    /// If the slices differ in length, or fewer than [`SPARE_BYTES`] follow the byte with the last bit.
    pub(crate) fn swap_mirrored(
        self,
        low: &mut [u32],
        high: &mut [u32],
        bits: &[u8],
        first_bit: usize,
    ) {
        assert_eq!(low.len(), high.len(), "each element has a mirror image");
        assert!(
            bits.len() >= (first_bit + high.len()) / 8 + SPARE_BYTES,
            "too few bits"
        );
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Path::Avx2(avx2) | Path::ShaNi(_, Some(avx2)) => {
                let (low, low_rest) = low.as_chunks_mut();
                let (high_rest, high) = high.as_rchunks_mut();
                portable::swap_mirrored(low_rest, high_rest, bits, first_bit);
                avx2.swap_mirrored(low, high, bits, first_bit + high_rest.len());
            }
            #[cfg(target_arch = "x86_64")]
            Path::Avx512(avx512) | Path::Avx512ShaNi(avx512, _) => {
                let (low, low_rest) = low.as_chunks_mut();
                let (high_rest, high) = high.as_rchunks_mut();
                portable::swap_mirrored(low_rest, high_rest, bits, first_bit);
                avx512.swap_mirrored(low, high, bits, first_bit + high_rest.len());
            }
            _ => portable::swap_mirrored(low, high, bits, first_bit),
        }
    }
}

#[cfg(target_arch = "x86_64")]
fn vector_paths() -> [Option<Path>; 4] {
    let (avx2, sha_ni, avx512) = (Avx2::detect(), ShaNi::detect(), Avx512::detect());
    [
        avx2.map(Path::Avx2),
        sha_ni.map(|sha_ni| Path::ShaNi(sha_ni, avx2)),
        avx512.map(Path::Avx512),
        avx512
            .zip(sha_ni)
            .map(|(avx512, sha_ni)| Path::Avx512ShaNi(avx512, sha_ni)),
    ]
}

#[cfg(not(target_arch = "x86_64"))]
fn vector_paths() -> [Option<Path>; 0] {
    []
}

/// How many of `outputs` to give to a path of `lanes` lanes: a rest of fewer than `worth` is quicker one by one.
#[cfg(target_arch = "x86_64")]
fn whole_batches(outputs: usize, lanes: usize, worth: usize) -> usize {
    let rest = outputs % lanes;
    if rest < worth {
        outputs - rest
    } else {
        outputs
    }
}

/// Hashes in batches of `L`, the last one filled up.
#[cfg(target_arch = "x86_64")]
fn batches<T: Copy, const L: usize>(
    inputs: &[T],
    out: &mut [Node],
    filler: T,
    hash: impl Fn(&[T; L], &mut [Node; L]),
) {
    let (inputs, inputs_rest) = inputs.as_chunks::<L>();
    let (out, out_rest) = out.as_chunks_mut::<L>();
    for (inputs, out) in inputs.iter().zip(out) {
        hash(inputs, out);
    }
    if !inputs_rest.is_empty() {
        let mut filled = [filler; L];
        filled[..inputs_rest.len()].copy_from_slice(inputs_rest);
        let mut digests = [[0; 32]; L];
        hash(&filled, &mut digests);
        out_rest.copy_from_slice(&digests[..out_rest.len()]);
    }
}

/// Hashes all but a rest of fewer than `worth` and returns how many that is.
#[cfg(target_arch = "x86_64")]
fn avx512_pairs(avx512: Avx512, pairs: &[[Node; 2]], out: &mut [Node], worth: usize) -> usize {
    let wide = whole_batches(pairs.len(), 16, worth);
    let double = wide / 32 * 32;
    let (first, rest) = out[..wide].split_at_mut(double);
    batches(&pairs[..double], first, [[0; 32]; 2], |pairs, out| {
        avx512.hash_32_pairs(pairs, out);
    });
    batches(&pairs[double..wide], rest, [[0; 32]; 2], |pairs, out| {
        avx512.hash_16_pairs(pairs, out);
    });
    wide
}

#[cfg(target_arch = "x86_64")]
fn sha_ni_pairs(sha_ni: ShaNi, pairs: &[[Node; 2]], out: &mut [Node]) {
    let (twos, last) = pairs.as_chunks::<2>();
    let (out_twos, out_last) = out.as_chunks_mut::<2>();
    for ([one, two], out) in twos.iter().zip(out_twos) {
        sha_ni.hash_pairs([one.each_ref(), two.each_ref()], out);
    }
    for (pair, out) in last.iter().zip(out_last.as_chunks_mut::<1>().0) {
        sha_ni.hash_pairs([pair.each_ref()], out);
    }
}

fn portable_pairs(pairs: &[[Node; 2]], out: &mut [Node]) {
    for ([left, right], out) in pairs.iter().zip(out) {
        *out = portable::hash_pair(left, right);
    }
}
