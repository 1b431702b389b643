//! Every assertion of block processing, tripped by a block that is valid but for one change.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod rows;

use consensus::Error;
use mutations::Scenario;
use rows::Row;
use std::collections::{BTreeMap, BTreeSet};

/// The functions that block processing runs through and that assert something, and the function of
/// epoch processing that a block's slot reaches.
const FUNCTIONS: [&str; 11] = [
    "state_transition",
    "process_slots",
    "process_block_header",
    "process_randao",
    "process_operations",
    "process_proposer_slashing",
    "process_attester_slashing",
    "process_attestation",
    "process_deposit",
    "process_voluntary_exit",
    "compute_proposer_index",
];

/// How the error of an operation names its kind.
fn operation_of(function: &str) -> Option<&'static str> {
    Some(match function {
        "process_proposer_slashing" => "proposer slashing",
        "process_attester_slashing" => "attester slashing",
        "process_attestation" => "attestation",
        "process_deposit" => "deposit",
        "process_voluntary_exit" => "voluntary exit",
        _ => return None,
    })
}

/// Whether the error is the row's. `Err` says what it is instead.
fn judge(row: &Row, outcome: Result<(), Error>) -> Result<(), String> {
    let error = match outcome {
        Ok(()) => return Err("was accepted".into()),
        Err(error) => error,
    };
    let (operation, inner) = match &error {
        Error::Operation {
            operation, error, ..
        } => (Some(*operation), &**error),
        other => (None, other),
    };
    let (text, name) = (format!("{inner:?}"), error.name());
    if !text.starts_with(row.expected) || !row.expected.starts_with(name) {
        return Err(format!("{text} instead of {}", row.expected));
    }
    match operation == operation_of(row.function) {
        true => Ok(()),
        false => Err(format!("{text} comes from {operation:?}")),
    }
}

#[test]
fn the_unchanged_block_is_valid() {
    let s = Scenario::new();
    assert_eq!(s.transition(|_| ()), Ok(()));
    assert_eq!(s.process(|_, _| ()), Ok(()));
    let body = &s.block.body;
    assert!(body.proposer_slashings.len() == 1 && body.attester_slashings.len() == 1);
    assert!(body.deposits.len() == 4 && body.voluntary_exits.len() == 1);
    assert!(body.attestations.len() >= 3);
    let justified = s.at_slot.current_justified_checkpoint();
    assert!(justified.epoch > 0 && justified != s.at_slot.previous_justified_checkpoint());
}

#[test]
fn every_mutation_trips_its_assertion() {
    let s = Scenario::new();
    let rows = rows::all();
    let mut covered: BTreeMap<(&str, &str), Vec<&str>> = BTreeMap::new();
    let mut names = BTreeSet::new();
    let mut wrong = Vec::new();
    for row in &rows {
        let outcome = (row.trip)(&s);
        names.extend(outcome.as_ref().err().map(Error::name));
        match judge(row, outcome) {
            Ok(()) => {
                let mutations = covered.entry((row.function, row.assertion)).or_default();
                mutations.push(row.mutation);
            }
            Err(text) => wrong.push(format!("{}: {}: {text}", row.function, row.mutation)),
        }
    }
    for ((function, assertion), mutations) in &covered {
        println!("{function}: {assertion}\n    by {}", mutations.join("; "));
    }
    println!(
        "{} mutations, {} error names: {names:?}",
        rows.len(),
        names.len()
    );
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    report_coverage(&covered);
}

/// The assertions in the specification's own text: function and first line.
fn assertions(text: &str) -> Vec<(&str, &str)> {
    let mut function = "";
    let mut found = Vec::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("def ") {
            function = rest.split('(').next().unwrap_or_default();
        }
        let line = line.trim();
        if line.starts_with("assert ") && FUNCTIONS.contains(&function) {
            found.push((function, line));
        }
    }
    found
}

fn report_coverage(covered: &BTreeMap<(&str, &str), Vec<&str>>) {
    let path = "spec/phase0/beacon-chain.md";
    let Some(text) = shared_inputs::text(path, "the coverage of the specification's assertions")
    else {
        return;
    };
    let assertions = assertions(&text);
    let missing: Vec<_> = assertions
        .iter()
        .filter(|assertion| !covered.contains_key(assertion))
        .collect();
    let (all, seen) = (assertions.len(), assertions.len() - missing.len());
    println!("{seen} of {all} assertions of block processing are covered; missing: {missing:?}");
    assert!(all >= 30, "only {all} assertions were found in {path}");
    assert!(seen * 10 >= all * 9, "{seen} of {all}: {missing:?}");
}
