//! The head: weights, viability, and the walk down, `fork-choice.md#get_head`.

use crate::tree::Node;
use crate::{Error, Store, calculate_committee_fraction};
use consensus::helpers::compute_epoch_at_slot;
use consensus::{Checkpoint, Epoch, GENESIS_EPOCH, Gwei, Root};
use std::sync::Arc;

/// What is known of a node until something changes.
#[derive(Clone, Copy, Debug, Default)]
struct Score {
    /// `get_weight` of the block, Gwei.
    weight: Gwei,
    has_children: bool,
    /// Whether `filter_block_tree` keeps the block.
    viable: bool,
    /// The heaviest viable child.
    best_child: Option<u32>,
}

/// The last answer, and the room for the next.
#[derive(Clone, Debug, Default)]
pub(crate) struct HeadMemo {
    scores: Vec<Score>,
    /// What [`Store::weights`] gave out of these scores.
    weights: Option<Arc<[(Root, Gwei)]>>,
    head: Root,
    known: bool,
}

impl HeadMemo {
    /// To be called whenever anything changed that a score depends on.
    pub(crate) fn forget(&mut self) {
        self.known = false;
    }
}

impl Store {
    /// `fork-choice.md#get_head`. Costs two passes over the blocks if anything changed since the
    /// last question, else nothing.
    pub fn get_head(&mut self) -> Result<Root, Error> {
        self.refresh()?;
        Ok(self.memo.head)
    }

    /// `fork-choice.md#get_weight`, Gwei. The cost is that of [`Store::get_head`].
    pub fn get_weight(&mut self, root: Root) -> Result<Gwei, Error> {
        self.refresh()?;
        let place = self.tree.find(root).ok_or(Error::UnknownBlock(root))?;
        Ok(self.memo.scores[place].weight)
    }

    /// All blocks with their `get_weight` in Gwei, parents first. The cost is that of
    /// [`Store::get_head`], and a copy if anything changed since the last question.
    pub fn weights(&mut self) -> Result<Arc<[(Root, Gwei)]>, Error> {
        self.refresh()?;
        let (nodes, scores) = (self.tree.nodes(), &self.memo.scores);
        let weights = self.memo.weights.get_or_insert_with(|| {
            let scored = nodes.iter().zip(scores);
            let weights = scored.map(|(node, score)| (node.facts().root, score.weight));
            weights.collect()
        });
        Ok(Arc::clone(weights))
    }

    /// The leaves of the filtered block tree with their weights in Gwei, by root: all blocks that
    /// votes could make the head. None if the justified block itself is filtered out.
    pub fn viable_heads(&mut self) -> Result<Vec<(Root, Gwei)>, Error> {
        self.refresh()?;
        let justified = self.justified_place()?;
        let mut descends = vec![false; self.tree.nodes().len()];
        let mut heads = Vec::new();
        let scored = self.tree.nodes().iter().zip(&self.memo.scores);
        for (place, (node, score)) in scored.enumerate().skip(justified) {
            descends[place] = place == justified || node.parent().is_some_and(|at| descends[at]);
            if descends[place] && score.viable && !score.has_children {
                heads.push((node.facts().root, score.weight));
            }
        }
        heads.sort_unstable();
        Ok(heads)
    }

    /// `fork-choice.md#get_voting_source`
    pub fn get_voting_source(&self, block_root: Root) -> Result<Checkpoint, Error> {
        let node = self.tree.node(block_root)?;
        Ok(self.voting_source(node, self.get_current_store_epoch()))
    }

    fn voting_source(&self, node: &Node, current_epoch: Epoch) -> Checkpoint {
        let facts = node.facts();
        if current_epoch > compute_epoch_at_slot(facts.slot, &self.spec) {
            facts.unrealized_justified_checkpoint
        } else {
            facts.justified_checkpoint
        }
    }

    /// `fork-choice.md#get_proposer_score`, Gwei.
    pub fn get_proposer_score(&self) -> Result<Gwei, Error> {
        self.committee_fraction(self.spec.PROPOSER_SCORE_BOOST)
    }

    /// `calculate_committee_fraction` of the justified checkpoint's state, Gwei.
    pub(crate) fn committee_fraction(&self, committee_percent: u64) -> Result<Gwei, Error> {
        let total = self
            .votes
            .total_active_balance()
            .ok_or(Error::JustifiedBalancesMissing(self.justified_checkpoint))?;
        calculate_committee_fraction(total, committee_percent, &self.spec)
    }

    fn justified_place(&self) -> Result<usize, Error> {
        let root = self.justified_checkpoint.root;
        self.tree.find(root).ok_or(Error::UnknownBlock(root))
    }

    fn refresh(&mut self) -> Result<(), Error> {
        if self.memo.known {
            return Ok(());
        }
        let mut place = self.justified_place()?;
        self.memo.weights = None;
        self.weigh()?;
        self.filter_block_tree();
        while let Some(child) = self.memo.scores[place].best_child {
            place = child as usize;
        }
        self.memo.head = self.tree.nodes()[place].facts().root;
        self.memo.known = true;
        Ok(())
    }

    /// Sums the votes and the boost of each subtree, children before their parents.
    fn weigh(&mut self) -> Result<(), Error> {
        let proposer_score = self.get_proposer_score()?;
        let boosted = self.tree.find(self.proposer_boost_root);
        let scores = &mut self.memo.scores;
        scores.clear();
        scores.extend(self.votes.own_weights().iter().map(|&weight| Score {
            weight,
            ..Score::default()
        }));
        if let Some(place) = boosted {
            scores[place].weight += proposer_score;
        }
        for (place, node) in self.tree.nodes().iter().enumerate().rev() {
            if let Some(parent) = node.parent() {
                scores[parent].weight += scores[place].weight;
            }
        }
        Ok(())
    }

    /// `fork-choice.md#filter_block_tree`, of all blocks and without recursion: a leaf is viable by
    /// its own checkpoints, another block by its children, which come after it. Among viable
    /// children the heaviest is the best, of equals the one with the higher root. All weights are
    /// final when this begins: comparing while they still change is what left stale heads in
    /// clients (CL-2020-24).
    fn filter_block_tree(&mut self) {
        let current_epoch = self.get_current_store_epoch();
        let mut scores = std::mem::take(&mut self.memo.scores);
        let nodes = self.tree.nodes();
        for (place, node) in nodes.iter().enumerate().rev() {
            if !scores[place].has_children {
                scores[place].viable = self.is_viable_leaf(node, current_epoch);
            }
            let Some(parent) = node.parent() else {
                continue;
            };
            scores[parent].has_children = true;
            if !scores[place].viable {
                continue;
            }
            scores[parent].viable = true;
            let rank = |at: usize| (scores[at].weight, nodes[at].facts().root);
            let best = scores[parent].best_child.map(|best| rank(best as usize));
            if best.is_none_or(|best| rank(place) > best) {
                scores[parent].best_child = Some(place as u32);
            }
        }
        self.memo.scores = scores;
    }

    fn is_viable_leaf(&self, node: &Node, current_epoch: Epoch) -> bool {
        let justified_epoch = self.justified_checkpoint.epoch;
        let voting_source = self.voting_source(node, current_epoch);
        let correct_justified = justified_epoch == GENESIS_EPOCH
            || voting_source.epoch == justified_epoch
            || voting_source.epoch.saturating_add(2) >= current_epoch;
        let correct_finalized =
            self.finalized_checkpoint.epoch == GENESIS_EPOCH || node.on_finalized_branch();
        correct_justified && correct_finalized
    }
}
