//! `cargo run --release -p bench -- state --data DIR`
#![forbid(unsafe_code)]

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use clap::{Args, Parser, Subcommand};
use consensus::Pool;

use bench::bench::Bench;
use bench::calibration::Calibration;
use bench::generate::Variant;
use bench::inputs::Inputs;
use bench::report::Report;
use bench::rows::{ROWS, Row};
use bench::store_process::{self, RecordedChain};
use bench::{fresh, hash, store_rows, variants};

/// Validators of the variants, unless the number is given.
const VARIANTS_VALIDATORS: usize = 400_000;

#[derive(Parser)]
#[command(about = "Benchmarks that print a table", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// State transition, signatures, fork choice, replay and memory.
    State(StateArgs),
    /// Hashing and shuffling on every code path of this machine.
    Hash {
        /// Runs of a row, after one that is not counted.
        #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u16).range(1..))]
        runs: u16,
    },
    /// The store, and whole imports beside replay.
    Store(StoreArgs),
    /// One run of a row that needs a process of its own.
    #[command(hide = true)]
    Fresh {
        #[arg(long)]
        row: String,
        #[arg(long)]
        folder: PathBuf,
        #[arg(long)]
        cores: usize,
    },
}

#[derive(Args)]
struct StoreArgs {
    /// A recorded chain to import: a folder with config.yaml, a genesis state and blocks.
    #[arg(long)]
    chain: Option<PathBuf>,
    /// The program that imports it [default: the one beside this].
    #[arg(long)]
    program: Option<PathBuf>,
    /// Finalized blocks of the made store.
    #[arg(long, default_value_t = 300_000, value_parser = clap::value_parser!(u64).range(16_384..))]
    blocks: u64,
    /// Only the rows of the recorded chain.
    #[arg(long, requires = "chain")]
    only_chain: bool,
    /// Runs of a row; its figures are medians.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..))]
    runs: u16,
    /// JSON, one object a line.
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
struct StateArgs {
    /// A folder of archives n<validators>.tar.zst, or of such folders, unpacked.
    #[arg(long, required_unless_present_any = ["generate", "variants"])]
    data: Option<PathBuf>,
    /// Rows on a generated state with this many validators instead, as far as they need no blocks.
    #[arg(long, conflicts_with = "data")]
    generate: Option<usize>,
    /// The epoch on generated states that differ in participation, slashings, finality and churn.
    #[arg(long, conflicts_with_all = ["data", "rows"])]
    variants: bool,
    /// Threads of the rows that can use several.
    #[arg(long, default_value_t = 1)]
    cores: usize,
    /// Only these rows.
    #[arg(long, value_delimiter = ',')]
    rows: Vec<String>,
    /// Only the inputs with these numbers of validators.
    #[arg(long, value_delimiter = ',')]
    validators: Vec<usize>,
    /// Runs of a row, after one that is not counted; its figures are medians.
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u16).range(1..))]
    runs: u16,
    /// JSON, one object a line.
    #[arg(long)]
    json: bool,
}

fn main() -> Result<()> {
    match Cli::parse().command {
        Command::State(args) => state(&args),
        Command::Hash { runs } => hash::run(runs.into()),
        Command::Store(args) => store(&args),
        Command::Fresh { row, folder, cores } => fresh::run(&row, &folder, cores),
    }
}

fn state(args: &StateArgs) -> Result<()> {
    let rows = chosen_rows(&args.rows)?;
    let pool = Pool::new(args.cores);
    let runs = args.runs.into();
    let report = Report::new(args.json, args.cores);
    if args.variants {
        let validators = args.generate.unwrap_or(VARIANTS_VALIDATORS);
        return variants::run(validators, &pool, runs, &report);
    }
    report.header();
    for inputs in inputs(args)? {
        let validators = inputs.validators;
        let calibration = Calibration::measure(runs)?;
        report.calibration(validators, &calibration);
        let has_files = inputs.has_files();
        let bench = Bench::new(inputs, pool.clone(), runs);
        for row in rows.iter().filter(|row| row.fits(validators, has_files)) {
            let sample = (row.run)(&bench).with_context(|| format!("row {}", row.name))?;
            report.row(row, validators, &sample, &calibration);
        }
    }
    Ok(())
}

fn store(args: &StoreArgs) -> Result<()> {
    let runs = args.runs.into();
    let report = Report::new(args.json, std::thread::available_parallelism()?.get());
    report.plain_header();
    if let Some(chain) = &args.chain {
        let chain = RecordedChain::open(chain)?;
        let program = match &args.program {
            Some(program) => program.clone(),
            None => std::env::current_exe()?.with_file_name("fresnel"),
        };
        store_process::run(&chain, &program, runs, &report)?;
    }
    match args.only_chain {
        true => Ok(()),
        false => store_rows::run(args.blocks, runs, &report),
    }
}

fn inputs(args: &StateArgs) -> Result<Vec<Inputs>> {
    let mut inputs = match (&args.data, args.generate) {
        (Some(data), _) => Inputs::find(data)?,
        (None, Some(validators)) => vec![Inputs::generated(validators, Variant::Full)],
        (None, None) => Vec::new(),
    };
    if !args.validators.is_empty() {
        inputs.retain(|inputs| args.validators.contains(&inputs.validators));
    }
    ensure!(!inputs.is_empty(), "no inputs with that many validators");
    Ok(inputs)
}

fn chosen_rows(names: &[String]) -> Result<Vec<&'static Row>> {
    for name in names {
        let known = ROWS.iter().any(|row| row.name == name);
        ensure!(known, "no row is called {name}");
    }
    let chosen = |row: &&Row| names.is_empty() || names.iter().any(|name| row.name == name);
    Ok(ROWS.iter().filter(chosen).collect())
}
