//! Making a store.

use crate::finalized::FinalizedStore;
use crate::index::{Head, Identity, Index, Place, RootMap};
use crate::paths::{FINALIZED, HOT, INDEX, STATES, exists, io_at};
use crate::{Disk, Settings, StoreError};
use consensus::{BeaconState, Checkpoint, GENESIS_EPOCH, HashTreeRoot};
use rows::{Anchor, Split};
use std::sync::Arc;

/// Makes a store from a genesis state; an interrupted one is made again. The index comes last and
/// appears as a whole: a store without it is none.
///
/// # Errors
/// [`StoreError::Misuse`] if there is a store already.
pub fn create(
    disk: &Arc<dyn Disk>,
    genesis: &BeaconState,
    _settings: &Settings,
) -> Result<(), StoreError> {
    if exists(&**disk, "", INDEX)? {
        return Err(StoreError::Misuse("there is a store already".into()));
    }
    for folder in [FINALIZED, HOT, STATES] {
        disk.create_folder(folder).map_err(io_at(folder))?;
    }
    // Before the index can be there.
    disk.sync_folder("").map_err(io_at("the data folder"))?;
    FinalizedStore::create(disk, genesis)?;
    let block = consensus::genesis::genesis_block(genesis);
    let root = block.hash_tree_root();
    let slot = block.slot;
    let head = Head {
        last_seq: 0,
        anchor: Anchor {
            slot,
            root,
            oldest_block_slot: slot,
            oldest_state_slot: slot,
        },
        split: Split {
            checkpoint: Checkpoint {
                epoch: GENESIS_EPOCH,
                root,
            },
            slot,
            state_root: block.state_root,
        },
        moved: Place { slot, root },
        chain: None,
        has_votes: false,
        hot_files: Vec::new(),
        states: Vec::new(),
        pending: Vec::new(),
        roots: RootMap::default(),
    };
    let identity = Identity::of(genesis.spec(), genesis.genesis_validators_root());
    Index::create(&**disk, &identity, head)
}
