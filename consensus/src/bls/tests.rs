//! The rules of the scheme, with keys and signatures made here.

use alloy_primitives::FixedBytes;
use blst::min_pk::PublicKey;

use super::*;
use crate::Pool;

fn infinite_key() -> BLSPubkey {
    let mut key = BLSPubkey::ZERO;
    key[0] = 0xc0;
    key
}

fn infinite_signature() -> BLSSignature {
    let mut signature = BLSSignature::ZERO;
    signature[0] = 0xc0;
    signature
}

fn key(index: u64) -> PubkeyId {
    PubkeyId::intern(&SecretKey::interop(index).public_key())
}

fn message(number: u8) -> Root {
    Root::with_last_byte(number)
}

/// The signature of all these interop keys.
fn signed(keys: &[u64], message: Root) -> BLSSignature {
    let signatures = keys
        .iter()
        .map(|index| SecretKey::interop(*index).sign(message));
    aggregate(&signatures.collect::<Vec<_>>()).unwrap()
}

fn one(index: u64, number: u8) -> SignatureSet {
    SignatureSet {
        signature: signed(&[index], message(number)),
        message: message(number),
        pubkeys: SetKeys::One(key(index)),
    }
}

fn many(indices: &[u64], number: u8) -> SignatureSet {
    SignatureSet {
        signature: signed(indices, message(number)),
        message: message(number),
        pubkeys: SetKeys::Many(indices.iter().map(|index| key(*index)).collect()),
    }
}

/// Sets of one key, several keys and raw keys; three or four to a message.
fn mixed() -> Vec<SignatureSet> {
    let mut sets = (0..13)
        .map(|i| match i % 3 {
            0 => one(i, i as u8 % 4),
            1 => many(&[i, i + 1, i + 7], i as u8 % 4),
            _ => SignatureSet {
                pubkeys: SetKeys::Bytes(SecretKey::interop(i).public_key()),
                ..one(i, i as u8 % 4)
            },
        })
        .collect::<Vec<_>>();
    sets.push(one(90, 200));
    sets
}

fn verifiers() -> [Bls; 3] {
    [1, 2, 5].map(|threads| Bls::new(Pool::new(threads), [42; 32]))
}

fn assert_answer(sets: &[SignatureSet], answer: Result<(), usize>) {
    for bls in verifiers() {
        assert_eq!(bls.verify_sets(sets), answer);
    }
}

fn negated<const N: usize>(point: FixedBytes<N>) -> FixedBytes<N> {
    let mut point = point;
    point[0] ^= 0x20;
    point
}

/// The point with the smallest x that is on the curve but not in the subgroup.
fn outside<const N: usize>(check: impl Fn(&[u8]) -> Result<(), BlsError>) -> FixedBytes<N> {
    for x in 1..=255 {
        let mut bytes = FixedBytes::<N>::with_last_byte(x);
        bytes[0] = 0x80;
        if check(bytes.as_slice()) == Err(BlsError::NotInSubgroup) {
            return bytes;
        }
    }
    panic!("nearly every second x is one");
}

#[test]
fn interop_keys_are_the_known_ones() {
    for (index, expected) in [
        (
            0,
            "0xa99a76ed7796f7be22d5b7e85deeb7c5677e88e511e0b337618f8c4eb61349b4bf2d153f649f7b53359fe8b94a38e44c",
        ),
        (
            1,
            "0xb89bebc699769726a318c8e9971bd3171297c61aea4a6578a7a4f94b547dcba5bac16a89108b6b6a1fe3695d1a874a0b",
        ),
    ] {
        let key = SecretKey::interop(index).public_key();
        assert_eq!(key.to_string(), expected);
    }
}

#[test]
fn secret_keys_are_numbers_from_one_to_below_the_order() {
    let mut order = const_hex::decode_to_array(
        "73eda753299d7d483339d80809a1d80553bda402fffe5bfeffffffff00000001",
    )
    .unwrap();
    let refused = |bytes: &[u8; 32]| SecretKey::from_bytes(bytes).err();
    assert_eq!(refused(&order), Some(BlsError::BadSecretKey));
    assert_eq!(refused(&[0; 32]), Some(BlsError::BadSecretKey));
    assert_eq!(refused(&[0xff; 32]), Some(BlsError::BadSecretKey));
    order[31] = 0;
    let largest = SecretKey::from_bytes(&order).unwrap();
    let mut one = [0; 32];
    one[31] = 1;
    let one = SecretKey::from_bytes(&one).unwrap();
    assert_eq!(largest.public_key(), negated(one.public_key()));
}

