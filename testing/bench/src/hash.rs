//! What hashing a node and shuffling a list cost on every code path of this machine, on one core.

use std::hint::black_box;

use anyhow::Result;
use kernels::{Engine, Node};

use crate::measure::measure_short;

/// Outputs of the measured layers.
const LAYERS: [usize; 6] = [1, 2, 8, 16, 32, 2048];
/// Elements of the measured lists.
const LISTS: [u32; 4] = [64, 16_384, 400_000, 1_000_000];
const ROUNDS: u8 = 90;

/// Prints the table.
pub fn run(runs: usize) -> Result<()> {
    let row = |name: &str, what: String, sample: crate::measure::Sample, unit: &str| {
        println!(
            "{name:<24} {what:<30} {:>12.3} {:>12.3} {unit}",
            sample.wall, sample.cpu
        );
    };
    println!(
        "{:<24} {:<30} {:>12} {:>12}",
        "path", "work", "median", "cpu median"
    );
    let generic = measure_short(runs, || {
        black_box(kernels::sha256(black_box(&[7; 64])));
    })?;
    row(
        "generic digest",
        "64 bytes".into(),
        generic.map(|ms| ms * 1e6),
        "ns",
    );
    for engine in Engine::available() {
        let (mut left, right) = ([1; 32], [2; 32]);
        let chained = measure_short(runs, || left = engine.hash_pair(&left, &right))?;
        row(
            engine.name(),
            "nodes one after another".into(),
            chained.map(|ms| ms * 1e6),
            "ns",
        );
        for outputs in LAYERS {
            let nodes = vec![[3; 32]; 2 * outputs];
            let mut out: Vec<Node> = vec![[0; 32]; outputs];
            let layer =
                measure_short(runs, || engine.hash_layer_into(black_box(&nodes), &mut out))?;
            let each = layer.map(|ms| ms * 1e6 / outputs as f64);
            row(
                engine.name(),
                format!("a node of a layer of {outputs}"),
                each,
                "ns",
            );
        }
        for elements in LISTS {
            let mut list: Vec<u32> = (0..elements).collect();
            let shuffle = measure_short(runs, || {
                engine.shuffle_list(black_box(&mut list), &[9; 32], ROUNDS);
            })?;
            row(
                engine.name(),
                format!("a shuffle of {elements}"),
                shuffle,
                "ms",
            );
        }
    }
    Ok(())
}
