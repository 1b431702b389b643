//! A [`Store`] that was kept as rows, and how it comes back: the tree from the facts of its blocks,
//! the checkpoints, and the votes.

use crate::head::HeadMemo;
use crate::tree::{Node, Tree};
use crate::votes::Votes;
use crate::{BlockFacts, Error, Store};
use consensus::helpers::{compute_epoch_at_slot, compute_start_slot_at_epoch};
use consensus::{Checkpoint, Epoch, Root, Spec, ValidatorIndex};
use std::sync::Arc;

/// The four checkpoints of a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checkpoints {
    /// Where the search for the head starts.
    pub justified: Checkpoint,
    /// The highest finalized one known.
    pub finalized: Checkpoint,
    /// The highest that some chain will justify at its epoch's end.
    pub unrealized_justified: Checkpoint,
    /// The highest that some chain will finalize at its epoch's end.
    pub unrealized_finalized: Checkpoint,
}

/// What a store is made of, but for the votes and balances.
#[derive(Clone, Debug)]
pub struct Restored {
    /// Preset and configuration.
    pub spec: Arc<Spec>,
    /// Time of genesis, Unix seconds.
    pub genesis_time: u64,
    /// The time, Unix seconds; one before genesis counts as genesis.
    pub time: u64,
    /// The finalized checkpoint that the tree was pruned to.
    pub finalized: Checkpoint,
    /// Its block, which may be of an earlier slot than the epoch's first.
    pub anchor: BlockFacts,
    /// Root of the checkpoint block of the anchor's own epoch on its chain.
    pub anchor_target: Root,
    /// All other blocks, parents first, and whether each came in time.
    pub blocks: Vec<(BlockFacts, bool)>,
    /// The checkpoints when they were last kept; one whose block is not in the tree is left out.
    pub checkpoints: Option<Checkpoints>,
}

impl Store {
    /// A store as it was, without votes. The balances at the justified checkpoint are needed next.
    ///
    /// # Errors
    /// If a slot lasts no time, or a block does not follow one before it.
    pub fn restore(parts: &Restored) -> Result<Store, Error> {
        let spec = &parts.spec;
        if spec.SLOT_DURATION_MS == 0 {
            return Err(Error::SlotDurationZero);
        }
        let finalized = parts.finalized;
        let mut store = Store {
            spec: Arc::clone(spec),
            time: parts.time.max(parts.genesis_time),
            genesis_time: parts.genesis_time,
            justified_checkpoint: finalized,
            finalized_checkpoint: finalized,
            unrealized_justified_checkpoint: finalized,
            unrealized_finalized_checkpoint: finalized,
            proposer_boost_root: Root::ZERO,
            tree: Tree::restored(&parts.anchor, parts.anchor_target),
            votes: Votes::new(),
            memo: HeadMemo::default(),
        };
        store.votes.grow_registry(parts.anchor.validator_count);
        for (facts, timely) in &parts.blocks {
            store.restore_block(facts, *timely)?;
        }
        store.mark_finalized(finalized);
        if let Some(kept) = parts.checkpoints {
            let known = |checkpoint: Checkpoint| match store.contains_block(checkpoint.root) {
                true => checkpoint,
                false => finalized,
            };
            let kept = Checkpoints {
                justified: known(kept.justified),
                finalized: known(kept.finalized),
                unrealized_justified: known(kept.unrealized_justified),
                unrealized_finalized: known(kept.unrealized_finalized),
            };
            store.update_checkpoints(kept.justified, kept.finalized);
            let (justified, finalized) = (kept.unrealized_justified, kept.unrealized_finalized);
            store.update_unrealized_checkpoints(justified, finalized);
            // Of two that conflict in one epoch, the kept one came first.
            let keep = |mine: &mut Checkpoint, kept: Checkpoint| {
                if mine.epoch == kept.epoch {
                    *mine = kept;
                }
            };
            keep(&mut store.justified_checkpoint, kept.justified);
            keep(&mut store.unrealized_justified_checkpoint, justified);
            keep(&mut store.unrealized_finalized_checkpoint, finalized);
        }
        for (facts, _) in &parts.blocks {
            store.update_checkpoints(facts.justified_checkpoint, facts.finalized_checkpoint);
            store.compute_pulled_up_tip(facts);
        }
        Ok(store)
    }

    fn restore_block(&mut self, facts: &BlockFacts, timely: bool) -> Result<(), Error> {
        let parent = self.tree.node(facts.parent_root);
        let parent = parent.map_err(|_| Error::UnknownParent(facts.parent_root))?;
        let (slot, parent) = (facts.slot, parent.facts().slot);
        if slot <= parent {
            return Err(Error::SlotNotAfterParent { slot, parent });
        }
        let epoch = compute_epoch_at_slot(slot, &self.spec);
        let epoch_start = compute_start_slot_at_epoch(epoch, &self.spec)?;
        self.tree.insert(facts, epoch_start, timely)?;
        self.votes.grow_tree(self.tree.nodes().len());
        self.votes.grow_registry(facts.validator_count);
        let is_first_block = self.proposer_boost_root == Root::ZERO;
        if timely && is_first_block && slot == self.get_current_slot() {
            self.proposer_boost_root = facts.root;
        }
        Ok(())
    }

    /// The four checkpoints.
    pub fn checkpoints(&self) -> Checkpoints {
        Checkpoints {
            justified: self.justified_checkpoint,
            finalized: self.finalized_checkpoint,
            unrealized_justified: self.unrealized_justified_checkpoint,
            unrealized_finalized: self.unrealized_finalized_checkpoint,
        }
    }

    /// The latest messages of all validators by index, as target epoch and block root; the zero
    /// root stands for a block that was pruned.
    pub fn latest_messages(&self) -> Vec<Option<(Epoch, Root)>> {
        let root = |place: Option<usize>| {
            place.map_or(Root::ZERO, |place| self.tree.nodes()[place].facts().root)
        };
        let votes = 0..self.votes.len() as u64;
        votes
            .map(|index| self.votes.latest(index))
            .map(|vote| vote.map(|(epoch, place)| (epoch, root(place))))
            .collect()
    }

    /// Takes back what [`Store::latest_messages`] and [`Store::equivocating_indices`] gave, in
    /// place of all votes. A vote for a block that is not in the tree keeps its epoch. Validators
    /// beyond the registries of the known blocks are left out. To be called before balances are set.
    pub fn restore_votes(
        &mut self,
        latest: &[Option<(Epoch, Root)>],
        equivocating: &[ValidatorIndex],
    ) {
        let latest = latest.iter().take(self.votes.len());
        let places: Vec<_> = latest
            .map(|vote| vote.map(|(epoch, root)| (epoch, self.tree.find(root))))
            .collect();
        self.votes.restore(&places);
        for &index in equivocating {
            if index < self.votes.len() as u64 {
                self.votes.set_equivocating(index);
            }
        }
        self.memo.forget();
    }

    /// Whether the justified or an unrealized checkpoint is not on the finalized branch. More than
    /// a third of the validators is slashable then, and nothing can be pruned.
    pub fn finality_conflicts(&self) -> bool {
        let required = [
            self.finalized_checkpoint.root,
            self.justified_checkpoint.root,
            self.unrealized_justified_checkpoint.root,
            self.unrealized_finalized_checkpoint.root,
        ];
        let on_branch = |root| self.tree.node(root).is_ok_and(Node::on_finalized_branch);
        !required.into_iter().all(on_branch)
    }
}
