//! The swap-or-not shuffle of a whole list at once.

use crate::portable::Tail;
use crate::{Engine, Node};

/// Digests asked of the hasher at a time, at most, unless one round needs more: small lists take several rounds together,
/// large ones stay near the cache.
const DIGESTS_AT_ONCE: usize = 2048;

/// Bits of a digest, one for each position.
const BITS: usize = 256;

/// A stretch of the list whose elements pair with their mirror images in one round.
struct Mirror {
    /// Where the lower halves of the pairs begin.
    low: usize,
    /// Where the upper halves begin.
    high: usize,
    /// Pairs.
    count: usize,
    /// The digest with the bit of position `high`.
    digest: usize,
}

/// `beacon-chain.md#compute_shuffled_index` for every index: afterwards `list[i] == old_list[compute_shuffled_index(i)]`.
///
/// A round sends index `i` to `flip = (pivot - i) mod n` and back, so it swaps elements that mirror each other, either
/// within `0..=pivot` or within the rest. The larger index of the two decides, so half of the bits are never hashed.
/// Rounds run from the last to the first because the last to act on an index is the first to act on what it reads.
pub(crate) fn shuffle_list(engine: Engine, list: &mut [u32], seed: &Node, rounds: u8) {
    if list.len() < 2 || rounds == 0 {
        return;
    }
    let seed = seed_words(seed);
    let pivots = pivots(engine, &seed, rounds, list.len());
    let mut tails = Vec::new();
    let mut mirrors = Vec::new();
    let mut digests = Vec::new();
    for (round, pivot) in (0..rounds).zip(pivots).rev() {
        for (first, end) in [(0, pivot + 1), (pivot + 1, list.len())] {
            mirrors.extend(plan(first, end, round, &mut tails));
        }
        if tails.len() < DIGESTS_AT_ONCE && round > 0 {
            continue;
        }
        // One more, for the vector loads that reach past the last bit.
        digests.resize(tails.len() + 1, [0; 32]);
        engine.hash_tails(&seed, &tails, &mut digests[..tails.len()]);
        for mirror in mirrors.drain(..) {
            let bits = digests[mirror.digest..].as_flattened();
            let (low, high) = list.split_at_mut(mirror.high);
            let low = &mut low[mirror.low..mirror.low + mirror.count];
            let high = &mut high[..mirror.count];
            engine.swap_mirrored(low, high, bits, mirror.high % BITS);
        }
        tails.clear();
    }
}

/// The swaps of one round within `first..end`; the messages of the digests they need go to `tails`.
fn plan(first: usize, end: usize, round: u8, tails: &mut Vec<Tail>) -> Option<Mirror> {
    let count = (end - first) / 2;
    if count == 0 {
        return None;
    }
    let high = end - count;
    let digest = tails.len();
    tails.extend((high / BITS..=(end - 1) / BITS).map(|block| {
        let [a, b, c, d] = u32::try_from(block)
            .expect("a list has at most 2^40 elements")
            .to_le_bytes();
        Tail {
            word8: u32::from_be_bytes([round, a, b, c]),
            word9: u32::from_be_bytes([d, 0x80, 0, 0]),
            bits: 37 * 8,
        }
    }));
    Some(Mirror {
        low: first,
        high,
        count,
        digest,
    })
}

/// The pivot of each round: SHA-256 of seed and round, as a number modulo the length.
fn pivots(engine: Engine, seed: &[u32; 8], rounds: u8, length: usize) -> Vec<usize> {
    let tails: Vec<Tail> = (0..rounds)
        .map(|round| Tail {
            word8: u32::from_be_bytes([round, 0x80, 0, 0]),
            word9: 0,
            bits: 33 * 8,
        })
        .collect();
    let mut digests = vec![[0; 32]; tails.len()];
    engine.hash_tails(seed, &tails, &mut digests);
    let length = length as u64;
    digests
        .iter()
        .map(|digest| {
            let [a, b, c, d, e, f, g, h, ..] = *digest;
            // Below the length, so it fits.
            (u64::from_le_bytes([a, b, c, d, e, f, g, h]) % length) as usize
        })
        .collect()
}

fn seed_words(seed: &Node) -> [u32; 8] {
    let mut words = [0; 8];
    for (word, bytes) in words.iter_mut().zip(seed.as_chunks().0) {
        *word = u32::from_be_bytes(*bytes);
    }
    words
}
