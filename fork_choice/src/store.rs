//! The [`Store`], `fork-choice.md#store`: its data, how it begins, and what can be read from it.

use crate::head::HeadMemo;
use crate::time::seconds_to_milliseconds;
use crate::tree::{Node, Tree};
use crate::votes::{LatestMessage, Votes};
use crate::{BlockFacts, Error, JustifiedBalances, calculate_committee_fraction};
use consensus::helpers::{
    compute_epoch_at_slot, compute_start_slot_at_epoch, compute_time_at_slot, get_current_epoch,
};
use consensus::{
    BeaconBlock, BeaconState, Checkpoint, Epoch, GENESIS_SLOT, HashTreeRoot, Root, Slot, Spec,
    ValidatorIndex,
};
use std::sync::Arc;

/// `fork-choice.md#store`. Handlers and questions are methods under the specification's names.
///
/// Not kept, but the caller's: blocks, post-states and checkpoint states.
#[derive(Clone, Debug)]
pub struct Store {
    pub(crate) spec: Arc<Spec>,
    pub(crate) time: u64,
    pub(crate) genesis_time: u64,
    pub(crate) justified_checkpoint: Checkpoint,
    pub(crate) finalized_checkpoint: Checkpoint,
    pub(crate) unrealized_justified_checkpoint: Checkpoint,
    pub(crate) unrealized_finalized_checkpoint: Checkpoint,
    pub(crate) proposer_boost_root: Root,
    pub(crate) tree: Tree,
    pub(crate) votes: Votes,
    pub(crate) memo: HeadMemo,
}

/// `fork-choice.md#get_forkchoice_store`: a store that trusts the anchor, the post-state of a block
/// at the first slot of an epoch, and does not go back beyond it. The balances of the anchor are
/// set.
pub fn get_forkchoice_store(
    anchor_state: &BeaconState,
    anchor_block: &BeaconBlock,
) -> Result<Store, Error> {
    let spec = anchor_state.spec();
    if spec.SLOT_DURATION_MS == 0 {
        return Err(Error::SlotDurationZero);
    }
    let state_root = anchor_state.hash_tree_root();
    if anchor_block.state_root != state_root {
        return Err(Error::AnchorStateRootMismatch {
            block: anchor_block.state_root,
            state: state_root,
        });
    }
    if anchor_block.slot != anchor_state.slot() {
        return Err(Error::PostStateMismatch(anchor_block.slot));
    }
    if !anchor_block.slot.is_multiple_of(spec.SLOTS_PER_EPOCH) {
        return Err(Error::AnchorNotAtEpochStart(anchor_block.slot));
    }
    let root = anchor_block.hash_tree_root();
    let anchor = Checkpoint {
        epoch: get_current_epoch(anchor_state),
        root,
    };
    let validator_count = anchor_state.validators().len();
    let mut store = Store {
        spec: Arc::clone(spec),
        time: compute_time_at_slot(anchor_state, anchor_state.slot())?,
        genesis_time: anchor_state.genesis_time(),
        justified_checkpoint: anchor,
        finalized_checkpoint: anchor,
        unrealized_justified_checkpoint: anchor,
        unrealized_finalized_checkpoint: anchor,
        proposer_boost_root: Root::ZERO,
        tree: Tree::new(&BlockFacts {
            slot: anchor_block.slot,
            root,
            parent_root: anchor_block.parent_root,
            state_root,
            justified_checkpoint: anchor_state.current_justified_checkpoint(),
            finalized_checkpoint: anchor_state.finalized_checkpoint(),
            unrealized_justified_checkpoint: anchor,
            unrealized_finalized_checkpoint: anchor,
            validator_count,
        }),
        votes: Votes::new(),
        memo: HeadMemo::default(),
    };
    store.votes.grow_registry(validator_count);
    store.set_justified_balances(anchor, JustifiedBalances::from_state(anchor_state)?)?;
    Ok(store)
}

impl Store {
    /// The network's preset and configuration.
    pub fn spec(&self) -> &Arc<Spec> {
        &self.spec
    }

    /// Time of the last tick, Unix seconds.
    pub fn time(&self) -> u64 {
        self.time
    }

    /// Time of genesis, Unix seconds.
    pub fn genesis_time(&self) -> u64 {
        self.genesis_time
    }

    /// Where the search for the head starts.
    pub fn justified_checkpoint(&self) -> Checkpoint {
        self.justified_checkpoint
    }

    /// The highest finalized checkpoint known.
    pub fn finalized_checkpoint(&self) -> Checkpoint {
        self.finalized_checkpoint
    }

    /// The highest checkpoint that some block's chain will justify at its epoch's end.
    pub fn unrealized_justified_checkpoint(&self) -> Checkpoint {
        self.unrealized_justified_checkpoint
    }

    /// The highest checkpoint that some block's chain will finalize at its epoch's end.
    pub fn unrealized_finalized_checkpoint(&self) -> Checkpoint {
        self.unrealized_finalized_checkpoint
    }

    /// The block that holds the proposer boost, zero if none does.
    pub fn proposer_boost_root(&self) -> Root {
        self.proposer_boost_root
    }

