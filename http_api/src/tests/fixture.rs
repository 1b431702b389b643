//! A made chain of 64 validators over nine epochs of the minimal preset: finalized for the most
//! part, with empty slots, two of them at the start of an epoch, and with a side branch at the head.

use crate::api::Api;
use crate::context::{Archive, Calls, Context};
use crate::limits::Limits;
use api_types::NetworkIdentity;
use arc_swap::ArcSwap;
use chain::{ApiCall, ApiError, ApiReply, Figures, HeadInfo, HotEntry, SharedMap, Snapshot};
use chain_maker::{BlockOptions, ChainMaker};
use consensus::genesis::genesis_block;
use consensus::helpers::compute_start_slot_at_epoch;
use consensus::*;
use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use rows::BlockRow;
use ssz::Encode;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender};
use std::sync::{Arc, LazyLock};
use store::{StoreError, StoredBlock};
use tokio::sync::{broadcast, watch};

/// The head's slot.
pub(super) const HEAD: Slot = 70;
/// Slots without a block. The first is the start of a finalized epoch, the last that of the
/// justified one.
pub(super) const EMPTY: [Slot; 4] = [16, 29, 30, 56];
/// The slot of the side branch's only block, beside a canonical one.
pub(super) const SIDE: Slot = 69;

/// A chain that was made once for all tests.
pub(super) struct Made {
    pub(super) spec: Arc<Spec>,
    pub(super) genesis_root: Root,
    /// All blocks with their post-states, by root.
    pub(super) blocks: BTreeMap<Root, (Arc<SignedBeaconBlock>, BeaconState)>,
    /// The canonical ones, by slot.
    pub(super) canonical: BTreeMap<Slot, Root>,
    pub(super) side: Root,
}

pub(super) static MADE: LazyLock<Made> = LazyLock::new(make);

fn make() -> Made {
    let spec = Arc::new(Spec::minimal());
    let mut maker = ChainMaker::new(&spec, 64, 11, &Pool::default()).expect("a chain");
    let genesis = SignedBeaconBlock {
        message: genesis_block(maker.genesis()),
        signature: BLSSignature::ZERO,
    };
    let genesis_root = maker.genesis_root();
    let mut blocks = BTreeMap::new();
    blocks.insert(genesis_root, (Arc::new(genesis), maker.genesis().clone()));
    let mut canonical = BTreeMap::from([(GENESIS_SLOT, genesis_root)]);
    let mut side = Root::ZERO;
    let mut keep = |maker: &ChainMaker, made: chain_maker::Made| {
        let state = maker.post_state(made.root).expect("the made block").clone();
        blocks.insert(made.root, (Arc::new(made.block), state));
        made.root
    };
    for slot in (1..=HEAD).filter(|slot| !EMPTY.contains(slot)) {
        if slot == SIDE {
            let options = BlockOptions {
                graffiti: Root::repeat_byte(0x51),
                ..BlockOptions::default()
            };
            let made = maker
                .block_on(maker.head(), slot, &options)
                .expect("a block");
            side = keep(&maker, made);
        }
        let made = maker
            .block_at(slot, &BlockOptions::default())
            .expect("a block");
        canonical.insert(slot, keep(&maker, made));
    }
    Made {
        spec,
        genesis_root,
        blocks,
        canonical,
        side,
    }
}

impl Made {
    pub(super) fn state(&self, slot: Slot) -> &BeaconState {
        &self.blocks[&self.canonical[&slot]].1
    }

    pub(super) fn block(&self, slot: Slot) -> &Arc<SignedBeaconBlock> {
        &self.blocks[&self.canonical[&slot]].0
    }

    pub(super) fn finalized(&self) -> Checkpoint {
        self.state(HEAD).finalized_checkpoint()
    }

    /// First slot of the finalized epoch.
    pub(super) fn finalized_slot(&self) -> Slot {
        let epoch = self.finalized().epoch;
        compute_start_slot_at_epoch(epoch, &self.spec).expect("a slot")
    }

