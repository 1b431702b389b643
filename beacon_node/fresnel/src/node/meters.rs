//! [`Meters`]: what the node's threads count and measure.

use chain::{Class, Input, Lane, Outcome};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;
use rows::Batch;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

/// A label with a fixed set of values.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct Kind {
    kind: &'static str,
}

type Seconds = Counter<f64, AtomicU64>;
type Durations = Family<Kind, Histogram, fn() -> Histogram>;

/// Counters and histograms; everything else is read from the snapshot when it is asked for.
#[derive(Debug)]
pub(crate) struct Meters {
    applied: Durations,
    jobs: Durations,
    stages: Family<Kind, Seconds>,
    imported: Counter,
    block_import: Histogram,
    commits: Durations,
    committed_blocks: Counter,
}

/// From 0.1 ms to 13 s.
fn histogram() -> Histogram {
    Histogram::new(exponential_buckets(0.0001, 2.0, 18))
}

impl Default for Meters {
    fn default() -> Meters {
        Meters {
            applied: Durations::new_with_constructor(histogram),
            jobs: Durations::new_with_constructor(histogram),
            stages: Family::default(),
            imported: Counter::default(),
            block_import: histogram(),
            commits: Durations::new_with_constructor(histogram),
            committed_blocks: Counter::default(),
        }
    }
}

impl Meters {
    /// The core took an input.
    pub(crate) fn applied(&self, kind: &'static str, time: Duration) {
        let histogram = self.applied.get_or_create(&Kind { kind });
        histogram.observe(time.as_secs_f64());
    }

    /// A job has ended.
    pub(crate) fn job(&self, outcome: &Outcome, time: Duration) {
        let kind = outcome.kind();
        let histogram = self.jobs.get_or_create(&Kind { kind });
        histogram.observe(time.as_secs_f64());
        let timings = outcome.timings();
        if timings.blocks == 0 {
            return;
        }
        self.imported.inc_by(timings.blocks);
        let mean = time.as_secs_f64() / timings.blocks as f64;
        (0..timings.blocks).for_each(|_| self.block_import.observe(mean));
        let stages = [
            ("advance", timings.advance),
            ("transition", timings.transition),
            ("signatures", timings.signatures),
            ("root", timings.root),
        ];
        for (kind, nanoseconds) in stages {
            let stage = self.stages.get_or_create(&Kind { kind });
            stage.inc_by(Duration::from_nanos(nanoseconds).as_secs_f64());
        }
    }

    /// The writer has committed a batch.
    pub(crate) fn commit(&self, batch: &Batch, time: Duration) {
        let kind = match batch.durable || batch.finalize.is_some() {
            true => "durable",
            false => "relaxed",
        };
        let histogram = self.commits.get_or_create(&Kind { kind });
        histogram.observe(time.as_secs_f64());
        self.committed_blocks.inc_by(batch.blocks.len() as u64);
    }

    /// Enters everything under its name.
    pub(crate) fn register(&self, registry: &mut Registry) {
        registry.register(
            "fresnel_core_apply_seconds",
            "Time of the core's thread for an input, by kind",
            self.applied.clone(),
        );
        registry.register(
            "fresnel_job_seconds",
            "Time of a job on a worker, by kind of work",
            self.jobs.clone(),
        );
        registry.register(
            "fresnel_import_stage_seconds",
            "Time of all blocks in a stage of the import",
            self.stages.clone(),
        );
        registry.register(
            "fresnel_blocks_imported",
            "Blocks that went through the state transition",
            self.imported.clone(),
        );
        registry.register(
            "fresnel_block_import_seconds",
            "Time of a block's import on a worker; of a batch, the mean for each block",
            self.block_import.clone(),
        );
        registry.register(
            "fresnel_store_commit_seconds",
            "Time of a commit, by durability",
            self.commits.clone(),
        );
        registry.register(
            "fresnel_store_committed_blocks",
            "Blocks committed to the store",
            self.committed_blocks.clone(),
        );
    }
}

/// A lane's name in labels.
pub(crate) fn lane_name(lane: Lane) -> &'static str {
    match lane {
        Lane::Tick => "tick",
        Lane::Results => "results",
        Lane::Api => "api",
        Lane::Blocks => "blocks",
        Lane::Operations => "operations",
        Lane::Attestations => "attestations",
    }
}

/// A job class's name in labels.
pub(crate) fn class_name(class: Class) -> &'static str {
    match class {
        Class::Import => "import",
        Class::Background => "background",
    }
}

/// An input's name in labels.
pub(crate) fn input_name(input: &Input) -> &'static str {
    match input {
        Input::Tick(_) => "tick",
        Input::Done(_) => "done",
        Input::Committed(_) => "committed",
        Input::Api(..) => "api",
        Input::GossipBlock(..) => "gossip_block",
        Input::RequestedBlock(..) => "requested_block",
        Input::Batch(..) => "batch",
        Input::GossipAggregate(..) => "aggregate",
        Input::GossipProposerSlashing(..) => "proposer_slashing",
        Input::GossipAttesterSlashing(..) => "attester_slashing",
        Input::GossipVoluntaryExit(..) => "voluntary_exit",
        Input::GossipAttestation(..) => "attestation",
        Input::Shutdown => "shutdown",
    }
}
