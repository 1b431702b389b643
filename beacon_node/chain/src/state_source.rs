//! [`StateSource`]: how a job gets at a state that may not be in memory.

use crate::Toolbox;
use consensus::helpers::{compute_epoch_at_slot, compute_start_slot_at_epoch};
use consensus::transition::{
    SignatureMode, Signatures, process_block, process_slots, state_transition,
};
use consensus::*;
use std::sync::Arc;

/// Checkpoint states kept of one advance, besides those at era boundaries: long gaps have no use
/// for more.
const KEPT_OF_A_GAP: usize = 2;

/// From so many slots after its parent on, a block's signature is verified before anything else:
/// a damaged slot number would otherwise cost minutes before it is noticed.
pub(crate) const LONG_GAP: u64 = 256;

/// Why a job could not do its work.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub(crate) enum Failure {
    /// The block breaks this rule, and its proposer signed it.
    #[error("{0}")]
    Invalid(#[from] consensus::Error),
    /// The proposer's signature does not hold: anybody can make such a block.
    #[error("{0}")]
    Unsigned(consensus::Error),
    /// Something of this node is missing or broken: it says nothing about the block.
    #[error("{0}")]
    Unavailable(String),
}

impl Failure {
    /// Whether the block's own root is to be held against it. A wrong proposer's signature is not:
    /// the root does not cover it, and the same block may come with the right one.
    pub(crate) fn condemns_the_root(&self) -> bool {
        matches!(self, Failure::Invalid(_))
    }
}

/// Where to begin.
#[derive(Clone, Debug)]
pub(crate) enum Start {
    /// A state in memory.
    Memory(Box<BeaconState>),
    /// The stored state of a block.
    Stored(Root),
}

/// A state, or an earlier one and the blocks from there.
#[derive(Clone, Debug)]
pub(crate) struct StateSource {
    pub(crate) start: Start,
    /// The blocks to apply, in order; those not in memory are in the store.
    pub(crate) path: Vec<(Root, Option<Arc<SignedBeaconBlock>>)>,
}

impl StateSource {
    /// A state that is there.
    pub(crate) fn of(state: &BeaconState) -> StateSource {
        StateSource {
            start: Start::Memory(Box::new(state.clone())),
            path: Vec::new(),
        }
    }

    /// Whether it takes seconds to get from here to a slot: only a few may at once.
    pub(crate) fn is_costly(&self, slot: Slot) -> bool {
        match &self.start {
            Start::Memory(state) if self.path.is_empty() => {
                slot.saturating_sub(state.slot()) > LONG_GAP
            }
            _ => true,
        }
    }

    /// [`StateSource::is_costly`] for an epoch's start.
    pub(crate) fn is_costly_to(&self, epoch: Epoch) -> bool {
        match &self.start {
            Start::Memory(state) => {
                let start = compute_start_slot_at_epoch(epoch, state.spec());
                self.is_costly(start.unwrap_or(Slot::MAX))
            }
            Start::Stored(_) => true,
        }
    }

    /// Whether blocks must be applied that were applied before.
    pub(crate) fn is_replay(&self) -> bool {
        !self.path.is_empty() || matches!(self.start, Start::Stored(_))
    }

    /// The block whose stored state this begins with.
    pub(crate) fn stored(&self) -> Option<Root> {
        match self.start {
            Start::Stored(root) => Some(root),
            Start::Memory(_) => None,
        }
    }

    /// The post-state of the last block of the path.
    pub(crate) fn resolve(self, tools: &Toolbox) -> Result<BeaconState, Failure> {
        let mut state = match self.start {
            Start::Memory(state) => *state,
            Start::Stored(root) => found(root, tools.history.state(root))?,
        };
        for (root, block) in self.path {
            let block = match block {
                Some(block) => block,
                None => found(root, tools.history.block(root))?,
            };
            replay(&mut state, &block, tools)?;
        }
        Ok(state)
    }

    /// The same, advanced over empty slots.
    pub(crate) fn resolve_at(self, slot: Slot, tools: &Toolbox) -> Result<BeaconState, Failure> {
        let mut state = self.resolve(tools)?;
        if state.slot() < slot {
            process_slots(&mut state, slot).map_err(broken)?;
        }
        Ok(state)
    }
}

/// What was verified before does not hold any more: nothing to be held against a block after it.
fn broken(error: consensus::Error) -> Failure {
    Failure::Unavailable(format!("a known block could not be applied again: {error}"))
}

fn found<T>(root: Root, answer: Result<Option<T>, String>) -> Result<T, Failure> {
    match answer {
        Ok(Some(found)) => Ok(found),
        Ok(None) => Err(Failure::Unavailable(format!(
            "block {root} is not in the store"
        ))),
        Err(error) => Err(Failure::Unavailable(error)),
    }
}

/// Applies a block that has been verified before.
pub(crate) fn replay(
    state: &mut BeaconState,
    block: &SignedBeaconBlock,
    tools: &Toolbox,
) -> Result<(), Failure> {
    let mut signatures = Signatures::new(SignatureMode::Skip, &*tools.verifier);
    if state.slot() == block.message.slot {
        process_block(state, &block.message, &mut signatures).map_err(broken)
    } else {
        let applied = state_transition(state, block, &mut signatures, false);
        applied.map(|_| ()).map_err(broken)
    }
}

/// A state before a block, and those at the epochs' starts on the way.
#[derive(Clone, Debug)]
pub(crate) struct Advanced {
    pub(crate) state: BeaconState,
    pub(crate) checkpoints: Vec<(Checkpoint, BeaconState)>,
}

/// Advances the post-state of `parent` to the last epoch's start before `slot`, keeping the states
/// at the last starts and at all era boundaries.
pub(crate) fn advance_before(
    mut state: BeaconState,
    parent: Root,
    slot: Slot,
) -> Result<Advanced, Failure> {
    let mut checkpoints: Vec<(Checkpoint, BeaconState)> = Vec::new();
    let spec = state.spec().clone();
    let era_epochs = era_epochs(&spec);
    loop {
        let epoch = compute_epoch_at_slot(state.slot(), &spec).saturating_add(1);
        let start = compute_start_slot_at_epoch(epoch, &spec)?;
        if start >= slot {
            return Ok(Advanced { state, checkpoints });
        }
        process_slots(&mut state, start)?;
        let root = parent;
        checkpoints.push((Checkpoint { epoch, root }, state.clone()));
        if let Some(at) = checkpoints.len().checked_sub(KEPT_OF_A_GAP + 1)
            && !checkpoints[at].0.epoch.is_multiple_of(era_epochs)
        {
            checkpoints.remove(at);
        }
    }
}

/// Epochs of an era.
pub(crate) fn era_epochs(spec: &Spec) -> u64 {
    (spec.SLOTS_PER_HISTORICAL_ROOT / spec.SLOTS_PER_EPOCH).max(1)
}