    fn row(&self, root: Root) -> BlockRow {
        let (block, state) = &self.blocks[&root];
        BlockRow {
            slot: block.message.slot,
            root,
            parent_root: block.message.parent_root,
            state_root: block.message.state_root,
            target_root: root,
            justified: state.current_justified_checkpoint(),
            finalized: state.finalized_checkpoint(),
            unrealized_justified: state.current_justified_checkpoint(),
            unrealized_finalized: state.finalized_checkpoint(),
            validator_count: state.validators().len() as u64,
            timely: true,
        }
    }

    /// What the core would publish at the head, with every third state and block out of memory.
    pub(super) fn snapshot(&self) -> Snapshot {
        let finalized = self.finalized();
        let first = self.blocks[&finalized.root].0.message.slot;
        let hot = self.blocks.iter();
        let hot = hot.filter(|(_, (block, _))| block.message.slot >= first);
        let blocks = hot.map(|(root, (block, state))| {
            let row = self.row(*root);
            let dropped = row.slot.is_multiple_of(3);
            let entry = HotEntry {
                block: (!dropped).then(|| block.clone()),
                state: (!dropped).then(|| state.clone()),
                row,
            };
            (*root, Arc::new(entry))
        });
        let blocks: SharedMap<Root, Arc<HotEntry>> = blocks.collect();
        let mut weights: Vec<(Root, Gwei)> = blocks
            .values()
            .map(|entry| (entry.row.root, 32_000_000_000 * entry.row.slot))
            .collect();
        weights.sort_by_key(|(_, weight)| *weight);
        let canonical = self.canonical.range(first..);
        let (head, state) = (self.canonical[&HEAD], self.state(HEAD));
        Snapshot {
            spec: self.spec.clone(),
            genesis_time: state.genesis_time(),
            genesis_validators_root: state.genesis_validators_root(),
            genesis_block_root: self.genesis_root,
            current_slot: HEAD + 1,
            head: HeadInfo {
                slot: HEAD,
                root: head,
                state_root: self.block(HEAD).message.state_root,
                state: state.clone(),
                duties_state: state.clone(),
            },
            justified: state.current_justified_checkpoint(),
            finalized,
            unrealized_justified: state.current_justified_checkpoint(),
            unrealized_finalized: finalized,
            proposer_boost_root: head,
            blocks,
            canonical: canonical.map(|(slot, root)| (*slot, *root)).collect(),
            weights: weights.into(),
            tips: Arc::new(BTreeSet::from([head, self.side])),
            figures: Figures::default(),
        }
    }
}

/// The made chain as a store would hold it: all blocks, and the states of these slots.
pub(super) struct MadeArchive {
    pub(super) states: BTreeSet<Slot>,
    pub(super) oldest_block_slot: Slot,
    pub(super) oldest_state_slot: Slot,
    /// The block that cannot be read.
    pub(super) damaged: Option<Slot>,
    /// How often a state was read.
    pub(super) states_read: Arc<AtomicU64>,
    /// How often a finalized block was read by its slot.
    pub(super) blocks_read: Arc<AtomicU64>,
    /// Says when a finalized block is read by its slot, and waits to be told to go on, or for the
    /// other end to be gone.
    pub(super) hold: Option<Mutex<(SyncSender<()>, Receiver<()>)>>,
}

impl Default for MadeArchive {
    fn default() -> Self {
        MadeArchive {
            states: BTreeSet::from([0, 24]),
            oldest_block_slot: 0,
            oldest_state_slot: 0,
            damaged: None,
            states_read: Arc::default(),
            blocks_read: Arc::default(),
            hold: None,
        }
    }
}

impl Archive for MadeArchive {
    fn oldest_block_slot(&self) -> Slot {
        self.oldest_block_slot
    }

    fn oldest_state_slot(&self) -> Slot {
        self.oldest_state_slot
    }

