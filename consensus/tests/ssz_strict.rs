//! Strict decoding of every wire container: one encoding per value, and no memory that the input
//! does not pay for.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![forbid(unsafe_code)]

use consensus::*;
use peak_alloc::PeakAlloc;
use proptest::prelude::*;
use ssz::{Decode, Encode};
use std::fmt::Debug;
use std::sync::{Mutex, MutexGuard, PoisonError};

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// The peak of memory is the whole process's: tests of this file run one after the other.
fn alone() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A decoder that forgets the type: the encoding of what was decoded.
type Recode = fn(&[u8]) -> Option<Vec<u8>>;

fn recode<T: Decode + Encode + Debug>(bytes: &[u8]) -> Option<Vec<u8>> {
    T::from_ssz_bytes(bytes)
        .ok()
        .map(|value| value.as_ssz_bytes())
}

/// One type: its decoder and the encoding of one of its values.
struct Sample {
    name: &'static str,
    recode: Recode,
    bytes: Vec<u8>,
    /// Where the offsets are, each list of them with the place its offsets count from.
    offsets: Vec<(usize, Vec<usize>)>,
}

/// Bytes that no field mistakes for another.
fn filler(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at * 31 % 251) as u8).collect()
}

/// A container or list of parts of variable size, `None` where a part's offset goes.
fn joined(fixed: &[Option<&[u8]>], parts: &[&[u8]]) -> Vec<u8> {
    let head: usize = fixed.iter().map(|part| part.map_or(4, <[u8]>::len)).sum();
    let mut end = head;
    let mut sizes = parts.iter().map(|part| part.len());
    let mut bytes = Vec::new();
    for part in fixed {
        match part {
            Some(part) => bytes.extend_from_slice(part),
            None => {
                bytes.extend_from_slice(&(end as u32).to_le_bytes());
                end += sizes.next().unwrap();
            }
        }
    }
    bytes.extend(parts.concat());
    bytes
}

fn list(items: &[Vec<u8>]) -> Vec<u8> {
    let items: Vec<&[u8]> = items.iter().map(Vec::as_slice).collect();
    joined(&vec![None; items.len()], &items)
}

fn attestation(bits: &[u8]) -> Vec<u8> {
    joined(&[None, Some(&filler(128)), Some(&filler(96))], &[bits])
}

fn indexed_attestation(indices: usize) -> Vec<u8> {
    let indices = filler(8 * indices);
    joined(&[None, Some(&filler(128)), Some(&filler(96))], &[&indices])
}

fn attester_slashing() -> Vec<u8> {
    joined(
        &[None, None],
        &[&indexed_attestation(3), &indexed_attestation(0)],
    )
}

/// A body with these lists: two kinds of slashings, attestations, deposits, exits.
fn body(lists: [&[u8]; 5]) -> Vec<u8> {
    joined(&[Some(&filler(200)), None, None, None, None, None], &lists)
}

fn signed_block(body: &[u8]) -> Vec<u8> {
    let block = joined(&[Some(&filler(80)), None], &[body]);
    joined(&[None, Some(&filler(96))], &[&block])
}

fn full_body() -> Vec<u8> {
    let slashings = list(&[attester_slashing(), attester_slashing()]);
    let attestations = list(&[
        attestation(&[0xff, 0x01]),
        attestation(&[0x01]),
        attestation(&[0x42]),
    ]);
    body([
        &filler(416),
        &slashings,
        &attestations,
        &filler(2 * 1240),
        &filler(112),
    ])
}

macro_rules! sample {
    ($type:ty, $bytes:expr, $offsets:expr) => {
        Sample {
            name: stringify!($type),
            recode: recode::<$type>,
            bytes: $bytes,
            offsets: $offsets,
        }
    };
}

fn fixed_samples() -> Vec<Sample> {
    let mut validator = filler(121);
    validator[88] = 1;
    vec![
        sample!(Fork, filler(16), vec![]),
        sample!(ForkData, filler(36), vec![]),
        sample!(Checkpoint, filler(40), vec![]),
        sample!(Validator, validator, vec![]),
        sample!(AttestationData, filler(128), vec![]),
        sample!(Eth1Data, filler(72), vec![]),
        sample!(DepositMessage, filler(88), vec![]),
        sample!(DepositData, filler(184), vec![]),
        sample!(BeaconBlockHeader, filler(112), vec![]),
        sample!(SignedBeaconBlockHeader, filler(208), vec![]),
        sample!(SigningData, filler(64), vec![]),
        sample!(ProposerSlashing, filler(416), vec![]),
        sample!(Deposit, filler(1240), vec![]),
        sample!(VoluntaryExit, filler(16), vec![]),
        sample!(SignedVoluntaryExit, filler(112), vec![]),
        sample!(Eth1Block, filler(48), vec![]),
    ]
}

