//! Seeds one after the other or several at once: each is one thread's work from start to end, and
//! what is reported does not depend on how many run at a time.

use crate::scenario::Scenario;
use crate::simulation::{Finished, Options, run};
use crate::totals::Totals;
use std::collections::BTreeMap;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// A seed in which something did not hold.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The seed.
    pub seed: u64,
    /// What did not hold, and when.
    pub why: String,
    /// The command that shows it again.
    pub replay: String,
}

/// What became of a range of seeds.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Sums over the seeds that held.
    pub totals: Totals,
    /// The seeds that did not.
    pub failures: Vec<Failure>,
    /// Time on one core that the seeds with the fast scheme took.
    pub fast_time: Duration,
    /// Simulated milliseconds of them, once for each node.
    pub fast_node_milliseconds: u64,
}

impl Report {
    /// Simulated seconds of a node in a second of a core, with the fast signature scheme.
    pub fn speed(&self) -> f64 {
        let simulated = self.fast_node_milliseconds as f64 / 1000.0;
        simulated / self.fast_time.as_secs_f64().max(f64::MIN_POSITIVE)
    }
}

/// Runs one seed; a panic is a failure like any other.
///
/// # Errors
/// What did not hold.
pub fn run_seed(options: &Options) -> Result<Finished, Failure> {
    let finished = catch_unwind(AssertUnwindSafe(|| run(options)));
    let why = match finished {
        Ok(Ok(finished)) => return Ok(finished),
        Ok(Err(why)) => why,
        Err(panic) => {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(|&text| text.to_owned()));
            format!("a panic: {}", text.unwrap_or_default())
        }
    };
    Err(Failure {
        seed: options.seed,
        why,
        replay: replay_command(options),
    })
}

fn replay_command(options: &Options) -> String {
    let Options {
        seed,
        nodes,
        epochs,
        ..
    } = options;
    let name = Scenario::name(options.scenario);
    let end = seed + 1;
    format!(
        "cargo run --release -p sim -- run --scenario {name} --seeds {seed}..{end} --nodes {nodes} \
         --epochs {epochs} --verbose"
    )
}

/// Runs the seeds of a range on so many threads. `show` sees each one's outcome, in order.
pub fn run_seeds(
    options: &Options,
    seeds: Range<u64>,
    threads: usize,
    mut show: impl FnMut(u64, &Result<Finished, Failure>),
) -> Report {
    let next = AtomicU64::new(seeds.start);
    let (sender, receiver) = mpsc::channel();
    let mut report = Report::default();
    std::thread::scope(|scope| {
        for _ in 0..threads.max(1) {
            let (sender, next, end) = (sender.clone(), &next, seeds.end);
            scope.spawn(move || {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= end {
                        return;
                    }
                    let options = Options {
                        seed,
                        ..options.clone()
                    };
                    let start = Instant::now();
                    let finished = run_seed(&options);
                    // Nobody listens any more only when the whole run ends.
                    if sender.send((seed, finished, start.elapsed())).is_err() {
                        return;
                    }
                }
            });
        }
        drop(sender);
        let mut waiting = BTreeMap::new();
        let mut due = seeds.start;
        for (seed, finished, took) in receiver {
            waiting.insert(seed, (finished, took));
            while let Some((finished, took)) = waiting.remove(&due) {
                show(due, &finished);
                report.take(finished, took);
                due += 1;
            }
        }
    });
    report
}

impl Report {
    fn take(&mut self, finished: Result<Finished, Failure>, took: Duration) {
        match finished {
            Ok(finished) => {
                if finished.fast {
                    self.fast_time += took;
                    self.fast_node_milliseconds += finished.totals.node_milliseconds;
                }
                self.totals.add(finished.totals);
            }
            Err(failure) => self.failures.push(failure),
        }
    }
}
