//! [`BeaconState`], `beacon-chain.md#beaconstate`: copy-on-write, incrementally hashed, with the
//! shape its [`Spec`] gives it.

mod active;
mod attestations;
mod codec;
mod derived;
mod historical_batch;
mod json;
mod key_index;
mod participation;
mod root;
mod shuffling;
mod validators;

pub use active::ActiveSet;
pub use attestations::PendingAttestations;
pub use historical_batch::HistoricalBatch;
pub use json::StateJson;
pub use shuffling::Shuffling;
pub use validators::{ValidatorChunk, Validators};

pub(crate) use shuffling::active_indices;

use crate::containers::*;
use crate::cow::{CowList, PlainChunk};
use crate::error::Error;
use crate::helpers::{get_current_epoch, get_previous_epoch};
use crate::primitives::*;
use crate::spec::Spec;
use derived::Derived;
use std::sync::Arc;

/// A list of plain values in a state.
pub type PlainList<T> = CowList<PlainChunk<T>>;

/// The state of the beacon chain. A clone shares everything and costs some twenty reference
/// counts; a write copies the chunk it touches.
///
/// Fields are read through getters and written through setters under the specification's names.
/// What is computed from fields and kept (committees, totals, participation) is forgotten by the
/// setters of those fields, so no call order can make it stale.
#[derive(Clone, Debug)]
pub struct BeaconState {
    spec: Arc<Spec>,
    genesis_time: u64,
    genesis_validators_root: Root,
    slot: Slot,
    fork: Fork,
    latest_block_header: BeaconBlockHeader,
    block_roots: PlainList<Root>,
    state_roots: PlainList<Root>,
    historical_roots: PlainList<Root>,
    eth1_data: Eth1Data,
    eth1_data_votes: PlainList<Eth1Data>,
    eth1_deposit_index: u64,
    validators: Validators,
    balances: PlainList<Gwei>,
    randao_mixes: PlainList<Root>,
    slashings: PlainList<Gwei>,
    previous_epoch_attestations: PendingAttestations,
    current_epoch_attestations: PendingAttestations,
    justification_bits: JustificationBits,
    previous_justified_checkpoint: Checkpoint,
    current_justified_checkpoint: Checkpoint,
    finalized_checkpoint: Checkpoint,
    derived: Derived,
}

