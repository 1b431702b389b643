//! Bodies of `/eth/v1/debug` and `/eth/v2/debug`.

use consensus::*;
use serde::{Deserialize, Serialize};
use serde_utils::quoted_u64;

/// A tip of the block tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChainHead {
    /// Root of the block.
    pub root: Root,
    /// Its slot.
    #[serde(with = "quoted_u64")]
    pub slot: Slot,
    /// Not in version 1; never true in phase 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub execution_optimistic: Option<bool>,
}

/// What the fork choice knows. This answer has no `data` around it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForkChoice {
    /// The store's justified checkpoint.
    pub justified_checkpoint: Checkpoint,
    /// The store's finalized checkpoint.
    pub finalized_checkpoint: Checkpoint,
    /// All blocks, parents first.
    pub fork_choice_nodes: Vec<ForkChoiceNode>,
    /// What only this program tells.
    pub extra_data: ForkChoiceExtra,
}

/// What only this program tells about its fork choice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForkChoiceExtra {
    /// The head.
    pub head_root: Root,
    /// The store's unrealized justified checkpoint.
    pub unrealized_justified_checkpoint: Checkpoint,
    /// The store's unrealized finalized checkpoint.
    pub unrealized_finalized_checkpoint: Checkpoint,
    /// The block with the proposer boost, zero if none.
    pub proposer_boost_root: Root,
}

/// A block in the fork choice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForkChoiceNode {
    /// Slot of the block.
    #[serde(with = "quoted_u64")]
    pub slot: Slot,
    /// Root of the block.
    pub block_root: Root,
    /// Root of its parent.
    pub parent_root: Root,
    /// Epoch of the post-state's justified checkpoint.
    #[serde(with = "quoted_u64")]
    pub justified_epoch: Epoch,
    /// Epoch of the post-state's finalized checkpoint.
    #[serde(with = "quoted_u64")]
    pub finalized_epoch: Epoch,
    /// Weight of the subtree, Gwei.
    #[serde(with = "quoted_u64")]
    pub weight: Gwei,
    /// Of the execution payload; phase 0 has none, so nothing is left to verify.
    pub validity: Validity,
    /// Zero in phase 0.
    pub execution_block_hash: Root,
    /// What only this program tells.
    pub extra_data: ForkChoiceNodeExtra,
}

/// Whether an execution payload is valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Validity {
    /// It is.
    Valid,
    /// It is not.
    Invalid,
    /// It is not known yet.
    Optimistic,
}

/// What only this program tells about a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForkChoiceNodeExtra {
    /// Root of the post-state.
    pub state_root: Root,
    /// Root of the checkpoint block of its own epoch on its chain.
    pub target_root: Root,
    /// Root of the post-state's justified checkpoint.
    pub justified_root: Root,
    /// Root of the post-state's finalized checkpoint.
    pub finalized_root: Root,
    /// What the post-state would justify if its epoch ended now.
    pub unrealized_justified: Checkpoint,
    /// What the post-state would finalize if its epoch ended now.
    pub unrealized_finalized: Checkpoint,
    /// Whether it came in its own slot before attestations were due.
    pub timely: bool,
    /// Whether it is the head or an ancestor of it.
    pub canonical: bool,
}
