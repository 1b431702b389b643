//! [`Shared`]: what the writer and the readers have in common.

use crate::finalized::FinalizedReader;
use crate::hot::HotBlocks;
use crate::index::{Head, Identity, Index};
use crate::{Disk, StoreError, StoredBlock};
use consensus::{Root, Slot, Spec};
use parking_lot::RwLock;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The open store.
pub(crate) struct Shared {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) spec: Arc<Spec>,
    pub(crate) identity: Identity,
    pub(crate) hot: RwLock<HotBlocks>,
    pub(crate) index: Index,
    pub(crate) finalized: FinalizedReader,
    pub(crate) published: RwLock<Published>,
}

impl Drop for Shared {
    /// Closing the index makes its last commits durable. They speak of rows in the hot files: unless
    /// all those are durable, the index stays as a power cut would leave it.
    fn drop(&mut self) {
        let hot = self.hot.get_mut();
        if hot.files.values().any(|file| file.sync().is_err()) {
            self.index.abandon();
        }
    }
}

/// What readers go by.
pub(crate) struct Published {
    pub(crate) head: Arc<Head>,
    /// Finalized blocks that are still among the hot ones.
    pub(crate) pending: BTreeMap<Slot, Root>,
}

impl Shared {
    pub(crate) fn head(&self) -> Arc<Head> {
        self.published.read().head.clone()
    }

    /// Root of the canonical block of a slot, if that is final.
    pub(crate) fn finalized_root(&self, slot: Slot) -> Result<Option<Root>, StoreError> {
        let pending = self.published.read().pending.get(&slot).copied();
        match pending {
            Some(root) => Ok(Some(root)),
            None => self.finalized.root(slot),
        }
    }

    /// A block that is not in finalized history yet. One that is being moved or pruned right now may
    /// be gone from here.
    pub(crate) fn hot_block(&self, root: Root) -> Result<Option<StoredBlock>, StoreError> {
        let Some((slot, file)) = self.hot.read().locate(root, &self.spec) else {
            return Ok(None);
        };
        let block = match &file {
            Some(file) => file.block(root, slot)?,
            None => None,
        };
        if block.is_some() {
            return Ok(block);
        }
        // Rows are removed after their blocks are no longer counted among the hot ones.
        match (self.hot.read().locate(root, &self.spec), file) {
            (None, _) => Ok(None),
            (Some(_), Some(file)) => Err(crate::paths::damaged(
                file.path(),
                format!("block {root} of slot {slot} is missing"),
            )),
            (Some(_), None) => Err(StoreError::Missing { slot, root }),
        }
    }

    /// The slot of a block in finalized history.
    pub(crate) fn finalized_slot(&self, root: Root) -> Result<Option<Slot>, StoreError> {
        let head = self.head();
        for slot in self.index.slots_of(&head.roots, root)? {
            if self.finalized.root(slot)? == Some(root) {
                return Ok(Some(slot));
            }
        }
        Ok(None)
    }
}