fn variable_samples() -> Vec<Sample> {
    let attestation = attestation(&[0x00, 0x03]);
    let pending = joined(&[None, Some(&filler(144))], &[&[0x00, 0x03]]);
    let aggregate = joined(
        &[Some(&filler(8)), None, Some(&filler(96))],
        &[&attestation],
    );
    let signed_aggregate = joined(&[None, Some(&filler(96))], &[&aggregate]);
    let body_offsets = |at: usize| (at, (0..5).map(|list| at + 200 + 4 * list).collect());
    let block = signed_block(&full_body());
    vec![
        sample!(Attestation, attestation, vec![(0, vec![0])]),
        sample!(
            IndexedAttestation,
            indexed_attestation(3),
            vec![(0, vec![0])]
        ),
        sample!(PendingAttestation, pending, vec![(0, vec![0])]),
        sample!(
            AttesterSlashing,
            attester_slashing(),
            vec![(0, vec![0, 4]), (8, vec![8])]
        ),
        sample!(
            AggregateAndProof,
            aggregate,
            vec![(0, vec![8]), (108, vec![108])]
        ),
        sample!(
            SignedAggregateAndProof,
            signed_aggregate,
            vec![(0, vec![0]), (100, vec![108]), (208, vec![208])]
        ),
        sample!(BeaconBlockBody, full_body(), vec![body_offsets(0)]),
        sample!(
            BeaconBlock,
            block[100..].to_vec(),
            vec![(0, vec![80]), body_offsets(84)]
        ),
        sample!(
            SignedBeaconBlock,
            block,
            vec![(0, vec![0]), (100, vec![180]), body_offsets(184)]
        ),
    ]
}

fn samples() -> Vec<Sample> {
    let mut samples = fixed_samples();
    samples.extend(variable_samples());
    samples
}

fn read(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())
}

#[test]
fn samples_are_canonical() {
    let _turn = alone();
    for sample in samples() {
        assert_eq!(
            (sample.recode)(&sample.bytes),
            Some(sample.bytes.clone()),
            "{}",
            sample.name
        );
    }
}

#[test]
fn missing_and_trailing_bytes_are_errors() {
    let _turn = alone();
    for sample in samples() {
        let (name, mut bytes) = (sample.name, sample.bytes);
        bytes.push(0);
        assert_eq!((sample.recode)(&bytes), None, "{name} with a byte more");
        bytes.truncate(bytes.len() - 2);
        assert_eq!((sample.recode)(&bytes), None, "{name} with a byte less");
        assert_eq!((sample.recode)(&[]), None, "{name} of no bytes");
    }
}

#[test]
fn wrong_offsets_are_errors() {
    let _turn = alone();
    for sample in variable_samples() {
        let refuse = |at: usize, offset: u32, why: &str| {
            let mut bytes = sample.bytes.clone();
            bytes[at..at + 4].copy_from_slice(&offset.to_le_bytes());
            assert_eq!(
                (sample.recode)(&bytes),
                None,
                "{} at {at}: {why}",
                sample.name
            );
        };
        for (scope, places) in &sample.offsets {
            let first = read(&sample.bytes, places[0]);
            for wrong in [0, 1, first - 1, first + 1, first + 4, first + 8, u32::MAX] {
                refuse(
                    places[0],
                    wrong,
                    "a first offset that is not the end of the fixed part",
                );
            }
            let end = (sample.bytes.len() - scope) as u32;
            for pair in places.windows(2) {
                let (before, offset) = (read(&sample.bytes, pair[0]), read(&sample.bytes, pair[1]));
                refuse(pair[1], before - 1, "decreasing");
                refuse(pair[1], 0, "into the fixed part");
                refuse(pair[1], end + 1, "beyond the end");
                refuse(pair[1], u32::MAX, "far beyond the end");
                refuse(pair[1], offset + 1, "inside an item");
            }
        }
    }
}

