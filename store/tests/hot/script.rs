//! The batches of a made chain: forks, empty slots and eras, a checkpoint that takes everybody by
//! surprise after 31 eras, blocks in two files.

use chain_maker::{BlockOptions, ChainMaker};
use consensus::{BeaconState, Checkpoint, HashTreeRoot, Pool, Root, SignedBeaconBlock, Slot, Spec};
use rows::{Batch, BlockRow, ChainRow, Finalize, HotBlock, StoredState, VoteDump};
use ssz::Encode;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock};
use store::{Opened, Settings};

/// Slots of an epoch.
const EPOCH: u64 = 8;
/// Slots of an era.
pub(crate) const ERA: u64 = 64;
/// After these slots the chain sleeps.
pub(crate) const SLEEP: Slot = 92;
/// Here it wakes up.
pub(crate) const WAKE: Slot = 2045;
/// The last slot.
pub(crate) const LAST: Slot = 2080;

/// The chain and its batches, the first of which is number 1.
pub(crate) struct Script {
    pub(crate) spec: Arc<Spec>,
    pub(crate) genesis: BeaconState,
    pub(crate) genesis_root: Root,
    pub(crate) batches: Vec<Batch>,
    /// SSZ of all blocks but the genesis.
    pub(crate) ssz: BTreeMap<Root, (Slot, Vec<u8>)>,
    /// Roots of the states at boundaries.
    pub(crate) boundaries: BTreeMap<Slot, Root>,
}

/// The chain and its batches.
pub(crate) static SCRIPT: LazyLock<Script> = LazyLock::new(|| make(Spec::minimal()));

/// Everything is kept.
pub(crate) const KEEP: Settings = Settings {
    retention: store::Retention::Archive,
    max_finalized_bytes: None,
};

/// Slots without a canonical block. At 80 an epoch begins, and a side block descends from the block
/// of its checkpoint without being the checkpoint's.
fn is_empty(slot: Slot) -> bool {
    slot == 30 || slot == 80 || slot == 2048 || (SLEEP + 1..WAKE).contains(&slot)
}

struct Maker {
    maker: ChainMaker,
    script: Script,
    /// Blocks not finalized, in order; side blocks are not canonical.
    hot: Vec<(Slot, Root, bool)>,
    finalized: Checkpoint,
    boundary_states: Vec<BeaconState>,
}

/// Makes them.
pub(crate) fn make(spec: Spec) -> Script {
    let spec = Arc::new(spec);
    let maker = ChainMaker::new(&spec, 16, 3, &Pool::new(1)).unwrap();
    let script = Script {
        spec,
        genesis: maker.genesis().clone(),
        genesis_root: maker.genesis_root(),
        batches: Vec::new(),
        ssz: BTreeMap::new(),
        boundaries: BTreeMap::new(),
    };
    let mut it = Maker {
        finalized: Checkpoint {
            epoch: 0,
            root: script.genesis_root,
        },
        maker,
        script,
        hot: Vec::new(),
        boundary_states: Vec::new(),
    };
    for slot in 1..=LAST {
        it.slot(slot);
    }
    it.script
}

