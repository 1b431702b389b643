//! Runners `bls` and `bls12-381-tests`: the signature scheme on bytes. What block processing
//! verifies with, [`consensus::Verifier`], must agree wherever it can express the case.

use crate::case::Case;
use crate::value::Value;
use anyhow::{Result, anyhow, bail};
use consensus::bls::{
    aggregate as aggregate_signatures, aggregate_verify as aggregate_verify_bytes, decode_g1,
    decode_g2, fast_aggregate_verify as fast_aggregate_verify_bytes, sign as sign_message,
    verify as verify_bytes,
};
use consensus::{
    BLSPubkey, BLSSignature, PubkeyId, Root, SecretKey, SetKeys, SignatureSet, Verifier,
};

/// `input` and what the function must answer, from the case's only file.
fn data(case: &Case) -> Result<(Value, Value)> {
    let file = case.files().iter().next().cloned();
    let data = case.yaml(&file.ok_or_else(|| anyhow!("the case has no file"))?)?;
    let output = case.expected(data.field("output")?);
    Ok((data.field("input")?.clone(), output))
}

fn check_truth(case: &Case, what: &str, actual: bool, output: &Value) -> Result<()> {
    let expected = output.truth()?;
    case.check(actual == expected, || {
        format!("{what} says {actual}, expected {expected}")
    });
    Ok(())
}

/// A signature, or `null` where there can be none.
fn check_signature(case: &Case, actual: Option<BLSSignature>, output: &Value) {
    let actual = match actual {
        Some(signature) => Value::Scalar(format!("0x{}", const_hex::encode(signature))),
        None => Value::Null,
    };
    case.check_value("the signature", &actual, output);
}

fn list<const N: usize, T: From<[u8; N]>>(value: &Value) -> Result<Vec<T>> {
    value.items()?.iter().map(Value::fixed).collect()
}

fn holds(case: &Case, sets: &[SignatureSet]) -> bool {
    case.setup.bls.verify_sets(sets).is_ok()
}

pub(crate) fn sign(case: &Case) -> Result<()> {
    let (input, output) = data(case)?;
    let key = SecretKey::from_bytes(&input.field("privkey")?.fixed()?);
    let message = input.field("message")?.bytes()?;
    check_signature(
        case,
        key.ok().map(|key| sign_message(&key, &message)),
        &output,
    );
    Ok(())
}

pub(crate) fn verify(case: &Case) -> Result<()> {
    let (input, output) = data(case)?;
    let pubkey: BLSPubkey = input.field("pubkey")?.fixed()?;
    let message: Root = input.field("message")?.fixed()?;
    let signature: BLSSignature = input.field("signature")?.fixed()?;
    let answer = verify_bytes(&pubkey, message.as_slice(), &signature);
    check_truth(case, "verify", answer, &output)?;
    for pubkeys in [
        SetKeys::Bytes(pubkey),
        SetKeys::One(PubkeyId::intern(&pubkey)),
    ] {
        let set = SignatureSet {
            signature,
            message,
            pubkeys,
        };
        check_truth(case, "verify_sets", holds(case, &[set]), &output)?;
    }
    Ok(())
}

pub(crate) fn aggregate(case: &Case) -> Result<()> {
    let (input, output) = data(case)?;
    let sum = aggregate_signatures(&list(&input)?);
    check_signature(case, sum.ok(), &output);
    Ok(())
}

pub(crate) fn aggregate_verify(case: &Case) -> Result<()> {
    let (input, output) = data(case)?;
    let pubkeys: Vec<BLSPubkey> = list(input.field("pubkeys")?)?;
    let messages: Vec<Root> = list(input.field("messages")?)?;
    let messages: Vec<&[u8]> = messages
        .iter()
        .map(alloy_primitives::FixedBytes::as_slice)
        .collect();
    // One case has a signature of eight bytes, which the type of a signature rules out.
    let signature = input.field("signature")?.bytes()?;
    let signature = BLSSignature::try_from(signature.as_slice());
    let answer =
        signature.is_ok_and(|signature| aggregate_verify_bytes(&pubkeys, &messages, &signature));
    check_truth(case, "aggregate_verify", answer, &output)
}

pub(crate) fn fast_aggregate_verify(case: &Case) -> Result<()> {
    let (input, output) = data(case)?;
    let pubkeys: Vec<BLSPubkey> = list(input.field("pubkeys")?)?;
    let message: Root = input.field("message")?.fixed()?;
    let signature: BLSSignature = input.field("signature")?.fixed()?;
    let answer = fast_aggregate_verify_bytes(&pubkeys, message.as_slice(), &signature);
    check_truth(case, "fast_aggregate_verify", answer, &output)?;
    let set = SignatureSet {
        signature,
        message,
        pubkeys: SetKeys::Many(pubkeys.iter().map(PubkeyId::intern).collect()),
    };
    check_truth(case, "verify_sets", holds(case, &[set]), &output)
}

pub(crate) fn batch_verify(case: &Case) -> Result<()> {
    let (input, output) = data(case)?;
    let pubkeys: Vec<BLSPubkey> = list(input.field("pubkeys")?)?;
    let messages: Vec<Root> = list(input.field("messages")?)?;
    let signatures: Vec<BLSSignature> = list(input.field("signatures")?)?;
    if pubkeys.len() != messages.len() || messages.len() != signatures.len() {
        bail!("the lists differ in length");
    }
    for keys in [SetKeys::Bytes, |key| SetKeys::One(PubkeyId::intern(&key))] {
        let sets: Vec<_> = pubkeys
            .iter()
            .zip(&messages)
            .zip(&signatures)
            .map(|((pubkey, message), signature)| SignatureSet {
                signature: *signature,
                message: *message,
                pubkeys: keys(*pubkey),
            })
            .collect();
        check_truth(case, "verify_sets", holds(case, &sets), &output)?;
    }
    Ok(())
}

pub(crate) fn deserialization_g1(case: &Case) -> Result<()> {
    let (input, output) = data(case)?;
    let answer = decode_g1(&odd_bytes(input.field("pubkey")?)?).is_ok();
    check_truth(case, "decode_g1", answer, &output)
}

pub(crate) fn deserialization_g2(case: &Case) -> Result<()> {
    let (input, output) = data(case)?;
    let answer = decode_g2(&odd_bytes(input.field("signature")?)?).is_ok();
    check_truth(case, "decode_g2", answer, &output)
}

/// Two cases are called "too few bytes" and have half a byte: that is no byte.
fn odd_bytes(value: &Value) -> Result<Vec<u8>> {
    let text = value.text()?;
    if text.len() % 2 == 0 {
        return value.bytes();
    }
    Value::Scalar(text[..text.len() - 1].to_owned()).bytes()
}

/// The domain separation tag that the vectors of RFC 9380 hash with, not the one of signatures.
const RFC_9380_TAG: &[u8] = b"QUUX-V01-CS02-with-BLS12381G2_XMD:SHA-256_SSWU_RO_";

pub(crate) fn hash_to_g2(case: &Case) -> Result<()> {
    let (input, output) = data(case)?;
    let message = match input.field("msg")? {
        Value::Null => "",
        text => text.text()?,
    };
    let point = consensus::bls::hash_to_g2(message.as_bytes(), RFC_9380_TAG);
    for (name, part) in ["x", "y"].into_iter().zip(point.chunks_exact(96)) {
        // The imaginary part comes first on the wire and last in the file.
        let actual = format!(
            "0x{},0x{}",
            const_hex::encode(&part[48..]),
            const_hex::encode(&part[..48])
        );
        case.check_value(name, &Value::Scalar(actual), output.field(name)?);
    }
    Ok(())
}
