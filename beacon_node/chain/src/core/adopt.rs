//! What a good block changes: the tree, the votes, the head.

use super::Chain;
use crate::import::Imported;
use crate::{BatchError, Effect, Event};
use consensus::helpers::{compute_epoch_at_slot, get_block_root_at_slot};
use consensus::*;
use fork_choice::JustifiedBalances;
use rows::{BlockRow, ChainRow, HotBlock};

impl Chain {
    /// Takes a block into the fork choice and the open batch.
    pub(super) fn adopt(
        &mut self,
        imported: Imported,
        effects: &mut Vec<Effect>,
    ) -> Result<(), BatchError> {
        let (root, facts) = (imported.root, imported.facts);
        if self.store.contains_block(root) {
            return Ok(());
        }
        self.store
            .on_block_facts(&facts)
            .map_err(|error| match error {
                fork_choice::Error::UnknownParent(parent) => BatchError::UnknownParent(parent),
                fork_choice::Error::BlockNotAfterFinalized { finalized, .. } => {
                    BatchError::Finalized(finalized)
                }
                fork_choice::Error::FutureBlock { .. } => BatchError::Future,
                error => BatchError::Limit(error.to_string()),
            })?;
        for (data, indices) in &imported.votes {
            // The specification drops a vote that does not fit the known blocks.
            let _ = self.store.on_attestation(data, indices, true);
        }
        for slashing in &imported.slashings {
            self.slash(slashing, effects);
        }
        self.keep_checkpoints(imported.checkpoints);
        let epoch = compute_epoch_at_slot(facts.slot, &self.spec);
        if facts
            .slot
            .is_multiple_of(self.spec.SLOTS_PER_HISTORICAL_ROOT)
        {
            // The state of an era's boundary: kept until it is final or given up.
            let checkpoint = Checkpoint { epoch, root };
            self.states
                .insert_checkpoint(checkpoint, imported.state.clone());
        }
        self.states.insert(root, imported.state);
        if let Some(row) = self.row_of(root) {
            let block = imported.block.clone();
            self.blocks
                .insert(row, Some(block.clone()), self.commits.next_seq());
            self.commits.open.blocks.push(HotBlock { row, block });
        }
        let slot = facts.slot;
        self.pending.events.push(Event::Block { slot, block: root });
        self.pending.changed = true;
        self.message_block(root, &imported.block.message, effects);
        Ok(())
    }

    pub(super) fn keep_checkpoints(&mut self, checkpoints: Vec<(Checkpoint, BeaconState)>) {
        for (checkpoint, state) in checkpoints {
            if self.store.contains_block(checkpoint.root) {
                self.states.insert_checkpoint(checkpoint, state);
            }
        }
    }

    fn row_of(&self, root: Root) -> Option<BlockRow> {
        let node = self.store.node(root)?;
        let facts = node.facts();
        Some(BlockRow {
            slot: facts.slot,
            root,
            parent_root: facts.parent_root,
            state_root: facts.state_root,
            target_root: node.target_root(),
            justified: facts.justified_checkpoint,
            finalized: facts.finalized_checkpoint,
            unrealized_justified: facts.unrealized_justified_checkpoint,
            unrealized_finalized: facts.unrealized_finalized_checkpoint,
            validator_count: facts.validator_count as u64,
            timely: node.is_timely(),
        })
    }

    fn chain_row(&self) -> ChainRow {
        let checkpoints = self.store.checkpoints();
        ChainRow {
            head: self.head,
            justified: checkpoints.justified,
            finalized: checkpoints.finalized,
            unrealized_justified: checkpoints.unrealized_justified,
            unrealized_finalized: checkpoints.unrealized_finalized,
        }
    }

    /// Draws the consequences of an input: head, finality, what is to be stored, what is shown.
    pub(super) fn settle(&mut self, effects: &mut Vec<Effect>) {
        self.refresh_balances(effects);
        self.update_head(effects);
        self.advance_finality(effects);
        self.store_far_state();
        self.fit();
        self.request_duties_state(effects);
        self.publish(effects);
        let row = self.chain_row();
        if let Some(batch) = self.commits.take(row) {
            effects.push(Effect::Commit(batch));
        }
    }

    /// Weighs the votes by the justified checkpoint's state, if that changed.
    fn refresh_balances(&mut self, effects: &mut Vec<Effect>) {
        let Some(checkpoint) = self.store.justified_balances_needed() else {
            return;
        };
        let Some(state) = self.states.checkpoint(checkpoint) else {
            self.request_checkpoint(crate::Class::Import, checkpoint, effects);
            return;
        };
        if let Ok(balances) = JustifiedBalances::from_state(state) {
            // Refused only if the balances overflow: the head stays where it is.
            let _ = self.store.set_justified_balances(checkpoint, balances);
            self.pending.changed = true;
        }
    }

    fn update_head(&mut self, effects: &mut Vec<Effect>) {
        let Ok(root) = self.store.get_head() else {
            return;
        };
        if root == self.head {
            return;
        }
        let Some(state) = self.states.get(root).cloned() else {
            self.request_state(crate::Class::Import, root, effects);
            return;
        };
        let old = std::mem::replace(&mut self.head, root);
        self.head_state = state;
        self.head_since = self.store.get_current_slot();
        self.pending.changed = true;
        if let Some(event) = self.reorg_event(old) {
            self.reorgs += 1;
            self.pending.events.push(event);
        }
        if let Some(event) = self.head_event() {
            self.pending.events.push(event);
        }
    }

    fn reorg_event(&self, old: Root) -> Option<Event> {
        let (old_node, node) = (self.store.node(old)?, self.store.node(self.head)?);
        let (mut one, mut other) = (node, old_node);
        while one.facts().root != other.facts().root {
            match one.facts().slot > other.facts().slot {
                true => one = self.store.node(one.facts().parent_root)?,
                false => other = self.store.node(other.facts().parent_root)?,
            }
        }
        let common = one.facts();
        if common.root == old {
            return None;
        }
        let slot = node.facts().slot;
        Some(Event::ChainReorg {
            slot,
            depth: old_node.facts().slot - common.slot,
            old_head_block: old,
            new_head_block: self.head,
            old_head_state: old_node.facts().state_root,
            new_head_state: node.facts().state_root,
            epoch: compute_epoch_at_slot(slot, &self.spec),
        })
    }

    fn head_event(&self) -> Option<Event> {
        let facts = *self.store.node(self.head)?.facts();
        let epoch = compute_epoch_at_slot(facts.slot, &self.spec);
        let parent = self.store.node(facts.parent_root);
        let parent_epoch =
            parent.map(|parent| compute_epoch_at_slot(parent.facts().slot, &self.spec));
        let dependent_root = |epoch: Epoch| {
            let start = self.start_of(epoch)?;
            let last = start.checked_sub(1)?;
            get_block_root_at_slot(&self.head_state, last).ok()
        };
        let genesis = self.genesis.block_root;
        let previous = epoch.checked_sub(1).and_then(dependent_root);
        Some(Event::Head {
            slot: facts.slot,
            block: facts.root,
            state: facts.state_root,
            epoch_transition: parent_epoch.is_some_and(|parent| parent < epoch),
            previous_duty_dependent_root: previous.unwrap_or(genesis),
            current_duty_dependent_root: dependent_root(epoch).unwrap_or(genesis),
        })
    }
}
