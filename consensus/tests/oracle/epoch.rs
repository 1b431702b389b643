//! `beacon-chain.md#epoch-processing` but for the rewards.

use super::helpers::is_active_validator;
use super::state::{PlainState, merkle, sha256};
use super::{Result, add, mul};
use consensus::*;

/// A step of epoch processing on the plain state.
pub type Step = fn(&mut PlainState) -> Result<()>;

impl PlainState {
    pub fn process_justification_and_finalization(&mut self) -> Result<()> {
        if self.current_epoch() <= GENESIS_EPOCH + 1 {
            return Ok(());
        }
        let previous = self.matching_target_attestations(self.previous_epoch())?;
        let current = self.matching_target_attestations(self.current_epoch())?;
        let total_active_balance = self.total_active_balance()?;
        let previous_target_balance = self.attesting_balance(&previous)?;
        let current_target_balance = self.attesting_balance(&current)?;
        self.weigh_justification_and_finalization(
            total_active_balance,
            previous_target_balance,
            current_target_balance,
        )
    }

    fn weigh_justification_and_finalization(
        &mut self,
        total_active_balance: Gwei,
        previous_epoch_target_balance: Gwei,
        current_epoch_target_balance: Gwei,
    ) -> Result<()> {
        let previous_epoch = self.previous_epoch();
        let current_epoch = self.current_epoch();
        let old_previous_justified = self.previous_justified_checkpoint;
        let old_current_justified = self.current_justified_checkpoint;

        self.previous_justified_checkpoint = self.current_justified_checkpoint;
        let old = self.justification_bits;
        self.justification_bits = [false, old[0], old[1], old[2]];
        if mul(previous_epoch_target_balance, 3)? >= mul(total_active_balance, 2)? {
            self.current_justified_checkpoint = Checkpoint {
                epoch: previous_epoch,
                root: self.block_root(previous_epoch)?,
            };
            self.justification_bits[1] = true;
        }
        if mul(current_epoch_target_balance, 3)? >= mul(total_active_balance, 2)? {
            self.current_justified_checkpoint = Checkpoint {
                epoch: current_epoch,
                root: self.block_root(current_epoch)?,
            };
            self.justification_bits[0] = true;
        }

        let bits = self.justification_bits;
        let all = |bits: &[bool]| bits.iter().all(|&bit| bit);
        if all(&bits[1..4]) && add(old_previous_justified.epoch, 3)? == current_epoch {
            self.finalized_checkpoint = old_previous_justified;
        }
        if all(&bits[1..3]) && add(old_previous_justified.epoch, 2)? == current_epoch {
            self.finalized_checkpoint = old_previous_justified;
        }
        if all(&bits[0..3]) && add(old_current_justified.epoch, 2)? == current_epoch {
            self.finalized_checkpoint = old_current_justified;
        }
        if all(&bits[0..2]) && add(old_current_justified.epoch, 1)? == current_epoch {
            self.finalized_checkpoint = old_current_justified;
        }
        Ok(())
    }

    pub fn process_registry_updates(&mut self) -> Result<()> {
        let epoch = self.current_epoch();
        for index in 0..self.validators.len() {
            let max = self.spec.MAX_EFFECTIVE_BALANCE;
            let validator = &mut self.validators[index];
            if validator.activation_eligibility_epoch == FAR_FUTURE_EPOCH
                && validator.effective_balance == max
            {
                validator.activation_eligibility_epoch = add(epoch, 1)?;
            }
            if is_active_validator(validator, epoch)
                && validator.effective_balance <= self.spec.EJECTION_BALANCE
            {
                self.initiate_validator_exit(index as u64)?;
            }
        }
        let finalized = self.finalized_checkpoint.epoch;
        let mut activation_queue: Vec<usize> = (0..self.validators.len())
            .filter(|&index| {
                let validator = &self.validators[index];
                validator.activation_eligibility_epoch <= finalized
                    && validator.activation_epoch == FAR_FUTURE_EPOCH
            })
            .collect();
        activation_queue
            .sort_by_key(|&index| (self.validators[index].activation_eligibility_epoch, index));
        let churn_limit = self.validator_churn_limit() as usize;
        for index in activation_queue.into_iter().take(churn_limit) {
            self.validators[index].activation_epoch = self.activation_exit_epoch(epoch)?;
        }
        Ok(())
    }

