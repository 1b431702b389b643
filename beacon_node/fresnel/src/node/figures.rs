//! What is exposed as metrics of the chain, the lanes, the workers and the process: read when a
//! scrape asks for it.

use super::meters::{class_name, lane_name};
use super::shell::Shell;
use chain::{Class, Lane, Snapshot};
use consensus::state::ValidatorChunk;
use consensus::{BeaconState, Root};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{
    DescriptorEncoder, EncodeCounterValue, EncodeGaugeValue, EncodeMetric,
};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use std::fmt;
use std::sync::Arc;
use store::Reader;

const LANES: [Lane; 6] = [
    Lane::Tick,
    Lane::Results,
    Lane::Api,
    Lane::Blocks,
    Lane::Operations,
    Lane::Attestations,
];

/// Reads the node's figures.
pub(crate) struct Figures {
    shell: Arc<Shell>,
    store: Reader,
}

impl Figures {
    pub(crate) fn new(shell: Arc<Shell>, store: Reader) -> Figures {
        Figures { shell, store }
    }
}

impl fmt::Debug for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Figures")
    }
}

impl Collector for Figures {
    fn encode(&self, encoder: DescriptorEncoder) -> fmt::Result {
        let snapshot = self.shell.snapshots.load_full();
        let mut out = Out(encoder);
        chain_figures(&snapshot, &mut out)?;
        validator_figures(&snapshot, &mut out)?;
        core_figures(&snapshot, &mut out)?;
        self.queue_figures(&mut out)?;
        self.store_figures(&mut out)?;
        process_figures(&mut out)
    }
}

/// Writes one metric after the other.
struct Out<'a>(DescriptorEncoder<'a>);

impl Out<'_> {
    fn gauge<N>(&mut self, name: &str, help: &str, value: N) -> fmt::Result
    where
        N: EncodeGaugeValue,
        ConstGauge<N>: EncodeMetric,
    {
        let metric = ConstGauge::new(value);
        let encoder = self
            .0
            .encode_descriptor(name, help, None, MetricType::Gauge)?;
        metric.encode(encoder)
    }

    /// `name` without `_total`, which is added.
    fn counter<N>(&mut self, name: &str, help: &str, value: N) -> fmt::Result
    where
        N: EncodeCounterValue,
        ConstCounter<N>: EncodeMetric,
    {
        let metric = ConstCounter::new(value);
        let encoder = self
            .0
            .encode_descriptor(name, help, None, MetricType::Counter)?;
        metric.encode(encoder)
    }

    fn labelled<M: EncodeMetric>(
        &mut self,
        (name, help, label): (&str, &str, &str),
        values: impl IntoIterator<Item = (&'static str, M)>,
    ) -> fmt::Result {
        let mut values = values.into_iter().peekable();
        let Some((_, first)) = values.peek() else {
            return Ok(());
        };
        let kind = first.metric_type();
        let mut family = self.0.encode_descriptor(name, help, None, kind)?;
        for (value, metric) in values {
            let labels = [(label, value)];
            metric.encode(family.encode_family(&labels)?)?;
        }
        Ok(())
    }
}

/// `metrics.md`: the last eight bytes of a root as a little-endian signed number.
fn root_value(root: Root) -> i64 {
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&root[24..]);
    i64::from_le_bytes(bytes)
}

/// Numbers beyond the gauges' range stay at its end.
fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

fn chain_figures(snapshot: &Snapshot, out: &mut Out) -> fmt::Result {
    let state = &snapshot.head.state;
    let justified = state.current_justified_checkpoint();
    let previous = state.previous_justified_checkpoint();
    let finalized = state.finalized_checkpoint();
    let behind = snapshot.current_slot.saturating_sub(snapshot.head.slot);
    let gauges = [
        (
            "beacon_slot",
            "Slot by the clock",
            signed(snapshot.current_slot),
        ),
        (
            "beacon_head_slot",
            "Slot of the head block",
            signed(snapshot.head.slot),
        ),
        (
            "beacon_finalized_epoch",
            "Current finalized epoch",
            signed(finalized.epoch),
        ),
        (
            "beacon_current_justified_epoch",
            "Current justified epoch",
            signed(justified.epoch),
        ),
        (
            "beacon_previous_justified_epoch",
            "Previously justified epoch",
            signed(previous.epoch),
        ),
        (
            "beacon_sync_state",
            "0 not syncing, 1 synced, 2 syncing",
            if behind <= super::SYNC_TOLERANCE {
                1
            } else {
                2
            },
        ),
        ("libp2p_peers", "Peers", 0),
    ];
    for (name, help, value) in gauges {
        out.gauge(name, help, value)?;
    }
    root_figures(snapshot, out)?;
    out.counter(
        "beacon_reorgs",
        "Chain reorganisations",
        snapshot.figures.reorgs,
    )?;
    out.counter(
        "beacon_processed_deposits",
        "Deposits included on the chain",
        state.eth1_deposit_index(),
    )
}

fn root_figures(snapshot: &Snapshot, out: &mut Out) -> fmt::Result {
    let state = &snapshot.head.state;
    let finalized = state.finalized_checkpoint();
    let previous = state.previous_justified_checkpoint();
    let gauges = [
        (
            "beacon_head_state_root",
            "Root of the head state, its last eight bytes",
            root_value(snapshot.head.state_root),
        ),
        (
            "beacon_head_state_finalized_root",
            "Finalized root, its last eight bytes",
            root_value(finalized.root),
        ),
        (
            "beacon_previous_justified_root",
            "Previously justified root, its last eight bytes",
            root_value(previous.root),
        ),
    ];
    for (name, help, value) in gauges {
        out.gauge(name, help, value)?;
    }
    Ok(())
}

