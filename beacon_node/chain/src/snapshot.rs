//! [`Snapshot`]: what readers see of the core, never changed after it is published.

use consensus::*;
use rows::BlockRow;
use std::collections::BTreeSet;
use std::sync::Arc;

/// An ordered map that is cloned in no time and shares what did not change with its clones: a
/// snapshot costs what is new in it, however long nothing has been finalized.
pub type SharedMap<K, V> = rpds::RedBlackTreeMapSync<K, V>;

/// A block that is not finalized, or was so a moment ago.
#[derive(Clone, Debug)]
pub struct HotEntry {
    /// What the fork choice knows of it.
    pub row: BlockRow,
    /// The block; absent when it was moved out of memory: the store has it.
    pub block: Option<Arc<SignedBeaconBlock>>,
    /// Its post-state; absent when it was dropped: it can be made again from an earlier one.
    pub state: Option<BeaconState>,
}

/// The head.
#[derive(Clone, Debug)]
pub struct HeadInfo {
    /// Slot of the block.
    pub slot: Slot,
    /// Root of the block.
    pub root: Root,
    /// Root of its post-state.
    pub state_root: Root,
    /// Its post-state.
    pub state: BeaconState,
    /// The post-state advanced to the current epoch's first slot, if that is later: for duties.
    pub duties_state: BeaconState,
}

/// The core at one moment. Cheap to hold: states and blocks are shared.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// Preset and configuration.
    pub spec: Arc<Spec>,
    /// Genesis time, Unix seconds.
    pub genesis_time: u64,
    /// Root of the registry at genesis.
    pub genesis_validators_root: Root,
    /// Root of the genesis block.
    pub genesis_block_root: Root,
    /// The slot by the clock.
    pub current_slot: Slot,
    /// The head.
    pub head: HeadInfo,
    /// The fork choice's justified checkpoint.
    pub justified: Checkpoint,
    /// The fork choice's finalized checkpoint.
    pub finalized: Checkpoint,
    /// The fork choice's unrealized justified checkpoint.
    pub unrealized_justified: Checkpoint,
    /// The fork choice's unrealized finalized checkpoint.
    pub unrealized_finalized: Checkpoint,
    /// The block with the proposer boost, zero if none.
    pub proposer_boost_root: Root,
    /// Blocks that are not finalized, the finalized block itself, and finalized blocks that are not
    /// committed yet, by root.
    pub blocks: SharedMap<Root, Arc<HotEntry>>,
    /// The canonical ones of them, the head's ancestors and itself, by slot.
    pub canonical: SharedMap<Slot, Root>,
    /// The fork choice's tree, parents first: each block with the weight of its subtree at the last
    /// head, Gwei.
    pub weights: Arc<[(Root, Gwei)]>,
    /// Tips of the tree: blocks without children.
    pub tips: Arc<BTreeSet<Root>>,
    /// Numbers for metrics.
    pub figures: Figures,
}

/// Numbers of the core's parts, for metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Attestations in the pool.
    pub attestations: u64,
    /// Slashings and exits in the pools.
    pub operations: u64,
    /// States in memory.
    pub hot_states: u64,
    /// Messages that wait for a slot or a block.
    pub delayed: u64,
    /// Jobs that run.
    pub jobs: u64,
    /// Batches that are not committed yet.
    pub uncommitted: u64,
    /// States that had to be made again from an earlier one, ever.
    pub regenerated: u64,
    /// Reorganisations, ever.
    pub reorgs: u64,
}
