//! `beacon-chain.md#rewards-and-penalties-1`: each component by itself.

use super::state::PlainState;
use super::{Failed, Result, add, assert_that, div, mul, sub};
use crate::oracle::helpers::{integer_squareroot, is_active_validator};
use consensus::*;
use std::collections::BTreeSet;

/// Rewards and penalties by validator.
pub type Pair = (Vec<Gwei>, Vec<Gwei>);

/// Source, target, head, inclusion delay, inactivity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Components(pub [Pair; 5]);

/// `get_attesting_indices` of every attestation beside it: one committee is computed once instead
/// of once for each validator.
type Attested<'a> = Vec<(&'a PendingAttestation, BTreeSet<u64>)>;

/// The specification refuses to add nothing to the reward of a validator beyond the registry; the
/// crate under test does not look where nothing is added. No chain can hold such an attestation.
pub const NOTHING_FOR_NOBODY: Failed = Failed("no reward for a proposer beyond the registry");

impl PlainState {
    pub fn matching_source_attestations(&self, epoch: Epoch) -> Result<&[PendingAttestation]> {
        let is_current = epoch == self.current_epoch();
        assert_that(
            is_current || epoch == self.previous_epoch(),
            "epoch in (get_previous_epoch(state), get_current_epoch(state))",
        )?;
        Ok(match is_current {
            true => &self.current_epoch_attestations,
            false => &self.previous_epoch_attestations,
        })
    }

    pub fn matching_target_attestations(&self, epoch: Epoch) -> Result<Vec<PendingAttestation>> {
        let mut matching = Vec::new();
        for attestation in self.matching_source_attestations(epoch)? {
            if attestation.data.target.root == self.block_root(epoch)? {
                matching.push(attestation.clone());
            }
        }
        Ok(matching)
    }

    pub fn matching_head_attestations(&self, epoch: Epoch) -> Result<Vec<PendingAttestation>> {
        let mut matching = Vec::new();
        for attestation in self.matching_target_attestations(epoch)? {
            let data = &attestation.data;
            if data.beacon_block_root == self.block_root_at_slot(data.slot)? {
                matching.push(attestation);
            }
        }
        Ok(matching)
    }

    pub fn unslashed_attesting_indices(
        &self,
        attestations: &[PendingAttestation],
    ) -> Result<BTreeSet<u64>> {
        let mut output = BTreeSet::new();
        for attestation in attestations {
            let bits = &attestation.aggregation_bits;
            output.extend(self.attesting_indices(&attestation.data, bits)?);
        }
        output.retain(|&index| !self.validators[index as usize].slashed);
        Ok(output)
    }

    pub fn attesting_balance(&self, attestations: &[PendingAttestation]) -> Result<Gwei> {
        self.total_balance(&self.unslashed_attesting_indices(attestations)?)
    }

    pub fn base_reward(&self, index: u64) -> Result<Gwei> {
        let total_balance = self.total_active_balance()?;
        let effective_balance = self.validators[index as usize].effective_balance;
        let numerator = mul(effective_balance, self.spec.BASE_REWARD_FACTOR)?;
        Ok(div(numerator, integer_squareroot(total_balance))? / BASE_REWARDS_PER_EPOCH)
    }

    pub fn proposer_reward(&self, attesting_index: u64) -> Result<Gwei> {
        Ok(self.base_reward(attesting_index)? / self.spec.PROPOSER_REWARD_QUOTIENT)
    }

    pub fn finality_delay(&self) -> Result<u64> {
        sub(self.previous_epoch(), self.finalized_checkpoint.epoch)
    }

    pub fn in_inactivity_leak(&self) -> Result<bool> {
        Ok(self.finality_delay()? > self.spec.MIN_EPOCHS_TO_INACTIVITY_PENALTY)
    }

    pub fn eligible_validator_indices(&self) -> Vec<u64> {
        let previous_epoch = self.previous_epoch();
        let eligible = |validator: &Validator| {
            is_active_validator(validator, previous_epoch)
                || (validator.slashed && previous_epoch + 1 < validator.withdrawable_epoch)
        };
        let all = (0u64..).zip(&self.validators);
        all.filter(|(_, validator)| eligible(validator))
            .map(|(index, _)| index)
            .collect()
    }

    fn zeros(&self) -> Vec<Gwei> {
        vec![0; self.validators.len()]
    }