    /// Validators whose votes no longer count, ascending.
    pub fn equivocating_indices(&self) -> impl Iterator<Item = ValidatorIndex> {
        self.votes.equivocating_indices()
    }

    /// A validator's latest message, if it sent one.
    pub fn latest_message(&self, index: ValidatorIndex) -> Option<LatestMessage> {
        let (epoch, place) = self.votes.latest(index)?;
        let root = place.map(|place| self.tree.nodes()[place].facts().root);
        Some(LatestMessage { epoch, root })
    }

    /// Whether the block is in the tree.
    pub fn contains_block(&self, root: Root) -> bool {
        self.tree.find(root).is_some()
    }

    /// A block of the tree.
    pub fn node(&self, root: Root) -> Option<&Node> {
        self.tree.node(root).ok()
    }

    /// All blocks of the tree, each after its parent: inserted again in this order they give the
    /// same tree.
    pub fn nodes(&self) -> impl ExactSizeIterator<Item = &Node> {
        self.tree.nodes().iter()
    }

    /// `fork-choice.md#get_slots_since_genesis`
    pub fn get_slots_since_genesis(&self) -> u64 {
        seconds_to_milliseconds(self.time - self.genesis_time) / self.spec.SLOT_DURATION_MS
    }

    /// `fork-choice.md#get_current_slot`
    pub fn get_current_slot(&self) -> Slot {
        GENESIS_SLOT + self.get_slots_since_genesis()
    }

    /// `fork-choice.md#get_current_store_epoch`
    pub fn get_current_store_epoch(&self) -> Epoch {
        compute_epoch_at_slot(self.get_current_slot(), &self.spec)
    }

    /// Milliseconds since the current slot began.
    pub(crate) fn time_into_slot_ms(&self) -> u64 {
        seconds_to_milliseconds(self.time - self.genesis_time) % self.spec.SLOT_DURATION_MS
    }

    /// `fork-choice.md#get_ancestor`
    pub fn get_ancestor(&self, root: Root, slot: Slot) -> Result<Root, Error> {
        let mut node = self.tree.node(root)?;
        while node.facts().slot > slot {
            node = match node.parent() {
                Some(parent) => &self.tree.nodes()[parent],
                None => return Err(Error::UnknownAncestor { root, slot }),
            };
        }
        Ok(node.facts().root)
    }

    /// `fork-choice.md#get_checkpoint_block`
    pub fn get_checkpoint_block(&self, root: Root, epoch: Epoch) -> Result<Root, Error> {
        let node = self.tree.node(root)?;
        // Every node knows the answer for its own epoch.
        if compute_epoch_at_slot(node.facts().slot, &self.spec) == epoch {
            return Ok(node.target_root());
        }
        let epoch_first_slot = compute_start_slot_at_epoch(epoch, &self.spec)?;
        self.get_ancestor(root, epoch_first_slot)
    }

    /// The checkpoint whose balances must be set before the next question about weights or the
    /// head: the justified one, if it changed.
    pub fn justified_balances_needed(&self) -> Option<Checkpoint> {
        let missing = self.votes.total_active_balance().is_none();
        missing.then_some(self.justified_checkpoint)
    }

    /// Weighs all votes by the balances at `checkpoint`, which must be the justified one.
    pub fn set_justified_balances(
        &mut self,
        checkpoint: Checkpoint,
        balances: JustifiedBalances,
    ) -> Result<(), Error> {
        if checkpoint != self.justified_checkpoint {
            return Err(Error::NotTheJustifiedCheckpoint {
                given: checkpoint,
                justified: self.justified_checkpoint,
            });
        }
        // No sum of votes and boost can overflow from here on.
        let total = balances.total_active_balance();
        calculate_committee_fraction(total, self.spec.PROPOSER_SCORE_BOOST, &self.spec)?
            .checked_add(total)
            .ok_or(Error::Overflow)?;
        self.votes.set_balances(balances);
        self.memo.forget();
        Ok(())
    }

    /// Drops every block that finality leaves impossible or behind and returns the roots of those
    /// blocks. Heads and weights of the others stay the same, but for the finalized block's own
    /// weight; votes for the dropped ones keep their epochs. Costs a pass over blocks and votes.
    ///
    /// Nothing is dropped while the justified or an unrealized checkpoint conflicts with the
    /// finalized one, which takes a third of the validators to be slashable: the search for a head
    /// still starts there.
    pub fn prune(&mut self) -> Vec<Root> {
        let finalized = self.finalized_checkpoint.root;
        let possible = self.tree.nodes().iter().all(Node::on_finalized_branch);
        if self.tree.find(finalized) == Some(0) && possible {
            return Vec::new();
        }
        let required = [
            self.justified_checkpoint.root,
            self.unrealized_justified_checkpoint.root,
            self.unrealized_finalized_checkpoint.root,
        ];
        let Some(retained) = self.tree.retain_subtree(finalized, &required) else {
            return Vec::new();
        };
        self.votes.renumber(&retained.places);
        self.memo.forget();
        retained.dropped
    }
}
