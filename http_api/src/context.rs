//! [`Context`]: what the rest of the node hands to the API.

use api_types::NetworkIdentity;
use arc_swap::ArcSwap;
use chain::{ApiCall, ApiError, ApiReply, Event, Snapshot};
use consensus::{BeaconState, Root, Slot, Verifier};
use futures_util::future::BoxFuture;
use std::sync::Arc;
use store::{Reader, StoreError, StoredBlock};
use tokio::sync::broadcast;

/// Everything that the API reads and calls.
#[derive(Clone)]
pub struct Context {
    /// What the core published last.
    pub snapshots: Arc<ArcSwap<Snapshot>>,
    /// Blocks and states that are not in a snapshot.
    pub archive: Arc<dyn Archive>,
    /// Where the core's events are sent after the snapshot they speak of. Its capacity is how far a
    /// subscriber may fall behind before it is cut off.
    pub events: broadcast::Sender<Event>,
    /// The way into the core.
    pub calls: Arc<dyn Calls>,
    /// Verifies the signatures of deposits when a state is made again; all others were verified.
    pub verifier: Arc<dyn Verifier>,
    /// Who the node is on the network.
    pub identity: Arc<ArcSwap<NetworkIdentity>>,
    /// Name and version of the program, as in `Fresnel/v0.1.0/x86_64-linux`.
    pub version: String,
    /// From how many slots behind the clock on the node counts as syncing.
    pub sync_tolerance: u64,
}

/// Calls into the core.
pub trait Calls: Send + Sync {
    /// Hands the call to the core; the future is its answer.
    fn call(&self, call: ApiCall) -> BoxFuture<'static, Result<ApiReply, ApiError>>;
}

/// Blocks and states on disk. All functions may block.
pub trait Archive: Send + Sync {
    /// The lowest slot from which on all canonical blocks are there.
    fn oldest_block_slot(&self) -> Slot;

    /// The lowest slot from which on states can be made.
    fn oldest_state_slot(&self) -> Slot;

    /// A block, finalized or not; the genesis block with a signature of zero.
    fn block(&self, root: Root) -> Result<Option<StoredBlock>, StoreError>;

    /// The canonical finalized block of a slot.
    fn finalized_block(&self, slot: Slot) -> Result<Option<StoredBlock>, StoreError>;

    /// Root of the canonical finalized block of a slot.
    fn finalized_root(&self, slot: Slot) -> Result<Option<Root>, StoreError>;

    /// A stored state after this very block, at the block's slot.
    fn state(&self, block_root: Root) -> Result<Option<BeaconState>, StoreError>;

    /// The newest stored canonical finalized state at or before a slot.
    fn nearest_state(&self, slot: Slot) -> Result<Option<BeaconState>, StoreError>;
}

impl Archive for Reader {
    fn oldest_block_slot(&self) -> Slot {
        self.anchor().oldest_block_slot
    }

    fn oldest_state_slot(&self) -> Slot {
        self.anchor().oldest_state_slot
    }

    fn block(&self, root: Root) -> Result<Option<StoredBlock>, StoreError> {
        Reader::block(self, root)
    }

    fn finalized_block(&self, slot: Slot) -> Result<Option<StoredBlock>, StoreError> {
        Reader::finalized_block(self, slot)
    }

    fn finalized_root(&self, slot: Slot) -> Result<Option<Root>, StoreError> {
        Reader::finalized_root(self, slot)
    }

    fn state(&self, block_root: Root) -> Result<Option<BeaconState>, StoreError> {
        Reader::state(self, block_root)
    }

    fn nearest_state(&self, slot: Slot) -> Result<Option<BeaconState>, StoreError> {
        Ok(Reader::nearest_state(self, slot)?.map(|stored| stored.state))
    }
}
