//! [`View`]: finds blocks and states by name, first in a snapshot, then in the archive.

use crate::context::Archive;
use crate::problem::Problem;
use api_types::{BlockId, StateId};
use chain::Snapshot;
use consensus::helpers::compute_start_slot_at_epoch;
use consensus::views::SignedBlockView;
use consensus::*;
use ssz::{Decode, Encode};
use std::sync::Arc;

/// One moment of the chain, and its history.
#[derive(Clone)]
pub(crate) struct View {
    pub(crate) snapshot: Arc<Snapshot>,
    pub(crate) archive: Arc<dyn Archive>,
}

/// A block that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BlockAt {
    pub(crate) slot: Slot,
    pub(crate) root: Root,
    /// Whether it is the head or an ancestor of it.
    pub(crate) canonical: bool,
    /// Whether that can never change.
    pub(crate) finalized: bool,
}

/// A state that is known: after a block, at the block's slot or a later one without blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StateAt {
    pub(crate) slot: Slot,
    pub(crate) block: BlockAt,
    pub(crate) finalized: bool,
}

/// A block as it was found.
pub(crate) enum Block {
    Decoded(Arc<SignedBeaconBlock>),
    Ssz(Vec<u8>),
}

impl Block {
    pub(crate) fn decoded(self) -> Result<Arc<SignedBeaconBlock>, Problem> {
        match self {
            Block::Decoded(block) => Ok(block),
            Block::Ssz(bytes) => SignedBeaconBlock::from_ssz_bytes(&bytes)
                .map(Arc::new)
                .map_err(|error| Problem::internal(format!("a stored block: {error:?}"))),
        }
    }

    pub(crate) fn into_ssz(self) -> Vec<u8> {
        match self {
            Block::Decoded(block) => block.as_ssz_bytes(),
            Block::Ssz(bytes) => bytes,
        }
    }

    /// Root of its post-state.
    fn state_root(&self) -> Result<Root, Problem> {
        match self {
            Block::Decoded(block) => Ok(block.message.state_root),
            Block::Ssz(bytes) => SignedBlockView::new(bytes)
                .map(|view| view.state_root())
                .map_err(|error| Problem::internal(format!("a stored block: {error}"))),
        }
    }
}

impl View {
    /// The first slot of the finalized epoch: no canonical block up to it changes any more.
    pub(crate) fn finalized_slot(&self) -> Slot {
        let epoch = self.snapshot.finalized.epoch;
        compute_start_slot_at_epoch(epoch, &self.snapshot.spec).unwrap_or(Slot::MAX)
    }

    fn block_at(&self, slot: Slot, root: Root, canonical: bool) -> BlockAt {
        BlockAt {
            slot,
            root,
            canonical,
            finalized: canonical && slot <= self.finalized_slot(),
        }
    }

    /// The block of that name; 404 if there is none.
    pub(crate) fn find_block(&self, id: BlockId) -> Result<BlockAt, Problem> {
        let snapshot = &self.snapshot;
        match id {
            BlockId::Head => Ok(self.block_at(snapshot.head.slot, snapshot.head.root, true)),
            BlockId::Genesis => Ok(self.block_at(GENESIS_SLOT, snapshot.genesis_block_root, true)),
            BlockId::Finalized => self.block_of_root(self.checkpoint_root(snapshot.finalized)),
            BlockId::Justified => self.block_of_root(self.checkpoint_root(snapshot.justified)),
            BlockId::Slot(slot) => self.block_of_slot(slot),
            BlockId::Root(root) => self.block_of_root(root),
        }
    }

    /// The checkpoint's block; a root of zero stands for genesis.
    fn checkpoint_root(&self, checkpoint: Checkpoint) -> Root {
        match checkpoint.root.is_zero() {
            true => self.snapshot.genesis_block_root,
            false => checkpoint.root,
        }
    }