#[test]
fn gaps_behind_the_fixed_part_are_errors() {
    let _turn = alone();
    for sample in variable_samples() {
        let (scope, places) = &sample.offsets[0];
        let end_of_fixed = scope + read(&sample.bytes, places[0]) as usize;
        for gap in [1, 4, 32] {
            let mut bytes = sample.bytes.clone();
            bytes.splice(end_of_fixed..end_of_fixed, vec![0; gap]);
            for &at in places {
                let offset = read(&bytes, at) + gap as u32;
                bytes[at..at + 4].copy_from_slice(&offset.to_le_bytes());
            }
            assert_eq!(
                (sample.recode)(&bytes),
                None,
                "{}: gap of {gap}",
                sample.name
            );
        }
    }
}

#[test]
fn offsets_inside_lists_are_checked() {
    let _turn = alone();
    let attestations = [
        attestation(&[0x05]),
        attestation(&[0x07]),
        attestation(&[0x03]),
    ];
    let decode = |list: &[u8]| recode::<BeaconBlockBody>(&body([&[], &[], list, &[], &[]]));
    let good = list(&attestations);
    assert!(decode(&good).is_some());
    for at in [0, 4, 8] {
        for wrong in [0, 3, 4, 8, 11, 13, 16, good.len() as u32 + 1, u32::MAX] {
            let mut bytes = good.clone();
            bytes[at..at + 4].copy_from_slice(&u32::to_le_bytes(wrong));
            assert_eq!(decode(&bytes), None, "offset {wrong} at {at}");
        }
    }
    // Two lists that would share bytes: the second item begins again where the first did.
    let mut twice = good.clone();
    twice[4..8].copy_from_slice(&12u32.to_le_bytes());
    assert_eq!(decode(&twice), None);
    for length in 1..4 {
        assert_eq!(decode(&good[..length]), None, "{length} bytes of an offset");
    }
}

#[test]
fn bit_lists_need_their_sentinel_and_limit() {
    let _turn = alone();
    let decode = |bits: &[u8]| recode::<Attestation>(&attestation(bits));
    for good in [&[0x01][..], &[0x80], &[0, 0x01], &[0xff; 256]] {
        assert!(decode(good).is_some(), "{good:?}");
    }
    let mut most = vec![0xff; 256];
    most.push(0x01);
    assert!(decode(&most).is_some());
    most[256] = 0x02;
    assert_eq!(decode(&most), None, "2,049 bits");
    most[256] = 0;
    assert_eq!(decode(&most), None, "a last byte without a sentinel");
    for bad in [
        &[][..],
        &[0],
        &[0xff, 0],
        &[0x01, 0, 0],
        &[0x01; 300],
        &[0; 4096],
    ] {
        assert_eq!(decode(bad), None, "{bad:?}");
    }
}

#[test]
fn bit_vectors_and_booleans_have_one_encoding() {
    let _turn = alone();
    for byte in 0..=255u8 {
        assert_eq!(
            recode::<JustificationBits>(&[byte]).is_some(),
            byte < 16,
            "{byte}"
        );
        let mut validator = filler(121);
        validator[88] = byte;
        assert_eq!(
            recode::<Validator>(&validator).is_some(),
            byte < 2,
            "{byte}"
        );
    }
    assert_eq!(recode::<JustificationBits>(&[]), None);
    assert_eq!(recode::<JustificationBits>(&[1, 0]), None);
}

#[test]
fn lists_have_limits() {
    let _turn = alone();
    let decode = |place: usize, list: &[u8]| {
        let mut lists: [&[u8]; 5] = [&[]; 5];
        lists[place] = list;
        recode::<BeaconBlockBody>(&body(lists)).is_some()
    };
    for (place, size, limit) in [(0, 416, 16), (3, 1240, 16), (4, 112, 16)] {
        assert!(decode(place, &filler(size * limit)));
        assert!(!decode(place, &filler(size * (limit + 1))));
        assert!(!decode(place, &filler(size * limit - 1)));
    }
    assert!(decode(1, &list(&vec![attester_slashing(); 2])));
    assert!(!decode(1, &list(&vec![attester_slashing(); 3])));
    assert!(decode(2, &list(&vec![attestation(&[1]); 128])));
    assert!(!decode(2, &list(&vec![attestation(&[1]); 129])));
    assert!(recode::<IndexedAttestation>(&indexed_attestation(2048)).is_some());
    assert_eq!(
        recode::<IndexedAttestation>(&indexed_attestation(2049)),
        None
    );
}

