//! Every code path of this CPU against `sha2` and against the per-index shuffle.

use proptest::prelude::*;
use sha2::{Digest, Sha256};

use crate::{Engine, Node};

/// Different nodes, the same on every run.
fn nodes(count: usize) -> Vec<Node> {
    (0..count)
        .map(|i| Sha256::digest(i.to_le_bytes()).into())
        .collect()
}

fn digest(pair: &[Node]) -> Node {
    Sha256::digest(pair.as_flattened()).into()
}

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u32> = hex.chars().map(|c| c.to_digit(16).unwrap()).collect();
    digits
        .chunks(2)
        .map(|pair| (pair[0] * 16 + pair[1]) as u8)
        .collect()
}

/// `beacon-chain.md#compute_shuffled_index`, as it stands there.
fn compute_shuffled_index(mut index: u64, count: u64, seed: &Node, rounds: u8) -> u64 {
    assert!(index < count);
    for round in 0..rounds {
        let mut message = seed.to_vec();
        message.push(round);
        let pivot = u64::from_le_bytes(Sha256::digest(&message)[..8].try_into().unwrap()) % count;
        let flip = (pivot + count - index) % count;
        let position = index.max(flip);
        message.extend_from_slice(&u32::try_from(position / 256).unwrap().to_le_bytes());
        let byte = Sha256::digest(&message)[(position % 256 / 8) as usize];
        if (byte >> (position % 8)) % 2 == 1 {
            index = flip;
        }
    }
    index
}

/// Values that are not the indices, so that a list read the wrong way round shows.
fn unshuffled(length: usize) -> Vec<u32> {
    (0..length as u32)
        .map(|i| i.wrapping_mul(2_654_435_761) ^ 0x5555)
        .collect()
}

/// Asks for a few indices of a long list, or all of a short one.
fn assert_shuffled(engine: Engine, length: usize, seed: &Node, rounds: u8, step: usize) {
    let old = unshuffled(length);
    let mut list = old.clone();
    engine.shuffle_list(&mut list, seed, rounds);
    for i in (0..length).step_by(step) {
        let from = compute_shuffled_index(i as u64, length as u64, seed, rounds) as usize;
        assert_eq!(
            list[i],
            old[from],
            "{}: index {i} of {length}",
            engine.name()
        );
    }
    list.sort_unstable();
    let mut old = old;
    old.sort_unstable();
    assert!(
        list == old,
        "{}: a list of {length} lost elements",
        engine.name()
    );
}

#[test]
fn sha256_nist_vectors() {
    // FIPS 180-2, appendix B, and the empty message.
    let long = vec![b'a'; 1_000_000];
    let cases: [(&[u8], &str); 4] = [
        (
            b"",
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        ),
        (
            b"abc",
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        ),
        (
            b"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
        ),
        (
            &long,
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0",
        ),
    ];
    for (message, digest) in cases {
        assert_eq!(crate::sha256(message).to_vec(), bytes(digest));
    }
}

#[test]
fn node_pairs_known_answers() {
    // Hashes of zero subtrees of depth 1 and 2, and the 512-bit message of NIST's SHA256ShortMsg.
    let one = bytes("f5a5fd42d16a20302798ef6ed309979b43003d2320d9f0e8ea9831a92759fb4b");
    let two = bytes("db56114e00fdd4c1f85c892bf35ac9a89289aaecb1ebd0a96cde606a748b5d71");
    let message = bytes(
        "5a86b737eaea8ee976a0a24da63e7ed7eefad18a101c1211e2b3650c5187c2a8\
         a650547208251f6d4237e661c7bf4c77f335390394c37fa1a9f9be836ac28509",
    );
    let expected = bytes("42e61e174fbb3897d6dd6cef3dd2802fe67b331953b06114a65c772859dfc1aa");
    for engine in Engine::available() {
        let first = engine.hash_pair(&[0; 32], &[0; 32]);
        assert_eq!(first.to_vec(), one, "{}", engine.name());
        assert_eq!(
            engine.hash_pair(&first, &first).to_vec(),
            two,
            "{}",
            engine.name()
        );
        let [left, right] = *message.as_chunks().0 else {
            panic!("64 bytes")
        };
        assert_eq!(
            engine.hash_pair(&left, &right).to_vec(),
            expected,
            "{}",
            engine.name()
        );
        let mut layer = message.as_chunks::<32>().0.repeat(100);
        engine.hash_layer(&mut layer);
        assert!(
            layer[..100].iter().all(|node| node[..] == expected),
            "{}",
            engine.name()
        );
    }
}

#[test]
fn layers_of_all_sizes() {
    let sizes = (0..=130).chain([255, 256, 257, 511, 1000, 1023, 4097]);
    for outputs in sizes {
        let nodes = nodes(2 * outputs);
        let expected: Vec<Node> = nodes.chunks(2).map(digest).collect();
        for engine in Engine::available() {
            let mut out = vec![[0xaa; 32]; outputs];
            engine.hash_layer_into(&nodes, &mut out);
            assert!(out == expected, "{}: {outputs} outputs", engine.name());
            let mut layer = nodes.clone();
            engine.hash_layer(&mut layer);
            assert!(
                layer[..outputs] == expected,
                "{}: {outputs} in place",
                engine.name()
            );
        }
    }
}

