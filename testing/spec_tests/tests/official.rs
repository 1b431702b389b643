//! Every official vector passes, none is left out, and every one fails when its expected output is
//! changed.
#![forbid(unsafe_code)]

use spec_tests::{Options, Summary, run};
use std::io::{Write, sink, stdout};
use std::path::Path;

/// Files of the BLS pack, which MANIFEST.csv does not list.
const BLS_PACK: usize = 104;
/// Generated chains, which MANIFEST.csv does not list.
const CHAINS: usize = 5;

/// Cases of the gossip rules among those of MANIFEST.csv.
const GOSSIP: usize = 139;

/// How many cases must be run: all of MANIFEST.csv, and what it does not list.
fn expected_cases(vectors: &Path) -> usize {
    let manifest = std::fs::read_to_string(vectors.join("MANIFEST.csv")).expect("readable");
    let listed = manifest.lines().skip(1).map(|line| {
        let column = line.split(',').nth(3).expect("a column of counts");
        column.parse::<usize>().expect("a number")
    });
    listed.sum::<usize>() + BLS_PACK + CHAINS
}

fn run_all(vectors: &Path, sabotage: bool, out: &mut dyn Write) -> Summary {
    let options = Options {
        sabotage,
        ..Options::new(vectors)
    };
    run(&options, out)
}

#[test]
fn every_case_passes() {
    let Some(vectors) = shared_inputs::path("vectors", "the official vectors") else {
        return;
    };
    let summary = run_all(&vectors, false, &mut stdout());
    assert!(summary.success(), "{} failed", summary.failed());
    assert_eq!(summary.passed, expected_cases(&vectors));
    let count = |name: &str| -> usize {
        let groups = summary.groups.iter();
        let named = groups.filter(|(group, _)| group.contains(name));
        named.map(|(_, total)| total.passed).sum()
    };
    assert_eq!(count("/bls12-381-tests/"), BLS_PACK);
    assert_eq!(count("/chains/"), CHAINS);
    assert_eq!(count("/networking/"), GOSSIP);
    assert!(
        summary.out_of_scope.is_empty(),
        "{:?}",
        summary.out_of_scope
    );
}

#[test]
fn every_case_fails_when_sabotaged() {
    let Some(vectors) = shared_inputs::path("vectors", "the official vectors, sabotaged") else {
        return;
    };
    let summary = run_all(&vectors, true, &mut sink());
    assert_eq!(summary.unnoticed, [], "sabotage was not noticed");
    assert_eq!(
        summary.broken,
        [],
        "failed for another reason than the sabotage"
    );
    assert!(summary.problems.is_empty(), "{:?}", summary.problems);
    assert_eq!(summary.passed, 0);
    assert_eq!(summary.failed(), expected_cases(&vectors));
    println!("sabotage: each of {} cases failed", summary.failed());
}
