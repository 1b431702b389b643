//! What must hold after every event, at every epoch, and at the end.

use crate::naive::NaiveTree;
use crate::queue::NodeId;
use crate::simulation::Simulation;
use chain::Lane;
use consensus::{BeaconState, Epoch, Root};

/// Epochs after which a network without faults has finalized the epoch in which they ended.
const FINALITY_WITHIN: Epoch = 4;

impl Simulation {
    /// After every event in which a node published something: no conflicting finality, the head is
    /// the specification's, and so are the boost and the checkpoints.
    pub(crate) fn check_snapshot(&mut self, node: NodeId) -> Result<(), String> {
        let Some(live) = &mut self.nodes[node].live else {
            return Ok(());
        };
        let snapshot = live.snapshot.clone();
        if snapshot.finalized.epoch > 0 && self.world.finalize(snapshot.finalized)? {
            self.totals.finalized += 1;
        }
        let tree = NaiveTree::new(&snapshot);
        live.votes
            .settle(snapshot.current_slot, |root| tree.contains(root));
        let weights = self.world.weights(snapshot.justified)?;
        let head = tree.get_head(&live.votes, &weights);
        self.totals.heads += 1;
        if head != Some(snapshot.head.root) {
            return Err(format!(
                "the head of slot {} is {}, but the specification's is {head:?}",
                snapshot.current_slot, snapshot.head.root
            ));
        }
        if let Some(error) = tree.weight_error(&live.votes, &weights) {
            return Err(error);
        }
        if let Some(error) = tree.shape_error() {
            return Err(error);
        }
        if live.started != snapshot.current_slot
            && let Some(error) = tree.boost_error()
        {
            return Err(error);
        }
        let (justified, finalized) = tree.highest_epochs();
        if snapshot.justified.epoch < justified || snapshot.finalized.epoch < finalized {
            return Err(format!(
                "epochs {} and {} are justified and finalized, but blocks say {justified} and \
                 {finalized}",
                snapshot.justified.epoch, snapshot.finalized.epoch
            ));
        }
        Ok(())
    }

    /// Before a node takes its inputs: none of its lanes is over its limit.
    pub(crate) fn check_lanes(&self, node: NodeId) -> Result<(), String> {
        let Some(live) = &self.nodes[node].live else {
            return Ok(());
        };
        for lane in Lane::ALL {
            let (depth, limit) = (live.inbox.figures(lane).depth, lane.max_items() as u64);
            if depth > limit {
                return Err(format!(
                    "{depth} inputs in {lane:?}, whose limit is {limit}"
                ));
            }
        }
        Ok(())
    }

    /// In every epoch of a node: kept roots are those of a state read from bytes, finality is
    /// where it must be, and finalized blocks read as they were signed.
    pub(crate) fn epoch_checks(&mut self, node: NodeId) -> Result<(), String> {
        let Some(live) = &self.nodes[node].live else {
            return Ok(());
        };
        let head = &live.snapshot.head;
        let cold = self.cold_root(&head.state)?;
        let own = self.world.block(head.root)?.state.hash_tree_root();
        if cold != head.state_root || own != cold || head.state.hash_tree_root() != cold {
            return Err(format!(
                "the head's state root is {}, from bytes {cold}, by the specification {own}",
                head.state_root
            ));
        }
        if self.cold_root(&head.duties_state)? != head.duties_state.hash_tree_root() {
            return Err("the advanced state's root is not that of its bytes".into());
        }
        let epoch = self.slot() / self.spec.SLOTS_PER_EPOCH;
        let finalized = live.snapshot.finalized.epoch;
        if epoch >= self.healed_epoch() + FINALITY_WITHIN && finalized + FINALITY_WITHIN < epoch {
            return Err(format!(
                "epoch {epoch} without faults since {}, but finalized is {finalized}",
                self.healed_epoch()
            ));
        }
        let split = live.reader.split().checkpoint.root;
        if split != Root::ZERO && split != self.world.genesis() {
            let canonical = self.world.branch(self.world.genesis(), split)?;
            self.check_history(&live.reader, &canonical)?;
        }
        Ok(())
    }

    fn cold_root(&self, state: &BeaconState) -> Result<Root, String> {
        let cold = BeaconState::from_ssz_bytes(&state.as_ssz_bytes(), &self.spec);
        cold.map(|state| state.hash_tree_root())
            .map_err(|error| format!("a state does not decode: {error}"))
    }

    /// A restarted fork choice knows no vote that it never had; one that stopped in order knows all.
    pub(crate) fn check_restored_votes(&mut self, node: NodeId) -> Result<(), String> {
        let Some((before, kept)) = self.nodes[node].last_votes.take() else {
            return Ok(());
        };
        let live = self.nodes[node].live.as_mut();
        live.and_then(|live| live.votes.restart_error(&before, kept.as_ref()))
            .map_or(Ok(()), Err)
    }

    /// At the end: everybody is there, agrees, and has finalized.
    pub(crate) fn final_checks(&mut self) -> Result<(), String> {
        let end = self.options.epochs;
        // The first epoch after the end has not begun for anybody.
        let last = end.saturating_sub(1);
        let settled = (end * self.spec.SLOTS_PER_EPOCH).saturating_sub(3);
        let mut common = None;
        for (node, it) in self.nodes.iter().enumerate() {
            let live = it.live.as_ref();
            let live = live.ok_or_else(|| format!("node {node} never came back"))?;
            let finalized = live.snapshot.finalized.epoch;
            if finalized + FINALITY_WITHIN < last {
                return Err(format!(
                    "node {node} has finalized epoch {finalized} of {last}"
                ));
            }
            let root = self.world.ancestor(live.snapshot.head.root, settled)?;
            if *common.get_or_insert(root) != root {
                return Err(format!("node {node} is on another branch than the others"));
            }
            self.trace.root(live.snapshot.head.root);
        }
        Ok(())
    }
}
