//! The head as `fork-choice.md` writes it: every sum from scratch, over the rows that a node shows
//! and the votes that the simulation saw it accept. Shares no code with the fork choice.

use chain::Snapshot;
use consensus::{
    AttestationData, AttesterSlashing, BeaconState, Checkpoint, Epoch, GENESIS_EPOCH, Gwei, Root,
    Slot, ValidatorIndex,
};
use rows::BlockRow;
use std::collections::{BTreeMap, BTreeSet};

/// The votes of one node's fork choice.
#[derive(Clone, Debug, Default)]
pub(crate) struct Votes {
    latest: BTreeMap<ValidatorIndex, (Epoch, Root)>,
    equivocating: BTreeSet<ValidatorIndex>,
    /// Votes of a slot that is not over.
    early: Vec<(AttestationData, Vec<ValidatorIndex>)>,
    /// The newest epoch of a vote that was heard of each validator, whether or not it counted.
    heard: BTreeMap<ValidatorIndex, Epoch>,
}

impl Votes {
    /// Takes votes; they count from the slot after theirs.
    pub(crate) fn add(&mut self, data: &AttestationData, indices: Vec<ValidatorIndex>) {
        for &index in &indices {
            self.hear(index, data.target.epoch);
        }
        self.early.push((*data, indices));
    }

    fn hear(&mut self, index: ValidatorIndex, epoch: Epoch) {
        let heard = self.heard.entry(index).or_insert(epoch);
        *heard = epoch.max(*heard);
    }

    /// Sets a vote that was restored.
    pub(crate) fn restore(&mut self, index: ValidatorIndex, epoch: Epoch, root: Root) {
        self.hear(index, epoch);
        self.latest.insert(index, (epoch, root));
    }

    /// Takes the votes of a validator away for ever.
    pub(crate) fn equivocates(&mut self, index: ValidatorIndex) {
        self.equivocating.insert(index);
    }

    /// `on_attester_slashing`: takes away the votes of those who signed both.
    pub(crate) fn equivocate_all(&mut self, slashing: &AttesterSlashing) {
        let second = &slashing.attestation_2.attesting_indices;
        let both = slashing.attestation_1.attesting_indices.iter();
        self.equivocating
            .extend(both.filter(|index| second.contains(index)));
    }

    /// `on_attestation` for all votes whose slot is over. `known` says whether a block is in the
    /// tree.
    pub(crate) fn settle(&mut self, current_slot: Slot, known: impl Fn(Root) -> bool) {
        for (data, indices) in std::mem::take(&mut self.early) {
            if data.slot >= current_slot {
                self.early.push((data, indices));
                continue;
            }
            if !known(data.beacon_block_root) || !known(data.target.root) {
                continue;
            }
            for index in indices {
                let latest = self.latest.get(&index);
                let newer = latest.is_none_or(|(epoch, _)| data.target.epoch > *epoch);
                if newer && !self.equivocating.contains(&index) {
                    let message = (data.target.epoch, data.beacon_block_root);
                    self.latest.insert(index, message);
                }
            }
        }
    }

    /// What is wrong with these votes after a restart, when they were `before` until then: there
    /// must be none that the node never heard, and all that were `kept` in an orderly stop.
    pub(crate) fn restart_error(&mut self, before: &Votes, kept: Option<&Votes>) -> Option<String> {
        for (index, (epoch, root)) in &self.latest {
            if before.heard.get(index).is_none_or(|heard| heard < epoch) {
                return Some(format!(
                    "validator {index} never voted for {root} in epoch {epoch}"
                ));
            }
        }
        for (index, (epoch, _)) in kept.iter().flat_map(|kept| &kept.latest) {
            let restored = self.latest.get(index);
            if restored.is_none_or(|(restored, _)| restored < epoch) {
                return Some(format!(
                    "the vote of validator {index} was lost in an orderly stop"
                ));
            }
        }
        for (&index, &epoch) in &before.heard {
            self.hear(index, epoch);
        }
        None
    }
}

/// The weights of votes: of the justified checkpoint's state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Weights {
    balances: Vec<Gwei>,
    total_active: Gwei,
}

impl Weights {
    /// Of a state at the first slot of the checkpoint's epoch or after.
    pub(crate) fn of(state: &BeaconState, epoch: Epoch) -> Weights {
        let validators: Vec<_> = state.validators().iter().collect();
        let active = validators
            .iter()
            .map(|v| v.activation_epoch <= epoch && epoch < v.exit_epoch);
        let counted = validators.iter().zip(active.clone());
        Weights {
            balances: counted
                .clone()
                .map(|(v, active)| match active && !v.slashed {
                    true => v.effective_balance,
                    false => 0,
                })
                .collect(),
            total_active: counted
                .filter(|(_, active)| *active)
                .map(|(v, _)| v.effective_balance)
                .sum::<Gwei>()
                .max(state.spec().EFFECTIVE_BALANCE_INCREMENT),
        }
    }
}

