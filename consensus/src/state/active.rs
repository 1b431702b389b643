//! The active validators of an epoch, without a list of them.

use super::{ValidatorChunk, Validators};
use crate::cow::Chunk;
use crate::error::Error;
use crate::primitives::*;

/// Counts of active validators from which the n-th active one is found: 4 bytes per 128
/// validators, against 4 bytes per validator for the list, and no list to fill each epoch.
#[derive(Debug)]
pub struct ActiveSet {
    epoch: Epoch,
    /// By registry chunk, the number of active validators before it.
    before: Vec<u32>,
    len: u64,
}

impl ActiveSet {
    /// The validators active in `epoch`.
    pub(super) fn new(validators: &Validators, epoch: Epoch) -> Self {
        let mut before = Vec::with_capacity(validators.chunks().count());
        let mut len = 0u32;
        for chunk in validators.chunks() {
            before.push(len);
            let spans = chunk.activation_epoch().iter().zip(chunk.exit_epoch());
            let is_active =
                |(&activation, &exit): (&Epoch, &Epoch)| is_active(activation, epoch, exit);
            len += spans.map(|span| u32::from(is_active(span))).sum::<u32>();
        }
        ActiveSet {
            epoch,
            before,
            len: len.into(),
        }
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
