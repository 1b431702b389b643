//! Text forms of the values of a [`super::Spec`].

use alloy_primitives::{Address, FixedBytes};

/// A value that a configuration file can hold.
pub(super) trait SpecValue: Sized {
    /// As the specification's YAML writes it.
    fn to_text(&self) -> String;
    /// From a YAML scalar; the error says what was expected.
    fn from_text(text: &str) -> Result<Self, String>;
}

impl SpecValue for u64 {
    fn to_text(&self) -> String {
        self.to_string()
    }

    fn from_text(text: &str) -> Result<Self, String> {
        text.parse()
            .map_err(|_| format!("expected a whole number below 2^64, found '{text}'"))
    }
}

impl<const N: usize> SpecValue for FixedBytes<N> {
    fn to_text(&self) -> String {
        format!("{self:?}")
    }

    fn from_text(text: &str) -> Result<Self, String> {
        text.parse()
            .map_err(|_| format!("expected {N} bytes of hex, found '{text}'"))
    }
}

impl SpecValue for Address {
    fn to_text(&self) -> String {
        format!("{self:?}")
    }

    fn from_text(text: &str) -> Result<Self, String> {
        text.parse()
            .map_err(|_| format!("expected 20 bytes of hex, found '{text}'"))
    }
}
