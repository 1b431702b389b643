//! Flipped bytes are found when they are read, and named; or they do no harm.

use super::chain::{CHAIN, EMPTY_ERA, ERA, LAST, is_era, is_sidecar};
use crate::memory_disk::{Memory, mix};
use std::collections::BTreeMap;
use store::StoreError;
use store::finalized::{BlockId, FinalizedReader};

/// What a flip came to.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    /// An error names the file.
    Named,
    /// Everything reads as before.
    Harmless,
}

/// Reads all that a file concerns and compares it.
fn read(reader: &FinalizedReader, era: u64) -> Result<(), StoreError> {
    if era <= reader.newest_era() {
        reader.scrub(era)?;
        let state = reader.era_state(era)?.unwrap();
        let expected = &CHAIN.states[era as usize];
        assert_eq!(state.state.hash_tree_root(), expected.hash_tree_root());
    } else {
        reader.scrub_growing()?;
    }
    let slots = era.saturating_sub(1) * ERA..era * ERA;
    let within = |slot: u64| slots.contains(&slot) && slot <= LAST;
    let expected: Vec<BlockId> = CHAIN
        .ids()
        .into_iter()
        .filter(|id| within(id.slot))
        .collect();
    assert_eq!(reader.ids(slots.clone())?, expected);
    for id in expected {
        let block = reader.block(id.slot)?.unwrap();
        assert_eq!(block.root, id.root);
        let known = CHAIN.blocks.iter().find(|known| known.slot == id.slot);
        assert!(known.is_none_or(|known| known.ssz == block.ssz));
    }
    Ok(())
}

fn era_of(path: &str) -> u64 {
    let number = path.split('-').nth(1).unwrap();
    number.split('.').next().unwrap().parse().unwrap()
}

fn outcome(files: &BTreeMap<String, Vec<u8>>, path: &str, at: usize, flip: u8) -> Outcome {
    let mut bytes = files[path].clone();
    bytes[at] ^= flip;
    let disk = Memory::with(files, path, bytes);
    let read = CHAIN
        .open(&disk.disk())
        .and_then(|store| read(&store.reader(), era_of(path)));
    match read {
        Ok(()) => Outcome::Harmless,
        Err(StoreError::Damaged { path: named, .. }) => {
            assert_eq!(named, path, "byte {at} of {path}");
            Outcome::Named
        }
        Err(error) => panic!("byte {at} of {path}: {error}"),
    }
}

fn expected(path: &str, at: usize) -> Outcome {
    // A sidecar is made again from its segment, a version record is always the same.
    match is_sidecar(path) || !is_era(path) && at < 8 {
        true => Outcome::Harmless,
        false => Outcome::Named,
    }
}

fn files() -> BTreeMap<String, Vec<u8>> {
    let disk = Memory::default();
    drop(CHAIN.store(&disk.disk(), LAST));
    disk.files()
}

#[test]
fn random_flips_are_found_by_name_or_do_no_harm() {
    let files = files();
    let paths: Vec<_> = files.keys().collect();
    assert_eq!(paths.len(), 16);
    for number in 0..3_000_u64 {
        let path = paths[number as usize % paths.len()];
        let at = mix(number, 1) as usize % files[path].len();
        let flip = 1 << (mix(number, 2) % 8);
        assert_eq!(
            outcome(&files, path, at, flip),
            expected(path, at),
            "byte {at} of {path}"
        );
    }
}

#[test]
fn every_flipped_byte_of_a_small_era_is_found() {
    let files = files();
    let small = format!("finalized/minimal-{EMPTY_ERA:05}-");
    let grows = "finalized/growing-";
    let chosen = |path: &&String| path.starts_with(&small) || path.starts_with(grows);
    for path in files.keys().filter(chosen) {
        for at in 0..files[path].len() {
            assert_eq!(
                outcome(&files, path, at, 0x10),
                expected(path, at),
                "byte {at} of {path}"
            );
        }
    }
}

#[test]
fn a_lost_sidecar_is_made_again() {
    let files = files();
    for path in files.keys().filter(|path| is_sidecar(path)) {
        let disk = Memory::of(files.clone());
        store::Disk::remove(&disk, path).unwrap();
        let store = CHAIN.open(&disk.disk()).unwrap();
        read(&store.reader(), era_of(path)).unwrap();
        assert_eq!(disk.files(), files, "{path}");
    }
}

#[test]
fn damage_in_the_middle_of_the_growing_segment_is_no_torn_tail() {
    let files = files();
    let (segment, rows) = ("finalized/growing-00007.e2s", "finalized/growing-00007.idx");
    // The row of the third block is lost, and the record too.
    let mut idx = files[rows].clone();
    idx[64 * 3 + 5] ^= 1;
    let mut bytes = files[segment].clone();
    let offset = u64::from_le_bytes(idx[64 * 3 + 40..64 * 3 + 48].try_into().unwrap());
    bytes[offset as usize + 60] ^= 1;
    let mut damaged = files.clone();
    damaged.insert(rows.into(), idx);
    damaged.insert(segment.into(), bytes);
    let error = CHAIN.open(&Memory::of(damaged).disk()).err().unwrap();
    assert!(matches!(error, StoreError::Damaged { path, .. } if path == segment));
}

#[test]
fn a_suspect_era_is_scrubbed_and_then_trusted_again() {
    let mut files = files();
    let era = files
        .keys()
        .find(|path| path.contains("-00002-") && is_era(path));
    let mark = format!("{}.suspect", era.unwrap());
    files.insert(mark.clone(), Vec::new());
    let disk = Memory::of(files);
    let store = CHAIN.open(&disk.disk()).unwrap();
    read(&store.reader(), 3).unwrap();
    assert!(disk.files().contains_key(&mark));
    read(&store.reader(), 2).unwrap();
    assert!(!disk.files().contains_key(&mark));
}