#[test]
fn a_signature_holds_for_its_key_and_message_only() {
    let secret = SecretKey::interop(3);
    let (pubkey, text) = (secret.public_key(), b"any length".as_slice());
    let signature = sign(&secret, text);
    assert!(verify(&pubkey, text, &signature));
    assert!(!verify(&pubkey, b"another", &signature));
    assert!(!verify(
        &SecretKey::interop(4).public_key(),
        text,
        &signature
    ));
    assert!(!verify(&pubkey, text, &negated(signature)));
    assert!(!verify(&pubkey, text, &BLSSignature::ZERO));
    assert!(!verify(&BLSPubkey::ZERO, text, &signature));
}

#[test]
fn aggregates_hold_for_all_keys_and_no_fewer() {
    let keys = [1, 2, 3].map(|index| SecretKey::interop(index).public_key());
    let signature = signed(&[1, 2, 3], message(7));
    assert!(fast_aggregate_verify(
        &keys,
        message(7).as_slice(),
        &signature
    ));
    assert!(!fast_aggregate_verify(
        &keys[..2],
        message(7).as_slice(),
        &signature
    ));
    assert!(!fast_aggregate_verify(
        &[],
        message(7).as_slice(),
        &infinite_signature()
    ));

    let texts = [b"a".as_slice(), b"b", b"a"];
    let parts = [0, 1, 2].map(|i| SecretKey::interop(i as u64 + 1).sign(texts[i]));
    let signature = aggregate(&parts).unwrap();
    assert!(aggregate_verify(&keys, &texts, &signature));
    assert!(!aggregate_verify(&keys, &texts[..2], &signature));
    assert!(!aggregate_verify(&keys, &[b"a", b"b", b"b"], &signature));
    assert!(!aggregate_verify(&[], &[], &infinite_signature()));
}

#[test]
fn aggregation_refuses_nothing_and_garbage() {
    let good = signed(&[1], message(1));
    let outside = outside::<96>(decode_g2);
    assert_eq!(aggregate(&[]), Err(BlsError::EmptyAggregate));
    assert_eq!(aggregate(&[good]), Ok(good));
    assert_eq!(aggregate(&[good, infinite_signature()]), Ok(good));
    assert_eq!(aggregate(&[good, negated(good)]), Ok(infinite_signature()));
    assert_eq!(aggregate(&[good, outside]), Err(BlsError::NotInSubgroup));
    assert_eq!(
        aggregate(&[BLSSignature::ZERO, good]),
        Err(BlsError::BadEncoding)
    );
}

#[test]
fn encodings_are_canonical_and_on_the_curve() {
    let good = SecretKey::interop(0).public_key();
    assert_eq!(key_validate(&good), Ok(()));
    assert_eq!(decode_g1(&good[..47]), Err(BlsError::BadEncoding));
    assert_eq!(
        decode_g1(&[good.as_slice(), &[0]].concat()),
        Err(BlsError::BadEncoding)
    );
    let uncompressed = PublicKey::uncompress(good.as_slice()).unwrap().serialize();
    assert_eq!(decode_g1(&uncompressed), Err(BlsError::BadEncoding));
    let mut wrong = good;
    wrong[0] ^= 0x80;
    assert_eq!(key_validate(&wrong), Err(BlsError::BadEncoding));
    assert_eq!(
        key_validate(&BLSPubkey::repeat_byte(0x9f)),
        Err(BlsError::BadEncoding)
    );
    assert_eq!(key_validate(&infinite_key()), Err(BlsError::InfinitePubkey));
    assert_eq!(decode_g1(infinite_key().as_slice()), Ok(()));
    assert_eq!(decode_g2(infinite_signature().as_slice()), Ok(()));
    let mut wrong = infinite_key();
    wrong[47] = 1;
    assert_eq!(key_validate(&wrong), Err(BlsError::BadEncoding));
    let off_curve = (1..=255).map(BLSPubkey::with_last_byte).any(|mut key| {
        key[0] = 0x80;
        key_validate(&key) == Err(BlsError::NotOnCurve)
    });
    assert!(off_curve);
}

#[test]
fn points_outside_the_subgroup_are_refused() {
    let key = outside::<48>(decode_g1);
    let signature = outside::<96>(decode_g2);
    assert_eq!(key_validate(&key), Err(BlsError::NotInSubgroup));
    let good = one(0, 0);
    assert!(!verify(&key, good.message.as_slice(), &good.signature));
    let mut sets = mixed();
    sets[5].signature = signature;
    assert_answer(&sets, Err(5));
    assert_answer(&sets[5..6], Err(0));
    let mut sets = mixed();
    sets[6].pubkeys = SetKeys::Bytes(key);
    assert_answer(&sets, Err(6));
}

