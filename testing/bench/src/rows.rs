//! All rows: name, how it is measured, what it is compared with.

use anyhow::Result;

use crate::bench::Bench;
use crate::calibration::Scale::{self, Bls, Memory, Nothing, Sha256};
use crate::fresh::in_fresh_processes;
use crate::measure::Sample;
use crate::{block_rows, chain_rows, head_rows, pool_rows, state_rows};

/// What other clients and our plans say about a row, in the row's unit.
#[derive(Clone, Copy, Debug, Default)]
pub struct Baseline {
    /// Lighthouse v5.3.0.
    pub lighthouse: Option<f64>,
    /// Grandine 2.0.0.rc1.
    pub grandine: Option<f64>,
    /// What we want.
    pub target: Option<f64>,
}

/// A row of the table.
#[derive(Clone, Copy)]
pub struct Row {
    /// The name in the output; its unit is ms unless the name says otherwise.
    pub name: &'static str,
    /// What comparisons are scaled by.
    pub scale: Scale,
    /// Whether more is better.
    pub is_rate: bool,
    /// Whether blocks or a genesis state are needed, which generated inputs lack.
    pub needs_files: bool,
    /// Fewest validators of inputs on which it says something.
    pub least_validators: usize,
    /// Whether it is one of those after which the resident set is looked at.
    pub is_part_of_bench: bool,
    /// Lighthouse, Grandine and the target by number of validators; 0 for an unknown figure.
    baselines: &'static [(usize, [f64; 3])],
    /// Measures it.
    pub run: fn(&Bench) -> Result<Sample>,
}

/// A row on a state alone.
const fn on_state(name: &'static str, scale: Scale, run: fn(&Bench) -> Result<Sample>) -> Row {
    Row {
        name,
        scale,
        is_rate: false,
        needs_files: false,
        least_validators: 0,
        is_part_of_bench: true,
        baselines: &[],
        run,
    }
}

/// A row that needs blocks.
const fn on_blocks(name: &'static str, scale: Scale, run: fn(&Bench) -> Result<Sample>) -> Row {
    Row {
        needs_files: true,
        ..on_state(name, scale, run)
    }
}

/// A row that is no part of what the memory is looked at after.
const fn apart(name: &'static str, scale: Scale, run: fn(&Bench) -> Result<Sample>) -> Row {
    Row {
        is_part_of_bench: false,
        ..on_blocks(name, scale, run)
    }
}

/// A row that needs 64 committees in each slot.
const fn on_pool(name: &'static str, run: fn(&Bench) -> Result<Sample>) -> Row {
    Row {
        least_validators: N400,
        ..apart(name, Memory, run)
    }
}

/// A row whose figure is blocks a second.
const fn rate(name: &'static str, scale: Scale, run: fn(&Bench) -> Result<Sample>) -> Row {
    Row {
        is_rate: true,
        ..apart(name, scale, run)
    }
}

impl Row {
    /// With Lighthouse's and Grandine's figures and the target, by number of validators.
    const fn beside(self, baselines: &'static [(usize, [f64; 3])]) -> Row {
        Row { baselines, ..self }
    }

    /// Whether it can be measured on inputs with so many validators.
    pub fn fits(&self, validators: usize, has_files: bool) -> bool {
        (has_files || !self.needs_files) && validators >= self.least_validators
    }

    /// Our cost by theirs, if our machine is that much slower: less than 1 is better.
    pub fn ratio(&self, ours: f64, slowness: f64, theirs: f64) -> f64 {
        match self.is_rate {
            true => theirs / slowness / ours,
            false => ours / slowness / theirs,
        }
    }

    /// What to compare with at that many validators.
    pub fn baseline(&self, validators: usize) -> Baseline {
        let figures = self.baselines.iter().find(|(n, _)| *n == validators);
        let known = |at: usize| {
            let figure = figures.map_or(0.0, |(_, figures)| figures[at]);
            (figure > 0.0).then_some(figure)
        };
        Baseline {
            lighthouse: known(0),
            grandine: known(1),
            target: known(2),
        }
    }
}

const N16: usize = 16_384;
const N100: usize = 100_000;
const N400: usize = 400_000;

