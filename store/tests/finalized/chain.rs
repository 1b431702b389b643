//! One made chain for all tests: minimal eras of 64 slots with full and empty boundary slots, and one
//! without any block.

use chain_maker::{BlockOptions, ChainMaker};
use consensus::{BeaconState, Pool, Root, Slot, Spec};
use ssz::Encode;
use std::sync::{Arc, LazyLock};
use store::finalized::{BlockId, FinalizedStore};
use store::{Disk, StoreError};

/// Slots of an era.
pub(crate) const ERA: u64 = 64;
/// The last era that is complete.
pub(crate) const ERAS: u64 = 6;
/// The last slot of the chain, in the era after.
pub(crate) const LAST: Slot = ERAS * ERA + 9;
/// The era without a block.
pub(crate) const EMPTY_ERA: u64 = 4;

/// A block of the chain.
pub(crate) struct Block {
    pub(crate) slot: Slot,
    pub(crate) root: Root,
    pub(crate) ssz: Vec<u8>,
}

/// The chain.
pub(crate) struct Chain {
    pub(crate) spec: Arc<Spec>,
    pub(crate) blocks: Vec<Block>,
    /// Boundary states by era.
    pub(crate) states: Vec<BeaconState>,
}

/// The chain.
pub(crate) static CHAIN: LazyLock<Chain> = LazyLock::new(make);

fn is_empty(slot: Slot) -> bool {
    let boundary = (126..=131).contains(&slot);
    let era = (EMPTY_ERA - 1) * ERA..EMPTY_ERA * ERA + 2;
    let sparse =
        (EMPTY_ERA * ERA..(EMPTY_ERA + 1) * ERA).contains(&slot) && !slot.is_multiple_of(13);
    boundary || era.contains(&slot) || sparse || slot == 40
}

fn make() -> Chain {
    let spec = Arc::new(Spec::minimal());
    let mut maker = ChainMaker::new(&spec, 16, 3, &Pool::new(1)).unwrap();
    let genesis = maker.genesis().clone();
    let mut chain = Chain {
        spec,
        blocks: Vec::new(),
        states: vec![genesis],
    };
    for slot in 1..=LAST {
        if !is_empty(slot) {
            let made = maker.block_at(slot, &BlockOptions::default()).unwrap();
            chain.blocks.push(Block {
                slot,
                root: made.root,
                ssz: made.block.as_ssz_bytes(),
            });
        }
        if slot.is_multiple_of(ERA) {
            let head = maker.head();
            let state = match is_empty(slot) {
                true => maker.state_at(head, slot).unwrap(),
                false => maker.post_state(head).unwrap().clone(),
            };
            chain.states.push(state);
        }
    }
    chain
}

impl Chain {
    /// The genesis block and all others.
    pub(crate) fn ids(&self) -> Vec<BlockId> {
        let genesis = consensus::genesis::genesis_block(&self.states[0]);
        let genesis = BlockId {
            slot: 0,
            root: consensus::HashTreeRoot::hash_tree_root(&genesis),
        };
        let others = self.blocks.iter().map(|block| BlockId {
            slot: block.slot,
            root: block.root,
        });
        [genesis].into_iter().chain(others).collect()
    }

    /// Appends what comes after the store's last block up to a slot, sealing what is complete and
    /// syncing every few blocks, and at the end.
    pub(crate) fn fill(&self, store: &mut FinalizedStore, to: Slot) -> Result<(), StoreError> {
        let last = store.last().slot;
        let next = self.blocks.partition_point(|block| block.slot <= last);
        for block in self.blocks[next..]
            .iter()
            .take_while(|block| block.slot <= to)
        {
            self.seal_before(store, block.slot)?;
            store.append(block.slot, block.root, &block.ssz)?;
            if block.slot % 5 == 0 {
                store.sync()?;
            }
        }
        self.seal_before(store, to)?;
        store.sync()
    }

    fn seal_before(&self, store: &mut FinalizedStore, slot: Slot) -> Result<(), StoreError> {
        while !store.era_slots().contains(&slot) {
            store.seal(&self.states[store.era() as usize])?;
        }
        Ok(())
    }

    /// A store of the chain up to a slot.
    pub(crate) fn store(&self, disk: &Arc<dyn Disk>, to: Slot) -> FinalizedStore {
        FinalizedStore::create(disk, &self.states[0]).unwrap();
        let mut store = self.open(disk).unwrap();
        self.fill(&mut store, to).unwrap();
        store
    }

    /// Opens a store.
    pub(crate) fn open(&self, disk: &Arc<dyn Disk>) -> Result<FinalizedStore, StoreError> {
        FinalizedStore::open(disk, &self.spec)
    }
}

/// Whether a file is a sidecar.
pub(crate) fn is_sidecar(path: &str) -> bool {
    path.strip_suffix(".idx").is_some()
}

/// Whether a file is a sealed segment.
pub(crate) fn is_era(path: &str) -> bool {
    path.strip_suffix(".era").is_some()
}