#[test]
fn infinity_is_no_key_and_signs_nothing() {
    let (key, signature) = (infinite_key(), infinite_signature());
    assert!(!verify(&key, &[], &signature));
    assert!(!fast_aggregate_verify(&[key], &[], &signature));
    assert!(!verify(
        &SecretKey::interop(0).public_key(),
        &[],
        &signature
    ));
    let id = PubkeyId::intern(&key);
    assert_eq!(id.public_key(), Err(BlsError::InfinitePubkey));
    for pubkeys in [
        SetKeys::One(id),
        SetKeys::Bytes(key),
        SetKeys::Many(vec![id]),
    ] {
        let mut sets = vec![one(0, 0), one(1, 0), one(2, 1)];
        sets[1].pubkeys = pubkeys;
        assert_answer(&sets, Err(1));
        sets[1].signature = signature;
        assert_answer(&sets, Err(1));
        assert_answer(&sets[1..2], Err(0));
    }
    let mut sets = vec![one(0, 0), one(1, 0)];
    sets[1].signature = signature;
    assert_answer(&sets, Err(1));
}

#[test]
fn keys_that_add_up_to_infinity_sign_nothing_together() {
    let key = SecretKey::interop(0).public_key();
    let both = [key, negated(key)];
    assert!(!fast_aggregate_verify(&both, &[1], &infinite_signature()));
    let ids = both.map(|key| PubkeyId::intern(&key)).to_vec();
    for signature in [infinite_signature(), one(1, 1).signature] {
        let set = SignatureSet {
            signature,
            message: message(1),
            pubkeys: SetKeys::Many(ids.clone()),
        };
        assert_answer(&[one(2, 1), set.clone()], Err(1));
        assert_answer(&[set], Err(0));
    }
}

#[test]
fn correct_sets_hold_with_equal_messages_merged() {
    assert_answer(&[], Ok(()));
    let sets = mixed();
    for count in 1..=sets.len() {
        assert_answer(&sets[..count], Ok(()));
    }
    let all_equal = (0..40).map(|index| one(index, 9)).collect::<Vec<_>>();
    assert_answer(&all_equal, Ok(()));
    let all_different = (0..20).map(|index| one(1, index)).collect::<Vec<_>>();
    assert_answer(&all_different, Ok(()));
    assert_answer(&vec![many(&[4, 4, 5], 3); 3], Ok(()));
}

#[test]
fn the_culprit_is_found_at_every_position() {
    let sets = mixed();
    for guilty in 0..sets.len() {
        let mut wrong = sets.clone();
        wrong[guilty].signature = sets[(guilty + 1) % sets.len()].signature;
        assert_answer(&wrong, Err(guilty));
        let last = sets.len() - 1;
        wrong[last].message = message(77);
        assert_answer(&wrong, Err(guilty));
    }
}

#[test]
fn no_keys_never_hold() {
    for signature in [infinite_signature(), signed(&[1], message(1))] {
        let set = SignatureSet {
            signature,
            message: message(1),
            pubkeys: SetKeys::Many(vec![]),
        };
        assert_answer(std::slice::from_ref(&set), Err(0));
        assert_answer(&[one(1, 1), set], Err(1));
    }
}

#[test]
fn malformed_sets_are_named_before_wrong_ones() {
    let mut sets = mixed();
    sets[2].signature = sets[3].signature;
    sets[8].signature = BLSSignature::ZERO;
    sets[11].pubkeys = SetKeys::Many(vec![key(1), PubkeyId::intern(&BLSPubkey::ZERO)]);
    assert_answer(&sets, Err(8));
    assert_answer(&sets[..8], Err(2));
    assert_answer(&sets[9..], Err(2));
}

#[test]
fn errors_that_cancel_out_are_found() {
    let delta = signed(&[50], message(50));
    for (first, second) in [(1, 1), (1, 2)] {
        let mut sets = vec![one(0, 0), one(1, first), one(2, second), one(3, 3)];
        let honest = [sets[1].signature, sets[2].signature];
        sets[1].signature = aggregate(&[honest[0], delta]).unwrap();
        sets[2].signature = aggregate(&[honest[1], negated(delta)]).unwrap();
        let forged = [sets[1].signature, sets[2].signature];
        assert_eq!(aggregate(&forged), aggregate(&honest));
        assert_answer(&sets, Err(1));
        sets.remove(1);
        assert_answer(&sets, Err(1));
    }
}

