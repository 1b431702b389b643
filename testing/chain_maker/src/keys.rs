//! The well-known interop keys, which every test network may use, and sums of them.

use crate::Error;
use consensus::{BLSPubkey, BeaconState, Pool, SecretKey, ValidatorIndex};
use std::collections::BTreeMap;

/// The order of the group of secret keys, big-endian words.
const ORDER: Scalar = [
    0x73ed_a753_299d_7d48,
    0x3339_d808_09a1_d805,
    0x53bd_a402_fffe_5bfe,
    0xffff_ffff_0000_0001,
];

/// A number below the order, big-endian words.
type Scalar = [u64; 4];

/// The first interop keys, found by their public keys. The keys are public knowledge: nothing here
/// is a secret.
pub struct InteropKeys {
    scalars: BTreeMap<BLSPubkey, Scalar>,
    pubkeys: Vec<BLSPubkey>,
}

impl InteropKeys {
    /// The keys of the numbers below `count`; the public keys are computed through the pool.
    pub fn new(count: u64, pool: &Pool) -> InteropKeys {
        let mut keys = InteropKeys {
            scalars: BTreeMap::new(),
            pubkeys: Vec::new(),
        };
        keys.extend_to(count, pool);
        keys
    }

    /// Adds keys until there are `count`.
    pub fn extend_to(&mut self, count: u64, pool: &Pool) {
        let scalars: Vec<_> = (self.pubkeys.len() as u64..count)
            .map(interop_scalar)
            .collect();
        let pubkeys = pool.map(&scalars, |scalar| secret_key(scalar).public_key());
        self.scalars.extend(pubkeys.iter().copied().zip(scalars));
        self.pubkeys.extend(pubkeys);
    }

    /// How many keys there are.
    pub fn len(&self) -> u64 {
        self.pubkeys.len() as u64
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.pubkeys.is_empty()
    }

    /// The public key of a number.
    pub fn pubkey(&self, number: u64) -> Option<BLSPubkey> {
        self.pubkeys.get(usize::try_from(number).ok()?).copied()
    }

    /// The secret key of a public key.
    ///
    /// # Errors
    /// If it is none of these keys.
    pub fn secret(&self, pubkey: &BLSPubkey) -> Result<SecretKey, Error> {
        let scalar = self.scalars.get(pubkey);
        Ok(secret_key(scalar.ok_or(Error::UnknownKey(*pubkey))?))
    }

    /// The secret key of a validator.
    ///
    /// # Errors
    /// If there is no such validator, or its key is none of these.
    pub fn of_validator(
        &self,
        state: &BeaconState,
        index: ValidatorIndex,
    ) -> Result<SecretKey, Error> {
        self.secret(&pubkey_of(state, index)?)
    }

    /// One key whose signature is the aggregate of the signatures of all the validators: signatures
    /// are linear in the key. Of no validators, an error.
    ///
    /// # Errors
    /// If there are no such validators, or a key is none of these.
    pub fn sum_of_validators(
        &self,
        state: &BeaconState,
        indices: &[ValidatorIndex],
    ) -> Result<SecretKey, Error> {
        let mut sum = [0; 4];
        for &index in indices {
            let pubkey = pubkey_of(state, index)?;
            let scalar = self.scalars.get(&pubkey);
            sum = add(&sum, scalar.ok_or(Error::UnknownKey(pubkey))?);
        }
        match sum {
            [0, 0, 0, 0] => Err(Error::NobodySigns),
            _ => Ok(secret_key(&sum)),
        }
    }
}

fn pubkey_of(state: &BeaconState, index: ValidatorIndex) -> Result<BLSPubkey, Error> {
    let id = state.validators().pubkey_id(index as usize);
    Ok(*id.ok_or(consensus::Error::UnknownValidator(index))?.bytes())
}

/// The secret key of a number: the little-endian SHA-256 of the 32-byte little-endian number,
/// modulo the order. The same as [`SecretKey::interop`], which does not show the number.
fn interop_scalar(number: u64) -> Scalar {
    let mut preimage = [0; 32];
    preimage[..8].copy_from_slice(&number.to_le_bytes());
    let mut digest = kernels::sha256(&preimage);
    digest.reverse();
    let (words, _) = digest.as_chunks();
    let mut scalar = [0; 4];
    for (word, bytes) in scalar.iter_mut().zip(words) {
        *word = u64::from_be_bytes(*bytes);
    }
    while scalar >= ORDER {
        scalar = subtract(&scalar, &ORDER);
    }
    scalar
}

/// # Panics
/// For zero, which no interop key is and [`InteropKeys::sum_of_validators`] excludes.
fn secret_key(scalar: &Scalar) -> SecretKey {
    let mut bytes = [0; 32];
    for (chunk, word) in bytes.as_chunks_mut().0.iter_mut().zip(scalar) {
        *chunk = word.to_be_bytes();
    }
    SecretKey::from_bytes(&bytes).expect("a number from 1 up to the order")
}

/// `a + b` modulo the order; both are below it, and twice the order fits 256 bits.
fn add(a: &Scalar, b: &Scalar) -> Scalar {
    let mut sum = [0; 4];
    let mut carry = false;
    for at in (0..4).rev() {
        let (digit, first) = a[at].overflowing_add(b[at]);
        let (digit, second) = digit.overflowing_add(carry.into());
        sum[at] = digit;
        carry = first || second;
    }
    match sum >= ORDER {
        true => subtract(&sum, &ORDER),
        false => sum,
    }
}

/// `a - b`, where `b` is not larger.
fn subtract(a: &Scalar, b: &Scalar) -> Scalar {
    let mut difference = [0; 4];
    let mut borrow = false;
    for at in (0..4).rev() {
        let (digit, first) = a[at].overflowing_sub(b[at]);
        let (digit, second) = digit.overflowing_sub(borrow.into());
        difference[at] = digit;
        borrow = first || second;
    }
    difference
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_the_interop_keys() {
        let keys = InteropKeys::new(40, &Pool::new(1));
        for number in 0..40 {
            let expected = SecretKey::interop(number).public_key();
            assert_eq!(keys.pubkey(number), Some(expected));
            assert_eq!(keys.secret(&expected).unwrap().public_key(), expected);
        }
        assert_eq!(keys.pubkey(40), None);
        assert!(keys.secret(&BLSPubkey::ZERO).is_err());
    }

    #[test]
    fn the_sum_signs_as_all_together() {
        let message = [7; 32];
        // Enough keys for sums beyond the order.
        for count in [1, 2, 3, 9, 30] {
            let scalars: Vec<_> = (0..count).map(interop_scalar).collect();
            let sum = scalars.iter().fold([0; 4], |sum, scalar| add(&sum, scalar));
            let each: Vec<_> = scalars
                .iter()
                .map(|scalar| secret_key(scalar).sign(message))
                .collect();
            let aggregate = consensus::bls::aggregate(&each).unwrap();
            assert_eq!(secret_key(&sum).sign(message), aggregate, "{count} keys");
        }
    }
}
