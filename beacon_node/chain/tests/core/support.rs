//! A core with a store of maps: what the core commits can be handed back to a new core.

use chain::{
    BatchResult, Chain, Config, Effect, Event, History, Input, Job, Milliseconds, Toolbox,
};
use chain_maker::{BlockOptions, ChainMaker};
use consensus::bls::aggregate;
use consensus::*;
use rows::*;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex};

/// What a store would hold, folded from batches.
#[derive(Clone, Debug)]
pub(crate) struct Model {
    pub(crate) anchor: Anchor,
    pub(crate) split: Split,
    /// Finalized blocks by slot.
    pub(crate) finalized: BTreeMap<Slot, (Root, Option<Arc<SignedBeaconBlock>>)>,
    pub(crate) hot: Vec<HotBlock>,
    pub(crate) states: BTreeMap<Root, BeaconState>,
    pub(crate) boundaries: Vec<BeaconState>,
    pub(crate) chain: Option<ChainRow>,
    pub(crate) votes: Option<VoteDump>,
    pub(crate) last_seq: u64,
    pub(crate) durable_seq: u64,
    /// Blocks that were read, in order.
    pub(crate) read: Vec<Root>,
    /// Blocks that cannot be read, and what is said of them; of those that are not there, nothing.
    pub(crate) lost: BTreeMap<Root, Option<String>>,
}

impl Model {
    pub(crate) fn new(genesis: &BeaconState) -> Model {
        let block = genesis::genesis_block(genesis);
        let root = block.hash_tree_root();
        Model {
            anchor: Anchor {
                slot: 0,
                root,
                oldest_block_slot: 0,
                oldest_state_slot: 0,
            },
            split: Split {
                checkpoint: Checkpoint { epoch: 0, root },
                slot: 0,
                state_root: block.state_root,
            },
            finalized: BTreeMap::from([(0, (root, None))]),
            hot: Vec::new(),
            states: BTreeMap::from([(root, genesis.clone())]),
            boundaries: vec![genesis.clone()],
            chain: None,
            votes: None,
            last_seq: 0,
            durable_seq: 0,
            read: Vec::new(),
            lost: BTreeMap::new(),
        }
    }

    /// Takes a batch, checking what the core promises of it.
    pub(crate) fn commit(&mut self, batch: Batch) {
        assert_eq!(batch.seq, self.last_seq + 1, "batches count without gaps");
        self.last_seq = batch.seq;
        if batch.durable {
            self.durable_seq = batch.seq;
        }
        for hot in batch.blocks {
            let parent = hot.row.parent_root;
            let known = parent == self.split.checkpoint.root
                || self.hot.iter().any(|hot| hot.row.root == parent);
            assert!(known, "parents are committed first");
            assert_eq!(hot.block.message.hash_tree_root(), hot.row.root);
            self.hot.push(hot);
        }
        self.chain = batch.chain.or(self.chain);
        self.votes = batch.votes.or(self.votes.take());
        for stored in batch.states {
            self.states.insert(stored.block_root, stored.state);
        }
        if let Some(finalize) = batch.finalize {
            assert!(batch.durable, "finality is durable");
            self.finalize(finalize);
        }
    }

    fn finalize(&mut self, finalize: Finalize) {
        let mut parent = self.split.checkpoint.root;
        for root in &finalize.blocks {
            let at = self.hot.iter().position(|hot| hot.row.root == *root);
            let hot = self.hot.remove(at.expect("a hot block is finalized"));
            assert_eq!(hot.row.parent_root, parent);
            parent = *root;
            self.split.slot = hot.row.slot;
            self.split.state_root = hot.row.state_root;
            self.finalized
                .insert(hot.row.slot, (*root, Some(hot.block)));
        }
        assert_eq!(parent, finalize.checkpoint.root);
        self.split.checkpoint = finalize.checkpoint;
        let pruned: BTreeSet<Root> = finalize.pruned.into_iter().collect();
        self.hot.retain(|hot| !pruned.contains(&hot.row.root));
        self.states.retain(|root, state| {
            let slot = state.latest_block_header().slot;
            let is_final = self.finalized.get(&slot).is_some_and(|it| it.0 == *root);
            is_final || self.hot.iter().any(|hot| hot.row.root == *root)
        });
        assert!(finalize.boundary_states.len() <= 1, "one era in a step");
        for state in finalize.boundary_states {
            let era = state.spec().SLOTS_PER_HISTORICAL_ROOT;
            assert_eq!(state.slot(), self.boundaries.len() as u64 * era);
            let header = state.latest_block_header();
            let (root, _) = self.finalized[&header.slot];
            if header.slot == state.slot() {
                self.states.insert(root, state.clone());
            } else {
                // The state at a boundary is that of the last block before it.
                assert_eq!(header.hash_tree_root(), root);
                assert_eq!(
                    self.finalized.range(..=state.slot()).next_back().unwrap().0,
                    &header.slot
                );
            }
            self.boundaries.push(state);
        }
    }

