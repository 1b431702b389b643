//! Secret keys.

use blst::min_pk;

use super::BlsError;
use super::points::DST;
use crate::{BLSPubkey, BLSSignature};

/// The order of the group, big-endian.
const CURVE_ORDER: [u8; 32] = [
    0x73, 0xed, 0xa7, 0x53, 0x29, 0x9d, 0x7d, 0x48, 0x33, 0x39, 0xd8, 0x08, 0x09, 0xa1, 0xd8, 0x05,
    0x53, 0xbd, 0xa4, 0x02, 0xff, 0xfe, 0x5b, 0xfe, 0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x01,
];

/// A secret key. Its memory is overwritten when it is dropped, and it cannot be printed.
pub struct SecretKey(min_pk::SecretKey);

impl SecretKey {
    /// From 32 big-endian bytes.
    ///
    /// # Errors
    /// [`BlsError::BadSecretKey`] for zero and for numbers not below the group order.
    pub fn from_bytes(bytes: &[u8; 32]) -> Result<SecretKey, BlsError> {
        min_pk::SecretKey::from_bytes(bytes)
            .map(SecretKey)
            .map_err(|_| BlsError::BadSecretKey)
    }

    /// The well-known key of a validator of a test network: the little-endian SHA-256 of the
    /// 32-byte little-endian index, modulo the group order.
    pub fn interop(index: u64) -> SecretKey {
        let mut preimage = [0; 32];
        preimage[..8].copy_from_slice(&index.to_le_bytes());
        let mut number = kernels::sha256(&preimage);
        number.reverse();
        while number >= CURVE_ORDER {
            subtract(&mut number, &CURVE_ORDER);
        }
        SecretKey::from_bytes(&number).expect("no SHA-256 digest known is a multiple of the order")
    }

    /// The public key.
    pub fn public_key(&self) -> BLSPubkey {
        self.0.sk_to_pk().compress().into()
    }

    /// Signs a message, usually a signing root.
    pub fn sign(&self, message: impl AsRef<[u8]>) -> BLSSignature {
        self.0.sign(message.as_ref(), DST, &[]).compress().into()
    }
}

/// Big-endian `number -= other`, which is not larger.
fn subtract(number: &mut [u8; 32], other: &[u8; 32]) {
    let mut borrow = false;
    for (digit, other) in number.iter_mut().zip(other).rev() {
        let (difference, first) = digit.overflowing_sub(*other);
        let (difference, second) = difference.overflowing_sub(borrow.into());
        *digit = difference;
        borrow = first || second;
    }
}
