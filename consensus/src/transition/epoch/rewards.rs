//! `beacon-chain.md#rewards-and-penalties-1`: all components in one pass over the registry.

use super::attesters::{Attesters, HEAD, SOURCE, TARGET};
use crate::error::Error;
use crate::helpers::*;
use crate::primitives::*;
use crate::spec::Spec;
use crate::state::BeaconState;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Rewards and penalties of one component, Gwei, by validator index.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Deltas {
    /// To be added.
    pub rewards: Vec<Gwei>,
    /// To be taken.
    pub penalties: Vec<Gwei>,
}

/// `beacon-chain.md#components-of-attestation-deltas`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AttestationDeltas {
    /// `get_source_deltas`
    pub source: Deltas,
    /// `get_target_deltas`
    pub target: Deltas,
    /// `get_head_deltas`
    pub head: Deltas,
    /// `get_inclusion_delay_deltas`
    pub inclusion_delay: Deltas,
    /// `get_inactivity_penalty_deltas`
    pub inactivity_penalty: Deltas,
}

/// `beacon-chain.md#helpers`'s `get_finality_delay`, epochs.
pub fn get_finality_delay(state: &BeaconState) -> Result<u64, Error> {
    get_previous_epoch(state)
        .checked_sub(state.finalized_checkpoint().epoch)
        .ok_or_else(Error::overflow)
}

/// `beacon-chain.md#helpers`'s `is_in_inactivity_leak`.
pub fn is_in_inactivity_leak(state: &BeaconState) -> Result<bool, Error> {
    Ok(get_finality_delay(state)? > state.spec().MIN_EPOCHS_TO_INACTIVITY_PENALTY)
}

/// What rewards depend on beside the validator.
struct Context {
    spec: Arc<Spec>,
    attesters: Attesters,
    previous_epoch: Epoch,
    square_root: u64,
    total_increments: u64,
    /// Of the unslashed attesters to source, target and head.
    attesting_increments: [u64; 3],
    /// What the proposers of the attestations earn by including them, Gwei, by validator index.
    proposer_rewards: BTreeMap<usize, Gwei>,
    finality_delay: u64,
    leak: bool,
}

/// What a validator's rewards depend on beside its flags: the same for equal effective balances,
/// and nearly all are equal, so that the divisions are made a handful of times.
#[derive(Clone, Copy, Default)]
struct Rates {
    effective_balance: Gwei,
    base_reward: Gwei,
    proposer_reward: Gwei,
    component_rewards: [Gwei; 3],
    /// `get_inactivity_penalty_deltas` for everybody, and what those without target lose on top.
    leak_penalty: Gwei,
    leak_target_penalty: Gwei,
}

/// One validator's rewards and penalties by component: source, target, head, then the inclusion
/// delay's reward and the leak's penalty.
struct ValidatorDeltas {
    components: [(Gwei, Gwei); 3],
    inclusion_delay: Gwei,
    inactivity: Gwei,
}

impl Context {
    fn new(state: &BeaconState) -> Result<Context, Error> {
        let spec = state.spec().clone();
        let total_balance = get_total_active_balance(state)?;
        let increment = spec.EFFECTIVE_BALANCE_INCREMENT;
        let mut context = Context {
            attesters: Attesters::of_previous_epoch(state)?,
            previous_epoch: get_previous_epoch(state),
            square_root: integer_squareroot(total_balance),
            total_increments: total_balance / increment,
            attesting_increments: [0; 3],
            proposer_rewards: BTreeMap::new(),
            finality_delay: get_finality_delay(state)?,
            leak: is_in_inactivity_leak(state)?,
            spec,
        };
        let (attesting_balances, inclusions) = context.sum_attesters(state)?;
        context.attesting_increments =
            attesting_balances.map(|balance| balance.max(increment) / increment);
        context.proposer_rewards = context.proposer_rewards(state, &inclusions)?;
        Ok(context)
    }

    /// `get_base_reward` for an effective balance, Gwei.
    fn base_reward(&self, effective_balance: Gwei) -> Result<Gwei, Error> {
        let scaled = effective_balance.checked_mul(self.spec.BASE_REWARD_FACTOR);
        Ok(scaled.ok_or_else(Error::overflow)? / self.square_root / BASE_REWARDS_PER_EPOCH)
    }

