//! States that are not in memory, made again from an earlier one.

use crate::gate::{Gate, blocking};
use crate::lookup::{StateAt, View};
use crate::problem::Problem;
use consensus::transition::{SignatureMode, Signatures, process_slots, state_transition};
use consensus::*;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Makes states again, a bounded number at a time, and keeps the last few.
pub(crate) struct Replays {
    gate: Gate,
    kept: Arc<Kept>,
    verifier: Arc<dyn Verifier>,
}

/// The last few states that were made, the latest used last.
struct Kept {
    states: Mutex<VecDeque<(Root, BeaconState)>>,
    limit: usize,
}

/// With a state so many slots back at hand, no stored one is read.
const NEAR_SLOTS: u64 = 64;

/// Tells a replay that nobody waits for it any more.
struct Abandon(Arc<AtomicBool>);

impl Drop for Abandon {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Replays {
    /// At most `limit` states are kept.
    pub(crate) fn new(gate: Gate, limit: usize, verifier: Arc<dyn Verifier>) -> Replays {
        Replays {
            gate,
            kept: Arc::new(Kept {
                states: Mutex::default(),
                limit,
            }),
            verifier,
        }
    }

    /// The state, from memory if it was made before. Requests for the same one wait for each other.
    pub(crate) async fn state(&self, view: View, at: StateAt) -> Result<BeaconState, Problem> {
        if let Some(state) = self.kept.find(&at) {
            return Ok(state);
        }
        let place = self.gate.enter().await?;
        if let Some(state) = self.kept.find(&at) {
            return Ok(state);
        }
        let abandoned = Arc::new(AtomicBool::new(false));
        let _abandon = Abandon(abandoned.clone());
        let (verifier, kept) = (self.verifier.clone(), self.kept.clone());
        blocking(move || {
            let _place = place;
            let replay = Replay {
                view: &view,
                verifier: verifier.as_ref(),
                abandoned: &abandoned,
                kept: &kept,
            };
            let state = replay.state(&at)?;
            // Before the place is free: who waits for it may want the same state.
            kept.keep(at.block.root, state.clone());
            Ok(state)
        })
        .await
    }
}

impl Kept {
    fn find(&self, at: &StateAt) -> Option<BeaconState> {
        let mut kept = self.states.lock();
        let mut known = kept.iter();
        let place =
            known.position(|(root, state)| *root == at.block.root && state.slot() == at.slot)?;
        let entry = kept.remove(place)?;
        let state = entry.1.clone();
        kept.push_back(entry);
        Some(state)
    }

    /// The newest state at or before a slot that fits.
    fn nearest(
        &self,
        slot: Slot,
        fits: impl Fn(Root, &BeaconState) -> bool,
    ) -> Option<BeaconState> {
        let mut before: Vec<(Root, BeaconState)> = self.states.lock().iter().cloned().collect();
        before.retain(|(_, state)| state.slot() <= slot);
        before.sort_by_key(|(_, state)| std::cmp::Reverse(state.slot()));
        let found = before.into_iter().find(|(root, state)| fits(*root, state));
        found.map(|(_, state)| state)
    }

    fn keep(&self, block: Root, state: BeaconState) {
        let mut kept = self.states.lock();
        kept.push_back((block, state));
        while kept.len() > self.limit {
            kept.pop_front();
        }
    }
}

/// One state being made.
struct Replay<'a> {
    view: &'a View,
    verifier: &'a dyn Verifier,
    abandoned: &'a AtomicBool,
    kept: &'a Kept,
}