#[test]
fn swapped_signatures_of_one_message_are_found() {
    let mut sets = vec![one(1, 5), one(2, 5), one(3, 5)];
    (sets[1].signature, sets[2].signature) = (sets[2].signature, sets[1].signature);
    assert_answer(&sets, Err(1));
}

#[test]
fn hashing_to_the_curve_agrees_with_rfc_9380() {
    let tag = b"QUUX-V01-CS02-with-BLS12381G2_XMD:SHA-256_SSWU_RO_";
    let point = hash_to_g2(b"", tag);
    let real = "0141ebfbdca40eb85b87142e130ab689c673cf60f1a3e98d69335266f30d9b8d4ac44c1038e9dcdd5393faf5c41fb78a";
    assert_eq!(const_hex::encode(&point[48..96]), real);
}

#[test]
fn ids_stand_for_bytes() {
    let (a, b) = (BLSPubkey::repeat_byte(0x31), BLSPubkey::repeat_byte(0x32));
    let (id_a, id_b) = (PubkeyId::intern(&a), PubkeyId::intern(&b));
    assert_ne!(id_a, id_b);
    assert_eq!(PubkeyId::intern(&a), id_a);
    assert_eq!(PubkeyId::get(&b), Some(id_b));
    assert_eq!((id_a.bytes(), id_b.bytes()), (&a, &b));
    assert_eq!(PubkeyId::get(&BLSPubkey::repeat_byte(0x33)), None);
    assert_eq!(id_a.public_key(), Err(BlsError::BadEncoding));
    assert_eq!(id_a.public_key(), Err(BlsError::BadEncoding));
}

#[test]
fn many_keys_keep_their_ids_in_any_order() {
    let numbered = |number: u64| {
        let mut key = [0xe1; 48];
        key[8..16].copy_from_slice(&number.to_le_bytes());
        key
    };
    let keys = (0..10_000).map(numbered).collect::<Vec<_>>();
    let ids = PubkeyId::intern_all(keys.iter());
    assert!(ids.iter().zip(&keys).all(|(id, key)| id.bytes() == key));
    assert_eq!(PubkeyId::intern_all(keys.iter()), ids);
    let backwards = PubkeyId::intern_all(keys.iter().rev());
    assert!(backwards.iter().rev().eq(&ids));
    // Known, new, known again, twice the same, and the end of what is known.
    let new = numbered(10_000);
    let mut mixture = keys[..300].to_vec();
    mixture.extend([new, keys[500], keys[500], new]);
    mixture.extend_from_slice(&keys[9_000..]);
    let answer = PubkeyId::intern_all(mixture.iter());
    assert!(
        answer
            .iter()
            .zip(&mixture)
            .all(|(id, key)| id.bytes() == key)
    );
    assert_eq!(answer[..300], ids[..300]);
    assert_eq!(answer[301..303], [ids[500], ids[500]]);
    assert_eq!(answer[304..], ids[9_000..]);
}

#[test]
fn threads_agree_on_ids() {
    let keys = (0..5_000_u64)
        .map(|number| {
            let mut key = [0xe2; 48];
            key[40..].copy_from_slice(&number.to_le_bytes());
            BLSPubkey::from(key)
        })
        .collect::<Vec<_>>();
    let answers = Pool::new(4).map(&[0, 1_700, 3_300, 4_999], |start| {
        let mut ids = vec![None; keys.len()];
        for i in 0..keys.len() {
            let at = (start + i) % keys.len();
            let id = PubkeyId::intern(&keys[at]);
            assert_eq!(id.bytes(), &keys[at]);
            ids[at] = Some(id);
        }
        ids
    });
    assert!(answers.iter().all(|answer| *answer == answers[0]));
    let mut distinct = answers[0].clone();
    distinct.sort();
    distinct.dedup();
    assert_eq!(distinct.len(), keys.len());
}

#[test]
fn warm_keys_are_the_same_points() {
    let ids = (100..230)
        .map(key)
        .chain([PubkeyId::intern(&BLSPubkey::ZERO)]);
    let ids = ids.collect::<Vec<_>>();
    warm_keys(&ids, &Pool::new(3));
    for id in &ids[..130] {
        assert_eq!(id.public_key().unwrap().compress(), id.bytes().0);
    }
    assert_eq!(ids[130].public_key(), Err(BlsError::BadEncoding));
}
