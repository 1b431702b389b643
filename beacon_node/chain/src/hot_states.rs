//! [`HotStates`]: post-states of blocks that are not finalized, and states at the starts of epochs,
//! under a budget of bytes. What is dropped can be made again from an earlier one.

use consensus::{BeaconState, Checkpoint, Epoch, Root};
use std::collections::{BTreeMap, BTreeSet};

/// What every state takes for itself, bytes.
const FIXED_BYTES: u64 = 64 * 1024;
/// Bytes for each validator of a state in which an epoch began: balances and what is computed anew.
const EPOCH_BYTES_PER_VALIDATOR: u64 = 16;
/// Four times the bytes for each validator of any other state, which shares the rest with its
/// parent's.
const QUARTER_BYTES_PER_VALIDATOR: u64 = 1;
/// Bytes for each validator of a state that was read from a disk and shares nothing: 72 MiB with
/// 400,000 validators.
const READ_BYTES_PER_VALIDATOR: u64 = 184;

/// A state with what is known of its cost.
#[derive(Debug)]
struct Kept {
    state: BeaconState,
    bytes: u64,
    arrival: u64,
}

/// States by block root, and at checkpoints.
#[derive(Debug)]
pub struct HotStates {
    states: BTreeMap<Root, Kept>,
    checkpoints: BTreeMap<Checkpoint, Kept>,
    /// Bytes that all of them take, as estimated.
    bytes: u64,
    budget: u64,
    arrivals: u64,
    /// Blocks whose states came or went since they were last asked for.
    touched: BTreeSet<Root>,
}

impl Default for HotStates {
    fn default() -> HotStates {
        HotStates::new(u64::MAX)
    }
}

impl HotStates {
    /// No states yet; they may take so many bytes.
    pub fn new(budget: u64) -> HotStates {
        HotStates {
            states: BTreeMap::new(),
            checkpoints: BTreeMap::new(),
            bytes: 0,
            budget,
            arrivals: 0,
            touched: BTreeSet::new(),
        }
    }

    /// Blocks whose post-states came or went since the last call.
    pub(crate) fn take_touched(&mut self) -> BTreeSet<Root> {
        std::mem::take(&mut self.touched)
    }

    /// The post-state of a block, if it is in memory. Of the finalized block it may be advanced to
    /// the finalized epoch's start.
    pub fn get(&self, block_root: Root) -> Option<&BeaconState> {
        self.states.get(&block_root).map(|kept| &kept.state)
    }

    /// Keeps the post-state of a block.
    pub fn insert(&mut self, block_root: Root, state: BeaconState) {
        let kept = self.keep(state);
        self.put(block_root, kept);
    }

    /// Keeps the post-state of a block that was read from a disk.
    pub(crate) fn insert_read(&mut self, block_root: Root, state: BeaconState) {
        let validators = state.validators().len() as u64;
        let bytes = FIXED_BYTES + validators * READ_BYTES_PER_VALIDATOR;
        let kept = self.keep_as(state, bytes);
        self.put(block_root, kept);
    }

    fn put(&mut self, block_root: Root, kept: Kept) {
        self.touched.insert(block_root);
        if let Some(old) = self.states.insert(block_root, kept) {
            self.bytes -= old.bytes;
        }
    }

    /// The post-state of the checkpoint's block, advanced to the start of the checkpoint's epoch.
    pub fn checkpoint(&self, checkpoint: Checkpoint) -> Option<&BeaconState> {
        let advanced = self.checkpoints.get(&checkpoint).map(|kept| &kept.state);
        advanced.or_else(|| {
            let state = self.get(checkpoint.root)?;
            let start = checkpoint.epoch.checked_mul(state.spec().SLOTS_PER_EPOCH);
            (Some(state.slot()) == start).then_some(state)
        })
    }

    /// Keeps the post-state of the checkpoint's block, advanced to the start of the checkpoint's
    /// epoch.
    pub fn insert_checkpoint(&mut self, checkpoint: Checkpoint, state: BeaconState) {
        let kept = self.keep(state);
        if let Some(old) = self.checkpoints.insert(checkpoint, kept) {
            self.bytes -= old.bytes;
        }
    }

    /// The latest state of a block's chain at or before the start of an epoch, advanced over empty
    /// slots.
    pub fn latest_checkpoint(&self, root: Root, epoch: Epoch) -> Option<(Epoch, &BeaconState)> {
        let earlier = self.checkpoints.range(..=Checkpoint { epoch, root });
        earlier
            .rev()
            .find(|(checkpoint, _)| checkpoint.root == root)
            .map(|(checkpoint, kept)| (checkpoint.epoch, &kept.state))
    }

