//! Verification of many signatures at once.
//!
//! With random coefficients r, all sets hold if the product of e(r * key, H(message)) and
//! e(-G1, sum of r * signature) is one. Pairings of equal messages are merged beforehand: their
//! keys, multiplied, are added up. What remains is one hash to the curve and one Miller loop for
//! each distinct message, and one final exponentiation for everything.

use blst::min_pk::{AggregatePublicKey, AggregateSignature, Signature};
use blst::{MultiPoint, blst_p1, blst_p1_affine, blst_p2, blst_p2_affine, p1_affines};

use super::points::{Product, decode_signature, is_infinity_g1, is_infinity_g2};
use super::scheme::validated;
use super::{BlsError, SetKeys, SignatureSet, Verifier};
use crate::{Pool, Root};

/// Bits of a coefficient: a wrong batch passes with a probability of 2^-64.
const COEFFICIENT_BITS: usize = 64;

/// The verifier of BLS signatures.
pub struct Bls {
    pool: Pool,
    seed: [u8; 32],
}

/// A set whose bytes were all in order: only the pairing is left to check.
struct Prepared {
    message: Root,
    key: blst_p1_affine,
    signature: blst_p2_affine,
    coefficient: u64,
}

/// What one thread contributes to the check of a batch.
struct Share {
    product: Product,
    signature: blst_p2,
}

impl Bls {
    /// A verifier that works through the pool. The seed must be random and kept secret: who knows
    /// it can make up wrong signatures that pass together.
    pub fn new(pool: Pool, seed: [u8; 32]) -> Bls {
        Bls { pool, seed }
    }

    /// Decodes and adds up everything. The lowest set where that fails is the error.
    fn prepare(&self, sets: &[SignatureSet]) -> Result<Vec<Prepared>, usize> {
        let coefficients = coefficients(&self.seed, sets);
        let indexed = sets.iter().enumerate().zip(coefficients);
        let indexed = indexed.collect::<Vec<_>>();
        // Several runs for each thread, so that none waits long for the last one.
        let runs = match self.pool.threads() {
            1 => 1,
            threads => threads * 4,
        };
        let runs = self
            .pool
            .map_chunks(&indexed, sets.len().div_ceil(runs).max(1), prepare_run);
        let mut prepared = Vec::with_capacity(sets.len());
        for run in runs {
            prepared.extend(run?);
        }
        Ok(prepared)
    }

    /// Whether all of these sets hold.
    fn hold(&self, sets: &[Prepared]) -> bool {
        if let [set] = sets {
            let mut product = Product::new();
            product.add_message(&set.key, set.message.as_slice());
            product.add_signature(&set.signature);
            return product.equals_one();
        }
        let mut ordered = sets.iter().collect::<Vec<_>>();
        ordered.sort_by_key(|set| set.message);
        let groups = ordered
            .chunk_by(|a, b| a.message == b.message)
            .collect::<Vec<_>>();
        let count = self.pool.threads().min(groups.len());
        let parts = (0..count).collect::<Vec<_>>();
        let shares = self.pool.map(&parts, |part| {
            let groups = &groups[groups.len() * part / count..groups.len() * (part + 1) / count];
            let sets = &sets[sets.len() * part / count..sets.len() * (part + 1) / count];
            let mut product = product_of(groups);
            if count > 1 {
                product.commit();
            }
            Share {
                product,
                signature: sum_signatures(sets),
            }
        });
        combine(shares).is_some_and(Product::equals_one)
    }

    /// The lowest set that does not hold, of sets that do not all hold. Costs less than two checks
    /// of all sets and one final exponentiation for each halving.
    fn lowest_guilty(&self, sets: &[Prepared]) -> usize {
        let (mut low, mut high) = (0, sets.len());
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            if self.hold(&sets[low..middle]) {
                low = middle;
            } else {
                high = middle;
            }
        }
        low
    }
}

impl Verifier for Bls {
    fn verify_sets(&self, sets: &[SignatureSet]) -> Result<(), usize> {
        if sets.is_empty() {
            return Ok(());
        }
        let prepared = self.prepare(sets)?;
        if self.hold(&prepared) {
            return Ok(());
        }
        Err(self.lowest_guilty(&prepared))
    }
}

/// Prepares neighbouring sets, each with its index and coefficient.
fn prepare_run(sets: &[((usize, &SignatureSet), u64)]) -> Result<Vec<Prepared>, usize> {
    let mut keys = Vec::with_capacity(sets.len());
    let mut prepared = Vec::with_capacity(sets.len());
    let mut buffer = Vec::new();
    for ((index, set), coefficient) in sets {
        let signature = usable_signature(set).ok_or(*index)?;
        keys.push(sum_keys(&set.pubkeys, &mut buffer).map_err(|_| *index)?);
        prepared.push(Prepared {
            message: set.message,
            key: blst_p1_affine::default(),
            signature: signature.into(),
            coefficient: *coefficient,
        });
    }
    let keys = p1_affines::from(&keys);
    for (((index, _), _), (set, key)) in sets.iter().zip(prepared.iter_mut().zip(keys.as_slice())) {
        // The sum is itself a key, and so must not be infinity.
        if is_infinity_g1(key) {
            return Err(*index);
        }
        set.key = *key;
    }
    Ok(prepared)
}

/// `None` if malformed, or infinity: that is the signature of no message under a valid key.
fn usable_signature(set: &SignatureSet) -> Option<Signature> {
    let signature = decode_signature(set.signature.as_slice()).ok()?;
    (!is_infinity_g2((&signature).into())).then_some(signature)
}

