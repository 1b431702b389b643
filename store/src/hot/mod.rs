//! Blocks that are not finalized, or not moved yet: one redb file for each run of epochs, which is
//! deleted when all its blocks have gone.

mod file;

pub(crate) use file::HotFile;

use crate::paths::{HOT, hot_file, io_at, remove};
use crate::{Disk, StoreError};
use consensus::{Root, Slot, Spec};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// Epochs of the blocks of one file.
const EPOCHS_OF_A_FILE: u64 = 256;

/// The files, and which blocks are in them: what is here must be found there.
#[derive(Default)]
pub(crate) struct HotBlocks {
    pub(crate) files: BTreeMap<u64, Arc<HotFile>>,
    pub(crate) slots: HashMap<Root, Slot>,
}

/// The file that blocks of a slot are in.
pub(crate) fn file_of(slot: Slot, spec: &Spec) -> u64 {
    slot / spec.SLOTS_PER_EPOCH / EPOCHS_OF_A_FILE
}

impl HotBlocks {
    /// The file that has a block, and the block's slot.
    pub(crate) fn locate(&self, root: Root, spec: &Spec) -> Option<(Slot, Option<Arc<HotFile>>)> {
        let slot = *self.slots.get(&root)?;
        Some((slot, self.files.get(&file_of(slot, spec)).cloned()))
    }

    /// Removes the files in the folder that do not count.
    pub(crate) fn remove_others(&self, disk: &dyn Disk) -> Result<(), StoreError> {
        for name in disk.list(HOT).map_err(io_at(HOT))? {
            let known = self
                .files
                .keys()
                .any(|number| hot_file(*number) == format!("{HOT}/{name}"));
            if !known {
                remove(disk, &format!("{HOT}/{name}"))?;
            }
        }
        Ok(())
    }
}
