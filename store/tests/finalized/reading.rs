//! What goes in comes out.

use super::chain::{CHAIN, ERA, ERAS, LAST};
use crate::memory_disk::Memory;
use snap::read::FrameDecoder;
use std::io::Read;
use std::ops::Range;
use std::sync::Arc;
use store::finalized::{FinalizedReader, RawBlock};
use store::{Disk, RealDisk, StoreError};

/// Everything that a reader can be asked about the whole chain.
pub(crate) fn check_everything(reader: &FinalizedReader, to: u64) {
    let ids: Vec<_> = CHAIN.ids().into_iter().filter(|id| id.slot <= to).collect();
    assert_eq!(reader.last(), *ids.last().unwrap());
    assert_eq!(reader.ids(0..u64::MAX).unwrap(), ids);
    let mut newest = ids[0];
    for slot in 0..=to + 3 {
        let id = ids.iter().find(|id| id.slot == slot);
        newest = *id.unwrap_or(&newest);
        assert_eq!(reader.root(slot).unwrap(), id.map(|id| id.root));
        assert_eq!(reader.block_at_or_before(slot).unwrap(), Some(newest));
        let block = reader.block(slot).unwrap();
        let ssz = CHAIN.blocks.iter().find(|block| block.slot == slot);
        match (id, ssz, block) {
            (None, _, None) => {}
            (Some(id), ssz, Some(block)) => {
                assert_eq!((block.slot, block.root), (slot, id.root));
                assert!(ssz.is_none_or(|ssz| ssz.ssz == block.ssz));
            }
            other => panic!("slot {slot}: {:?}", other.2),
        }
    }
    for (era, state) in CHAIN.states.iter().enumerate() {
        let found = reader.era_state(era as u64).unwrap();
        let sealed = era as u64 <= reader.newest_era();
        assert_eq!(found.is_some(), sealed);
        if let Some(found) = found {
            assert_eq!(found.state.hash_tree_root(), state.hash_tree_root());
            let before = reader
                .block_at_or_before(era as u64 * ERA)
                .unwrap()
                .unwrap();
            assert_eq!(found.block_root, before.root);
        }
    }
}

fn decoded(block: &RawBlock) -> Vec<u8> {
    let mut ssz = Vec::new();
    FrameDecoder::new(block.frames())
        .read_to_end(&mut ssz)
        .unwrap();
    assert_eq!(ssz.len(), block.ssz_length as usize);
    ssz
}

#[test]
fn blocks_and_states_come_back_before_and_after_opening_again() {
    let disk = Memory::default().disk();
    let store = CHAIN.store(&disk, LAST);
    assert_eq!(store.era(), ERAS + 1);
    check_everything(&store.reader(), LAST);
    let bytes = store.bytes();
    drop(store);
    let store = CHAIN.open(&disk).unwrap();
    assert_eq!(store.bytes(), bytes);
    check_everything(&store.reader(), LAST);
}

#[test]
fn real_files_are_read_through_maps() {
    let memory = Memory::default();
    drop(CHAIN.store(&memory.disk(), LAST));
    let folder = tempfile::tempdir().unwrap();
    let disk: Arc<dyn Disk> = Arc::new(RealDisk::open(folder.path(), "test").unwrap());
    let store = CHAIN.store(&disk, LAST);
    check_everything(&store.reader(), LAST);
    let files = memory.files();
    for (path, bytes) in &files {
        assert_eq!(std::fs::read(folder.path().join(path)).unwrap(), *bytes);
    }
    drop(store);
    let path = files.keys().find(|path| path.contains("-00002-")).unwrap();
    let mut bytes = files[path].clone();
    bytes[1_000] ^= 8;
    std::fs::write(folder.path().join(path), bytes).unwrap();
    let reader = CHAIN.open(&disk).unwrap().reader();
    let read = reader.raw_blocks(0..LAST).collect::<Result<Vec<_>, _>>();
    let error = read.err().unwrap();
    assert!(matches!(error, StoreError::Damaged { path: named, .. } if named == *path));
}

