//! [`JustifiedBalances`]: what the fork choice needs of the justified checkpoint's state.

use crate::Error;
use consensus::helpers::{get_current_epoch, get_total_active_balance};
use consensus::{BeaconState, Gwei, Spec};

/// The weights of votes and of the proposer boost, from the state at a justified checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JustifiedBalances {
    effective_balances: Vec<Gwei>,
    total_active_balance: Gwei,
}

impl JustifiedBalances {
    /// Of the state of a checkpoint: the post-state of its block, advanced to the first slot of
    /// its epoch if it is earlier (the specification's `store.checkpoint_states`).
    pub fn from_state(state: &BeaconState) -> Result<JustifiedBalances, Error> {
        let epoch = get_current_epoch(state);
        let mut effective_balances = Vec::with_capacity(state.validators().len());
        for chunk in state.validators().chunks() {
            let columns = chunk
                .effective_balance()
                .iter()
                .zip(chunk.slashed())
                .zip(chunk.activation_epoch().iter().zip(chunk.exit_epoch()));
            effective_balances.extend(columns.map(|((&balance, &slashed), (&start, &end))| {
                if start <= epoch && epoch < end && !slashed {
                    balance
                } else {
                    0
                }
            }));
        }
        JustifiedBalances::new(effective_balances, get_total_active_balance(state)?)
    }

    /// From the numbers themselves: by validator index the effective balance in Gwei, 0 of those
    /// that are inactive or slashed; and the total active balance in Gwei, with the slashed ones.
    pub fn new(
        effective_balances: Vec<Gwei>,
        total_active_balance: Gwei,
    ) -> Result<JustifiedBalances, Error> {
        let sum = effective_balances
            .iter()
            .try_fold(0, |sum: Gwei, &balance| sum.checked_add(balance))
            .ok_or(Error::Overflow)?;
        if sum > total_active_balance {
            return Err(Error::BalancesExceedTotal {
                sum,
                total: total_active_balance,
            });
        }
        Ok(JustifiedBalances {
            effective_balances,
            total_active_balance,
        })
    }

    /// By validator index the weight of a vote, Gwei.
    pub fn effective_balances(&self) -> &[Gwei] {
        &self.effective_balances
    }

    /// By validator index the weight of a vote, Gwei.
    pub(crate) fn into_effective_balances(self) -> Vec<Gwei> {
        self.effective_balances
    }

    /// The total active balance, Gwei, slashed validators included.
    pub fn total_active_balance(&self) -> Gwei {
        self.total_active_balance
    }
}

/// `fork-choice.md#calculate_committee_fraction`, of a state's total active balance.
pub fn calculate_committee_fraction(
    total_active_balance: Gwei,
    committee_percent: u64,
    spec: &Spec,
) -> Result<Gwei, Error> {
    let committee_weight = total_active_balance / spec.SLOTS_PER_EPOCH;
    committee_weight
        .checked_mul(committee_percent)
        .map(|product| product / 100)
        .ok_or(Error::Overflow)
}
