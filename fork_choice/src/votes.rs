//! The latest message of every validator, dense by index, and the weight it puts on its block.

use crate::{Error, JustifiedBalances};
use consensus::{Epoch, Gwei, Root, ValidatorIndex};

/// `fork-choice.md#latestmessage`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LatestMessage {
    /// Target epoch of the attestation.
    pub epoch: Epoch,
    /// The block attested to; `None` if it was pruned since.
    pub root: Option<Root>,
}

/// Place of a vote that was never cast.
const NOT_CAST: u32 = u32::MAX;
/// Place of a vote whose block was pruned: it weighs nothing, its epoch still counts.
const PRUNED: u32 = u32::MAX - 1;

/// What one validator last said and what it weighs, side by side: voters come in no order.
#[derive(Clone, Copy, Debug)]
struct Vote {
    epoch: Epoch,
    /// Gwei; 0 of a validator that does not count.
    weight: Gwei,
    place: u32,
    equivocating: bool,
}

/// All votes. `own_weights` holds at all times for each node the weights of the votes for that very
/// block: a vote is moved when it comes, so that nothing is left to do for it when a head is wanted.
#[derive(Clone, Debug)]
pub(crate) struct Votes {
    votes: Vec<Vote>,
    own_weights: Vec<Gwei>,
    total_active_balance: Option<Gwei>,
}

impl Votes {
    /// No votes, for a tree of one node.
    pub(crate) fn new() -> Votes {
        Votes {
            votes: Vec::new(),
            own_weights: vec![0],
            total_active_balance: None,
        }
    }

    /// Follows a tree that has grown to `nodes` nodes.
    pub(crate) fn grow_tree(&mut self, nodes: usize) {
        self.own_weights.resize(nodes, 0);
    }

    /// Makes room for the validators of a registry.
    pub(crate) fn grow_registry(&mut self, validators: usize) {
        if validators > self.votes.len() {
            let none = Vote {
                epoch: 0,
                weight: 0,
                place: NOT_CAST,
                equivocating: false,
            };
            self.votes.resize(validators, none);
        }
    }

    /// Length of the longest registry.
    pub(crate) fn len(&self) -> usize {
        self.votes.len()
    }

    /// Replaces the first votes: of each its epoch and its block's place, if that is known. Weights
    /// are out of date from then on.
    pub(crate) fn restore(&mut self, latest: &[Option<(Epoch, Option<usize>)>]) {
        for (vote, latest) in self.votes.iter_mut().zip(latest) {
            let (epoch, place) = match latest {
                Some((epoch, Some(place))) => (*epoch, *place as u32),
                Some((epoch, None)) => (*epoch, PRUNED),
                None => (0, NOT_CAST),
            };
            (vote.epoch, vote.place, vote.weight) = (epoch, place, 0);
        }
        self.own_weights.fill(0);
        self.forget_balances();
    }

    /// By node the weight of the votes for that very block, Gwei.
    pub(crate) fn own_weights(&self) -> &[Gwei] {
        &self.own_weights
    }

    /// Total active balance of the state that the votes are weighed by, Gwei; `None` if the weights
    /// are out of date.
    pub(crate) fn total_active_balance(&self) -> Option<Gwei> {
        self.total_active_balance
    }

    /// The weights are out of date from now on.
    pub(crate) fn forget_balances(&mut self) {
        self.total_active_balance = None;
    }

    /// Weighs all votes anew. No sum of these balances overflows.
    pub(crate) fn set_balances(&mut self, balances: JustifiedBalances) {
        self.total_active_balance = Some(balances.total_active_balance());
        let weights = balances.into_effective_balances();
        self.grow_registry(weights.len());
        self.own_weights.fill(0);
        // Votes of validators that are younger than the justified state weigh nothing.
        let weights = weights.into_iter().chain(std::iter::repeat(0));
        for (vote, weight) in self.votes.iter_mut().zip(weights) {
            vote.weight = if vote.equivocating { 0 } else { weight };
            if vote.place < PRUNED {
                self.own_weights[vote.place as usize] += vote.weight;
            }
        }
    }

    /// Whether every index is of a validator of some known block.
    pub(crate) fn check_indices(&self, indices: &[ValidatorIndex]) -> Result<(), Error> {
        let count = self.votes.len() as u64;
        match indices.iter().find(|&&index| index >= count) {
            Some(&index) => Err(Error::UnknownValidator(index)),
            None => Ok(()),
        }
    }

    /// Moves the votes that are older than `epoch` to the node at `place`. The indices have been
    /// checked. Says whether any vote moved.
    pub(crate) fn update(&mut self, indices: &[ValidatorIndex], epoch: Epoch, place: u32) -> bool {
        let mut moved = false;
        let mut arrived: Gwei = 0;
        for &index in indices {
            let vote = &mut self.votes[index as usize];
            let is_newer = vote.place == NOT_CAST || epoch > vote.epoch;
            if vote.equivocating || !is_newer {
                continue;
            }
            if vote.place < PRUNED {
                self.own_weights[vote.place as usize] -= vote.weight;
            }
            arrived += vote.weight;
            vote.epoch = epoch;
            vote.place = place;
            moved = true;
        }
        self.own_weights[place as usize] += arrived;
        moved
    }

    /// Takes the weight from an equivocating validator, now and for ever. The index has been
    /// checked. Says whether that is news.
    pub(crate) fn set_equivocating(&mut self, index: ValidatorIndex) -> bool {
        let vote = &mut self.votes[index as usize];
        if vote.equivocating {
            return false;
        }
        if vote.place < PRUNED {
            self.own_weights[vote.place as usize] -= vote.weight;
        }
        vote.equivocating = true;
        vote.weight = 0;
        true
    }

    /// Indices of the equivocating validators, ascending.
    pub(crate) fn equivocating_indices(&self) -> impl Iterator<Item = ValidatorIndex> {
        let numbered = (0..).zip(&self.votes);
        numbered.filter_map(|(index, vote)| vote.equivocating.then_some(index))
    }

    /// Epoch and place of a validator's vote; no place if its block was pruned.
    pub(crate) fn latest(&self, index: ValidatorIndex) -> Option<(Epoch, Option<usize>)> {
        let vote = self.votes.get(usize::try_from(index).ok()?)?;
        let place = (vote.place < PRUNED).then_some(vote.place as usize);
        (vote.place != NOT_CAST).then_some((vote.epoch, place))
    }

    /// Follows the nodes to their new places.
    pub(crate) fn renumber(&mut self, places: &[Option<u32>]) {
        for vote in &mut self.votes {
            if vote.place < PRUNED {
                vote.place = places[vote.place as usize].unwrap_or(PRUNED);
            }
        }
        let mut places = places.iter();
        self.own_weights
            .retain(|_| places.next().is_some_and(Option::is_some));
    }
}
