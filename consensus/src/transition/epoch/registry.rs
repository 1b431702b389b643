//! `beacon-chain.md#registry-updates`, `beacon-chain.md#slashings`,
//! `beacon-chain.md#effective-balances-updates`: one scan of the registry each, writing only what
//! changes.

use crate::error::Error;
use crate::helpers::*;
use crate::primitives::*;
use crate::state::BeaconState;

/// What one scan of the registry finds for [`process_registry_updates`].
#[derive(Default)]
struct RegistryScan {
    newly_eligible: Vec<usize>,
    ejected: Vec<usize>,
    /// Eligibility epoch and index of those that wait for activation.
    activation_queue: Vec<(Epoch, usize)>,
}

/// `beacon-chain.md#registry-updates`. Scans before it writes: who becomes eligible here has an
/// eligibility epoch beyond every finalized one and cannot be in the queue of the same call, and an
/// exit changes neither of the fields that the queue reads.
pub fn process_registry_updates(state: &mut BeaconState) -> Result<(), Error> {
    let epoch = get_current_epoch(state);
    let mut scan = scan_registry(state, epoch);
    let eligibility_epoch = epoch.checked_add(1).ok_or_else(Error::overflow)?;
    for index in scan.newly_eligible {
        state.set_activation_eligibility_epoch(index, eligibility_epoch)?;
        if is_eligible_for_activation(state, eligibility_epoch, FAR_FUTURE_EPOCH) {
            // Only in a state whose finalized epoch is in its future.
            scan.activation_queue.push((eligibility_epoch, index));
        }
    }
    for index in scan.ejected {
        initiate_validator_exit(state, index as u64)?;
    }
    scan.activation_queue.sort_unstable();
    let churn_limit = get_validator_churn_limit(state)? as usize;
    let activation_epoch = compute_activation_exit_epoch(epoch, state.spec())?;
    for &(_, index) in scan.activation_queue.iter().take(churn_limit) {
        state.set_activation_epoch(index, activation_epoch)?;
    }
    Ok(())
}

fn scan_registry(state: &BeaconState, epoch: Epoch) -> RegistryScan {
    let spec = state.spec();
    let mut scan = RegistryScan::default();
    let mut first = 0;
    for chunk in state.validators().chunks() {
        for at in 0..chunk.len() {
            let effective_balance = chunk.effective_balance()[at];
            let eligibility = chunk.activation_eligibility_epoch()[at];
            let activation = chunk.activation_epoch()[at];
            if is_eligible_for_activation_queue(eligibility, effective_balance, spec) {
                scan.newly_eligible.push(first + at);
            } else if is_eligible_for_activation(state, eligibility, activation) {
                scan.activation_queue.push((eligibility, first + at));
            }
            let is_active = activation <= epoch && epoch < chunk.exit_epoch()[at];
            if is_active && effective_balance <= spec.EJECTION_BALANCE {
                scan.ejected.push(first + at);
            }
        }
        first += chunk.len();
    }
    scan
}

/// `beacon-chain.md#slashings`
pub fn process_slashings(state: &mut BeaconState) -> Result<(), Error> {
    let spec = state.spec().clone();
    let epoch = get_current_epoch(state);
    let total_balance = get_total_active_balance(state)?;
    let slashed_sum = state
        .slashings()
        .iter()
        .try_fold(0u64, u64::checked_add)
        .and_then(|sum| sum.checked_mul(spec.PROPORTIONAL_SLASHING_MULTIPLIER))
        .ok_or_else(Error::overflow)?;
    let adjusted_total_slashing_balance = slashed_sum.min(total_balance);
    let half_vector = spec.EPOCHS_PER_SLASHINGS_VECTOR / 2;
    let halfway = epoch.checked_add(half_vector).ok_or_else(Error::overflow)?;
    let mut penalties = Vec::new();
    let mut first = 0;
    for chunk in state.validators().chunks() {
        for (at, &slashed) in chunk.slashed().iter().enumerate() {
            if !slashed || chunk.withdrawable_epoch()[at] != halfway {
                continue;
            }
            let increment = spec.EFFECTIVE_BALANCE_INCREMENT;
            let penalty_numerator = (chunk.effective_balance()[at] / increment)
                .checked_mul(adjusted_total_slashing_balance)
                .ok_or_else(Error::overflow)?;
            let penalty = (penalty_numerator / total_balance)
                .checked_mul(increment)
                .ok_or_else(Error::overflow)?;
            penalties.push((first + at, penalty));
        }
        first += chunk.len();
    }
    for (index, penalty) in penalties {
        decrease_balance(state, index as u64, penalty)?;
    }
    Ok(())
}

/// `beacon-chain.md#effective-balances-updates`
pub fn process_effective_balance_updates(state: &mut BeaconState) -> Result<(), Error> {
    let updates = effective_balance_updates(state)?;
    for (index, effective_balance) in updates {
        state.set_effective_balance(index, effective_balance)?;
    }
    Ok(())
}

/// Index and new effective balance, Gwei, of the validators whose balance left the band of the
/// hysteresis.
fn effective_balance_updates(state: &BeaconState) -> Result<Vec<(usize, Gwei)>, Error> {
    let spec = state.spec();
    let hysteresis_increment = spec.EFFECTIVE_BALANCE_INCREMENT / spec.HYSTERESIS_QUOTIENT;
    let downward_threshold = hysteresis_increment * spec.HYSTERESIS_DOWNWARD_MULTIPLIER;
    let upward_threshold = hysteresis_increment * spec.HYSTERESIS_UPWARD_MULTIPLIER;
    if state.balances().len() < state.validators().len() {
        return Err(Error::MissingBalance(state.balances().len() as u64));
    }
    let mut balances = state.balances().iter();
    let mut updates = Vec::new();
    let mut first = 0;
    for chunk in state.validators().chunks() {
        let columns = chunk.effective_balance().iter().zip(balances.by_ref());
        for (at, (&effective_balance, balance)) in columns.enumerate() {
            let lower = balance.checked_add(downward_threshold);
            let upper = effective_balance.checked_add(upward_threshold);
            // The second sum is made only if the first comparison fails, as in the specification.
            if lower.ok_or_else(Error::overflow)? < effective_balance
                || upper.ok_or_else(Error::overflow)? < balance
            {
                let rounded = balance - balance % spec.EFFECTIVE_BALANCE_INCREMENT;
                updates.push((first + at, rounded.min(spec.MAX_EFFECTIVE_BALANCE)));
            }
        }
        first += chunk.len();
    }
    Ok(updates)
}
