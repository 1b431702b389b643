//! The JSON form of a state, as in the Beacon API.

use super::{BeaconState, Derived, PlainList, Validators};
use crate::containers::*;
use crate::error::Error;
use crate::primitives::*;
use crate::spec::Spec;
use serde::{Deserialize, Serialize};
use serde_utils::quoted_u64;
use ssz::DecodeError;
use std::sync::Arc;

/// A number written as a string.
#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(transparent)]
struct Quoted(#[serde(with = "quoted_u64")] u64);

/// The fields of a [`BeaconState`] in JSON. Deserialised values become a state by
/// [`StateJson::into_state`], which checks lengths.
#[derive(Clone, Serialize, Deserialize)]
pub struct StateJson {
    genesis_time: Quoted,
    genesis_validators_root: Root,
    slot: Quoted,
    fork: Fork,
    latest_block_header: BeaconBlockHeader,
    block_roots: Vec<Root>,
    state_roots: Vec<Root>,
    historical_roots: Vec<Root>,
    eth1_data: Eth1Data,
    eth1_data_votes: Vec<Eth1Data>,
    eth1_deposit_index: Quoted,
    validators: Vec<Validator>,
    balances: Vec<Quoted>,
    randao_mixes: Vec<Root>,
    slashings: Vec<Quoted>,
    previous_epoch_attestations: Vec<PendingAttestation>,
    current_epoch_attestations: Vec<PendingAttestation>,
    justification_bits: JustificationBits,
    previous_justified_checkpoint: Checkpoint,
    current_justified_checkpoint: Checkpoint,
    finalized_checkpoint: Checkpoint,
}

impl BeaconState {
    /// The state in its JSON form, a full copy.
    pub fn to_json(&self) -> StateJson {
        let quoted = |list: &PlainList<u64>| list.iter().map(Quoted).collect();
        StateJson {
            genesis_time: Quoted(self.genesis_time),
            genesis_validators_root: self.genesis_validators_root,
            slot: Quoted(self.slot),
            fork: self.fork,
            latest_block_header: self.latest_block_header,
            block_roots: self.block_roots.iter().collect(),
            state_roots: self.state_roots.iter().collect(),
            historical_roots: self.historical_roots.iter().collect(),
            eth1_data: self.eth1_data,
            eth1_data_votes: self.eth1_data_votes.iter().collect(),
            eth1_deposit_index: Quoted(self.eth1_deposit_index),
            validators: self.validators.iter().collect(),
            balances: quoted(&self.balances),
            randao_mixes: self.randao_mixes.iter().collect(),
            slashings: quoted(&self.slashings),
            previous_epoch_attestations: self.previous_epoch_attestations.iter().cloned().collect(),
            current_epoch_attestations: self.current_epoch_attestations.iter().cloned().collect(),
            justification_bits: self.justification_bits.clone(),
            previous_justified_checkpoint: self.previous_justified_checkpoint,
            current_justified_checkpoint: self.current_justified_checkpoint,
            finalized_checkpoint: self.finalized_checkpoint,
        }
    }
}

/// Refuses a list whose length is not the preset's, or beyond its limit.
fn check_length(name: &str, length: usize, limit: u64, exact: bool) -> Result<(), Error> {
    if length as u64 > limit || (exact && length as u64 != limit) {
        let relation = if exact { "needs" } else { "takes at most" };
        let text = format!("{name} has {length} items, the preset {relation} {limit}");
        return Err(Error::Decode(DecodeError::BytesInvalid(text)));
    }
    Ok(())
}

impl StateJson {
    /// The state with `spec`'s shape.
    pub fn into_state(self, spec: &Arc<Spec>) -> Result<BeaconState, Error> {
        let historical = spec.SLOTS_PER_HISTORICAL_ROOT;
        let mixes = spec.EPOCHS_PER_HISTORICAL_VECTOR;
        let slashings = spec.EPOCHS_PER_SLASHINGS_VECTOR;
        let pending = spec.pending_attestations_limit();
        let (previous, current) = (
            self.previous_epoch_attestations,
            self.current_epoch_attestations,
        );
        check_length("block_roots", self.block_roots.len(), historical, true)?;
        check_length("state_roots", self.state_roots.len(), historical, true)?;
        check_length(
            "historical_roots",
            self.historical_roots.len(),
            spec.HISTORICAL_ROOTS_LIMIT,
            false,
        )?;
        check_length(
            "eth1_data_votes",
            self.eth1_data_votes.len(),
            spec.eth1_voting_slots(),
            false,
        )?;
        check_length("randao_mixes", self.randao_mixes.len(), mixes, true)?;
        check_length("slashings", self.slashings.len(), slashings, true)?;
        check_length(
            "previous_epoch_attestations",
            previous.len(),
            pending,
            false,
        )?;
        check_length("current_epoch_attestations", current.len(), pending, false)?;
        let mut validators = Validators::default();
        for validator in &self.validators {
            validators.push(validator);
        }
        let numbers = |list: Vec<Quoted>| list.into_iter().map(|number| number.0).collect();
        Ok(BeaconState {
            spec: spec.clone(),
            genesis_time: self.genesis_time.0,
            genesis_validators_root: self.genesis_validators_root,
            slot: self.slot.0,
            fork: self.fork,
            latest_block_header: self.latest_block_header,
            block_roots: self.block_roots.into_iter().collect(),
            state_roots: self.state_roots.into_iter().collect(),
            historical_roots: self.historical_roots.into_iter().collect(),
            eth1_data: self.eth1_data,
            eth1_data_votes: self.eth1_data_votes.into_iter().collect(),
            eth1_deposit_index: self.eth1_deposit_index.0,
            validators,
            balances: numbers(self.balances),
            randao_mixes: self.randao_mixes.into_iter().collect(),
            slashings: numbers(self.slashings),
            previous_epoch_attestations: previous.into_iter().collect(),
            current_epoch_attestations: current.into_iter().collect(),
            justification_bits: self.justification_bits,
            previous_justified_checkpoint: self.previous_justified_checkpoint,
            current_justified_checkpoint: self.current_justified_checkpoint,
            finalized_checkpoint: self.finalized_checkpoint,
            derived: Derived::default(),
        })
    }
}
