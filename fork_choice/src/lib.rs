//! The phase-0 fork choice: the specification's `Store` and its handlers, `fork-choice.md`, over a
//! proto-array. Pure: no clock, no I/O, no logging, and no [`consensus::BeaconState`] is kept.
//!
//! The caller keeps the states. It verifies a block and hands in the post-state, verifies an
//! attestation against its target's state and hands in the indices, and after each handler answers
//! [`Store::justified_balances_needed`]. The specification's `store_target_checkpoint_state` is
//! therefore the caller's.
//!
//! Each block is a node that comes after its parent in one array. A validator's vote is counted on
//! its own node when it moves; a head is found by one backward pass that sums the subtrees and one
//! that chooses among the children. No weight, best child or viability outlives a change, so none
//! can be stale: viability depends on the clock and the checkpoints as well as on the votes.
#![forbid(unsafe_code)]

mod balances;
mod error;
mod facts;
mod handlers;
mod head;
mod proposer_head;
mod restore;
mod store;
mod time;
mod tree;
mod votes;

pub use balances::{JustifiedBalances, calculate_committee_fraction};
pub use error::Error;
pub use facts::BlockFacts;
pub use proposer_head::is_shuffling_stable;
pub use restore::{Checkpoints, Restored};
pub use store::{Store, get_forkchoice_store};
pub use time::{
    BASIS_POINTS, compute_slots_since_epoch_start, get_aggregate_due_ms, get_attestation_due_ms,
    get_proposer_reorg_cutoff_ms, get_slot_component_duration_ms, seconds_to_milliseconds,
};
pub use tree::Node;
pub use votes::LatestMessage;
