//! The data of `/eth/v1/events`. Attestations, exits and slashings are sent as the containers that
//! they are.

use consensus::*;
use serde::{Deserialize, Serialize};
use serde_utils::quoted_u64;

/// What can be subscribed to in phase 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Topic {
    /// A new head.
    Head,
    /// A block was imported.
    Block,
    /// An attestation passed the gossip rules.
    Attestation,
    /// A voluntary exit passed the gossip rules.
    VoluntaryExit,
    /// A proposer slashing passed the gossip rules.
    ProposerSlashing,
    /// An attester slashing passed the gossip rules.
    AttesterSlashing,
    /// A new finalized checkpoint.
    FinalizedCheckpoint,
    /// The head moved to another branch.
    ChainReorg,
}

const TOPICS: [(Topic, &str); 8] = [
    (Topic::Head, "head"),
    (Topic::Block, "block"),
    (Topic::Attestation, "attestation"),
    (Topic::VoluntaryExit, "voluntary_exit"),
    (Topic::ProposerSlashing, "proposer_slashing"),
    (Topic::AttesterSlashing, "attester_slashing"),
    (Topic::FinalizedCheckpoint, "finalized_checkpoint"),
    (Topic::ChainReorg, "chain_reorg"),
];

/// Topics of the API that nothing in phase 0 is sent on.
const SILENT: [&str; 10] = [
    "block_gossip",
    "single_attestation",
    "bls_to_execution_change",
    "contribution_and_proof",
    "light_client_finality_update",
    "light_client_optimistic_update",
    "payload_attributes",
    "blob_sidecar",
    "block_full",
    "data_column_sidecar",
];

impl Topic {
    /// The topic of that name.
    pub fn named(name: &str) -> Option<Topic> {
        let found = TOPICS.iter().find(|(_, known)| *known == name);
        found.map(|(topic, _)| *topic)
    }

    /// Its name.
    pub fn as_str(self) -> &'static str {
        let found = TOPICS.iter().find(|(topic, _)| *topic == self);
        found.map_or("", |(_, name)| name)
    }

    /// Whether the API knows the name, but nothing is ever sent on it.
    pub fn is_silent(name: &str) -> bool {
        SILENT.contains(&name)
    }
}

/// [`Topic::Head`]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeadEvent {
    /// Slot of the head.
    #[serde(with = "quoted_u64")]
    pub slot: Slot,
    /// Its root.
    pub block: Root,
    /// Its state's root.
    pub state: Root,
    /// Whether it is the first of its epoch on its chain.
    pub epoch_transition: bool,
    /// Decision root of the previous epoch's duties.
    pub previous_duty_dependent_root: Root,
    /// Decision root of the current epoch's duties.
    pub current_duty_dependent_root: Root,
    /// Never in phase 0.
    pub execution_optimistic: bool,
}

/// [`Topic::Block`]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockEvent {
    /// Slot of the block.
    #[serde(with = "quoted_u64")]
    pub slot: Slot,
    /// Its root.
    pub block: Root,
    /// Never in phase 0.
    pub execution_optimistic: bool,
}

/// [`Topic::FinalizedCheckpoint`]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FinalizedCheckpointEvent {
    /// Root of the checkpoint's block.
    pub block: Root,
    /// That block's state root.
    pub state: Root,
    /// Its epoch.
    #[serde(with = "quoted_u64")]
    pub epoch: Epoch,
    /// Never in phase 0.
    pub execution_optimistic: bool,
}

/// [`Topic::ChainReorg`]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChainReorgEvent {
    /// Slot of the new head.
    #[serde(with = "quoted_u64")]
    pub slot: Slot,
    /// Slots from the common ancestor to the old head.
    #[serde(with = "quoted_u64")]
    pub depth: u64,
    /// The old head.
    pub old_head_block: Root,
    /// The new head.
    pub new_head_block: Root,
    /// The old head's state root.
    pub old_head_state: Root,
    /// The new head's state root.
    pub new_head_state: Root,
    /// Epoch of the new head.
    #[serde(with = "quoted_u64")]
    pub epoch: Epoch,
    /// Never in phase 0.
    pub execution_optimistic: bool,
}
