//! [`Reader`]: reads beside the writer, from any thread.

use crate::StoreError;
use crate::finalized::{BlockId, FinalizedReader};
use crate::index::StateEntry;
use crate::shared::Shared;
use crate::state_files;
use consensus::{BeaconState, Root, Slot};
use rows::{Anchor, Split, StoredState};
use std::io::ErrorKind;
use std::ops::Range;
use std::sync::Arc;

/// Reads the store. Cheap to clone. What is being moved, pruned or replaced while it is read is
/// found in its old or its new place.
#[derive(Clone)]
pub struct Reader {
    pub(crate) shared: Arc<Shared>,
}

/// A block as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredBlock {
    /// Its slot.
    pub slot: Slot,
    /// Its root.
    pub root: Root,
    /// The SSZ bytes of the `SignedBeaconBlock`.
    pub ssz: Vec<u8>,
}

impl Reader {
    pub(crate) fn new(shared: Arc<Shared>) -> Reader {
        Reader { shared }
    }

    /// Where the chain begins and how far back it goes.
    pub fn anchor(&self) -> Anchor {
        self.shared.head().anchor
    }

    /// The newest finalized block.
    pub fn split(&self) -> Split {
        self.shared.head().split
    }

    /// A block, finalized or not. The genesis block counts as stored, with a zero signature.
    pub fn block(&self, root: Root) -> Result<Option<StoredBlock>, StoreError> {
        // A moved block is in finalized history before it leaves the hot ones.
        if let Some(block) = self.shared.hot_block(root)? {
            return Ok(Some(block));
        }
        match self.shared.finalized_slot(root)? {
            Some(slot) => self.shared.finalized.block(slot),
            None => Ok(None),
        }
    }

    /// The canonical finalized block of a slot; `None` if the slot is empty or not finalized.
    pub fn finalized_block(&self, slot: Slot) -> Result<Option<StoredBlock>, StoreError> {
        let pending = self.shared.published.read().pending.get(&slot).copied();
        if let Some(root) = pending
            && let Some(block) = self.shared.hot_block(root)?
        {
            return Ok(Some(block));
        }
        self.shared.finalized.block(slot)
    }

    /// Root of the canonical finalized block of a slot.
    pub fn finalized_root(&self, slot: Slot) -> Result<Option<Root>, StoreError> {
        self.shared.finalized_root(slot)
    }

    /// Slots and roots of the canonical finalized blocks of a range of slots, in order.
    pub fn finalized_ids(&self, slots: Range<Slot>) -> Result<Vec<BlockId>, StoreError> {
        // First those that may be moved meanwhile: then they are found twice, not missed.
        let pending: Vec<BlockId> = match slots.is_empty() {
            true => Vec::new(),
            false => {
                let published = self.shared.published.read();
                let pending = published.pending.range(slots.clone());
                let pending = pending.map(|(slot, root)| BlockId {
                    slot: *slot,
                    root: *root,
                });
                pending.collect()
            }
        };
        let mut ids = self.shared.finalized.ids(slots)?;
        let last = ids.last().map(|id| id.slot);
        let later = pending.into_iter();
        ids.extend(later.filter(|id| last.is_none_or(|last| id.slot > last)));
        Ok(ids)
    }

    /// Finalized history as it is stored: blocks that have just become final are not in it yet.
    pub fn finalized(&self) -> &FinalizedReader {
        &self.shared.finalized
    }

    /// A stored state after this very block, at the block's slot.
    pub fn state(&self, block_root: Root) -> Result<Option<BeaconState>, StoreError> {
        let of_block =
            |entry: &StateEntry| entry.block_root == block_root && entry.slot == entry.block_slot;
        if let Some(stored) = self.stored(of_block)? {
            return Ok(Some(stored.state));
        }
        let slots = self.shared.spec.SLOTS_PER_HISTORICAL_ROOT;
        match self.shared.finalized_slot(block_root)? {
            Some(slot) if slot.is_multiple_of(slots) => {
                let stored = self.shared.finalized.era_state(slot / slots)?;
                Ok(stored
                    .filter(|stored| stored.block_root == block_root)
                    .map(|stored| stored.state))
            }
            _ => Ok(None),
        }
    }

    /// The newest stored finalized state at or before a slot.
    pub fn nearest_state(&self, slot: Slot) -> Result<Option<StoredState>, StoreError> {
        let slots = self.shared.spec.SLOTS_PER_HISTORICAL_ROOT;
        let era = slot / slots;
        let eras = self.shared.finalized.eras();
        let era = eras.into_iter().rfind(|other| *other <= era);
        // Of a pruned era's slots on, no state leads to the slots before its boundary.
        let after = era.map_or(0, |era| era * slots);
        let newer = |entry: &StateEntry| entry.is_final && (after + 1..=slot).contains(&entry.slot);
        match (self.stored(newer)?, era) {
            (Some(stored), _) => Ok(Some(stored)),
            (None, Some(era)) => self.shared.finalized.era_state(era),
            (None, None) => Ok(None),
        }
    }

    /// The newest state whose entry fits.
    fn stored(
        &self,
        fits: impl Fn(&StateEntry) -> bool,
    ) -> Result<Option<StoredState>, StoreError> {
        loop {
            let head = self.shared.head();
            let Some(entry) = head.states.iter().rfind(|entry| fits(entry)) else {
                return Ok(None);
            };
            match state_files::read(&*self.shared.disk, entry, &self.shared.spec) {
                // Its file has been removed since: look again.
                Err(StoreError::Io { source, .. })
                    if source.kind() == ErrorKind::NotFound
                        && !self.shared.head().states.contains(entry) => {}
                read => return read.map(Some),
            }
        }
    }
}