/// The blocks of a snapshot, each after its parent.
pub(crate) struct NaiveTree<'a> {
    snapshot: &'a Snapshot,
    rows: Vec<&'a BlockRow>,
    parents: Vec<Option<usize>>,
    places: BTreeMap<Root, usize>,
}

impl<'a> NaiveTree<'a> {
    /// The tree of a snapshot.
    pub(crate) fn new(snapshot: &'a Snapshot) -> NaiveTree<'a> {
        let mut rows: Vec<_> = snapshot.blocks.values().map(|entry| &entry.row).collect();
        rows.sort_by_key(|row| row.slot);
        let numbered = rows.iter().enumerate();
        let places: BTreeMap<_, _> = numbered.map(|(place, row)| (row.root, place)).collect();
        let parents = rows.iter().map(|row| places.get(&row.parent_root).copied());
        NaiveTree {
            snapshot,
            parents: parents.collect(),
            rows,
            places,
        }
    }

    /// Whether a block is in the tree.
    pub(crate) fn contains(&self, root: Root) -> bool {
        self.places.contains_key(&root)
    }

    fn epoch_of(&self, place: usize) -> Epoch {
        self.rows[place].slot / self.snapshot.spec.SLOTS_PER_EPOCH
    }

    fn current_epoch(&self) -> Epoch {
        self.snapshot.current_slot / self.snapshot.spec.SLOTS_PER_EPOCH
    }

    fn get_ancestor(&self, mut place: usize, slot: Slot) -> Option<usize> {
        while self.rows[place].slot > slot {
            place = self.parents[place]?;
        }
        Some(place)
    }

    fn children(&self, place: usize) -> impl Iterator<Item = usize> {
        let numbered = self.parents.iter().enumerate().skip(place);
        numbered.filter_map(move |(child, parent)| (*parent == Some(place)).then_some(child))
    }

    /// `fork-choice.md#get_weight`
    fn weight(&self, place: usize, votes: &Votes, weights: &Weights) -> Gwei {
        let slot = self.rows[place].slot;
        let supports = |root: &Root| {
            let voted = self.places.get(root);
            voted.and_then(|&voted| self.get_ancestor(voted, slot)) == Some(place)
        };
        let mut score = 0;
        for (index, balance) in (0..).zip(&weights.balances) {
            let vote = votes.latest.get(&index);
            if !votes.equivocating.contains(&index) && vote.is_some_and(|(_, root)| supports(root))
            {
                score += balance;
            }
        }
        let boosted = self.snapshot.proposer_boost_root;
        if boosted != Root::ZERO && supports(&boosted) {
            score += self.proposer_score(weights);
        }
        score
    }

    fn voting_source(&self, place: usize) -> Checkpoint {
        let row = self.rows[place];
        match self.current_epoch() > self.epoch_of(place) {
            true => row.unrealized_justified,
            false => row.justified,
        }
    }

    /// `fork-choice.md#filter_block_tree`: which blocks are kept below the justified one.
    fn viable(&self, place: usize, kept: &mut BTreeSet<usize>) -> bool {
        let mut children = self.children(place).peekable();
        let viable = if children.peek().is_some() {
            let each: Vec<bool> = children.map(|child| self.viable(child, kept)).collect();
            each.contains(&true)
        } else {
            let justified = self.snapshot.justified.epoch;
            let source = self.voting_source(place).epoch;
            let finalized = self.snapshot.finalized;
            let correct_justified = justified == GENESIS_EPOCH
                || source == justified
                || source + 2 >= self.current_epoch();
            let finalized_slot = finalized.epoch * self.snapshot.spec.SLOTS_PER_EPOCH;
            let checkpoint = self.get_ancestor(place, finalized_slot);
            let correct_finalized = finalized.epoch == GENESIS_EPOCH
                || checkpoint.is_some_and(|place| self.rows[place].root == finalized.root);
            correct_justified && correct_finalized
        };
        if viable {
            kept.insert(place);
        }
        viable
    }

    /// `fork-choice.md#get_head`; `None` if the justified block is not in the tree.
    pub(crate) fn get_head(&self, votes: &Votes, weights: &Weights) -> Option<Root> {
        let mut head = *self.places.get(&self.snapshot.justified.root)?;
        let mut kept = BTreeSet::new();
        self.viable(head, &mut kept);
        loop {
            let children: Vec<_> = self.children(head).filter(|c| kept.contains(c)).collect();
            let best = match children.as_slice() {
                [only] => Some(*only),
                several => several
                    .iter()
                    .map(|&child| {
                        let weight = self.weight(child, votes, weights);
                        (weight, self.rows[child].root, child)
                    })
                    .max()
                    .map(|(_, _, child)| child),
            };
            match best {
                Some(child) => head = child,
                None => return Some(self.rows[head].root),
            }
        }
    }

    /// A block after the finalized one whose weight the node shows wrong: a vote was ignored, or
    /// counted twice.
    pub(crate) fn weight_error(&self, votes: &Votes, weights: &Weights) -> Option<String> {
        let mut sums: Vec<Gwei> = vec![0; self.rows.len()];
        for (index, balance) in (0..).zip(&weights.balances) {
            let vote = votes.latest.get(&index);
            let place = vote.and_then(|(_, root)| self.places.get(root));
            if let Some(&place) = place
                && !votes.equivocating.contains(&index)
            {
                sums[place] += balance;
            }
        }
        if let Some(&place) = self.places.get(&self.snapshot.proposer_boost_root) {
            sums[place] += self.proposer_score(weights);
        }
        let finalized = self.places.get(&self.snapshot.finalized.root).copied()?;
        let all_shown: BTreeMap<_, _> = self.snapshot.weights.iter().copied().collect();
        for place in (finalized + 1..self.rows.len()).rev() {
            let row = self.rows[place];
            if let Some(parent) = self.parents[place] {
                sums[parent] += sums[place];
            }
            let shown = all_shown.get(&row.root).copied();
            let descends = self.get_ancestor(place, self.rows[finalized].slot) == Some(finalized);
            if descends && shown != Some(sums[place]) {
                return Some(format!(
                    "the weight of {} is {shown:?}, but votes and boost give {}",
                    row.root, sums[place]
                ));
            }
        }
        None
    }

    /// What is wrong with the canonical chain or the tips, which a node keeps up from snapshot to
    /// snapshot.
    pub(crate) fn shape_error(&self) -> Option<String> {
        let mut chain = BTreeMap::new();
        let mut next = self.places.get(&self.snapshot.head.root).copied();
        while let Some(place) = next {
            chain.insert(self.rows[place].slot, self.rows[place].root);
            next = self.parents[place];
        }
        if !chain.iter().eq(self.snapshot.canonical.iter()) {
            return Some(format!(
                "the head's chain is {chain:?}, but shown is {:?}",
                self.snapshot.canonical
            ));
        }
        let parents: BTreeSet<Root> = self.rows.iter().map(|row| row.parent_root).collect();
        let roots = self.rows.iter().map(|row| row.root);
        let tips: BTreeSet<Root> = roots.filter(|root| !parents.contains(root)).collect();
        (tips != *self.snapshot.tips).then(|| {
            let shown = &self.snapshot.tips;
            format!("the tips are {tips:?}, but shown are {shown:?}")
        })
    }

    fn proposer_score(&self, weights: &Weights) -> Gwei {
        let spec = &self.snapshot.spec;
        weights.total_active / spec.SLOTS_PER_EPOCH * spec.PROPOSER_SCORE_BOOST / 100
    }

    /// The highest epoch that `update_checkpoints` can have justified and finalized from the blocks
    /// that are still there: what they realized, and what those of earlier epochs would.
    pub(crate) fn highest_epochs(&self) -> (Epoch, Epoch) {
        let current = self.current_epoch();
        let (mut justified, mut finalized) = (GENESIS_EPOCH, GENESIS_EPOCH);
        for (place, row) in self.rows.iter().enumerate() {
            justified = justified.max(row.justified.epoch);
            finalized = finalized.max(row.finalized.epoch);
            if self.epoch_of(place) < current {
                justified = justified.max(row.unrealized_justified.epoch);
                finalized = finalized.max(row.unrealized_finalized.epoch);
            }
        }
        (justified, finalized)
    }

    /// What is wrong with the proposer boost: it belongs to a timely block of the current slot, if
    /// there is one.
    pub(crate) fn boost_error(&self) -> Option<String> {
        let slot = self.snapshot.current_slot;
        let boosted = self.snapshot.proposer_boost_root;
        let mut timely = self
            .rows
            .iter()
            .filter(|row| row.slot == slot && row.timely);
        match boosted {
            Root::ZERO => timely
                .next()
                .map(|row| format!("the timely block {} has no boost", row.root)),
            // Its branch may have been dropped since.
            _ => match timely.any(|row| row.root == boosted) || !self.contains(boosted) {
                true => None,
                false => Some(format!("{boosted} has the boost but is not timely")),
            },
        }
    }
}
