//! The signature schemes of a simulation: BLS, and a keyed hash that costs next to nothing.
//!
//! In the fast scheme the signature of a key `k` on a message `m` is SHA-256(k, m, i) for i of 0 to
//! 2, and an aggregate is the exclusive or of its parts. Anybody could forge it: it stands for a
//! scheme that nobody breaks, among nodes that do not try.

use consensus::bls::BlsError;
use consensus::{
    BLSPubkey, BLSSignature, Bls, Pool, Root, SecretKey, SetKeys, SignatureSet, ValidatorIndex,
    Verifier,
};
use std::sync::Arc;

/// Which signatures a simulation uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scheme {
    /// Keyed hashes.
    Fast,
    /// BLS.
    Real,
}

impl Scheme {
    /// What nodes verify with.
    pub(crate) fn verifier(self) -> Arc<dyn Verifier> {
        match self {
            Scheme::Fast => Arc::new(KeyedHash),
            // Nobody in a simulation aims at the coefficients.
            Scheme::Real => Arc::new(Bls::new(Pool::new(1), [0x51; 32])),
        }
    }

    /// What nodes add up signatures with.
    pub(crate) fn aggregate(self) -> fn(&[BLSSignature]) -> Result<BLSSignature, BlsError> {
        match self {
            Scheme::Fast => aggregate_hashes,
            Scheme::Real => consensus::bls::aggregate,
        }
    }
}

/// The interop keys of all validators of a simulation: validator and key have the same number.
#[derive(Debug)]
pub(crate) struct Keys {
    scheme: Scheme,
    pubkeys: Vec<BLSPubkey>,
}

impl Keys {
    /// Keys for validators with these public keys.
    pub(crate) fn new(scheme: Scheme, pubkeys: Vec<BLSPubkey>) -> Keys {
        Keys { scheme, pubkeys }
    }

    /// A validator's signature.
    ///
    /// # Panics
    /// If there is no such validator.
    pub(crate) fn sign(&self, validator: ValidatorIndex, message: Root) -> BLSSignature {
        match self.scheme {
            Scheme::Fast => keyed_hash(&self.pubkeys[validator as usize], &message),
            Scheme::Real => SecretKey::interop(validator).sign(message),
        }
    }
}

/// The verifier of the fast scheme.
struct KeyedHash;

impl Verifier for KeyedHash {
    fn verify_sets(&self, sets: &[SignatureSet]) -> Result<(), usize> {
        let wrong = sets.iter().position(|set| !holds(set));
        wrong.map_or(Ok(()), Err)
    }
}

fn holds(set: &SignatureSet) -> bool {
    let expected = match &set.pubkeys {
        SetKeys::One(id) => keyed_hash(id.bytes(), &set.message),
        SetKeys::Bytes(key) => keyed_hash(key, &set.message),
        SetKeys::Many(ids) if ids.is_empty() => return false,
        SetKeys::Many(ids) => {
            let each = ids.iter().map(|id| keyed_hash(id.bytes(), &set.message));
            each.fold(BLSSignature::ZERO, |sum, one| sum ^ one)
        }
    };
    expected == set.signature
}

fn keyed_hash(key: &BLSPubkey, message: &Root) -> BLSSignature {
    let mut preimage = [0; 81];
    preimage[..48].copy_from_slice(key.as_slice());
    preimage[48..80].copy_from_slice(message.as_slice());
    let mut signature = BLSSignature::ZERO;
    for (part, bytes) in signature.as_chunks_mut::<32>().0.iter_mut().enumerate() {
        preimage[80] = part as u8;
        *bytes = kernels::sha256(&preimage);
    }
    signature
}

fn aggregate_hashes(signatures: &[BLSSignature]) -> Result<BLSSignature, BlsError> {
    if signatures.is_empty() {
        return Err(BlsError::EmptyAggregate);
    }
    let sum = signatures
        .iter()
        .fold(BLSSignature::ZERO, |sum, one| sum ^ *one);
    Ok(sum)
}

#[cfg(test)]
mod tests {
    use super::*;
    use consensus::PubkeyId;

    #[test]
    fn both_schemes_verify_what_they_sign_and_nothing_else() {
        let pubkeys: Vec<_> = (0..3).map(|i| SecretKey::interop(i).public_key()).collect();
        let ids: Vec<_> = pubkeys.iter().map(PubkeyId::intern).collect();
        for scheme in [Scheme::Fast, Scheme::Real] {
            let keys = Keys::new(scheme, pubkeys.clone());
            let message = Root::repeat_byte(7);
            let each: Vec<_> = (0..3).map(|i| keys.sign(i, message)).collect();
            let sum = scheme.aggregate()(&each).expect("three signatures");
            let one = SignatureSet {
                signature: each[0],
                message,
                pubkeys: SetKeys::One(ids[0]),
            };
            let many = SignatureSet {
                signature: sum,
                message,
                pubkeys: SetKeys::Many(ids.clone()),
            };
            let fewer = SignatureSet {
                pubkeys: SetKeys::Many(ids[1..].to_vec()),
                ..many.clone()
            };
            let verifier = scheme.verifier();
            assert_eq!(verifier.verify_sets(&[one.clone(), many.clone()]), Ok(()));
            assert_eq!(verifier.verify_sets(&[one, many, fewer]), Err(2));
            assert!(scheme.aggregate()(&[]).is_err());
        }
    }
}
