//! The examples in FORMAT.md are what the store writes and reads.

use super::chain::CHAIN;
use crate::memory_disk::Memory;
use std::collections::BTreeMap;
use store::finalized::FinalizedStore;
use store::finalized::e2store::{Header, SLOT_INDEX, SlotIndex};

const TEXT: &str = include_str!("../../FORMAT.md");

/// The bytes of the examples by their names: blocks of hexadecimal digits, with notes after `#`.
fn examples() -> BTreeMap<&'static str, Vec<u8>> {
    let blocks = TEXT.split("```hex ").skip(1);
    blocks
        .map(|block| {
            let (name, rest) = block.split_once('\n').unwrap();
            let (body, _) = rest.split_once("```").unwrap();
            let digits: String = body
                .lines()
                .map(|line| line.split('#').next().unwrap_or_default())
                .flat_map(str::chars)
                .filter(|character| !character.is_whitespace())
                .collect();
            let digits = digits.as_bytes().chunks(2);
            let bytes = digits.map(|pair| {
                let text = std::str::from_utf8(pair).unwrap();
                u8::from_str_radix(text, 16).unwrap()
            });
            (name.trim(), bytes.collect())
        })
        .collect()
}

#[test]
fn the_examples_are_what_is_written() {
    let disk = Memory::default();
    FinalizedStore::create(&disk.disk(), &CHAIN.states[0]).unwrap();
    let files = disk.files();
    let examples = examples();
    for name in ["growing-00001.e2s", "growing-00001.idx"] {
        assert_eq!(
            files[&format!("finalized/{name}")],
            examples[name],
            "{name}"
        );
    }
    let era = &examples["end of era 0"];
    let (path, bytes) = files
        .iter()
        .find(|(path, _)| path.ends_with("era"))
        .unwrap();
    assert!(bytes.ends_with(era), "{path}: {era:02x?}");
    let sidecar = &files[&format!("{path}.idx")];
    assert_eq!(*sidecar, examples["sidecar of era 0"]);
}

#[test]
fn the_examples_are_read() {
    let examples = examples();
    let disk = Memory::default();
    FinalizedStore::create(&disk.disk(), &CHAIN.states[0]).unwrap();
    let mut files = disk.files();
    for name in ["growing-00001.e2s", "growing-00001.idx"] {
        files.insert(format!("finalized/{name}"), examples[name].clone());
    }
    let store = CHAIN.open(&Memory::of(files).disk()).unwrap();
    let genesis = store.reader().block(0).unwrap().unwrap();
    assert_eq!(genesis.root, CHAIN.ids()[0].root);

    let index = &examples["end of era 0"];
    let header = Header::decode(index[..8].try_into().unwrap(), 0).unwrap();
    assert_eq!(
        (header.kind, header.end()),
        (SLOT_INDEX, index.len() as u64)
    );
    let index = SlotIndex::decode(&index[8..], 0).unwrap();
    assert_eq!((index.start_slot, index.offsets.len()), (0, 1));
    assert!(index.offsets[0] < 0);
}
