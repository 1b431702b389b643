//! `beacon-chain.md#predicates`.

use super::{compute_signing_root, get_domain};
use crate::bls::{SetKeys, SignatureSet, Verifier};
use crate::containers::*;
use crate::error::Error;
use crate::primitives::*;
use crate::spec::Spec;
use crate::state::BeaconState;

/// `beacon-chain.md#is_active_validator`
pub fn is_active_validator(validator: &Validator, epoch: Epoch) -> bool {
    validator.activation_epoch <= epoch && epoch < validator.exit_epoch
}

/// `beacon-chain.md#is_eligible_for_activation_queue`
pub fn is_eligible_for_activation_queue(
    activation_eligibility_epoch: Epoch,
    effective_balance: Gwei,
    spec: &Spec,
) -> bool {
    activation_eligibility_epoch == FAR_FUTURE_EPOCH
        && effective_balance == spec.MAX_EFFECTIVE_BALANCE
}

/// `beacon-chain.md#is_eligible_for_activation`: placed in the queue by a finalized epoch, and not
/// yet activated.
pub fn is_eligible_for_activation(
    state: &BeaconState,
    activation_eligibility_epoch: Epoch,
    activation_epoch: Epoch,
) -> bool {
    activation_eligibility_epoch <= state.finalized_checkpoint().epoch
        && activation_epoch == FAR_FUTURE_EPOCH
}

/// `beacon-chain.md#is_slashable_validator`
pub fn is_slashable_validator(validator: &Validator, epoch: Epoch) -> bool {
    !validator.slashed
        && validator.activation_epoch <= epoch
        && epoch < validator.withdrawable_epoch
}

/// `beacon-chain.md#is_slashable_attestation_data`
pub fn is_slashable_attestation_data(data_1: &AttestationData, data_2: &AttestationData) -> bool {
    let double_vote = data_1 != data_2 && data_1.target.epoch == data_2.target.epoch;
    let surround_vote =
        data_1.source.epoch < data_2.source.epoch && data_2.target.epoch < data_1.target.epoch;
    double_vote || surround_vote
}

/// `beacon-chain.md#is_valid_indexed_attestation`, the reason as an error.
pub fn is_valid_indexed_attestation(
    state: &BeaconState,
    indexed_attestation: &IndexedAttestation,
    verifier: &dyn Verifier,
) -> Result<(), Error> {
    let set = indexed_attestation_signature_set(state, indexed_attestation)?;
    verifier
        .verify_sets(&[set])
        .map_err(|_| Error::AttestationSignatureInvalid)
}

/// The part of [`is_valid_indexed_attestation`] before the signature, and the signature to verify:
/// split so that a block's signatures can be verified together.
pub(crate) fn indexed_attestation_signature_set(
    state: &BeaconState,
    attestation: &IndexedAttestation,
) -> Result<SignatureSet, Error> {
    let indices = &attestation.attesting_indices;
    if indices.is_empty() {
        return Err(Error::AttestationEmpty);
    }
    if !indices.is_sorted_by(|a, b| a < b) {
        return Err(Error::AttestingIndicesUnsorted);
    }
    attestation_signature_set(
        state,
        indices.iter().copied(),
        &attestation.data,
        attestation.signature,
    )
}

/// The signature of validators over attestation data.
pub(crate) fn attestation_signature_set(
    state: &BeaconState,
    indices: impl Iterator<Item = ValidatorIndex>,
    data: &AttestationData,
    signature: BLSSignature,
) -> Result<SignatureSet, Error> {
    let pubkeys = indices
        .map(|index| {
            let key = state.validators().pubkey_id(index as usize);
            key.ok_or(Error::UnknownValidator(index))
        })
        .collect::<Result<_, _>>()?;
    let domain = get_domain(state, DOMAIN_BEACON_ATTESTER, Some(data.target.epoch));
    Ok(SignatureSet {
        signature,
        message: compute_signing_root(data, domain),
        pubkeys: SetKeys::Many(pubkeys),
    })
}

/// `beacon-chain.md#is_valid_merkle_branch`
pub fn is_valid_merkle_branch(
    leaf: Root,
    branch: &[Root],
    depth: usize,
    index: u64,
    root: Root,
) -> bool {
    if branch.len() < depth {
        return false;
    }
    let mut value = leaf.0;
    for (level, node) in branch[..depth].iter().enumerate() {
        let is_right = index.checked_shr(level as u32).unwrap_or(0) & 1 == 1;
        value = match is_right {
            true => kernels::hash_pair(&node.0, &value),
            false => kernels::hash_pair(&value, &node.0),
        };
    }
    value == root.0
}