    pub fn process_slashings(&mut self) -> Result<()> {
        let spec = self.spec.clone();
        let epoch = self.current_epoch();
        let total_balance = self.total_active_balance()?;
        let mut sum = 0;
        for &amount in &self.slashings {
            sum = add(sum, amount)?;
        }
        let adjusted = mul(sum, spec.PROPORTIONAL_SLASHING_MULTIPLIER)?.min(total_balance);
        for index in 0..self.validators.len() {
            let validator = &self.validators[index];
            let halfway = add(epoch, spec.EPOCHS_PER_SLASHINGS_VECTOR / 2)?;
            if validator.slashed && halfway == validator.withdrawable_epoch {
                let increment = spec.EFFECTIVE_BALANCE_INCREMENT;
                let numerator = mul(validator.effective_balance / increment, adjusted)?;
                let penalty = mul(numerator / total_balance, increment)?;
                self.decrease_balance(index as u64, penalty)?;
            }
        }
        Ok(())
    }

    pub fn process_eth1_data_reset(&mut self) -> Result<()> {
        let next_epoch = self.current_epoch() + 1;
        if next_epoch.is_multiple_of(self.spec.EPOCHS_PER_ETH1_VOTING_PERIOD) {
            self.eth1_data_votes.clear();
        }
        Ok(())
    }

    pub fn process_effective_balance_updates(&mut self) -> Result<()> {
        let spec = self.spec.clone();
        for index in 0..self.validators.len() {
            let balance = *super::at(&self.balances, index as u64)?;
            let validator = &mut self.validators[index];
            let hysteresis_increment = spec.EFFECTIVE_BALANCE_INCREMENT / spec.HYSTERESIS_QUOTIENT;
            let downward = hysteresis_increment * spec.HYSTERESIS_DOWNWARD_MULTIPLIER;
            let upward = hysteresis_increment * spec.HYSTERESIS_UPWARD_MULTIPLIER;
            if add(balance, downward)? < validator.effective_balance
                || add(validator.effective_balance, upward)? < balance
            {
                let rounded = balance - balance % spec.EFFECTIVE_BALANCE_INCREMENT;
                validator.effective_balance = rounded.min(spec.MAX_EFFECTIVE_BALANCE);
            }
        }
        Ok(())
    }

    pub fn process_slashings_reset(&mut self) -> Result<()> {
        let next_epoch = self.current_epoch() + 1;
        let at = next_epoch % self.spec.EPOCHS_PER_SLASHINGS_VECTOR;
        self.slashings[at as usize] = 0;
        Ok(())
    }

    pub fn process_randao_mixes_reset(&mut self) -> Result<()> {
        let mix = self.randao_mix(self.current_epoch());
        let at = (self.current_epoch() + 1) % self.spec.EPOCHS_PER_HISTORICAL_VECTOR;
        self.randao_mixes[at as usize] = mix;
        Ok(())
    }

    pub fn process_historical_roots_update(&mut self) -> Result<()> {
        let length = self.spec.SLOTS_PER_HISTORICAL_ROOT;
        let next_epoch = self.current_epoch() + 1;
        if next_epoch.is_multiple_of(length / self.spec.SLOTS_PER_EPOCH) {
            let block_roots = merkle(self.block_roots.clone(), length);
            let state_roots = merkle(self.state_roots.clone(), length);
            let batch = sha256(block_roots.as_slice(), state_roots.as_slice());
            self.historical_roots.push(batch);
        }
        Ok(())
    }

    pub fn process_participation_record_updates(&mut self) -> Result<()> {
        self.previous_epoch_attestations = std::mem::take(&mut self.current_epoch_attestations);
        Ok(())
    }

    pub fn process_epoch(&mut self) -> Result<()> {
        self.process_justification_and_finalization()?;
        self.process_rewards_and_penalties()?;
        self.process_registry_updates()?;
        self.process_slashings()?;
        self.process_eth1_data_reset()?;
        self.process_effective_balance_updates()?;
        self.process_slashings_reset()?;
        self.process_randao_mixes_reset()?;
        self.process_historical_roots_update()?;
        self.process_participation_record_updates()
    }

    pub fn process_slot(&mut self) {
        let at = (self.slot % self.spec.SLOTS_PER_HISTORICAL_ROOT) as usize;
        let previous_state_root = self.root();
        self.state_roots[at] = previous_state_root;
        if self.latest_block_header.state_root == Root::ZERO {
            self.latest_block_header.state_root = previous_state_root;
        }
        self.block_roots[at] = self.latest_block_header.hash_tree_root();
    }

    pub fn process_slots(&mut self, slot: Slot) -> Result<()> {
        super::assert_that(self.slot < slot, "state.slot < slot")?;
        while self.slot < slot {
            self.process_slot();
            if (self.slot + 1).is_multiple_of(self.spec.SLOTS_PER_EPOCH) {
                self.process_epoch()?;
            }
            self.slot += 1;
        }
        Ok(())
    }
}
