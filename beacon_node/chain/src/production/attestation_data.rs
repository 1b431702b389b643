//! What a validator attests to.

use super::{ProductionError, check_phase};
use crate::Snapshot;
use consensus::helpers::{
    compute_epoch_at_slot, compute_start_slot_at_epoch, get_block_root, get_block_root_at_slot,
    get_current_epoch,
};
use consensus::{AttestationData, Checkpoint, CommitteeIndex, Slot};

/// `validator.md#attestation-data`, for a slot of the current or the previous epoch as the snapshot's
/// head sees it.
///
/// # Errors
/// If the head's state does not know the slot's epoch, or there is no such committee.
pub fn attestation_data(
    snapshot: &Snapshot,
    slot: Slot,
    index: CommitteeIndex,
) -> Result<AttestationData, ProductionError> {
    let (spec, head) = (&snapshot.spec, &snapshot.head);
    let epoch = compute_epoch_at_slot(slot, spec);
    check_phase(epoch, spec)?;
    let state = match get_current_epoch(&head.state) == epoch {
        true => &head.state,
        false => &head.duties_state,
    };
    let current = get_current_epoch(state);
    if epoch > current {
        return Err(ProductionError::NotThereYet(slot));
    }
    let count = state.shuffling(epoch)?.committees_per_slot();
    if index >= count {
        return Err(ProductionError::NoCommittee { slot, index, count });
    }
    let beacon_block_root = match slot >= head.slot {
        true => head.root,
        false => get_block_root_at_slot(state, slot)?,
    };
    let source = match epoch == current {
        true => state.current_justified_checkpoint(),
        false => state.previous_justified_checkpoint(),
    };
    let root = match compute_start_slot_at_epoch(epoch, spec)? >= head.slot {
        true => head.root,
        false => get_block_root(state, epoch)?,
    };
    Ok(AttestationData {
        slot,
        index,
        beacon_block_root,
        source,
        target: Checkpoint { epoch, root },
    })
}
