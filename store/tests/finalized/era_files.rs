//! Era files of others.

use super::chain::{CHAIN, ERA, ERAS, LAST, is_era};
use super::reading::check_everything;
use crate::memory_disk::Memory;
use chain_maker::{BlockOptions, ChainMaker};
use consensus::Pool;
use ssz::Encode;
use std::collections::BTreeMap;
use std::io::{Read, Write};
use store::StoreError;
use store::finalized::e2store::{Header, Records, SIGNED_BLOCK, SLOT_INDEX, STATE, SlotIndex};
use store::finalized::{EraFile, FinalizedStore};

fn eras() -> BTreeMap<String, Vec<u8>> {
    let disk = Memory::default();
    drop(CHAIN.store(&disk.disk(), LAST));
    let files = disk.files();
    files.into_iter().filter(|(path, _)| is_era(path)).collect()
}

fn open(path: &str, bytes: Vec<u8>) -> Result<EraFile, StoreError> {
    let disk = Memory::of(BTreeMap::from([(path.to_owned(), bytes)]));
    EraFile::open_on(&disk, path, &CHAIN.spec)
}

/// An era as another program may write it: the payloads in small frames.
fn rewritten(bytes: &[u8]) -> Vec<u8> {
    rewritten_with(bytes, |_| {})
}

/// The same, of blocks that are changed.
fn rewritten_with(bytes: &[u8], mut change: impl FnMut(&mut [u8])) -> Vec<u8> {
    let mut file = Vec::new();
    let mut indices = Vec::new();
    let mut moved = BTreeMap::new();
    let mut reader = Records::new(bytes);
    while let Some(header) = reader.next_header().unwrap() {
        moved.insert(header.offset, file.len());
        let payload = reader.payload(header, 1 << 30).unwrap();
        let payload = match header.kind {
            SIGNED_BLOCK | STATE => {
                let mut ssz = Vec::new();
                snap::read::FrameDecoder::new(&payload[..])
                    .read_to_end(&mut ssz)
                    .unwrap();
                if header.kind == SIGNED_BLOCK {
                    change(&mut ssz);
                }
                let mut frames = b"\xff\x06\0\0sNaPpY".to_vec();
                for part in ssz.chunks(1 << 11) {
                    let mut encoder = snap::write::FrameEncoder::new(Vec::new());
                    encoder.write_all(part).unwrap();
                    frames.extend(&encoder.into_inner().unwrap()[10..]);
                }
                frames
            }
            SLOT_INDEX => {
                let at = header.offset.cast_signed();
                indices.push((at, SlotIndex::decode(&payload, header.offset).unwrap()));
                continue;
            }
            _ => payload,
        };
        file.extend(Header::encode(header.kind, payload.len() as u32));
        file.extend(payload);
    }
    for (at, mut index) in indices {
        for offset in index.offsets.iter_mut().filter(|offset| **offset != 0) {
            let record = moved[&(at + *offset).cast_unsigned()];
            *offset = (record as u64).cast_signed() - (file.len() as u64).cast_signed();
        }
        file.extend(index.encode());
    }
    file
}

#[test]
fn files_of_others_are_kept_as_they_are() {
    let disk = Memory::default();
    let mut store = CHAIN.store(&disk.disk(), LAST);
    let reader = store.reader();
    for (path, bytes) in eras() {
        let same = open(&path, bytes.clone()).unwrap();
        assert!(!store.keep(&same).unwrap(), "{path}");
        assert_eq!(path, format!("finalized/{}", same.name()));
        let theirs = rewritten(&bytes);
        assert!(theirs != bytes);
        let file = open("theirs.era", theirs.clone()).unwrap();
        reader.block(file.slots().start).unwrap();
        assert!(store.keep(&file).unwrap());
        assert!(!store.keep(&file).unwrap());
        assert_eq!(disk.files()[&path], theirs);
    }
    check_everything(&reader, LAST);
    let (bytes, files) = (store.bytes(), disk.files());
    assert_eq!(
        bytes,
        files.values().map(|file| file.len() as u64).sum::<u64>()
    );
    drop(store);
    let store = CHAIN.open(&disk.disk()).unwrap();
    check_everything(&store.reader(), LAST);
    assert_eq!(disk.files(), files);
}

