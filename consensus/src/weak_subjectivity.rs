//! `weak-subjectivity.md`: how old a trusted checkpoint may be.

use crate::containers::Checkpoint;
use crate::error::Error;
use crate::helpers::*;
use crate::primitives::*;
use crate::spec::Spec;
use crate::state::BeaconState;
use thiserror::Error as ThisError;

/// `weak-subjectivity.md#constants`: Gwei of an Ether.
pub const ETH_TO_GWEI: u64 = 1_000_000_000;
/// `weak-subjectivity.md#configuration`: the tolerable loss of the safety margin, percent.
pub const SAFETY_DECAY: u64 = 10;

/// Why a state does not belong to a weak subjectivity checkpoint, or its period is not defined.
#[derive(Clone, Debug, PartialEq, ThisError)]
pub enum WeakSubjectivityError {
    /// The state is not of the checkpoint's epoch.
    #[error("the checkpoint is of epoch {checkpoint}, the state of epoch {state}")]
    EpochMismatch {
        /// Epoch of the checkpoint.
        checkpoint: Epoch,
        /// Epoch of the state.
        state: Epoch,
    },
    /// The state's chain has another block there.
    #[error("the checkpoint's block is {checkpoint}, the state's chain has {state}")]
    RootMismatch {
        /// Root of the checkpoint.
        checkpoint: Root,
        /// Root in the state.
        state: Root,
    },
    /// The state itself does not answer.
    #[error(transparent)]
    State(#[from] Error),
}

/// `weak-subjectivity.md#compute_weak_subjectivity_period`, in epochs.
///
/// # Errors
/// [`Error::NoActiveValidators`], and [`Error::Overflow`] for balances below one Ether.
pub fn compute_weak_subjectivity_period(state: &BeaconState) -> Result<u64, Error> {
    let active = state.active_set().len();
    let total = get_total_active_balance(state)?;
    let average = total.checked_div(active).ok_or(Error::NoActiveValidators)? / ETH_TO_GWEI;
    let churn = get_validator_churn_limit(state)?;
    period_for(active, average, churn, state.spec()).ok_or(Error::Overflow)
}

/// The period for `active` validators with an `average` balance in Ether, of which `churn` may
/// enter or leave per epoch. `None` if it does not exist or not fit: the formula is computed in
/// 128 bits, as the specification's integers do not overflow for any real registry.
pub fn period_for(active: u64, average: u64, churn: u64, spec: &Spec) -> Option<u64> {
    let (n, t, delta) = (u128::from(active), u128::from(average), u128::from(churn));
    let max = u128::from(spec.MAX_EFFECTIVE_BALANCE / ETH_TO_GWEI);
    let top_ups = u128::from(spec.MAX_DEPOSITS) * u128::from(spec.SLOTS_PER_EPOCH);
    let decay = u128::from(SAFETY_DECAY);
    let safe = max * (200 + 3 * decay);
    let risk = t * (200 + 12 * decay);
    let period = if safe < risk {
        let churned = (600 * delta).checked_mul(2 * t + max)?;
        let by_churn = n.checked_mul(risk - safe)?.checked_div(churned)?;
        let by_top_ups = (n * (200 + 3 * decay)).checked_div(top_ups.checked_mul(600)?)?;
        by_churn.max(by_top_ups)
    } else {
        // Here t is at most 23/32 of max, so the difference is not negative.
        let missing = top_ups.checked_mul(200)?.checked_mul(max - t)?;
        (3 * n * decay).checked_mul(t)?.checked_div(missing)?
    };
    u64::try_from(period)
        .ok()?
        .checked_add(spec.MIN_VALIDATOR_WITHDRAWABILITY_DELAY)
}

/// `weak-subjectivity.md#is_within_weak_subjectivity_period`, with `current_slot` for the
/// specification's `get_current_slot(store)`.
///
/// # Errors
/// If the state is not that of the checkpoint.
pub fn is_within_weak_subjectivity_period(
    current_slot: Slot,
    ws_state: &BeaconState,
    ws_checkpoint: &Checkpoint,
) -> Result<bool, WeakSubjectivityError> {
    let root = get_block_root(ws_state, ws_checkpoint.epoch)?;
    if root != ws_checkpoint.root {
        return Err(WeakSubjectivityError::RootMismatch {
            checkpoint: ws_checkpoint.root,
            state: root,
        });
    }
    let ws_state_epoch = compute_epoch_at_slot(ws_state.slot(), ws_state.spec());
    if ws_state_epoch != ws_checkpoint.epoch {
        return Err(WeakSubjectivityError::EpochMismatch {
            checkpoint: ws_checkpoint.epoch,
            state: ws_state_epoch,
        });
    }
    let ws_period = compute_weak_subjectivity_period(ws_state)?;
    let current_epoch = compute_epoch_at_slot(current_slot, ws_state.spec());
    Ok(current_epoch <= ws_state_epoch.saturating_add(ws_period))
}
