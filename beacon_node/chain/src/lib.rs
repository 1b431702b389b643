//! The deterministic core of the node: [`Chain::apply`] takes one [`Input`] and gives [`Effect`]s.
//! No clock, no I/O, no threads: time is an input, heavy work is a [`Job`] that the caller runs and
//! answers with [`Input::Done`], and what is to be kept is an [`Effect::Commit`].
#![forbid(unsafe_code)]

pub mod core;
pub mod delay;
pub mod effect;
pub mod gossip;
mod hot_blocks;
pub mod hot_states;
mod import;
pub mod input;
pub mod invalid;
pub mod job;
pub mod lanes;
pub mod messages;
pub mod pools;
pub mod production;
mod restore;
pub mod snapshot;
mod state_source;

pub use core::{Chain, Config, StartError};
pub use effect::{
    ApiError, ApiReply, BatchError, BatchResult, Effect, Event, GossipMessage, Notice,
};
pub use gossip::{Reason, Verdict};
pub use hot_states::HotStates;
pub use input::{ApiCall, Input, Milliseconds, Token};
pub use invalid::InvalidRoots;
pub use job::{Class, History, Job, Outcome, Timings, Toolbox};
pub use lanes::{Inbox, Lane, LaneFigures};
pub use snapshot::{Figures, HeadInfo, HotEntry, SharedMap, Snapshot};
