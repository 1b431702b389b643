//! Whole nodes in a simulated network: the core, the inbox and the store of each, over simulated
//! time, messages, disks and power, with honest and other validators on top. One thread, one queue
//! of events, and every choice follows from the seed: the same seed gives the same trace.
#![forbid(unsafe_code)]

mod checks;
mod disk;
mod duties;
mod effects;
mod ledger;
mod naive;
mod node;
mod power;
mod queue;
mod rot;
mod runner;
mod scenario;
mod scheme;
mod simulation;
mod totals;
mod trace;
mod traffic;
mod world;

pub use runner::{Failure, Report, run_seed, run_seeds};
pub use scenario::Scenario;
pub use simulation::{CALM_EPOCHS, Finished, Options, run};
pub use totals::Totals;
