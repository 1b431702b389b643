//! The deposit contract's Merkle tree, `deposit-contract.md`, with the pruning and the snapshots of
//! EIP-4881.

use crate::containers::Eth1Data;
use crate::hashing::{HashTreeRoot, mix_in_length, zero_hash};
use crate::primitives::*;
use kernels::{Node, hash_pair};
use serde::{Deserialize, Serialize};
use ssz_derive::{Decode, Encode};
use ssz_types::typenum::{U32, U33};
use ssz_types::{FixedVector, VariableList};
use thiserror::Error;

/// Levels of nodes below the root: leaves are level 0.
const DEPTH: usize = DEPOSIT_CONTRACT_TREE_DEPTH;

/// Most deposits that the contract accepts.
pub const MAX_DEPOSIT_COUNT: u64 = (1 << DEPTH) - 1;

/// Why a tree does not take a deposit, or cannot answer.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum DepositTreeError {
    /// The contract accepts no more deposits.
    #[error("the deposit tree is full")]
    Full,
    /// The deposit is not in the tree of that many deposits.
    #[error("deposit {index} is not among the first {count}")]
    UnknownDeposit {
        /// Deposit asked for.
        index: u64,
        /// Deposits of the tree asked for.
        count: u64,
    },
    /// More deposits than the tree has.
    #[error("the tree has {len} deposits, not {count}")]
    CountAhead {
        /// Deposits asked for.
        count: u64,
        /// Deposits of the tree.
        len: u64,
    },
    /// What was asked for has been pruned.
    #[error("{count} deposits are fewer than the {finalized} finalized ones, which are pruned")]
    Finalized {
        /// Deposits asked for.
        count: u64,
        /// Deposits finalized.
        finalized: u64,
    },
    /// Eth1 data or a snapshot that does not belong to the deposits.
    #[error("the root of {count} deposits is {computed}, not {claimed}")]
    RootMismatch {
        /// Number of deposits.
        count: u64,
        /// Root that was claimed.
        claimed: Root,
        /// Root of the tree.
        computed: Root,
    },
    /// A snapshot that is not of the shape its count demands.
    #[error("a snapshot of {count} deposits cannot have {hashes} hashes")]
    SnapshotShape {
        /// Number of deposits.
        count: u64,
        /// Hashes in the snapshot.
        hashes: usize,
    },
}

/// EIP-4881's `DepositTreeSnapshot`: a tree whose deposits are all finalized.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
pub struct DepositTreeSnapshot {
    /// Roots of the full subtrees, the largest first.
    pub finalized: VariableList<Root, U32>,
    /// Root of the tree.
    pub deposit_root: Root,
    /// Number of deposits.
    #[serde(with = "serde_utils::quoted_u64")]
    pub deposit_count: u64,
    /// The eth1 block at which the tree was this.
    pub execution_block_hash: Hash32,
    /// Height of that block.
    #[serde(with = "serde_utils::quoted_u64")]
    pub execution_block_height: u64,
}

/// The nodes of one level that are roots of full subtrees, from the index `first` on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Level {
    first: u64,
    nodes: Vec<Node>,
}

impl Level {
    fn get(&self, index: u64) -> Option<&Node> {
        let at = index.checked_sub(self.first)?;
        self.nodes.get(usize::try_from(at).ok()?)
    }

    /// Forgets the nodes before `first`.
    fn prune(&mut self, first: u64) {
        let gone = first.saturating_sub(self.first) as usize;
        self.nodes.drain(..gone.min(self.nodes.len()));
        self.first = self.first.max(first);
    }
}

/// The tree of deposits, appended to in the order of the contract's log.
///
/// Only roots of full subtrees are kept; they never change, so roots and proofs can be given for
/// the tree as it was at any number of deposits from the finalized one on. Takes 64 bytes for each
/// deposit that is not finalized.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DepositTree {
    levels: [Level; DEPTH],
    len: u64,
    snapshot: Option<DepositTreeSnapshot>,
}

