//! Failures of the system, and tails and files that do not fit the head.

use super::script::{KEEP, SCRIPT};
use crate::memory_disk::Memory;
use ssz::{Decode, Encode};
use store::finalized::FinalizedStore;
use store::{Opened, StoreError};

fn open(memory: &Memory) -> Result<Opened, StoreError> {
    store::open(&memory.disk(), &SCRIPT.spec, &KEEP).map(Option::unwrap)
}

/// A store with the first so many batches, after all deferred work.
fn image_after(count: usize) -> Memory {
    let memory = Memory::default();
    store::create(&memory.disk(), &SCRIPT.genesis, &KEEP).unwrap();
    let mut opened = open(&memory).unwrap();
    for batch in &SCRIPT.batches[..count] {
        opened.writer.commit(batch).unwrap();
        while opened.writer.step().unwrap() {}
    }
    opened.writer.flush().unwrap();
    drop(opened);
    memory
}

/// Rows of batch 19 are lost when the hot file cannot be closed: then the head must not speak of it.
#[test]
fn the_index_does_not_get_ahead_of_hot_files_that_cannot_be_closed() {
    let memory = image_after(18);
    let mut opened = open(&memory).unwrap();
    let batch = &SCRIPT.batches[18];
    assert!(!batch.durable && batch.finalize.is_none());
    opened.writer.commit(batch).unwrap();
    memory.fail("hot/");
    drop(opened);
    let opened = open(&Memory::of(memory.files())).unwrap();
    assert_eq!(opened.recovered.last_seq, 18);
    SCRIPT.check(&opened);
}

#[test]
fn a_failing_disk_is_no_damage() {
    let memory = image_after(18);
    let mut opened = open(&memory).unwrap();
    memory.fail("hot/");
    let is_io = |error: &StoreError| matches!(error, StoreError::Io { .. });
    // Commits that are not durable may stay in memory: the second one is.
    let outcome = SCRIPT.batches[18..20]
        .iter()
        .try_for_each(|batch| opened.writer.commit(batch));
    assert!(outcome.as_ref().is_err_and(is_io), "{outcome:?}");
    // What is in memory can be read, the rest not.
    for row in &opened.recovered.hot_blocks {
        let read = opened.reader.block(row.root);
        assert!(read.as_ref().err().is_none_or(is_io), "{read:?}");
    }
    drop(opened);
    SCRIPT.check(&open(&Memory::of(memory.files())).unwrap());
}

/// Blocks after those that the head knows are moved again, not believed.
#[test]
fn a_tail_that_was_never_acknowledged_is_not_taken() {
    let memory = image_after(23);
    let mut opened = open(&memory).unwrap();
    let batch = &SCRIPT.batches[23];
    let blocks = &batch.finalize.as_ref().unwrap().blocks;
    opened.writer.commit(batch).unwrap();
    drop(opened);
    let mut finalized = FinalizedStore::open(&memory.disk(), &SCRIPT.spec).unwrap();
    for root in blocks {
        let (slot, ssz) = &SCRIPT.ssz[root];
        let mut block = consensus::SignedBeaconBlock::from_ssz_bytes(ssz).unwrap();
        block.signature = consensus::BLSSignature::ZERO;
        finalized
            .append(*slot, *root, &block.as_ssz_bytes())
            .unwrap();
    }
    finalized.sync().unwrap();
    drop(finalized);
    let mut opened = open(&memory).unwrap();
    SCRIPT.check(&opened);
    while opened.writer.step().unwrap() {}
    SCRIPT.check(&opened);
    let damage = opened.reader.verify(|_| {});
    assert!(damage.is_empty(), "{damage:?}");
}

/// A segment that ends before the head's newest block is damaged, and stays as it is.
#[test]
fn acknowledged_blocks_are_never_cut_off() {
    let files = image_after(40).files();
    let (rows, segment) = ("finalized/growing-00001.idx", "finalized/growing-00001.e2s");
    for with_rows in [true, false] {
        for cut in [1, 700, usize::MAX] {
            let mut files = files.clone();
            let bytes = files.get_mut(segment).unwrap();
            bytes.truncate(bytes.len().saturating_sub(cut));
            if !with_rows {
                files.get_mut(rows).unwrap().truncate(64);
            }
            let memory = Memory::of(files.clone());
            match open(&memory).map(drop) {
                Err(StoreError::Damaged { path, .. }) => assert_eq!(path, segment),
                other => panic!("{other:?}"),
            }
            let left = memory.files();
            assert!(left[segment] == files[segment], "{with_rows} {cut}");
            assert!(left[rows] == files[rows], "{with_rows} {cut}");
        }
    }
}
