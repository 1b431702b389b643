//! What the topics of attestations and of aggregates have in common: when and for what a vote may be
//! cast, and which state knows the committee.

use super::clock::{is_future_slot, is_within_slot_range};
use super::{Check, View, Wait, ignore, reason, reject};
use consensus::helpers::{compute_epoch_at_slot, compute_start_slot_at_epoch, get_current_epoch};
use consensus::state::Shuffling;
use consensus::{AttestationData, BeaconState, Epoch, Root};
use std::sync::Arc;

/// The rules on a vote that need no committee. They come first, in this order, because they bound
/// the work of the others: what passes them votes for a known block of a valid chain in a recent
/// slot.
pub(super) fn check_data<T>(view: &View<'_>, data: &AttestationData) -> Result<(), Check<T>> {
    let (store, spec) = (view.fork_choice, view.fork_choice.spec());
    // [IGNORE] The slot is within the last `ATTESTATION_PROPAGATION_SLOT_RANGE` slots.
    let range = spec.ATTESTATION_PROPAGATION_SLOT_RANGE;
    if !is_within_slot_range(store, data.slot, range, view.now) {
        return Err(match is_future_slot(store, data.slot, view.now) {
            true => Check::Wait(Wait::Slot(data.slot)),
            false => ignore(reason::OLD_SLOT),
        });
    }
    // [REJECT] The attestation's epoch matches its target.
    if data.target.epoch != compute_epoch_at_slot(data.slot, spec) {
        return Err(reject(reason::TARGET_EPOCH));
    }
    // [REJECT] The block being voted for passes validation.
    if view.invalid.contains(data.beacon_block_root) {
        return Err(reject(reason::INVALID_BLOCK));
    }
    // [IGNORE] The block being voted for has been seen.
    if !store.contains_block(data.beacon_block_root) {
        return Err(Check::Wait(Wait::Block(data.beacon_block_root)));
    }
    // [REJECT] The target block is an ancestor of the block named in the LMD vote.
    match store.get_checkpoint_block(data.beacon_block_root, data.target.epoch) {
        Ok(checkpoint) if checkpoint == data.target.root => {}
        Ok(_) => return Err(reject(reason::TARGET_NOT_ANCESTOR)),
        // The chain is not known that far back.
        Err(_) => return Err(ignore(reason::BEYOND_HISTORY)),
    }
    // [IGNORE] The finalized checkpoint is an ancestor of the block.
    match view.is_after_finalized(data.beacon_block_root) {
        true => Ok(()),
        false => Err(ignore(reason::CONFLICTS_FINALITY)),
    }
}

/// The committees of the target's epoch on the branch voted for, and a state that knows their
/// members. The head's state serves all branches that share its shuffling; for others the state of
/// the target is needed.
pub(super) fn committees<'a, T>(
    view: &View<'a>,
    data: &AttestationData,
) -> Result<(&'a BeaconState, Arc<Shuffling>), Check<T>> {
    let epoch = data.target.epoch;
    let current = get_current_epoch(view.head_state);
    let near = current.saturating_sub(1)..=current.saturating_add(1);
    let shared = || shuffling_root(view, view.head_root, epoch);
    let state = match near.contains(&epoch)
        && shared() == shuffling_root(view, data.beacon_block_root, epoch)
    {
        true => Some(view.head_state),
        false => view.states.checkpoint(data.target),
    };
    let state = state.ok_or(Check::Wait(Wait::State(data.target)))?;
    let shuffling = state.shuffling(epoch);
    Ok((state, shuffling.map_err(|error| ignore(error.name()))?))
}

/// The last block that had a say in the committees of `epoch` on the branch of `root`. `None` if it
/// is before the first known block, which all branches share.
fn shuffling_root(view: &View<'_>, root: Root, epoch: Epoch) -> Option<Root> {
    let (store, spec) = (view.fork_choice, view.fork_choice.spec());
    let lookahead = epoch.checked_sub(spec.MIN_SEED_LOOKAHEAD)?;
    let start = compute_start_slot_at_epoch(lookahead, spec).ok()?;
    store.get_ancestor(root, start.checked_sub(1)?).ok()
}