    /// Over the unslashed attesters: effective balance of those to source, target and head, Gwei;
    /// and by attestation the proposer's rewards for those it was the earliest to include.
    fn sum_attesters(&self, state: &BeaconState) -> Result<([Gwei; 3], Vec<Gwei>), Error> {
        let mut balances: [Gwei; 3] = [0; 3];
        let mut inclusions = vec![0; self.attesters.inclusions.len()];
        let mut attesters = self.attesters.flags.iter().zip(&self.attesters.earliest);
        let mut last = (0, 0);
        for chunk in state.validators().chunks() {
            let columns = chunk.effective_balance().iter().zip(chunk.slashed());
            for ((&effective_balance, &slashed), (&flags, &earliest)) in
                columns.zip(attesters.by_ref())
            {
                if slashed || flags == 0 {
                    continue;
                }
                if effective_balance != last.0 {
                    let base_reward = self.base_reward(effective_balance)?;
                    let reward = base_reward / self.spec.PROPOSER_REWARD_QUOTIENT;
                    last = (effective_balance, reward);
                }
                add(&mut inclusions[earliest as usize - 1], last.1)?;
                for (balance, flag) in balances.iter_mut().zip([SOURCE, TARGET, HEAD]) {
                    if flags & flag != 0 {
                        add(balance, effective_balance)?;
                    }
                }
            }
        }
        Ok((balances, inclusions))
    }

    /// The rewards for inclusion by proposer instead of by attestation.
    fn proposer_rewards(
        &self,
        state: &BeaconState,
        inclusions: &[Gwei],
    ) -> Result<BTreeMap<usize, Gwei>, Error> {
        let mut rewards = BTreeMap::new();
        for (&reward, &(_, proposer)) in inclusions.iter().zip(&self.attesters.inclusions) {
            if reward == 0 {
                continue;
            }
            if proposer >= state.validators().len() as u64 {
                return Err(Error::UnknownValidator(proposer));
            }
            add(rewards.entry(proposer as usize).or_default(), reward)?;
        }
        Ok(rewards)
    }

    /// `get_base_reward`, `get_proposer_reward` and what follows from them.
    fn rates(&self, effective_balance: Gwei) -> Result<Rates, Error> {
        let times = |a: Gwei, b: u64| a.checked_mul(b).ok_or_else(Error::overflow);
        let base_reward = self.base_reward(effective_balance)?;
        let proposer_reward = base_reward / self.spec.PROPOSER_REWARD_QUOTIENT;
        let mut rates = Rates {
            effective_balance,
            base_reward,
            proposer_reward,
            component_rewards: [base_reward; 3],
            ..Rates::default()
        };
        if self.leak {
            // Full participation is compensated in full: the leak takes it all back.
            rates.leak_penalty = times(base_reward, BASE_REWARDS_PER_EPOCH)?
                .checked_sub(proposer_reward)
                .ok_or_else(Error::overflow)?;
            rates.leak_target_penalty = times(effective_balance, self.finality_delay)?
                / self.spec.INACTIVITY_PENALTY_QUOTIENT;
        } else {
            for (reward, &increments) in rates
                .component_rewards
                .iter_mut()
                .zip(&self.attesting_increments)
            {
                *reward = times(base_reward, increments)? / self.total_increments;
            }
        }
        Ok(rates)
    }

    /// `flags` of a validator that is not slashed, or 0.
    fn deltas(
        &self,
        rates: &Rates,
        eligible: bool,
        flags: u8,
        delay: Option<Slot>,
    ) -> Result<ValidatorDeltas, Error> {
        let mut deltas = ValidatorDeltas {
            components: [(0, 0); 3],
            inclusion_delay: 0,
            inactivity: 0,
        };
        if eligible {
            for (at, flag) in [SOURCE, TARGET, HEAD].into_iter().enumerate() {
                deltas.components[at] = match flags & flag != 0 {
                    true => (rates.component_rewards[at], 0),
                    false => (0, rates.base_reward),
                };
            }
            deltas.inactivity = rates.leak_penalty;
            if flags & TARGET == 0 {
                add(&mut deltas.inactivity, rates.leak_target_penalty)?;
            }
        }
        if let Some(delay) = delay {
            let reward = rates.base_reward - rates.proposer_reward;
            deltas.inclusion_delay = match delay {
                1 => reward,
                delay => reward / delay,
            };
        }
        Ok(deltas)
    }