impl Default for DepositTree {
    fn default() -> Self {
        DepositTree::new()
    }
}

impl DepositTree {
    /// The tree without deposits.
    pub fn new() -> DepositTree {
        DepositTree {
            levels: Default::default(),
            len: 0,
            snapshot: None,
        }
    }

    /// Number of deposits.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether there is no deposit.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Number of deposits that are finalized and pruned.
    pub fn finalized_len(&self) -> u64 {
        self.snapshot.as_ref().map_or(0, |s| s.deposit_count)
    }

    /// Appends a deposit: `leaf` is the root of its `DepositData`.
    ///
    /// # Errors
    /// [`DepositTreeError::Full`]
    pub fn push(&mut self, leaf: Root) -> Result<(), DepositTreeError> {
        if self.len >= MAX_DEPOSIT_COUNT {
            return Err(DepositTreeError::Full);
        }
        let mut node = leaf.0;
        for (depth, level) in self.levels.iter_mut().enumerate() {
            level.nodes.push(node);
            let index = self.len >> depth;
            if index.is_multiple_of(2) {
                break;
            }
            let left = level.get(index - 1).expect("a left sibling is kept");
            node = hash_pair(left, &node);
        }
        self.len += 1;
        Ok(())
    }

    /// The deposit root, `deposit-contract.md`'s `get_deposit_root`.
    pub fn root(&self) -> Root {
        let top = self.frontier(self.len)[DEPTH];
        mix_in_length(&top, self.len as usize)
    }

    /// The deposit root when there were `count` deposits.
    ///
    /// # Errors
    /// If `count` is below the finalized deposits or above all.
    pub fn root_at(&self, count: u64) -> Result<Root, DepositTreeError> {
        self.check_count(count)?;
        Ok(mix_in_length(&self.frontier(count)[DEPTH], count as usize))
    }

    /// The proof of deposit `index` under [`Self::root`].
    ///
    /// # Errors
    /// If the deposit is finalized or unknown.
    pub fn proof(&self, index: u64) -> Result<FixedVector<Root, U33>, DepositTreeError> {
        self.proof_at(index, self.len)
    }

    /// The proof of deposit `index` under the root of the first `count` deposits, as a block needs
    /// it for the `deposit_count` of the state's eth1 data: siblings from the leaf up, then the
    /// count.
    ///
    /// # Errors
    /// If the deposit is finalized or not among the first `count`, or the tree has fewer.
    pub fn proof_at(
        &self,
        index: u64,
        count: u64,
    ) -> Result<FixedVector<Root, U33>, DepositTreeError> {
        self.check_count(count)?;
        if index >= count {
            return Err(DepositTreeError::UnknownDeposit { index, count });
        }
        let finalized = self.finalized_len();
        if index < finalized {
            return Err(DepositTreeError::Finalized {
                count: index,
                finalized,
            });
        }
        let frontier = self.frontier(count);
        let mut proof = FixedVector::default();
        for depth in 0..DEPTH {
            let sibling = (index >> depth) ^ 1;
            let full = count >> depth;
            proof[depth] = Root::from(match sibling.cmp(&full) {
                std::cmp::Ordering::Less => *self.full_node(depth, sibling),
                std::cmp::Ordering::Equal => frontier[depth],
                std::cmp::Ordering::Greater => zero_hash(depth as u32),
            });
        }
        proof[DEPTH] = count.hash_tree_root();
        Ok(proof)
    }