    fn block_of_slot(&self, slot: Slot) -> Result<BlockAt, Problem> {
        self.check_not_after_head(slot)?;
        let oldest = self.archive.oldest_block_slot();
        match self.canonical_root(slot)? {
            Some(root) => Ok(self.block_at(slot, root, true)),
            None if slot < oldest => Err(Problem::not_found(format!(
                "blocks before slot {oldest} are not kept"
            ))),
            None => Err(Problem::not_found(format!("slot {slot} has no block"))),
        }
    }

    fn check_not_after_head(&self, slot: Slot) -> Result<(), Problem> {
        let head = self.snapshot.head.slot;
        match slot <= head {
            true => Ok(()),
            false => Err(Problem::not_found(format!(
                "slot {slot} is after the head's slot {head}"
            ))),
        }
    }

    /// Root of the canonical block of a slot up to the head's.
    pub(crate) fn canonical_root(&self, slot: Slot) -> Result<Option<Root>, Problem> {
        if let Some(root) = self.snapshot.canonical.get(&slot) {
            return Ok(Some(*root));
        }
        let first = self.snapshot.canonical.keys().next();
        if first.is_some_and(|first| *first < slot) {
            return Ok(None);
        }
        if slot == GENESIS_SLOT {
            return Ok(Some(self.snapshot.genesis_block_root));
        }
        Ok(self.archive.finalized_root(slot)?)
    }

    fn block_of_root(&self, root: Root) -> Result<BlockAt, Problem> {
        let snapshot = &self.snapshot;
        if let Some(entry) = snapshot.blocks.get(&root) {
            let slot = entry.row.slot;
            let canonical = snapshot.canonical.get(&slot) == Some(&root);
            return Ok(self.block_at(slot, root, canonical));
        }
        if root == snapshot.genesis_block_root {
            return Ok(self.block_at(GENESIS_SLOT, root, true));
        }
        let Some(stored) = self.archive.block(root)? else {
            return Err(Problem::not_found(format!("block {root:?} is not known")));
        };
        let canonical = self.archive.finalized_root(stored.slot)? == Some(root);
        Ok(self.block_at(stored.slot, root, canonical))
    }

    /// The block itself.
    pub(crate) fn load_block(&self, root: Root) -> Result<Block, Problem> {
        let entry = self.snapshot.blocks.get(&root);
        if let Some(block) = entry.and_then(|entry| entry.block.clone()) {
            return Ok(Block::Decoded(block));
        }
        match self.archive.block(root)? {
            Some(stored) => Ok(Block::Ssz(stored.ssz)),
            None => Err(Problem::not_found(format!(
                "block {root:?} is known, but not kept"
            ))),
        }
    }

    /// The state of that name; 404 if there is none, or if it can no longer be made.
    pub(crate) fn find_state(&self, id: StateId) -> Result<StateAt, Problem> {
        let found = match id {
            StateId::Head => Ok(self.state_after(self.find_block(BlockId::Head)?)),
            StateId::Genesis => Ok(self.state_after(self.find_block(BlockId::Genesis)?)),
            StateId::Finalized => self.checkpoint_state(self.snapshot.finalized),
            StateId::Justified => self.checkpoint_state(self.snapshot.justified),
            StateId::Slot(slot) => self.state_of_slot(slot),
            StateId::Root(root) => self.state_of_root(root),
        }?;
        let oldest = self.archive.oldest_state_slot();
        match found.slot < oldest {
            true => Err(Problem::not_found(format!(
                "states before slot {oldest} are not kept"
            ))),
            false => Ok(found),
        }
    }

    fn state_after(&self, block: BlockAt) -> StateAt {
        StateAt {
            slot: block.slot,
            block,
            finalized: block.finalized,
        }
    }

    /// The checkpoint's block advanced to its epoch's first slot, as the specification and most
    /// clients take it.
    fn checkpoint_state(&self, checkpoint: Checkpoint) -> Result<StateAt, Problem> {
        let block = self.block_of_root(self.checkpoint_root(checkpoint))?;
        let spec = &self.snapshot.spec;
        let start = compute_start_slot_at_epoch(checkpoint.epoch, spec);
        let slot = start.map_err(Problem::internal)?.max(block.slot);
        Ok(StateAt {
            slot,
            block,
            finalized: block.canonical && slot <= self.finalized_slot(),
        })
    }

