//! `beacon-chain.md#operations`: each kind of operation of a block. All change `state` as they go;
//! after an error it must be dropped.

use super::signatures::Signatures;
use crate::bls::{SetKeys, SignatureSet};
use crate::containers::*;
use crate::error::Error;
use crate::hashing::HashTreeRoot;
use crate::helpers::*;
use crate::primitives::*;
use crate::spec::Spec;
use crate::state::{BeaconState, Shuffling};

/// The validator or the error that there is none.
fn validator(state: &BeaconState, index: ValidatorIndex) -> Result<Validator, Error> {
    let validator = state.validators().get(index as usize);
    validator.ok_or(Error::UnknownValidator(index))
}

/// The signature of one validator of the registry over `message`.
fn single_set(
    state: &BeaconState,
    index: ValidatorIndex,
    message: Root,
    signature: BLSSignature,
) -> Result<SignatureSet, Error> {
    let key = state.validators().pubkey_id(index as usize);
    Ok(SignatureSet {
        signature,
        message,
        pubkeys: SetKeys::One(key.ok_or(Error::UnknownValidator(index))?),
    })
}

/// `beacon-chain.md#proposer-slashings`
pub fn process_proposer_slashing(
    state: &mut BeaconState,
    proposer_slashing: &ProposerSlashing,
    signatures: &mut Signatures<'_>,
) -> Result<(), Error> {
    let header_1 = &proposer_slashing.signed_header_1.message;
    let header_2 = &proposer_slashing.signed_header_2.message;
    if header_1.slot != header_2.slot {
        return Err(Error::ProposerSlashingSlotsDiffer);
    }
    if header_1.proposer_index != header_2.proposer_index {
        return Err(Error::ProposerSlashingProposersDiffer);
    }
    if header_1 == header_2 {
        return Err(Error::ProposerSlashingHeadersEqual);
    }
    let index = header_1.proposer_index;
    if !is_slashable_validator(&validator(state, index)?, get_current_epoch(state)) {
        return Err(Error::ProposerNotSlashable(index));
    }
    let signed_headers = [
        &proposer_slashing.signed_header_1,
        &proposer_slashing.signed_header_2,
    ];
    for (number, signed_header) in (1..).zip(signed_headers) {
        let set = || {
            let epoch = compute_epoch_at_slot(signed_header.message.slot, state.spec());
            let domain = get_domain(state, DOMAIN_BEACON_PROPOSER, Some(epoch));
            let message = compute_signing_root(&signed_header.message, domain);
            single_set(state, index, message, signed_header.signature)
        };
        signatures.check(set, Error::ProposerSlashingSignatureInvalid(number))?;
    }
    slash_validator(state, index, None)
}

/// `beacon-chain.md#attester-slashings`
pub fn process_attester_slashing(
    state: &mut BeaconState,
    attester_slashing: &AttesterSlashing,
    signatures: &mut Signatures<'_>,
) -> Result<(), Error> {
    let attestation_1 = &attester_slashing.attestation_1;
    let attestation_2 = &attester_slashing.attestation_2;
    if !is_slashable_attestation_data(&attestation_1.data, &attestation_2.data) {
        return Err(Error::AttestationsNotSlashable);
    }
    for attestation in [attestation_1, attestation_2] {
        let set = indexed_attestation_signature_set(state, attestation)?;
        signatures.check(|| Ok(set), Error::AttestationSignatureInvalid)?;
    }
    let mut slashed_any = false;
    // Both lists are sorted and without repetition: `indexed_attestation_signature_set` saw to it.
    for &index in &attestation_1.attesting_indices {
        if attestation_2
            .attesting_indices
            .binary_search(&index)
            .is_err()
        {
            continue;
        }
        if is_slashable_validator(&validator(state, index)?, get_current_epoch(state)) {
            slash_validator(state, index, None)?;
            slashed_any = true;
        }
    }
    match slashed_any {
        true => Ok(()),
        false => Err(Error::NobodySlashed),
    }
}

