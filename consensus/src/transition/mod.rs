//! `beacon-chain.md#beacon-chain-state-transition-function`.

mod block;
mod epoch;
mod operations;
mod signatures;

pub use block::*;
pub use epoch::*;
pub use operations::*;
pub use signatures::{SignatureMode, Signatures};

use crate::containers::SignedBeaconBlock;
use crate::error::Error;
use crate::hashing::HashTreeRoot;
use crate::primitives::*;
use crate::state::BeaconState;

/// `beacon-chain.md#beacon-chain-state-transition-function`'s `state_transition`: advances `state`
/// over the block and returns the block's root. The block's signature counts among `signatures`;
/// with `validate_state_root` the block's state root must be that of the post-state.
///
/// Every slot up to the block's costs work, as in the specification: a caller that takes blocks
/// from strangers refuses slots of the future first.
///
/// # Errors
/// The first violated assertion; then `state` is what it was.
pub fn state_transition(
    state: &mut BeaconState,
    signed_block: &SignedBeaconBlock,
    signatures: &mut Signatures<'_>,
    validate_state_root: bool,
) -> Result<Root, Error> {
    signatures.clear();
    let block = &signed_block.message;
    let mut post = state.clone();
    process_slots(&mut post, block.slot)?;
    // The body is hashed once: for the block's root, its signature and the latest header.
    let header = block.header();
    let block_root = header.hash_tree_root();
    verify_header_signature(
        &post,
        block.proposer_index,
        block_root,
        signed_block.signature,
        signatures,
    )?;
    process_block_with_header(&mut post, block, &header, signatures)?;
    if validate_state_root {
        let computed = post.hash_tree_root();
        if block.state_root != computed {
            return Err(Error::StateRootMismatch {
                block: block.state_root,
                computed,
            });
        }
    }
    debug_assert!(post.derived_is_consistent(), "a kept value is stale");
    *state = post;
    Ok(block_root)
}

/// `beacon-chain.md#beacon-chain-state-transition-function`'s `process_slots`.
///
/// # Errors
/// If `slot` is not after the state's, or an epoch transition fails; then `state` is what it was.
pub fn process_slots(state: &mut BeaconState, slot: Slot) -> Result<(), Error> {
    if state.slot() >= slot {
        return Err(Error::SlotNotAdvanced {
            state_slot: state.slot(),
            slot,
        });
    }
    let mut advanced = state.clone();
    while advanced.slot() < slot {
        process_slot(&mut advanced);
        let next = advanced.slot() + 1;
        if next.is_multiple_of(advanced.spec().SLOTS_PER_EPOCH) {
            process_epoch(&mut advanced)?;
        }
        advanced.set_slot(next);
    }
    *state = advanced;
    Ok(())
}

/// `beacon-chain.md#beacon-chain-state-transition-function`'s `process_slot`.
pub fn process_slot(state: &mut BeaconState) {
    let slot = state.slot();
    let previous_state_root = state.hash_tree_root();
    state.set_state_root(slot, previous_state_root);
    let mut header = *state.latest_block_header();
    if header.state_root.is_zero() {
        header.state_root = previous_state_root;
        state.set_latest_block_header(header);
    }
    state.set_block_root(slot, header.hash_tree_root());
}
