//! Which states are kept.

use crate::index::{Head, StateEntry};
use crate::shared::Shared;
use crate::state_files::{self, latest_block_root};
use crate::{Disk, StoreError};
use consensus::{BeaconState, Root};
use rows::Batch;
use std::cmp::Reverse;
use std::collections::HashSet;

/// Finalized states kept to start from.
const FINAL_STATES: usize = 2;
/// Most states kept of blocks that are not finalized: with one in 32 epochs, nine days of mainnet.
const HOT_STATES: usize = 64;

/// Writes the files of a batch's states and adds their entries.
pub(crate) fn add(disk: &dyn Disk, head: &mut Head, batch: &Batch) -> Result<(), StoreError> {
    let boundary = batch.finalize.iter().flat_map(|f| &f.boundary_states);
    let boundary = boundary.map(|state| (latest_block_root(state), state, true));
    let restart = batch.states.iter();
    let restart = restart.map(|stored| (stored.block_root, &stored.state, false));
    for (block_root, state, is_boundary) in boundary.chain(restart) {
        add_one(disk, head, block_root, state, is_boundary)?;
    }
    Ok(())
}

fn add_one(
    disk: &dyn Disk,
    head: &mut Head,
    block_root: Root,
    state: &BeaconState,
    is_boundary: bool,
) -> Result<(), StoreError> {
    let slot = state.slot();
    let mut states = head.states.iter_mut();
    if let Some(known) = states.find(|it| it.slot == slot && it.block_root == block_root) {
        known.is_boundary |= is_boundary;
        known.is_restart |= !is_boundary;
        return Ok(());
    }
    let entry = StateEntry {
        slot,
        block_root,
        block_slot: state.latest_block_header().slot,
        is_final: is_boundary,
        is_boundary,
        is_restart: !is_boundary,
    };
    state_files::write(disk, &entry, state)?;
    head.states.push(entry);
    Ok(())
}

/// Drops the entries of states that are of no more use, after the split has moved or states came.
/// The entries dropped.
pub(crate) fn retain(shared: &Shared, head: &mut Head) -> Result<Vec<StateEntry>, StoreError> {
    let before = head.states.clone();
    for entry in &mut head.states {
        settle(shared, head.split.slot, head.split.checkpoint.root, entry)?;
    }
    head.states.sort_by_key(|entry| Reverse(entry.slot));
    let mut left = FINAL_STATES;
    for entry in &mut head.states {
        if entry.is_final && entry.is_restart {
            entry.is_restart = left > 0;
            left = left.saturating_sub(1);
        }
    }
    head.states.retain(|it| it.is_boundary || it.is_restart);
    thin(&mut head.states);
    head.states.sort_by_key(|entry| entry.slot);
    let kept: HashSet<String> = head.states.iter().map(StateEntry::path).collect();
    let dropped = before.into_iter();
    Ok(dropped.filter(|it| !kept.contains(&it.path())).collect())
}

/// Whether a state's block has become final, or can never be.
fn settle(
    shared: &Shared,
    split_slot: u64,
    split_root: Root,
    entry: &mut StateEntry,
) -> Result<(), StoreError> {
    if entry.is_final {
        return Ok(());
    }
    let root = entry.block_root;
    if root == split_root {
        entry.is_final = true;
    } else if entry.block_slot > split_slot {
        entry.is_restart = shared.hot.read().slots.contains_key(&root);
    } else {
        entry.is_final = shared.finalized_root(entry.block_slot)? == Some(root);
        entry.is_restart &= entry.is_final;
    }
    Ok(())
}

/// Drops states that are not final until there are few, those first that are nearest to their
/// neighbours: what is left is spread over the slots, and the newest stays.
fn thin(newest_first: &mut Vec<StateEntry>) {
    loop {
        let hot: Vec<usize> = (0..newest_first.len())
            .filter(|at| !newest_first[*at].is_final)
            .collect();
        if hot.len() <= HOT_STATES {
            return;
        }
        let gap = |at: &usize| {
            let newer = newest_first[hot[at - 1]].slot;
            let older = hot.get(at + 1).map_or(0, |older| newest_first[*older].slot);
            newer - older
        };
        let nearest = (1..hot.len()).min_by_key(gap);
        newest_first.remove(nearest.map_or(hot[0], |at| hot[at]));
    }
}
