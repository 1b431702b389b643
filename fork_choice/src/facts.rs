//! [`BlockFacts`]: what the fork choice needs to know of a block.

use crate::Error;
use consensus::transition::unrealized_checkpoints;
use consensus::{BeaconBlock, BeaconState, Checkpoint, HashTreeRoot, Root, Slot};

/// A verified block as the fork choice sees it: the header and its post-state's checkpoints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockFacts {
    /// Slot of the block.
    pub slot: Slot,
    /// Root of the block.
    pub root: Root,
    /// Root of its parent.
    pub parent_root: Root,
    /// Root of its post-state.
    pub state_root: Root,
    /// The post-state's `current_justified_checkpoint`.
    pub justified_checkpoint: Checkpoint,
    /// The post-state's `finalized_checkpoint`.
    pub finalized_checkpoint: Checkpoint,
    /// What the post-state would justify if its epoch ended now.
    pub unrealized_justified_checkpoint: Checkpoint,
    /// What the post-state would finalize if its epoch ended now.
    pub unrealized_finalized_checkpoint: Checkpoint,
    /// Length of the post-state's registry: bounds the indices of votes.
    pub validator_count: usize,
}

impl BlockFacts {
    /// From a block and the state that `state_transition` made of it, which the caller has
    /// verified. Can be called on any thread, before [`crate::Store::on_block_facts`].
    ///
    /// The root comes from the header in the state, whose body root is known there: the body is
    /// not hashed again.
    pub fn from_post_state(
        block: &BeaconBlock,
        post_state: &BeaconState,
    ) -> Result<BlockFacts, Error> {
        let mut header = *post_state.latest_block_header();
        let same_block = post_state.slot() == block.slot
            && header.slot == block.slot
            && header.proposer_index == block.proposer_index
            && header.parent_root == block.parent_root;
        if !same_block {
            return Err(Error::PostStateMismatch(block.slot));
        }
        header.state_root = block.state_root;
        let (unrealized_justified_checkpoint, unrealized_finalized_checkpoint) =
            unrealized_checkpoints(post_state)?;
        Ok(BlockFacts {
            slot: block.slot,
            root: header.hash_tree_root(),
            parent_root: block.parent_root,
            state_root: block.state_root,
            justified_checkpoint: post_state.current_justified_checkpoint(),
            finalized_checkpoint: post_state.finalized_checkpoint(),
            unrealized_justified_checkpoint,
            unrealized_finalized_checkpoint,
            validator_count: post_state.validators().len(),
        })
    }
}
