//! How blocks, states and validators are named in paths and queries.

use consensus::*;
use serde::{Serialize, Serializer};
use std::fmt;
use std::str::FromStr;
use thiserror::Error;

/// A name that is none.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("'{text}' is no {what}: expected {expected}")]
pub struct InvalidId {
    /// What it should name.
    pub what: &'static str,
    /// The possible forms.
    pub expected: &'static str,
    /// The name, cut to 120 characters.
    pub text: String,
}

impl InvalidId {
    fn new(what: &'static str, expected: &'static str, text: &str) -> Self {
        InvalidId {
            what,
            expected,
            text: text.chars().take(120).collect(),
        }
    }

    /// A name that is no validator status.
    pub(crate) fn status(text: &str) -> Self {
        InvalidId::new(
            "validator status",
            "one such as active or active_ongoing",
            text,
        )
    }
}

/// A number of decimal digits alone.
pub fn parse_number(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

/// Bytes in hex, with `0x` and of exactly that length.
pub fn parse_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digits = text.strip_prefix("0x")?;
    let mut bytes = [0; N];
    const_hex::decode_to_slice(digits, &mut bytes).ok()?;
    (digits.len() == 2 * N).then_some(bytes)
}

/// Names a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlockId {
    /// The head.
    Head,
    /// The genesis block.
    Genesis,
    /// The latest finalized block.
    Finalized,
    /// The latest justified block.
    Justified,
    /// The canonical block of a slot.
    Slot(Slot),
    /// The block with this root.
    Root(Root),
}

impl FromStr for BlockId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        const EXPECTED: &str = "head, genesis, finalized, justified, a slot, or a 32-byte block \
                                root in hex with 0x";
        named(text).ok_or_else(|| InvalidId::new("block id", EXPECTED, text))
    }
}

/// Names a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StateId {
    /// The state after the head.
    Head,
    /// The genesis state.
    Genesis,
    /// The state of the finalized checkpoint: at its epoch's first slot.
    Finalized,
    /// The state of the justified checkpoint: at its epoch's first slot.
    Justified,
    /// The canonical state of a slot.
    Slot(Slot),
    /// The state with this root.
    Root(Root),
}

impl From<BlockId> for StateId {
    fn from(id: BlockId) -> StateId {
        match id {
            BlockId::Head => StateId::Head,
            BlockId::Genesis => StateId::Genesis,
            BlockId::Finalized => StateId::Finalized,
            BlockId::Justified => StateId::Justified,
            BlockId::Slot(slot) => StateId::Slot(slot),
            BlockId::Root(root) => StateId::Root(root),
        }
    }
}

impl FromStr for StateId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        const EXPECTED: &str = "head, genesis, finalized, justified, a slot, or a 32-byte state \
                                root in hex with 0x";
        let id = named(text).ok_or_else(|| InvalidId::new("state id", EXPECTED, text))?;
        Ok(id.into())
    }
}

fn named(text: &str) -> Option<BlockId> {
    match text {
        "head" => Some(BlockId::Head),
        "genesis" => Some(BlockId::Genesis),
        "finalized" => Some(BlockId::Finalized),
        "justified" => Some(BlockId::Justified),
        _ => parse_number(text)
            .map(BlockId::Slot)
            .or_else(|| Some(BlockId::Root(Root::from(parse_hex::<32>(text)?)))),
    }
}

/// Names a validator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValidatorId {
    /// By its place in the registry.
    Index(ValidatorIndex),
    /// By its key.
    Key(BLSPubkey),
}

impl FromStr for ValidatorId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        const EXPECTED: &str = "an index, or a 48-byte public key in hex with 0x";
        parse_number(text)
            .map(ValidatorId::Index)
            .or_else(|| Some(ValidatorId::Key(BLSPubkey::from(parse_hex::<48>(text)?))))
            .ok_or_else(|| InvalidId::new("validator id", EXPECTED, text))
    }
}

impl fmt::Display for ValidatorId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ValidatorId::Index(index) => write!(f, "{index}"),
            ValidatorId::Key(key) => write!(f, "{key:?}"),
        }
    }
}

impl Serialize for ValidatorId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

macro_rules! displayed_names {
    ($($type:ident)*) => {$(
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self {
                    $type::Head => f.write_str("head"),
                    $type::Genesis => f.write_str("genesis"),
                    $type::Finalized => f.write_str("finalized"),
                    $type::Justified => f.write_str("justified"),
                    $type::Slot(slot) => write!(f, "{slot}"),
                    $type::Root(root) => write!(f, "{root:?}"),
                }
            }
        }
    )*};
}

displayed_names! { BlockId StateId }

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_and_written() {
        let root = format!("0x{}", "ab".repeat(32));
        for text in ["head", "genesis", "finalized", "justified", "0", "7", &root] {
            assert_eq!(
                text.parse::<BlockId>().map(|id| id.to_string()),
                Ok(text.into())
            );
            assert_eq!(
                text.parse::<StateId>().map(|id| id.to_string()),
                Ok(text.into())
            );
        }
        let key = format!("0x{}", "cd".repeat(48));
        let key_id = ValidatorId::Key(BLSPubkey::repeat_byte(0xcd));
        assert_eq!(key.parse(), Ok(key_id));
        assert_eq!("12".parse(), Ok(ValidatorId::Index(12)));
    }

    #[test]
    fn anything_else_is_refused() {
        let long = format!("0x{}", "ab".repeat(33));
        let short = format!("0x{}", "ab".repeat(31));
        let double = format!("0x0x{}", "ab".repeat(31));
        let overflow = "18446744073709551616";
        for text in [
            "", "Head", "+1", "-1", "1.0", " 1", "0x", overflow, &long, &short, &double,
        ] {
            assert!(text.parse::<BlockId>().is_err(), "{text}");
            assert!(text.parse::<StateId>().is_err(), "{text}");
            assert!(text.parse::<ValidatorId>().is_err(), "{text}");
        }
        let huge = "x".repeat(5000);
        let error = huge.parse::<StateId>().map_err(|error| error.to_string());
        assert!(error.is_err_and(|text| text.len() < 300));
    }
}
