//! What a node's store must give back after a crash: everything up to the last batch that was
//! reported as durable, and of later batches whole ones, without gaps.

use chain::Snapshot;
use consensus::{Checkpoint, Root};
use rows::{Batch, Recovered};
use std::collections::{BTreeMap, BTreeSet};

/// What a batch did to the set of hot blocks.
#[derive(Clone, Debug)]
struct Step {
    blocks: Vec<Root>,
    finalize: Option<(Checkpoint, Vec<Root>, Vec<Root>)>,
}

/// The batches that one node's writer was given.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ledger {
    steps: BTreeMap<u64, Step>,
    durable: u64,
}

impl Ledger {
    /// The writer begins a batch.
    pub(crate) fn begin(&mut self, batch: &Batch) {
        let finalize = batch.finalize.as_ref();
        self.steps.insert(
            batch.seq,
            Step {
                blocks: batch.blocks.iter().map(|block| block.row.root).collect(),
                finalize: finalize.map(|f| (f.checkpoint, f.blocks.clone(), f.pruned.clone())),
            },
        );
    }

    /// The writer has reported a durable batch.
    pub(crate) fn durable(&mut self, seq: u64) {
        self.durable = seq;
    }

    /// Everything the writer has was made durable.
    pub(crate) fn all_durable(&mut self) {
        self.durable = self
            .steps
            .last_key_value()
            .map_or(self.durable, |(seq, _)| *seq);
    }

    /// Whether a block was in a batch that can no longer be lost.
    pub(crate) fn is_durable(&self, root: Root) -> bool {
        let mut durable = self.steps.range(..=self.durable);
        durable.any(|(_, step)| step.blocks.contains(&root))
    }

    /// The hot blocks, the finalized ones in order, and the finalized checkpoint, after a batch.
    fn after(&self, seq: u64) -> (BTreeSet<Root>, Vec<Root>, Checkpoint) {
        let mut hot = BTreeSet::new();
        let mut canonical = Vec::new();
        let mut finalized = Checkpoint::default();
        for step in self.steps.range(..=seq).map(|(_, step)| step) {
            hot.extend(&step.blocks);
            if let Some((checkpoint, blocks, pruned)) = &step.finalize {
                for root in blocks.iter().chain(pruned) {
                    hot.remove(root);
                }
                canonical.extend(blocks);
                finalized = *checkpoint;
            }
        }
        (hot, canonical, finalized)
    }

    /// What the batches say of a block, and where the store is.
    fn story(&self, root: Root, recovered: &Recovered) -> String {
        let mut story = format!(
            "the store is at batch {} with split {}",
            recovered.last_seq, recovered.split.checkpoint.epoch
        );
        for (seq, step) in &self.steps {
            if step.blocks.contains(&root) {
                story += &format!(", given in batch {seq}");
            }
            if let Some((checkpoint, blocks, pruned)) = &step.finalize {
                let epoch = checkpoint.epoch;
                if blocks.contains(&root) {
                    story += &format!(", finalized in batch {seq} with epoch {epoch}");
                }
                if pruned.contains(&root) {
                    story += &format!(", pruned in batch {seq} with epoch {epoch}");
                }
            }
        }
        story
    }

    /// Compares what a store recovered with what it was given, and forgets what was lost. Returns
    /// the finalized blocks, in order.
    pub(crate) fn check(&mut self, recovered: &Recovered) -> Result<Vec<Root>, String> {
        let last = recovered.last_seq;
        let given = self.steps.last_key_value().map_or(0, |(seq, _)| *seq);
        if !(self.durable..=given).contains(&last) {
            return Err(format!(
                "the store is at batch {last}: batch {} was durable, {given} is the last",
                self.durable
            ));
        }
        self.steps.retain(|seq, _| *seq <= last);
        self.durable = last;
        let (hot, canonical, finalized) = self.after(last);
        let found: BTreeSet<_> = recovered.hot_blocks.iter().map(|row| row.root).collect();
        if let Some(root) = hot.difference(&found).next() {
            return Err(format!(
                "block {root} is not hot, but {}",
                self.story(*root, recovered)
            ));
        }
        if let Some(root) = found.difference(&hot).next() {
            return Err(format!(
                "block {root} is hot, but {}",
                self.story(*root, recovered)
            ));
        }
        let split = recovered.split.checkpoint;
        if split.epoch != finalized.epoch || (split.epoch > 0 && split.root != finalized.root) {
            return Err(format!(
                "the split is at epoch {}, finalized was epoch {} by batch {last}",
                split.epoch, finalized.epoch
            ));
        }
        Ok(canonical)
    }

    /// What a core shows after a restart must hold the same blocks.
    pub(crate) fn check_start(&self, snapshot: &Snapshot) -> Result<(), String> {
        let (hot, _, finalized) = self.after(self.durable);
        if snapshot.finalized.epoch < finalized.epoch {
            return Err(format!(
                "finality fell from epoch {} to {} in a restart",
                finalized.epoch, snapshot.finalized.epoch
            ));
        }
        match hot.iter().find(|root| !snapshot.blocks.contains_key(*root)) {
            // The fork choice may finalize further than the last batch says, and drop branches.
            Some(root) if snapshot.finalized.epoch == finalized.epoch => {
                Err(format!("block {root} is in the store but not in the core"))
            }
            _ => Ok(()),
        }
    }
}
