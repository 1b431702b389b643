//! Topic `beacon_block`.

use super::clock::is_future_slot;
use super::unverified::signature_of;
use super::{Check, Claim, Mark, Reason, Seen, View, Wait, ignore, reason, reject};
use consensus::helpers::{
    compute_epoch_at_slot, compute_start_slot_at_epoch, get_beacon_proposer_index,
    get_current_epoch,
};
use consensus::{
    BeaconBlock, BeaconState, Checkpoint, DOMAIN_BEACON_PROPOSER, Epoch, Error, HashTreeRoot,
    SignedBeaconBlock, Slot, ValidatorIndex,
};
use std::sync::Arc;

/// `p2p-interface.md#beacon_block`. The rules on the parent come before the proposer's signature:
/// the state on top of the parent is the one that knows the proposer.
pub fn validate_beacon_block_gossip(
    view: &View<'_>,
    seen: &Seen,
    signed_beacon_block: &Arc<SignedBeaconBlock>,
) -> Check<Arc<SignedBeaconBlock>> {
    let block = &signed_beacon_block.message;
    let (store, spec) = (view.fork_choice, view.fork_choice.spec());

    // [IGNORE] The block is not from a future slot.
    if is_future_slot(store, block.slot, view.now) {
        return Check::Wait(Wait::Slot(block.slot));
    }
    // [IGNORE] The block is from a slot greater than the latest finalized slot.
    let finalized_slot = compute_start_slot_at_epoch(view.finalized.epoch, spec);
    if finalized_slot.is_ok_and(|finalized| block.slot <= finalized) {
        return ignore(reason::FINALIZED_SLOT);
    }
    // [IGNORE] The first block with a valid signature for the proposer and the slot.
    if seen.has_block(block.slot, block.proposer_index) {
        return ignore(reason::SEEN_BLOCK);
    }
    // [REJECT] The block's parent passes validation.
    if view.invalid.contains(block.parent_root) {
        return reject(reason::INVALID_BLOCK);
    }
    // [IGNORE] The block's parent has been seen.
    let Some(parent) = store.node(block.parent_root) else {
        return Check::Wait(Wait::Block(block.parent_root));
    };
    // [REJECT] The block is from a higher slot than its parent.
    if block.slot <= parent.facts().slot {
        return reject(reason::NOT_AFTER_PARENT);
    }
    // [REJECT] The current finalized checkpoint is an ancestor of the block.
    if !view.is_after_finalized(block.parent_root) {
        return reject(reason::CONFLICTS_FINALITY);
    }
    // [REJECT] The block is proposed by the expected proposer of its slot.
    let epoch = compute_epoch_at_slot(block.slot, spec);
    let Some(state) = state_of_epoch(view, block, epoch) else {
        let root = block.parent_root;
        return Check::Wait(Wait::State(Checkpoint { epoch, root }));
    };
    match check_proposer(state, block.slot, block.proposer_index) {
        Ok(true) => {}
        Ok(false) => return reject(reason::WRONG_PROPOSER),
        // The state itself cannot tell: nobody's fault.
        Err(_) => return ignore(reason::WRONG_PROPOSER),
    }
    // [REJECT] The proposer signature is valid with respect to the proposer's public key.
    let set = signature_of(
        state,
        block.proposer_index,
        (DOMAIN_BEACON_PROPOSER, epoch),
        block.header().hash_tree_root(),
        signed_beacon_block.signature,
    );
    match set {
        Some(set) => Check::Verify(Claim::new(
            Arc::clone(signed_beacon_block),
            [(set, reason::BLOCK_SIGNATURE)],
        )),
        None => reject(reason::UNKNOWN_PROPOSER),
    }
}

/// A state on the branch of the block's parent and in the block's epoch, if one is at hand.
fn state_of_epoch<'a>(
    view: &View<'a>,
    block: &BeaconBlock,
    epoch: Epoch,
) -> Option<&'a BeaconState> {
    let root = block.parent_root;
    let head = (view.head_root == root).then_some(view.head_state);
    let states = [
        head,
        view.states.get(root),
        view.states.checkpoint(Checkpoint { epoch, root }),
    ];
    let mut states = states.into_iter().flatten();
    states.find(|state| get_current_epoch(state) == epoch)
}

/// Whether the validator is the proposer of a slot in the state's epoch, on the state's branch.
///
/// # Errors
/// If the slot is in another epoch, or the state has no proposer.
pub fn check_proposer(
    state: &BeaconState,
    slot: Slot,
    proposer_index: ValidatorIndex,
) -> Result<bool, Error> {
    if compute_epoch_at_slot(slot, state.spec()) != get_current_epoch(state) {
        let state_slot = state.slot();
        return Err(Error::SlotNotAdvanced { state_slot, slot });
    }
    let mut at_slot = state.clone();
    at_slot.set_slot(slot);
    Ok(get_beacon_proposer_index(&at_slot)? == proposer_index)
}

impl Mark for Arc<SignedBeaconBlock> {
    fn mark(&self, seen: &mut Seen) -> Result<(), Reason> {
        match seen.add_block(self.message.slot, self.message.proposer_index) {
            true => Ok(()),
            false => Err(reason::SEEN_BLOCK),
        }
    }
}
