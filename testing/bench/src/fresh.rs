//! Rows that need a process of their own: what happens first in it, and how much memory it takes.
//! The program starts itself again with the hidden command `fresh`.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use consensus::helpers::get_current_epoch;
use consensus::transition::{SignatureMode, Signatures, state_transition};
use consensus::{BeaconState, Bls, Pool};
use serde_json::{Value, json};

use crate::bench::{Bench, VERIFIER_SEED};
use crate::inputs::Inputs;
use crate::measure::{Sample, once, resident_mib};
use crate::rows::ROWS;

/// Post-states that are kept for the rows about them.
const KEPT_STATES: u64 = 127;
const MIB: f64 = (1 << 20) as f64;

/// What a fresh process does for a row.
type Work = fn(&Inputs, &Pool) -> Result<Sample>;

/// The rows by name.
const WORK: [(&str, Work); 6] = [
    ("ssz_decode_first", ssz_decode_first),
    ("pubkeys_first_load", pubkeys_first_load),
    ("kept_state_mib", |inputs, _| Ok(kept_states(inputs)?.0)),
    ("kept_state_mib_all", |inputs, _| Ok(kept_states(inputs)?.1)),
    ("rss_after_decode_mib", rss_after_decode_mib),
    ("rss_after_bench_mib", rss_after_bench_mib),
];

/// Measures a row in several fresh processes.
pub fn in_fresh_processes(bench: &Bench, row: &str) -> Result<Sample> {
    let one_run = |_| {
        let output = Command::new(std::env::current_exe()?)
            .args(["fresh", "--row", row, "--cores"])
            .arg(bench.pool.threads().to_string())
            .arg("--folder")
            .arg(bench.inputs.folder()?)
            .output()?;
        let errors = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{}", errors.trim());
        let answer: Value = serde_json::from_slice(&output.stdout)?;
        let figure = |name: &str| answer[name].as_f64().context("a figure is missing");
        Ok(Sample {
            wall: figure("wall")?,
            cpu: figure("cpu")?,
            runs: 1,
        })
    };
    let samples = (0..bench.runs.min(5)).map(one_run);
    Ok(Sample::medians(&samples.collect::<Result<Vec<_>>>()?))
}

/// The other end: measures once and prints it.
pub fn run(row: &str, folder: &Path, cores: usize) -> Result<()> {
    let work = WORK.iter().find(|(name, _)| *name == row);
    let (_, work) = work.with_context(|| format!("no row {row} needs a fresh process"))?;
    let sample = work(&Inputs::open(folder)?, &Pool::new(cores))?;
    println!("{}", json!({"wall": sample.wall, "cpu": sample.cpu}));
    Ok(())
}

fn ssz_decode_first(inputs: &Inputs, _: &Pool) -> Result<Sample> {
    let bytes = inputs.state_bytes()?;
    let (sample, _) = once(|| inputs.decode(&bytes))?;
    Ok(sample)
}

fn pubkeys_first_load(inputs: &Inputs, pool: &Pool) -> Result<Sample> {
    let state = inputs.decode(&inputs.state_bytes()?)?;
    let (sample, ()) = once(|| {
        state.warm_keys(pool);
        Ok(())
    })?;
    Ok(sample)
}

fn rss_after_decode_mib(inputs: &Inputs, _: &Pool) -> Result<Sample> {
    let bytes = inputs.state_bytes()?;
    let state = inputs.decode(&bytes)?;
    drop(bytes);
    let resident = resident_mib()?;
    drop(state);
    Ok(Sample::quantity(resident))
}

/// After every row on one state or one block was measured once, one state kept.
fn rss_after_bench_mib(inputs: &Inputs, pool: &Pool) -> Result<Sample> {
    let mut bench = Bench::new(inputs.clone(), pool.clone(), 1);
    for row in ROWS.iter().filter(|row| row.is_part_of_bench) {
        (row.run)(&bench)?;
    }
    bench.forget_inputs();
    Ok(Sample::quantity(resident_mib()?))
}

/// Growth of the resident set per kept post-state, MiB: without and with the shufflings that the
/// states keep.
fn kept_states(inputs: &Inputs) -> Result<(Sample, Sample)> {
    let mut state = inputs.genesis()?;
    state.hash_tree_root();
    let verifier = Bls::new(Pool::new(1), VERIFIER_SEED);
    let before = resident_mib()?;
    let mut kept = Vec::with_capacity(KEPT_STATES as usize);
    for slot in 1..=KEPT_STATES {
        let block = inputs.block(slot)?;
        let mut signatures = Signatures::new(SignatureMode::Skip, &verifier);
        state_transition(&mut state, &block, &mut signatures, true)?;
        kept.push(state.clone());
    }
    let all = (resident_mib()? - before) / KEPT_STATES as f64;
    let shufflings = shufflings_mib(&kept)? / KEPT_STATES as f64;
    Ok((Sample::quantity(all - shufflings), Sample::quantity(all)))
}

/// Size of the shufflings that the states needed, one of every epoch.
fn shufflings_mib(states: &[BeaconState]) -> Result<f64> {
    let mut size = 0;
    let mut seen = None;
    for state in states {
        let epoch = get_current_epoch(state);
        // The second block of an epoch is the first with attestations of the epoch.
        let second = state.slot() % state.spec().SLOTS_PER_EPOCH > 0;
        if second && seen != Some(epoch) {
            seen = Some(epoch);
            size += size_of_val(state.shuffling(epoch)?.order());
        }
    }
    Ok(size as f64 / MIB)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_work_is_a_row() {
        for (name, _) in WORK {
            assert!(ROWS.iter().any(|row| row.name == name), "{name}");
        }
    }
}
