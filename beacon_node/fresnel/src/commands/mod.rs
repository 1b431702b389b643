//! One file for each command.

mod config;
mod containers;
mod db;
mod era;
mod make_chain;
mod replay;
mod spec_test;
mod states;

pub(crate) use era::Era;

use crate::cli::{Cli, Command, Db, Debug};
use crate::input::Network;
use anyhow::Context;
use consensus::{Bls, Pool};

/// Runs the command. An error is one sentence for the user.
pub(crate) fn run(cli: Cli) -> anyhow::Result<()> {
    match cli.command {
        Command::Node(args) => crate::node::run(&args),
        Command::Db(Db::Info(args)) => db::info(&args),
        Command::Db(Db::Verify(args)) => db::verify(&args),
        Command::Era(command) => era::run(&command),
        Command::Replay(args) => replay::run(&args),
        Command::SpecTest(args) => spec_test::run(&args),
        Command::Debug(Debug::Transition(args)) => states::transition(&args),
        Command::Debug(Debug::SkipSlots(args)) => states::skip_slots(&args),
        Command::Debug(Debug::Pretty(args)) => containers::pretty(&args),
        Command::Debug(Debug::Root(args)) => containers::root(&args),
        Command::Debug(Debug::Config(args)) => config::run(&args),
        Command::Debug(Debug::MakeChain(args)) => make_chain::run(&args),
    }
}

/// A pool of all cores.
fn pool() -> Pool {
    Pool::new(std::thread::available_parallelism().map_or(1, usize::from))
}

/// A verifier with a seed nobody can know.
fn verifier(pool: &Pool) -> anyhow::Result<Bls> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).context("the system gives no random numbers")?;
    Ok(Bls::new(pool.clone(), seed))
}

/// Says what a configuration holds that is not used, in one line.
fn tell_unknown_keys(network: &Network) {
    if !network.unknown_keys.is_empty() {
        eprintln!(
            "info: {}: {} keys are not of phase 0 and not used: {}",
            network.name,
            network.unknown_keys.len(),
            network.unknown_keys.join(", ")
        );
    }
}
