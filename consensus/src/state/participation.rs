//! Who attested to the right target, kept up to date by every included attestation.
//!
//! Bits are in committee order, one vector per slot, so that a block's attestations touch one or
//! two vectors of some 1.6 KiB (400,000 validators) and not the whole registry.

use super::{Shuffling, ValidatorChunk, Validators};
use crate::containers::AttestationData;
use crate::cow::Chunk;
use crate::error::Error;
use crate::primitives::*;
use std::sync::{Arc, OnceLock};

/// Participation in one epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct EpochParticipation {
    epoch: Epoch,
    /// Per slot a bit for every position of its committees.
    slots: Vec<Arc<Vec<u64>>>,
    /// Effective balance of the unslashed validators with a bit, Gwei; unknown after effective
    /// balances or slashings changed.
    target_balance: OnceLock<Gwei>,
}

impl EpochParticipation {
    pub(super) fn new(epoch: Epoch, slots_per_epoch: u64) -> Self {
        EpochParticipation {
            epoch,
            slots: vec![Arc::default(); slots_per_epoch as usize],
            target_balance: OnceLock::from(0),
        }
    }

    pub(super) fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// The sum must be made again: an effective balance or a slashed flag changed.
    pub(super) fn forget_balance(&mut self) {
        self.target_balance = OnceLock::new();
    }

    /// Records an attestation to the epoch's right target.
    pub(super) fn add(
        &mut self,
        data: &AttestationData,
        bits: &crate::AggregationBits,
        shuffling: &Shuffling,
        validators: &Validators,
    ) -> Result<(), Error> {
        let slot_index = data.slot % self.slots.len() as u64;
        let slot_range = shuffling.slot_range(slot_index);
        let attesters = shuffling.attesters(data.slot, data.index, bits)?;
        let words = Arc::make_mut(&mut self.slots[slot_index as usize]);
        words.resize(slot_range.len().div_ceil(64), 0);
        let sums = self.target_balance.get().is_some();
        let mut gained: Gwei = 0;
        for (position, validator) in attesters {
            let at = position - slot_range.start;
            let mask = 1u64 << (at % 64);
            if words[at / 64] & mask == 0 {
                words[at / 64] |= mask;
                if sums {
                    let balance = validators.unslashed_balance(validator as usize);
                    gained = gained.checked_add(balance).ok_or_else(Error::overflow)?;
                }
            }
        }
        if let Some(&balance) = self.target_balance.get() {
            let balance = balance.checked_add(gained).ok_or_else(Error::overflow)?;
            self.target_balance = OnceLock::from(balance);
        }
        Ok(())
    }

    /// Effective balance of the unslashed validators that attested to the target, Gwei.
    pub(super) fn target_balance(
        &self,
        shuffling: &Shuffling,
        validators: &Validators,
    ) -> Result<Gwei, Error> {
        if let Some(&balance) = self.target_balance.get() {
            return Ok(balance);
        }
        // Into registry order first: the bits of 400,000 validators are 50 KB, so that scattering
        // them is cheap, and the balances are then read in sequence.
        let mut attested = vec![0u64; validators.len().div_ceil(64)];
        for (slot_index, words) in self.slots.iter().enumerate() {
            let start = shuffling.slot_range(slot_index as u64).start;
            for (at, &word) in words.iter().enumerate() {
                let mut word = word;
                while word != 0 {
                    let position = start + at * 64 + word.trailing_zeros() as usize;
                    word &= word - 1;
                    let validator = shuffling.order()[position] as usize;
                    attested[validator / 64] |= 1 << (validator % 64);
                }
            }
        }
        let mut balance: Gwei = 0;
        let mut words = attested.chunks(ValidatorChunk::CAPACITY / 64);
        for (chunk, words) in validators.chunks().zip(&mut words) {
            let columns = chunk.effective_balance().iter().zip(chunk.slashed());
            for (at, (&effective_balance, &slashed)) in columns.enumerate() {
                if words[at / 64] >> (at % 64) & 1 == 1 && !slashed {
                    balance = balance
                        .checked_add(effective_balance)
                        .ok_or_else(Error::overflow)?;
                }
            }
        }
        Ok(*self.target_balance.get_or_init(|| balance))
    }
}