/// Asserts that decoding takes little memory at any moment, however it ends: some times the input,
/// and room for the items that a list can hold, which is made for the number it promises.
fn assert_frugal(sample: &Sample, bytes: &[u8]) {
    let before = MEMORY.current_usage();
    MEMORY.reset_peak_usage();
    let decoded = (sample.recode)(bytes);
    let peak = MEMORY.peak_usage().saturating_sub(before);
    drop(decoded);
    let allowed = 8 * bytes.len() + (64 << 10);
    assert!(
        peak <= allowed,
        "{}: {peak} bytes for {}",
        sample.name,
        bytes.len()
    );
}

#[test]
fn hostile_input_takes_little_memory() {
    let _turn = alone();
    for sample in samples() {
        assert_frugal(&sample, &sample.bytes);
        for length in [0, 1, 4, 100, 404, 4096, 1 << 20] {
            for byte in [0x00, 0x01, 0x04, 0x7f, 0xff] {
                assert_frugal(&sample, &vec![byte; length]);
            }
        }
    }
    // Lists that promise as many items as they can have offsets.
    let signed = samples().pop().unwrap();
    for items in [1usize, 2, 128, 129, 100_000] {
        let offsets = ((4 * items) as u32).to_le_bytes().repeat(items);
        let (slashings, attestations) = (
            body([&[], &offsets, &[], &[], &[]]),
            body([&[], &[], &offsets, &[], &[]]),
        );
        for body in [slashings, attestations] {
            let bytes = signed_block(&body);
            assert_eq!((signed.recode)(&bytes), None);
            assert_frugal(&signed, &bytes);
        }
    }
    let bytes = signed_block(&body([
        &[],
        &[],
        &list(&vec![attestation(&[1]); 128]),
        &[],
        &[],
    ]));
    assert!((signed.recode)(&bytes).is_some());
    assert_frugal(&signed, &bytes);
}

proptest! {
    #[test]
    fn random_bytes_decode_to_nothing_else(bytes in prop::collection::vec(any::<u8>(), 0..1500)) {
        let _turn = alone();
        for sample in samples() {
            if let Some(again) = (sample.recode)(&bytes) {
                prop_assert_eq!(&again, &bytes, "{}", sample.name);
            }
        }
    }

    #[test]
    fn changed_bytes_decode_to_nothing_else(
        flips in prop::collection::vec((any::<prop::sample::Index>(), 0u32..8), 0..3),
        patch in prop::option::of((any::<prop::sample::Index>(), any::<u8>())),
        cut in prop::option::of(any::<prop::sample::Index>()),
        tail in prop::collection::vec(any::<u8>(), 0..5),
    ) {
        let _turn = alone();
        for sample in samples() {
            let mut bytes = sample.bytes.clone();
            if let Some(cut) = cut {
                bytes.truncate(cut.index(bytes.len()) + 1);
            }
            for (at, bit) in &flips {
                let at = at.index(bytes.len());
                bytes[at] ^= 1 << bit;
            }
            if let Some((at, byte)) = patch {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            bytes.extend(&tail);
            if let Some(again) = (sample.recode)(&bytes) {
                prop_assert_eq!(&again, &bytes, "{}", sample.name);
            }
        }
    }

    #[test]
    fn changed_offsets_decode_to_nothing_else(
        which: prop::sample::Index,
        offset in prop_oneof![0u32..5_000, any::<u32>()],
    ) {
        let _turn = alone();
        for sample in variable_samples() {
            let places: Vec<usize> = sample.offsets.iter().flat_map(|(_, at)| at.clone()).collect();
            let at = places[which.index(places.len())];
            let mut bytes = sample.bytes.clone();
            bytes[at..at + 4].copy_from_slice(&offset.to_le_bytes());
            if let Some(again) = (sample.recode)(&bytes) {
                prop_assert_eq!(&again, &bytes, "{}", sample.name);
            }
        }
    }
}
