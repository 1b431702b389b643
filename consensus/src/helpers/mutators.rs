//! `beacon-chain.md#beacon-state-mutators`.

use super::{
    compute_activation_exit_epoch, get_beacon_proposer_index, get_current_epoch,
    get_validator_churn_limit,
};
use crate::error::Error;
use crate::primitives::*;
use crate::state::BeaconState;

/// A validator's balance, Gwei.
fn balance(state: &BeaconState, index: ValidatorIndex) -> Result<Gwei, Error> {
    let balance = state.balances().get(index as usize);
    balance.ok_or(Error::MissingBalance(index))
}

/// `beacon-chain.md#increase_balance`
pub fn increase_balance(
    state: &mut BeaconState,
    index: ValidatorIndex,
    delta: Gwei,
) -> Result<(), Error> {
    let balance = balance(state, index)?;
    let balance = balance.checked_add(delta).ok_or_else(Error::overflow)?;
    state.set_balance(index as usize, balance)
}

/// `beacon-chain.md#decrease_balance`
pub fn decrease_balance(
    state: &mut BeaconState,
    index: ValidatorIndex,
    delta: Gwei,
) -> Result<(), Error> {
    let balance = balance(state, index)?;
    state.set_balance(index as usize, balance.saturating_sub(delta))
}

/// `beacon-chain.md#initiate_validator_exit`. The end of the exit queue is kept by the state
/// instead of being searched for in the registry.
pub fn initiate_validator_exit(
    state: &mut BeaconState,
    index: ValidatorIndex,
) -> Result<(), Error> {
    let at = index as usize;
    let exit_epoch = state.validators().exit_epoch(at);
    if exit_epoch.ok_or(Error::UnknownValidator(index))? != FAR_FUTURE_EPOCH {
        return Ok(());
    }
    let spec = state.spec();
    let queue = state.exit_queue();
    let earliest = compute_activation_exit_epoch(get_current_epoch(state), spec)?;
    let mut exit_queue_epoch = queue.epoch.max(earliest);
    let exit_queue_churn = match exit_queue_epoch == queue.epoch {
        true => queue.churn,
        false => 0,
    };
    if exit_queue_churn >= get_validator_churn_limit(state)? {
        exit_queue_epoch = exit_queue_epoch
            .checked_add(1)
            .ok_or_else(Error::overflow)?;
    }
    let withdrawable_epoch = exit_queue_epoch
        .checked_add(spec.MIN_VALIDATOR_WITHDRAWABILITY_DELAY)
        .ok_or_else(Error::overflow)?;
    state.set_exit_epoch(at, exit_queue_epoch)?;
    state.set_withdrawable_epoch(at, withdrawable_epoch)
}

/// `beacon-chain.md#slash_validator`
pub fn slash_validator(
    state: &mut BeaconState,
    slashed_index: ValidatorIndex,
    whistleblower_index: Option<ValidatorIndex>,
) -> Result<(), Error> {
    let epoch = get_current_epoch(state);
    initiate_validator_exit(state, slashed_index)?;
    let at = slashed_index as usize;
    let validator = state.validators().get(at);
    let validator = validator.ok_or(Error::UnknownValidator(slashed_index))?;
    let spec = state.spec().clone();
    let vector = spec.EPOCHS_PER_SLASHINGS_VECTOR;
    let withdrawable_epoch = epoch.checked_add(vector).ok_or_else(Error::overflow)?;
    state.set_slashed(at, true)?;
    state.set_withdrawable_epoch(at, validator.withdrawable_epoch.max(withdrawable_epoch))?;
    let slashed = state.slashings().get((epoch % vector) as usize);
    let slashed = slashed.expect("the vector of slashings has the preset's length");
    let slashed = slashed
        .checked_add(validator.effective_balance)
        .ok_or_else(Error::overflow)?;
    state.set_slashing(epoch, slashed);
    let penalty = validator.effective_balance / spec.MIN_SLASHING_PENALTY_QUOTIENT;
    decrease_balance(state, slashed_index, penalty)?;

    let proposer_index = get_beacon_proposer_index(state)?;
    let whistleblower_index = whistleblower_index.unwrap_or(proposer_index);
    let whistleblower_reward = validator.effective_balance / spec.WHISTLEBLOWER_REWARD_QUOTIENT;
    let proposer_reward = whistleblower_reward / spec.PROPOSER_REWARD_QUOTIENT;
    increase_balance(state, proposer_index, proposer_reward)?;
    increase_balance(
        state,
        whistleblower_index,
        whistleblower_reward - proposer_reward,
    )
}
