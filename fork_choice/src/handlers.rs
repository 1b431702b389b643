//! The handlers, `fork-choice.md#handlers`. One that returns an error has not changed the store.

use crate::time::get_attestation_due_ms;
use crate::{BlockFacts, Error, Store};
use consensus::helpers::{
    compute_epoch_at_slot, compute_start_slot_at_epoch, is_slashable_attestation_data,
};
use consensus::{
    AttestationData, AttesterSlashing, BeaconBlock, BeaconState, Checkpoint, Root, Slot,
    ValidatorIndex,
};
use std::collections::BTreeSet;

impl Store {
    /// `fork-choice.md#on_tick`: it is `time`, in Unix seconds, not before the store's time.
    ///
    /// The specification catches up slot by slot. Nothing between two ticks changes the unrealized
    /// checkpoints, so that pulling them up once, if an epoch began at all, has the same effect.
    pub fn on_tick(&mut self, time: u64) -> Result<(), Error> {
        if time < self.time {
            return Err(Error::TimeBackwards {
                store: self.time,
                time,
            });
        }
        self.on_tick_per_slot(time);
        Ok(())
    }

    /// `fork-choice.md#on_tick_per_slot`, for any number of slots.
    fn on_tick_per_slot(&mut self, time: u64) {
        let previous_slot = self.get_current_slot();
        let previous_epoch = self.get_current_store_epoch();
        self.time = time;
        if self.get_current_slot() > previous_slot && self.proposer_boost_root != Root::ZERO {
            self.proposer_boost_root = Root::ZERO;
            self.memo.forget();
        }
        if self.get_current_store_epoch() > previous_epoch {
            // Blocks of the last epoch are judged by their unrealized checkpoints from now on.
            self.memo.forget();
            self.update_checkpoints(
                self.unrealized_justified_checkpoint,
                self.unrealized_finalized_checkpoint,
            );
        }
    }

    /// The assertions of `on_block` that need no state, for a block of `slot` on `parent_root`:
    /// to be called before the work of a state transition.
    pub fn check_block(&self, slot: Slot, parent_root: Root) -> Result<(), Error> {
        let Ok(parent) = self.tree.node(parent_root) else {
            return Err(Error::UnknownParent(parent_root));
        };
        let current = self.get_current_slot();
        if slot > current {
            return Err(Error::FutureBlock { slot, current });
        }
        let finalized = compute_start_slot_at_epoch(self.finalized_checkpoint.epoch, &self.spec)?;
        if slot <= finalized {
            return Err(Error::BlockNotAfterFinalized { slot, finalized });
        }
        if !parent.on_finalized_branch() {
            return Err(Error::BlockConflictsWithFinalized(parent_root));
        }
        let parent = parent.facts().slot;
        if slot <= parent {
            return Err(Error::SlotNotAfterParent { slot, parent });
        }
        Ok(())
    }

    /// `fork-choice.md#on_block`: adds a block and returns its root. `post_state` is what
    /// `state_transition` made of the parent's state and this block; verifying that is the caller's
    /// work. A block that is known already counts as arriving again, now, as in the specification.
    pub fn on_block(
        &mut self,
        block: &BeaconBlock,
        post_state: &BeaconState,
    ) -> Result<Root, Error> {
        self.check_block(block.slot, block.parent_root)?;
        let facts = BlockFacts::from_post_state(block, post_state)?;
        self.on_block_facts(&facts)?;
        Ok(facts.root)
    }

    /// [`Store::on_block`] for a block whose facts were computed before.
    pub fn on_block_facts(&mut self, facts: &BlockFacts) -> Result<(), Error> {
        self.check_block(facts.slot, facts.parent_root)?;
        let epoch = compute_epoch_at_slot(facts.slot, &self.spec);
        let epoch_start = compute_start_slot_at_epoch(epoch, &self.spec)?;
        let due = get_attestation_due_ms(self.get_current_store_epoch(), &self.spec)?;
        let is_before_attesting_interval = self.time_into_slot_ms() < due;
        let is_timely = self.get_current_slot() == facts.slot && is_before_attesting_interval;

        self.tree.insert(facts, epoch_start, is_timely)?;
        self.votes.grow_tree(self.tree.nodes().len());
        self.votes.grow_registry(facts.validator_count);
        self.memo.forget();
        let is_first_block = self.proposer_boost_root == Root::ZERO;
        if is_timely && is_first_block {
            self.proposer_boost_root = facts.root;
        }
        self.update_checkpoints(facts.justified_checkpoint, facts.finalized_checkpoint);
        self.compute_pulled_up_tip(facts);
        Ok(())
    }

    /// `fork-choice.md#compute_pulled_up_tip`, of the checkpoints computed with the post-state.
    pub(crate) fn compute_pulled_up_tip(&mut self, facts: &BlockFacts) {
        let justified = facts.unrealized_justified_checkpoint;
        let finalized = facts.unrealized_finalized_checkpoint;
        self.update_unrealized_checkpoints(justified, finalized);
        let block_epoch = compute_epoch_at_slot(facts.slot, &self.spec);
        if block_epoch < self.get_current_store_epoch() {
            self.update_checkpoints(justified, finalized);
        }
    }

    /// `fork-choice.md#update_checkpoints`
    pub(crate) fn update_checkpoints(
        &mut self,
        justified_checkpoint: Checkpoint,
        finalized_checkpoint: Checkpoint,
    ) {
        if justified_checkpoint.epoch > self.justified_checkpoint.epoch {
            self.justified_checkpoint = justified_checkpoint;
            self.votes.forget_balances();
            self.memo.forget();
        }
        if finalized_checkpoint.epoch > self.finalized_checkpoint.epoch {
            self.finalized_checkpoint = finalized_checkpoint;
            self.mark_finalized(finalized_checkpoint);
        }
    }

