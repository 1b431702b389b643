//! The two forms of output: JSON lines, or a table beside the baselines.

use crate::calibration::{Calibration, Scale};
use crate::measure::Sample;
use crate::rows::Row;

/// Where rows go as soon as they are measured.
#[derive(Clone, Copy, Debug)]
pub struct Report {
    json: bool,
    cores: usize,
}

impl Report {
    /// For rows measured with that many threads.
    pub fn new(json: bool, cores: usize) -> Report {
        Report { json, cores }
    }

    /// The table's first line.
    pub fn header(&self) {
        if !self.json {
            println!(
                "{:<31}{:>8} {:>5} {:>11} {:>11} {:>10} {:>10} {:>8} {:>6} {:>6} {:>8} {:>7}",
                "row",
                "n",
                "cores",
                "median",
                "cpu median",
                "Lighthouse",
                "Grandine",
                "target",
                "x LH",
                "x GR",
                "x target",
                "scaled"
            );
        }
    }

    /// The first line of a table of plain rows.
    pub fn plain_header(&self) {
        if !self.json {
            println!(
                "{:<31}{:>8} {:>5} {:>11} {:>11}",
                "row", "n", "cores", "median", "cpu median"
            );
        }
    }

    /// The calibration measured beside the rows of `validators`.
    pub fn calibration(&self, validators: usize, calibration: &Calibration) {
        let rows = [
            ("calibration_sha256_node_ns", &calibration.sha256_node_ns),
            ("calibration_bls_verify_us", &calibration.bls_verify_us),
            ("calibration_memcpy_gbps", &calibration.memcpy_gbps),
        ];
        for (name, sample) in rows {
            if self.json {
                self.json(name, validators, sample);
            } else {
                self.figures(name, validators, sample);
                println!();
            }
        }
    }

    /// A row.
    pub fn row(&self, row: &Row, validators: usize, sample: &Sample, calibration: &Calibration) {
        if self.json {
            return self.json(row.name, validators, sample);
        }
        let slowness = calibration.slowness(row.scale);
        // On one core the baselines' wall clock is their CPU time; ours does not change with what
        // else the machine does.
        let ours = match self.cores {
            0 | 1 => sample.cpu,
            _ => sample.wall,
        };
        let ratio = |theirs: Option<f64>| match theirs {
            Some(theirs) => format!("{:.3}", row.ratio(ours, slowness, theirs)),
            None => "-".into(),
        };
        let baseline = row.baseline(validators);
        self.figures(row.name, validators, sample);
        println!(
            " {:>10} {:>10} {:>8} {:>6} {:>6} {:>8} {:>7}",
            optional(baseline.lighthouse),
            optional(baseline.grandine),
            optional(baseline.target),
            ratio(baseline.lighthouse),
            ratio(baseline.grandine),
            ratio(baseline.target),
            match row.scale {
                Scale::Sha256 => "sha256",
                Scale::Bls => "verify",
                Scale::Memory => "memcpy",
                Scale::Nothing => "-",
            }
        );
    }

    /// A row of a variant and how many times the CPU time of full participation it takes.
    pub fn variant(&self, name: &str, validators: usize, sample: &Sample, ratio: f64, ok: bool) {
        if self.json {
            return self.json(name, validators, sample);
        }
        self.figures(name, validators, sample);
        let verdict = match ok {
            true => "",
            false => " too much",
        };
        println!(" x full {ratio:.2}{verdict}");
    }

    /// A row that nothing is compared with.
    pub fn plain(&self, name: &str, count: usize, sample: &Sample, remark: &str) {
        if self.json {
            return self.json(name, count, sample);
        }
        self.figures(name, count, sample);
        println!("  {remark}");
    }

    fn figures(&self, name: &str, validators: usize, sample: &Sample) {
        print!(
            "{name:<31}{validators:>8} {:>5} {:>11} {:>11}",
            self.cores,
            figure(sample.wall),
            figure(sample.cpu)
        );
    }

    fn json(&self, name: &str, validators: usize, sample: &Sample) {
        let Sample { wall, cpu, runs } = sample;
        println!(
            r#"{{"row": "{name}", "n": {validators}, "cores": {}, "median_ms": {wall}, "cpu_median_ms": {cpu}, "runs": {runs}}}"#,
            self.cores
        );
    }
}

/// Three or four significant digits.
fn figure(value: f64) -> String {
    match value.abs() {
        size if size >= 1000.0 => format!("{value:.0}"),
        size if size >= 100.0 => format!("{value:.1}"),
        size if size >= 1.0 => format!("{value:.2}"),
        size if size >= 0.01 => format!("{value:.4}"),
        _ => format!("{value:.6}"),
    }
}

fn optional(value: Option<f64>) -> String {
    value.map_or("-".into(), |value| format!("{value}"))
}
