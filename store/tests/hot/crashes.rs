//! The power fails after every change of the disk, in the making of a store, in commits and in
//! deferred work.

use super::script::{KEEP, SCRIPT, SLEEP};
use crate::memory_disk::Memory;
use rows::Batch;
use store::{Opened, StoreError};

/// What the disk may hold after each cut is looked at so many times.
const IMAGES: u64 = 3;

fn open(memory: &Memory) -> Result<Option<Opened>, StoreError> {
    store::open(&memory.disk(), &SCRIPT.spec, &KEEP)
}

/// Commits batches, with all deferred work after each, until the power fails. The number of the last
/// batch begun, and of the last one acknowledged as durable.
fn run(opened: &mut Opened, batches: &[Batch]) -> (u64, u64) {
    let mut begun = opened.recovered.last_seq;
    let mut durable = begun;
    for batch in batches {
        begun = batch.seq;
        if opened.writer.commit(batch).is_err() {
            break;
        }
        if batch.durable || batch.finalize.is_some() {
            durable = batch.seq;
        }
        // Of finalizing batches the work is left over sometimes.
        let steps = match batch.seq % 5 {
            0 => 1,
            _ => 1000,
        };
        for _ in 0..steps {
            match opened.writer.step() {
                Ok(true) => {}
                Ok(false) => break,
                Err(_) => return (begun, durable),
            }
        }
    }
    (begun, durable)
}

/// Cuts the power after each `stride`th change while batches are committed that follow those of an
/// image; after each cut, compares and goes on to the end.
fn cut_everywhere(image: &Memory, batches: &[Batch], stride: usize) -> u64 {
    let whole = Memory::of(image.files());
    let mut opened = open(&whole).unwrap().unwrap();
    let before = whole.count();
    run(&mut opened, batches);
    let changes = whole.count() - before;
    drop(opened);
    for cut in (0..changes).step_by(stride) {
        let memory = Memory::of(image.files());
        let mut opened = open(&memory).unwrap().unwrap();
        memory.cut_power_after(cut);
        let (begun, durable) = run(&mut opened, batches);
        // What closing would write reaches no disk.
        let images: Vec<Memory> = (0..IMAGES)
            .map(|seed| memory.after_power_cut(seed * 1_000_003 + cut))
            .collect();
        drop(opened);
        for image in images {
            let mut opened = match open(&image) {
                Ok(Some(opened)) => opened,
                other => panic!("after {cut} changes: {:?}", other.map(|_| ())),
            };
            let last = opened.recovered.last_seq;
            assert!(
                (durable..=begun).contains(&last),
                "{durable} {last} {begun}"
            );
            SCRIPT.check(&opened);
            let damage = opened.reader.verify(|_| {});
            assert!(damage.is_empty(), "after {cut} changes: {damage:?}");
            let rest = batches.iter().filter(|batch| batch.seq > last);
            let rest: Vec<Batch> = rest.cloned().collect();
            run(&mut opened, &rest);
            opened.writer.flush().unwrap();
            drop(opened);
            let opened = open(&image).unwrap().unwrap();
            let end = batches.last().unwrap().seq;
            assert_eq!(opened.recovered.last_seq, end);
            SCRIPT.check(&opened);
        }
    }
    changes
}

/// A store with the first so many batches.
fn image_after(count: usize) -> Memory {
    let memory = Memory::default();
    store::create(&memory.disk(), &SCRIPT.genesis, &KEEP).unwrap();
    let mut opened = open(&memory).unwrap().unwrap();
    run(&mut opened, &SCRIPT.batches[..count]);
    opened.writer.flush().unwrap();
    drop(opened);
    memory
}

#[test]
fn in_commits_a_checkpoint_and_the_sealing_of_an_era() {
    let changes = cut_everywhere(&image_after(67), &SCRIPT.batches[67..74], 1);
    assert!(changes > 100, "{changes}");
}

#[test]
fn in_the_first_batches() {
    cut_everywhere(&image_after(0), &SCRIPT.batches[..17], 2);
}

#[test]
fn while_many_eras_are_sealed_and_a_file_is_dropped() {
    let woken = SLEEP as usize;
    let changes = cut_everywhere(&image_after(woken), &SCRIPT.batches[woken..woken + 22], 37);
    assert!(changes > 500, "{changes}");
}

/// A making that was interrupted leaves nothing that looks like a store, or a whole one; what was
/// made stays.
#[test]
fn in_the_making() {
    let whole = Memory::default();
    store::create(&whole.disk(), &SCRIPT.genesis, &KEEP).unwrap();
    for seed in 0..20 {
        let image = whole.after_power_cut(seed);
        SCRIPT.check(&open(&image).unwrap().expect("it was made"));
    }
    for cut in 0..whole.count() {
        let memory = Memory::default();
        memory.cut_power_after(cut);
        assert!(store::create(&memory.disk(), &SCRIPT.genesis, &KEEP).is_err());
        for seed in 0..2 * IMAGES {
            let image = memory.after_power_cut(seed);
            if open(&image).unwrap().is_none() {
                store::create(&image.disk(), &SCRIPT.genesis, &KEEP).unwrap();
            }
            let mut opened = open(&image).unwrap().unwrap();
            SCRIPT.check(&opened);
            run(&mut opened, &SCRIPT.batches[..18]);
            drop(opened);
            SCRIPT.check(&open(&image).unwrap().unwrap());
        }
    }
}

/// The power fails again while a store is opened.
#[test]
fn in_the_opening() {
    let memory = image_after(60);
    let mut opened = open(&memory).unwrap().unwrap();
    memory.cut_power_after(150);
    let (_, durable) = run(&mut opened, &SCRIPT.batches[60..]);
    let first = memory.after_power_cut(5);
    drop(opened);
    let whole = Memory::of(first.files());
    let opened = open(&whole).unwrap().unwrap();
    let changes = whole.count();
    drop(opened);
    for cut in 0..changes {
        let again = Memory::of(first.files());
        again.cut_power_after(cut);
        // It may come to its end all the same: closing writes too.
        let opened = open(&again);
        let image = again.after_power_cut(cut);
        drop(opened);
        let opened = open(&image).unwrap().unwrap();
        assert!(opened.recovered.last_seq >= durable);
        SCRIPT.check(&opened);
    }
}
