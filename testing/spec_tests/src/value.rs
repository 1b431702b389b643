//! YAML and JSON data with every scalar kept as its text: the vectors hold numbers of up to 256
//! bits, and quote some of them. Two values are the same if their texts are.

use anyhow::{Context, Result, anyhow, bail, ensure};
use granit_parser::{Event, Parser, ScalarStyle};
use serde::Serialize;
use std::fmt::Display;

/// Deepest nesting of a document; the official ones stay below ten.
const MAX_DEPTH: usize = 64;

/// A document or a part of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    /// `null`, or nothing at all.
    Null,
    /// A number, truth value or string, as written.
    Scalar(String),
    /// A sequence.
    List(Vec<Value>),
    /// A mapping, in document order.
    Map(Vec<(String, Value)>),
}

impl Value {
    /// A scalar with the text of `value`.
    pub(crate) fn scalar(value: impl Display) -> Value {
        Value::Scalar(value.to_string())
    }

    /// A mapping.
    pub(crate) fn map<'k>(fields: impl IntoIterator<Item = (&'k str, Value)>) -> Value {
        let fields = fields.into_iter();
        Value::Map(fields.map(|(key, value)| (key.into(), value)).collect())
    }

    /// Parses one YAML document.
    pub(crate) fn parse(text: &str) -> Result<Value> {
        let mut builder = Builder::default();
        for next in Parser::new_from_str(text) {
            let (event, span) = next.map_err(|error| anyhow!("invalid YAML: {error}"))?;
            builder
                .event(event)
                .with_context(|| format!("invalid YAML in line {}", span.start.line()))?;
        }
        builder.finish()
    }

    /// The JSON form of a value of ours.
    pub(crate) fn of<T: Serialize + ?Sized>(value: &T) -> Result<Value> {
        Ok(Value::from(serde_json::to_value(value)?))
    }

    /// As JSON, with numbers as strings, as the Beacon API has them.
    pub(crate) fn to_json(&self) -> serde_json::Value {
        use serde_json::Value as Json;
        match self {
            Value::Null => Json::Null,
            Value::Scalar(text) => match text.as_str() {
                "true" => Json::Bool(true),
                "false" => Json::Bool(false),
                _ => Json::String(text.clone()),
            },
            Value::List(items) => Json::Array(items.iter().map(Value::to_json).collect()),
            Value::Map(fields) => Json::Object(
                fields
                    .iter()
                    .map(|(key, value)| (key.clone(), value.to_json()))
                    .collect(),
            ),
        }
    }

    /// The field `key` of a mapping, if there.
    pub(crate) fn get(&self, key: &str) -> Option<&Value> {
        match self {
            Value::Map(fields) => fields
                .iter()
                .find(|(name, _)| name == key)
                .map(|(_, value)| value),
            _ => None,
        }
    }

    /// The field `key` of a mapping.
    pub(crate) fn field(&self, key: &str) -> Result<&Value> {
        self.get(key)
            .ok_or_else(|| anyhow!("field `{key}` is missing"))
    }

    /// The text of a scalar.
    pub(crate) fn text(&self) -> Result<&str> {
        match self {
            Value::Scalar(text) => Ok(text),
            _ => bail!("expected a scalar, found {self:?}"),
        }
    }

    /// A 64-bit number.
    pub(crate) fn number(&self) -> Result<u64> {
        let text = self.text()?;
        text.parse()
            .with_context(|| format!("`{text}` is not a number"))
    }

    /// A truth value.
    pub(crate) fn truth(&self) -> Result<bool> {
        match self.text()? {
            "true" => Ok(true),
            "false" => Ok(false),
            other => bail!("`{other}` is neither true nor false"),
        }
    }

    /// The bytes of a `0x` string.
    pub(crate) fn bytes(&self) -> Result<Vec<u8>> {
        let text = self.text()?;
        let digits = text
            .strip_prefix("0x")
            .ok_or_else(|| anyhow!("`{text}` does not begin with 0x"))?;
        const_hex::decode(digits).with_context(|| format!("`{text}` is not hexadecimal"))
    }

    /// Exactly `N` bytes of a `0x` string, as any type made of them.
    pub(crate) fn fixed<const N: usize, T: From<[u8; N]>>(&self) -> Result<T> {
        let bytes = self.bytes()?;
        let array: [u8; N] = bytes
            .as_slice()
            .try_into()
            .map_err(|_| anyhow!("expected {N} bytes, found {}", bytes.len()))?;
        Ok(T::from(array))
    }

    /// The items of a sequence.
    pub(crate) fn items(&self) -> Result<&[Value]> {
        match self {
            Value::List(items) => Ok(items),
            _ => bail!("expected a sequence, found {self:?}"),
        }
    }

    /// The fields of a mapping.
    pub(crate) fn fields(&self) -> Result<&[(String, Value)]> {
        match self {
            Value::Map(fields) => Ok(fields),
            _ => bail!("expected a mapping, found {self:?}"),
        }
    }

    /// The same shape with every scalar changed: what `--sabotage` expects.
    pub(crate) fn flipped(&self) -> Value {
        match self {
            Value::Null => Value::Scalar("0x00".into()),
            Value::Scalar(text) => Value::Scalar(flip_text(text)),
            Value::List(items) => Value::List(items.iter().map(Value::flipped).collect()),
            Value::Map(fields) => Value::Map(
                fields
                    .iter()
                    .map(|(key, value)| (key.clone(), value.flipped()))
                    .collect(),
            ),
        }
    }
}

