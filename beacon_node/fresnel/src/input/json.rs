//! JSON input: a value, a list of values, or either of them in the envelope of the Beacon API.

use anyhow::Context;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::path::Path;

/// The values in a JSON text: of one value, of a list, or of a `data` member with one of these.
pub(crate) fn parse_list<T: DeserializeOwned>(path: &Path, text: &[u8]) -> anyhow::Result<Vec<T>> {
    match content(path, text)? {
        Value::Array(values) => values.into_iter().map(|value| typed(path, value)).collect(),
        value => Ok(vec![typed(path, value)?]),
    }
}

/// The one value in a JSON text, which may be in a `data` member.
pub(crate) fn parse<T: DeserializeOwned>(path: &Path, text: &[u8]) -> anyhow::Result<T> {
    typed(path, content(path, text)?)
}

fn content(path: &Path, text: &[u8]) -> anyhow::Result<Value> {
    let value: Value = serde_json::from_slice(text)
        .with_context(|| format!("{}: this is not valid JSON", path.display()))?;
    Ok(match value {
        Value::Object(mut members)
            if members.contains_key("data") && !members.contains_key("message") =>
        {
            members.remove("data").unwrap_or(Value::Null)
        }
        value => value,
    })
}

fn typed<T: DeserializeOwned>(path: &Path, value: Value) -> anyhow::Result<T> {
    serde_json::from_value(value)
        .with_context(|| format!("{}: the JSON does not have the right form", path.display()))
}