#[test]
fn a_power_cut_while_a_file_is_kept_leaves_one_of_both() {
    let ours = Memory::default();
    drop(CHAIN.store(&ours.disk(), LAST));
    let (path, bytes) = eras().into_iter().nth(2).unwrap();
    let file = open("theirs.era", rewritten(&bytes)).unwrap();
    for cut in 0..40 {
        let disk = Memory::of(ours.files());
        let mut store = CHAIN.open(&disk.disk()).unwrap();
        disk.cut_power_after(cut);
        let kept = store.keep(&file);
        for seed in 0..4 {
            let disk = disk.after_power_cut(seed);
            let store = CHAIN.open(&disk.disk()).unwrap();
            check_everything(&store.reader(), LAST);
            let found = disk.files()[&path].len() as u64;
            assert!(found == file.bytes() || found == bytes.len() as u64);
        }
        if kept.is_ok() {
            return;
        }
    }
    panic!("it never comes to an end");
}

#[test]
fn a_file_of_another_chain_or_era_is_not_kept() {
    let disk = Memory::default();
    let mut store = CHAIN.store(&disk.disk(), 2 * ERA);
    let third = eras().into_iter().nth(3).unwrap();
    let refused = store.keep(&open(&third.0, third.1).unwrap());
    assert!(matches!(refused, Err(StoreError::Misuse(_))));

    let mut maker = ChainMaker::new(&CHAIN.spec, 16, 4, &Pool::new(1)).unwrap();
    let other = Memory::default();
    FinalizedStore::create(&other.disk(), maker.genesis()).unwrap();
    let mut theirs = CHAIN.open(&other.disk()).unwrap();
    for slot in 1..=ERA {
        if slot == 7 {
            continue;
        }
        let made = maker.block_at(slot, &BlockOptions::default()).unwrap();
        if slot == ERA {
            theirs.seal(maker.post_state(made.root).unwrap()).unwrap();
        }
        let ssz = made.block.as_ssz_bytes();
        theirs.append(slot, made.root, &ssz).unwrap();
    }
    let first = theirs.reader().era_file(1).unwrap();
    let path = format!("finalized/{first}");
    let file = EraFile::open_on(&other, &path, &CHAIN.spec).unwrap();
    let refused = store.keep(&file);
    assert!(matches!(refused, Err(StoreError::Damaged { path: named, .. }) if named == path));
}

#[test]
fn a_file_with_another_signature_is_not_kept() {
    let disk = Memory::default();
    let mut store = CHAIN.store(&disk.disk(), LAST);
    let files = disk.files();
    let (_, bytes) = eras().into_iter().nth(2).unwrap();
    let mut number = 0;
    let forged = rewritten_with(&bytes, |ssz| {
        number += 1;
        if number == 7 {
            // After the offset of the message.
            ssz[4 + 50] ^= 1;
        }
    });
    // Nothing in the file itself tells.
    let file = open("theirs.era", forged).unwrap();
    let refused = store.keep(&file).unwrap_err().to_string();
    assert!(refused.contains("theirs.era"), "{refused}");
    assert!(refused.contains("another signature"), "{refused}");
    assert!(disk.files() == files);
}