    /// How many states there are.
    pub fn len(&self) -> usize {
        self.states.len() + self.checkpoints.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes that all of them take, as estimated.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Drops the post-state of a block.
    pub(crate) fn remove(&mut self, block_root: Root) {
        if let Some(old) = self.states.remove(&block_root) {
            self.bytes -= old.bytes;
            self.touched.insert(block_root);
        }
    }

    /// Drops the checkpoints that are not wanted any more.
    pub(crate) fn retain_checkpoints(&mut self, wanted: impl Fn(&Checkpoint) -> bool) {
        let bytes = &mut self.bytes;
        self.checkpoints.retain(|checkpoint, kept| {
            let keep = wanted(checkpoint);
            if !keep {
                *bytes -= kept.bytes;
            }
            keep
        });
    }

    /// Drops the states that came first until the rest fit the budget, but for the pinned ones.
    pub(crate) fn fit(&mut self, roots: &BTreeSet<Root>, pinned: impl Fn(&Checkpoint) -> bool) {
        if self.bytes <= self.budget {
            return;
        }
        let states = self.states.iter();
        let states = states
            .filter(|(root, _)| !roots.contains(*root))
            .map(|(root, kept)| (kept.arrival, Err(*root)));
        let checkpoints = self.checkpoints.iter();
        let checkpoints = checkpoints
            .filter(|(checkpoint, _)| !pinned(checkpoint))
            .map(|(checkpoint, kept)| (kept.arrival, Ok(*checkpoint)));
        let mut oldest: Vec<_> = states.chain(checkpoints).collect();
        oldest.sort_unstable_by_key(|(arrival, _)| *arrival);
        for (_, key) in oldest {
            if self.bytes <= self.budget {
                return;
            }
            match key {
                Err(root) => self.remove(root),
                Ok(checkpoint) => {
                    if let Some(old) = self.checkpoints.remove(&checkpoint) {
                        self.bytes -= old.bytes;
                    }
                }
            }
        }
    }

    fn keep(&mut self, state: BeaconState) -> Kept {
        let validators = state.validators().len() as u64;
        // In this state or in the slots before it an epoch began.
        let slot_of_epoch = state.slot() % state.spec().SLOTS_PER_EPOCH;
        let bytes = match slot_of_epoch {
            0 => FIXED_BYTES + validators * EPOCH_BYTES_PER_VALIDATOR,
            _ => FIXED_BYTES + validators * QUARTER_BYTES_PER_VALIDATOR / 4,
        };
        self.keep_as(state, bytes)
    }

    fn keep_as(&mut self, state: BeaconState, bytes: u64) -> Kept {
        self.bytes += bytes;
        self.arrivals += 1;
        Kept {
            state,
            bytes,
            arrival: self.arrivals,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use consensus::Spec;
    use std::sync::Arc;

    fn root(number: u8) -> Root {
        Root::repeat_byte(number)
    }

    fn state(slot: u64) -> BeaconState {
        let mut state = BeaconState::new(&Arc::new(Spec::minimal()));
        state.set_slot(slot);
        state
    }

    #[test]
    fn what_came_first_goes_first_but_for_the_pinned() {
        let mut states = HotStates::new(4 * FIXED_BYTES);
        for number in 1..=4 {
            states.insert(root(number), state(number.into()));
        }
        let checkpoint = |epoch| Checkpoint {
            epoch,
            root: root(1),
        };
        states.insert_checkpoint(checkpoint(1), state(8));
        states.insert_checkpoint(checkpoint(2), state(16));
        assert_eq!(states.bytes(), 6 * FIXED_BYTES);
        states.fit(&BTreeSet::from([root(1)]), |one| one.epoch == 1);
        assert_eq!(states.bytes(), 4 * FIXED_BYTES);
        assert!(states.get(root(1)).is_some() && states.get(root(4)).is_some());
        assert!(states.get(root(2)).is_none() && states.get(root(3)).is_none());
        // With everything pinned nothing goes.
        let mut states = HotStates::new(0);
        states.insert(root(1), state(1));
        states.fit(&BTreeSet::from([root(1)]), |_| false);
        assert_eq!(states.len(), 1);
        states.fit(&BTreeSet::new(), |_| false);
        assert!(states.is_empty() && states.bytes() == 0);
    }

    #[test]
    fn a_state_that_comes_again_counts_once() {
        let mut states = HotStates::default();
        states.insert(root(1), state(1));
        states.insert(root(1), state(1));
        states.insert_checkpoint(Checkpoint::default(), state(0));
        states.insert_checkpoint(Checkpoint::default(), state(0));
        assert_eq!(states.bytes(), 2 * FIXED_BYTES);
        states.remove(root(1));
        states.retain_checkpoints(|_| false);
        assert_eq!((states.len(), states.bytes()), (0, 0));
    }

    #[test]
    fn a_block_at_an_epochs_start_is_its_own_checkpoint() {
        let mut states = HotStates::default();
        let at = |epoch| Checkpoint {
            epoch,
            root: root(1),
        };
        states.insert(root(1), state(8));
        assert!(states.checkpoint(at(1)).is_some());
        assert!(states.checkpoint(at(2)).is_none());
        states.insert_checkpoint(at(2), state(16));
        states.insert_checkpoint(at(4), state(32));
        assert_eq!(states.checkpoint(at(2)).map(BeaconState::slot), Some(16));
        let latest = states.latest_checkpoint(root(1), 3);
        assert_eq!(
            latest.map(|(epoch, state)| (epoch, state.slot())),
            Some((2, 16))
        );
        assert!(states.latest_checkpoint(root(2), 9).is_none());
    }
}