impl Maker {
    fn slot(&mut self, slot: Slot) {
        let mut batch = Batch {
            seq: self.script.batches.len() as u64 + 1,
            durable: slot.is_multiple_of(2),
            ..Batch::default()
        };
        let parent = self.maker.head();
        let mut options = BlockOptions {
            without_attestations: true,
            ..BlockOptions::default()
        };
        if !is_empty(slot) {
            let made = self.maker.block_at(slot, &options).unwrap();
            batch.blocks.push(self.add(&made.block, true));
        }
        if slot.is_multiple_of(10) && !(SLEEP..WAKE).contains(&slot) {
            options.graffiti = Root::with_last_byte(7);
            let made = self.maker.block_on(parent, slot, &options).unwrap();
            batch.blocks.push(self.add(&made.block, false));
        }
        if slot.is_multiple_of(ERA) {
            self.boundary(slot);
        }
        if (SLEEP + 1..WAKE).contains(&slot) {
            return;
        }
        if slot.is_multiple_of(EPOCH) && slot >= 2 * EPOCH {
            batch.votes = Some(votes(slot, self.maker.head()));
            batch.finalize = Some(self.finalize(slot / EPOCH - 1));
        }
        if slot.is_multiple_of(6) {
            batch.states = batch.blocks.iter().map(|it| self.state_of(it)).collect();
        }
        batch.chain = Some(ChainRow {
            head: self.maker.head(),
            justified: self.finalized,
            finalized: self.finalized,
            unrealized_justified: self.finalized,
            unrealized_finalized: self.finalized,
        });
        self.script.batches.push(batch);
    }

    fn add(&mut self, block: &SignedBeaconBlock, canonical: bool) -> HotBlock {
        let (slot, root) = (block.message.slot, block.message.hash_tree_root());
        self.hot.push((slot, root, canonical));
        self.script.ssz.insert(root, (slot, block.as_ssz_bytes()));
        let row = BlockRow {
            slot,
            root,
            parent_root: block.message.parent_root,
            state_root: block.message.state_root,
            target_root: root,
            justified: self.finalized,
            finalized: self.finalized,
            unrealized_justified: self.finalized,
            unrealized_finalized: self.finalized,
            validator_count: 16,
            timely: canonical,
        };
        HotBlock {
            row,
            block: Arc::new(block.clone()),
        }
    }

    fn state_of(&self, block: &HotBlock) -> StoredState {
        StoredState {
            block_root: block.row.root,
            state: self.maker.post_state(block.row.root).unwrap().clone(),
        }
    }

    fn boundary(&mut self, slot: Slot) {
        let head = self.maker.head();
        let state = match is_empty(slot) {
            true => self.maker.state_at(head, slot).unwrap(),
            false => self.maker.post_state(head).unwrap().clone(),
        };
        let boundaries = &mut self.script.boundaries;
        boundaries.insert(slot, state.hash_tree_root());
        self.boundary_states.push(state);
    }

    fn finalize(&mut self, epoch: u64) -> Finalize {
        let start = epoch * EPOCH;
        let (old, kept): (Vec<_>, Vec<_>) =
            self.hot.drain(..).partition(|(slot, ..)| *slot <= start);
        self.hot = kept;
        let with = |canonical| {
            let of = old.iter().filter(move |it| it.2 == canonical);
            of.map(|it| it.1).collect::<Vec<Root>>()
        };
        let (blocks, pruned) = (with(true), with(false));
        let root = blocks.last().copied().unwrap_or(self.finalized.root);
        self.finalized = Checkpoint { epoch, root };
        let states = std::mem::take(&mut self.boundary_states);
        let (final_, rest) = states.into_iter().partition(|state| state.slot() <= start);
        self.boundary_states = rest;
        Finalize {
            checkpoint: self.finalized,
            blocks,
            boundary_states: final_,
            pruned,
        }
    }
}

fn votes(slot: Slot, head: Root) -> VoteDump {
    VoteDump {
        slot,
        latest: (0..16)
            .map(|i| (i != 3).then_some((slot / 8, head)))
            .collect(),
        equivocating: vec![2, slot],
    }
}

/// What a store must hold after some batches.
#[derive(Default)]
pub(crate) struct Model {
    pub(crate) hot: BTreeSet<Root>,
    /// Of all blocks, whatever became of them.
    rows: BTreeMap<Root, BlockRow>,
    pub(crate) canonical: Vec<Root>,
    pub(crate) finalized: Checkpoint,
    chain: Option<ChainRow>,
    votes: Option<VoteDump>,
}

