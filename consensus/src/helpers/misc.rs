//! `beacon-chain.md#misc-2`.

use super::{bytes_to_uint64, hash};
use crate::containers::{ForkData, SigningData};
use crate::error::Error;
use crate::hashing::HashTreeRoot;
use crate::primitives::*;
use crate::spec::Spec;
use crate::state::{ActiveSet, BeaconState};

/// `beacon-chain.md#compute_shuffled_index`. `index_count` below 2^40, as the registry's limit.
pub fn compute_shuffled_index(
    index: u64,
    index_count: u64,
    seed: &Hash32,
    spec: &Spec,
) -> Result<u64, Error> {
    if index >= index_count {
        return Err(Error::ShuffledIndexOutOfRange {
            index,
            count: index_count,
        });
    }
    let mut index = index;
    let mut preimage = [0; 37];
    preimage[..32].copy_from_slice(seed.as_slice());
    for current_round in 0..spec.SHUFFLE_ROUND_COUNT {
        preimage[32] = current_round as u8;
        let pivot_hash = hash(&preimage[..33]);
        let pivot_bytes = pivot_hash[..8].try_into().expect("a slice of 8 bytes");
        let pivot = bytes_to_uint64(pivot_bytes) % index_count;
        let flip = (pivot + index_count - index) % index_count;
        let position = index.max(flip);
        preimage[33..].copy_from_slice(&((position / 256) as u32).to_le_bytes());
        let source = hash(&preimage);
        let byte = source[(position % 256 / 8) as usize];
        if (byte >> (position % 8)) & 1 == 1 {
            index = flip;
        }
    }
    Ok(index)
}

/// `beacon-chain.md#compute_proposer_index`.
///
/// The specification samples until a candidate is accepted and would run forever if no active
/// validator has an effective balance. Acceptance at one draw has a chance of at least
/// `effective_balance / MAX_EFFECTIVE_BALANCE`, so after so many draws without one the balances are
/// not those of a chain, and an error ends it.
pub fn compute_proposer_index(
    state: &BeaconState,
    indices: &ActiveSet,
    seed: &Hash32,
) -> Result<ValidatorIndex, Error> {
    const MAX_RANDOM_BYTE: u64 = 255;
    let total = indices.len();
    if total == 0 {
        return Err(Error::NoActiveValidators);
    }
    let spec = state.spec();
    let draws = total.saturating_mul(256).saturating_add(65_536);
    let mut source = Hash32::ZERO;
    for i in 0..draws {
        let at = compute_shuffled_index(i % total, total, seed, spec)?;
        let candidate_index = indices.nth(at, state.validators())?;
        if i % 32 == 0 {
            let mut preimage = [0; 40];
            preimage[..32].copy_from_slice(seed.as_slice());
            preimage[32..].copy_from_slice(&(i / 32).to_le_bytes());
            source = hash(&preimage);
        }
        let random_byte = u64::from(source[(i % 32) as usize]);
        let effective_balance = state
            .validators()
            .effective_balance(candidate_index)
            .ok_or(Error::UnknownValidator(candidate_index as u64))?;
        let drawn = effective_balance
            .checked_mul(MAX_RANDOM_BYTE)
            .ok_or_else(Error::overflow)?;
        if drawn >= spec.MAX_EFFECTIVE_BALANCE * random_byte {
            return Ok(candidate_index as u64);
        }
    }
    Err(Error::NoEligibleProposer)
}

/// `beacon-chain.md#compute_time_at_slot`: Unix seconds, rounded down for slots that are no whole
/// number of seconds.
pub fn compute_time_at_slot(state: &BeaconState, slot: Slot) -> Result<u64, Error> {
    slot.checked_mul(state.spec().SLOT_DURATION_MS)
        .and_then(|milliseconds| state.genesis_time().checked_add(milliseconds / 1000))
        .ok_or_else(Error::overflow)
}

/// `beacon-chain.md#compute_epoch_at_slot`
pub fn compute_epoch_at_slot(slot: Slot, spec: &Spec) -> Epoch {
    slot / spec.SLOTS_PER_EPOCH
}

/// `beacon-chain.md#compute_start_slot_at_epoch`
pub fn compute_start_slot_at_epoch(epoch: Epoch, spec: &Spec) -> Result<Slot, Error> {
    epoch
        .checked_mul(spec.SLOTS_PER_EPOCH)
        .ok_or_else(Error::overflow)
}

/// `beacon-chain.md#compute_activation_exit_epoch`
pub fn compute_activation_exit_epoch(epoch: Epoch, spec: &Spec) -> Result<Epoch, Error> {
    epoch
        .checked_add(1)
        .and_then(|epoch| epoch.checked_add(spec.MAX_SEED_LOOKAHEAD))
        .ok_or_else(Error::overflow)
}

/// `beacon-chain.md#compute_fork_data_root`
pub fn compute_fork_data_root(current_version: Version, genesis_validators_root: Root) -> Root {
    ForkData {
        current_version,
        genesis_validators_root,
    }
    .hash_tree_root()
}

/// `beacon-chain.md#compute_domain`. Where the specification leaves arguments out, callers pass
/// `GENESIS_FORK_VERSION` and a zero root.
pub fn compute_domain(
    domain_type: DomainType,
    fork_version: Version,
    genesis_validators_root: Root,
) -> Domain {
    let fork_data_root = compute_fork_data_root(fork_version, genesis_validators_root);
    let mut domain = Domain::ZERO;
    domain[..4].copy_from_slice(domain_type.as_slice());
    domain[4..].copy_from_slice(&fork_data_root[..28]);
    domain
}

/// `beacon-chain.md#compute_signing_root`
pub fn compute_signing_root<T: HashTreeRoot + ?Sized>(ssz_object: &T, domain: Domain) -> Root {
    compute_signing_root_of(ssz_object.hash_tree_root(), domain)
}

/// [`compute_signing_root`] of an object whose root is known.
pub fn compute_signing_root_of(object_root: Root, domain: Domain) -> Root {
    SigningData {
        object_root,
        domain,
    }
    .hash_tree_root()
}
