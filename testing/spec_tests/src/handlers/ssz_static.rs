//! Runner `ssz_static`: decoding, encoding, root and JSON form of every container.

use crate::case::Case;
use crate::value::Value;
use anyhow::{Context, Result, anyhow};
use consensus::state::{HistoricalBatch, StateJson};
use consensus::{HashTreeRoot, Root};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// What the checks need of a value.
struct Form {
    bytes: Vec<u8>,
    root: Root,
    json: Value,
}

fn check(case: &Case, decoded: Form, from_json: Vec<u8>, value: &Value) -> Result<()> {
    let serialized = case.expected_ssz("serialized")?;
    case.check_bytes("decoded and encoded again", &decoded.bytes, &serialized);
    case.check_bytes("value.yaml encoded", &from_json, &serialized);
    let root = case.expected_yaml("roots.yaml")?;
    let ours = Value::Map(vec![("root".into(), Value::scalar(decoded.root))]);
    case.check_value("roots", &ours, &root);
    case.check_value("value", &decoded.json, &case.expected(value));
    Ok(())
}

/// A container with one shape in all presets.
pub(crate) fn container<T>(case: &Case) -> Result<()>
where
    T: ssz::Decode + ssz::Encode + HashTreeRoot + Serialize + DeserializeOwned,
{
    let decoded: T = case.decode("serialized")?;
    let form = Form {
        bytes: decoded.as_ssz_bytes(),
        root: decoded.hash_tree_root(),
        json: Value::of(&decoded)?,
    };
    let value = case.yaml("value.yaml")?;
    let parsed: T = serde_json::from_value(value.to_json()).context("value.yaml")?;
    check(case, form, parsed.as_ssz_bytes(), &value)
}

pub(crate) fn beacon_state(case: &Case) -> Result<()> {
    let decoded = case.state("serialized")?;
    let form = Form {
        bytes: decoded.as_ssz_bytes(),
        root: decoded.hash_tree_root(),
        json: Value::of(&decoded.to_json())?,
    };
    let value = case.yaml("value.yaml")?;
    let parsed: StateJson = serde_json::from_value(value.to_json()).context("value.yaml")?;
    let parsed = parsed
        .into_state(case.spec()?)
        .map_err(|error| anyhow!("value.yaml: {error}"))?;
    check(case, form, parsed.as_ssz_bytes(), &value)
}

pub(crate) fn historical_batch(case: &Case) -> Result<()> {
    let decoded = HistoricalBatch::from_ssz_bytes(&case.ssz("serialized")?, case.spec()?)
        .map_err(|error| anyhow!("serialized does not decode: {error}"))?;
    let form = Form {
        bytes: decoded.as_ssz_bytes(),
        root: decoded.hash_tree_root(),
        json: Value::of(&decoded)?,
    };
    let value = case.yaml("value.yaml")?;
    let parsed: HistoricalBatch = serde_json::from_value(value.to_json()).context("value.yaml")?;
    check(case, form, parsed.as_ssz_bytes(), &value)
}
