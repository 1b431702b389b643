//! `beacon-chain.md#block-processing`.

use super::signatures::Signatures;
use super::{
    process_attestation, process_attester_slashing, process_deposit, process_proposer_slashing,
    process_voluntary_exit,
};
use crate::bls::{SetKeys, SignatureSet, Verifier};
use crate::containers::*;
use crate::error::Error;
use crate::hashing::HashTreeRoot;
use crate::helpers::*;
use crate::primitives::*;
use crate::state::BeaconState;
use crate::transition::SignatureMode;

/// `beacon-chain.md#beacon-chain-state-transition-function`'s `verify_block_signature`, against a
/// state at the block's slot.
pub fn verify_block_signature(
    state: &BeaconState,
    signed_block: &SignedBeaconBlock,
    verifier: &dyn Verifier,
) -> Result<(), Error> {
    let block = &signed_block.message;
    verify_header_signature(
        state,
        block.proposer_index,
        block.hash_tree_root(),
        signed_block.signature,
        &mut Signatures::new(SignatureMode::OneByOne, verifier),
    )
}

/// [`verify_block_signature`] for a block whose root is known.
pub(super) fn verify_header_signature(
    state: &BeaconState,
    proposer_index: ValidatorIndex,
    block_root: Root,
    signature: BLSSignature,
    signatures: &mut Signatures<'_>,
) -> Result<(), Error> {
    let proposer = state.validators().pubkey_id(proposer_index as usize);
    let proposer = proposer.ok_or(Error::UnknownValidator(proposer_index))?;
    let set = || {
        let domain = get_domain(state, DOMAIN_BEACON_PROPOSER, None);
        Ok(SignatureSet {
            signature,
            message: compute_signing_root_of(block_root, domain),
            pubkeys: SetKeys::One(proposer),
        })
    };
    signatures.check(set, Error::ProposerSignatureInvalid)
}

/// `beacon-chain.md#block-processing`'s `process_block`, and the verification of the signatures
/// collected in it.
///
/// # Errors
/// The first violated assertion; `state` is then half processed and must be dropped.
pub fn process_block(
    state: &mut BeaconState,
    block: &BeaconBlock,
    signatures: &mut Signatures<'_>,
) -> Result<(), Error> {
    process_block_with_header(state, block, &block.header(), signatures)
}

/// [`process_block`] for a block whose header is known.
pub(super) fn process_block_with_header(
    state: &mut BeaconState,
    block: &BeaconBlock,
    header: &BeaconBlockHeader,
    signatures: &mut Signatures<'_>,
) -> Result<(), Error> {
    process_block_header(state, header)?;
    process_randao(state, &block.body, signatures)?;
    process_eth1_data(state, &block.body)?;
    process_operations(state, &block.body, signatures)?;
    signatures.finish()
}

/// `beacon-chain.md#block-header`, from the block's header, which has the root of its body.
pub fn process_block_header(
    state: &mut BeaconState,
    header: &BeaconBlockHeader,
) -> Result<(), Error> {
    if header.slot != state.slot() {
        return Err(Error::HeaderSlotMismatch {
            block: header.slot,
            state: state.slot(),
        });
    }
    let latest = state.latest_block_header();
    if header.slot <= latest.slot {
        return Err(Error::HeaderNotNewer {
            block: header.slot,
            latest: latest.slot,
        });
    }
    let expected = get_beacon_proposer_index(state)?;
    if header.proposer_index != expected {
        return Err(Error::ProposerIndexMismatch {
            block: header.proposer_index,
            expected,
        });
    }
    let expected = latest.hash_tree_root();
    if header.parent_root != expected {
        return Err(Error::ParentRootMismatch {
            block: header.parent_root,
            expected,
        });
    }
    state.set_latest_block_header(BeaconBlockHeader {
        // Overwritten in the next `process_slot`.
        state_root: Root::ZERO,
        ..*header
    });
    match state.validators().slashed(header.proposer_index as usize) {
        Some(false) => Ok(()),
        Some(true) => Err(Error::ProposerSlashed(header.proposer_index)),
        None => Err(Error::UnknownValidator(header.proposer_index)),
    }
}

/// `beacon-chain.md#randao`
pub fn process_randao(
    state: &mut BeaconState,
    body: &BeaconBlockBody,
    signatures: &mut Signatures<'_>,
) -> Result<(), Error> {
    let epoch = get_current_epoch(state);
    let proposer_index = get_beacon_proposer_index(state)?;
    let set = || {
        let proposer = state.validators().pubkey_id(proposer_index as usize);
        let domain = get_domain(state, DOMAIN_RANDAO, None);
        Ok(SignatureSet {
            signature: body.randao_reveal,
            message: compute_signing_root(&epoch, domain),
            pubkeys: SetKeys::One(proposer.ok_or(Error::UnknownValidator(proposer_index))?),
        })
    };
    signatures.check(set, Error::RandaoRevealInvalid)?;
    let reveal = hash(body.randao_reveal.as_slice());
    let mix = xor(&get_randao_mix(state, epoch), &reveal);
    state.set_randao_mix(epoch, mix);
    Ok(())
}

/// `beacon-chain.md#eth1-data`
pub fn process_eth1_data(state: &mut BeaconState, body: &BeaconBlockBody) -> Result<(), Error> {
    state.push_eth1_data_vote(body.eth1_data)?;
    let votes = state.eth1_data_votes().iter();
    let count = votes.filter(|vote| *vote == body.eth1_data).count() as u64;
    if count * 2 > state.spec().eth1_voting_slots() {
        state.set_eth1_data(body.eth1_data);
    }
    Ok(())
}

/// `beacon-chain.md#operations`'s `process_operations`.
pub fn process_operations(
    state: &mut BeaconState,
    body: &BeaconBlockBody,
    signatures: &mut Signatures<'_>,
) -> Result<(), Error> {
    let (count, index) = (state.eth1_data().deposit_count, state.eth1_deposit_index());
    let due = count
        .checked_sub(index)
        .ok_or(Error::DepositIndexAhead { index, count })?;
    let expected = due.min(state.spec().MAX_DEPOSITS);
    let found = body.deposits.len() as u64;
    if found != expected {
        return Err(Error::DepositCountMismatch { found, expected });
    }
    for (index, slashing) in body.proposer_slashings.iter().enumerate() {
        signatures.in_operation("proposer slashing", index, |signatures| {
            process_proposer_slashing(state, slashing, signatures)
        })?;
    }
    for (index, slashing) in body.attester_slashings.iter().enumerate() {
        signatures.in_operation("attester slashing", index, |signatures| {
            process_attester_slashing(state, slashing, signatures)
        })?;
    }
    for (index, attestation) in body.attestations.iter().enumerate() {
        signatures.in_operation("attestation", index, |signatures| {
            process_attestation(state, attestation, signatures)
        })?;
    }
    for (index, deposit) in body.deposits.iter().enumerate() {
        signatures.in_operation("deposit", index, |signatures| {
            process_deposit(state, deposit, signatures)
        })?;
    }
    for (index, exit) in body.voluntary_exits.iter().enumerate() {
        signatures.in_operation("voluntary exit", index, |signatures| {
            process_voluntary_exit(state, exit, signatures)
        })?;
    }
    Ok(())
}
