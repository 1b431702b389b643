//! The fork choice as `fork-choice.md` writes it: plain maps, recursion, every sum from scratch.
//! States are reduced to the facts that the fork choice reads of them. Refusals are the names of
//! the errors that the real store is to give.

use consensus::{
    AttestationData, Checkpoint, Epoch, GENESIS_EPOCH, Gwei, Root, Slot, Spec, ValidatorIndex,
};
use fork_choice::BlockFacts;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

pub(crate) type Refusal = &'static str;

#[derive(Clone)]
pub(crate) struct Oracle {
    pub(crate) spec: Arc<Spec>,
    pub(crate) time: u64,
    pub(crate) genesis_time: u64,
    pub(crate) justified_checkpoint: Checkpoint,
    pub(crate) finalized_checkpoint: Checkpoint,
    pub(crate) unrealized_justified_checkpoint: Checkpoint,
    pub(crate) unrealized_finalized_checkpoint: Checkpoint,
    pub(crate) proposer_boost_root: Root,
    pub(crate) equivocating_indices: BTreeSet<ValidatorIndex>,
    pub(crate) blocks: BTreeMap<Root, BlockFacts>,
    pub(crate) block_timeliness: BTreeMap<Root, bool>,
    pub(crate) latest_messages: BTreeMap<ValidatorIndex, (Epoch, Root)>,
    /// Of `checkpoint_states[justified_checkpoint]`: balances of the active unslashed validators.
    pub(crate) balances: Vec<Gwei>,
    pub(crate) total_active_balance: Gwei,
}

impl Oracle {
    pub(crate) fn new(spec: &Arc<Spec>, genesis_time: u64, anchor: &BlockFacts) -> Oracle {
        let checkpoint = anchor.unrealized_justified_checkpoint;
        Oracle {
            spec: Arc::clone(spec),
            time: genesis_time + anchor.slot * (spec.SLOT_DURATION_MS / 1000),
            genesis_time,
            justified_checkpoint: checkpoint,
            finalized_checkpoint: checkpoint,
            unrealized_justified_checkpoint: checkpoint,
            unrealized_finalized_checkpoint: checkpoint,
            proposer_boost_root: Root::ZERO,
            equivocating_indices: BTreeSet::new(),
            blocks: BTreeMap::from([(anchor.root, *anchor)]),
            block_timeliness: BTreeMap::new(),
            latest_messages: BTreeMap::new(),
            balances: Vec::new(),
            total_active_balance: spec.EFFECTIVE_BALANCE_INCREMENT,
        }
    }

    fn seconds_per_slot(&self) -> u64 {
        self.spec.SLOT_DURATION_MS / 1000
    }

    pub(crate) fn epoch_at(&self, slot: Slot) -> Epoch {
        slot / self.spec.SLOTS_PER_EPOCH
    }

    pub(crate) fn current_slot(&self) -> Slot {
        (self.time - self.genesis_time) / self.seconds_per_slot()
    }

    pub(crate) fn current_epoch(&self) -> Epoch {
        self.epoch_at(self.current_slot())
    }

    /// `None` where the specification's dictionary has no such key.
    pub(crate) fn get_ancestor(&self, root: Root, slot: Slot) -> Option<Root> {
        let block = self.blocks.get(&root)?;
        if block.slot > slot {
            return self.get_ancestor(block.parent_root, slot);
        }
        Some(root)
    }

    pub(crate) fn get_checkpoint_block(&self, root: Root, epoch: Epoch) -> Option<Root> {
        self.get_ancestor(root, epoch * self.spec.SLOTS_PER_EPOCH)
    }

    fn calculate_committee_fraction(&self, committee_percent: u64) -> Gwei {
        self.total_active_balance / self.spec.SLOTS_PER_EPOCH * committee_percent / 100
    }

    pub(crate) fn get_weight(&self, root: Root) -> Gwei {
        let slot = self.blocks[&root].slot;
        let mut score = 0;
        for (i, balance) in self.balances.iter().enumerate() {
            if let Some((_, vote)) = self.latest_messages.get(&(i as u64))
                && !self.equivocating_indices.contains(&(i as u64))
                && self.get_ancestor(*vote, slot) == Some(root)
            {
                score += balance;
            }
        }
        if self.proposer_boost_root == Root::ZERO {
            return score;
        }
        if self.get_ancestor(self.proposer_boost_root, slot) == Some(root) {
            score += self.calculate_committee_fraction(self.spec.PROPOSER_SCORE_BOOST);
        }
        score
    }

    pub(crate) fn get_voting_source(&self, root: Root) -> Checkpoint {
        let block = &self.blocks[&root];
        if self.current_epoch() > self.epoch_at(block.slot) {
            block.unrealized_justified_checkpoint
        } else {
            block.justified_checkpoint
        }
    }

