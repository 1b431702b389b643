//! Totals of a run and how they are printed.

use crate::case::Outcome;
use crate::tree::{Group, Located, Tree};
use std::collections::BTreeMap;
use std::io::{self, Write};

/// The totals of one preset, runner and handler.
#[derive(Clone, Debug, Default)]
pub struct GroupTotal {
    /// Cases in the vectors, whether run or not.
    pub found: usize,
    /// Cases that passed.
    pub passed: usize,
    /// Cases that failed.
    pub failed: usize,
    /// How often invalid input was refused with which error.
    pub refusals: BTreeMap<&'static str, usize>,
}

/// What came of a run.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    /// Cases that passed.
    pub passed: usize,
    failed_cases: usize,
    /// Names of the failed cases with the reasons, in the order of their names. Not of sabotaged
    /// cases, which are meant to fail.
    pub failures: Vec<(String, String)>,
    /// Names of the cases that passed although they were sabotaged, with what went unnoticed.
    pub unnoticed: Vec<(String, String)>,
    /// Names of the sabotaged cases that failed because they could not be run at all.
    pub broken: Vec<(String, String)>,
    /// What kept vectors from running.
    pub problems: Vec<String>,
    /// Totals by `preset/runner/handler`.
    pub groups: BTreeMap<String, GroupTotal>,
    /// Folders of other forks and of their types, with the number of their cases.
    pub out_of_scope: BTreeMap<String, usize>,
    /// Whether the expected outputs were changed.
    pub sabotaged: bool,
    found: BTreeMap<Group, usize>,
}

impl Summary {
    pub(crate) fn new(sabotaged: bool) -> Summary {
        Summary {
            sabotaged,
            ..Summary::default()
        }
    }

    /// Cases that failed, and problems.
    pub fn failed(&self) -> usize {
        self.failed_cases + self.problems.len()
    }

    /// Whether everything ran and passed.
    pub fn success(&self) -> bool {
        self.failed() == 0
    }

    pub(crate) fn take_tree(&mut self, tree: &Tree) {
        self.out_of_scope = tree.out_of_scope.clone();
        for folder in &tree.unknown {
            self.problems
                .push(format!("{folder} is no part of the official layout"));
        }
        for located in &tree.cases {
            *self.found.entry(located.group.clone()).or_default() += 1;
            self.group(&located.group).found += 1;
        }
    }

    pub(crate) fn found_counts(&self) -> BTreeMap<Group, usize> {
        self.found.clone()
    }

    pub(crate) fn add_later_fork(&mut self, located: &Located) {
        let suite = located.name.rsplit_once('/').map_or("", |(suite, _)| suite);
        *self.out_of_scope.entry(suite.to_owned()).or_default() += 1;
    }

    pub(crate) fn add_unknown(&mut self, located: &Located) {
        let Group {
            runner, handler, ..
        } = &located.group;
        self.failures.push((
            located.name.clone(),
            format!("no function for runner `{runner}`, handler `{handler}`"),
        ));
        self.failed_cases += 1;
        self.group(&located.group).failed += 1;
    }

    pub(crate) fn add(&mut self, located: &Located, outcome: Outcome) {
        let group = self.group(&located.group);
        for name in outcome.refusals {
            *group.refusals.entry(name).or_default() += 1;
        }
        if outcome.passed {
            group.passed += 1;
            self.passed += 1;
        } else {
            group.failed += 1;
            self.failed_cases += 1;
        }
        let list = match (self.sabotaged, outcome.passed) {
            (false, false) => &mut self.failures,
            (true, true) => &mut self.unnoticed,
            (true, false) if outcome.broken => &mut self.broken,
            _ => return,
        };
        list.push((located.name.clone(), outcome.messages.join("; ")));
    }

    fn group(&mut self, group: &Group) -> &mut GroupTotal {
        self.groups.entry(group_name(group)).or_default()
    }

    /// Prints the report, the totals last.
    pub(crate) fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        for (name, reason) in &self.failures {
            writeln!(out, "FAILED {name}: {reason}")?;
        }
        for (name, reason) in &self.unnoticed {
            writeln!(out, "UNNOTICED {name}: {reason}")?;
        }
        for (name, reason) in &self.broken {
            writeln!(out, "BROKEN {name}: {reason}")?;
        }
        for (folder, cases) in &self.out_of_scope {
            writeln!(out, "out of scope (another fork): {folder}, {cases} cases")?;
        }
        for (name, group) in &self.groups {
            if group.passed + group.failed == 0 {
                continue;
            }
            writeln!(
                out,
                "{name}: {} passed, {} failed",
                group.passed, group.failed
            )?;
            for (error, count) in &group.refusals {
                writeln!(out, "    refused {count:4} x {error}")?;
            }
        }
        for problem in &self.problems {
            writeln!(out, "PROBLEM {problem}")?;
        }
        writeln!(out, "{} passed, {} failed", self.passed, self.failed())
    }
}

fn group_name(group: &Group) -> String {
    format!("{}/{}/{}", group.config.name(), group.runner, group.handler)
}
