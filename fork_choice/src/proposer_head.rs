//! Whether to build on the head or to re-org it, `fork-choice.md#proposer-head-and-reorg-helpers`.

use crate::time::{compute_slots_since_epoch_start, get_proposer_reorg_cutoff_ms};
use crate::{Error, Store};
use consensus::helpers::compute_epoch_at_slot;
use consensus::{Root, Slot, Spec};

/// `fork-choice.md#is_shuffling_stable`
pub fn is_shuffling_stable(slot: Slot, spec: &Spec) -> Result<bool, Error> {
    Ok(compute_slots_since_epoch_start(slot, spec)? != 0)
}

impl Store {
    /// `fork-choice.md#is_head_late`
    pub fn is_head_late(&self, head_root: Root) -> Result<bool, Error> {
        Ok(!self.tree.node(head_root)?.is_timely())
    }

    /// `fork-choice.md#is_ffg_competitive`
    pub fn is_ffg_competitive(&self, head_root: Root, parent_root: Root) -> Result<bool, Error> {
        let head = self.tree.node(head_root)?.facts();
        let parent = self.tree.node(parent_root)?.facts();
        Ok(head.unrealized_justified_checkpoint == parent.unrealized_justified_checkpoint)
    }

    /// `fork-choice.md#is_finalization_ok`
    pub fn is_finalization_ok(&self, slot: Slot) -> Result<bool, Error> {
        let finalized = self.finalized_checkpoint.epoch;
        let epochs_since_finalization = compute_epoch_at_slot(slot, &self.spec)
            .checked_sub(finalized)
            .ok_or(Error::SlotBeforeFinalized { slot, finalized })?;
        Ok(epochs_since_finalization <= self.spec.REORG_MAX_EPOCHS_SINCE_FINALIZATION)
    }

    /// `fork-choice.md#is_proposing_on_time`
    pub fn is_proposing_on_time(&self) -> Result<bool, Error> {
        let cutoff = get_proposer_reorg_cutoff_ms(self.get_current_store_epoch(), &self.spec)?;
        Ok(self.time_into_slot_ms() <= cutoff)
    }

    /// `fork-choice.md#is_head_weak`
    pub fn is_head_weak(&mut self, head_root: Root) -> Result<bool, Error> {
        let threshold = self.committee_fraction(self.spec.REORG_HEAD_WEIGHT_THRESHOLD)?;
        Ok(self.get_weight(head_root)? < threshold)
    }

    /// `fork-choice.md#is_parent_strong`
    pub fn is_parent_strong(&mut self, parent_root: Root) -> Result<bool, Error> {
        let threshold = self.committee_fraction(self.spec.REORG_PARENT_WEIGHT_THRESHOLD)?;
        Ok(self.get_weight(parent_root)? > threshold)
    }

    /// `fork-choice.md#get_proposer_head`: the block that a proposer of `slot` builds on, the head
    /// or, if the head came late and weak, its parent.
    pub fn get_proposer_head(&mut self, head_root: Root, slot: Slot) -> Result<Root, Error> {
        let head = *self.tree.node(head_root)?.facts();
        let parent = *self.tree.node(head.parent_root)?.facts();
        if self.proposer_boost_root == head_root {
            return Err(Error::HeadHoldsProposerBoost(head_root));
        }
        let parent_slot_ok = parent.slot.checked_add(1) == Some(head.slot);
        let current_time_ok = head.slot.checked_add(1) == Some(slot);
        let single_slot_reorg = parent_slot_ok && current_time_ok;
        let can_reorg = self.is_finalization_ok(slot)?
            && self.is_head_late(head_root)?
            && is_shuffling_stable(slot, &self.spec)?
            && self.is_ffg_competitive(head_root, parent.root)?
            && self.is_proposing_on_time()?
            && single_slot_reorg
            && self.is_head_weak(head_root)?
            && self.is_parent_strong(parent.root)?;
        Ok(if can_reorg { parent.root } else { head_root })
    }
}