    /// Marks the blocks that finality leaves possible.
    pub(crate) fn mark_finalized(&mut self, finalized: Checkpoint) {
        // An epoch whose first slot is beyond 64 bits comes after every block.
        let slot = compute_start_slot_at_epoch(finalized.epoch, &self.spec).unwrap_or(Slot::MAX);
        self.tree.set_finalized(finalized.root, slot);
        self.memo.forget();
    }

    /// `fork-choice.md#update_unrealized_checkpoints`
    pub(crate) fn update_unrealized_checkpoints(
        &mut self,
        unrealized_justified_checkpoint: Checkpoint,
        unrealized_finalized_checkpoint: Checkpoint,
    ) {
        if unrealized_justified_checkpoint.epoch > self.unrealized_justified_checkpoint.epoch {
            self.unrealized_justified_checkpoint = unrealized_justified_checkpoint;
        }
        if unrealized_finalized_checkpoint.epoch > self.unrealized_finalized_checkpoint.epoch {
            self.unrealized_finalized_checkpoint = unrealized_finalized_checkpoint;
        }
    }

    /// `fork-choice.md#validate_target_epoch_against_current_time`
    fn validate_target_epoch_against_current_time(
        &self,
        data: &AttestationData,
    ) -> Result<(), Error> {
        let target = data.target.epoch;
        let current = self.get_current_store_epoch();
        // Not below GENESIS_EPOCH, which is 0.
        let previous = current.saturating_sub(1);
        if target > current {
            return Err(Error::TargetEpochInFuture { target, current });
        }
        if target < previous {
            return Err(Error::TargetEpochInPast { target, current });
        }
        Ok(())
    }

    /// `fork-choice.md#validate_on_attestation`: to be called before the work of finding the
    /// target's state and of verifying the signature.
    pub fn validate_on_attestation(
        &self,
        data: &AttestationData,
        is_from_block: bool,
    ) -> Result<(), Error> {
        let target = data.target;
        if !is_from_block {
            self.validate_target_epoch_against_current_time(data)?;
        }
        if target.epoch != compute_epoch_at_slot(data.slot, &self.spec) {
            return Err(Error::TargetEpochSlotMismatch {
                target: target.epoch,
                slot: data.slot,
            });
        }
        if !self.contains_block(target.root) {
            return Err(Error::UnknownTarget(target.root));
        }
        let Ok(attested) = self.tree.node(data.beacon_block_root) else {
            return Err(Error::UnknownAttestedBlock(data.beacon_block_root));
        };
        if attested.facts().slot > data.slot {
            return Err(Error::AttestedBlockTooNew {
                block: attested.facts().slot,
                attestation: data.slot,
            });
        }
        let checkpoint = self.get_checkpoint_block(data.beacon_block_root, target.epoch)?;
        if target.root != checkpoint {
            return Err(Error::TargetNotOnAttestedChain {
                target: target.root,
                checkpoint,
            });
        }
        let current = self.get_current_slot();
        if current <= data.slot {
            return Err(Error::AttestationTooEarly {
                slot: data.slot,
                current,
            });
        }
        Ok(())
    }

    /// `fork-choice.md#on_attestation`. The caller has found `attesting_indices` and verified them
    /// and the signature (`is_valid_indexed_attestation`) against the state of the target
    /// checkpoint: the target block's post-state, advanced to the first slot of the target epoch.
    pub fn on_attestation(
        &mut self,
        data: &AttestationData,
        attesting_indices: &[ValidatorIndex],
        is_from_block: bool,
    ) -> Result<(), Error> {
        self.validate_on_attestation(data, is_from_block)?;
        self.votes.check_indices(attesting_indices)?;
        self.update_latest_messages(attesting_indices, data)
    }

    /// `fork-choice.md#update_latest_messages`
    fn update_latest_messages(
        &mut self,
        attesting_indices: &[ValidatorIndex],
        data: &AttestationData,
    ) -> Result<(), Error> {
        let root = data.beacon_block_root;
        let place = self.tree.find(root).ok_or(Error::UnknownBlock(root))? as u32;
        if self
            .votes
            .update(attesting_indices, data.target.epoch, place)
        {
            self.memo.forget();
        }
        Ok(())
    }

    /// `fork-choice.md#on_attester_slashing`. The caller has verified both attestations
    /// (`is_valid_indexed_attestation`) against the post-state of the justified checkpoint's block.
    pub fn on_attester_slashing(
        &mut self,
        attester_slashing: &AttesterSlashing,
    ) -> Result<(), Error> {
        let attestation_1 = &attester_slashing.attestation_1;
        let attestation_2 = &attester_slashing.attestation_2;
        if !is_slashable_attestation_data(&attestation_1.data, &attestation_2.data) {
            return Err(Error::AttestationsNotSlashable);
        }
        let first: BTreeSet<_> = attestation_1.attesting_indices.iter().copied().collect();
        let second: BTreeSet<_> = attestation_2.attesting_indices.iter().copied().collect();
        let indices: Vec<ValidatorIndex> = first.intersection(&second).copied().collect();
        self.votes.check_indices(&indices)?;
        for index in indices {
            if self.votes.set_equivocating(index) {
                self.memo.forget();
            }
        }
        Ok(())
    }
}