/// `beacon-chain.md#attestations`
pub fn process_attestation(
    state: &mut BeaconState,
    attestation: &Attestation,
    signatures: &mut Signatures<'_>,
) -> Result<(), Error> {
    let data = &attestation.data;
    let is_current = check_attestation_data(state, data)?;
    let shuffling = state.shuffling(data.target.epoch)?;
    check_aggregation_bits(&shuffling, attestation)?;
    let pending_attestation = PendingAttestation {
        aggregation_bits: attestation.aggregation_bits.clone(),
        data: *data,
        inclusion_delay: state.slot() - data.slot,
        proposer_index: get_beacon_proposer_index(state)?,
    };
    let expected = match is_current {
        true => state.current_justified_checkpoint(),
        false => state.previous_justified_checkpoint(),
    };
    if data.source != expected {
        return Err(Error::SourceCheckpointMismatch {
            found: data.source,
            expected,
        });
    }
    state.push_pending_attestation(pending_attestation, is_current)?;

    // `is_valid_indexed_attestation` over `get_indexed_attestation`: a committee has no member
    // twice and the sum of keys no order, so that nothing is left to sort or check but emptiness.
    if attestation.aggregation_bits.is_zero() {
        return Err(Error::AttestationEmpty);
    }
    let set = || {
        let bits = &attestation.aggregation_bits;
        let attesters = shuffling.attesters(data.slot, data.index, bits)?;
        let indices = attesters.map(|(_, index)| index.into());
        attestation_signature_set(state, indices, data, attestation.signature)
    };
    signatures.check(set, Error::AttestationSignatureInvalid)
}

/// The assertions of [`process_attestation`] on epochs and slots; whether the target is the
/// current epoch.
fn check_attestation_data(state: &BeaconState, data: &AttestationData) -> Result<bool, Error> {
    let spec: &Spec = state.spec();
    let target = data.target.epoch;
    let is_current = target == get_current_epoch(state);
    if !is_current && target != get_previous_epoch(state) {
        return Err(Error::TargetEpochOutOfRange(target));
    }
    if target != compute_epoch_at_slot(data.slot, spec) {
        return Err(Error::TargetEpochSlotMismatch {
            target,
            slot: data.slot,
        });
    }
    // The slot is of the current or previous epoch here, but a state may be in the last of all.
    let (slot, state_slot) = (data.slot, state.slot());
    let earliest = slot
        .checked_add(spec.MIN_ATTESTATION_INCLUSION_DELAY)
        .ok_or_else(Error::overflow)?;
    if earliest > state_slot {
        return Err(Error::AttestationTooEarly { slot, state_slot });
    }
    let latest = slot
        .checked_add(spec.SLOTS_PER_EPOCH)
        .ok_or_else(Error::overflow)?;
    if state_slot > latest {
        return Err(Error::AttestationTooOld { slot, state_slot });
    }
    Ok(is_current)
}

fn check_aggregation_bits(shuffling: &Shuffling, attestation: &Attestation) -> Result<(), Error> {
    let data = &attestation.data;
    let committee = shuffling.committee_range(data.slot, data.index).ok_or(
        Error::CommitteeIndexOutOfRange {
            index: data.index,
            count: shuffling.committees_per_slot(),
        },
    )?;
    let (bits, committee) = (attestation.aggregation_bits.len(), committee.len());
    match bits == committee {
        true => Ok(()),
        false => Err(Error::AggregationBitsLengthMismatch { bits, committee }),
    }
}

/// `beacon-chain.md#deposits`'s `get_validator_from_deposit`.
pub fn get_validator_from_deposit(
    pubkey: BLSPubkey,
    withdrawal_credentials: Root,
    amount: Gwei,
    spec: &Spec,
) -> Validator {
    let effective_balance = amount - amount % spec.EFFECTIVE_BALANCE_INCREMENT;
    Validator {
        pubkey,
        withdrawal_credentials,
        effective_balance: effective_balance.min(spec.MAX_EFFECTIVE_BALANCE),
        slashed: false,
        activation_eligibility_epoch: FAR_FUTURE_EPOCH,
        activation_epoch: FAR_FUTURE_EPOCH,
        exit_epoch: FAR_FUTURE_EPOCH,
        withdrawable_epoch: FAR_FUTURE_EPOCH,
    }
}

