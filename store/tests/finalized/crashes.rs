//! Power cuts and torn tails.

use super::chain::{CHAIN, ERA, LAST};
use super::reading::check_everything;
use crate::memory_disk::{Memory, mix};
use store::StoreError;
use store::finalized::FinalizedStore;

const GROWING: &str = "finalized/growing-00002.e2s";
const ROWS: &str = "finalized/growing-00002.idx";

/// What a chain does with its store: fills it, prunes nothing, cuts it back once and goes on.
fn work(disk: &Memory, synced: &mut u64) -> Result<(), StoreError> {
    let disk = disk.disk();
    FinalizedStore::create(&disk, &CHAIN.states[0])?;
    let mut store = CHAIN.open(&disk)?;
    for to in (4..=150).step_by(7) {
        CHAIN.fill(&mut store, to)?;
        *synced = to;
    }
    *synced = 61;
    store.truncate_after(61)?;
    for to in [70, 140, 270] {
        CHAIN.fill(&mut store, to)?;
        *synced = to;
    }
    Ok(())
}

#[test]
fn a_power_cut_at_any_moment_loses_only_what_was_not_synced() {
    let whole = Memory::default();
    work(&whole, &mut 0).unwrap();
    let changes = whole.count();
    assert!(changes > 200, "only {changes} changes");
    let mut lost = 0;
    for cut in 0..changes {
        let disk = Memory::default();
        disk.cut_power_after(cut);
        let mut synced = 0;
        assert!(work(&disk, &mut synced).is_err());
        for seed in 0..3 {
            let disk = disk.after_power_cut(mix(cut, seed));
            let mut store = match CHAIN.open(&disk.disk()) {
                Ok(store) => store,
                // Not even the creation was done.
                Err(error) => {
                    assert_eq!(synced, 0, "cut {cut}: {error}");
                    lost += 1;
                    continue;
                }
            };
            let needed = CHAIN
                .ids()
                .into_iter()
                .rfind(|id| id.slot <= synced)
                .unwrap();
            let last = store.last();
            assert!(
                last.slot >= needed.slot,
                "cut {cut}: {last:?} after {needed:?}"
            );
            assert!(CHAIN.ids().contains(&last), "cut {cut}");
            CHAIN.fill(&mut store, 270.max(last.slot)).unwrap();
            if seed == 0 && cut % 10 == 0 {
                check_everything(&store.reader(), 270);
            }
            assert_eq!(disk.files(), whole.files(), "cut {cut}, seed {seed}");
        }
    }
    assert!(lost < 3 * 20, "{lost} images without a store");
}

#[test]
fn a_power_cut_while_eras_are_pruned_leaves_no_gap() {
    let whole = Memory::default();
    drop(CHAIN.store(&whole.disk(), LAST));
    let files = whole.files();
    let pruned = |changes| {
        let disk = Memory::of(files.clone());
        let mut store = CHAIN.open(&disk.disk()).unwrap();
        disk.cut_power_after(changes);
        let oldest = store.prune_before(LAST - ERA);
        (disk, oldest)
    };
    let (whole, oldest) = pruned(u64::MAX);
    assert_eq!(oldest.unwrap(), 5 * ERA);
    let changes = whole.count();
    for cut in 0..=changes {
        let (disk, _) = pruned(cut);
        for seed in 0..10 {
            let mut store = CHAIN
                .open(&disk.after_power_cut(mix(cut, seed)).disk())
                .unwrap();
            let reader = store.reader();
            let oldest = reader.oldest_block_slot();
            let kept: Vec<_> = CHAIN
                .ids()
                .into_iter()
                .filter(|id| id.slot >= oldest)
                .collect();
            assert_eq!(reader.ids(oldest..u64::MAX).unwrap(), kept, "cut {cut}");
            assert_eq!(store.prune_before(LAST - ERA).unwrap(), 5 * ERA);
        }
    }
}

#[test]
fn a_torn_tail_is_cut_at_every_byte() {
    let disk = Memory::default();
    let store = CHAIN.store(&disk.disk(), ERA + 6);
    let ids = CHAIN.ids();
    drop(store);
    let files = disk.files();
    let bytes = &files[GROWING];
    let starts = record_starts(bytes);
    let [.., second_last, last] = starts.as_slice() else {
        panic!("too few records");
    };
    let known = ids.iter().rposition(|id| id.slot == ERA + 6).unwrap();
    for cut in *second_last..=bytes.len() {
        let expected = match cut {
            cut if cut == bytes.len() => known,
            cut if cut >= *last => known - 1,
            _ => known - 2,
        };
        for with_rows in [true, false] {
            let disk = Memory::with(&files, GROWING, bytes[..cut].to_vec());
            if !with_rows {
                store::Disk::remove(&disk, ROWS).unwrap();
            }
            let mut store = CHAIN.open(&disk.disk()).unwrap();
            assert_eq!(
                store.last(),
                ids[expected],
                "cut at {cut}, rows: {with_rows}"
            );
            assert_eq!(store.reader().last(), ids[expected]);
            CHAIN.fill(&mut store, ERA + 6).unwrap();
            assert_eq!(disk.files(), files);
        }
    }
}

#[test]
fn rubbish_after_the_last_record_is_cut_off() {
    let disk = Memory::default();
    drop(CHAIN.store(&disk.disk(), ERA + 6));
    let files = disk.files();
    let bytes = &files[GROWING];
    let last = *record_starts(bytes).last().unwrap();
    let tails: [&[u8]; 4] = [&[0; 300], &[255; 9], b"e2\0\0\0\0\0\0", &bytes[last..]];
    for tail in tails {
        let disk = Memory::with(&files, GROWING, [bytes, tail].concat());
        let store = CHAIN.open(&disk.disk()).unwrap();
        assert_eq!(store.last().slot, ERA + 6);
        assert_eq!(disk.files(), files);
    }
}

/// Where the records after the version start.
fn record_starts(bytes: &[u8]) -> Vec<usize> {
    let mut starts = Vec::new();
    let mut at = 8;
    while at < bytes.len() {
        starts.push(at);
        at += 8 + u32::from_le_bytes(bytes[at + 2..at + 6].try_into().unwrap()) as usize;
    }
    starts
}