#[test]
fn ranges_give_the_stored_frames() {
    let disk = Memory::default().disk();
    let reader = CHAIN.store(&disk, LAST).reader();
    let ranges: [Range<u64>; 7] = [
        0..LAST + 1,
        1..2,
        60..70,
        120..260,
        300..300,
        385..999,
        5000..u64::MAX,
    ];
    for range in ranges {
        let expected = CHAIN
            .ids()
            .into_iter()
            .filter(|id| range.contains(&id.slot));
        let found: Vec<_> = reader
            .raw_blocks(range.clone())
            .map(Result::unwrap)
            .collect();
        let ids = found.iter().map(|raw| (raw.slot, raw.root));
        assert!(ids.eq(expected.map(|id| (id.slot, id.root))), "{range:?}");
        for raw in found {
            let block = reader.block(raw.slot).unwrap().unwrap();
            assert_eq!(decoded(&raw), block.ssz);
            let single = reader.raw_block(raw.slot).unwrap().unwrap();
            assert_eq!(single.frames(), raw.frames());
        }
    }
}

#[test]
fn the_nearest_state_is_that_of_the_era_before() {
    let disk = Memory::default().disk();
    let reader = CHAIN.store(&disk, LAST).reader();
    for (slot, era) in [
        (0, 0),
        (63, 0),
        (64, 1),
        (127, 1),
        (300, 4),
        (LAST, 6),
        (u64::MAX, 6),
    ] {
        let state = reader.nearest_state(slot).unwrap().unwrap().state;
        assert_eq!(state.slot(), era * ERA);
    }
}

#[test]
fn readers_see_what_is_synced_and_no_more() {
    let disk = Memory::default().disk();
    let mut store = CHAIN.store(&disk, 5);
    let reader = store.reader();
    let block = CHAIN.blocks.iter().find(|block| block.slot == 6).unwrap();
    store.append(6, block.root, &block.ssz).unwrap();
    assert_eq!((store.last().slot, reader.last().slot), (6, 5));
    assert_eq!(reader.root(6).unwrap(), None);
    store.sync().unwrap();
    assert_eq!(reader.last().slot, 6);
    assert_eq!(reader.block(6).unwrap().unwrap().ssz, block.ssz);
}

#[test]
fn the_same_chain_makes_the_same_bytes() {
    let disks = [Memory::default(), Memory::default()];
    drop(CHAIN.store(&disks[0].disk(), LAST));
    let mut store = CHAIN.store(&disks[1].disk(), 1);
    for to in 2..=LAST {
        CHAIN.fill(&mut store, to).unwrap();
    }
    assert_eq!(disks[0].files(), disks[1].files());
}

#[test]
fn wrong_order_is_refused() {
    let disk = Memory::default().disk();
    let mut store = CHAIN.store(&disk, 60);
    let block = &CHAIN.blocks[0];
    for slot in [0, 59, 60, ERA] {
        let refused = store.append(slot, block.root, &block.ssz);
        assert!(matches!(refused, Err(StoreError::Misuse(_))), "{slot}");
    }
    // The blocks up to slot 63 are missing.
    for era in [0, 1, 2] {
        let refused = store.seal(&CHAIN.states[era]);
        assert!(matches!(refused, Err(StoreError::Misuse(_))), "{era}");
    }
    CHAIN.fill(&mut store, LAST).unwrap();
    check_everything(&store.reader(), LAST);
    let again = store::finalized::FinalizedStore::create(&disk, &CHAIN.states[0]);
    assert!(matches!(again, Err(StoreError::Misuse(_))));
}

#[test]
fn whole_eras_are_pruned() {
    let disk = Memory::default();
    let mut store = CHAIN.store(&disk.disk(), LAST);
    let bytes = store.bytes();
    assert_eq!(store.prune_before(ERA - 1).unwrap(), 0);
    assert_eq!(store.prune_before(2 * ERA + 5).unwrap(), 2 * ERA);
    let reader = store.reader();
    assert!(store.bytes() < bytes);
    assert_eq!(reader.oldest_block_slot(), 2 * ERA);
    assert_eq!(reader.root(5).unwrap(), None);
    assert_eq!(reader.block_at_or_before(2 * ERA - 1).unwrap(), None);
    assert_eq!(reader.eras(), [0, 3, 4, 5, 6]);
    assert_eq!(
        reader.nearest_state(2 * ERA).unwrap().unwrap().state.slot(),
        0
    );
    assert_eq!(
        reader.raw_blocks(0..3 * ERA).count(),
        reader.ids(0..3 * ERA).unwrap().len()
    );
    // The newest sealed era stays.
    assert_eq!(store.prune_before(u64::MAX).unwrap(), 5 * ERA);
    drop(store);
    let store = CHAIN.open(&disk.disk()).unwrap();
    assert_eq!(store.reader().eras(), [0, 6]);
    assert_eq!(store.last().slot, LAST);
    assert_eq!(disk.files().len(), 6);
}