#[test]
fn layers_at_odd_addresses() {
    let nodes = nodes(200);
    let expected: Vec<Node> = nodes.chunks(2).map(digest).collect();
    for engine in Engine::available() {
        for offset in 1..64 {
            let mut input = vec![0; offset];
            input.extend_from_slice(nodes.as_flattened());
            let mut output = vec![0; offset + 3200];
            let (input, output) = (&input[offset..], &mut output[offset..]);
            engine.hash_layer_into(input.as_chunks().0, output.as_chunks_mut().0);
            assert!(
                output == expected.as_flattened(),
                "{}: offset {offset}",
                engine.name()
            );
        }
    }
}

#[test]
fn public_functions_use_the_picked_engine() {
    let nodes = nodes(66);
    let expected: Vec<Node> = nodes.chunks(2).map(digest).collect();
    assert_eq!(crate::hash_pair(&nodes[0], &nodes[1]), expected[0]);
    let mut out = vec![[0; 32]; 33];
    crate::hash_layer_into(&nodes, &mut out);
    assert_eq!(out, expected);
    let mut layer = nodes.clone();
    crate::hash_layer(&mut layer);
    assert_eq!(layer[..33], expected);
    let (mut one, mut other) = (unshuffled(777), unshuffled(777));
    crate::shuffle_list(&mut one, &nodes[0], 90);
    Engine::available()[0].shuffle_list(&mut other, &nodes[0], 90);
    assert_eq!(one, other);
    assert!(
        Engine::available()
            .iter()
            .any(|e| e.name() == crate::implementation())
    );
}

#[test]
#[should_panic(expected = "even number of nodes")]
fn odd_layer_panics() {
    crate::hash_layer(&mut nodes(3));
}

#[test]
#[should_panic(expected = "two nodes for each output")]
fn short_output_panics() {
    crate::hash_layer_into(&nodes(4), &mut nodes(1));
}

#[test]
#[should_panic(expected = "two nodes for each output")]
fn odd_input_panics() {
    crate::hash_layer_into(&nodes(3), &mut nodes(1));
}

#[test]
fn shuffles_of_all_small_sizes() {
    for length in 0..=600usize {
        let seed = crate::sha256(&length.to_le_bytes());
        for engine in Engine::available() {
            assert_shuffled(engine, length, &seed, 10, 1);
        }
    }
}

#[test]
fn shuffles_with_all_rounds() {
    for length in [2, 3, 16, 33, 63, 64, 255, 256, 257, 512, 1000, 4099] {
        for engine in Engine::available() {
            assert_shuffled(engine, length, &[length as u8; 32], 90, 1 + length / 300);
        }
    }
}

#[test]
fn shuffles_of_large_lists() {
    for (length, seed) in [(65_536, 1), (100_003, 2), (400_000, 3), (1_048_577, 4)] {
        for engine in Engine::available() {
            assert_shuffled(engine, length, &[seed; 32], 90, length / 97);
        }
    }
}

#[test]
fn shuffles_with_few_and_most_rounds() {
    for engine in Engine::available() {
        for rounds in [0, 1, 2, 255] {
            assert_shuffled(engine, 1234, &[0xe7; 32], rounds, 11);
        }
    }
}

/// Every alignment of the first bit, and lengths around the vector widths.
#[test]
fn swaps_of_all_alignments() {
    let bits: Vec<u8> = nodes(10).into_flattened();
    for engine in Engine::available() {
        for pairs in 0..70 {
            for first_bit in [0, 1, 7, 8, 13, 200, 255] {
                let old = unshuffled(2 * pairs);
                let (mut list, mut expected) = (old.clone(), old);
                for j in 0..pairs {
                    let bit = first_bit + j;
                    if (bits[bit / 8] >> (bit % 8)) % 2 == 1 {
                        expected.swap(pairs - 1 - j, pairs + j);
                    }
                }
                let (low, high) = list.split_at_mut(pairs);
                engine.swap_mirrored(low, high, &bits, first_bit);
                assert_eq!(
                    list,
                    expected,
                    "{}: {pairs} from {first_bit}",
                    engine.name()
                );
            }
        }
    }
}

proptest! {
    #[test]
    fn any_layer(content in prop::collection::vec(any::<[u8; 32]>(), 0..150)) {
        let nodes = &content[..content.len() / 2 * 2];
        let expected: Vec<Node> = nodes.chunks(2).map(digest).collect();
        for engine in Engine::available() {
            let mut out = vec![[0; 32]; nodes.len() / 2];
            engine.hash_layer_into(nodes, &mut out);
            prop_assert_eq!(&out, &expected);
            let mut layer = nodes.to_vec();
            engine.hash_layer(&mut layer);
            prop_assert_eq!(&layer[..out.len()], &expected[..]);
            if let [left, right, ..] = nodes {
                prop_assert_eq!(engine.hash_pair(left, right), expected[0]);
            }
        }
    }

    #[test]
    fn any_shuffle(length in 0usize..3000, seed: [u8; 32], rounds in 0u8..30) {
        for engine in Engine::available() {
            assert_shuffled(engine, length, &seed, rounds, 1 + length / 50);
        }
    }
}
