//! BLS signatures over BLS12-381, `beacon-chain.md#bls-signatures`: the specification's functions,
//! public keys interned process-wide, and verification of many signatures at once.

mod batch;
mod points;
mod pubkeys;
mod scheme;
mod secret_key;
#[cfg(test)]
mod tests;

use thiserror::Error;

use crate::{BLSPubkey, BLSSignature, Root};

pub use batch::Bls;
pub use points::{decode_g1, decode_g2, hash_to_g2};
pub use pubkeys::{PubkeyId, warm_keys};
pub use scheme::{aggregate, aggregate_verify, fast_aggregate_verify, key_validate, sign, verify};
pub use secret_key::SecretKey;

/// Why bytes are no key, no signature, or cannot be aggregated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum BlsError {
    /// Wrong length or flags, or a coordinate that is not below the field's modulus.
    #[error("not a canonical compressed point")]
    BadEncoding,
    /// No point of the curve has this x coordinate.
    #[error("the point is not on the curve")]
    NotOnCurve,
    /// The point is on the curve but not in the subgroup of prime order.
    #[error("the point is not in the subgroup")]
    NotInSubgroup,
    /// The point at infinity is not a valid public key.
    #[error("the public key is the point at infinity")]
    InfinitePubkey,
    /// Nothing to aggregate.
    #[error("an aggregate of no signatures")]
    EmptyAggregate,
    /// A secret key is a number from 1 up to the order of the group, exclusive.
    #[error("the secret key is zero or not below the group order")]
    BadSecretKey,
}

/// One thing to verify: the owners of all the keys signed `message`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignatureSet {
    /// The signature, aggregated if there is more than one key.
    pub signature: BLSSignature,
    /// The signing root.
    pub message: Root,
    /// Who is said to have signed.
    pub pubkeys: SetKeys,
}

/// The keys of a [`SignatureSet`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SetKeys {
    /// One key of the registry. It counts as validated when it entered the registry: its subgroup
    /// is not checked again.
    One(PubkeyId),
    /// Keys of the registry, to be added up; a key given twice counts twice. No keys: never holds.
    Many(Vec<PubkeyId>),
    /// A key from anywhere; [`key_validate`] is part of the verification.
    Bytes(BLSPubkey),
}

/// The capability to verify signatures.
pub trait Verifier: Sync + Send {
    /// Whether all sets hold; true of none.
    ///
    /// # Errors
    /// The index of a set that does not hold: the lowest one found guilty. A set with a malformed
    /// signature or key is named before one whose signature is merely wrong.
    fn verify_sets(&self, sets: &[SignatureSet]) -> Result<(), usize>;
}
