//! What there was of everything, over one seed or many.

use chain::Milliseconds;
use std::collections::BTreeSet;
use std::fmt;

/// Counts.
#[derive(Clone, Debug, Default)]
pub struct Totals {
    /// Seeds that ran.
    pub seeds: u64,
    /// Simulated time.
    pub milliseconds: Milliseconds,
    /// Simulated time, once for each node.
    pub node_milliseconds: Milliseconds,
    /// Events of all kinds.
    pub events: u64,
    /// Inputs that a core took.
    pub inputs: u64,
    /// Inputs that a lane had no room for.
    pub dropped: u64,
    /// Jobs that ran.
    pub jobs: u64,
    /// Messages that arrived.
    pub messages: u64,
    /// Messages that were lost.
    pub lost: u64,
    /// Messages that a node accepted.
    pub accepted: u64,
    /// Messages that a node ignored.
    pub ignored: u64,
    /// Calls that a node could not answer then.
    pub unavailable: u64,
    /// Blocks served to others on request.
    pub served: u64,
    /// Blocks signed.
    pub blocks: u64,
    /// Times the network fell apart.
    pub partitions: u64,
    /// Power cuts.
    pub crashes: u64,
    /// Orderly stops.
    pub stops: u64,
    /// Fingerprints of the disks that were found after a power cut.
    pub images: BTreeSet<[u8; 32]>,
    /// Flipped bits, and how many of them a read found.
    pub flips: (u64, u64),
    /// Reorganisations.
    pub reorgs: u64,
    /// Finalized epochs, of the network.
    pub finalized: u64,
    /// Heads compared with the naive fork choice.
    pub heads: u64,
}

impl Totals {
    /// Adds those of other seeds.
    pub fn add(&mut self, other: Totals) {
        self.seeds += other.seeds;
        self.milliseconds += other.milliseconds;
        self.node_milliseconds += other.node_milliseconds;
        self.events += other.events;
        self.inputs += other.inputs;
        self.dropped += other.dropped;
        self.jobs += other.jobs;
        self.messages += other.messages;
        self.lost += other.lost;
        self.accepted += other.accepted;
        self.ignored += other.ignored;
        self.unavailable += other.unavailable;
        self.served += other.served;
        self.blocks += other.blocks;
        self.partitions += other.partitions;
        self.crashes += other.crashes;
        self.stops += other.stops;
        self.images.extend(other.images);
        self.flips.0 += other.flips.0;
        self.flips.1 += other.flips.1;
        self.reorgs += other.reorgs;
        self.finalized += other.finalized;
        self.heads += other.heads;
    }
}

impl fmt::Display for Totals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} seeds, {:.0} s simulated, {} blocks, {} finalized epochs, {} reorgs, {} crashes \
             with {} distinct images, {} stops, {} partitions, {} of {} flipped bits found, \
             {} messages ({} lost, {} ignored), {} blocks served, {} heads compared, {} inputs, \
             {} jobs, {} calls not answered then, {} inputs dropped",
            self.seeds,
            self.milliseconds as f64 / 1000.0,
            self.blocks,
            self.finalized,
            self.reorgs,
            self.crashes,
            self.images.len(),
            self.stops,
            self.partitions,
            self.flips.1,
            self.flips.0,
            self.messages,
            self.lost,
            self.ignored,
            self.served,
            self.heads,
            self.inputs,
            self.jobs,
            self.unavailable,
            self.dropped,
        )
    }
}