    fn children(&self, root: Root) -> Vec<Root> {
        let is_child = |(_, block): &(&Root, &BlockFacts)| block.parent_root == root;
        self.blocks.iter().filter(is_child).map(|b| *b.0).collect()
    }

    fn filter_block_tree(&self, root: Root, blocks: &mut BTreeMap<Root, BlockFacts>) -> bool {
        let block = self.blocks[&root];
        let children = self.children(root);
        if !children.is_empty() {
            let mut any = false;
            for child in children {
                any |= self.filter_block_tree(child, blocks);
            }
            if any {
                blocks.insert(root, block);
            }
            return any;
        }
        let justified_epoch = self.justified_checkpoint.epoch;
        let voting_source = self.get_voting_source(root);
        let correct_justified = justified_epoch == GENESIS_EPOCH
            || voting_source.epoch == justified_epoch
            || voting_source.epoch + 2 >= self.current_epoch();
        let finalized = self.finalized_checkpoint;
        let correct_finalized = finalized.epoch == GENESIS_EPOCH
            || self.get_checkpoint_block(root, finalized.epoch) == Some(finalized.root);
        if correct_justified && correct_finalized {
            blocks.insert(root, block);
            return true;
        }
        false
    }

    pub(crate) fn get_filtered_block_tree(&self) -> BTreeMap<Root, BlockFacts> {
        let mut blocks = BTreeMap::new();
        self.filter_block_tree(self.justified_checkpoint.root, &mut blocks);
        blocks
    }

    pub(crate) fn get_head(&self) -> Root {
        let blocks = self.get_filtered_block_tree();
        let mut head = self.justified_checkpoint.root;
        loop {
            let children = blocks.iter().filter(|(_, b)| b.parent_root == head);
            match children.map(|(&r, _)| (self.get_weight(r), r)).max() {
                Some((_, root)) => head = root,
                None => return head,
            }
        }
    }

    pub(crate) fn viable_heads(&self) -> Vec<(Root, Gwei)> {
        let blocks = self.get_filtered_block_tree();
        let leaf = |root: &&Root| !blocks.values().any(|b| b.parent_root == **root);
        let leaves = blocks.keys().filter(leaf);
        leaves.map(|&root| (root, self.get_weight(root))).collect()
    }

    fn update_checkpoints(&mut self, justified: Checkpoint, finalized: Checkpoint) {
        if justified.epoch > self.justified_checkpoint.epoch {
            self.justified_checkpoint = justified;
        }
        if finalized.epoch > self.finalized_checkpoint.epoch {
            self.finalized_checkpoint = finalized;
        }
    }

    fn on_tick_per_slot(&mut self, time: u64) {
        let previous_slot = self.current_slot();
        self.time = time;
        let current_slot = self.current_slot();
        if current_slot > previous_slot {
            self.proposer_boost_root = Root::ZERO;
            if current_slot.is_multiple_of(self.spec.SLOTS_PER_EPOCH) {
                self.update_checkpoints(
                    self.unrealized_justified_checkpoint,
                    self.unrealized_finalized_checkpoint,
                );
            }
        }
    }

    pub(crate) fn on_tick(&mut self, time: u64) {
        let tick_slot = (time - self.genesis_time) / self.seconds_per_slot();
        while self.current_slot() < tick_slot {
            let next = self.genesis_time + (self.current_slot() + 1) * self.seconds_per_slot();
            self.on_tick_per_slot(next);
        }
        self.on_tick_per_slot(time);
    }

    pub(crate) fn on_block(&mut self, facts: &BlockFacts) -> Result<(), Refusal> {
        let parent = self.blocks.get(&facts.parent_root);
        let parent_slot = parent.ok_or("UnknownParent")?.slot;
        if self.current_slot() < facts.slot {
            return Err("FutureBlock");
        }
        let finalized = self.finalized_checkpoint;
        if facts.slot <= finalized.epoch * self.spec.SLOTS_PER_EPOCH {
            return Err("BlockNotAfterFinalized");
        }
        if self.get_checkpoint_block(facts.parent_root, finalized.epoch) != Some(finalized.root) {
            return Err("BlockConflictsWithFinalized");
        }
        if facts.slot <= parent_slot {
            return Err("SlotNotAfterParent");
        }
        self.blocks.insert(facts.root, *facts);
        let time_into_slot_ms = (self.time - self.genesis_time) * 1000 % self.spec.SLOT_DURATION_MS;
        let due = self.spec.ATTESTATION_DUE_BPS * self.spec.SLOT_DURATION_MS / 10_000;
        let is_timely = self.current_slot() == facts.slot && time_into_slot_ms < due;
        self.block_timeliness.insert(facts.root, is_timely);
        if is_timely && self.proposer_boost_root == Root::ZERO {
            self.proposer_boost_root = facts.root;
        }
        self.update_checkpoints(facts.justified_checkpoint, facts.finalized_checkpoint);
        let justified = facts.unrealized_justified_checkpoint;
        let finalized = facts.unrealized_finalized_checkpoint;
        if justified.epoch > self.unrealized_justified_checkpoint.epoch {
            self.unrealized_justified_checkpoint = justified;
        }
        if finalized.epoch > self.unrealized_finalized_checkpoint.epoch {
            self.unrealized_finalized_checkpoint = finalized;
        }
        if self.epoch_at(facts.slot) < self.current_epoch() {
            self.update_checkpoints(justified, finalized);
        }
        Ok(())
    }

