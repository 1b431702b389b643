//! `validator.md`: what an honest validator does, as pure functions; and those of
//! `p2p-interface.md` that go with it: subnets and fork digests.

use crate::bls::{self, BlsError, SecretKey, Verifier};
use crate::containers::*;
use crate::error::Error;
use crate::hashing::HashTreeRoot;
use crate::helpers::*;
use crate::primitives::*;
use crate::spec::Spec;
use crate::state::BeaconState;
use crate::transition::{SignatureMode, Signatures, state_transition};
use alloy_primitives::U256;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use thiserror::Error as ThisError;

/// `validator.md#misc`: aggregators that a committee has on average.
pub const TARGET_AGGREGATORS_PER_COMMITTEE: u64 = 16;
/// `p2p-interface.md#constants`: bits of a node id.
const NODE_ID_BITS: usize = 256;

/// Why there is no committee assignment to give.
#[derive(Clone, Debug, PartialEq, ThisError)]
pub enum AssignmentError {
    /// Committees are only known up to the next epoch.
    #[error("the committees of epoch {epoch} are not known yet: the state's next epoch is {next}")]
    EpochTooFar {
        /// Epoch asked for.
        epoch: Epoch,
        /// Epoch after the state's.
        next: Epoch,
    },
    /// The state itself does not answer.
    #[error(transparent)]
    State(#[from] Error),
}

/// `validator.md#activation`'s `check_if_validator_active`.
///
/// # Errors
/// [`Error::UnknownValidator`]
pub fn check_if_validator_active(
    state: &BeaconState,
    validator_index: ValidatorIndex,
) -> Result<bool, Error> {
    let index = usize::try_from(validator_index).ok();
    let validator = index.and_then(|index| state.validators().get(index));
    let validator = validator.ok_or(Error::UnknownValidator(validator_index))?;
    Ok(is_active_validator(&validator, get_current_epoch(state)))
}

/// `validator.md#validator-assignments`'s `get_committee_assignment`: the committee, its index and
/// its slot; `None` for a validator that is not active in `epoch`.
///
/// # Errors
/// For an epoch after the next one.
pub fn get_committee_assignment(
    state: &BeaconState,
    epoch: Epoch,
    validator_index: ValidatorIndex,
) -> Result<Option<(Vec<ValidatorIndex>, CommitteeIndex, Slot)>, AssignmentError> {
    let next = get_current_epoch(state).saturating_add(1);
    if epoch > next {
        return Err(AssignmentError::EpochTooFar { epoch, next });
    }
    let shuffling = state.shuffling(epoch)?;
    let Ok(member) = u32::try_from(validator_index) else {
        return Ok(None);
    };
    let start_slot = compute_start_slot_at_epoch(epoch, state.spec())?;
    for slot in start_slot..start_slot.saturating_add(state.spec().SLOTS_PER_EPOCH) {
        for index in 0..shuffling.committees_per_slot() {
            let committee = shuffling.committee(slot, index).unwrap_or_default();
            if committee.contains(&member) {
                let members = committee.iter().map(|&member| member.into()).collect();
                return Ok(Some((members, index, slot)));
            }
        }
    }
    Ok(None)
}

/// `validator.md#validator-assignments`'s `is_proposer`: at the state's slot.
pub fn is_proposer(state: &BeaconState, validator_index: ValidatorIndex) -> Result<bool, Error> {
    Ok(get_beacon_proposer_index(state)? == validator_index)
}

/// Signs `object` for the domain as it is in `epoch`.
fn sign_in_epoch(
    state: &BeaconState,
    domain_type: DomainType,
    epoch: Epoch,
    object: &impl HashTreeRoot,
    privkey: &SecretKey,
) -> BLSSignature {
    let domain = get_domain(state, domain_type, Some(epoch));
    privkey.sign(compute_signing_root(object, domain))
}

/// `validator.md#randao-reveal`'s `get_epoch_signature`.
pub fn get_epoch_signature(
    state: &BeaconState,
    block: &BeaconBlock,
    privkey: &SecretKey,
) -> BLSSignature {
    let epoch = compute_epoch_at_slot(block.slot, state.spec());
    sign_in_epoch(state, DOMAIN_RANDAO, epoch, &epoch, privkey)
}

/// `validator.md#eth1-data`'s `voting_period_start_time`: Unix seconds.
pub fn voting_period_start_time(state: &BeaconState) -> Result<u64, Error> {
    let period = state.spec().eth1_voting_slots();
    compute_time_at_slot(state, state.slot() - state.slot() % period)
}

/// `validator.md#eth1-data`'s `is_candidate_block`: at least one and at most two follow distances
/// older than `period_start`.
pub fn is_candidate_block(block: &Eth1Block, period_start: u64, spec: &Spec) -> bool {
    let distance = u128::from(spec.SECONDS_PER_ETH1_BLOCK) * u128::from(spec.ETH1_FOLLOW_DISTANCE);
    let age = u128::from(period_start).checked_sub(u128::from(block.timestamp));
    age.is_some_and(|age| (distance..=2 * distance).contains(&age))
}

/// `validator.md#get_eth1_data`; `block_hash` is the one field of a block that [`Eth1Block`] has
/// not.
pub fn get_eth1_data(block: &Eth1Block, block_hash: Hash32) -> Eth1Data {
    Eth1Data {
        deposit_root: block.deposit_root,
        deposit_count: block.deposit_count,
        block_hash,
    }
}

/// `validator.md#get_eth1_data`'s `get_eth1_vote`. `eth1_chain` holds the known eth1 blocks with
/// their hashes, by ascending height.
pub fn get_eth1_vote(
    state: &BeaconState,
    eth1_chain: &[(Hash32, Eth1Block)],
) -> Result<Eth1Data, Error> {
    let period_start = voting_period_start_time(state)?;
    let votes_to_consider: Vec<Eth1Data> = eth1_chain
        .iter()
        .filter(|(_, block)| is_candidate_block(block, period_start, state.spec()))
        .map(|(block_hash, block)| get_eth1_data(block, *block_hash))
        // Never back to an earlier state of the deposit contract.
        .filter(|data| data.deposit_count >= state.eth1_data().deposit_count)
        .collect();
    let considered: BTreeSet<&Eth1Data> = votes_to_consider.iter().collect();
    // Per vote how often it was cast, and, for ties, where first.
    let mut valid_votes: BTreeMap<Eth1Data, (usize, Reverse<usize>)> = BTreeMap::new();
    for (index, vote) in state.eth1_data_votes().iter().enumerate() {
        if considered.contains(&vote) {
            valid_votes.entry(vote).or_insert((0, Reverse(index))).0 += 1;
        }
    }
    let most_cast = valid_votes.into_iter().max_by_key(|(_, rank)| *rank);
    let default_vote = || votes_to_consider.last().unwrap_or(state.eth1_data());
    Ok(most_cast.map_or_else(|| *default_vote(), |(vote, _)| vote))
}

/// `validator.md#state-root`'s `compute_new_state_root`: the state root to put into `block`, whose
/// parent's post-state is `state`, advanced less far than the block's slot if at all. `verifier`
/// decides about deposits.
///
/// # Errors
/// Those of the state transition.
pub fn compute_new_state_root(
    state: &BeaconState,
    block: &BeaconBlock,
    verifier: &dyn Verifier,
) -> Result<Root, Error> {
    let mut temp_state = state.clone();
    let signed_block = SignedBeaconBlock {
        message: block.clone(),
        signature: BLSSignature::ZERO,
    };
    let mut signatures = Signatures::new(SignatureMode::Skip, verifier);
    state_transition(&mut temp_state, &signed_block, &mut signatures, false)?;
    Ok(temp_state.hash_tree_root())
}

/// `validator.md#signature`'s `get_block_signature`.
pub fn get_block_signature(
    state: &BeaconState,
    block: &BeaconBlock,
    privkey: &SecretKey,
) -> BLSSignature {
    let epoch = compute_epoch_at_slot(block.slot, state.spec());
    sign_in_epoch(
        state,
        DOMAIN_BEACON_PROPOSER,
        epoch,
        &block.header(),
        privkey,
    )
}

/// `validator.md#aggregate-signature`'s `get_attestation_signature`.
pub fn get_attestation_signature(
    state: &BeaconState,
    attestation_data: &AttestationData,
    privkey: &SecretKey,
) -> BLSSignature {
    let epoch = attestation_data.target.epoch;
    sign_in_epoch(
        state,
        DOMAIN_BEACON_ATTESTER,
        epoch,
        attestation_data,
        privkey,
    )
}

/// `validator.md#broadcast-attestation`'s `compute_subnet_for_attestation`.
pub fn compute_subnet_for_attestation(
    committees_per_slot: u64,
    slot: Slot,
    committee_index: CommitteeIndex,
    spec: &Spec,
) -> u64 {
    let slots_since_epoch_start = u128::from(slot % spec.SLOTS_PER_EPOCH);
    let committees_since_epoch_start = u128::from(committees_per_slot) * slots_since_epoch_start;
    // Reduced before it is added to, so that no index from the network overflows.
    let count = u128::from(spec.ATTESTATION_SUBNET_COUNT);
    let subnet = committees_since_epoch_start % count + u128::from(committee_index) % count;
    (subnet % count) as u64
}

/// `validator.md#aggregation-selection`'s `get_slot_signature`.
pub fn get_slot_signature(state: &BeaconState, slot: Slot, privkey: &SecretKey) -> BLSSignature {
    let epoch = compute_epoch_at_slot(slot, state.spec());
    sign_in_epoch(state, DOMAIN_SELECTION_PROOF, epoch, &slot, privkey)
}

/// `validator.md#aggregation-selection`'s `is_aggregator`.
///
/// # Errors
/// If there is no such committee.
pub fn is_aggregator(
    state: &BeaconState,
    slot: Slot,
    index: CommitteeIndex,
    slot_signature: &BLSSignature,
) -> Result<bool, Error> {
    let committee = get_beacon_committee(state, slot, index)?;
    Ok(is_selected(committee.len(), slot_signature))
}

/// What [`is_aggregator`] decides, for a committee of known length.
pub fn is_selected(committee_length: usize, slot_signature: &BLSSignature) -> bool {
    let modulo = (committee_length as u64 / TARGET_AGGREGATORS_PER_COMMITTEE).max(1);
    let digest = hash(slot_signature.as_slice());
    let (first, _) = digest.split_first_chunk().expect("32 bytes");
    bytes_to_uint64(first).is_multiple_of(modulo)
}

/// `validator.md#aggregate-signature-1`'s `get_aggregate_signature`.
///
/// # Errors
/// For no attestations, or a signature that is no point.
pub fn get_aggregate_signature(attestations: &[Attestation]) -> Result<BLSSignature, BlsError> {
    let signatures: Vec<_> = attestations.iter().map(|a| a.signature).collect();
    bls::aggregate(&signatures)
}

/// `validator.md#broadcast-aggregate`'s `get_aggregate_and_proof`.
pub fn get_aggregate_and_proof(
    state: &BeaconState,
    aggregator_index: ValidatorIndex,
    aggregate: Attestation,
    privkey: &SecretKey,
) -> AggregateAndProof {
    AggregateAndProof {
        aggregator_index,
        selection_proof: get_slot_signature(state, aggregate.data.slot, privkey),
        aggregate,
    }
}

/// `validator.md#broadcast-aggregate`'s `get_aggregate_and_proof_signature`.
pub fn get_aggregate_and_proof_signature(
    state: &BeaconState,
    aggregate_and_proof: &AggregateAndProof,
    privkey: &SecretKey,
) -> BLSSignature {
    let slot = aggregate_and_proof.aggregate.data.slot;
    let epoch = compute_epoch_at_slot(slot, state.spec());
    sign_in_epoch(
        state,
        DOMAIN_AGGREGATE_AND_PROOF,
        epoch,
        aggregate_and_proof,
        privkey,
    )
}

/// `p2p-interface.md#attestation-subnet-subscription`'s `compute_subscribed_subnet`. `node_id` is
/// the 256-bit number, big-endian.
///
/// # Errors
/// [`Error::Overflow`] for the last epochs of all.
pub fn compute_subscribed_subnet(
    node_id: &[u8; 32],
    epoch: Epoch,
    index: u64,
    spec: &Spec,
) -> Result<u64, Error> {
    let node_id = U256::from_be_bytes(*node_id);
    let prefix_bits = spec.ATTESTATION_SUBNET_PREFIX_BITS;
    let node_id_prefix: u64 = (node_id >> (NODE_ID_BITS - prefix_bits as usize)).to();
    let period = spec.EPOCHS_PER_SUBNET_SUBSCRIPTION;
    let node_offset: u64 = (node_id % U256::from(period)).to();
    let shifted = epoch.checked_add(node_offset).ok_or(Error::Overflow)?;
    let permutation_seed = hash(&(shifted / period).to_le_bytes());
    let permutated_prefix =
        compute_shuffled_index(node_id_prefix, 1 << prefix_bits, &permutation_seed, spec)?;
    Ok((permutated_prefix + index % spec.ATTESTATION_SUBNET_COUNT) % spec.ATTESTATION_SUBNET_COUNT)
}

/// `p2p-interface.md#attestation-subnet-subscription`'s `compute_subscribed_subnets`: the
/// long-lived subnets of a node, `SUBNETS_PER_NODE` of them.
///
/// # Errors
/// As [`compute_subscribed_subnet`].
pub fn compute_subscribed_subnets(
    node_id: &[u8; 32],
    epoch: Epoch,
    spec: &Spec,
) -> Result<Vec<u64>, Error> {
    (0..spec.SUBNETS_PER_NODE)
        .map(|index| compute_subscribed_subnet(node_id, epoch, index, spec))
        .collect()
}

/// `p2p-interface.md#compute_fork_version`: phase 0 has one version.
pub fn compute_fork_version(_epoch: Epoch, spec: &Spec) -> Version {
    spec.GENESIS_FORK_VERSION
}

/// `p2p-interface.md#compute_fork_digest`
pub fn compute_fork_digest(genesis_validators_root: Root, epoch: Epoch, spec: &Spec) -> ForkDigest {
    let fork_version = compute_fork_version(epoch, spec);
    let base_digest = compute_fork_data_root(fork_version, genesis_validators_root);
    ForkDigest::from_slice(&base_digest[..4])
}
