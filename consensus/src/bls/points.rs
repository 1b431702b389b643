//! Points from and to bytes, and the product of pairings that every verification ends in.

use std::sync::LazyLock;

use blst::min_pk::{PublicKey, SecretKey, Signature};
use blst::{BLST_ERROR, Pairing, blst_fp, blst_fp2, blst_p1_affine, blst_p2_affine};

use super::BlsError;

/// The domain separation tag of the ciphersuite.
pub(super) const DST: &[u8] = b"BLS_SIG_BLS12381G2_XMD:SHA-256_SSWU_RO_POP_";

/// The generator of G1 with its sign bit flipped.
const NEGATED_GENERATOR: [u8; 48] = [
    0xb7, 0xf1, 0xd3, 0xa7, 0x31, 0x97, 0xd7, 0x94, 0x26, 0x95, 0x63, 0x8c, 0x4f, 0xa9, 0xac, 0x0f,
    0xc3, 0x68, 0x8c, 0x4f, 0x97, 0x74, 0xb9, 0x05, 0xa1, 0x4e, 0x3a, 0x3f, 0x17, 0x1b, 0xac, 0x58,
    0x6c, 0x55, 0xe8, 0x3f, 0xf9, 0x7a, 0x1a, 0xef, 0xfb, 0x3a, 0xf0, 0x0a, 0xdb, 0x22, 0xc6, 0xbb,
];

static NEGATED_G1: LazyLock<blst_p1_affine> = LazyLock::new(|| {
    PublicKey::uncompress(&NEGATED_GENERATOR)
        .expect("the generator is on the curve")
        .into()
});

impl From<BLST_ERROR> for BlsError {
    fn from(error: BLST_ERROR) -> BlsError {
        match error {
            BLST_ERROR::BLST_POINT_NOT_ON_CURVE => BlsError::NotOnCurve,
            BLST_ERROR::BLST_POINT_NOT_IN_GROUP => BlsError::NotInSubgroup,
            BLST_ERROR::BLST_PK_IS_INFINITY => BlsError::InfinitePubkey,
            _ => BlsError::BadEncoding,
        }
    }
}

/// Whether the point is infinity. No other point has a zero y: the group orders are odd.
pub(super) fn is_infinity_g1(point: &blst_p1_affine) -> bool {
    point.y == blst_fp::default()
}

/// Whether the point is infinity.
pub(super) fn is_infinity_g2(point: &blst_p2_affine) -> bool {
    point.y == blst_fp2::default()
}

/// A public key's point: canonical, on the curve and not infinity. No subgroup check.
pub(super) fn decode_pubkey(bytes: &[u8]) -> Result<PublicKey, BlsError> {
    let key = PublicKey::uncompress(bytes)?;
    if is_infinity_g1((&key).into()) {
        return Err(BlsError::InfinitePubkey);
    }
    Ok(key)
}

/// A signature's point: canonical, on the curve and in the subgroup; infinity is one.
pub(super) fn decode_signature(bytes: &[u8]) -> Result<Signature, BlsError> {
    let signature = Signature::uncompress(bytes)?;
    signature.validate(false)?;
    Ok(signature)
}

/// Whether the bytes are a compressed point of the G1 subgroup, infinity included.
///
/// # Errors
/// What is wrong with them.
pub fn decode_g1(bytes: &[u8]) -> Result<(), BlsError> {
    match decode_pubkey(bytes) {
        Ok(key) => Ok(key.validate()?),
        Err(BlsError::InfinitePubkey) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Whether the bytes are a compressed point of the G2 subgroup, infinity included.
///
/// # Errors
/// What is wrong with them.
pub fn decode_g2(bytes: &[u8]) -> Result<(), BlsError> {
    decode_signature(bytes).map(|_| ())
}

/// The point of G2 that the message hashes to under a domain separation tag, uncompressed. For tests;
/// verification hashes on its own, several times faster.
pub fn hash_to_g2(message: &[u8], dst: &[u8]) -> [u8; 192] {
    let mut one = [0; 32];
    one[31] = 1;
    let one = SecretKey::from_bytes(&one).expect("one is a secret key");
    one.sign(message, dst, &[]).serialize()
}

/// A product of pairings, to be compared with one.
pub(super) struct Product(Pairing<'static>);

impl Product {
    pub(super) fn new() -> Product {
        Product(Pairing::new(true, DST))
    }

    /// Multiplies by e(key, H(message)).
    pub(super) fn add_message(&mut self, key: &blst_p1_affine, message: &[u8]) {
        if is_infinity_g1(key) {
            return;
        }
        // The signature's place is left empty by passing something that is none.
        let result = self.0.aggregate(key, false, &(), false, message, &[]);
        assert_eq!(result, BLST_ERROR::BLST_SUCCESS, "checked for infinity");
    }

    /// Multiplies by e(-G1, signature).
    pub(super) fn add_signature(&mut self, signature: &blst_p2_affine) {
        if !is_infinity_g2(signature) {
            self.0.raw_aggregate(signature, &NEGATED_G1);
        }
    }

    /// Finishes the part of the work that can be done apart from other products.
    pub(super) fn commit(&mut self) {
        self.0.commit();
    }

    /// Multiplies by another product; both are committed.
    pub(super) fn merge(&mut self, other: &Product) {
        let result = self.0.merge(&other.0);
        assert_eq!(result, BLST_ERROR::BLST_SUCCESS, "both are committed");
    }

    /// Whether the product is one. A product of nothing is not.
    pub(super) fn equals_one(mut self) -> bool {
        self.0.commit();
        self.0.finalverify(None)
    }
}