    fn validate_on_attestation(
        &self,
        data: &AttestationData,
        is_from_block: bool,
    ) -> Result<(), Refusal> {
        let target = data.target;
        if !is_from_block {
            let current = self.current_epoch();
            if target.epoch > current {
                return Err("TargetEpochInFuture");
            }
            if target.epoch + 1 < current {
                return Err("TargetEpochInPast");
            }
        }
        if target.epoch != self.epoch_at(data.slot) {
            return Err("TargetEpochSlotMismatch");
        }
        if !self.blocks.contains_key(&target.root) {
            return Err("UnknownTarget");
        }
        let block = self.blocks.get(&data.beacon_block_root);
        if block.ok_or("UnknownAttestedBlock")?.slot > data.slot {
            return Err("AttestedBlockTooNew");
        }
        match self.get_checkpoint_block(data.beacon_block_root, target.epoch) {
            None => return Err("UnknownAncestor"),
            Some(root) if root != target.root => return Err("TargetNotOnAttestedChain"),
            Some(_) => {}
        }
        if self.current_slot() < data.slot + 1 {
            return Err("AttestationTooEarly");
        }
        Ok(())
    }

    pub(crate) fn on_attestation(
        &mut self,
        data: &AttestationData,
        indices: &[ValidatorIndex],
        is_from_block: bool,
    ) -> Result<(), Refusal> {
        self.validate_on_attestation(data, is_from_block)?;
        for i in indices {
            if self.equivocating_indices.contains(i) {
                continue;
            }
            let latest = self.latest_messages.get(i);
            if latest.is_none_or(|(epoch, _)| data.target.epoch > *epoch) {
                let message = (data.target.epoch, data.beacon_block_root);
                self.latest_messages.insert(*i, message);
            }
        }
        Ok(())
    }

    pub(crate) fn on_attester_slashing(
        &mut self,
        indices: impl IntoIterator<Item = ValidatorIndex>,
    ) {
        self.equivocating_indices.extend(indices);
    }

    /// `None` where an assertion or a key fails.
    pub(crate) fn get_proposer_head(&self, head_root: Root, slot: Slot) -> Option<Root> {
        let head = self.blocks.get(&head_root)?;
        let parent_root = head.parent_root;
        let parent = self.blocks.get(&parent_root)?;
        let head_late = !*self.block_timeliness.get(&head_root)?;
        let shuffling_stable = !slot.is_multiple_of(self.spec.SLOTS_PER_EPOCH);
        let ffg_competitive =
            head.unrealized_justified_checkpoint == parent.unrealized_justified_checkpoint;
        let since = self
            .epoch_at(slot)
            .checked_sub(self.finalized_checkpoint.epoch)?;
        let finalization_ok = since <= self.spec.REORG_MAX_EPOCHS_SINCE_FINALIZATION;
        let time_into_slot_ms = (self.time - self.genesis_time) * 1000 % self.spec.SLOT_DURATION_MS;
        let cutoff = self.spec.PROPOSER_REORG_CUTOFF_BPS * self.spec.SLOT_DURATION_MS / 10_000;
        let proposing_on_time = time_into_slot_ms <= cutoff;
        let single_slot_reorg = parent.slot + 1 == head.slot && head.slot + 1 == slot;
        if self.proposer_boost_root == head_root {
            return None;
        }
        let weak = self.calculate_committee_fraction(self.spec.REORG_HEAD_WEIGHT_THRESHOLD);
        let head_weak = self.get_weight(head_root) < weak;
        let strong = self.calculate_committee_fraction(self.spec.REORG_PARENT_WEIGHT_THRESHOLD);
        let parent_strong = self.get_weight(parent_root) > strong;
        let reorg = head_late
            && shuffling_stable
            && ffg_competitive
            && finalization_ok
            && proposing_on_time
            && single_slot_reorg
            && head_weak
            && parent_strong;
        Some(if reorg { parent_root } else { head_root })
    }
}
