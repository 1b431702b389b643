//! `beacon-chain.md#beacon-state-accessors`.

use super::{compute_domain, compute_epoch_at_slot, compute_start_slot_at_epoch, hash};
use crate::containers::*;
use crate::error::Error;
use crate::primitives::*;
use crate::state::BeaconState;

/// `beacon-chain.md#get_current_epoch`
pub fn get_current_epoch(state: &BeaconState) -> Epoch {
    compute_epoch_at_slot(state.slot(), state.spec())
}

/// `beacon-chain.md#get_previous_epoch`
pub fn get_previous_epoch(state: &BeaconState) -> Epoch {
    // Saturates at `GENESIS_EPOCH`, which is 0.
    get_current_epoch(state).saturating_sub(1)
}

/// `beacon-chain.md#get_block_root`
pub fn get_block_root(state: &BeaconState, epoch: Epoch) -> Result<Root, Error> {
    get_block_root_at_slot(state, compute_start_slot_at_epoch(epoch, state.spec())?)
}

/// `beacon-chain.md#get_block_root_at_slot`
pub fn get_block_root_at_slot(state: &BeaconState, slot: Slot) -> Result<Root, Error> {
    let length = state.spec().SLOTS_PER_HISTORICAL_ROOT;
    let unavailable = Error::BlockRootUnavailable {
        slot,
        state_slot: state.slot(),
    };
    if slot >= state.slot() || state.slot() - slot > length {
        return Err(unavailable);
    }
    let root = state.block_roots().get((slot % length) as usize);
    root.ok_or(unavailable)
}

/// `beacon-chain.md#get_randao_mix`
pub fn get_randao_mix(state: &BeaconState, epoch: Epoch) -> Root {
    let at = epoch % state.spec().EPOCHS_PER_HISTORICAL_VECTOR;
    let mix = state.randao_mixes().get(at as usize);
    mix.expect("the vector of mixes has the preset's length")
}

/// `beacon-chain.md#get_active_validator_indices`
pub fn get_active_validator_indices(state: &BeaconState, epoch: Epoch) -> Vec<ValidatorIndex> {
    let active = crate::state::active_indices(state.validators(), epoch);
    active.into_iter().map(ValidatorIndex::from).collect()
}

/// `beacon-chain.md#get_validator_churn_limit`
pub fn get_validator_churn_limit(state: &BeaconState) -> Result<u64, Error> {
    let spec = state.spec();
    let active = state.active_set().len();
    Ok(spec
        .MIN_PER_EPOCH_CHURN_LIMIT
        .max(active / spec.CHURN_LIMIT_QUOTIENT))
}

/// `beacon-chain.md#get_seed`. The index into the vector of mixes is reduced before the addition,
/// which would overflow for the last epochs of all.
pub fn get_seed(state: &BeaconState, epoch: Epoch, domain_type: DomainType) -> Hash32 {
    let length = state.spec().EPOCHS_PER_HISTORICAL_VECTOR;
    let lookahead = (state.spec().MIN_SEED_LOOKAHEAD + 1) % length;
    let mix = get_randao_mix(state, epoch % length + length - lookahead);
    let mut preimage = [0; 44];
    preimage[..4].copy_from_slice(domain_type.as_slice());
    preimage[4..12].copy_from_slice(&epoch.to_le_bytes());
    preimage[12..].copy_from_slice(mix.as_slice());
    hash(&preimage)
}

/// `beacon-chain.md#get_committee_count_per_slot`
pub fn get_committee_count_per_slot(state: &BeaconState, epoch: Epoch) -> Result<u64, Error> {
    Ok(state.shuffling(epoch)?.committees_per_slot())
}

/// `beacon-chain.md#get_beacon_committee`
pub fn get_beacon_committee(
    state: &BeaconState,
    slot: Slot,
    index: CommitteeIndex,
) -> Result<Vec<ValidatorIndex>, Error> {
    let shuffling = state.shuffling(compute_epoch_at_slot(slot, state.spec()))?;
    let committee = shuffling
        .committee(slot, index)
        .ok_or(Error::CommitteeIndexOutOfRange {
            index,
            count: shuffling.committees_per_slot(),
        })?;
    Ok(committee.iter().map(|&index| index.into()).collect())
}

/// `beacon-chain.md#get_beacon_proposer_index`
pub fn get_beacon_proposer_index(state: &BeaconState) -> Result<ValidatorIndex, Error> {
    let at = state.slot() % state.spec().SLOTS_PER_EPOCH;
    state.proposer(at)
}

/// `beacon-chain.md#get_total_balance`. `indices` has no index twice.
pub fn get_total_balance(state: &BeaconState, indices: &[ValidatorIndex]) -> Result<Gwei, Error> {
    let mut total: Gwei = 0;
    for &index in indices {
        let balance = state.validators().effective_balance(index as usize);
        let balance = balance.ok_or(Error::UnknownValidator(index))?;
        total = total.checked_add(balance).ok_or_else(Error::overflow)?;
    }
    Ok(total.max(state.spec().EFFECTIVE_BALANCE_INCREMENT))
}

/// `beacon-chain.md#get_total_active_balance`
pub fn get_total_active_balance(state: &BeaconState) -> Result<Gwei, Error> {
    let balance = state.active_set().balance()?;
    Ok(balance.max(state.spec().EFFECTIVE_BALANCE_INCREMENT))
}

/// `beacon-chain.md#get_domain`. Without `epoch`, the current one.
pub fn get_domain(state: &BeaconState, domain_type: DomainType, epoch: Option<Epoch>) -> Domain {
    let epoch = epoch.unwrap_or_else(|| get_current_epoch(state));
    let fork = state.fork();
    let fork_version = match epoch < fork.epoch {
        true => fork.previous_version,
        false => fork.current_version,
    };
    compute_domain(domain_type, fork_version, state.genesis_validators_root())
}

/// `beacon-chain.md#get_indexed_attestation`
pub fn get_indexed_attestation(
    state: &BeaconState,
    attestation: &Attestation,
) -> Result<IndexedAttestation, Error> {
    let bits = &attestation.aggregation_bits;
    let mut indices = get_attesting_indices(state, &attestation.data, bits)?;
    indices.sort_unstable();
    Ok(IndexedAttestation {
        attesting_indices: indices
            .try_into()
            .expect("a committee's bits are within the limit of the indices"),
        data: attestation.data,
        signature: attestation.signature,
    })
}

/// `beacon-chain.md#get_attesting_indices`: a set, here in committee order. Bits of another number
/// than the committee has members are an error.
pub fn get_attesting_indices(
    state: &BeaconState,
    data: &AttestationData,
    bits: &AggregationBits,
) -> Result<Vec<ValidatorIndex>, Error> {
    let shuffling = state.shuffling(compute_epoch_at_slot(data.slot, state.spec()))?;
    let attesters = shuffling.attesters(data.slot, data.index, bits)?;
    Ok(attesters.map(|(_, index)| index.into()).collect())
}
