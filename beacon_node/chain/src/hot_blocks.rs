//! [`HotBlocks`]: what is known of the blocks that are not finalized, and the blocks themselves
//! while there is room.

use consensus::{Root, SignedBeaconBlock};
use rows::BlockRow;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

/// Most bytes of blocks in memory, as estimated.
const MAX_BYTES: u64 = 64 << 20;
/// A block without operations, bytes.
const EMPTY_BYTES: u64 = 1_024;
/// An attestation with its bits and what the allocator takes, bytes.
const ATTESTATION_BYTES: u64 = 384;
/// A deposit with its proof, bytes.
const DEPOSIT_BYTES: u64 = 1_280;
/// An attester slashing's two attestations without their indices, bytes.
const SLASHING_BYTES: u64 = 1_024;

/// A block and where it is.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) row: BlockRow,
    /// Absent when it was moved out of memory: the store has it.
    pub(crate) block: Option<Arc<SignedBeaconBlock>>,
    /// Number of the batch that holds it.
    pub(crate) seq: u64,
}

/// Blocks by root: those of the fork choice's tree, and finalized ones that the store does not have
/// as such yet.
#[derive(Debug, Default)]
pub(crate) struct HotBlocks {
    entries: BTreeMap<Root, Entry>,
    /// Blocks in memory in order of arrival.
    order: VecDeque<Root>,
    bytes: u64,
    /// Blocks that came, went or left the memory since they were last asked for.
    touched: BTreeSet<Root>,
}

impl HotBlocks {
    pub(crate) fn contains(&self, root: Root) -> bool {
        self.entries.contains_key(&root)
    }

    pub(crate) fn get(&self, root: Root) -> Option<&Entry> {
        self.entries.get(&root)
    }

    /// Blocks that came, went or left the memory since the last call.
    pub(crate) fn take_touched(&mut self) -> BTreeSet<Root> {
        std::mem::take(&mut self.touched)
    }

    pub(crate) fn insert(
        &mut self,
        row: BlockRow,
        block: Option<Arc<SignedBeaconBlock>>,
        seq: u64,
    ) {
        self.remove(row.root);
        if let Some(block) = &block {
            self.bytes += bytes_of(block);
            self.order.push_back(row.root);
        }
        self.touched.insert(row.root);
        self.entries.insert(row.root, Entry { row, block, seq });
    }

    pub(crate) fn remove(&mut self, root: Root) {
        let Some(entry) = self.entries.remove(&root) else {
            return;
        };
        self.touched.insert(root);
        if let Some(block) = entry.block {
            self.bytes -= bytes_of(&block);
        }
    }

    /// Moves the oldest blocks out of memory that are committed up to batch `committed`, until the
    /// rest fits.
    pub(crate) fn fit(&mut self, committed: u64) {
        while self.bytes > MAX_BYTES {
            let Some(&root) = self.order.front() else {
                return;
            };
            if let Some(entry) = self.entries.get_mut(&root) {
                if entry.seq > committed {
                    return;
                }
                if let Some(block) = entry.block.take() {
                    self.bytes -= bytes_of(&block);
                    self.touched.insert(root);
                }
            }
            self.order.pop_front();
        }
        // Removed blocks leave their roots behind.
        if self.order.len() > 2 * self.entries.len() + 64 {
            let entries = &self.entries;
            let in_memory = |root: &Root| entries.get(root).is_some_and(|it| it.block.is_some());
            self.order.retain(in_memory);
        }
    }
}

fn bytes_of(block: &SignedBeaconBlock) -> u64 {
    let body = &block.message.body;
    let slashed = body.attester_slashings.iter().map(|slashing| {
        let first = slashing.attestation_1.attesting_indices.len();
        (first + slashing.attestation_2.attesting_indices.len()) as u64 * 8 + SLASHING_BYTES
    });
    EMPTY_BYTES
        + body.attestations.len() as u64 * ATTESTATION_BYTES
        + body.deposits.len() as u64 * DEPOSIT_BYTES
        + slashed.sum::<u64>()
}
