//! `hash_tree_root` of a state.

use super::BeaconState;
use crate::hashing::{HashTreeRoot, container_root, mix_in_length, tree_depth};
use crate::pool::Pool;
use crate::primitives::Root;
use crate::spec::Spec;
use kernels::Node;

/// Depths of the trees of a state's lists.
pub(super) struct Depths {
    historical: u32,
    historical_roots: u32,
    votes: u32,
    validators: u32,
    balances: u32,
    randao_mixes: u32,
    slashings: u32,
    attestations: u32,
}

impl Depths {
    fn of(spec: &Spec) -> Depths {
        let depth = |leaves: u64| tree_depth(leaves as usize);
        Depths {
            historical: depth(spec.SLOTS_PER_HISTORICAL_ROOT),
            historical_roots: depth(spec.HISTORICAL_ROOTS_LIMIT),
            votes: depth(spec.eth1_voting_slots()),
            validators: depth(spec.VALIDATOR_REGISTRY_LIMIT),
            balances: depth(spec.VALIDATOR_REGISTRY_LIMIT.div_ceil(4)),
            randao_mixes: depth(spec.EPOCHS_PER_HISTORICAL_VECTOR),
            slashings: depth(spec.EPOCHS_PER_SLASHINGS_VECTOR.div_ceil(4)),
            attestations: depth(spec.pending_attestations_limit()),
        }
    }
}

/// Root of a list from the root of its leaves.
fn list(root: Node, length: usize) -> Root {
    mix_in_length(&root, length)
}

impl BeaconState {
    /// `beacon-chain.md#hash_tree_root` of the state: hashes only what changed since it or a state
    /// it was cloned from was hashed.
    pub fn hash_tree_root(&self) -> Root {
        let depths = Depths::of(&self.spec);
        let previous = &self.previous_epoch_attestations;
        let current = &self.current_epoch_attestations;
        container_root([
            self.genesis_time.hash_tree_root(),
            self.genesis_validators_root,
            self.slot.hash_tree_root(),
            self.fork.hash_tree_root(),
            self.latest_block_header.hash_tree_root(),
            self.block_roots.root(depths.historical).into(),
            self.state_roots.root(depths.historical).into(),
            list(
                self.historical_roots.root(depths.historical_roots),
                self.historical_roots.len(),
            ),
            self.eth1_data.hash_tree_root(),
            list(
                self.eth1_data_votes.root(depths.votes),
                self.eth1_data_votes.len(),
            ),
            self.eth1_deposit_index.hash_tree_root(),
            self.validators_root(&depths),
            list(self.balances.root(depths.balances), self.balances.len()),
            self.randao_mixes.root(depths.randao_mixes).into(),
            self.slashings.root(depths.slashings).into(),
            list(previous.root(depths.attestations), previous.len()),
            list(current.root(depths.attestations), current.len()),
            self.justification_bits.hash_tree_root(),
            self.previous_justified_checkpoint.hash_tree_root(),
            self.current_justified_checkpoint.hash_tree_root(),
            self.finalized_checkpoint.hash_tree_root(),
        ])
    }

    /// `hash_tree_root` of the registry alone: at genesis it is `genesis_validators_root`.
    pub fn compute_validators_root(&self) -> Root {
        self.validators_root(&Depths::of(&self.spec))
    }

    fn validators_root(&self, depths: &Depths) -> Root {
        list(
            self.validators.root(depths.validators),
            self.validators.len(),
        )
    }

    /// Hashes the large lists through the pool, so that [`Self::hash_tree_root`] after it has
    /// little left to do.
    pub fn warm_roots(&self, pool: &Pool) {
        let depths = Depths::of(&self.spec);
        self.validators.warm_root(depths.validators, pool);
        self.balances.warm_root(depths.balances, pool);
        self.randao_mixes.warm_root(depths.randao_mixes, pool);
        self.block_roots.warm_root(depths.historical, pool);
        self.state_roots.warm_root(depths.historical, pool);
    }

    /// Root of the `HistoricalBatch` of the state's block and state roots, without building it.
    pub(crate) fn historical_batch_root(&self) -> Root {
        let depth = Depths::of(&self.spec).historical;
        container_root([
            self.block_roots.root(depth).into(),
            self.state_roots.root(depth).into(),
        ])
    }
}
