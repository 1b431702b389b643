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

#[derive(Clone, Copy, Debug)]
struct Vote {
    epoch: Epoch,
    place: u32,
    equivocating: bool,
}

/// All votes. While there are balances, `own_weights` holds for each node the balances of the
/// votes for that very block, those of equivocating validators left out.
#[derive(Clone, Debug)]
pub(crate) struct Votes {
    votes: Vec<Vote>,
    own_weights: Vec<Gwei>,
    balances: Option<JustifiedBalances>,
}

impl Votes {
    /// No votes, for a tree of one node.
    pub(crate) fn new() -> Votes {
        Votes {
            votes: Vec::new(),
            own_weights: vec![0],
            balances: None,
        }
    }

    /// Follows a tree of `nodes` nodes, all old ones in place, and registries of that many validators.
    pub(crate) fn grow(&mut self, nodes: usize, validators: usize) {
        self.own_weights.resize(nodes, 0);
        if validators > self.votes.len() {
            let none = Vote {
                epoch: 0,
                place: NOT_CAST,
                equivocating: false,
            };
            self.votes.resize(validators, none);
        }
    }

    /// By node the weight of the votes for that very block, Gwei; `None` without balances.
    pub(crate) fn own_weights(&self) -> Option<&[Gwei]> {
        self.balances.as_ref().map(|_| &self.own_weights[..])
    }

    /// The balances that the votes are weighed by.
    pub(crate) fn balances(&self) -> Option<&JustifiedBalances> {
        self.balances.as_ref()
    }

    /// Forgets the balances: votes weigh nothing until there are new ones.
    pub(crate) fn forget_balances(&mut self) {
        self.balances = None;
    }

    /// Weighs all votes anew.
    pub(crate) fn set_balances(&mut self, balances: JustifiedBalances) {
        self.own_weights.fill(0);
        for (vote, balance) in self.votes.iter().zip(balances.effective_balances()) {
            if vote.place < PRUNED && !vote.equivocating {
                self.own_weights[vote.place as usize] += balance;
            }
        }
        self.balances = Some(balances);
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
            let index = index as usize;
            let vote = &mut self.votes[index];
            let is_newer = vote.place == NOT_CAST || epoch > vote.epoch;
            if vote.equivocating || !is_newer {
                continue;
            }
            if let Some(balances) = &self.balances {
                let balance = balances.of(index);
                if vote.place < PRUNED {
                    self.own_weights[vote.place as usize] -= balance;
                }
                arrived += balance;
            }
            vote.epoch = epoch;
            vote.place = place;
            moved = true;
        }
        self.own_weights[place as usize] += arrived;
        moved
    }

    /// Takes the weight from an equivocating validator's vote, now and for ever. The index has been
    /// checked. Says whether that is news.
    pub(crate) fn set_equivocating(&mut self, index: ValidatorIndex) -> bool {
        let index = index as usize;
        let vote = &mut self.votes[index];
        if vote.equivocating {
            return false;
        }
        vote.equivocating = true;
        if let Some(balances) = &self.balances
            && vote.place < PRUNED
        {
            self.own_weights[vote.place as usize] -= balances.of(index);
        }
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
