//! Prints what a node and a shuffle cost on each code path of this machine, on one core:
//! `cargo run --release -p kernels --example speed`.

#![allow(
    clippy::disallowed_types,
    clippy::disallowed_macros,
    reason = "a measurement needs a clock and an output"
)]

use std::hint::black_box;
use std::time::{Duration, Instant};

use kernels::{Engine, Node};

/// Outputs of the measured layers.
const LAYERS: [usize; 8] = [1, 2, 4, 7, 8, 16, 32, 2048];
const SHUFFLED: [u32; 4] = [64, 16_384, 400_000, 1_000_000];
const ROUNDS: u8 = 90;

fn main() {
    println!("picked: {}", kernels::implementation());
    println!(
        "sha256 of 64 bytes, generic digest: {:.1} ns",
        nanoseconds(|| {
            black_box(kernels::sha256(black_box(&[7; 64])));
        })
    );
    for engine in Engine::available() {
        println!("\n{}", engine.name());
        let (mut left, right) = ([1; 32], [2; 32]);
        let single = nanoseconds(|| left = engine.hash_pair(&left, &right));
        println!("  hash_pair, each waiting for the last: {single:.1} ns");
        let single = nanoseconds(|| {
            black_box(engine.hash_pair(black_box(&left), &right));
        });
        println!("  hash_pair: {single:.1} ns");
        for outputs in LAYERS {
            let nodes = vec![[3; 32]; 2 * outputs];
            let mut out: Vec<Node> = vec![[0; 32]; outputs];
            let layer = nanoseconds(|| engine.hash_layer_into(black_box(&nodes), &mut out));
            println!(
                "  layer of {outputs}: {:.1} ns a node",
                layer / outputs as f64
            );
        }
        let mut nodes = vec![[3; 32]; 4096];
        let layer = nanoseconds(|| engine.hash_layer(black_box(&mut nodes)));
        println!("  layer of 2048 in place: {:.1} ns a node", layer / 2048.0);
        for elements in SHUFFLED {
            let mut list: Vec<u32> = (0..elements).collect();
            let time = nanoseconds(|| engine.shuffle_list(black_box(&mut list), &[9; 32], ROUNDS));
            println!("  shuffle of {elements}: {:.3} ms", time / 1e6);
        }
    }
}

/// Time of one call: the median of several runs of some milliseconds each.
fn nanoseconds(mut work: impl FnMut()) -> f64 {
    let mut time = |calls: u32| {
        let start = Instant::now();
        (0..calls).for_each(|_| work());
        start.elapsed()
    };
    let mut calls = 1;
    while time(calls) < Duration::from_millis(5) {
        calls *= 2;
    }
    let mut runs: Vec<Duration> = (0..9).map(|_| time(calls)).collect();
    runs.sort();
    runs[runs.len() / 2].as_nanos() as f64 / f64::from(calls)
}
