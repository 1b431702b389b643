//! [`Job`]: heavy work that the core hands out, and [`Outcome`]: what came of it.

use crate::import::{self, Blocks, Imported};
use crate::messages::{MessageJob, MessageOutcome};
use crate::production::{BlockRequest, Ingredients, produce_block};
use crate::state_source::{Advanced, Failure, StateSource};
use consensus::bls::BlsError;
use consensus::helpers::{compute_start_slot_at_epoch, get_beacon_proposer_index};
use consensus::*;
use std::sync::Arc;

/// Which jobs wait for which.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Needed for following the chain.
    Import,
    /// Never holds the last thread.
    Background,
}

/// Work to be run on a worker.
#[derive(Clone, Debug)]
pub struct Job {
    /// Which queue it waits in.
    pub class: Class,
    /// Its number: comes back with the outcome.
    pub(crate) id: u64,
    pub(crate) work: Work,
}

/// The kinds of work.
#[derive(Clone, Debug)]
pub(crate) enum Work {
    /// Whether the right proposer signed a block.
    Proposer {
        parent: StateSource,
        block: Arc<SignedBeaconBlock>,
    },
    /// The transitions of blocks, each the parent of the next.
    Blocks(Box<Blocks>),
    /// A state at the start of an epoch, with what its duties need computed.
    Advance {
        source: StateSource,
        checkpoint: Checkpoint,
    },
    /// The post-state of a block.
    Regenerate(StateSource),
    /// Work of the messages.
    Messages(MessageJob),
    /// Whether signatures hold, each group by itself.
    Verify(Vec<Vec<SignatureSet>>),
    /// A block of one of this node's validators.
    Produce(Box<Composition>),
}

/// What a block is composed of.
#[derive(Clone, Debug)]
pub(crate) struct Composition {
    pub(crate) source: StateSource,
    pub(crate) slot: Slot,
    pub(crate) ingredients: Ingredients,
    pub(crate) request: BlockRequest,
}

/// What a worker has at hand.
#[derive(Clone)]
pub struct Toolbox {
    /// Threads for data-parallel work.
    pub pool: Pool,
    /// The signature scheme.
    pub verifier: Arc<dyn Verifier>,
    /// Adds up signatures, in the same scheme.
    pub aggregate: fn(&[BLSSignature]) -> Result<BLSSignature, BlsError>,
    /// Nanoseconds since some moment, for measuring; 0 where time is simulated.
    pub stopwatch: fn() -> u64,
    /// Blocks and states that are no longer in memory.
    pub history: Arc<dyn History>,
}

/// Blocks and states in the store.
pub trait History: Send + Sync {
    /// A block that is not in memory any more.
    fn block(&self, root: Root) -> Result<Option<Arc<SignedBeaconBlock>>, String>;
    /// A stored state after this very block.
    fn state(&self, block_root: Root) -> Result<Option<BeaconState>, String>;
}

/// How long the stages of a job took, nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timings {
    /// Blocks that went through all stages.
    pub blocks: u64,
    /// Finding the parent's state and advancing it over empty slots to the last epoch's start.
    pub advance: u64,
    /// The transition without its signatures.
    pub transition: u64,
    /// Verifying signatures.
    pub signatures: u64,
    /// The post-state's root.
    pub root: u64,
}

impl Timings {
    /// Adds the times of another block or job.
    pub fn add(&mut self, other: &Timings) {
        self.blocks += other.blocks;
        self.advance += other.advance;
        self.transition += other.transition;
        self.signatures += other.signatures;
        self.root += other.root;
    }
}

/// What a job found.
#[derive(Clone, Debug)]
pub struct Outcome {
    pub(crate) id: u64,
    pub(crate) found: Box<Found>,
    timings: Timings,
}

/// What each kind of work finds.
#[derive(Clone, Debug)]
pub(crate) enum Found {
    /// The parent's state at the block's slot.
    Proposer(Result<Box<Advanced>, Failure>),
    /// The blocks that are good, and what is wrong with the next one.
    Blocks {
        imported: Vec<Imported>,
        stopped: Option<Failure>,
    },
    Advance(Result<Box<BeaconState>, Failure>),
    Regenerate(Result<Box<BeaconState>, Failure>),
    /// By group the set that does not hold.
    Verify(Vec<Result<(), usize>>),
    Messages(MessageOutcome),
    Produce(Result<Box<BeaconBlock>, String>),
}

impl Found {
    /// Whether something of this node's own was missing.
    pub(crate) fn is_unavailable(&self) -> bool {
        matches!(
            self,
            Found::Proposer(Err(Failure::Unavailable(_)))
                | Found::Advance(Err(Failure::Unavailable(_)))
                | Found::Regenerate(Err(Failure::Unavailable(_)))
                | Found::Blocks {
                    stopped: Some(Failure::Unavailable(_)),
                    ..
                }
        )
    }
}

impl Outcome {
    /// How long the stages took.
    pub fn timings(&self) -> &Timings {
        &self.timings
    }

