//! Rows about the store: what a commit, an append and a read take, and how long it takes to open.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use chain_maker::Dice;
use consensus::{Pool, Root, Slot};
use ssz::Encode;
use store::finalized::FinalizedStore;
use store::{Disk, Reader, RealDisk, Retention, Settings};

use crate::measure::{Sample, measure, once};
use crate::report::Report;
use crate::store_chain::{FULL, SMALL, StoreChain};

/// Commits of one block each in a run.
const COMMITS: usize = 64;
/// Slots that become final together in the made store, whole epochs.
const FINAL_TOGETHER: Slot = 512;
/// Newest blocks of the made store that are full.
const FULL_BLOCKS: Slot = 8_192;
/// Validators of the states that are stored.
const STATES: [usize; 2] = [32_768, 400_000];
/// Random reads of a row.
const READS: usize = 20_000;
/// Blocks of a range.
const RANGE: Slot = 1_024;

const SETTINGS: Settings = Settings {
    retention: Retention::Archive,
    max_finalized_bytes: None,
};

/// Measures all rows; `blocks` is the size of the big store.
pub fn run(blocks: Slot, runs: usize, report: &Report) -> Result<()> {
    for durable in [false, true] {
        let name = match durable {
            false => "store_commit_ms",
            true => "store_commit_durable_ms",
        };
        report.plain(name, 1, &commit(durable, runs)?, "one full block");
    }
    let append = append(runs)?;
    report.plain("finalized_append_ms", 32, &append, "32 full blocks, synced");
    for validators in STATES {
        states(validators, runs, report)?;
    }
    let folder = tempfile::tempdir()?;
    let (fill, count) = once(|| fill(folder.path(), blocks))?;
    let count = count as usize;
    let rate = fill.map(|ms| count as f64 / ms * 1e3);
    report.plain(
        "finalize_blocks_per_s",
        count,
        &rate,
        "made, committed, finalized",
    );
    let open = measure(runs, || Ok(()), |()| opened(folder.path()))?;
    report.plain("store_open_ms", count, &open, "");
    reads(folder.path(), count, runs, report)?;
    ranges(folder.path(), count, runs, report)
}

fn disk(folder: &Path) -> Result<Arc<dyn Disk>> {
    Ok(Arc::new(RealDisk::open(folder, "bench")?))
}

fn opened(folder: &Path) -> Result<store::Opened> {
    let spec = Arc::new(consensus::Spec::mainnet());
    let opened = store::open(&disk(folder)?, &spec, &SETTINGS)?;
    opened.context("there is no store")
}

/// A store with the genesis of the chain alone.
fn created(folder: &Path, chain: &StoreChain) -> Result<store::Opened> {
    store::create(&disk(folder)?, &chain.genesis, &SETTINGS)?;
    opened(folder)
}

/// Milliseconds of one commit.
fn commit(durable: bool, runs: usize) -> Result<Sample> {
    let sample = measure(
        runs,
        || {
            let folder = tempfile::tempdir()?;
            let mut chain = StoreChain::new(&Pool::new(1))?;
            let store = created(folder.path(), &chain)?;
            let batch = |_| {
                let block = chain.block(FULL)?;
                Ok(chain.batch(vec![block], durable))
            };
            let batches = (0..COMMITS).map(batch).collect::<Result<Vec<_>>>()?;
            Ok((folder, store, batches))
        },
        |(folder, mut store, batches)| {
            for batch in &batches {
                store.writer.commit(batch)?;
            }
            Ok((store, folder))
        },
    )?;
    Ok(sample.map(|ms| ms / COMMITS as f64))
}

/// Milliseconds of an epoch's blocks in the finalized segment.
fn append(runs: usize) -> Result<Sample> {
    let folder = tempfile::tempdir()?;
    let mut chain = StoreChain::new(&Pool::new(1))?;
    let disk = disk(folder.path())?;
    FinalizedStore::create(&disk, &chain.genesis)?;
    let mut store = FinalizedStore::open(&disk, chain.spec())?;
    measure(
        runs,
        || {
            let blocks = (0..32).map(|_| {
                let block = chain.block(FULL)?;
                Ok((block.row.slot, block.row.root, block.block.as_ssz_bytes()))
            });
            blocks.collect::<Result<Vec<_>>>()
        },
        |blocks| {
            for (slot, root, ssz) in &blocks {
                store.append(*slot, *root, ssz)?;
            }
            Ok(store.sync()?)
        },
    )
}