    pub(crate) fn recovered(&self) -> Recovered {
        let is_final =
            |root: &Root, slot: Slot| self.finalized.get(&slot).is_some_and(|it| it.0 == *root);
        let slot = |state: &BeaconState| state.latest_block_header().slot;
        let finalized_states = self.states.iter().filter(|(r, s)| is_final(r, slot(s)));
        let base = finalized_states
            .max_by_key(|(_, state)| state.slot())
            .unwrap();
        let after = self.finalized.range(slot(base.1) + 1..);
        let hot_states = self.states.iter().filter(|(r, s)| !is_final(r, slot(s)));
        Recovered {
            anchor: self.anchor,
            split: self.split,
            base: StoredState {
                block_root: *base.0,
                state: base.1.clone(),
            },
            finalized_blocks: after
                .map(|(slot, (root, _))| BlockId {
                    slot: *slot,
                    root: *root,
                })
                .collect(),
            hot_states: hot_states
                .filter(|(_, state)| state.slot() == slot(state))
                .map(|(root, state)| BlockId {
                    slot: state.slot(),
                    root: *root,
                })
                .collect(),
            hot_blocks: self.hot.iter().map(|hot| hot.row).collect(),
            chain: self.chain,
            votes: self.votes.clone(),
            last_seq: self.last_seq,
        }
    }
}

/// Reads the model.
struct ModelHistory(Arc<Mutex<Model>>);

impl History for ModelHistory {
    fn block(&self, root: Root) -> Result<Option<Arc<SignedBeaconBlock>>, String> {
        let mut model = self.0.lock().unwrap();
        model.read.push(root);
        match model.lost.get(&root) {
            Some(Some(error)) => return Err(error.clone()),
            Some(None) => return Ok(None),
            None => {}
        }
        let hot = model.hot.iter().find(|hot| hot.row.root == root);
        let finalized = model.finalized.values().find(|it| it.0 == root);
        Ok(hot
            .map(|hot| hot.block.clone())
            .or_else(|| finalized.and_then(|it| it.1.clone())))
    }

    fn state(&self, root: Root) -> Result<Option<BeaconState>, String> {
        Ok(self.0.lock().unwrap().states.get(&root).cloned())
    }
}

/// A core, the jobs it waits for, and its store.
pub(crate) struct Node {
    pub(crate) chain: Chain,
    pub(crate) model: Arc<Mutex<Model>>,
    pub(crate) tools: Toolbox,
    pub(crate) config: Config,
    pub(crate) jobs: VecDeque<Job>,
    /// Batches that the writer has not committed.
    pub(crate) commits: VecDeque<Batch>,
    /// All effects but jobs, commits and snapshots.
    pub(crate) effects: Vec<Effect>,
    pub(crate) now: Milliseconds,
}

pub(crate) fn config() -> Config {
    Config {
        hot_state_bytes: 1 << 30,
        max_uncommitted: 16,
        state_interval_epochs: 2,
    }
}

/// [`config`] with room for a few states only: most are made again.
pub(crate) fn frugal() -> Config {
    Config {
        hot_state_bytes: 1 << 20,
        ..config()
    }
}

pub(crate) fn tools(model: &Arc<Mutex<Model>>) -> Toolbox {
    Toolbox {
        pool: Pool::new(1),
        verifier: Arc::new(Bls::new(Pool::new(1), [7; 32])),
        aggregate,
        stopwatch: || 0,
        history: Arc::new(ModelHistory(model.clone())),
    }
}