#[test]
fn the_records_are_those_of_an_era() {
    for (era, (path, bytes)) in eras().into_iter().enumerate() {
        let file = open(&path, bytes.clone()).unwrap();
        let mut records = Records::new(bytes.as_slice());
        let mut kinds = Vec::new();
        let mut indices = Vec::new();
        let mut blocks = Vec::new();
        while let Some(header) = records.next_header().unwrap() {
            kinds.push(header.kind);
            let payload = records.payload(header, 1 << 30).unwrap();
            match header.kind {
                SLOT_INDEX => {
                    let index = SlotIndex::decode(&payload, header.offset).unwrap();
                    indices.push((header.offset.cast_signed(), index));
                }
                SIGNED_BLOCK => blocks.push(header.offset.cast_signed()),
                _ => {}
            }
        }
        let end: &[u16] = match era {
            0 => &[STATE, SLOT_INDEX],
            _ => &[STATE, SLOT_INDEX, SLOT_INDEX],
        };
        assert!(kinds.ends_with(end));
        assert_eq!(blocks.len(), file.block_count());
        let (at, index) = indices.last().unwrap();
        assert_eq!(
            (index.start_slot, index.offsets.len()),
            (era as u64 * 64, 1)
        );
        let state = (at + index.offsets[0]).cast_unsigned() as usize;
        assert_eq!(bytes[state..state + 2], STATE.to_le_bytes());
        if let [(at, index), _] = indices.as_slice() {
            assert_eq!(index.start_slot, (era as u64 - 1) * 64);
            assert_eq!(index.offsets.len(), 64);
            let found = index.offsets.iter().filter(|offset| **offset != 0);
            let found: Vec<_> = found.map(|offset| at + offset).collect();
            assert_eq!(found, blocks);
        }
        let read: Vec<_> = file.blocks().map(|block| block.unwrap().slot).collect();
        let slots = file.slots();
        let known = CHAIN.ids().into_iter().map(|id| id.slot);
        assert!(
            read.into_iter()
                .eq(known.filter(|slot| slots.contains(slot)))
        );
    }
}

/// Cuts a file into its records.
fn records(bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut records = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let head = bytes[at..at + 8].try_into().unwrap();
        let end = Header::decode(head, at as u64).unwrap().end() as usize;
        records.push(bytes[at..end].to_vec());
        at = end;
    }
    records
}

#[test]
fn files_that_are_no_sound_era_are_refused_with_the_reason() {
    let eras: Vec<_> = eras().into_iter().collect();
    assert_eq!(eras.len() as u64, ERAS + 1);
    let (path, bytes) = eras[1].clone();
    let whole = records(&bytes);
    let count = whole.len();
    type Change = fn(&mut Vec<Vec<u8>>, &[Vec<u8>]);
    let changes: [(&str, Change); 9] = [
        ("does not start with a version", |file, _| {
            drop(file.remove(0));
        }),
        ("does not follow", |file, _| file.swap(3, 4)),
        ("does not follow", |file, _| drop(file.remove(5))),
        ("knows another block", |file, _| {
            drop(file.remove(file.len() - 4));
        }),
        ("holds no state", |file, _| {
            drop(file.remove(file.len() - 3));
        }),
        ("does not follow", |file, other| {
            let at = file.len() - 3;
            file[at] = other[other.len() - 3].clone();
        }),
        ("not the slot indices", |file, _| drop(file.pop())),
        ("do not point at its records", |file, _| {
            let at = file.len() - 2;
            file[at][8 + 8 + 3 * 8] ^= 1;
        }),
        ("more than one era", |file, other| {
            file.extend(other.iter().cloned());
        }),
    ];
    let other = records(&eras[2].1);
    for (reason, change) in changes {
        let mut changed = whole.clone();
        change(&mut changed, &other);
        let error = open(&path, changed.concat()).err().unwrap().to_string();
        assert!(
            error.contains(reason) && error.contains(&path),
            "{reason}: {error}"
        );
    }
    for cut in [0, 5, 8, bytes.len() / 2, bytes.len() - 1] {
        assert!(open(&path, bytes[..cut].to_vec()).is_err(), "cut at {cut}");
    }
    // A record of a type that is not known is kept.
    let mut extended = whole;
    extended.insert(
        count - 2,
        [&[0xf0, 1, 3, 0, 0, 0, 0, 0][..], b"abc"].concat(),
    );
    let error = open(&path, extended.concat()).err().unwrap().to_string();
    assert!(error.contains("do not point"), "{error}");
}