/// Another text of the same kind: the last digit is one more, a truth value is negated.
fn flip_text(text: &str) -> String {
    match text {
        "true" => return "false".into(),
        "false" => return "true".into(),
        _ => {}
    }
    let Some(last) = text.chars().last() else {
        return "~".into();
    };
    let radix = if text.starts_with("0x") { 16 } else { 10 };
    match last.to_digit(radix) {
        Some(digit) => {
            let changed = char::from_digit((digit + 1) % radix, radix).unwrap_or('~');
            let mut flipped = text[..text.len() - 1].to_owned();
            flipped.push(changed);
            flipped
        }
        None => format!("{text}~"),
    }
}

impl From<serde_json::Value> for Value {
    fn from(json: serde_json::Value) -> Value {
        use serde_json::Value as Json;
        match json {
            Json::Null => Value::Null,
            Json::Bool(truth) => Value::Scalar(truth.to_string()),
            Json::Number(number) => Value::Scalar(number.to_string()),
            Json::String(text) => Value::Scalar(text),
            Json::Array(items) => Value::List(items.into_iter().map(Value::from).collect()),
            Json::Object(fields) => Value::Map(
                fields
                    .into_iter()
                    .map(|(key, value)| (key, Value::from(value)))
                    .collect(),
            ),
        }
    }
}

/// A collection that is still open.
enum Open {
    List(Vec<Value>),
    Map(Vec<(String, Value)>, Option<String>),
}

/// Builds a [`Value`] from parser events.
#[derive(Default)]
struct Builder {
    open: Vec<Open>,
    root: Option<Value>,
}

impl Builder {
    fn event(&mut self, event: Event<'_>) -> Result<()> {
        match event {
            Event::Scalar(text, style, ..) => self.place(scalar(&text, style)),
            Event::SequenceStart(..) => self.open(Open::List(Vec::new())),
            Event::MappingStart(..) => self.open(Open::Map(Vec::new(), None)),
            Event::SequenceEnd | Event::MappingEnd => match self.open.pop() {
                Some(Open::List(items)) => self.place(Value::List(items)),
                Some(Open::Map(fields, None)) => self.place(Value::Map(fields)),
                _ => bail!("unbalanced collection"),
            },
            Event::Alias(..) => bail!("aliases are not used in test vectors"),
            _ => Ok(()),
        }
    }

    fn open(&mut self, collection: Open) -> Result<()> {
        ensure!(self.open.len() < MAX_DEPTH, "nested too deeply");
        self.open.push(collection);
        Ok(())
    }

    fn place(&mut self, value: Value) -> Result<()> {
        match self.open.last_mut() {
            Some(Open::List(items)) => items.push(value),
            Some(Open::Map(fields, key)) => match key.take() {
                Some(name) => fields.push((name, value)),
                None => *key = Some(value.text()?.to_owned()),
            },
            None => {
                ensure!(self.root.is_none(), "more than one document");
                self.root = Some(value);
            }
        }
        Ok(())
    }

    fn finish(self) -> Result<Value> {
        ensure!(self.open.is_empty(), "invalid YAML: collection not closed");
        Ok(self.root.unwrap_or(Value::Null))
    }
}

fn scalar(text: &str, style: ScalarStyle) -> Value {
    if matches!(style, ScalarStyle::Plain) && matches!(text, "" | "null" | "~") {
        return Value::Null;
    }
    Value::Scalar(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_numbers_and_quotes_keep_their_text() {
        let text =
            "a: 340282366920938463463374607431768211455\nb: ['0x01', true, null]\nc: {d: ''}\n";
        let value = Value::parse(text).expect("valid");
        assert_eq!(
            value.field("a").and_then(Value::text).expect("scalar"),
            "340282366920938463463374607431768211455"
        );
        assert_eq!(
            value.field("b").and_then(Value::items).expect("list"),
            [
                Value::Scalar("0x01".into()),
                Value::Scalar("true".into()),
                Value::Null
            ]
        );
        assert_eq!(
            value.field("c").and_then(|c| c.field("d")).expect("there"),
            &Value::Scalar(String::new())
        );
    }

    #[test]
    fn flipping_changes_every_scalar_and_no_shape() {
        let value = Value::parse("{a: 9, b: '0xff', c: [true, null, abc], d: ''}").expect("valid");
        assert_eq!(
            value.flipped(),
            Value::parse("{a: 0, b: '0xf0', c: [false, '0x00', abc~], d: '~'}").expect("valid")
        );
    }

    #[test]
    fn hostile_documents_are_errors() {
        assert!(Value::parse(&"[".repeat(100_000)).is_err());
        assert!(Value::parse("a: &x 1\nb: *x\n").is_err());
        assert!(Value::parse("[1, 2").is_err());
        assert!(Value::parse("a: 1\n---\nb: 2\n").is_err());
    }
}
