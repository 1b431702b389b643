//! Runs the official consensus specification vectors against `consensus` and `fork_choice`:
//! one runner for every preset, one table from `(runner, handler)` to the function that runs it.
//!
//! Every file of a case must be opened, every expectation checked. Sabotage changes every
//! expectation, so that a check which cannot fail shows.
#![forbid(unsafe_code)]

mod archive;
mod case;
pub mod driver;
mod handlers;
mod manifest;
mod report;
mod table;
mod tree;
mod value;

use case::{Case, Outcome};
use consensus::{Bls, Pool, Spec};
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use table::Entry;
use tree::Located;

pub use report::{GroupTotal, Summary};

/// What to run, and how.
#[derive(Clone, Debug)]
pub struct Options {
    /// A folder with `tests/` below it, that folder itself, or one with the `.tar.zst` archives.
    pub vectors: PathBuf,
    /// Run only the cases whose name holds this text.
    pub filter: Option<String>,
    /// Change every expected output: then every case must fail.
    pub sabotage: bool,
    /// How many cases run at the same time; at least 1.
    pub threads: usize,
    /// Where archives are unpacked to, once; some 600 MB for all of phase 0.
    pub cache: PathBuf,
}

impl Options {
    /// Everything in `vectors`, on all cores, unpacked below cargo's target folder, or below the
    /// system's temporary folder where there is none.
    pub fn new(vectors: impl Into<PathBuf>) -> Options {
        Options {
            vectors: vectors.into(),
            filter: None,
            sabotage: false,
            threads: std::thread::available_parallelism().map_or(1, usize::from),
            cache: default_cache(),
        }
    }
}

fn default_cache() -> PathBuf {
    let workspace = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
    let target = match std::env::var_os("CARGO_TARGET_DIR") {
        Some(folder) => PathBuf::from(folder),
        None if workspace.join("Cargo.toml").is_file() => workspace.join("target"),
        None => std::env::temp_dir().join("fresnel"),
    };
    target.join("spec-vectors")
}

/// Runs the vectors and reports to `out`; the last line is `N passed, M failed`. Whatever keeps
/// vectors from running (no such folder, a damaged archive, an unknown runner) counts as failed.
pub fn run(options: &Options, out: &mut dyn Write) -> Summary {
    let mut summary = Summary::new(options.sabotage);
    if let Err(error) = run_all(options, &mut summary, out) {
        summary.problems.push(format!("{error:#}"));
    }
    // Whoever closed the output does not read the report; the summary is still returned.
    let _ = summary.write(out);
    summary
}

/// What all cases share.
pub(crate) struct Setup {
    pub(crate) mainnet: Arc<Spec>,
    pub(crate) minimal: Arc<Spec>,
    pub(crate) bls: Bls,
    pub(crate) sabotage: bool,
}

impl Setup {
    fn new(sabotage: bool) -> Setup {
        // The seed keeps an attacker from making two bad signatures cancel out in a batch. The
        // vectors are public and fixed, and a run should repeat exactly: any seed will do.
        let seed = *b"the seed of a reproducible run..";
        Setup {
            mainnet: Arc::new(Spec::mainnet()),
            minimal: Arc::new(Spec::minimal()),
            bls: Bls::new(Pool::new(1), seed),
            sabotage,
        }
    }
}

fn run_all(options: &Options, summary: &mut Summary, out: &mut dyn Write) -> anyhow::Result<()> {
    let roots = archive::roots(&options.vectors, &options.cache)?;
    let tree = tree::discover(&roots)?;
    summary.take_tree(&tree);
    if tree.cases.is_empty() {
        summary.problems.push(format!(
            "no vectors in {}: expected a folder `tests/` or .tar.zst archives",
            options.vectors.display()
        ));
    }
    if let Some(expected) = manifest::read(&options.vectors)? {
        let found = summary.found_counts();
        summary
            .problems
            .extend(manifest::differences(&expected, &found));
    }
    let wanted = |located: &&Located| match &options.filter {
        Some(text) => located.name.contains(text),
        None => true,
    };
    let mut chosen = Vec::new();
    for located in tree.cases.iter().filter(wanted) {
        match table::lookup(located) {
            Some(Entry::Run(handler)) => chosen.push((located, handler)),
            Some(Entry::LaterFork) => summary.add_later_fork(located),
            None => summary.add_unknown(located),
        }
    }
    if chosen.is_empty() && !tree.cases.is_empty() {
        summary
            .problems
            .push("no case has a name with the filter's text that is run".into());
    }
    let (cases, threads) = (chosen.len(), options.threads.max(1));
    let _ = writeln!(out, "running {cases} cases on {threads} threads");
    let setup = Setup::new(options.sabotage);
    for (located, outcome) in run_cases(&setup, &chosen, threads) {
        summary.add(located, outcome);
    }
    Ok(())
}

