//! What readers get to see.

use super::{Chain, Parts};
use crate::{Effect, Event, Figures, HeadInfo, HotEntry, Snapshot};
use consensus::helpers::compute_epoch_at_slot;
use consensus::*;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What is shown and said when an input has been dealt with.
#[derive(Debug, Default)]
pub(super) struct Pending {
    /// Whether readers have something new to see.
    pub(super) changed: bool,
    /// Whether blocks came or went.
    pub(super) tree_changed: bool,
    pub(super) events: Vec<Event>,
    /// Answers that speak of what the next snapshot shows.
    pub(super) answers: Vec<Effect>,
}

impl Chain {
    /// Publishes a snapshot if anything changed, then the events and answers that speak of it.
    pub(super) fn publish(&mut self, effects: &mut Vec<Effect>) {
        if std::mem::take(&mut self.pending.changed) {
            self.snapshot = Arc::new(self.make_snapshot());
            effects.push(Effect::Publish(Arc::clone(&self.snapshot)));
        }
        let events = std::mem::take(&mut self.pending.events);
        effects.extend(events.into_iter().map(Effect::Event));
        effects.append(&mut self.pending.answers);
    }

    pub(super) fn make_snapshot(&mut self) -> Snapshot {
        let checkpoints = self.store.checkpoints();
        let tree_changed = std::mem::take(&mut self.pending.tree_changed);
        let canonical = match tree_changed || self.snapshot.head.root != self.head {
            true => Arc::new(self.blocks.chain_of(self.head)),
            false => Arc::clone(&self.snapshot.canonical),
        };
        let tips = match tree_changed {
            true => self.tips(),
            false => self.snapshot.tips.clone(),
        };
        Snapshot {
            spec: Arc::clone(&self.spec),
            genesis_time: self.genesis.time,
            genesis_validators_root: self.genesis.validators_root,
            genesis_block_root: self.genesis.block_root,
            current_slot: self.store.get_current_slot(),
            head: self.head_info(),
            justified: checkpoints.justified,
            finalized: checkpoints.finalized,
            unrealized_justified: checkpoints.unrealized_justified,
            unrealized_finalized: checkpoints.unrealized_finalized,
            proposer_boost_root: self.store.proposer_boost_root(),
            blocks: Arc::new(self.hot_entries()),
            canonical,
            tips,
            figures: self.figures(),
        }
    }

    fn head_info(&self) -> HeadInfo {
        let state = self.head_state.clone();
        let epoch = compute_epoch_at_slot(self.store.get_current_slot(), &self.spec);
        let checkpoint = Checkpoint {
            epoch,
            root: self.head,
        };
        let is_behind = epoch > compute_epoch_at_slot(state.slot(), &self.spec);
        let advanced = match is_behind {
            true => self.states.checkpoint(checkpoint),
            false => None,
        };
        let row = self.blocks.get(self.head).map(|entry| entry.row);
        HeadInfo {
            slot: row.map_or(state.latest_block_header().slot, |row| row.slot),
            root: self.head,
            state_root: row.map_or(Root::ZERO, |row| row.state_root),
            duties_state: advanced.unwrap_or(&state).clone(),
            state,
        }
    }

    fn hot_entries(&mut self) -> BTreeMap<Root, HotEntry> {
        let mut entries = BTreeMap::new();
        for (&root, entry) in self.blocks.iter() {
            let state = self.states.get(root);
            // Unknown only while the justified checkpoint's state is being made: as it was then.
            let before = self.snapshot.blocks.get(&root);
            let weight = self.store.get_weight(root).ok();
            // The finalized block's may be advanced.
            let state = state.filter(|state| state.slot() == entry.row.slot);
            let entry = HotEntry {
                row: entry.row,
                block: entry.block.clone(),
                state: state.cloned(),
                weight: weight.or(before.map(|it| it.weight)).unwrap_or(0),
            };
            entries.insert(root, entry);
        }
        entries
    }

    fn tips(&self) -> Vec<Root> {
        let parents: BTreeSet<Root> = self
            .store
            .nodes()
            .map(|node| node.facts().parent_root)
            .collect();
        self.store
            .nodes()
            .map(|node| node.facts().root)
            .filter(|root| !parents.contains(root))
            .collect()
    }

    fn figures(&self) -> Figures {
        let messages = self.messages.figures();
        Figures {
            attestations: messages.attestations,
            operations: messages.operations,
            hot_states: self.states.len() as u64,
            delayed: messages.delayed + self.arrivals.len() as u64,
            jobs: self.jobs.len() as u64,
            uncommitted: self.commits.uncommitted(),
            regenerated: self.regenerated,
            reorgs: self.reorgs,
        }
    }
}

/// A snapshot of the head alone, until the first real one is made.
pub(super) fn first_snapshot(parts: &Parts) -> Snapshot {
    let checkpoints = parts.store.checkpoints();
    let state = parts.head_state.clone();
    Snapshot {
        spec: Arc::clone(parts.store.spec()),
        genesis_time: parts.genesis.time,
        genesis_validators_root: parts.genesis.validators_root,
        genesis_block_root: parts.genesis.block_root,
        current_slot: parts.store.get_current_slot(),
        head: HeadInfo {
            slot: state.latest_block_header().slot,
            root: parts.head,
            state_root: parts
                .store
                .node(parts.head)
                .map_or(Root::ZERO, |node| node.facts().state_root),
            duties_state: state.clone(),
            state,
        },
        justified: checkpoints.justified,
        finalized: checkpoints.finalized,
        unrealized_justified: checkpoints.unrealized_justified,
        unrealized_finalized: checkpoints.unrealized_finalized,
        proposer_boost_root: parts.store.proposer_boost_root(),
        blocks: Arc::default(),
        canonical: Arc::default(),
        tips: Vec::new(),
        figures: Figures::default(),
    }
}
