//! Topic `beacon_aggregate_and_proof`.

use super::committee::{check_data, committees};
use super::unverified::{signature_of, signature_of_all};
use super::{Check, Claim, Mark, Reason, Seen, View, ignore, reason, reject};
use consensus::state::Shuffling;
use consensus::validator_guide::is_selected;
use consensus::{
    AggregateAndProof, BeaconState, DOMAIN_AGGREGATE_AND_PROOF, DOMAIN_SELECTION_PROOF,
    HashTreeRoot, IndexedAttestation, Root, SignatureSet, SignedAggregateAndProof, ValidatorIndex,
};
use std::sync::Arc;

/// An aggregate with its proof of selection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AggregateVote {
    /// The aggregate and its proof.
    pub signed_aggregate: Arc<SignedAggregateAndProof>,
    /// Root of the aggregate's data.
    pub data_root: Root,
    /// Who attests, ascending.
    pub attesters: Vec<ValidatorIndex>,
}

/// `p2p-interface.md#beacon_aggregate_and_proof`
pub fn validate_beacon_aggregate_and_proof_gossip(
    view: &View<'_>,
    seen: &Seen,
    signed_aggregate_and_proof: &Arc<SignedAggregateAndProof>,
) -> Check<AggregateVote> {
    let aggregate_and_proof = &signed_aggregate_and_proof.message;
    let aggregator_index = aggregate_and_proof.aggregator_index;
    let aggregate = &aggregate_and_proof.aggregate;
    let data = &aggregate.data;

    // [REJECT] The aggregate attestation has participants.
    if aggregate.aggregation_bits.is_zero() {
        return reject(reason::NO_ATTESTERS);
    }
    if let Err(check) = check_data(view, data) {
        return check;
    }
    let (state, shuffling) = match committees(view, data) {
        Ok(found) => found,
        Err(check) => return check,
    };
    // [REJECT] The committee index is within the expected range.
    let Some(committee) = shuffling.committee(data.slot, data.index) else {
        return reject(reason::NO_COMMITTEE);
    };
    // [REJECT] The number of aggregation bits matches the committee size.
    if aggregate.aggregation_bits.len() != committee.len() {
        return reject(reason::BITS_LENGTH);
    }
    // [IGNORE] No valid aggregate of this data with all of these bits has been seen.
    let data_root = data.hash_tree_root();
    if seen.covers_aggregate(data.slot, data_root, &aggregate.aggregation_bits) {
        return ignore(reason::SEEN_AGGREGATE);
    }
    // [IGNORE] The first valid aggregate of the aggregator for the target epoch.
    if seen.has_aggregator(data.target.epoch, aggregator_index) {
        return ignore(reason::SEEN_AGGREGATOR);
    }
    if let Err(reason) = check_aggregator(committee, aggregate_and_proof) {
        return reject(reason);
    }
    let Some(indexed) = indexed(&shuffling, signed_aggregate_and_proof) else {
        return reject(reason::BITS_LENGTH);
    };
    let Some([selection, aggregator, attesters]) =
        signatures(state, signed_aggregate_and_proof, &indexed)
    else {
        return reject(reason::SIGNATURE);
    };
    let message = AggregateVote {
        signed_aggregate: Arc::clone(signed_aggregate_and_proof),
        data_root,
        attesters: indexed.attesting_indices.into(),
    };
    Check::Verify(Claim::new(
        message,
        [
            // [REJECT] The selection proof is a valid signature of the slot by the aggregator.
            (selection, reason::SELECTION_PROOF),
            // [REJECT] The aggregator signature is valid.
            (aggregator, reason::AGGREGATOR_SIGNATURE),
            // [REJECT] The signature of `aggregate` is valid.
            (attesters, reason::ATTESTATION_SIGNATURE),
        ],
    ))
}

fn check_aggregator(committee: &[u32], message: &AggregateAndProof) -> Result<(), Reason> {
    // [REJECT] The selection proof selects the validator as an aggregator for the slot.
    if !is_selected(committee.len(), &message.selection_proof) {
        return Err(reason::NOT_AGGREGATOR);
    }
    // [REJECT] The aggregator's validator index is within the committee.
    let member = u32::try_from(message.aggregator_index);
    match member.is_ok_and(|member| committee.contains(&member)) {
        true => Ok(()),
        false => Err(reason::NOT_IN_COMMITTEE),
    }
}

/// The aggregate with the indices of its attesters. Their committee is at hand, so that the state
/// need not be asked for it.
fn indexed(
    shuffling: &Shuffling,
    signed_aggregate: &SignedAggregateAndProof,
) -> Option<IndexedAttestation> {
    let aggregate = &signed_aggregate.message.aggregate;
    let (data, bits) = (&aggregate.data, &aggregate.aggregation_bits);
    let attesters = shuffling.attesters(data.slot, data.index, bits).ok()?;
    let mut indices: Vec<_> = attesters
        .map(|(_, index)| ValidatorIndex::from(index))
        .collect();
    indices.sort_unstable();
    Some(IndexedAttestation {
        attesting_indices: indices.try_into().ok()?,
        data: *data,
        signature: aggregate.signature,
    })
}

/// The signatures of the selection, of the aggregator and of the attesters.
fn signatures(
    state: &BeaconState,
    signed_aggregate: &SignedAggregateAndProof,
    indexed: &IndexedAttestation,
) -> Option<[SignatureSet; 3]> {
    let message = &signed_aggregate.message;
    let epoch = indexed.data.target.epoch;
    let by_aggregator = |domain, root, signature| {
        signature_of(
            state,
            message.aggregator_index,
            (domain, epoch),
            root,
            signature,
        )
    };
    Some([
        by_aggregator(
            DOMAIN_SELECTION_PROOF,
            indexed.data.slot.hash_tree_root(),
            message.selection_proof,
        )?,
        by_aggregator(
            DOMAIN_AGGREGATE_AND_PROOF,
            message.hash_tree_root(),
            signed_aggregate.signature,
        )?,
        signature_of_all(state, indexed)?,
    ])
}

impl Mark for AggregateVote {
    fn mark(&self, seen: &mut Seen) -> Result<(), Reason> {
        let message = &self.signed_aggregate.message;
        let (data, bits) = (&message.aggregate.data, &message.aggregate.aggregation_bits);
        if seen.covers_aggregate(data.slot, self.data_root, bits) {
            return Err(reason::SEEN_AGGREGATE);
        }
        if !seen.add_aggregator(data.target.epoch, message.aggregator_index) {
            return Err(reason::SEEN_AGGREGATOR);
        }
        seen.add_aggregate(data.slot, self.data_root, bits);
        Ok(())
    }
}
