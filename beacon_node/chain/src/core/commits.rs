//! Batches on their way to the store, and what waits for them.

use consensus::{Root, SignedBeaconBlock};
use rows::{Batch, ChainRow};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What follows once a batch is committed.
#[derive(Clone, Debug)]
pub(super) enum Afterwards {
    /// A block of this node's own validators is sent to everyone and its submitter answered.
    Publish(crate::Token, Arc<SignedBeaconBlock>),
    /// Finalized blocks leave the memory: the store has them as such.
    Forget(Vec<Root>),
    /// The store has the post-state of this block.
    Stored(Root),
    /// The node may stop.
    Stop,
}

/// Counts batches and collects the next one.
#[derive(Debug)]
pub(super) struct Commits {
    /// What the next batch will hold.
    pub(super) open: Batch,
    /// What follows once that is committed.
    afterwards: Vec<Afterwards>,
    waiting: BTreeMap<u64, Vec<Afterwards>>,
    last: u64,
    committed: u64,
    /// Whether batches were handed out since the last durable one.
    undurable: bool,
    row: Option<ChainRow>,
}

impl Commits {
    /// After batch `last`, which held `row`.
    pub(super) fn new(last: u64, row: Option<ChainRow>) -> Commits {
        Commits {
            open: Batch::default(),
            afterwards: Vec::new(),
            waiting: BTreeMap::new(),
            last,
            committed: last,
            undurable: false,
            row,
        }
    }

    /// Number that the open batch will have.
    pub(super) fn next_seq(&self) -> u64 {
        self.last + 1
    }

    /// All batches up to this one are committed.
    pub(super) fn committed(&self) -> u64 {
        self.committed
    }

    /// Batches that are not committed yet.
    pub(super) fn uncommitted(&self) -> u64 {
        self.last - self.committed
    }

    /// Whether everything so far is committed durably.
    pub(super) fn is_durable(&self) -> bool {
        !self.undurable && self.uncommitted() == 0
    }

    /// Whether anything handed out could be lost in a power cut, for all the core asked.
    pub(super) fn is_undurable(&self) -> bool {
        self.undurable
    }

    /// What is to follow the commit of the open batch.
    pub(super) fn afterwards(&mut self, then: Afterwards) {
        self.afterwards.push(then);
    }

    /// The open batch with the checkpoints as they are now, if it holds anything.
    pub(super) fn take(&mut self, row: ChainRow) -> Option<Batch> {
        if self.row != Some(row) {
            self.row = Some(row);
            self.open.chain = Some(row);
        }
        let open = &self.open;
        let is_empty = open.blocks.is_empty()
            && open.chain.is_none()
            && open.votes.is_none()
            && open.states.is_empty()
            && open.finalize.is_none();
        if is_empty && !open.durable && self.afterwards.is_empty() {
            return None;
        }
        let mut batch = std::mem::take(&mut self.open);
        self.last += 1;
        batch.seq = self.last;
        batch.durable |= batch.finalize.is_some();
        self.undurable = !batch.durable;
        let afterwards = std::mem::take(&mut self.afterwards);
        if !afterwards.is_empty() {
            self.waiting.insert(self.last, afterwards);
        }
        Some(batch)
    }

    /// Takes the news that all up to `seq` are committed; gives what follows, in order.
    pub(super) fn on_committed(&mut self, seq: u64) -> Vec<Afterwards> {
        let seq = seq.min(self.last);
        if seq <= self.committed {
            return Vec::new();
        }
        self.committed = seq;
        let later = self.waiting.split_off(&(seq + 1));
        let due = std::mem::replace(&mut self.waiting, later);
        due.into_values().flatten().collect()
    }
}
