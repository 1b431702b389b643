//! Fresnel, an Ethereum phase-0 beacon node. The command line is in `cli`, one file for each
//! command in `commands`, everything that is read from files in `input`.
#![forbid(unsafe_code)]

mod cli;
mod commands;
mod datadir;
mod import;
mod input;
mod node;
mod output;
mod progress;

use clap::Parser;
use std::process::ExitCode;

/// Exit codes: 0 all is well, 1 something was refused or found invalid, 2 wrong usage.
fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    match commands::run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(1)
        }
    }
}
