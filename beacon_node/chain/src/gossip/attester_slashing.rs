//! Topic `attester_slashing`.

use super::unverified::signature_of_all;
use super::{Check, Claim, Mark, Reason, Seen, View, ignore, reason, reject};
use consensus::helpers::{
    get_current_epoch, is_slashable_attestation_data, is_slashable_validator,
};
use consensus::{AttesterSlashing, BeaconState, Error, ValidatorIndex};
use std::collections::BTreeSet;
use std::sync::Arc;

/// `p2p-interface.md#attester_slashing`
pub fn validate_attester_slashing_gossip(
    view: &View<'_>,
    seen: &Seen,
    attester_slashing: &Arc<AttesterSlashing>,
) -> Check<Arc<AttesterSlashing>> {
    let state = view.head_state;

    // [IGNORE] At least one index in the intersection of the attesting indices of each attestation
    // has not yet been seen in any prior slashing. None in the intersection: none that is new.
    if !seen.lacks_attester_slashing(&attester_slashed_indices(attester_slashing)) {
        return ignore(reason::SEEN_ATTESTER_SLASHING);
    }
    // [REJECT] All of the conditions within `process_attester_slashing` pass validation.
    if let Err(error) = check_conditions(state, attester_slashing) {
        return reject(error.name());
    }
    let sets = (
        signature_of_all(state, &attester_slashing.attestation_1),
        signature_of_all(state, &attester_slashing.attestation_2),
    );
    match sets {
        (Some(first), Some(second)) => Check::Verify(Claim::new(
            Arc::clone(attester_slashing),
            [first, second].map(|set| (set, reason::ATTESTATION_SIGNATURE)),
        )),
        _ => reject(reason::ATTESTATION_SIGNATURE),
    }
}

/// The assertions of `process_attester_slashing` without the signatures, in its order. Slashing a
/// committee on a copy of the state to see whether it works would cost milliseconds, and a message
/// without a good signature costs its sender nothing.
fn check_conditions(state: &BeaconState, slashing: &AttesterSlashing) -> Result<(), Error> {
    let attestations = [&slashing.attestation_1, &slashing.attestation_2];
    if !is_slashable_attestation_data(&attestations[0].data, &attestations[1].data) {
        return Err(Error::AttestationsNotSlashable);
    }
    let known = state.validators().len() as u64;
    for attestation in attestations {
        let indices = &attestation.attesting_indices;
        if indices.is_empty() {
            return Err(Error::AttestationEmpty);
        }
        if !indices.is_sorted_by(|a, b| a < b) {
            return Err(Error::AttestingIndicesUnsorted);
        }
        if let Some(&unknown) = indices.iter().find(|&&index| index >= known) {
            return Err(Error::UnknownValidator(unknown));
        }
    }
    let epoch = get_current_epoch(state);
    let mut slashed = attester_slashed_indices(slashing).into_iter();
    let is_slashable = |index: ValidatorIndex| {
        let validator = state.validators().get(index as usize);
        validator.is_some_and(|validator| is_slashable_validator(&validator, epoch))
    };
    match slashed.any(is_slashable) {
        true => Ok(()),
        false => Err(Error::NobodySlashed),
    }
}

/// The validators in both attestations.
fn attester_slashed_indices(slashing: &AttesterSlashing) -> Vec<ValidatorIndex> {
    let first: BTreeSet<_> = slashing.attestation_1.attesting_indices.iter().collect();
    let second: BTreeSet<_> = slashing.attestation_2.attesting_indices.iter().collect();
    first.intersection(&second).map(|&&index| index).collect()
}

impl Mark for Arc<AttesterSlashing> {
    fn mark(&self, seen: &mut Seen) -> Result<(), Reason> {
        match seen.add_attester_slashing(&attester_slashed_indices(self)) {
            true => Ok(()),
            false => Err(reason::SEEN_ATTESTER_SLASHING),
        }
    }
}
