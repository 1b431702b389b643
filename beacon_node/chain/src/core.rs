//! [`Chain`]: the core itself.

mod adopt;
mod answers;
mod arrivals;
mod batches;
mod clock;
mod commits;
mod finality;
mod jobs;
mod operations;
mod publish;
mod results;
mod states;

use crate::hot_blocks::HotBlocks;
use crate::messages::Messages;
use crate::{Effect, HotStates, Input, InvalidRoots, Milliseconds, Snapshot};
use arrivals::Arrivals;
use commits::Commits;
use consensus::*;
use finality::FinalityStep;
use fork_choice::Store;
use jobs::Jobs;
use publish::Pending;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Limits of the core.
#[derive(Clone, Debug)]
pub struct Config {
    /// Most bytes of hot states.
    pub hot_state_bytes: u64,
    /// Most batches that the writer may lag: then range sync waits.
    pub max_uncommitted: u64,
    /// Finalized epochs between two states that are stored as places to start from.
    pub state_interval_epochs: u64,
}

impl Default for Config {
    /// Limits for a node of a large network: 512 MiB of states, a lag of 16 batches, a state every
    /// 32 epochs.
    fn default() -> Config {
        Config {
            hot_state_bytes: 512 << 20,
            max_uncommitted: 16,
            state_interval_epochs: 32,
        }
    }
}

/// Why the core cannot start from what was recovered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StartError {
    /// The recovered blocks do not follow from the recovered state.
    #[error("the stored chain does not fit together: {0}")]
    Inconsistent(String),
    /// A block that is needed cannot be read.
    #[error(
        "block {root} of slot {slot} is needed, and cannot be read: {reason}; \
         `fresnel db verify` lists all that is damaged, and an empty data folder is a new start"
    )]
    Unreadable {
        /// Its slot.
        slot: Slot,
        /// Its root.
        root: Root,
        /// What the store says.
        reason: String,
    },
}

/// What never changes.
#[derive(Clone, Debug)]
pub(crate) struct Genesis {
    pub(crate) time: u64,
    pub(crate) validators_root: Root,
    pub(crate) block_root: Root,
}

/// The core.
pub struct Chain {
    config: Config,
    spec: Arc<Spec>,
    genesis: Genesis,
    now: Milliseconds,
    store: Store,
    states: HotStates,
    blocks: HotBlocks,
    invalid: InvalidRoots,
    messages: Messages,
    head: Root,
    head_state: BeaconState,
    /// The slot in which it became the head.
    head_since: Slot,
    /// The newest finalized checkpoint that was handed to the store.
    finalized: Checkpoint,
    /// The next step of finality, while it waits for its state.
    step: Option<FinalityStep>,
    /// The batch that holds the last step.
    finalizing_seq: u64,
    /// Epoch of the last state that was handed to the store.
    stored_state_epoch: Epoch,
    /// Epoch of the last state that was stored, or the finalized one.
    far_state_epoch: Epoch,
    jobs: Jobs,
    arrivals: Arrivals,
    commits: Commits,
    /// Checkpoints whose states the messages wait for.
    states_wanted: BTreeSet<Checkpoint>,
    pending: Pending,
    regenerated: u64,
    reorgs: u64,
    /// Whether the user was told that phase 0 has ended, and of conflicting finality.
    told_phase_end: bool,
    told_conflict: bool,
    snapshot: Arc<Snapshot>,
}

/// What [`Chain::start`] has put together.
pub(crate) struct Parts {
    pub(crate) config: Config,
    pub(crate) genesis: Genesis,
    pub(crate) now: Milliseconds,
    pub(crate) store: Store,
    pub(crate) states: HotStates,
    pub(crate) blocks: HotBlocks,
    pub(crate) stored_states: BTreeSet<Root>,
    pub(crate) finalized: Checkpoint,
    pub(crate) stored_state_epoch: Epoch,
    pub(crate) far_state_epoch: Epoch,
    pub(crate) head: Root,
    pub(crate) head_state: BeaconState,
    pub(crate) last_seq: u64,
    pub(crate) row: Option<rows::ChainRow>,
}

impl Chain {
    /// A core of these parts, with its first effects.
    pub(crate) fn assemble(parts: Parts) -> (Chain, Vec<Effect>) {
        let spec = Arc::clone(parts.store.spec());
        let snapshot = Arc::new(publish::first_snapshot(&parts));
        let mut chain = Chain {
            messages: Messages::new(&spec),
            spec,
            config: parts.config,
            genesis: parts.genesis,
            now: parts.now,
            head_since: parts.store.get_current_slot(),
            store: parts.store,
            states: parts.states,
            blocks: parts.blocks,
            invalid: InvalidRoots::default(),
            head: parts.head,
            head_state: parts.head_state,
            finalized: parts.finalized,
            step: None,
            finalizing_seq: 0,
            stored_state_epoch: parts.stored_state_epoch,
            far_state_epoch: parts.far_state_epoch.max(parts.finalized.epoch),
            jobs: Jobs::new(parts.stored_states),
            arrivals: Arrivals::new(),
            commits: Commits::new(parts.last_seq, parts.row),
            states_wanted: BTreeSet::new(),
            pending: Pending::default(),
            regenerated: 0,
            reorgs: 0,
            told_phase_end: false,
            told_conflict: false,
            snapshot,
        };
        let mut effects = Vec::new();
        chain.pending.changed = true;
        chain.tell_phase_end(&mut effects);
        chain.settle(&mut effects);
        // The snapshot comes first: nothing the other effects speak of is unknown to readers.
        effects.sort_by_key(|effect| !matches!(effect, Effect::Publish(_)));
        (chain, effects)
    }

    /// Takes an input; its effects are added in order.
    pub fn apply(&mut self, input: Input, effects: &mut Vec<Effect>) {
        match input {
            Input::Tick(now) => self.advance_clock(now, effects),
            Input::Done(outcome) => self.on_done(outcome, effects),
            Input::Committed(seq) => self.on_committed(seq, effects),
            Input::Api(token, call) => self.on_api(token, call, effects),
            Input::GossipBlock(token, block) => self.on_gossip_block(token, block, effects),
            Input::RequestedBlock(_, block) => self.on_requested_block(block, effects),
            Input::Batch(token, blocks) => self.on_batch(token, blocks, effects),
            Input::GossipAggregate(..)
            | Input::GossipProposerSlashing(..)
            | Input::GossipAttesterSlashing(..)
            | Input::GossipVoluntaryExit(..)
            | Input::GossipAttestation(..) => self.on_message(input, effects),
            Input::Shutdown => self.on_shutdown(effects),
        }
        self.settle(effects);
    }

    /// What was published last.
    pub fn snapshot(&self) -> &Arc<Snapshot> {
        &self.snapshot
    }

    /// The fork choice, for those who check it.
    pub fn fork_choice(&self) -> &Store {
        &self.store
    }

    /// Blocks of this slot and later ones belong to the next fork.
    fn phase_end(&self) -> Slot {
        let end = self.spec.ALTAIR_FORK_EPOCH;
        end.saturating_mul(self.spec.SLOTS_PER_EPOCH)
    }
}