    /// A short name of the kind of work.
    pub fn kind(&self) -> &'static str {
        match &*self.found {
            Found::Proposer(_) => "proposer",
            Found::Blocks { .. } => "import",
            Found::Advance(_) => "advance",
            Found::Regenerate(_) => "regenerate",
            Found::Verify(_) => "verify",
            Found::Messages(_) => "messages",
            Found::Produce(_) => "produce",
        }
    }
}

impl Work {
    /// Whether it may take seconds.
    pub(crate) fn is_costly(&self) -> bool {
        match self {
            Work::Proposer { parent, block } => parent.is_costly(block.message.slot),
            Work::Blocks(blocks) => {
                let first = blocks.blocks.first();
                first.is_some_and(|(_, block)| blocks.parent.is_costly(block.message.slot))
            }
            Work::Advance { source, checkpoint } => source.is_costly_to(checkpoint.epoch),
            Work::Produce(parts) => parts.source.is_costly(parts.slot),
            _ => self.is_replay(),
        }
    }

    /// The block whose stored state the work begins with.
    pub(crate) fn stored(&self) -> Option<Root> {
        match self {
            Work::Proposer { parent: source, .. }
            | Work::Advance { source, .. }
            | Work::Regenerate(source) => source.stored(),
            Work::Blocks(blocks) => blocks.parent.stored(),
            Work::Produce(parts) => parts.source.stored(),
            Work::Verify(_) | Work::Messages(_) => None,
        }
    }

    /// Whether blocks are applied that were applied before.
    pub(crate) fn is_replay(&self) -> bool {
        match self {
            Work::Proposer { parent: source, .. }
            | Work::Advance { source, .. }
            | Work::Regenerate(source) => source.is_replay(),
            Work::Blocks(blocks) => blocks.parent.is_replay(),
            Work::Produce(parts) => parts.source.is_replay(),
            Work::Verify(_) | Work::Messages(_) => false,
        }
    }
}

impl Job {
    /// A short name of the kind of work.
    pub fn kind(&self) -> &'static str {
        match &self.work {
            Work::Proposer { .. } => "proposer",
            Work::Blocks(_) => "import",
            Work::Advance { .. } => "advance",
            Work::Regenerate(_) => "regenerate",
            Work::Verify(_) => "verify",
            Work::Messages(_) => "messages",
            Work::Produce(_) => "produce",
        }
    }

    /// Does the work; on any thread.
    pub fn run(self, tools: &Toolbox) -> Outcome {
        let begun = (tools.stopwatch)();
        let mut timings = Timings::default();
        let found = match self.work {
            Work::Proposer { parent, block } => {
                Found::Proposer(import::check_proposer(parent, &block, tools).map(Box::new))
            }
            Work::Blocks(blocks) => {
                let (imported, stopped) = import::run(*blocks, tools);
                for block in &imported {
                    timings.add(&block.timings);
                }
                Found::Blocks { imported, stopped }
            }
            Work::Advance { source, checkpoint } => {
                let advanced = advance(source, checkpoint.epoch, tools).map(Box::new);
                timings.advance = (tools.stopwatch)().saturating_sub(begun);
                Found::Advance(advanced)
            }
            Work::Regenerate(source) => {
                let state = source.resolve(tools).map(Box::new);
                timings.transition = (tools.stopwatch)().saturating_sub(begun);
                Found::Regenerate(state)
            }
            Work::Verify(groups) => {
                let verify = |sets: &Vec<SignatureSet>| tools.verifier.verify_sets(sets);
                let verified = groups.iter().map(verify).collect();
                timings.signatures = (tools.stopwatch)().saturating_sub(begun);
                Found::Verify(verified)
            }
            Work::Messages(job) => {
                let outcome = job.run(tools);
                timings.signatures = (tools.stopwatch)().saturating_sub(begun);
                Found::Messages(outcome)
            }
            Work::Produce(parts) => Found::Produce(produce(*parts, tools).map(Box::new)),
        };
        Outcome {
            id: self.id,
            found: Box::new(found),
            timings,
        }
    }
}

fn produce(parts: Composition, tools: &Toolbox) -> Result<BeaconBlock, String> {
    let state = parts.source.resolve_at(parts.slot, tools);
    let state = state.map_err(|failure| failure.to_string())?;
    let block = produce_block(&state, &parts.ingredients, &parts.request, tools);
    block.map_err(|error| error.to_string())
}

/// The state at an epoch's start, with committees, proposers and totals computed.
fn advance(source: StateSource, epoch: Epoch, tools: &Toolbox) -> Result<BeaconState, Failure> {
    let mut state = source.resolve(tools)?;
    let start = compute_start_slot_at_epoch(epoch, state.spec())?;
    if state.slot() < start {
        transition::process_slots(&mut state, start)?;
    }
    for epoch in epoch.saturating_sub(1)..=epoch.saturating_add(1) {
        state.shuffling(epoch)?;
    }
    // Clones share the proposers of the epoch.
    let slots = state.spec().SLOTS_PER_EPOCH;
    let mut probe = state.clone();
    for slot in start..start.saturating_add(slots) {
        probe.set_slot(slot);
        // A slot without a proposer stops nobody else.
        let _ = get_beacon_proposer_index(&probe);
    }
    transition::unrealized_checkpoints(&state)?;
    state.hash_tree_root();
    Ok(state)
}