    fn state_of_slot(&self, slot: Slot) -> Result<StateAt, Problem> {
        self.check_not_after_head(slot)?;
        let block = self.block_at_or_before(slot)?;
        Ok(StateAt {
            slot,
            block,
            finalized: slot <= self.finalized_slot(),
        })
    }

    fn block_at_or_before(&self, slot: Slot) -> Result<BlockAt, Problem> {
        let hot = self.snapshot.canonical.range(..=slot).next_back();
        if let Some((slot, root)) = hot {
            return Ok(self.block_at(*slot, *root, true));
        }
        let oldest = self.archive.oldest_block_slot();
        for at in (oldest.min(slot)..=slot).rev() {
            if let Some(root) = self.canonical_root(at)? {
                return Ok(self.block_at(at, root, true));
            }
        }
        Err(Problem::not_found(format!(
            "blocks before slot {oldest} are not kept"
        )))
    }

    /// States after recent blocks on any branch, and those of the slots that the head's state
    /// remembers. Older ones are found by their slot.
    fn state_of_root(&self, root: Root) -> Result<StateAt, Problem> {
        let snapshot = &self.snapshot;
        let hot = snapshot.blocks.iter();
        let hot = hot
            .into_iter()
            .find(|(_, entry)| entry.row.state_root == root);
        if let Some((block, _)) = hot {
            return Ok(self.state_after(self.block_of_root(*block)?));
        }
        let (head, kept) = (&snapshot.head, snapshot.spec.SLOTS_PER_HISTORICAL_ROOT);
        let recent = head.state.state_roots().iter().zip(0..);
        let recent = recent
            .into_iter()
            .find(|(known, _)| *known == root && !root.is_zero());
        if let Some((_, place)) = recent {
            // The slot before the head's with this place in the vector.
            let back = (head.slot % kept + kept - place - 1) % kept + 1;
            if let Some(slot) = head.slot.checked_sub(back) {
                return self.state_of_slot(slot);
            }
        }
        let genesis = snapshot.genesis_block_root;
        let genesis_state_root = self.archive.block(genesis)?;
        let genesis_state_root =
            genesis_state_root.map(|stored| Block::Ssz(stored.ssz).state_root());
        if genesis_state_root.transpose()? == Some(root) {
            return self.find_state(StateId::Genesis);
        }
        Err(Problem::not_found(format!(
            "no state of the last {kept} slots has root {root:?}; an older one is found by its slot"
        )))
    }

    /// The state's root, if it can be told without the state.
    pub(crate) fn known_state_root(&self, state: &StateAt) -> Result<Option<Root>, Problem> {
        if state.slot == state.block.slot {
            let root = state.block.root;
            if let Some(entry) = self.snapshot.blocks.get(&root) {
                return Ok(Some(entry.row.state_root));
            }
            return self.load_block(root)?.state_root().map(Some);
        }
        let (head, kept) = (
            &self.snapshot.head,
            self.snapshot.spec.SLOTS_PER_HISTORICAL_ROOT,
        );
        let remembered = state.slot < head.slot && head.slot - state.slot <= kept;
        if !remembered || !state.block.canonical {
            return Ok(None);
        }
        Ok(head.state.state_roots().get((state.slot % kept) as usize))
    }

    /// The state, if it is in memory.
    pub(crate) fn hot_state(&self, wanted: &StateAt) -> Option<BeaconState> {
        let head = &self.snapshot.head;
        if wanted.block.root == head.root {
            let states = [&head.state, &head.duties_state];
            let at_slot = states.into_iter().find(|state| state.slot() == wanted.slot);
            return at_slot.cloned();
        }
        let entry = self.snapshot.blocks.get(&wanted.block.root)?;
        let state = entry.state.as_ref()?;
        (state.slot() == wanted.slot).then(|| state.clone())
    }
}
