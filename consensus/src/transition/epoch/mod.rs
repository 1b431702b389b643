//! `beacon-chain.md#epoch-processing`. Each step can be called alone on a state in its epoch's last
//! slot.

mod attesters;
mod justification;
mod registry;
mod resets;
mod rewards;

pub use justification::{process_justification_and_finalization, unrealized_checkpoints};
pub use registry::{
    process_effective_balance_updates, process_registry_updates, process_slashings,
};
pub use resets::*;
pub use rewards::{
    AttestationDeltas, Deltas, attestation_deltas, get_finality_delay, is_in_inactivity_leak,
    process_rewards_and_penalties,
};

use crate::error::Error;
use crate::state::BeaconState;

/// `beacon-chain.md#epoch-processing`'s `process_epoch`. Its steps keep the specification's order;
/// fused are the loops inside them: attesters of the previous epoch are found in one pass over its
/// attestations, the five components of rewards in one pass over the registry.
///
/// # Errors
/// If a number overflows or the state is none that a chain can have; it must then be dropped.
pub fn process_epoch(state: &mut BeaconState) -> Result<(), Error> {
    process_justification_and_finalization(state)?;
    process_rewards_and_penalties(state)?;
    process_registry_updates(state)?;
    process_slashings(state)?;
    process_eth1_data_reset(state)?;
    process_effective_balance_updates(state)?;
    process_slashings_reset(state)?;
    process_randao_mixes_reset(state)?;
    process_historical_roots_update(state)?;
    process_participation_record_updates(state)
}