    /// Calls `each` with every validator's index, rates and deltas.
    fn for_each(
        &self,
        state: &BeaconState,
        mut each: impl FnMut(usize, &ValidatorDeltas) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let mut rates = self.rates(0)?;
        let mut index = 0;
        for chunk in state.validators().chunks() {
            for at in 0..chunk.len() {
                let slashed = chunk.slashed()[at];
                let is_active = chunk.activation_epoch()[at] <= self.previous_epoch
                    && self.previous_epoch < chunk.exit_epoch()[at];
                let eligible = is_active
                    || (slashed && self.previous_epoch + 1 < chunk.withdrawable_epoch()[at]);
                let flags = match slashed {
                    true => 0,
                    false => self.attesters.flags[index],
                };
                if eligible || flags != 0 {
                    let effective_balance = chunk.effective_balance()[at];
                    if effective_balance != rates.effective_balance {
                        rates = self.rates(effective_balance)?;
                    }
                    let delay = match flags {
                        0 => None,
                        _ => Some(self.inclusion_delay(index)?),
                    };
                    let deltas = self.deltas(&rates, eligible, flags, delay)?;
                    each(index, &deltas)?;
                }
                index += 1;
            }
        }
        Ok(())
    }

    /// Delay of the earliest inclusion of an attesting validator, slots.
    fn inclusion_delay(&self, index: usize) -> Result<Slot, Error> {
        let number = self.attesters.earliest[index] as usize - 1;
        match self.attesters.inclusions[number].0 {
            // The specification divides by it.
            0 => Err(Error::Overflow),
            delay => Ok(delay),
        }
    }
}

/// Adds to a sum of Gwei.
fn add(sum: &mut Gwei, amount: Gwei) -> Result<(), Error> {
    *sum = sum.checked_add(amount).ok_or_else(Error::overflow)?;
    Ok(())
}

/// `beacon-chain.md#get_attestation_deltas` by component, before they are added up.
pub fn attestation_deltas(state: &BeaconState) -> Result<AttestationDeltas, Error> {
    let context = Context::new(state)?;
    let zeros = || Deltas {
        rewards: vec![0; state.validators().len()],
        penalties: vec![0; state.validators().len()],
    };
    let mut all = AttestationDeltas {
        source: zeros(),
        target: zeros(),
        head: zeros(),
        inclusion_delay: zeros(),
        inactivity_penalty: zeros(),
    };
    context.for_each(state, |index, deltas| {
        let components = [&mut all.source, &mut all.target, &mut all.head];
        for (to, (reward, penalty)) in components.into_iter().zip(deltas.components) {
            to.rewards[index] = reward;
            to.penalties[index] = penalty;
        }
        all.inclusion_delay.rewards[index] = deltas.inclusion_delay;
        all.inactivity_penalty.penalties[index] = deltas.inactivity;
        Ok(())
    })?;
    for (&index, &reward) in &context.proposer_rewards {
        add(&mut all.inclusion_delay.rewards[index], reward)?;
    }
    Ok(all)
}

/// `beacon-chain.md#process_rewards_and_penalties`
pub fn process_rewards_and_penalties(state: &mut BeaconState) -> Result<(), Error> {
    if get_current_epoch(state) == GENESIS_EPOCH {
        return Ok(());
    }
    let context = Context::new(state)?;
    if state.balances().len() < state.validators().len() {
        return Err(Error::MissingBalance(state.balances().len() as u64));
    }
    let mut proposers = context
        .proposer_rewards
        .iter()
        .map(|(&at, &reward)| (at, reward))
        .peekable();
    let mut balances: Vec<Gwei> = state.balances().iter().collect();
    let mut settle = |index: usize, reward: Gwei, penalty: Gwei| {
        let balance = &mut balances[index];
        let sum = balance.checked_add(reward).ok_or_else(Error::overflow)?;
        *balance = sum.saturating_sub(penalty);
        Ok(())
    };
    context.for_each(state, |index, deltas| {
        let mut reward = deltas.inclusion_delay;
        let mut penalty = deltas.inactivity;
        for (component_reward, component_penalty) in deltas.components {
            add(&mut reward, component_reward)?;
            add(&mut penalty, component_penalty)?;
        }
        // Proposers that earn nothing else are settled on the way.
        while let Some((proposer, extra)) = proposers.next_if(|&(at, _)| at <= index) {
            if proposer == index {
                add(&mut reward, extra)?;
            } else {
                settle(proposer, extra, 0)?;
            }
        }
        settle(index, reward, penalty)
    })?;
    for (proposer, extra) in proposers {
        settle(proposer, extra, 0)?;
    }
    state.replace_balances(&balances);
    Ok(())
}