macro_rules! getters {
    ($($(#[$doc:meta])* $name:ident: $type:ty;)*) => {
        impl BeaconState {
            $($(#[$doc])*
            pub fn $name(&self) -> &$type {
                &self.$name
            })*
        }
    };
}

macro_rules! copy_getters {
    ($($(#[$doc:meta])* $name:ident: $type:ty;)*) => {
        impl BeaconState {
            $($(#[$doc])*
            pub fn $name(&self) -> $type {
                self.$name
            })*
        }
    };
}

macro_rules! plain_setters {
    ($($set:ident, $name:ident: $type:ty;)*) => {
        impl BeaconState {
            $(/// Replaces the field.
            pub fn $set(&mut self, value: $type) {
                self.$name = value;
            })*
        }
    };
}

copy_getters! {
    /// Unix time of genesis, seconds.
    genesis_time: u64;
    /// Root of the genesis registry.
    genesis_validators_root: Root;
    /// Slot of the state.
    slot: Slot;
    /// Number of deposits processed.
    eth1_deposit_index: u64;
    /// Justified checkpoint of the previous epoch.
    previous_justified_checkpoint: Checkpoint;
    /// Justified checkpoint of the current epoch.
    current_justified_checkpoint: Checkpoint;
    /// Finalized checkpoint.
    finalized_checkpoint: Checkpoint;
}

getters! {
    /// Preset and configuration of the state's network.
    spec: Arc<Spec>;
    /// Fork versions.
    fork: Fork;
    /// Header of the latest block; its state root is zero until the next slot begins.
    latest_block_header: BeaconBlockHeader;
    /// Block roots of the last `SLOTS_PER_HISTORICAL_ROOT` slots, by slot modulo that.
    block_roots: PlainList<Root>;
    /// State roots of the last `SLOTS_PER_HISTORICAL_ROOT` slots, by slot modulo that.
    state_roots: PlainList<Root>;
    /// Roots of the historical batches.
    historical_roots: PlainList<Root>;
    /// The voted eth1 data.
    eth1_data: Eth1Data;
    /// Votes of this voting period.
    eth1_data_votes: PlainList<Eth1Data>;
    /// The registry.
    validators: Validators;
    /// Balances, Gwei, by validator index.
    balances: PlainList<Gwei>;
    /// RANDAO mixes by epoch modulo `EPOCHS_PER_HISTORICAL_VECTOR`.
    randao_mixes: PlainList<Root>;
    /// Slashed effective balance by epoch modulo `EPOCHS_PER_SLASHINGS_VECTOR`, Gwei.
    slashings: PlainList<Gwei>;
    /// Attestations of the previous epoch in order of inclusion.
    previous_epoch_attestations: PendingAttestations;
    /// Attestations of the current epoch in order of inclusion.
    current_epoch_attestations: PendingAttestations;
    /// Which of the last four epochs are justified, bit 0 the current one.
    justification_bits: JustificationBits;
}

plain_setters! {
    set_genesis_time, genesis_time: u64;
    set_genesis_validators_root, genesis_validators_root: Root;
    set_fork, fork: Fork;
    set_latest_block_header, latest_block_header: BeaconBlockHeader;
    set_eth1_data, eth1_data: Eth1Data;
    set_eth1_deposit_index, eth1_deposit_index: u64;
    set_justification_bits, justification_bits: JustificationBits;
    set_previous_justified_checkpoint, previous_justified_checkpoint: Checkpoint;
    set_current_justified_checkpoint, current_justified_checkpoint: Checkpoint;
    set_finalized_checkpoint, finalized_checkpoint: Checkpoint;
}

/// `ok` or the error of an index beyond the registry.
fn known(ok: bool, index: usize) -> Result<(), Error> {
    match ok {
        true => Ok(()),
        false => Err(Error::UnknownValidator(index as u64)),
    }
}

impl BeaconState {
    /// Moves the state to `slot` without any processing.
    pub fn set_slot(&mut self, slot: Slot) {
        let before = get_current_epoch(self);
        self.slot = slot;
        let after = get_current_epoch(self);
        if before.checked_add(1) == Some(after) {
            self.derived.rotate_epoch();
        } else if before != after {
            self.derived.forget_epochs();
        }
    }

    /// Sets the block root of the slots that equal `index` modulo the vector's length.
    pub fn set_block_root(&mut self, index: u64, root: Root) {
        let at = (index % self.spec.SLOTS_PER_HISTORICAL_ROOT) as usize;
        if self.names_target(at) {
            self.derived.forget_participation();
        }
        self.block_roots.set(at, root);
    }

    /// Whether `block_roots[at]` is the target of attestations that have been counted.
    fn names_target(&self, at: usize) -> bool {
        let first_slot = |epoch: Epoch| epoch.saturating_mul(self.spec.SLOTS_PER_EPOCH);
        [get_previous_epoch(self), get_current_epoch(self)]
            .map(first_slot)
            .iter()
            .any(|slot| {
                let counted = *slot < self.slot;
                counted && (slot % self.spec.SLOTS_PER_HISTORICAL_ROOT) as usize == at
            })
    }

    /// Sets the state root of the slots that equal `index` modulo the vector's length.
    pub fn set_state_root(&mut self, index: u64, root: Root) {
        let at = index % self.spec.SLOTS_PER_HISTORICAL_ROOT;
        self.state_roots.set(at as usize, root);
    }

    /// Appends the root of a historical batch.
    pub fn push_historical_root(&mut self, root: Root) -> Result<(), Error> {
        if self.historical_roots.len() as u64 >= self.spec.HISTORICAL_ROOTS_LIMIT {
            return Err(Error::ListFull("historical_roots"));
        }
        self.historical_roots.push(root);
        Ok(())
    }

    /// Appends an eth1 vote.
    pub fn push_eth1_data_vote(&mut self, vote: Eth1Data) -> Result<(), Error> {
        if self.eth1_data_votes.len() as u64 >= self.spec.eth1_voting_slots() {
            return Err(Error::ListFull("eth1_data_votes"));
        }
        self.eth1_data_votes.push(vote);
        Ok(())
    }

    /// Empties the list of eth1 votes.
    pub fn clear_eth1_data_votes(&mut self) {
        self.eth1_data_votes = PlainList::default();
    }

    /// Sets the RANDAO mix of the epochs that equal `index` modulo the vector's length.
    pub fn set_randao_mix(&mut self, index: u64, mix: Root) {
        let length = self.spec.EPOCHS_PER_HISTORICAL_VECTOR;
        let current = get_current_epoch(self);
        for epoch in current.saturating_sub(1)..=current.saturating_add(1) {
            // `get_seed` of an epoch reads this mix.
            let lookahead = self.spec.MIN_SEED_LOOKAHEAD + 1;
            let read = (epoch % length + length - lookahead % length) % length;
            if read == index % length {
                self.derived.forget_seed(epoch, current);
            }
        }
        self.randao_mixes.set((index % length) as usize, mix);
    }

    /// Sets the slashed balance of the epochs that equal `index` modulo the vector's length, Gwei.
    pub fn set_slashing(&mut self, index: u64, amount: Gwei) {
        let at = index % self.spec.EPOCHS_PER_SLASHINGS_VECTOR;
        self.slashings.set(at as usize, amount);
    }

    /// Sets a validator's balance, Gwei.
    pub fn set_balance(&mut self, index: usize, balance: Gwei) -> Result<(), Error> {
        match self.balances.set(index, balance) {
            true => Ok(()),
            false => Err(Error::MissingBalance(index as u64)),
        }
    }

    /// Replaces the first balances, Gwei; a list of other values than before.
    pub(crate) fn replace_balances(&mut self, balances: &[Gwei]) {
        let mut balances = balances;
        for chunk in self.balances.chunks_mut() {
            let items = chunk.items_mut();
            let (now, later) = balances.split_at(items.len().min(balances.len()));
            items[..now.len()].copy_from_slice(now);
            balances = later;
        }
    }

    /// Appends a validator and its balance.
    pub fn push_validator(&mut self, validator: &Validator, balance: Gwei) -> Result<(), Error> {
        let index = self.validators.len();
        if index as u64 >= self.spec.VALIDATOR_REGISTRY_LIMIT.min(u64::from(u32::MAX)) {
            return Err(Error::ListFull("validators"));
        }
        let key = self.validators.push(validator);
        self.balances.push(balance);
        self.derived.push_key(key, index);
        let current = get_current_epoch(self);
        self.derived
            .forget_active_from(validator.activation_epoch, current);
        if validator.exit_epoch != FAR_FUTURE_EPOCH {
            self.derived.forget_exit_queue();
        }
        Ok(())
    }

    /// Sets a validator's effective balance, Gwei.
    pub fn set_effective_balance(&mut self, index: usize, balance: Gwei) -> Result<(), Error> {
        self.derived.forget_balances();
        known(self.validators.set_effective_balance(index, balance), index)
    }

    /// Sets whether a validator is slashed.
    pub fn set_slashed(&mut self, index: usize, slashed: bool) -> Result<(), Error> {
        self.derived.forget_target_balances();
        known(self.validators.set_slashed(index, slashed), index)
    }

    /// Sets when a validator became eligible for activation.
    pub fn set_activation_eligibility_epoch(
        &mut self,
        index: usize,
        epoch: Epoch,
    ) -> Result<(), Error> {
        let ok = self
            .validators
            .set_activation_eligibility_epoch(index, epoch);
        known(ok, index)
    }

    /// Sets when a validator becomes active.
    pub fn set_activation_epoch(&mut self, index: usize, epoch: Epoch) -> Result<(), Error> {
        let before = self.validators.activation_epoch(index);
        let changed_from = epoch.min(before.unwrap_or(epoch));
        let current = get_current_epoch(self);
        self.derived.forget_active_from(changed_from, current);
        known(self.validators.set_activation_epoch(index, epoch), index)
    }

    /// Sets when a validator exits.
    pub fn set_exit_epoch(&mut self, index: usize, epoch: Epoch) -> Result<(), Error> {
        let before = self.validators.exit_epoch(index);
        let changed_from = epoch.min(before.unwrap_or(epoch));
        let current = get_current_epoch(self);
        self.derived.forget_active_from(changed_from, current);
        match before {
            Some(FAR_FUTURE_EPOCH) if epoch != FAR_FUTURE_EPOCH => self.derived.push_exit(epoch),
            _ => self.derived.forget_exit_queue(),
        }
        known(self.validators.set_exit_epoch(index, epoch), index)
    }

    /// Sets when a validator can withdraw.
    pub fn set_withdrawable_epoch(&mut self, index: usize, epoch: Epoch) -> Result<(), Error> {
        known(self.validators.set_withdrawable_epoch(index, epoch), index)
    }

    /// Appends an attestation to the list of the current or the previous epoch and counts it.
    pub fn push_pending_attestation(
        &mut self,
        attestation: PendingAttestation,
        is_current: bool,
    ) -> Result<(), Error> {
        let (length, name) = match is_current {
            true => (
                self.current_epoch_attestations.len(),
                "current_epoch_attestations",
            ),
            false => (
                self.previous_epoch_attestations.len(),
                "previous_epoch_attestations",
            ),
        };
        if length as u64 >= self.spec.pending_attestations_limit() {
            return Err(Error::ListFull(name));
        }
        self.record_participation(&attestation, is_current)?;
        match is_current {
            true => self.current_epoch_attestations.push(attestation),
            false => self.previous_epoch_attestations.push(attestation),
        }
        Ok(())
    }

    /// The current epoch's attestations become the previous one's.
    pub fn rotate_pending_attestations(&mut self) {
        self.previous_epoch_attestations = std::mem::take(&mut self.current_epoch_attestations);
        self.derived.rotate_participation(self.spec.SLOTS_PER_EPOCH);
    }

    /// Decompresses all public keys through the pool, so that signature checks find them ready.
    pub fn warm_keys(&self, pool: &crate::Pool) {
        let keys: Vec<_> = self.validators.pubkeys().collect();
        crate::bls::warm_keys(&keys, pool);
    }
}

impl BeaconState {
    /// The state of the preset with every field zero: where genesis starts from.
    pub fn new(spec: &Arc<Spec>) -> BeaconState {
        let zeros = |length: u64| (0..length).map(|_| Root::ZERO).collect::<PlainList<Root>>();
        let version = spec.GENESIS_FORK_VERSION;
        BeaconState {
            spec: spec.clone(),
            genesis_time: 0,
            genesis_validators_root: Root::ZERO,
            slot: GENESIS_SLOT,
            fork: Fork {
                previous_version: version,
                current_version: version,
                epoch: GENESIS_EPOCH,
            },
            latest_block_header: BeaconBlockHeader {
                slot: GENESIS_SLOT,
                proposer_index: 0,
                parent_root: Root::ZERO,
                state_root: Root::ZERO,
                body_root: Root::ZERO,
            },
            block_roots: zeros(spec.SLOTS_PER_HISTORICAL_ROOT),
            state_roots: zeros(spec.SLOTS_PER_HISTORICAL_ROOT),
            historical_roots: PlainList::default(),
            eth1_data: Eth1Data::default(),
            eth1_data_votes: PlainList::default(),
            eth1_deposit_index: 0,
            validators: Validators::default(),
            balances: PlainList::default(),
            randao_mixes: zeros(spec.EPOCHS_PER_HISTORICAL_VECTOR),
            slashings: (0..spec.EPOCHS_PER_SLASHINGS_VECTOR).map(|_| 0).collect(),
            previous_epoch_attestations: PendingAttestations::default(),
            current_epoch_attestations: PendingAttestations::default(),
            justification_bits: JustificationBits::default(),
            previous_justified_checkpoint: Checkpoint::default(),
            current_justified_checkpoint: Checkpoint::default(),
            finalized_checkpoint: Checkpoint::default(),
            derived: Derived::default(),
        }
    }
}