impl Script {
    /// What a store must hold after batch `seq`.
    pub(crate) fn model(&self, seq: u64) -> Model {
        let mut model = Model {
            canonical: vec![self.genesis_root],
            finalized: Checkpoint {
                epoch: 0,
                root: self.genesis_root,
            },
            ..Model::default()
        };
        for batch in &self.batches[..seq as usize] {
            model.hot.extend(batch.blocks.iter().map(|it| it.row.root));
            let rows = batch.blocks.iter().map(|it| (it.row.root, it.row));
            model.rows.extend(rows);
            model.chain = batch.chain.or(model.chain);
            model.votes = batch.votes.clone().or(model.votes);
            if let Some(finalize) = &batch.finalize {
                model.canonical.extend(&finalize.blocks);
                model.finalized = finalize.checkpoint;
                for root in finalize.blocks.iter().chain(&finalize.pruned) {
                    assert!(model.hot.remove(root));
                }
            }
        }
        model
    }

    /// Compares an open store with what it must hold after its last batch.
    pub(crate) fn check(&self, opened: &Opened) {
        let recovered = &opened.recovered;
        let model = self.model(recovered.last_seq);
        assert_eq!(recovered.split.checkpoint, model.finalized);
        assert_eq!(recovered.chain, model.chain);
        assert_eq!(recovered.votes, model.votes);
        let hot: BTreeSet<Root> = recovered.hot_blocks.iter().map(|it| it.root).collect();
        assert_eq!(hot, model.hot);
        let mut known = BTreeSet::from([model.finalized.root]);
        for row in &recovered.hot_blocks {
            assert!(known.contains(&row.parent_root), "parents come first");
            known.insert(row.root);
            assert_eq!(*row, model.rows[&row.root]);
        }
        let place = |row: &BlockRow| (row.slot, row.root);
        assert!(recovered.hot_blocks.is_sorted_by_key(place));
        for state in &recovered.hot_states {
            assert!(hot.contains(&state.root));
        }
        self.check_base(opened, &model);
        self.check_reads(opened, &model);
    }

    fn check_base(&self, opened: &Opened, model: &Model) {
        let base = &opened.recovered.base;
        let at = model.canonical.iter().position(|it| *it == base.block_root);
        let after = &model.canonical[at.unwrap() + 1..];
        let blocks = opened.recovered.finalized_blocks.iter();
        let roots: Vec<Root> = blocks.map(|it| it.root).collect();
        assert_eq!(roots, after);
        if let Some(next) = after.first() {
            assert!(base.state.slot() <= self.ssz[next].0);
        }
        for id in &opened.recovered.finalized_blocks {
            assert_eq!(id.slot, self.ssz[&id.root].0);
        }
    }

    fn check_reads(&self, opened: &Opened, model: &Model) {
        let reader = &opened.reader;
        for root in model.canonical.iter().chain(&model.hot) {
            let block = reader.block(*root).unwrap().unwrap();
            assert_eq!(block.root, *root);
            if let Some((slot, ssz)) = self.ssz.get(root) {
                assert_eq!((block.slot, &block.ssz), (*slot, ssz));
            } else {
                assert_eq!((block.slot, *root), (0, self.genesis_root));
            }
        }
        for root in &model.canonical {
            let slot = self.ssz.get(root).map_or(0, |it| it.0);
            assert_eq!(reader.finalized_root(slot).unwrap(), Some(*root));
            let block = reader.finalized_block(slot).unwrap().unwrap();
            assert_eq!(block.root, *root);
        }
        let ids = reader.finalized_ids(0..LAST + 1).unwrap();
        let roots: Vec<Root> = ids.iter().map(|id| id.root).collect();
        assert_eq!(roots, model.canonical);
        for (root, (slot, _)) in &self.ssz {
            if !model.hot.contains(root) && !model.canonical.contains(root) {
                assert_eq!(reader.block(*root).unwrap(), None, "slot {slot}");
            }
        }
        assert_eq!(reader.block(Root::repeat_byte(9)).unwrap(), None);
    }
}
