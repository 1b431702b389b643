//! The committees of one epoch: all active validators, shuffled once.

use crate::error::Error;
use crate::primitives::*;
use crate::spec::Spec;
use crate::state::Validators;
use kernels::Node;
use std::ops::Range;

/// The committees of an epoch. Fuses `compute_committee` over all committees: the whole list is
/// shuffled at once, so that a committee is a slice; equal because `compute_shuffled_index` is a
/// permutation applied to the position.
#[derive(Debug, PartialEq, Eq)]
pub struct Shuffling {
    epoch: Epoch,
    slots_per_epoch: u64,
    committees_per_slot: u64,
    order: Vec<u32>,
}

impl Shuffling {
    /// The shuffling of `epoch` with `seed`.
    pub(super) fn new(epoch: Epoch, seed: &Node, validators: &Validators, spec: &Spec) -> Self {
        let mut order = active_indices(validators, epoch);
        let committees_per_slot = committees_per_slot(order.len() as u64, spec);
        kernels::shuffle_list(&mut order, seed, spec.SHUFFLE_ROUND_COUNT as u8);
        Shuffling {
            epoch,
            slots_per_epoch: spec.SLOTS_PER_EPOCH,
            committees_per_slot,
            order,
        }
    }

    /// The epoch whose committees these are.
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// Committees of each slot.
    pub fn committees_per_slot(&self) -> u64 {
        self.committees_per_slot
    }

    /// All active validators in shuffled order: the committees one after the other.
    pub fn order(&self) -> &[u32] {
        &self.order
    }

    /// Committee `index` of `slot`, `None` if the slot is of another epoch or has fewer.
    pub fn committee(&self, slot: Slot, index: CommitteeIndex) -> Option<&[u32]> {
        self.committee_range(slot, index)
            .map(|range| &self.order[range])
    }

    /// Where in [`Self::order`] committee `index` of `slot` is.
    pub fn committee_range(&self, slot: Slot, index: CommitteeIndex) -> Option<Range<usize>> {
        if slot / self.slots_per_epoch != self.epoch || index >= self.committees_per_slot {
            return None;
        }
        let committee = (slot % self.slots_per_epoch) * self.committees_per_slot + index;
        Some(self.start_of(committee)..self.start_of(committee + 1))
    }

    /// Where in [`Self::order`] the committees of the epoch's `slot_index`-th slot are.
    pub(super) fn slot_range(&self, slot_index: u64) -> Range<usize> {
        let first = slot_index * self.committees_per_slot;
        self.start_of(first)..self.start_of(first + self.committees_per_slot)
    }

    /// `compute_committee`'s start: 2^32 validators times 2^24 committees fit 64 bits.
    fn start_of(&self, committee: u64) -> usize {
        let count = self.committees_per_slot * self.slots_per_epoch;
        (self.order.len() as u64 * committee / count) as usize
    }

    /// The validator at each set bit of `bits` over a committee: its position and index.
    pub fn attesters<'a>(
        &'a self,
        slot: Slot,
        index: CommitteeIndex,
        bits: &'a crate::AggregationBits,
    ) -> Result<Attesters<'a>, Error> {
        let range = self
            .committee_range(slot, index)
            .ok_or(Error::CommitteeIndexOutOfRange {
                index,
                count: self.committees_per_slot,
            })?;
        if bits.len() != range.len() {
            return Err(Error::AggregationBitsLengthMismatch {
                bits: bits.len(),
                committee: range.len(),
            });
        }
        Ok(Attesters {
            bytes: bits.as_slice().chunks(8),
            word: 0,
            next_word: range.start,
            at: range.start,
            order: &self.order,
        })
    }
}

/// Indices of the validators active in `epoch`, ascending. A registry beyond 2^32 validators does
/// not fit any memory: its state would take half a terabyte.
pub(crate) fn active_indices(validators: &Validators, epoch: Epoch) -> Vec<u32> {
    let mut active = Vec::with_capacity(validators.len());
    let mut index = 0u32;
    for chunk in validators.chunks() {
        let all_active = chunk.activation_epoch().iter().all(|&at| at <= epoch)
            && chunk.exit_epoch().iter().all(|&at| epoch < at);
        if all_active {
            active.extend(index..index + chunk.len() as u32);
            index += chunk.len() as u32;
            continue;
        }
        for (&activation, &exit) in chunk.activation_epoch().iter().zip(chunk.exit_epoch()) {
            if activation <= epoch && epoch < exit {
                active.push(index);
            }
            index += 1;
        }
    }
    active
}

/// The number of committees per slot for so many active validators.
pub(crate) fn committees_per_slot(active: u64, spec: &Spec) -> u64 {
    (active / spec.SLOTS_PER_EPOCH / spec.TARGET_COMMITTEE_SIZE)
        .clamp(1, spec.MAX_COMMITTEES_PER_SLOT)
}

/// Positions and indices of the validators at the set bits of a committee, ascending by position.
pub struct Attesters<'a> {
    bytes: std::slice::Chunks<'a, u8>,
    word: u64,
    next_word: usize,
    at: usize,
    order: &'a [u32],
}

impl Iterator for Attesters<'_> {
    type Item = (usize, u32);

    fn next(&mut self) -> Option<Self::Item> {
        while self.word == 0 {
            let bytes = self.bytes.next()?;
            let mut word = [0; 8];
            word[..bytes.len()].copy_from_slice(bytes);
            self.word = u64::from_le_bytes(word);
            self.at = self.next_word;
            self.next_word += 64;
        }
        let position = self.at + self.word.trailing_zeros() as usize;
        self.word &= self.word - 1;
        Some((position, self.order[position]))
    }
}
