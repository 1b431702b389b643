//! What goes wrong in a simulation, and how much of it.

use chain::Milliseconds;
use clap::ValueEnum;
use std::ops::Range;

/// A kind of trouble, named as on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Scenario {
    /// Nothing goes wrong.
    Calm,
    /// A little of everything.
    General,
    /// The power is cut again and again, also while a node writes and while it starts.
    PowerCuts,
    /// The network falls apart for some epochs.
    PartitionAndHeal,
    /// Many blocks come late in their slot or after it.
    LateBlocks,
    /// Some validators propose and attest twice.
    Equivocation,
}

/// How much of each fault.
#[derive(Clone, Debug)]
pub(crate) struct Faults {
    /// Milliseconds that a message is on its way.
    pub(crate) latency: Range<Milliseconds>,
    /// Percent of the messages that take up to so many milliseconds longer, and overtake others.
    pub(crate) stragglers: (u64, Milliseconds),
    /// Percent of the messages that are lost.
    pub(crate) loss: u64,
    /// Percent of the messages that come twice.
    pub(crate) duplicates: u64,
    /// Milliseconds that a job takes.
    pub(crate) job_time: Range<Milliseconds>,
    /// Milliseconds from a batch to its place on the disk.
    pub(crate) commit_time: Range<Milliseconds>,
    /// Percent of the inputs after which a node does nothing for up to a slot.
    pub(crate) stalls_per_1000: u64,
    /// Epochs between two power cuts of one node, on average; 0: none.
    pub(crate) epochs_between_cuts: u64,
    /// Epochs between two orderly stops of one node, on average; 0: none.
    pub(crate) epochs_between_stops: u64,
    /// Percent of the starts during which the power is cut again.
    pub(crate) cut_at_start: u64,
    /// Epochs that the network is in two parts; 0: never.
    pub(crate) partition_epochs: u64,
    /// Percent of the validators that never say anything.
    pub(crate) silent: u64,
    /// Percent of the blocks that are sent late, and by how many milliseconds.
    pub(crate) late: (u64, Range<Milliseconds>),
    /// Percent of the validators that contradict themselves.
    pub(crate) equivocating: u64,
    /// Whether bits of finalized history turn over.
    pub(crate) bit_rot: bool,
}

impl Scenario {
    /// Its faults while they last.
    pub(crate) fn faults(self) -> Faults {
        let calm = Faults {
            latency: 10..120,
            stragglers: (0, 0),
            loss: 0,
            duplicates: 0,
            job_time: 1..40,
            commit_time: 1..30,
            stalls_per_1000: 0,
            epochs_between_cuts: 0,
            epochs_between_stops: 0,
            cut_at_start: 0,
            partition_epochs: 0,
            silent: 0,
            late: (0, 0..1),
            equivocating: 0,
            bit_rot: false,
        };
        match self {
            Scenario::Calm => calm,
            Scenario::General => Faults {
                latency: 10..400,
                stragglers: (5, 4_000),
                loss: 3,
                duplicates: 3,
                job_time: 1..300,
                commit_time: 1..400,
                stalls_per_1000: 1,
                epochs_between_cuts: 4,
                epochs_between_stops: 8,
                cut_at_start: 5,
                partition_epochs: 1,
                silent: 6,
                late: (5, 1_000..7_000),
                equivocating: 4,
                bit_rot: true,
            },
            Scenario::PowerCuts => Faults {
                commit_time: 1..1_500,
                epochs_between_cuts: 1,
                cut_at_start: 25,
                ..calm
            },
            Scenario::PartitionAndHeal => Faults {
                partition_epochs: 4,
                ..calm
            },
            Scenario::LateBlocks => Faults {
                stragglers: (5, 3_000),
                late: (40, 1_500..8_000),
                ..calm
            },
            Scenario::Equivocation => Faults {
                equivocating: 20,
                ..calm
            },
        }
    }

    /// The name on the command line.
    pub fn name(self) -> String {
        let value = self.to_possible_value();
        value.map_or_else(String::new, |value| value.get_name().to_owned())
    }
}

impl Faults {
    /// The same network after the faults: what is about validators stays, since it is for life.
    pub(crate) fn after(&self) -> Faults {
        let calm = Scenario::Calm.faults();
        Faults {
            silent: self.silent,
            equivocating: self.equivocating,
            ..calm
        }
    }
}