/// Every row in the order of the output.
pub const ROWS: &[Row] = &[
    on_state("ssz_decode", Memory, state_rows::ssz_decode).beside(&[(N400, [72.7, 73.3, 30.0])]),
    apart("ssz_decode_first", Memory, |bench| {
        in_fresh_processes(bench, "ssz_decode_first")
    })
    .beside(&[(N400, [72.7, 73.3, 30.0])]),
    on_state("ssz_encode", Memory, state_rows::ssz_encode).beside(&[(N400, [117.0, 32.9, 8.0])]),
    on_state("ssz_encode_fresh", Memory, state_rows::ssz_encode_fresh)
        .beside(&[(N400, [117.0, 32.9, 30.0])]),
    on_state("root_cold", Sha256, state_rows::root_cold).beside(&[
        (N16, [66.0, 27.0, 0.0]),
        (N100, [188.0, 111.0, 0.0]),
        (N400, [619.0, 379.0, 130.0]),
    ]),
    on_state("root_all_balances", Sha256, state_rows::root_all_balances)
        .beside(&[(N400, [22.5, 0.0, 4.0])]),
    on_state("clone", Memory, state_rows::clone).beside(&[(N400, [0.0002, 0.0001, 0.05])]),
    on_state("shuffle", Sha256, state_rows::shuffle).beside(&[
        (N16, [3.6, 0.0, 0.0]),
        (N100, [22.4, 0.0, 0.0]),
        (N400, [88.3, 94.7, 26.0]),
    ]),
    on_state("process_epoch_warm", Memory, state_rows::process_epoch_warm).beside(&[
        (N16, [16.0, 5.9, 0.0]),
        (N100, [73.5, 24.8, 0.0]),
        (N400, [273.0, 104.0, 15.0]),
    ]),
    on_state("process_epoch_cold", Memory, state_rows::process_epoch_cold)
        .beside(&[(N400, [796.0, 412.0, 45.0])]),
    on_state("epoch_shuffle_root", Sha256, state_rows::epoch_shuffle_root).beside(&[
        (N16, [21.0, 9.6, 0.0]),
        (N100, [123.0, 28.0, 0.0]),
        (N400, [437.0, 275.0, 45.0]),
    ]),
    on_state("root_after_epoch", Sha256, state_rows::root_after_epoch)
        .beside(&[(N400, [44.0, 26.2, 6.0])]),
    on_blocks("block_signatures", Bls, block_rows::block_signatures)
        .beside(&[(N16, [65.0, 0.0, 0.0]), (N400, [75.9, 232.0, 43.0])]),
    on_blocks(
        "block_no_signatures_with_roots",
        Sha256,
        block_rows::block_no_signatures_with_roots,
    )
    .beside(&[(N400, [1.9, 1.15, 0.5])]),
    on_blocks("block_decode", Memory, block_rows::block_decode)
        .beside(&[(N400, [3.0, 0.02, 0.02])]),
    on_blocks(
        "on_block_fork_choice",
        Memory,
        chain_rows::on_block_fork_choice,
    )
    .beside(&[(N400, [0.0, 0.0, 0.1])]),
    on_blocks("get_head_all_moved", Memory, head_rows::all_moved)
        .beside(&[(N400, [11.7, 0.0, 1.5])]),
    on_blocks("get_head_one_slot", Memory, head_rows::one_slot).beside(&[(N400, [2.25, 0.0, 0.2])]),
    on_blocks("get_head_none", Memory, head_rows::none).beside(&[(N400, [1.9, 0.0, 0.02])]),
    on_blocks("get_head_all_moved_10k", Memory, head_rows::all_moved_10k),
    on_blocks("get_head_one_slot_10k", Memory, head_rows::one_slot_10k),
    on_blocks("get_head_none_10k", Memory, head_rows::none_10k),
    rate(
        "replay_blocks_per_s_nosig",
        Sha256,
        chain_rows::replay_blocks_per_s_nosig,
    )
    .beside(&[(N16, [174.0, 689.0, 0.0]), (N400, [46.0, 129.0, 500.0])]),
    rate("replay_blocks_per_s", Bls, chain_rows::replay_blocks_per_s)
        .beside(&[(N16, [14.5, 0.0, 0.0]), (N400, [10.8, 4.2, 20.0])]),
    on_pool("pool_pack_1984", pool_rows::pool_pack_1984).beside(&[(N400, [547.0, 0.0, 15.0])]),
    on_pool("pool_pack_7936", pool_rows::pool_pack_7936).beside(&[(N400, [1_971.0, 0.0, 50.0])]),
    apart("pubkeys_first_load", Bls, |bench| {
        in_fresh_processes(bench, "pubkeys_first_load")
    })
    .beside(&[(N400, [18_700.0, 20_000.0, 0.0])]),
    apart("kept_state_mib", Nothing, |bench| {
        in_fresh_processes(bench, "kept_state_mib")
    })
    .beside(&[(N400, [0.0, 0.0, 0.15])]),
    apart("kept_state_mib_all", Nothing, |bench| {
        in_fresh_processes(bench, "kept_state_mib_all")
    })
    .beside(&[(N400, [0.83, 0.42, 0.22])]),
    apart("rss_after_decode_mib", Nothing, |bench| {
        in_fresh_processes(bench, "rss_after_decode_mib")
    })
    .beside(&[(N400, [213.0, 159.0, 130.0])]),
    apart("rss_after_bench_mib", Nothing, |bench| {
        in_fresh_processes(bench, "rss_after_bench_mib")
    })
    .beside(&[(N400, [400.0, 433.0, 200.0])]),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str) -> &'static Row {
        ROWS.iter().find(|row| row.name == name).unwrap()
    }

    #[test]
    fn no_name_is_there_twice() {
        for (at, row) in ROWS.iter().enumerate() {
            assert!(ROWS[..at].iter().all(|other| other.name != row.name));
        }
    }

    #[test]
    fn unknown_figures_are_none() {
        let shuffle = named("shuffle");
        assert_eq!(shuffle.baseline(N400).lighthouse, Some(88.3));
        assert_eq!(shuffle.baseline(N16).grandine, None);
        assert_eq!(shuffle.baseline(1).lighthouse, None);
    }

    #[test]
    fn half_the_cost_and_twice_the_rate_are_the_same_ratio() {
        let is_half = |ratio: f64| (ratio - 0.5).abs() < 1e-9;
        assert!(is_half(named("shuffle").ratio(5.0, 1.0, 10.0)));
        assert!(is_half(named("replay_blocks_per_s").ratio(20.0, 1.0, 10.0)));
        // On a machine of half the speed.
        assert!(is_half(named("shuffle").ratio(10.0, 2.0, 10.0)));
        assert!(is_half(named("replay_blocks_per_s").ratio(10.0, 2.0, 10.0)));
    }
}