/// `beacon-chain.md#deposits`'s `add_validator_to_registry`.
pub fn add_validator_to_registry(
    state: &mut BeaconState,
    pubkey: BLSPubkey,
    withdrawal_credentials: Root,
    amount: Gwei,
) -> Result<(), Error> {
    let spec = state.spec().clone();
    let validator = get_validator_from_deposit(pubkey, withdrawal_credentials, amount, &spec);
    state.push_validator(&validator, amount)
}

/// `beacon-chain.md#deposits`'s `apply_deposit`. A deposit whose signature does not hold is no
/// error: it adds nobody.
pub fn apply_deposit(
    state: &mut BeaconState,
    deposit: &DepositData,
    signatures: &Signatures<'_>,
) -> Result<(), Error> {
    if let Some(index) = state.index_of_key(&deposit.pubkey) {
        return increase_balance(state, index, deposit.amount);
    }
    let set = deposit_signature_set(deposit, state.spec());
    if signatures.verifier().verify_sets(&[set]).is_ok() {
        add_validator_to_registry(
            state,
            deposit.pubkey,
            deposit.withdrawal_credentials,
            deposit.amount,
        )?;
    }
    Ok(())
}

/// The proof of possession in a deposit, under the fork-agnostic domain.
pub fn deposit_signature_set(deposit: &DepositData, spec: &Spec) -> SignatureSet {
    let message = DepositMessage {
        pubkey: deposit.pubkey,
        withdrawal_credentials: deposit.withdrawal_credentials,
        amount: deposit.amount,
    };
    let domain = compute_domain(DOMAIN_DEPOSIT, spec.GENESIS_FORK_VERSION, Root::ZERO);
    SignatureSet {
        signature: deposit.signature,
        message: compute_signing_root(&message, domain),
        pubkeys: SetKeys::Bytes(deposit.pubkey),
    }
}

/// `beacon-chain.md#deposits`'s `process_deposit`.
pub fn process_deposit(
    state: &mut BeaconState,
    deposit: &Deposit,
    signatures: &Signatures<'_>,
) -> Result<(), Error> {
    let index = state.eth1_deposit_index();
    let proven = is_valid_merkle_branch(
        deposit.data.hash_tree_root(),
        &deposit.proof,
        DEPOSIT_CONTRACT_TREE_DEPTH + 1,
        index,
        state.eth1_data().deposit_root,
    );
    if !proven {
        return Err(Error::DepositProofInvalid(index));
    }
    state.set_eth1_deposit_index(index.checked_add(1).ok_or_else(Error::overflow)?);
    apply_deposit(state, &deposit.data, signatures)
}

/// `beacon-chain.md#voluntary-exits`
pub fn process_voluntary_exit(
    state: &mut BeaconState,
    signed_voluntary_exit: &SignedVoluntaryExit,
    signatures: &mut Signatures<'_>,
) -> Result<(), Error> {
    let voluntary_exit = &signed_voluntary_exit.message;
    let index = voluntary_exit.validator_index;
    let validator = validator(state, index)?;
    let current = get_current_epoch(state);
    if !is_active_validator(&validator, current) {
        return Err(Error::ExitNotActive(index));
    }
    if validator.exit_epoch != FAR_FUTURE_EPOCH {
        return Err(Error::ExitAlreadyInitiated(index));
    }
    if current < voluntary_exit.epoch {
        return Err(Error::ExitInFuture {
            exit: voluntary_exit.epoch,
            current,
        });
    }
    let earliest = validator
        .activation_epoch
        .checked_add(state.spec().SHARD_COMMITTEE_PERIOD)
        .ok_or_else(Error::overflow)?;
    if current < earliest {
        return Err(Error::ExitTooYoung(index));
    }
    let set = || {
        let domain = get_domain(state, DOMAIN_VOLUNTARY_EXIT, Some(voluntary_exit.epoch));
        let message = compute_signing_root(voluntary_exit, domain);
        single_set(state, index, message, signed_voluntary_exit.signature)
    };
    signatures.check(set, Error::ExitSignatureInvalid)?;
    initiate_validator_exit(state, index)
}