impl Replay<'_> {
    fn state(&self, at: &StateAt) -> Result<BeaconState, Problem> {
        let (mut state, blocks) = self.start(at)?;
        for block in blocks.iter().rev() {
            self.apply(&mut state, block)?;
        }
        if state.slot() <= at.block.slot {
            self.check_root(&state, at)?;
        }
        if state.slot() < at.slot {
            process_slots(&mut state, at.slot).map_err(Problem::internal)?;
        }
        Ok(state)
    }

    /// The nearest state at or before the wanted one on its branch, and the hot blocks to be
    /// applied to it, the latest first.
    fn start(&self, at: &StateAt) -> Result<(BeaconState, Vec<Arc<SignedBeaconBlock>>), Problem> {
        let snapshot = &self.view.snapshot;
        let mut blocks = Vec::new();
        let mut root = at.block.root;
        while let Some(entry) = snapshot.blocks.get(&root) {
            if let Some(state) = entry.state.clone() {
                return Ok((state, blocks));
            }
            if let Some(state) = self.view.archive.state(root)? {
                return Ok((state, blocks));
            }
            if snapshot.canonical.get(&entry.row.slot) == Some(&root)
                && entry.row.slot <= self.view.finalized_slot()
                && self.view.archive.finalized_root(entry.row.slot)? == Some(root)
            {
                break;
            }
            let block = self.view.load_block(root)?.decoded()?;
            root = block.message.parent_root;
            blocks.push(block);
        }
        let base = self.view.find_block(api_types::BlockId::Root(root))?;
        // With nothing to be applied on top, a stored state between the block and the wanted slot
        // is nearer.
        let until = match blocks.is_empty() {
            true => at.slot,
            false => base.slot,
        };
        Ok((self.finalized(base.slot, until)?, blocks))
    }

    /// The finalized state after the canonical block of that slot, or at a later slot until
    /// `until`, if one is stored.
    fn finalized(&self, block_slot: Slot, until: Slot) -> Result<BeaconState, Problem> {
        let archive = &self.view.archive;
        let Some(mut state) = self.nearest(until)? else {
            let message = format!("no state at or before slot {until} is kept");
            return Err(Problem::not_found(message));
        };
        for slot in state.slot().saturating_add(1)..=block_slot {
            if let Some(stored) = archive.finalized_block(slot)? {
                let block = crate::lookup::Block::Ssz(stored.ssz).decoded()?;
                self.apply(&mut state, &block)?;
            }
        }
        Ok(state)
    }

    /// The newest canonical finalized state at or before a slot, of those stored and those made
    /// before.
    fn nearest(&self, slot: Slot) -> Result<Option<BeaconState>, Problem> {
        let kept = self
            .kept
            .nearest(slot, |root, state| self.is_canonical(root, state));
        let near = |state: &BeaconState| slot - state.slot() <= NEAR_SLOTS;
        if kept.as_ref().is_some_and(near) {
            return Ok(kept);
        }
        let stored = self.view.archive.nearest_state(slot)?;
        Ok(stored.into_iter().chain(kept).max_by_key(BeaconState::slot))
    }

    /// Whether the state is on the finalized chain: after one of its blocks, and not advanced past
    /// another one.
    fn is_canonical(&self, block: Root, state: &BeaconState) -> bool {
        let archive = &self.view.archive;
        let block_slot = state.latest_block_header().slot;
        let root = |slot| archive.finalized_root(slot).ok();
        let empty = |slot| root(slot) == Some(None);
        state.slot() <= self.view.finalized_slot()
            && root(block_slot) == Some(Some(block))
            && (block_slot + 1..=state.slot()).all(empty)
    }

    fn apply(&self, state: &mut BeaconState, block: &SignedBeaconBlock) -> Result<(), Problem> {
        if self.abandoned.load(Ordering::Relaxed) {
            return Err(Problem::unavailable("nobody waits for the state any more"));
        }
        // Every stored block was verified when it was imported.
        let mut signatures = Signatures::new(SignatureMode::Skip, self.verifier);
        let applied = state_transition(state, block, &mut signatures, false);
        let wrong = |error| {
            let slot = block.message.slot;
            Problem::internal(format!(
                "block {slot} does not follow from what is stored: {error}"
            ))
        };
        applied.map(drop).map_err(wrong)
    }

    /// A wrong state must not be served: the block says what its root is.
    fn check_root(&self, state: &BeaconState, at: &StateAt) -> Result<(), Problem> {
        let after_block = StateAt {
            slot: at.block.slot,
            ..*at
        };
        let expected = self.view.known_state_root(&after_block)?;
        let root = state.hash_tree_root();
        match expected {
            Some(expected) if expected != root => Err(Problem::internal(format!(
                "the state of slot {} was made again with root {root:?} instead of {expected:?}",
                state.slot()
            ))),
            _ => Ok(()),
        }
    }
}
