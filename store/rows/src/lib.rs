//! What the chain core commits and what it gets back after a restart: typed rows and batches, and
//! the checksummed byte codec of a row. No database in it.
#![forbid(unsafe_code)]

mod codec;
mod layout;

pub use codec::{Input, Row, RowError, decode, encode, read_whole};
pub use layout::{BlockBytes, HotRow};

use consensus::{BeaconState, Checkpoint, Epoch, Root, SignedBeaconBlock, Slot, ValidatorIndex};
use std::sync::Arc;

/// A block by its place in the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockId {
    /// Its slot.
    pub slot: Slot,
    /// Its root.
    pub root: Root,
}

/// What the fork choice knows of a block that is not finalized: the tree is rebuilt from these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockRow {
    /// Slot of the block.
    pub slot: Slot,
    /// Root of the block.
    pub root: Root,
    /// Root of its parent.
    pub parent_root: Root,
    /// Root of its post-state.
    pub state_root: Root,
    /// Root of the checkpoint block of its own epoch on its chain.
    pub target_root: Root,
    /// The post-state's current justified checkpoint.
    pub justified: Checkpoint,
    /// The post-state's finalized checkpoint.
    pub finalized: Checkpoint,
    /// What the post-state would justify if its epoch ended now.
    pub unrealized_justified: Checkpoint,
    /// What the post-state would finalize if its epoch ended now.
    pub unrealized_finalized: Checkpoint,
    /// Length of the post-state's registry.
    pub validator_count: u64,
    /// Whether it came in its own slot before attestations were due.
    pub timely: bool,
}

/// A block that is not finalized.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HotBlock {
    /// Its row.
    pub row: BlockRow,
    /// The block.
    pub block: Arc<SignedBeaconBlock>,
}

/// The fork choice's checkpoints, and the head at that time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChainRow {
    /// Root of the head.
    pub head: Root,
    /// The store's justified checkpoint.
    pub justified: Checkpoint,
    /// The store's finalized checkpoint.
    pub finalized: Checkpoint,
    /// The store's unrealized justified checkpoint.
    pub unrealized_justified: Checkpoint,
    /// The store's unrealized finalized checkpoint.
    pub unrealized_finalized: Checkpoint,
}

/// The latest messages of all validators at some moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VoteDump {
    /// The slot in which the dump was made: attestations in blocks after it are applied again.
    pub slot: Slot,
    /// By validator index, target epoch and block root; a zero root stands for a pruned block.
    pub latest: Vec<Option<(Epoch, Root)>>,
    /// Validators whose votes no longer count, ascending.
    pub equivocating: Vec<ValidatorIndex>,
}

/// A state to keep on disk as a place to replay from.
#[derive(Clone, Debug)]
pub struct StoredState {
    /// The latest block applied to it.
    pub block_root: Root,
    /// The state; its slot may be after the block's.
    pub state: BeaconState,
}

/// A new finalized checkpoint.
#[derive(Clone, Debug)]
pub struct Finalize {
    /// The checkpoint.
    pub checkpoint: Checkpoint,
    /// Roots of the canonical blocks after the previous finalized block up to and including the new
    /// one, in order of slots. All are hot blocks of this batch or an earlier one.
    pub blocks: Vec<Root>,
    /// The canonical states at era boundaries that became final, in order, each at exactly slot
    /// era * SLOTS_PER_HISTORICAL_ROOT, with that slot's block applied if there is one.
    pub boundary_states: Vec<BeaconState>,
    /// Roots of the hot blocks that can never be canonical any more.
    pub pruned: Vec<Root>,
}

/// One atomic step of the store. After a crash a batch is there whole or not at all, and then
/// neither is any later one.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// Counts the batches from 1, without gaps.
    pub seq: u64,
    /// Whether it must survive a power cut before it is reported as committed; so do all before it.
    pub durable: bool,
    /// New blocks, parents first.
    pub blocks: Vec<HotBlock>,
    /// The checkpoints, when they or the head changed.
    pub chain: Option<ChainRow>,
    /// A dump of the votes; replaces the earlier one.
    pub votes: Option<VoteDump>,
    /// States to keep.
    pub states: Vec<StoredState>,
    /// The new finalized checkpoint, when it advanced. Such a batch is durable.
    pub finalize: Option<Finalize>,
}

/// Where the stored chain begins, and how far back it goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Anchor {
    /// Slot of the block that was trusted at the start: 0 for genesis.
    pub slot: Slot,
    /// Root of that block.
    pub root: Root,
    /// Lowest slot from which on all canonical blocks are there.
    pub oldest_block_slot: Slot,
    /// Lowest slot from which on states can be made.
    pub oldest_state_slot: Slot,
}

/// The newest finalized block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Split {
    /// The finalized checkpoint.
    pub checkpoint: Checkpoint,
    /// Slot of its block.
    pub slot: Slot,
    /// State root of its block.
    pub state_root: Root,
}

/// What a store holds when it is opened: enough to build the core again. Blocks are only named: there
/// is no bound on how many are not finalized, and few of them are needed.
#[derive(Clone, Debug)]
pub struct Recovered {
    /// Where the chain begins.
    pub anchor: Anchor,
    /// The newest finalized block.
    pub split: Split,
    /// The newest stored state whose block is finalized and canonical.
    pub base: StoredState,
    /// The canonical blocks after the base state's up to and including the split's, in order.
    pub finalized_blocks: Vec<BlockId>,
    /// Blocks that are not finalized whose post-states are stored, any order.
    pub hot_states: Vec<BlockId>,
    /// Blocks that are not finalized: parents first, each one's parent is the split's block or
    /// before it in this list.
    pub hot_blocks: Vec<BlockRow>,
    /// The checkpoints of the last batch that had them; they may be older than the blocks.
    pub chain: Option<ChainRow>,
    /// The last dump of the votes.
    pub votes: Option<VoteDump>,
    /// The number of the last batch.
    pub last_seq: u64,
}
