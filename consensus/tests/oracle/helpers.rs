//! `beacon-chain.md#helper-functions`, as far as epoch processing needs them.

use super::state::PlainState;
use super::{Failed, Result, add, assert_that, at, div, mul, sub};
use consensus::helpers::hash;
use consensus::*;
use std::collections::BTreeSet;

pub fn is_active_validator(validator: &Validator, epoch: Epoch) -> bool {
    validator.activation_epoch <= epoch && epoch < validator.exit_epoch
}

pub fn integer_squareroot(n: u64) -> u64 {
    if n == u64::MAX {
        return 4_294_967_295;
    }
    let mut x = n;
    let mut y = x.div_ceil(2);
    while y < x {
        x = y;
        y = (x + n / x) / 2;
    }
    x
}

pub fn compute_shuffled_index(index: u64, count: u64, seed: Root, rounds: u64) -> Result<u64> {
    assert_that(index < count, "index < index_count")?;
    let mut index = index;
    for round in 0..rounds {
        let pivot_hash = hash(&[seed.as_slice(), &[round as u8]].concat());
        let pivot = u64::from_le_bytes(pivot_hash[..8].try_into().unwrap()) % count;
        let flip = (pivot + count - index) % count;
        let position = index.max(flip);
        let window = ((position / 256) as u32).to_le_bytes();
        let source = hash(&[seed.as_slice(), &[round as u8], &window].concat());
        let byte = source[(position % 256 / 8) as usize];
        let bit = (byte >> (position % 8)) % 2;
        index = if bit == 1 { flip } else { index };
    }
    Ok(index)
}

impl PlainState {
    pub fn current_epoch(&self) -> Epoch {
        self.slot / self.spec.SLOTS_PER_EPOCH
    }

    pub fn previous_epoch(&self) -> Epoch {
        match self.current_epoch() {
            GENESIS_EPOCH => GENESIS_EPOCH,
            epoch => epoch - 1,
        }
    }

    pub fn block_root(&self, epoch: Epoch) -> Result<Root> {
        self.block_root_at_slot(mul(epoch, self.spec.SLOTS_PER_EPOCH)?)
    }

    pub fn block_root_at_slot(&self, slot: Slot) -> Result<Root> {
        let length = self.spec.SLOTS_PER_HISTORICAL_ROOT;
        assert_that(slot < self.slot, "slot < state.slot")?;
        assert_that(
            self.slot <= add(slot, length)?,
            "state.slot <= slot + SLOTS_PER_HISTORICAL_ROOT",
        )?;
        at(&self.block_roots, slot % length).copied()
    }

    pub fn randao_mix(&self, epoch: Epoch) -> Root {
        self.randao_mixes[(epoch % self.spec.EPOCHS_PER_HISTORICAL_VECTOR) as usize]
    }

    pub fn seed(&self, epoch: Epoch, domain_type: DomainType) -> Result<Root> {
        let ahead = add(epoch, self.spec.EPOCHS_PER_HISTORICAL_VECTOR)?;
        let mix = self.randao_mix(ahead - self.spec.MIN_SEED_LOOKAHEAD - 1);
        let number = epoch.to_le_bytes();
        Ok(hash(
            &[domain_type.as_slice(), &number, mix.as_slice()].concat(),
        ))
    }

    pub fn active_validator_indices(&self, epoch: Epoch) -> Vec<u64> {
        (0u64..)
            .zip(&self.validators)
            .filter(|(_, validator)| is_active_validator(validator, epoch))
            .map(|(index, _)| index)
            .collect()
    }

    pub fn validator_churn_limit(&self) -> u64 {
        let active = self.active_validator_indices(self.current_epoch()).len() as u64;
        let limit = active / self.spec.CHURN_LIMIT_QUOTIENT;
        self.spec.MIN_PER_EPOCH_CHURN_LIMIT.max(limit)
    }

    pub fn committee_count_per_slot(&self, epoch: Epoch) -> u64 {
        let active = self.active_validator_indices(epoch).len() as u64;
        let count = active / self.spec.SLOTS_PER_EPOCH / self.spec.TARGET_COMMITTEE_SIZE;
        1.max(self.spec.MAX_COMMITTEES_PER_SLOT.min(count))
    }

    pub fn beacon_committee(&self, slot: Slot, index: CommitteeIndex) -> Result<Vec<u64>> {
        let epoch = slot / self.spec.SLOTS_PER_EPOCH;
        let per_slot = self.committee_count_per_slot(epoch);
        let seed = self.seed(epoch, DOMAIN_BEACON_ATTESTER)?;
        let indices = self.active_validator_indices(epoch);
        let index = add(mul(slot % self.spec.SLOTS_PER_EPOCH, per_slot)?, index)?;
        let count = per_slot * self.spec.SLOTS_PER_EPOCH;
        let total = indices.len() as u64;
        let start = mul(total, index)? / count;
        let end = mul(total, add(index, 1)?)? / count;
        (start..end)
            .map(|position| {
                let rounds = self.spec.SHUFFLE_ROUND_COUNT;
                let shuffled = compute_shuffled_index(position, total, seed, rounds)?;
                at(&indices, shuffled).copied()
            })
            .collect()
    }

