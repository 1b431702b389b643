//! Topics `beacon_attestation_{subnet_id}`.

use super::committee::{check_data, committees};
use super::unverified::signature_of;
use super::{Check, Claim, Mark, Reason, Seen, View, ignore, reason, reject};
use consensus::validator_guide::compute_subnet_for_attestation;
use consensus::{Attestation, DOMAIN_BEACON_ATTESTER, HashTreeRoot, Root, ValidatorIndex};
use std::sync::Arc;

/// An attestation of one validator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttestationVote {
    /// The attestation.
    pub attestation: Arc<Attestation>,
    /// Root of its data.
    pub data_root: Root,
    /// Who attests.
    pub validator: ValidatorIndex,
    /// The attester's place in the committee.
    pub position: usize,
    /// The subnet it belongs to.
    pub subnet_id: u64,
}

/// `p2p-interface.md#beacon_attestation_subnet_id`. Without `subnet_id` it is one of our own, to be
/// sent to the subnet it belongs to.
pub fn validate_beacon_attestation_gossip(
    view: &View<'_>,
    seen: &Seen,
    attestation: &Arc<Attestation>,
    subnet_id: Option<u64>,
) -> Check<AttestationVote> {
    let data = &attestation.data;
    let bits = &attestation.aggregation_bits;

    // [REJECT] The attestation is unaggregated: exactly one bit is set.
    if bits.num_set_bits() != 1 {
        return reject(reason::NOT_ONE_ATTESTER);
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
    // [REJECT] The attestation is for the correct subnet.
    let expected = compute_subnet_for_attestation(
        shuffling.committees_per_slot(),
        data.slot,
        data.index,
        view.fork_choice.spec(),
    );
    if subnet_id.is_some_and(|subnet_id| subnet_id != expected) {
        return reject(reason::WRONG_SUBNET);
    }
    // [REJECT] The number of aggregation bits matches the committee size.
    let position = bits.highest_set_bit();
    let attester = position.and_then(|position| Some((position, *committee.get(position)?)));
    let (position, validator) = match attester {
        Some(attester) if bits.len() == committee.len() => attester,
        _ => return reject(reason::BITS_LENGTH),
    };
    // [IGNORE] No other valid attestation of this validator and target epoch has been seen.
    let validator = ValidatorIndex::from(validator);
    if seen.has_attestation(data.target.epoch, validator) {
        return ignore(reason::SEEN_ATTESTATION);
    }
    // [REJECT] The signature of `attestation` is valid.
    let data_root = data.hash_tree_root();
    let set = signature_of(
        state,
        validator,
        (DOMAIN_BEACON_ATTESTER, data.target.epoch),
        data_root,
        attestation.signature,
    );
    let Some(set) = set else {
        return reject(reason::ATTESTATION_SIGNATURE);
    };
    let message = AttestationVote {
        attestation: Arc::clone(attestation),
        data_root,
        validator,
        position,
        subnet_id: expected,
    };
    Check::Verify(Claim::new(message, [(set, reason::ATTESTATION_SIGNATURE)]))
}

impl Mark for AttestationVote {
    fn mark(&self, seen: &mut Seen) -> Result<(), Reason> {
        let epoch = self.attestation.data.target.epoch;
        match seen.add_attestation(epoch, self.validator) {
            true => Ok(()),
            false => Err(reason::SEEN_ATTESTATION),
        }
    }
}