#[test]
fn eras_that_were_sealed_too_early_grow_again() {
    let whole = Memory::default();
    drop(CHAIN.store(&whole.disk(), LAST));
    for to in [
        0, 3, 63, 64, 100, 128, 191, 192, 250, 256, 300, 383, 384, 390,
    ] {
        let disk = Memory::default();
        let mut store = CHAIN.store(&disk.disk(), LAST);
        store.truncate_after(to).unwrap();
        let last = CHAIN.ids().into_iter().rfind(|id| id.slot <= to).unwrap();
        assert_eq!(store.last(), last);
        assert_eq!(store.reader().last(), last);
        // Of eras that lose nothing the boundary state may be nowhere else.
        let dropped = CHAIN.ids().into_iter().find(|id| id.slot > to).unwrap();
        assert_eq!(store.era(), dropped.slot / ERA + 1, "cut after slot {to}");
        drop(store);
        let mut store = CHAIN.open(&disk.disk()).unwrap();
        assert_eq!(store.last(), last);
        CHAIN.fill(&mut store, LAST).unwrap();
        check_everything(&store.reader(), LAST);
        assert_eq!(disk.files(), whole.files(), "cut after slot {to}");
    }
}

#[test]
fn an_era_file_in_the_place_of_the_growing_one_is_refused() {
    let whole = Memory::default();
    drop(CHAIN.store(&whole.disk(), LAST));
    let disk = Memory::default();
    drop(CHAIN.store(&disk.disk(), 2 * ERA + 5));
    let mut files = disk.files();
    for era in 3..=4 {
        let third = format!("finalized/minimal-{era:05}-");
        let theirs = whole.files().into_iter();
        files.extend(theirs.filter(|(name, _)| name.starts_with(&third)));
        let disk = Memory::of(files.clone());
        let error = CHAIN.open(&disk.disk()).err().unwrap().to_string();
        assert!(error.contains("era 3 grows here"), "{error}");
        assert!(error.contains("fresnel era import"), "{error}");
        assert!(disk.files() == files, "something was removed");
    }
}

#[test]
fn an_era_of_no_slots_is_refused() {
    for number in [u64::MAX, u64::MAX / ERA] {
        let disk = Memory::default();
        store::finalized::FinalizedStore::create(&disk.disk(), &CHAIN.states[0]).unwrap();
        let mut files = disk.files();
        files.retain(|name, _| !name.contains("growing"));
        let name = format!("finalized/minimal-{number}-00000000.era");
        files.insert(name.clone(), Vec::new());
        let error = CHAIN.open(&Memory::of(files).disk()).err().unwrap();
        let text = error.to_string();
        assert!(text.contains(&name) && text.contains("no era"), "{text}");
    }
}

#[test]
fn many_may_miss_a_sidecar_at_once() {
    let whole = Memory::default();
    let store = CHAIN.store(&whole.disk(), LAST);
    let files = whole.files();
    drop(store);
    for _ in 0..20 {
        let disk = Memory::of(files.clone());
        let store = CHAIN.open(&disk.disk()).unwrap();
        let lost = files.keys().find(|name| name.contains("-00002-"));
        disk.remove(&format!("{}.idx", lost.unwrap())).unwrap();
        let reader = store.reader();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| reader.era_state_root(2).unwrap().unwrap());
            }
        });
        drop(store);
        assert!(disk.files() == files);
    }
}

#[test]
fn a_missing_era_is_named() {
    let disk = Memory::default();
    drop(CHAIN.store(&disk.disk(), LAST));
    for era in 0..=ERAS {
        let disk = Memory::of(disk.files());
        let names = disk.files();
        let wanted = format!("finalized/minimal-{era:05}-");
        let name = names.keys().find(|name| name.starts_with(&wanted));
        disk.remove(name.unwrap()).unwrap();
        let error = CHAIN.open(&disk.disk()).err();
        // Without era 1 the others look like a pruned history, as they are after pruning.
        match era {
            1 => assert!(error.is_none()),
            _ => assert!(
                error
                    .unwrap()
                    .to_string()
                    .contains(&format!("era {era} is missing"))
            ),
        }
    }
}