    /// The proposer of the state's slot. Gives up where the specification would search forever.
    pub fn beacon_proposer_index(&self) -> Result<u64> {
        let epoch = self.current_epoch();
        let epoch_seed = self.seed(epoch, DOMAIN_BEACON_PROPOSER)?;
        let seed = hash(&[epoch_seed.as_slice(), &self.slot.to_le_bytes()].concat());
        let indices = self.active_validator_indices(epoch);
        let total = indices.len() as u64;
        assert_that(total > 0, "len(indices) > 0")?;
        for i in 0u64..100_000 {
            let rounds = self.spec.SHUFFLE_ROUND_COUNT;
            let candidate = *at(
                &indices,
                compute_shuffled_index(i % total, total, seed, rounds)?,
            )?;
            let random = hash(&[seed.as_slice(), &(i / 32).to_le_bytes()].concat());
            let random_byte = u64::from(random[(i % 32) as usize]);
            let effective_balance = at(&self.validators, candidate)?.effective_balance;
            if mul(effective_balance, 255)? >= mul(self.spec.MAX_EFFECTIVE_BALANCE, random_byte)? {
                return Ok(candidate);
            }
        }
        Err(Failed("nobody is ever drawn"))
    }

    pub fn total_balance(&self, indices: &BTreeSet<u64>) -> Result<Gwei> {
        let mut total = 0;
        for &index in indices {
            total = add(total, at(&self.validators, index)?.effective_balance)?;
        }
        Ok(total.max(self.spec.EFFECTIVE_BALANCE_INCREMENT))
    }

    pub fn total_active_balance(&self) -> Result<Gwei> {
        let active = self.active_validator_indices(self.current_epoch());
        self.total_balance(&active.into_iter().collect())
    }

    pub fn attesting_indices(
        &self,
        data: &AttestationData,
        bits: &AggregationBits,
    ) -> Result<BTreeSet<u64>> {
        let committee = self.beacon_committee(data.slot, data.index)?;
        let mut indices = BTreeSet::new();
        for (at, index) in committee.into_iter().enumerate() {
            if bits.get(at).map_err(|_| Failed("index out of range"))? {
                indices.insert(index);
            }
        }
        Ok(indices)
    }

    pub fn increase_balance(&mut self, index: u64, delta: Gwei) -> Result<()> {
        let balance = add(*at(&self.balances, index)?, delta)?;
        self.balances[index as usize] = balance;
        Ok(())
    }

    pub fn decrease_balance(&mut self, index: u64, delta: Gwei) -> Result<()> {
        let balance = *at(&self.balances, index)?;
        self.balances[index as usize] = balance.saturating_sub(delta);
        Ok(())
    }

    pub fn activation_exit_epoch(&self, epoch: Epoch) -> Result<Epoch> {
        add(add(epoch, 1)?, self.spec.MAX_SEED_LOOKAHEAD)
    }

    pub fn initiate_validator_exit(&mut self, index: u64) -> Result<()> {
        if at(&self.validators, index)?.exit_epoch != FAR_FUTURE_EPOCH {
            return Ok(());
        }
        let mut exit_epochs: Vec<Epoch> = self
            .validators
            .iter()
            .map(|validator| validator.exit_epoch)
            .filter(|&epoch| epoch != FAR_FUTURE_EPOCH)
            .collect();
        exit_epochs.push(self.activation_exit_epoch(self.current_epoch())?);
        let mut exit_queue_epoch = exit_epochs.into_iter().max().unwrap();
        let leaving = |validator: &&Validator| validator.exit_epoch == exit_queue_epoch;
        let exit_queue_churn = self.validators.iter().filter(leaving).count() as u64;
        if exit_queue_churn >= self.validator_churn_limit() {
            exit_queue_epoch = add(exit_queue_epoch, 1)?;
        }
        let delay = self.spec.MIN_VALIDATOR_WITHDRAWABILITY_DELAY;
        let validator = &mut self.validators[index as usize];
        validator.exit_epoch = exit_queue_epoch;
        validator.withdrawable_epoch = add(exit_queue_epoch, delay)?;
        Ok(())
    }

    pub fn slash_validator(&mut self, index: u64) -> Result<()> {
        let epoch = self.current_epoch();
        self.initiate_validator_exit(index)?;
        let spec = self.spec.clone();
        let vector = spec.EPOCHS_PER_SLASHINGS_VECTOR;
        let validator = &mut self.validators[index as usize];
        validator.slashed = true;
        validator.withdrawable_epoch = validator.withdrawable_epoch.max(add(epoch, vector)?);
        let effective_balance = validator.effective_balance;
        let slashed = &mut self.slashings[(epoch % vector) as usize];
        *slashed = add(*slashed, effective_balance)?;
        self.decrease_balance(
            index,
            effective_balance / spec.MIN_SLASHING_PENALTY_QUOTIENT,
        )?;
        let proposer = self.beacon_proposer_index()?;
        let whistleblower_reward = effective_balance / spec.WHISTLEBLOWER_REWARD_QUOTIENT;
        let proposer_reward = div(whistleblower_reward, spec.PROPOSER_REWARD_QUOTIENT)?;
        self.increase_balance(proposer, proposer_reward)?;
        self.increase_balance(proposer, sub(whistleblower_reward, proposer_reward)?)
    }
}