/// Runs the cases on `threads` threads; the outcomes come in the order of the cases.
fn run_cases<'t>(
    setup: &Setup,
    cases: &[(&'t Located, table::Handler)],
    threads: usize,
) -> Vec<(&'t Located, Outcome)> {
    let next = AtomicUsize::new(0);
    let outcomes = Mutex::new(Vec::with_capacity(cases.len()));
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some((located, handler)) = cases.get(next.fetch_add(1, Ordering::Relaxed))
                {
                    let outcome = run_case(setup, located, *handler);
                    outcomes
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .push((*located, outcome));
                }
            });
        }
    });
    let mut outcomes = outcomes
        .into_inner()
        .unwrap_or_else(PoisonError::into_inner);
    outcomes.sort_by(|(a, _), (b, _)| a.name.cmp(&b.name));
    outcomes
}

/// Runs one case. A panic is a failure of the case, not of the run.
fn run_case(setup: &Setup, located: &Located, handler: table::Handler) -> Outcome {
    let attempt = catch_unwind(AssertUnwindSafe(|| {
        let case = Case::open(setup, located)?;
        let result = handler(&case);
        anyhow::Ok(case.finish(result))
    }));
    let message = match attempt {
        Ok(Ok(outcome)) => return outcome,
        Ok(Err(error)) => format!("{error:#}"),
        Err(panic) => match (panic.downcast_ref::<&str>(), panic.downcast_ref::<String>()) {
            (Some(text), _) => format!("panicked: {text}"),
            (_, Some(text)) => format!("panicked: {text}"),
            _ => "panicked".into(),
        },
    };
    Outcome {
        broken: true,
        messages: vec![message],
        ..Outcome::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::{Config, Group};
    use crate::value::Value;

    /// Runs `handler` on a case with one file.
    fn outcome(sabotage: bool, handler: table::Handler) -> Outcome {
        let folder = tempfile::tempdir().expect("temporary folder");
        std::fs::write(folder.path().join("data.yaml"), "7\n").expect("written");
        let located = Located {
            name: "tests/general/phase0/r/h/s/c".into(),
            path: folder.path().into(),
            group: Group {
                config: Config::General,
                runner: "r".into(),
                handler: "h".into(),
            },
        };
        run_case(&Setup::new(sabotage), &located, handler)
    }

    fn good(case: &Case) -> anyhow::Result<()> {
        let expected = case.expected_yaml("data.yaml")?;
        case.check_value("data", &Value::scalar(7), &expected);
        Ok(())
    }

    #[test]
    fn a_panic_is_a_failure_of_the_case_with_its_message() {
        let outcome = outcome(false, |_| panic!("seven is {}", "wrong"));
        assert!(!outcome.passed && outcome.broken);
        assert_eq!(outcome.messages, ["panicked: seven is wrong"]);
    }

    #[test]
    fn a_check_fails_exactly_when_sabotaged() {
        assert!(outcome(false, good).passed);
        let sabotaged = outcome(true, good);
        assert!(!sabotaged.passed && !sabotaged.broken);
    }

    #[test]
    fn one_expectation_that_is_not_compared_is_unnoticed_sabotage() {
        let sloppy = |case: &Case| {
            case.check(true, || "always".into());
            good(case)
        };
        assert!(outcome(false, sloppy).passed);
        let sabotaged = outcome(true, sloppy);
        assert!(sabotaged.passed);
        assert_eq!(sabotaged.messages, ["always"]);
    }

    #[test]
    fn a_case_without_checks_fails() {
        let nothing = |case: &Case| case.yaml("data.yaml").map(|_| ());
        for sabotage in [false, true] {
            let outcome = outcome(sabotage, nothing);
            assert!(!outcome.passed && outcome.broken);
            assert_eq!(outcome.messages, ["nothing was checked"]);
        }
    }
}
