//! The functions of the signature scheme on bytes, `beacon-chain.md#bls-signatures`: the IETF
//! draft's ciphersuite `BLS_SIG_BLS12381G2_XMD:SHA-256_SSWU_RO_POP_`.

use blst::blst_p1_affine;
use blst::min_pk::{AggregatePublicKey, AggregateSignature, PublicKey};

use super::points::{Product, decode_pubkey, decode_signature, is_infinity_g1};
use super::{BlsError, SecretKey};
use crate::{BLSPubkey, BLSSignature};

/// `KeyValidate`: canonical, on the curve, not infinity, in the subgroup.
///
/// # Errors
/// What is wrong with the key.
pub fn key_validate(pubkey: &BLSPubkey) -> Result<(), BlsError> {
    validated(pubkey).map(|_| ())
}

/// `Sign`.
pub fn sign(secret_key: &SecretKey, message: &[u8]) -> BLSSignature {
    secret_key.sign(message)
}

/// `Verify`. False too if the key or the signature is malformed.
pub fn verify(pubkey: &BLSPubkey, message: &[u8], signature: &BLSSignature) -> bool {
    aggregate_verify(&[*pubkey], &[message], signature)
}

/// `Aggregate`.
///
/// # Errors
/// [`BlsError::EmptyAggregate`] for no signatures; what is wrong with the first malformed one.
pub fn aggregate(signatures: &[BLSSignature]) -> Result<BLSSignature, BlsError> {
    let (first, others) = signatures.split_first().ok_or(BlsError::EmptyAggregate)?;
    let mut sum = AggregateSignature::from_signature(&decode_signature(first.as_slice())?);
    for other in others {
        sum.add_signature(&decode_signature(other.as_slice())?, false)?;
    }
    Ok(sum.to_signature().compress().into())
}

/// `FastAggregateVerify`: all keys signed one message. False for no keys.
pub fn fast_aggregate_verify(
    pubkeys: &[BLSPubkey],
    message: &[u8],
    signature: &BLSSignature,
) -> bool {
    let Ok(keys) = pubkeys.iter().map(validated).collect::<Result<Vec<_>, _>>() else {
        return false;
    };
    let keys = keys.iter().collect::<Vec<_>>();
    let Ok(sum) = AggregatePublicKey::aggregate(&keys, false) else {
        return false;
    };
    let sum = blst_p1_affine::from(sum.to_public_key());
    // The sum is itself a key, and so must not be infinity.
    !is_infinity_g1(&sum) && pairing_holds(&[sum], &[message], signature)
}

/// `AggregateVerify`: each key signed its own message. False for no keys, or if there are more
/// keys than messages or the other way round.
pub fn aggregate_verify(
    pubkeys: &[BLSPubkey],
    messages: &[&[u8]],
    signature: &BLSSignature,
) -> bool {
    if pubkeys.is_empty() || pubkeys.len() != messages.len() {
        return false;
    }
    let keys = pubkeys
        .iter()
        .map(|key| validated(key).map(blst_p1_affine::from))
        .collect::<Result<Vec<_>, _>>();
    keys.is_ok_and(|keys| pairing_holds(&keys, messages, signature))
}

/// The point of a key that passes `KeyValidate`.
pub(super) fn validated(pubkey: &BLSPubkey) -> Result<PublicKey, BlsError> {
    let key = decode_pubkey(pubkey.as_slice())?;
    key.validate()?;
    Ok(key)
}

fn pairing_holds(keys: &[blst_p1_affine], messages: &[&[u8]], signature: &BLSSignature) -> bool {
    let Ok(signature) = decode_signature(signature.as_slice()) else {
        return false;
    };
    let mut product = Product::new();
    for (key, message) in keys.iter().zip(messages) {
        product.add_message(key, message);
    }
    product.add_signature((&signature).into());
    product.equals_one()
}