fn active_validators(state: &BeaconState) -> i64 {
    let epoch = state.slot() / state.spec().SLOTS_PER_EPOCH;
    let active = |chunk: &ValidatorChunk| {
        let lives = chunk.activation_epoch().iter().zip(chunk.exit_epoch());
        lives
            .filter(|(from, to)| **from <= epoch && epoch < **to)
            .count() as u64
    };
    signed(state.validators().chunks().map(active).sum())
}

fn validator_figures(snapshot: &Snapshot, out: &mut Out) -> fmt::Result {
    let state = &snapshot.head.state;
    out.gauge(
        "beacon_current_active_validators",
        "Active validators in the head state's epoch",
        active_validators(state),
    )?;
    out.gauge(
        "beacon_current_validators",
        "Validators in the head state's registry",
        signed(state.validators().len() as u64),
    )
}

fn core_figures(snapshot: &Snapshot, out: &mut Out) -> fmt::Result {
    let figures = &snapshot.figures;
    let gauges = [
        (
            "fresnel_pool_attestations",
            "Attestations in the pool",
            figures.attestations,
        ),
        (
            "fresnel_pool_operations",
            "Slashings and exits in the pools",
            figures.operations,
        ),
        ("fresnel_hot_states", "States in memory", figures.hot_states),
        (
            "fresnel_hot_blocks",
            "Blocks that are not finalized",
            snapshot.blocks.size() as u64,
        ),
        (
            "fresnel_tips",
            "Tips of the block tree",
            snapshot.tips.len() as u64,
        ),
        (
            "fresnel_delayed_messages",
            "Messages that wait for a slot or a block",
            figures.delayed,
        ),
        (
            "fresnel_jobs_running",
            "Jobs that the core has out",
            figures.jobs,
        ),
        (
            "fresnel_uncommitted_batches",
            "Batches that the writer has not committed",
            figures.uncommitted,
        ),
    ];
    for (name, help, value) in gauges {
        out.gauge(name, help, signed(value))?;
    }
    out.counter(
        "fresnel_states_regenerated",
        "States made again from an earlier one",
        figures.regenerated,
    )
}

impl Figures {
    fn queue_figures(&self, out: &mut Out) -> fmt::Result {
        let lanes = LANES.map(|lane| (lane_name(lane), self.shell.mailbox.figures(lane)));
        out.labelled(
            ("fresnel_lane_depth", "Inputs that wait, by lane", "lane"),
            lanes.map(|(name, lane)| (name, ConstGauge::new(signed(lane.depth)))),
        )?;
        out.labelled(
            ("fresnel_lane_taken", "Inputs taken, by lane", "lane"),
            lanes.map(|(name, lane)| (name, ConstCounter::new(lane.taken))),
        )?;
        out.labelled(
            ("fresnel_lane_dropped", "Inputs dropped, by lane", "lane"),
            lanes.map(|(name, lane)| (name, ConstCounter::new(lane.dropped))),
        )?;
        let depths = self.shell.queues.depths();
        let waiting = [
            (Class::Import, depths.import),
            (Class::Background, depths.background),
        ];
        out.labelled(
            (
                "fresnel_jobs_waiting",
                "Jobs that wait for a worker",
                "class",
            ),
            waiting
                .map(|(class, depth)| (class_name(class), ConstGauge::new(signed(depth as u64)))),
        )
    }

    fn store_figures(&self, out: &mut Out) -> fmt::Result {
        let (anchor, split) = (self.store.anchor(), self.store.split());
        let gauges = [
            (
                "fresnel_store_split_slot",
                "Slot of the newest finalized block in the store",
                split.slot,
            ),
            (
                "fresnel_store_oldest_block_slot",
                "Slot from which on all canonical blocks are stored",
                anchor.oldest_block_slot,
            ),
            (
                "fresnel_store_oldest_state_slot",
                "Slot from which on states can be made",
                anchor.oldest_state_slot,
            ),
        ];
        for (name, help, value) in gauges {
            out.gauge(name, help, signed(value))?;
        }
        Ok(())
    }
}

/// Of Linux; other systems expose nothing here.
fn process_figures(out: &mut Out) -> fmt::Result {
    if let Some(seconds) = super::process::cpu_seconds() {
        out.counter(
            "process_cpu_seconds",
            "Processor time of the process, seconds",
            seconds,
        )?;
    }
    if let Some(bytes) = super::process::resident_bytes() {
        out.gauge(
            "process_resident_memory_bytes",
            "Memory of the process that is in RAM",
            signed(bytes),
        )?;
    }
    if let Some(limit) = super::process::max_fds() {
        out.gauge(
            "process_max_fds",
            "Most files that the process may have open",
            signed(limit),
        )?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roots_are_their_last_eight_bytes() {
        let mut root = Root::ZERO;
        root[24] = 2;
        root[25] = 1;
        assert_eq!(root_value(root), 258);
        assert_eq!(root_value(Root::repeat_byte(0xff)), -1);
        assert_eq!(signed(u64::MAX), i64::MAX);
    }
}
