//! What readers get to see.

use super::{Chain, Parts};
use crate::{Effect, Event, Figures, HeadInfo, HotEntry, SharedMap, Snapshot};
use consensus::helpers::compute_epoch_at_slot;
use consensus::*;
use std::collections::BTreeSet;
use std::sync::Arc;

/// What is shown and said when an input has been dealt with.
#[derive(Debug, Default)]
pub(super) struct Pending {
    /// Whether readers have something new to see.
    pub(super) changed: bool,
    /// Blocks that came or went, and whose states did.
    touched: BTreeSet<Root>,
    pub(super) events: Vec<Event>,
    /// Answers that speak of what the next snapshot shows.
    pub(super) answers: Vec<Effect>,
}

impl Chain {
    /// Publishes a snapshot if anything changed, then the events and answers that speak of it.
    pub(super) fn publish(&mut self, effects: &mut Vec<Effect>) {
        self.pending.touched.append(&mut self.blocks.take_touched());
        self.pending.touched.append(&mut self.states.take_touched());
        if std::mem::take(&mut self.pending.changed) || !self.pending.touched.is_empty() {
            self.snapshot = Arc::new(self.make_snapshot());
            effects.push(Effect::Publish(Arc::clone(&self.snapshot)));
        }
        let events = std::mem::take(&mut self.pending.events);
        effects.extend(events.into_iter().map(Effect::Event));
        effects.append(&mut self.pending.answers);
    }

    fn make_snapshot(&mut self) -> Snapshot {
        let checkpoints = self.store.checkpoints();
        let mut snapshot = Snapshot::clone(&self.snapshot);
        self.show_blocks(&mut snapshot);
        self.show_canonical(&mut snapshot.canonical);
        // Unknown only while the justified checkpoint's state is being made: as they were then.
        if let Ok(weights) = self.store.weights() {
            snapshot.weights = weights;
        }
        Snapshot {
            current_slot: self.store.get_current_slot(),
            head: self.head_info(),
            justified: checkpoints.justified,
            finalized: checkpoints.finalized,
            unrealized_justified: checkpoints.unrealized_justified,
            unrealized_finalized: checkpoints.unrealized_finalized,
            proposer_boost_root: self.store.proposer_boost_root(),
            figures: self.figures(),
            ..snapshot
        }
    }

    /// Shows the blocks that were touched, and the tips as they are with these.
    fn show_blocks(&mut self, snapshot: &mut Snapshot) {
        let mut new = BTreeSet::new();
        let mut some_went = false;
        for root in std::mem::take(&mut self.pending.touched) {
            if let Some(entry) = self.hot_entry(root) {
                if !snapshot.blocks.contains_key(&root) {
                    new.insert((entry.row.slot, root, entry.row.parent_root));
                }
                snapshot.blocks.insert_mut(root, Arc::new(entry));
            } else if let Some(gone) = snapshot.blocks.get(&root) {
                let slot = gone.row.slot;
                if snapshot.canonical.get(&slot) == Some(&root) {
                    snapshot.canonical.remove_mut(&slot);
                }
                snapshot.blocks.remove_mut(&root);
                some_went = true;
            }
        }
        if !new.is_empty() || some_went {
            let tips = Arc::make_mut(&mut snapshot.tips);
            // Parents first: a child takes its parent's place.
            for (_, root, parent) in new {
                tips.remove(&parent);
                tips.insert(root);
            }
            // Whole branches go: nothing that stays loses a child.
            tips.retain(|root| snapshot.blocks.contains_key(root));
        }
    }

    /// What readers see of a block, if it is there.
    fn hot_entry(&self, root: Root) -> Option<HotEntry> {
        let entry = self.blocks.get(root)?;
        let state = self.states.get(root);
        // The finalized block's may be advanced.
        let state = state.filter(|state| state.slot() == entry.row.slot);
        Some(HotEntry {
            row: entry.row,
            block: entry.block.clone(),
            state: state.cloned(),
        })
    }

    /// Makes the map the chain of the head down to the last block that is there, by slot: what both
    /// have in common stays.
    fn show_canonical(&self, canonical: &mut SharedMap<Slot, Root>) {
        let mut path = Vec::new();
        let mut next = self.blocks.get(self.head);
        while let Some(entry) = next {
            let (slot, root) = (entry.row.slot, entry.row.root);
            if canonical.get(&slot) == Some(&root) {
                break;
            }
            path.push((slot, root));
            next = self.blocks.get(entry.row.parent_root);
        }
        let common = next.map(|entry| entry.row.slot);
        let keeps = |slot: &Slot| common.is_some_and(|common| *slot <= common);
        while let Some(slot) = canonical.last().map(|(slot, _)| *slot) {
            if keeps(&slot) {
                break;
            }
            canonical.remove_mut(&slot);
        }
        for (slot, root) in path {
            canonical.insert_mut(slot, root);
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
        blocks: SharedMap::default(),
        canonical: SharedMap::default(),
        weights: Arc::new([]),
        tips: Arc::default(),
        figures: Figures::default(),
    }
}
