//! Seeds of every scenario: all that is checked holds, what the scenario is about happens, and the
//! same seed gives the same trace.

use sim::{Options, Report, Scenario, run_seed, run_seeds};

const EPOCHS: u64 = 10;

fn options(scenario: Scenario) -> Options {
    Options {
        scenario,
        seed: 0,
        nodes: 4,
        epochs: EPOCHS,
        verbose: false,
    }
}

/// Runs the first seeds of a scenario, all of which must hold.
fn clean(scenario: Scenario, seeds: u64) -> Report {
    let report = run_seeds(&options(scenario), 0..seeds, 2, |_, _| {});
    if let Some(failure) = report.failures.first() {
        panic!("seed {}: {}\n{}", failure.seed, failure.why, failure.replay);
    }
    let totals = &report.totals;
    assert_eq!(totals.seeds, seeds);
    assert!(totals.finalized >= seeds * 2, "{totals}");
    assert!(totals.heads > 0 && totals.blocks > 0, "{totals}");
    report
}

#[test]
fn calm() {
    let totals = clean(Scenario::Calm, 12).totals;
    assert_eq!(
        totals.crashes + totals.lost + totals.unavailable,
        0,
        "{totals}"
    );
    // From epoch 2 on, each two epochs later.
    assert_eq!(totals.finalized, 12 * (EPOCHS - 4), "{totals}");
}

#[test]
fn general() {
    let totals = clean(Scenario::General, 24).totals;
    assert!(totals.crashes > 0 && totals.stops > 0, "{totals}");
    assert!(totals.partitions > 0 && totals.lost > 0, "{totals}");
    assert!(totals.reorgs > 0 && totals.served > 0, "{totals}");
    assert!(totals.flips.1 > 0, "{totals}");
}

#[test]
fn power_cuts() {
    let totals = clean(Scenario::PowerCuts, 24).totals;
    assert!(totals.images.len() > 100, "{totals}");
}

#[test]
fn partition_and_heal() {
    let totals = clean(Scenario::PartitionAndHeal, 16).totals;
    assert_eq!(totals.partitions, 16, "{totals}");
    assert!(totals.reorgs > 0, "{totals}");
}

#[test]
fn late_blocks() {
    let totals = clean(Scenario::LateBlocks, 16).totals;
    assert!(totals.reorgs > 0, "{totals}");
}

#[test]
fn equivocation() {
    let totals = clean(Scenario::Equivocation, 16).totals;
    assert!(totals.reorgs > 0, "{totals}");
}

#[test]
fn the_same_seed_gives_the_same_trace() {
    for scenario in [
        Scenario::Calm,
        Scenario::General,
        Scenario::PowerCuts,
        Scenario::PartitionAndHeal,
        Scenario::LateBlocks,
        Scenario::Equivocation,
    ] {
        let trace = |seed| {
            let options = Options {
                seed,
                ..options(scenario)
            };
            run_seed(&options).expect("it holds").trace
        };
        assert_eq!(trace(7), trace(7), "{scenario:?}");
        assert_ne!(trace(7), trace(8), "{scenario:?}");
    }
}
