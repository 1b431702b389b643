//! Who attests to what, and when it gets into a block.

use crate::dice::Dice;
use crate::{ChainMaker, Error};
use consensus::helpers::*;
use consensus::transition::process_slots;
use consensus::{
    AggregationBits, Attestation, AttestationData, BeaconState, Checkpoint, CommitteeIndex, Root,
    Slot, ValidatorIndex,
};

/// Percent of the attesters whose attestations miss the next block and come with the one after.
const LATE_PERCENT: u64 = 10;
/// Percent of the attesters of a split slot that attest to the side branch.
const ASIDE_PERCENT: u64 = 30;

/// What becomes of a validator's attestation at one slot.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Vote {
    /// None was made.
    Absent,
    /// Included in the next block of the branch.
    OnTime,
    /// Included one block later.
    Late,
    /// Made for the side branch of a split slot.
    Aside,
}

impl ChainMaker {
    /// The attestations that belong into a block on top of `state`, which stands at the block's
    /// slot: those since the parent, late ones of before, and those of the other branch.
    pub fn attestations_due(&self, state: &BeaconState) -> Result<Vec<Attestation>, Error> {
        let parent_slot = state.latest_block_header().slot;
        let grandparent_slot = slot_of_block_before(state, parent_slot);
        let oldest = state.slot().saturating_sub(state.spec().SLOTS_PER_EPOCH);
        let mut due = Vec::new();
        for slot in (grandparent_slot.max(oldest)..state.slot()).rev() {
            let vote = match slot >= parent_slot {
                true => Vote::OnTime,
                false => Vote::Late,
            };
            match self.side_branch(slot) {
                Some(side) if self.is_on_branch(state, side)? => {
                    due.extend(self.attestations(state, slot, Vote::Aside)?);
                }
                Some(side) => {
                    due.extend(self.attestations(state, slot, vote)?);
                    if vote == Vote::OnTime {
                        due.extend(self.attestations_aside(state, slot, side)?);
                    }
                }
                None => due.extend(self.attestations(state, slot, vote)?),
            }
        }
        due.truncate(state.spec().MAX_ATTESTATIONS as usize);
        Ok(due)
    }

    /// The attestations to a side branch that `state`'s branch can include: those with its source.
    fn attestations_aside(
        &self,
        state: &BeaconState,
        slot: Slot,
        side: Root,
    ) -> Result<Vec<Attestation>, Error> {
        let mut view = self.post_state(side)?.clone();
        if view.slot() <= slot {
            process_slots(&mut view, slot + 1)?;
        }
        let mut attestations = self.attestations(&view, slot, Vote::Aside)?;
        let epoch = compute_epoch_at_slot(slot, state.spec());
        attestations.retain(|attestation| attestation.data.source == source(state, epoch));
        Ok(attestations)
    }

    /// One aggregate for each committee of `slot`, by its members with this vote, as they see the
    /// chain from the branch of `view`, which is past the slot.
    fn attestations(
        &self,
        view: &BeaconState,
        slot: Slot,
        vote: Vote,
    ) -> Result<Vec<Attestation>, Error> {
        let epoch = compute_epoch_at_slot(slot, view.spec());
        let mut attestations = Vec::new();
        for index in 0..get_committee_count_per_slot(view, epoch)? {
            let committee = get_beacon_committee(view, slot, index)?;
            let mut bits = AggregationBits::with_capacity(committee.len())
                .map_err(|_| Error::TooMany("members of a committee"))?;
            let mut attesters = Vec::new();
            for (at, &validator) in committee.iter().enumerate() {
                if self.vote_of(view, slot, validator) == vote {
                    bits.set(at, true)
                        .expect("the bits have the committee's length");
                    attesters.push(validator);
                }
            }
            if !attesters.is_empty() {
                let data = attestation_data(view, slot, index)?;
                attestations.push(Attestation {
                    aggregation_bits: bits,
                    data,
                    signature: self.sign_attestation(view, &data, &attesters)?,
                });
            }
        }
        Ok(attestations)
    }

    fn vote_of(&self, view: &BeaconState, slot: Slot, validator: ValidatorIndex) -> Vote {
        let mut dice = Dice::of(self.seed(), &[slot, validator]);
        if view.validators().slashed(validator as usize) != Some(false)
            || !dice.percent(self.participation())
        {
            return Vote::Absent;
        }
        if self.side_branch(slot).is_some() && dice.percent(ASIDE_PERCENT) {
            return Vote::Aside;
        }
        match dice.percent(LATE_PERCENT) {
            true => Vote::Late,
            false => Vote::OnTime,
        }
    }
}

/// What a validator attests to at `slot` that sees the chain from the branch of `view`, which is
/// past the slot.
///
/// # Errors
/// If the slot is not in the current or previous epoch of `view`.
pub fn attestation_data(
    view: &BeaconState,
    slot: Slot,
    index: CommitteeIndex,
) -> Result<AttestationData, Error> {
    let epoch = compute_epoch_at_slot(slot, view.spec());
    Ok(AttestationData {
        slot,
        index,
        beacon_block_root: get_block_root_at_slot(view, slot)?,
        source: source(view, epoch),
        target: Checkpoint {
            epoch,
            root: get_block_root(view, epoch)?,
        },
    })
}

/// The source that attestations of `epoch`, the current or previous one, must have in a block.
fn source(state: &BeaconState, epoch: consensus::Epoch) -> Checkpoint {
    match epoch == get_current_epoch(state) {
        true => state.current_justified_checkpoint(),
        false => state.previous_justified_checkpoint(),
    }
}

/// Slot of the block before the one at `slot`, at most an epoch back; `slot` itself at genesis.
fn slot_of_block_before(state: &BeaconState, slot: Slot) -> Slot {
    let oldest = state.slot().saturating_sub(state.spec().SLOTS_PER_EPOCH);
    let Some(mut before) = slot.checked_sub(1) else {
        return slot;
    };
    let root_at = |slot| get_block_root_at_slot(state, slot).ok();
    while before > oldest && root_at(before) == root_at(before - 1) {
        before -= 1;
    }
    before
}