impl Node {
    /// On an empty store, at genesis.
    pub(crate) fn new(genesis: &BeaconState, config: Config) -> Node {
        let model = Arc::new(Mutex::new(Model::new(genesis)));
        Node::start(model, config, genesis.genesis_time() * 1_000)
    }

    pub(crate) fn start(model: Arc<Mutex<Model>>, config: Config, now: Milliseconds) -> Node {
        let tools = tools(&model);
        let recovered = model.lock().unwrap().recovered();
        let (chain, effects) = Chain::start(config.clone(), recovered, &tools, now).unwrap();
        assert!(matches!(effects.first(), Some(Effect::Publish(_))));
        let mut node = Node {
            chain,
            model,
            tools,
            config,
            jobs: VecDeque::new(),
            commits: VecDeque::new(),
            effects: Vec::new(),
            now,
        };
        node.take(effects);
        node.run();
        node
    }

    /// The same node after a stop; what was not committed is lost.
    pub(crate) fn restarted(&self) -> Node {
        let mut model = self.model.lock().unwrap().clone();
        model.read.clear();
        let model = Arc::new(Mutex::new(model));
        Node::start(model, self.config.clone(), self.now)
    }

    fn take(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Run(job) => self.jobs.push_back(job),
                Effect::Commit(batch) => self.commits.push_back(batch),
                Effect::Publish(_) => {}
                other => self.effects.push(other),
            }
        }
    }

    pub(crate) fn apply(&mut self, input: Input) {
        let mut effects = Vec::new();
        self.chain.apply(input, &mut effects);
        self.take(effects);
    }

    /// Runs the first waiting job.
    pub(crate) fn run_one(&mut self, at: usize) -> bool {
        let Some(job) = self.jobs.remove(at) else {
            return false;
        };
        let outcome = job.run(&self.tools);
        self.apply(Input::Done(outcome));
        true
    }

    /// Commits everything that waits.
    pub(crate) fn commit(&mut self) {
        while self.commit_one() {}
    }

    /// Commits the batch that has waited longest.
    pub(crate) fn commit_one(&mut self) -> bool {
        let Some(batch) = self.commits.pop_front() else {
            return false;
        };
        let seq = batch.seq;
        self.model.lock().unwrap().commit(batch);
        self.apply(Input::Committed(seq));
        true
    }

    /// Runs and commits until nothing is left.
    pub(crate) fn run(&mut self) {
        while self.run_one(0) || !self.commits.is_empty() {
            self.commit();
        }
    }

    pub(crate) fn tick_to(&mut self, slot: Slot, after_ms: u64) {
        let snapshot = self.chain.snapshot().clone();
        self.now = snapshot.genesis_time * 1_000 + slot * snapshot.spec.SLOT_DURATION_MS + after_ms;
        self.apply(Input::Tick(self.now));
        self.run();
    }

    /// Hands in a batch and runs it to its end.
    pub(crate) fn batch(&mut self, blocks: &[Arc<SignedBeaconBlock>]) -> BatchResult {
        self.apply(Input::Batch(77, blocks.to_vec()));
        self.run();
        let at = self
            .effects
            .iter()
            .position(|effect| matches!(effect, Effect::BatchDone(77, _)));
        match at.map(|at| self.effects.remove(at)) {
            Some(Effect::BatchDone(_, result)) => result,
            _ => panic!("the batch is not answered"),
        }
    }

    pub(crate) fn events(&self) -> Vec<Event> {
        let events = self.effects.iter();
        events
            .filter_map(|effect| match effect {
                Effect::Event(event) => Some(event.clone()),
                _ => None,
            })
            .collect()
    }
}

pub(crate) fn maker() -> ChainMaker {
    ChainMaker::new(&Arc::new(Spec::minimal()), 64, 1, &Pool::new(1)).unwrap()
}

/// Blocks of these slots on the maker's head.
pub(crate) fn chain_of(
    maker: &mut ChainMaker,
    slots: impl Iterator<Item = Slot>,
) -> Vec<Arc<SignedBeaconBlock>> {
    let made = slots.map(|slot| maker.block_at(slot, &BlockOptions::default()));
    made.map(|made| Arc::new(made.unwrap().block)).collect()
}
