//! The project's structural invariants. Each rule is a function from text to findings, with a
//! sample it refuses in its unit tests; `tests/repository.rs` applies all of them to the
//! repository. `testing/README.md` lists the rules in words.
#![forbid(unsafe_code)]

pub mod bans;
pub mod crates;
pub mod functions;
pub mod repository;
pub mod source;
pub mod spec;
pub mod spec_functions;
pub mod structure;
pub mod waivers;
pub mod words;

use std::fmt;

/// One violation of a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Where: a path relative to the repository's root, with `:line` if one line is to blame.
    pub place: String,
    /// What is wrong there, and what the rule is.
    pub problem: String,
}

impl Finding {
    /// A finding about a whole file, crate or name.
    pub fn new(place: impl Into<String>, problem: impl Into<String>) -> Finding {
        Finding {
            place: place.into(),
            problem: problem.into(),
        }
    }

    /// A finding about one line, counted from 1.
    pub fn at(path: &str, line: usize, problem: impl Into<String>) -> Finding {
        Finding::new(format!("{path}:{line}"), problem)
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.problem)
    }
}
