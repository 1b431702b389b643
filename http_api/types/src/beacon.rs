//! Bodies of `/eth/v1/beacon` but for the registry's.

use consensus::*;
use serde::{Deserialize, Serialize};
use serde_utils::quoted_u64;

/// What a network starts with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GenesisData {
    /// Unix seconds.
    #[serde(with = "quoted_u64")]
    pub genesis_time: u64,
    /// Root of the registry at genesis.
    pub genesis_validators_root: Root,
    /// Fork version at genesis.
    pub genesis_fork_version: Version,
}

/// A root alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RootData {
    /// Of a block or a state.
    pub root: Root,
}

/// The checkpoints in a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FinalityCheckpoints {
    /// Justified as of the previous epoch.
    pub previous_justified: Checkpoint,
    /// Justified as of the current epoch.
    pub current_justified: Checkpoint,
    /// Finalized.
    pub finalized: Checkpoint,
}

/// A block's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeaderData {
    /// Root of the block.
    pub root: Root,
    /// Whether it is the head or an ancestor of it.
    pub canonical: bool,
    /// The header with the proposer's signature.
    pub header: SignedBeaconBlockHeader,
}

/// A committee of a slot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommitteeData {
    /// Which of the slot's committees.
    #[serde(with = "quoted_u64")]
    pub index: CommitteeIndex,
    /// The slot.
    #[serde(with = "quoted_u64")]
    pub slot: Slot,
    /// Its members in order.
    #[serde(with = "serde_utils::quoted_u64_vec")]
    pub validators: Vec<ValidatorIndex>,
}
