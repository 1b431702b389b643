//! The proto-array: every known block, a child always after its parent.

use crate::{BlockFacts, Error};
use consensus::{Root, Slot};
use std::collections::BTreeMap;

/// Parent of the first node.
const NO_PARENT: u32 = u32::MAX;
/// Nodes that a tree can hold: the votes keep two more numbers for themselves.
const MAX_NODES: usize = u32::MAX as usize - 1;

/// A block of the tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    facts: BlockFacts,
    target_root: Root,
    parent: u32,
    timely: bool,
    on_finalized_branch: bool,
}

impl Node {
    /// What is known of the block.
    pub fn facts(&self) -> &BlockFacts {
        &self.facts
    }

    /// Root of the checkpoint block of the block's own epoch on its chain: the target of an
    /// attestation to it.
    pub fn target_root(&self) -> Root {
        self.target_root
    }

    /// Whether the block arrived in its own slot before attestations were due; true for the anchor,
    /// which nobody waited for.
    pub fn is_timely(&self) -> bool {
        self.timely
    }

    /// Whether the block's ancestor at the finalized epoch's first slot is the finalized block.
    pub fn on_finalized_branch(&self) -> bool {
        self.on_finalized_branch
    }

    /// Place of the parent; the first node has none.
    pub(crate) fn parent(&self) -> Option<usize> {
        (self.parent != NO_PARENT).then_some(self.parent as usize)
    }
}

/// What [`Tree::retain_subtree`] did.
pub(crate) struct Retained {
    /// Roots of the blocks that were dropped.
    pub(crate) dropped: Vec<Root>,
    /// By old place the new one, `None` if dropped.
    pub(crate) places: Vec<Option<u32>>,
}

/// The nodes in order of arrival, and where each root is.
#[derive(Clone, Debug)]
pub(crate) struct Tree {
    nodes: Vec<Node>,
    places: BTreeMap<Root, u32>,
}

impl Tree {
    /// A tree of the anchor alone, which is its own finalized block and its own target.
    pub(crate) fn new(facts: &BlockFacts) -> Tree {
        Tree::restored(facts, facts.root)
    }

    /// A tree of the finalized block alone, with the checkpoint block of its own epoch.
    pub(crate) fn restored(facts: &BlockFacts, target_root: Root) -> Tree {
        Tree {
            nodes: vec![Node {
                facts: *facts,
                target_root,
                parent: NO_PARENT,
                timely: true,
                on_finalized_branch: true,
            }],
            places: BTreeMap::from([(facts.root, 0)]),
        }
    }

    /// All nodes, parents first.
    pub(crate) fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// Place of a block.
    pub(crate) fn find(&self, root: Root) -> Option<usize> {
        self.places.get(&root).map(|&place| place as usize)
    }

    /// The node of a block.
    pub(crate) fn node(&self, root: Root) -> Result<&Node, Error> {
        self.find(root)
            .map(|place| &self.nodes[place])
            .ok_or(Error::UnknownBlock(root))
    }

    /// Adds a block at the end, or only says that a known one came `timely` or not. The parent is
    /// known and of an earlier slot, the block later than the finalized slot; `epoch_start` is the
    /// first slot of the block's epoch.
    pub(crate) fn insert(
        &mut self,
        facts: &BlockFacts,
        epoch_start: Slot,
        timely: bool,
    ) -> Result<(), Error> {
        if let Some(place) = self.find(facts.root) {
            self.nodes[place].timely = timely;
            return Ok(());
        }
        if self.nodes.len() >= MAX_NODES {
            return Err(Error::TreeFull);
        }
        let parent = self.places[&facts.parent_root];
        let above = &self.nodes[parent as usize];
        let target_root = if facts.slot == epoch_start {
            facts.root
        } else if above.facts.slot < epoch_start {
            above.facts.root
        } else {
            above.target_root
        };
        let node = Node {
            facts: *facts,
            target_root,
            parent,
            timely,
            on_finalized_branch: above.on_finalized_branch,
        };
        self.places.insert(facts.root, self.nodes.len() as u32);
        self.nodes.push(node);
        Ok(())
    }

    /// Marks the blocks whose ancestor at `slot` is `root`: those that finality leaves possible.
    pub(crate) fn set_finalized(&mut self, root: Root, slot: Slot) {
        for place in 0..self.nodes.len() {
            let node = &self.nodes[place];
            let marked = if node.facts.slot > slot {
                node.parent()
                    .is_some_and(|parent| self.nodes[parent].on_finalized_branch)
            } else {
                node.facts.root == root
            };
            self.nodes[place].on_finalized_branch = marked;
        }
    }

    /// Drops all but the finalized block `root` and its descendants on the finalized branch. Does
    /// nothing and returns `None` if the block is unknown or one of `required` would go.
    pub(crate) fn retain_subtree(&mut self, root: Root, required: &[Root]) -> Option<Retained> {
        let first = self.find(root)?;
        let mut kept = 0;
        let mut places: Vec<Option<u32>> = Vec::with_capacity(self.nodes.len());
        for (place, node) in self.nodes.iter().enumerate() {
            let descends = node.parent().is_some_and(|at| places[at].is_some());
            let keep = place == first || (descends && node.on_finalized_branch);
            places.push(keep.then_some(kept));
            kept += u32::from(keep);
        }
        let stays = |&root: &Root| self.find(root).is_some_and(|at| places[at].is_some());
        if !required.iter().all(stays) {
            return None;
        }
        let mut dropped = Vec::with_capacity(places.len() - kept as usize);
        let mut nodes = Vec::with_capacity(kept as usize);
        for (node, place) in std::mem::take(&mut self.nodes).into_iter().zip(&places) {
            if let Some(place) = place {
                self.places.insert(node.facts.root, *place);
                let parent = node.parent().and_then(|at| places[at]);
                nodes.push(Node {
                    parent: parent.unwrap_or(NO_PARENT),
                    ..node
                });
            } else {
                self.places.remove(&node.facts.root);
                dropped.push(node.facts.root);
            }
        }
        self.nodes = nodes;
        Some(Retained { dropped, places })
    }
}
