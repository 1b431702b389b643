//! Operations judged by block processing itself, their signatures set aside.

use super::Reason;
use consensus::helpers::{compute_signing_root_of, get_domain};
use consensus::transition::{SignatureMode, Signatures};
use consensus::{
    BLSSignature, BeaconState, DomainType, Epoch, Error, IndexedAttestation, Root, SetKeys,
    SignatureSet, ValidatorIndex, Verifier,
};
use consensus::{DOMAIN_BEACON_ATTESTER, HashTreeRoot};

/// Finds no signature good. Nothing asks it: signatures are set aside.
struct Nobody;

impl Verifier for Nobody {
    fn verify_sets(&self, _sets: &[SignatureSet]) -> Result<(), usize> {
        Err(0)
    }
}

/// Whether all conditions of the operation but its signatures hold on the state, which stays as it
/// is.
pub(super) fn conditions_hold(
    state: &BeaconState,
    process: impl FnOnce(&mut BeaconState, &mut Signatures<'_>) -> Result<(), Error>,
) -> Result<(), Reason> {
    let mut signatures = Signatures::new(SignatureMode::Skip, &Nobody);
    process(&mut state.clone(), &mut signatures).map_err(|error| error.name())
}

/// The signature of one validator over the root of an object; `None` if there is no such validator.
pub(super) fn signature_of(
    state: &BeaconState,
    index: ValidatorIndex,
    domain: (DomainType, Epoch),
    object_root: Root,
    signature: BLSSignature,
) -> Option<SignatureSet> {
    let key = state.validators().pubkey_id(usize::try_from(index).ok()?)?;
    let domain = get_domain(state, domain.0, Some(domain.1));
    Some(SignatureSet {
        signature,
        message: compute_signing_root_of(object_root, domain),
        pubkeys: SetKeys::One(key),
    })
}

/// The signature of an attestation; `None` if one of the validators is not there.
pub(super) fn signature_of_all(
    state: &BeaconState,
    attestation: &IndexedAttestation,
) -> Option<SignatureSet> {
    let keys = attestation.attesting_indices.iter().map(|&index| {
        let index = usize::try_from(index).ok()?;
        state.validators().pubkey_id(index)
    });
    let epoch = attestation.data.target.epoch;
    let domain = get_domain(state, DOMAIN_BEACON_ATTESTER, Some(epoch));
    Some(SignatureSet {
        signature: attestation.signature,
        message: compute_signing_root_of(attestation.data.hash_tree_root(), domain),
        pubkeys: SetKeys::Many(keys.collect::<Option<_>>()?),
    })
}
