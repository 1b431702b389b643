//! What surrounds the data of an answer.

use serde::{Deserialize, Serialize};

/// The fork that a body belongs to; also the value of the header `Eth-Consensus-Version`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ConsensusVersion {
    /// The fork of genesis.
    Phase0,
}

impl ConsensusVersion {
    /// Its name.
    pub fn as_str(self) -> &'static str {
        "phase0"
    }
}

/// An answer. Of the fields beside `data`, each endpoint has its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Envelope<T> {
    /// The fork of `data`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<ConsensusVersion>,
    /// Whether `data` rests on an execution payload that is not verified; phase 0 has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub execution_optimistic: Option<bool>,
    /// Whether `data` can never change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finalized: Option<bool>,
    /// What was asked for.
    pub data: T,
}

impl<T> Envelope<T> {
    /// Nothing beside `data`.
    pub fn plain(data: T) -> Self {
        Envelope {
            version: None,
            execution_optimistic: None,
            finalized: None,
            data,
        }
    }

    /// Data that depends on the chain.
    pub fn of_chain(finalized: bool, data: T) -> Self {
        Envelope {
            version: None,
            execution_optimistic: Some(false),
            finalized: Some(finalized),
            data,
        }
    }

    /// Data that depends on the chain and whose form depends on the fork.
    pub fn versioned(finalized: bool, data: T) -> Self {
        Envelope {
            version: Some(ConsensusVersion::Phase0),
            ..Envelope::of_chain(finalized, data)
        }
    }
}

/// An error, in the form all endpoints share.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorMessage {
    /// The status code.
    pub code: u16,
    /// A sentence.
    pub message: String,
    /// Of a list that was submitted, the items that were refused.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failures: Vec<IndexedFailure>,
}

/// An item of a submitted list that was refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IndexedFailure {
    /// Its place in the list, from 0.
    pub index: usize,
    /// Why.
    pub message: String,
}
