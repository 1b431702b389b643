//! The active validators of an epoch: their number, their balance, and the n-th of them, from one
//! scan and without a list.

use super::{ValidatorChunk, Validators};
use crate::cow::Chunk;
use crate::error::Error;
use crate::primitives::*;

/// Counts of active validators from which the n-th active one is found: 4 bytes per 128
/// validators, against 4 bytes per validator for the list, and no list to fill each epoch.
#[derive(Debug, PartialEq, Eq)]
pub struct ActiveSet {
    epoch: Epoch,
    /// By registry chunk, the number of active validators before it; up to the last chunk with one.
    before: Vec<u32>,
    len: u64,
    /// `None` if it does not fit 64 bits.
    balance: Option<Gwei>,
}

impl ActiveSet {
    /// The validators active in `epoch`.
    pub(super) fn new(validators: &Validators, epoch: Epoch) -> Self {
        let mut set = ActiveSet {
            epoch,
            before: Vec::with_capacity(validators.len().div_ceil(ValidatorChunk::CAPACITY)),
            len: 0,
            balance: Some(0),
        };
        for chunk in validators.chunks() {
            set.before.push(set.len as u32);
            let spans = chunk.activation_epoch().iter().zip(chunk.exit_epoch());
            let mut balance: Option<Gwei> = Some(0);
            for ((&activation, &exit), &of) in spans.zip(chunk.effective_balance()) {
                if is_active(activation, epoch, exit) {
                    set.len += 1;
                    balance = balance.and_then(|sum| sum.checked_add(of));
                }
            }
            set.balance = set.balance.zip(balance).and_then(|(a, b)| a.checked_add(b));
        }
        // Chunks without an active validator at the end: deposits may add more of them.
        while set
            .before
            .pop_if(|before| u64::from(*before) == set.len)
            .is_some()
        {}
        set
    }

    /// Sum of the effective balances, Gwei, without the floor of one increment.
    pub(crate) fn balance(&self) -> Result<Gwei, Error> {
        self.balance.ok_or_else(Error::overflow)
    }

    /// Number of active validators.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether nobody is active.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// `get_active_validator_indices(state, epoch)[at]`, of the registry the set was made of.
    pub(crate) fn nth(&self, at: u64, validators: &Validators) -> Result<usize, Error> {
        let missing = || Error::ShuffledIndexOutOfRange {
            index: at,
            count: self.len,
        };
        let number = self
            .before
            .partition_point(|&before| u64::from(before) <= at);
        let chunk = number.checked_sub(1).ok_or_else(missing)?;
        let mut left = at - u64::from(self.before[chunk]);
        let first = chunk * ValidatorChunk::CAPACITY;
        let columns = validators.chunk_at(first).ok_or_else(missing)?;
        let spans = columns.activation_epoch().iter().zip(columns.exit_epoch());
        for (place, (&activation, &exit)) in spans.enumerate() {
            if is_active(activation, self.epoch, exit) {
                if left == 0 {
                    return Ok(first + place);
                }
                left -= 1;
            }
        }
        Err(missing())
    }
}

fn is_active(activation: Epoch, epoch: Epoch, exit: Epoch) -> bool {
    activation <= epoch && epoch < exit
}
