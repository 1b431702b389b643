//! A store from its making on, without mishaps.

use super::script::{ERA, KEEP, LAST, SCRIPT, WAKE, make};
use crate::memory_disk::Memory;
use consensus::Spec;
use rows::Batch;
use std::sync::Arc;
use store::{Disk, Opened, RealDisk, Retention, Settings, StoreError};

fn created(disk: &Arc<dyn Disk>) -> Opened {
    store::create(disk, &SCRIPT.genesis, &KEEP).unwrap();
    store::open(disk, &SCRIPT.spec, &KEEP).unwrap().unwrap()
}

/// Does all deferred work.
pub(crate) fn settle(opened: &mut Opened) {
    while opened.writer.step().unwrap() {}
}

/// A chain lived through on a real disk, with restarts, is all there; eras are sealed, old files gone.
#[test]
fn a_life_on_a_real_disk() {
    let folder = tempfile::tempdir().unwrap();
    let disk: Arc<dyn Disk> = Arc::new(RealDisk::open(folder.path(), "test").unwrap());
    assert!(store::open(&disk, &SCRIPT.spec, &KEEP).unwrap().is_none());
    let mut opened = created(&disk);
    SCRIPT.check(&opened);
    for batch in &SCRIPT.batches {
        opened.writer.commit(batch).unwrap();
        assert_eq!(
            opened.reader.split().checkpoint,
            SCRIPT.model(batch.seq).finalized
        );
        if batch.seq % 3 == 0 {
            opened.writer.step().unwrap();
        }
        if batch.seq % 20 == 0 {
            opened.writer.flush().unwrap();
            drop(opened);
            opened = store::open(&disk, &SCRIPT.spec, &KEEP).unwrap().unwrap();
            assert_eq!(opened.recovered.last_seq, batch.seq);
            SCRIPT.check(&opened);
        }
    }
    settle(&mut opened);
    opened.writer.flush().unwrap();
    let info = opened.reader.info().unwrap();
    assert_eq!(info.eras, (0..=32).collect::<Vec<_>>());
    assert_eq!(info.moved_slot, info.split.slot);
    assert_eq!(
        info.hot_files, 1,
        "the file of the first 256 epochs is gone"
    );
    assert_eq!(info.network, "minimal");
    let damage = opened.reader.verify(|_| {});
    assert!(damage.is_empty(), "{damage:?}");
    for (slot, root) in &SCRIPT.boundaries {
        let stored = opened.reader.nearest_state(*slot).unwrap().unwrap();
        assert_eq!(stored.state.hash_tree_root(), *root);
    }
    let nearest = opened.reader.nearest_state(ERA - 1).unwrap().unwrap();
    assert_eq!(nearest.state.slot(), 0);
    let first = opened.reader.state(SCRIPT.genesis_root).unwrap().unwrap();
    assert_eq!(first.hash_tree_root(), SCRIPT.genesis.hash_tree_root());
    drop(opened);
    let opened = store::open(&disk, &SCRIPT.spec, &KEEP).unwrap().unwrap();
    SCRIPT.check(&opened);
}

/// A long queue of finalized blocks is moved in bounded steps, and is readable all the time.
#[test]
fn a_late_checkpoint_is_moved_step_by_step() {
    let memory = Memory::default();
    let mut opened = created(&memory.disk());
    for batch in &SCRIPT.batches {
        opened.writer.commit(batch).unwrap();
    }
    let seq = SCRIPT.batches.len() as u64;
    let model = SCRIPT.model(seq);
    let mut steps = 0;
    loop {
        for root in &model.canonical {
            assert_eq!(opened.reader.block(*root).unwrap().unwrap().root, *root);
        }
        if !opened.writer.step().unwrap() {
            break;
        }
        steps += 1;
    }
    assert!(steps > 32, "each era is a step of its own");
    drop(opened);
    let opened = store::open(&memory.disk(), &SCRIPT.spec, &KEEP)
        .unwrap()
        .unwrap();
    SCRIPT.check(&opened);
}

/// After every checkpoint a store is opened whose rows were not cleared up: what cannot be canonical
/// any more is not hot again.
#[test]
fn what_was_pruned_stays_out() {
    let memory = Memory::default();
    let mut opened = created(&memory.disk());
    for batch in &SCRIPT.batches[..90] {
        opened.writer.commit(batch).unwrap();
        if batch.finalize.is_some() {
            let again = Memory::of(memory.files()).disk();
            let again = store::open(&again, &SCRIPT.spec, &KEEP).unwrap();
            SCRIPT.check(&again.unwrap());
            settle(&mut opened);
        }
    }
}

/// Batches that do not fit are refused, and leave the store as it is.
#[test]
fn what_does_not_fit_is_refused() {
    let memory = Memory::default();
    let mut opened = created(&memory.disk());
    let refused = |outcome: Result<(), StoreError>| {
        assert!(matches!(outcome, Err(StoreError::Misuse(_))), "{outcome:?}");
    };
    refused(opened.writer.commit(&SCRIPT.batches[1]));
    for batch in &SCRIPT.batches[..15] {
        opened.writer.commit(batch).unwrap();
    }
    let finalizing = &SCRIPT.batches[15];
    let altered = |alter: &dyn Fn(&mut Batch)| {
        let mut batch = finalizing.clone();
        alter(&mut batch);
        batch
    };
    let finalize = |batch: &mut Batch| batch.finalize.take().unwrap();
    for batch in [
        altered(&|batch| batch.seq += 1),
        altered(&|batch| batch.blocks[0].row.slot += 1),
        altered(&|batch| {
            let mut it = finalize(batch);
            it.blocks.swap(0, 1);
            batch.finalize = Some(it);
        }),
        altered(&|batch| {
            let mut it = finalize(batch);
            it.blocks.pop();
            batch.finalize = Some(it);
        }),
        altered(&|batch| {
            let mut it = finalize(batch);
            it.checkpoint.epoch = 8;
            batch.finalize = Some(it);
        }),
    ] {
        refused(opened.writer.commit(&batch));
    }
    opened.writer.commit(finalizing).unwrap();
    drop(opened);
    SCRIPT.check(
        &store::open(&memory.disk(), &SCRIPT.spec, &KEEP)
            .unwrap()
            .unwrap(),
    );
    refused(store::create(&memory.disk(), &SCRIPT.genesis, &KEEP));
}

