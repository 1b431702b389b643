//! The epoch on generated states: nothing that a network can come to may cost much more than
//! everybody taking part.

use anyhow::Result;
use consensus::Pool;

use crate::bench::Bench;
use crate::generate::Variant;
use crate::inputs::Inputs;
use crate::measure::Sample;
use crate::report::Report;
use crate::state_rows::{epoch_shuffle_root, process_epoch_cold, process_epoch_warm};

/// How much more CPU time than with full participation is too much.
const LIMIT: f64 = 1.5;

type Measure = fn(&Bench) -> Result<Sample>;

const ROWS: [(&str, Measure); 3] = [
    ("process_epoch_warm", process_epoch_warm),
    ("process_epoch_cold", process_epoch_cold),
    ("epoch_shuffle_root", epoch_shuffle_root),
];

/// Measures every variant and says which exceed the limit.
pub fn run(validators: usize, pool: &Pool, runs: usize, report: &Report) -> Result<()> {
    let mut full = Vec::new();
    for variant in Variant::ALL {
        let inputs = Inputs::generated(validators, variant);
        let bench = Bench::new(inputs, pool.clone(), runs);
        for (at, (row, measure)) in ROWS.into_iter().enumerate() {
            let sample = measure(&bench)?;
            if variant == Variant::Full {
                full.push(sample.cpu);
            }
            let ratio = sample.cpu / full[at];
            let name = format!("{row}_{}", variant.name());
            report.variant(&name, validators, &sample, ratio, ratio <= LIMIT);
        }
    }
    Ok(())
}