fn sum_keys(keys: &SetKeys, buffer: &mut Vec<blst_p1_affine>) -> Result<blst_p1, BlsError> {
    let one = match keys {
        SetKeys::One(id) => *id.public_key()?,
        SetKeys::Bytes(bytes) => validated(bytes)?,
        SetKeys::Many(ids) => {
            buffer.clear();
            for id in ids {
                buffer.push(*<&blst_p1_affine>::from(id.public_key()?));
            }
            if buffer.is_empty() {
                return Err(BlsError::InfinitePubkey);
            }
            return Ok(buffer.add());
        }
    };
    Ok(AggregatePublicKey::from_public_key(&one).into())
}

/// The product over groups of equal messages, at least one.
fn product_of(groups: &[&[&Prepared]]) -> Product {
    let mut points = Vec::new();
    let mut scalars = Vec::new();
    let mut keys = Vec::with_capacity(groups.len());
    for group in groups {
        points.clear();
        scalars.clear();
        for set in *group {
            points.push(set.key);
            scalars.extend_from_slice(&set.coefficient.to_le_bytes());
        }
        keys.push(points.mult(&scalars, COEFFICIENT_BITS));
    }
    let mut product = Product::new();
    for (group, key) in groups.iter().zip(p1_affines::from(&keys).as_slice()) {
        product.add_message(key, group[0].message.as_slice());
    }
    product
}

/// The sum of the signatures times their coefficients, of at least one set.
fn sum_signatures(sets: &[Prepared]) -> blst_p2 {
    let points = sets.iter().map(|set| set.signature).collect::<Vec<_>>();
    let scalars = sets.iter().flat_map(|set| set.coefficient.to_le_bytes());
    points.mult(&scalars.collect::<Vec<_>>(), COEFFICIENT_BITS)
}

fn combine(shares: Vec<Share>) -> Option<Product> {
    let mut shares = shares.into_iter();
    let Share {
        mut product,
        signature,
    } = shares.next()?;
    let mut sum = AggregateSignature::from(signature);
    for share in shares {
        product.merge(&share.product);
        sum.add_aggregate(&share.signature.into());
    }
    product.add_signature((&sum.to_signature()).into());
    Some(product)
}

/// Secret, unpredictable, never zero, and the same for the same sets.
fn coefficients(seed: &[u8; 32], sets: &[SignatureSet]) -> Vec<u64> {
    let mut transcript = Vec::new();
    for set in sets {
        transcript.extend_from_slice(set.signature.as_slice());
        transcript.extend_from_slice(set.message.as_slice());
        let ids = match &set.pubkeys {
            SetKeys::One(id) => std::slice::from_ref(id),
            SetKeys::Many(ids) => ids,
            SetKeys::Bytes(bytes) => {
                transcript.extend_from_slice(bytes.as_slice());
                &[]
            }
        };
        transcript.extend_from_slice(&(ids.len() as u64).to_le_bytes());
        for id in ids {
            transcript.extend_from_slice(&(id.as_index() as u32).to_le_bytes());
        }
    }
    let mut preimage = [0; 72];
    preimage[..32].copy_from_slice(seed);
    preimage[32..64].copy_from_slice(&kernels::sha256(&transcript));
    let mut coefficients = Vec::with_capacity(sets.len() + 3);
    for counter in 0_u64.. {
        if coefficients.len() >= sets.len() {
            break;
        }
        preimage[64..].copy_from_slice(&counter.to_le_bytes());
        let digest = kernels::sha256(&preimage);
        let (words, _) = digest.as_chunks();
        coefficients.extend(words.iter().map(|word| not_zero(u64::from_le_bytes(*word))));
    }
    coefficients.truncate(sets.len());
    coefficients
}

/// A coefficient of zero would let any signature pass.
fn not_zero(word: u64) -> u64 {
    if word == 0 { u64::MAX } else { word }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bls::PubkeyId;
    use crate::{BLSPubkey, BLSSignature};

    fn set(byte: u8, keys: &[u8]) -> SignatureSet {
        let ids = keys
            .iter()
            .map(|key| PubkeyId::intern(&BLSPubkey::repeat_byte(*key)));
        SignatureSet {
            signature: BLSSignature::repeat_byte(byte),
            message: Root::repeat_byte(byte),
            pubkeys: SetKeys::Many(ids.collect()),
        }
    }

    #[test]
    fn coefficients_are_never_zero() {
        assert_ne!(not_zero(0), 0);
        for count in [0, 1, 3, 4, 5, 1000] {
            let coefficients = coefficients(&[1; 32], &vec![set(1, &[2]); count]);
            assert_eq!(coefficients.len(), count);
            assert!(coefficients.iter().all(|coefficient| *coefficient != 0));
            let mut distinct = coefficients.clone();
            distinct.sort_unstable();
            distinct.dedup();
            assert_eq!(
                distinct.len(),
                count,
                "equal sets have different coefficients"
            );
        }
    }

    #[test]
    fn coefficients_depend_on_the_seed_and_on_every_part_of_the_sets() {
        let sets = [set(1, &[1, 2]), set(2, &[3])];
        let mut variants = vec![sets.to_vec(); 6];
        variants[1][0].signature[95] ^= 1;
        variants[2][1].message[0] ^= 1;
        variants[3][0] = set(1, &[1]);
        variants[4][0] = set(1, &[2, 1]);
        variants[5][1].pubkeys = SetKeys::Bytes(BLSPubkey::repeat_byte(3));
        let mut seen = variants
            .iter()
            .map(|sets| coefficients(&[1; 32], sets))
            .collect::<Vec<_>>();
        seen.push(coefficients(&[2; 32], &sets));
        assert_eq!(seen[0], coefficients(&[1; 32], &sets));
        for (i, one) in seen.iter().enumerate() {
            for other in &seen[..i] {
                assert!(one.iter().zip(other).all(|(one, other)| one != other));
            }
        }
    }
}
