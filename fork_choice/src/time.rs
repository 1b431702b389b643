//! Parts of a slot, `fork-choice.md#time-parameters` and the functions over it.

use crate::Error;
use consensus::helpers::{compute_epoch_at_slot, compute_start_slot_at_epoch};
use consensus::{Epoch, Slot, Spec};

/// A whole, in basis points.
pub const BASIS_POINTS: u64 = 10_000;

/// `fork-choice.md#seconds_to_milliseconds`: saturates.
pub fn seconds_to_milliseconds(seconds: u64) -> u64 {
    seconds.saturating_mul(1000)
}

/// `fork-choice.md#get_slot_component_duration_ms`
pub fn get_slot_component_duration_ms(basis_points: u64, spec: &Spec) -> Result<u64, Error> {
    basis_points
        .checked_mul(spec.SLOT_DURATION_MS)
        .map(|product| product / BASIS_POINTS)
        .ok_or(Error::Overflow)
}

/// `fork-choice.md#get_attestation_due_ms`
pub fn get_attestation_due_ms(_epoch: Epoch, spec: &Spec) -> Result<u64, Error> {
    get_slot_component_duration_ms(spec.ATTESTATION_DUE_BPS, spec)
}

/// `fork-choice.md#get_proposer_reorg_cutoff_ms`
pub fn get_proposer_reorg_cutoff_ms(_epoch: Epoch, spec: &Spec) -> Result<u64, Error> {
    get_slot_component_duration_ms(spec.PROPOSER_REORG_CUTOFF_BPS, spec)
}

/// `fork-choice.md#get_aggregate_due_ms`
pub fn get_aggregate_due_ms(_epoch: Epoch, spec: &Spec) -> Result<u64, Error> {
    get_slot_component_duration_ms(spec.AGGREGATE_DUE_BPS, spec)
}

/// `fork-choice.md#compute_slots_since_epoch_start`
pub fn compute_slots_since_epoch_start(slot: Slot, spec: &Spec) -> Result<u64, Error> {
    Ok(slot - compute_start_slot_at_epoch(compute_epoch_at_slot(slot, spec), spec)?)
}