    /// Prunes the deposits of `eth1_data`, whose block has the height `execution_block_height`.
    /// Call it only for eth1 data that is finalized in the sense of EIP-4881. Fewer deposits than
    /// are finalized already are no error and change nothing.
    ///
    /// # Errors
    /// If the tree has not that many deposits, or their root is another one.
    pub fn finalize(
        &mut self,
        eth1_data: &Eth1Data,
        execution_block_height: u64,
    ) -> Result<(), DepositTreeError> {
        let count = eth1_data.deposit_count;
        if count < self.finalized_len() {
            return Ok(());
        }
        let computed = self.root_at(count)?;
        if computed != eth1_data.deposit_root {
            return Err(DepositTreeError::RootMismatch {
                count,
                claimed: eth1_data.deposit_root,
                computed,
            });
        }
        let subtrees = (0..DEPTH).rev().filter(|depth| count >> depth & 1 == 1);
        let finalized: Vec<Root> = subtrees
            .map(|depth| Root::from(*self.full_node(depth, (count >> depth) - 1)))
            .collect();
        self.snapshot = Some(DepositTreeSnapshot {
            finalized: finalized.try_into().expect("one hash per level at most"),
            deposit_root: eth1_data.deposit_root,
            deposit_count: count,
            execution_block_hash: eth1_data.block_hash,
            execution_block_height,
        });
        self.prune(count);
        Ok(())
    }

    /// The finalized part, if [`Self::finalize`] has been called.
    pub fn snapshot(&self) -> Option<&DepositTreeSnapshot> {
        self.snapshot.as_ref()
    }

    /// The tree that a snapshot describes, to which later deposits can be appended.
    ///
    /// # Errors
    /// If the snapshot contradicts itself.
    pub fn from_snapshot(snapshot: DepositTreeSnapshot) -> Result<DepositTree, DepositTreeError> {
        let (count, hashes) = (snapshot.deposit_count, snapshot.finalized.len());
        if count > MAX_DEPOSIT_COUNT || count.count_ones() as usize != hashes {
            return Err(DepositTreeError::SnapshotShape { count, hashes });
        }
        let mut tree = DepositTree::new();
        tree.len = count;
        let mut subtrees = snapshot.finalized.iter().rev();
        for (depth, level) in tree.levels.iter_mut().enumerate() {
            level.first = first_kept(count, depth);
            if count >> depth & 1 == 1 {
                level.nodes.extend(subtrees.next().map(|root| root.0));
            }
        }
        let computed = tree.root();
        if computed != snapshot.deposit_root {
            return Err(DepositTreeError::RootMismatch {
                count,
                claimed: snapshot.deposit_root,
                computed,
            });
        }
        tree.snapshot = Some(snapshot);
        Ok(tree)
    }

    fn check_count(&self, count: u64) -> Result<(), DepositTreeError> {
        let (finalized, len) = (self.finalized_len(), self.len);
        match count {
            _ if count > len => Err(DepositTreeError::CountAhead { count, len }),
            _ if count < finalized => Err(DepositTreeError::Finalized { count, finalized }),
            _ => Ok(()),
        }
    }

    /// Per level the root of the subtree that the next deposit after the first `count` falls into,
    /// empty places zero; the last is the root of the whole tree.
    fn frontier(&self, count: u64) -> [Node; DEPTH + 1] {
        let mut nodes = [zero_hash(0); DEPTH + 1];
        for depth in 0..DEPTH {
            let index = count >> depth;
            nodes[depth + 1] = match index % 2 {
                1 => hash_pair(self.full_node(depth, index - 1), &nodes[depth]),
                _ => hash_pair(&nodes[depth], &zero_hash(depth as u32)),
            };
        }
        nodes
    }

    fn full_node(&self, depth: usize, index: u64) -> &Node {
        self.levels[depth]
            .get(index)
            .expect("nodes beside the deposits that are not finalized are kept")
    }

    fn prune(&mut self, finalized: u64) {
        for (depth, level) in self.levels.iter_mut().enumerate() {
            level.prune(first_kept(finalized, depth));
        }
    }
}

/// The first node of a level that proofs of later deposits need: the one that holds the first
/// deposit that is not finalized, or its left sibling.
fn first_kept(finalized: u64, depth: usize) -> u64 {
    (finalized >> depth) & !1
}
