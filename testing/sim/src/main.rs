//! The simulator's command line.
#![forbid(unsafe_code)]

use anyhow::{Context, bail};
use clap::{Parser, Subcommand};
use sim::{CALM_EPOCHS, Options, Scenario, run_seeds};
use std::io::{self, Write};
use std::ops::Range;
use std::process::ExitCode;

/// Whole nodes in a simulated network.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Runs seeds; prints a line for each and the totals.
    Run {
        /// What goes wrong.
        #[arg(long, value_enum)]
        scenario: Scenario,
        /// Seeds A..B, without B.
        #[arg(long, value_parser = parse_seeds)]
        seeds: Range<u64>,
        /// Nodes in the network.
        #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u64).range(2..=32))]
        nodes: u64,
        /// Epochs to run; the last ones are without faults.
        #[arg(long, default_value_t = 10,
              value_parser = clap::value_parser!(u64).range(CALM_EPOCHS + 1..=1_000_000))]
        epochs: u64,
        /// Seeds that run at the same time; all cores if absent.
        #[arg(long)]
        threads: Option<usize>,
        /// Prints what happens, for one seed.
        #[arg(long)]
        verbose: bool,
    },
}

fn parse_seeds(text: &str) -> anyhow::Result<Range<u64>> {
    let (start, end) = text.split_once("..").context("seeds are written A..B")?;
    let seeds = start.parse()?..end.parse()?;
    if seeds.is_empty() {
        bail!("there is no seed from {} below {}", seeds.start, seeds.end);
    }
    Ok(seeds)
}

fn main() -> ExitCode {
    let Command::Run {
        scenario,
        seeds,
        nodes,
        epochs,
        threads,
        verbose,
    } = Arguments::parse().command;
    let threads = match (verbose, threads) {
        (true, _) => 1,
        (false, Some(threads)) => threads,
        (false, None) => std::thread::available_parallelism().map_or(1, usize::from),
    };
    let options = Options {
        scenario,
        seed: seeds.start,
        nodes: nodes as usize,
        epochs,
        verbose,
    };
    let report = run_seeds(&options, seeds, threads, |seed, finished| match finished {
        Ok(finished) => print(&format!("seed {seed} trace {}", finished.trace)),
        Err(failure) => print(&format!(
            "seed {seed} FAILED {}\n  replay: {}",
            failure.why, failure.replay
        )),
    });
    print(&format!(
        "{}: {}, {:.0} simulated seconds per second of a core and node",
        scenario.name(),
        report.totals,
        report.speed()
    ));
    for failure in &report.failures {
        print(&format!("seed {} failed: {}", failure.seed, failure.replay));
    }
    if report.failures.is_empty() {
        return ExitCode::SUCCESS;
    }
    ExitCode::FAILURE
}

/// Prints a line. That nobody reads on is no reason to stop: the exit code still tells.
fn print(line: &str) {
    drop(writeln!(io::stdout(), "{line}"));
}