    fn component_deltas(&self, attestations: &[PendingAttestation]) -> Result<Pair> {
        let (mut rewards, mut penalties) = (self.zeros(), self.zeros());
        let total_balance = self.total_active_balance()?;
        let attesting = self.unslashed_attesting_indices(attestations)?;
        let attesting_balance = self.total_balance(&attesting)?;
        let increment = self.spec.EFFECTIVE_BALANCE_INCREMENT;
        for index in self.eligible_validator_indices() {
            let base_reward = self.base_reward(index)?;
            if !attesting.contains(&index) {
                penalties[index as usize] = base_reward;
            } else if self.in_inactivity_leak()? {
                rewards[index as usize] = base_reward;
            } else {
                let numerator = mul(base_reward, attesting_balance / increment)?;
                rewards[index as usize] = div(numerator, total_balance / increment)?;
            }
        }
        Ok((rewards, penalties))
    }

    fn inclusion_delay_deltas(&self) -> Result<Pair> {
        let mut rewards = self.zeros();
        let source = self.matching_source_attestations(self.previous_epoch())?;
        let mut attested: Attested<'_> = Vec::new();
        for attestation in source {
            let bits = &attestation.aggregation_bits;
            attested.push((
                attestation,
                self.attesting_indices(&attestation.data, bits)?,
            ));
        }
        for index in self.unslashed_attesting_indices(source)? {
            let having = attested.iter().filter(|(_, of)| of.contains(&index));
            let earliest = having.map(|(attestation, _)| *attestation);
            // The first of several minima, as in Python's `min`.
            let attestation = earliest
                .reduce(|a, b| {
                    if b.inclusion_delay < a.inclusion_delay {
                        b
                    } else {
                        a
                    }
                })
                .expect("the index comes from one of them");
            let proposer_reward = self.proposer_reward(index)?;
            if attestation.proposer_index >= rewards.len() as u64 {
                return Err(match proposer_reward {
                    0 => NOTHING_FOR_NOBODY,
                    _ => Failed("index out of range"),
                });
            }
            let proposer = &mut rewards[attestation.proposer_index as usize];
            *proposer = add(*proposer, proposer_reward)?;
            let max_attester_reward = sub(self.base_reward(index)?, self.proposer_reward(index)?)?;
            let reward = div(max_attester_reward, attestation.inclusion_delay)?;
            let attester = &mut rewards[index as usize];
            *attester = add(*attester, reward)?;
        }
        Ok((rewards, self.zeros()))
    }

    fn inactivity_penalty_deltas(&self) -> Result<Pair> {
        let mut penalties = self.zeros();
        if self.in_inactivity_leak()? {
            let matching = self.matching_target_attestations(self.previous_epoch())?;
            let attesting = self.unslashed_attesting_indices(&matching)?;
            for index in self.eligible_validator_indices() {
                let base_reward = mul(BASE_REWARDS_PER_EPOCH, self.base_reward(index)?)?;
                let mut penalty = sub(base_reward, self.proposer_reward(index)?)?;
                if !attesting.contains(&index) {
                    let effective_balance = self.validators[index as usize].effective_balance;
                    let numerator = mul(effective_balance, self.finality_delay()?)?;
                    let quotient = self.spec.INACTIVITY_PENALTY_QUOTIENT;
                    penalty = add(penalty, numerator / quotient)?;
                }
                penalties[index as usize] = penalty;
            }
        }
        Ok((self.zeros(), penalties))
    }

    pub fn component_deltas_of_all(&self) -> Result<Components> {
        let epoch = self.previous_epoch();
        let source = self.matching_source_attestations(epoch)?.to_vec();
        Ok(Components([
            self.component_deltas(&source)?,
            self.component_deltas(&self.matching_target_attestations(epoch)?)?,
            self.component_deltas(&self.matching_head_attestations(epoch)?)?,
            self.inclusion_delay_deltas()?,
            self.inactivity_penalty_deltas()?,
        ]))
    }

    pub fn process_rewards_and_penalties(&mut self) -> Result<()> {
        if self.current_epoch() == GENESIS_EPOCH {
            return Ok(());
        }
        let Components(components) = self.component_deltas_of_all()?;
        let (mut rewards, mut penalties) = (self.zeros(), self.zeros());
        for (component_rewards, component_penalties) in &components {
            for index in 0..self.validators.len() {
                rewards[index] = add(rewards[index], component_rewards[index])?;
                penalties[index] = add(penalties[index], component_penalties[index])?;
            }
        }
        for index in 0..self.validators.len() {
            self.increase_balance(index as u64, rewards[index])?;
            self.decrease_balance(index as u64, penalties[index])?;
        }
        Ok(())
    }
}