    fn block(&self, root: Root) -> Result<Option<StoredBlock>, StoreError> {
        let Some((block, _)) = MADE.blocks.get(&root) else {
            return Ok(None);
        };
        let slot = block.message.slot;
        if self.damaged == Some(slot) {
            return Err(StoreError::Damaged {
                path: "blocks".into(),
                what: "a flipped bit".into(),
            });
        }
        let kept = slot == GENESIS_SLOT || slot >= self.oldest_block_slot;
        Ok(kept.then(|| StoredBlock {
            slot,
            root,
            ssz: block.as_ssz_bytes(),
        }))
    }

    fn finalized_block(&self, slot: Slot) -> Result<Option<StoredBlock>, StoreError> {
        self.blocks_read.fetch_add(1, Ordering::Relaxed);
        if let Some(hold) = &self.hold {
            let (reading, go_on) = &*hold.lock();
            let _ = reading.send(());
            let _ = go_on.recv();
        }
        match self.finalized_root(slot)? {
            Some(root) => self.block(root),
            None => Ok(None),
        }
    }

    fn finalized_root(&self, slot: Slot) -> Result<Option<Root>, StoreError> {
        let kept = (self.oldest_block_slot..=MADE.finalized_slot()).contains(&slot);
        Ok(MADE.canonical.get(&slot).copied().filter(|_| kept))
    }

    fn state(&self, block_root: Root) -> Result<Option<BeaconState>, StoreError> {
        let state = MADE.blocks.get(&block_root).map(|(_, state)| state);
        Ok(state
            .filter(|state| self.states.contains(&state.slot()))
            .cloned())
    }

    fn nearest_state(&self, slot: Slot) -> Result<Option<BeaconState>, StoreError> {
        self.states_read.fetch_add(1, Ordering::Relaxed);
        let last = self
            .states
            .range(..=slot.min(MADE.finalized_slot()))
            .next_back();
        Ok(last.map(|slot| MADE.state(*slot).clone()))
    }
}

/// A core that answers what it is told to.
pub(super) struct MadeCalls {
    pub(super) answer: Mutex<Result<ApiReply, ApiError>>,
    pub(super) calls: Mutex<Vec<ApiCall>>,
}

impl Calls for MadeCalls {
    fn call(&self, call: ApiCall) -> BoxFuture<'static, Result<ApiReply, ApiError>> {
        self.calls.lock().push(call);
        let answer = self.answer.lock().clone();
        Box::pin(async move { answer })
    }
}

/// An API over the made chain with its parts at hand.
pub(super) struct Fixture {
    pub(super) api: Arc<Api>,
    pub(super) context: Context,
    pub(super) calls: Arc<MadeCalls>,
    _close: watch::Sender<bool>,
}

impl Fixture {
    pub(super) fn new() -> Fixture {
        Fixture::with(MadeArchive::default(), Limits::default())
    }

    pub(super) fn with(archive: MadeArchive, limits: Limits) -> Fixture {
        let calls = Arc::new(MadeCalls {
            answer: Mutex::new(Ok(ApiReply::Accepted)),
            calls: Mutex::default(),
        });
        let context = Context {
            snapshots: Arc::new(ArcSwap::from_pointee(MADE.snapshot())),
            archive: Arc::new(archive),
            events: broadcast::channel(64).0,
            calls: calls.clone(),
            verifier: Arc::new(Bls::new(Pool::default(), [7; 32])),
            identity: Arc::new(ArcSwap::from_pointee(NetworkIdentity::offline())),
            version: "Fresnel/v0.1.0/test".into(),
            sync_tolerance: 8,
        };
        let (close, closing) = watch::channel(false);
        Fixture {
            api: Arc::new(Api::new(context.clone(), limits, closing)),
            context,
            calls,
            _close: close,
        }
    }

    /// Publishes a snapshot with changes.
    pub(super) fn publish(&self, change: impl FnOnce(&mut Snapshot)) {
        let mut snapshot = MADE.snapshot();
        change(&mut snapshot);
        self.context.snapshots.store(Arc::new(snapshot));
    }
}
