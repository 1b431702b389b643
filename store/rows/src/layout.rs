//! The byte forms of the rows.

use crate::{Anchor, BlockRow, ChainRow, Input, Row, RowError, Split, VoteDump};
use consensus::{Checkpoint, Epoch, Root};
use std::collections::BTreeMap;

/// A [`BlockRow`] as it is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HotRow {
    /// The batch that it came with: a row of a batch that is not there as a whole does not count.
    pub seq: u64,
    /// The row.
    pub row: BlockRow,
}

/// A block as it is stored: compressed SSZ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockBytes(pub Vec<u8>);

fn put_u32(out: &mut Vec<u8>, number: usize) {
    out.extend((number as u32).to_le_bytes());
}

fn put_u64(out: &mut Vec<u8>, number: u64) {
    out.extend(number.to_le_bytes());
}

fn put_checkpoint(out: &mut Vec<u8>, checkpoint: Checkpoint) {
    put_u64(out, checkpoint.epoch);
    out.extend(checkpoint.root);
}

impl Row for HotRow {
    const KIND: u8 = 1;

    fn write(&self, out: &mut Vec<u8>) {
        let row = &self.row;
        put_u64(out, self.seq);
        put_u64(out, row.slot);
        for root in [row.root, row.parent_root, row.state_root, row.target_root] {
            out.extend(root);
        }
        put_checkpoint(out, row.justified);
        put_checkpoint(out, row.finalized);
        put_checkpoint(out, row.unrealized_justified);
        put_checkpoint(out, row.unrealized_finalized);
        put_u64(out, row.validator_count);
        out.push(u8::from(row.timely));
    }

    fn read(input: &mut Input) -> Result<HotRow, RowError> {
        Ok(HotRow {
            seq: input.u64()?,
            row: BlockRow {
                slot: input.u64()?,
                root: input.root()?,
                parent_root: input.root()?,
                state_root: input.root()?,
                target_root: input.root()?,
                justified: input.checkpoint()?,
                finalized: input.checkpoint()?,
                unrealized_justified: input.checkpoint()?,
                unrealized_finalized: input.checkpoint()?,
                validator_count: input.u64()?,
                timely: input.bool()?,
            },
        })
    }
}

impl Row for BlockBytes {
    const KIND: u8 = 2;

    fn write(&self, out: &mut Vec<u8>) {
        out.extend(&self.0);
    }

    fn read(input: &mut Input) -> Result<BlockBytes, RowError> {
        Ok(BlockBytes(input.remaining().to_vec()))
    }
}

impl Row for ChainRow {
    const KIND: u8 = 3;

    fn write(&self, out: &mut Vec<u8>) {
        out.extend(self.head);
        put_checkpoint(out, self.justified);
        put_checkpoint(out, self.finalized);
        put_checkpoint(out, self.unrealized_justified);
        put_checkpoint(out, self.unrealized_finalized);
    }

    fn read(input: &mut Input) -> Result<ChainRow, RowError> {
        Ok(ChainRow {
            head: input.root()?,
            justified: input.checkpoint()?,
            finalized: input.checkpoint()?,
            unrealized_justified: input.checkpoint()?,
            unrealized_finalized: input.checkpoint()?,
        })
    }
}

/// A table of the different votes, then for each validator the number of its vote there, counted
/// from 1; 0 is none.
impl Row for VoteDump {
    const KIND: u8 = 4;

    fn write(&self, out: &mut Vec<u8>) {
        let mut numbers: BTreeMap<(Epoch, Root), u32> = BTreeMap::new();
        let mut table = Vec::new();
        let mut votes = Vec::with_capacity(self.latest.len() * 4);
        for vote in &self.latest {
            let number = vote.map_or(0, |vote| {
                *numbers.entry(vote).or_insert_with(|| {
                    table.push(vote);
                    table.len() as u32
                })
            });
            votes.extend(number.to_le_bytes());
        }
        put_u64(out, self.slot);
        put_u32(out, table.len());
        for (epoch, root) in table {
            put_u64(out, epoch);
            out.extend(root);
        }
        put_u32(out, self.latest.len());
        out.extend(votes);
        put_u32(out, self.equivocating.len());
        for index in &self.equivocating {
            put_u64(out, *index);
        }
    }

    fn read(input: &mut Input) -> Result<VoteDump, RowError> {
        let slot = input.u64()?;
        let table = input.list(40, |input| Ok((input.u64()?, input.root()?)))?;
        let latest = input.list(4, |input| match input.u32()?.checked_sub(1) {
            None => Ok(None),
            Some(number) => match table.get(number as usize) {
                Some(vote) => Ok(Some(*vote)),
                None => Err(RowError::Value("vote")),
            },
        })?;
        let equivocating = input.list(8, Input::u64)?;
        if !equivocating.is_sorted_by(|a, b| a < b) {
            return Err(RowError::Value("order of validators"));
        }
        Ok(VoteDump {
            slot,
            latest,
            equivocating,
        })
    }
}

impl Row for Anchor {
    const KIND: u8 = 5;

    fn write(&self, out: &mut Vec<u8>) {
        put_u64(out, self.slot);
        out.extend(self.root);
        put_u64(out, self.oldest_block_slot);
        put_u64(out, self.oldest_state_slot);
    }

    fn read(input: &mut Input) -> Result<Anchor, RowError> {
        Ok(Anchor {
            slot: input.u64()?,
            root: input.root()?,
            oldest_block_slot: input.u64()?,
            oldest_state_slot: input.u64()?,
        })
    }
}

impl Row for Split {
    const KIND: u8 = 6;

    fn write(&self, out: &mut Vec<u8>) {
        put_checkpoint(out, self.checkpoint);
        put_u64(out, self.slot);
        out.extend(self.state_root);
    }

    fn read(input: &mut Input) -> Result<Split, RowError> {
        Ok(Split {
            checkpoint: input.checkpoint()?,
            slot: input.u64()?,
            state_root: input.root()?,
        })
    }
}