/// What states cost the writer: the commit that holds one, and the longest piece of deferred work,
/// which is to seal an era with one.
fn states(validators: usize, runs: usize, report: &Report) -> Result<()> {
    let era = consensus::Spec::mainnet().SLOTS_PER_HISTORICAL_ROOT;
    let (mut commits, mut pieces) = (Vec::new(), Vec::new());
    for run in 0..=runs {
        let folder = tempfile::tempdir()?;
        let mut chain = StoreChain::with_validators(validators)?;
        let mut store = created(folder.path(), &chain)?;
        let made = (0..era).map(|_| chain.block(0));
        let made = made.collect::<Result<Vec<_>>>()?;
        let blocks = chain.batch(made, false);
        store.writer.commit(&blocks)?;
        let batch = chain.finalizing(Vec::new(), false);
        let (commit, ()) = once(|| Ok(store.writer.commit(&batch)?))?;
        let mut longest = 0.0;
        loop {
            let start = Instant::now();
            let more = store.writer.step()?;
            longest = f64::max(longest, start.elapsed().as_secs_f64() * 1e3);
            if !more {
                break;
            }
        }
        // The first run warms up.
        if run > 0 {
            commits.push(commit);
            pieces.push(Sample::quantity(longest));
        }
    }
    let commit = Sample::medians(&commits);
    report.plain(
        "store_commit_state_ms",
        validators,
        &commit,
        "finalizing, one state",
    );
    let seal = Sample::medians(&pieces);
    report.plain(
        "era_seal_ms",
        validators,
        &seal,
        "8,192 small blocks, one state",
    );
    Ok(())
}

/// Fills a store with finalized blocks, at least so many; returns how many.
fn fill(folder: &Path, blocks: Slot) -> Result<Slot> {
    let mut chain = StoreChain::new(&Pool::new(1))?;
    let mut store = created(folder, &chain)?;
    let count = blocks.next_multiple_of(FINAL_TOGETHER);
    while chain.slot() < count {
        let made = (0..FINAL_TOGETHER).map(|_| {
            let is_full = chain.slot() + FULL_BLOCKS >= count;
            chain.block(if is_full { FULL } else { SMALL })
        });
        let made = made.collect::<Result<Vec<_>>>()?;
        let is_last = chain.slot() == count;
        let batch = chain.finalizing(made, is_last);
        store.writer.commit(&batch)?;
        while store.writer.step()? {}
    }
    store.writer.flush()?;
    let last = store.reader.split().slot;
    ensure!(last == count, "the split is at slot {last}");
    Ok(count)
}

/// Random blocks by root and by slot, decompressed.
fn reads(folder: &Path, count: usize, runs: usize, report: &Report) -> Result<()> {
    let store = opened(folder)?;
    let mut dice = Dice::new(1);
    let slots: Vec<Slot> = (0..READS).map(|_| 1 + dice.below(count as u64)).collect();
    let root = |slot: &Slot| {
        let root = store.reader.finalized_root(*slot)?;
        root.with_context(|| format!("no root of slot {slot}"))
    };
    let roots = slots.iter().map(root).collect::<Result<Vec<Root>>>()?;
    let by_slot = |reader: &Reader, at: usize| reader.finalized_block(slots[at]);
    let by_root = |reader: &Reader, at: usize| reader.block(roots[at]);
    percentiles("block_by_slot", &store.reader, by_slot, count, runs, report)?;
    percentiles("block_by_root", &store.reader, by_root, count, runs, report)
}

/// The time that half of the reads, and 99 of 100, take at most; medians of the runs.
fn percentiles(
    name: &str,
    reader: &Reader,
    read: impl Fn(&Reader, usize) -> Result<Option<store::StoredBlock>, store::StoreError>,
    count: usize,
    runs: usize,
    report: &Report,
) -> Result<()> {
    let [mut half, mut most] = [Vec::new(), Vec::new()];
    for run in 0..=runs {
        let mut times = Vec::with_capacity(READS);
        for at in 0..READS {
            let start = Instant::now();
            let block = read(reader, at)?;
            times.push(start.elapsed().as_secs_f64() * 1e6);
            ensure!(block.is_some(), "a block is missing");
        }
        times.sort_by(f64::total_cmp);
        // The first run warms up.
        if run > 0 {
            half.push(Sample::quantity(times[READS / 2]));
            most.push(Sample::quantity(times[READS * 99 / 100]));
        }
    }
    for (percent, samples) in [(50, half), (99, most)] {
        let name = format!("{name}_p{percent}_us");
        report.plain(&name, count, &Sample::medians(&samples), "");
    }
    Ok(())
}

/// Blocks as `BlocksByRange` sends them: stored frames, without a decode.
fn ranges(folder: &Path, count: usize, runs: usize, report: &Report) -> Result<()> {
    let spec = Arc::new(consensus::Spec::mainnet());
    let store = FinalizedStore::open(&disk(folder)?, &spec)?;
    let reader = store.reader();
    let first = count as Slot - FULL_BLOCKS + 1;
    let mut dice = Dice::new(2);
    let mut next = || -> Range<Slot> {
        let start = first + dice.below(FULL_BLOCKS - RANGE);
        start..start + RANGE
    };
    let mut bytes = 0;
    let sample = measure(
        runs,
        || Ok(next()),
        |slots| {
            bytes = 0;
            let mut sent = Vec::new();
            for block in reader.raw_blocks(slots) {
                sent.clear();
                sent.extend_from_slice(block?.frames());
                bytes += sent.len();
            }
            Ok(())
        },
    )?;
    let gigabytes = bytes as f64 / 1e9;
    let rate = sample.map(|ms| gigabytes / ms * 1e3);
    report.plain("range_1024_gbps", count, &rate, "stored bytes, copied once");
    report.plain("range_1024_ms", count, &sample, "");
    Ok(())
}