/// Another network's data is refused by name.
#[test]
fn another_network_is_refused() {
    let memory = Memory::default();
    created(&memory.disk());
    for spec in [
        Spec::mainnet(),
        Spec {
            GENESIS_FORK_VERSION: [9; 4].into(),
            ..Spec::minimal()
        },
    ] {
        match store::open(&memory.disk(), &Arc::new(spec), &KEEP) {
            Err(StoreError::Foreign(text)) => assert!(text.contains("\"minimal\""), "{text}"),
            other => panic!("{:?}", other.map(|_| ())),
        }
    }
}

/// Old eras go when history is longer than is to be kept, by age and by size, and never below what
/// the specification asks for.
#[test]
fn retention() {
    let spec = Spec {
        MIN_EPOCHS_FOR_BLOCK_REQUESTS: 16,
        ..Spec::minimal()
    };
    let script = make(spec);
    let by_age = |epochs| Settings {
        retention: Retention::Epochs(epochs),
        max_finalized_bytes: None,
    };
    let by_size = Settings {
        max_finalized_bytes: Some(1),
        ..KEEP
    };
    // The last checkpoint is that of epoch 259, slot 2072.
    for (settings, oldest) in [
        (KEEP, 0),
        (by_age(1), 2072 - 16 * 8),
        (by_age(100), 2072 - 100 * 8),
        (by_age(300), 0),
        (by_size, 2072 - 16 * 8),
    ] {
        let memory = Memory::default();
        store::create(&memory.disk(), &script.genesis, &settings).unwrap();
        let mut opened = store::open(&memory.disk(), &script.spec, &settings)
            .unwrap()
            .unwrap();
        for batch in &script.batches {
            opened.writer.commit(batch).unwrap();
            settle(&mut opened);
        }
        let oldest = oldest / ERA * ERA;
        for opened in [
            opened,
            store::open(&memory.disk(), &script.spec, &settings)
                .unwrap()
                .unwrap(),
        ] {
            let anchor = opened.reader.anchor();
            assert_eq!(anchor.oldest_block_slot, oldest);
            let state_slot = if oldest == 0 { 0 } else { oldest + ERA };
            assert_eq!(anchor.oldest_state_slot, state_slot);
            let early = opened.reader.finalized_block(5).unwrap();
            assert_eq!(early.is_some(), oldest == 0);
            let (root, _) = script.ssz.iter().find(|(_, it)| it.0 == 5).unwrap();
            let by_root = opened.reader.block(*root).unwrap();
            assert_eq!(by_root.is_some(), oldest == 0);
            assert!(opened.reader.finalized_block(WAKE).unwrap().is_some());
            assert!(opened.reader.nearest_state(LAST).unwrap().is_some());
            let damage = opened.reader.verify(|_| {});
            assert!(damage.is_empty(), "{damage:?}");
        }
    }
}

/// Readers on other threads find every finalized block at all times while it is moved.
#[test]
fn reading_beside_the_writer() {
    let memory = Memory::default();
    let mut opened = created(&memory.disk());
    for batch in &SCRIPT.batches[..90] {
        opened.writer.commit(batch).unwrap();
    }
    let canonical = SCRIPT.model(90).canonical;
    let hot = SCRIPT.model(90).hot;
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        for number in 0..2 {
            let reader = opened.reader.clone();
            let (canonical, hot, done) = (&canonical, &hot, &done);
            scope.spawn(move || {
                let mut rounds = 0;
                while rounds < 2 || !done.load(std::sync::atomic::Ordering::Acquire) {
                    for root in canonical.iter().skip(number).chain(hot) {
                        let block = reader.block(*root).unwrap().unwrap();
                        assert_eq!(block.root, *root);
                    }
                    let ids = reader.finalized_ids(0..100).unwrap();
                    assert_eq!(ids.len(), canonical.len());
                    for id in ids {
                        let block = reader.finalized_block(id.slot).unwrap().unwrap();
                        assert_eq!(block.root, id.root);
                    }
                    rounds += 1;
                }
            });
        }
        settle(&mut opened);
        done.store(true, std::sync::atomic::Ordering::Release);
    });
}

/// The same batches make the same bytes: a simulation can be played again.
#[test]
fn the_same_batches_make_the_same_bytes() {
    let life = || {
        let memory = Memory::default();
        let mut opened = created(&memory.disk());
        for batch in &SCRIPT.batches {
            opened.writer.commit(batch).unwrap();
            settle(&mut opened);
        }
        let before = memory.files();
        drop(opened);
        (before, memory.files(), memory.count())
    };
    let (first, second) = (life(), life());
    for (name, bytes) in &first.0 {
        assert!(second.0[name] == *bytes, "{name}");
    }
    assert!(first == second);
}
