//! `beacon-chain.md#justification-and-finalization`.

use crate::containers::{Checkpoint, JustificationBits};
use crate::error::Error;
use crate::helpers::*;
use crate::primitives::*;
use crate::state::BeaconState;

/// The fields of a state that justification reads and writes.
struct Justification {
    bits: JustificationBits,
    previous_justified: Checkpoint,
    current_justified: Checkpoint,
    finalized: Checkpoint,
}

/// `beacon-chain.md#justification-and-finalization`. The target balances are those the state has
/// added up as attestations came in.
pub fn process_justification_and_finalization(state: &mut BeaconState) -> Result<(), Error> {
    let Some(result) = justification(state)? else {
        return Ok(());
    };
    state.set_justification_bits(result.bits);
    state.set_previous_justified_checkpoint(result.previous_justified);
    state.set_current_justified_checkpoint(result.current_justified);
    state.set_finalized_checkpoint(result.finalized);
    Ok(())
}

/// The justified and the finalized checkpoint that `process_justification_and_finalization` would
/// give now: what `fork-choice.md#compute_pulled_up_tip` asks of every block's post-state.
pub fn unrealized_checkpoints(state: &BeaconState) -> Result<(Checkpoint, Checkpoint), Error> {
    Ok(match justification(state)? {
        Some(result) => (result.current_justified, result.finalized),
        None => (
            state.current_justified_checkpoint(),
            state.finalized_checkpoint(),
        ),
    })
}

/// `None` in the first two epochs, whose checkpoints are stubs.
fn justification(state: &BeaconState) -> Result<Option<Justification>, Error> {
    if get_current_epoch(state) <= GENESIS_EPOCH + 1 {
        return Ok(None);
    }
    let increment = state.spec().EFFECTIVE_BALANCE_INCREMENT;
    let total_active_balance = get_total_active_balance(state)?;
    let (previous, current) = state.target_balances()?;
    weigh_justification_and_finalization(
        state,
        total_active_balance,
        previous.max(increment),
        current.max(increment),
    )
    .map(Some)
}

/// `beacon-chain.md#justification-and-finalization`'s `weigh_justification_and_finalization`, on
/// the fields alone, so that it answers for a state without changing it.
fn weigh_justification_and_finalization(
    state: &BeaconState,
    total_active_balance: Gwei,
    previous_epoch_target_balance: Gwei,
    current_epoch_target_balance: Gwei,
) -> Result<Justification, Error> {
    let previous_epoch = get_previous_epoch(state);
    let current_epoch = get_current_epoch(state);
    let old_previous_justified = state.previous_justified_checkpoint();
    let old_current_justified = state.current_justified_checkpoint();
    let supermajority = |balance: Gwei| -> Result<bool, Error> {
        let balance = balance.checked_mul(3).ok_or_else(Error::overflow)?;
        let total = total_active_balance
            .checked_mul(2)
            .ok_or_else(Error::overflow)?;
        Ok(balance >= total)
    };
    let checkpoint = |epoch: Epoch| -> Result<Checkpoint, Error> {
        let root = get_block_root(state, epoch)?;
        Ok(Checkpoint { epoch, root })
    };

    // Process justifications.
    let old_bits = state.justification_bits();
    let mut bits = [false; JUSTIFICATION_BITS_LENGTH];
    for (at, bit) in bits.iter_mut().enumerate().skip(1) {
        *bit = old_bits.get(at - 1).unwrap_or(false);
    }
    let mut current_justified = old_current_justified;
    if supermajority(previous_epoch_target_balance)? {
        current_justified = checkpoint(previous_epoch)?;
        bits[1] = true;
    }
    if supermajority(current_epoch_target_balance)? {
        current_justified = checkpoint(current_epoch)?;
        bits[0] = true;
    }

    // Process finalizations.
    let mut finalized = state.finalized_checkpoint();
    let all = |from: usize, to: usize| bits[from..to].iter().all(|&bit| bit);
    let is_ago = |checkpoint: Checkpoint, epochs: u64| -> Result<bool, Error> {
        let epoch = checkpoint.epoch.checked_add(epochs);
        Ok(epoch.ok_or_else(Error::overflow)? == current_epoch)
    };
    if all(1, 4) && is_ago(old_previous_justified, 3)? {
        finalized = old_previous_justified;
    }
    if all(1, 3) && is_ago(old_previous_justified, 2)? {
        finalized = old_previous_justified;
    }
    if all(0, 3) && is_ago(old_current_justified, 2)? {
        finalized = old_current_justified;
    }
    if all(0, 2) && is_ago(old_current_justified, 1)? {
        finalized = old_current_justified;
    }
    let mut new_bits = JustificationBits::default();
    for (at, bit) in bits.into_iter().enumerate() {
        new_bits.set(at, bit).expect("both have four bits");
    }
    Ok(Justification {
        bits: new_bits,
        previous_justified: old_current_justified,
        current_justified,
        finalized,
    })
}
