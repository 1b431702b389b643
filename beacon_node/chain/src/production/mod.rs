//! What a validator of this node signs: `validator.md#block-proposal` and
//! `validator.md#attestation-data`.

mod attestation_data;
mod block;

pub use attestation_data::attestation_data;
pub use block::{BlockRequest, Ingredients, produce_block};

use consensus::{CommitteeIndex, Epoch, Slot};

/// Why there is nothing to sign.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ProductionError {
    /// A function of the consensus specification failed.
    #[error(transparent)]
    State(#[from] consensus::Error),
    /// The next block must hold deposits, and this node does not follow their contract.
    #[error("{0} deposits are due in the next block, and this node has no source of deposits")]
    DepositsDue(u64),
    /// The network left phase 0.
    #[error("phase 0 of this network ended before epoch {0}")]
    PhaseEnded(Epoch),
    /// The head's state has not been advanced that far.
    #[error("the head's state does not reach slot {0} yet")]
    NotThereYet(Slot),
    /// The slot has no such committee.
    #[error("slot {slot} has {count} committees, there is no committee {index}")]
    NoCommittee {
        /// Slot asked for.
        slot: Slot,
        /// Committee asked for.
        index: CommitteeIndex,
        /// Committees of the slot.
        count: u64,
    },
}

/// Phase 0 has ended for good before the epoch in which the configuration names the next fork.
fn check_phase(epoch: Epoch, spec: &consensus::Spec) -> Result<(), ProductionError> {
    match epoch < spec.ALTAIR_FORK_EPOCH {
        true => Ok(()),
        false => Err(ProductionError::PhaseEnded(epoch)),
    }
}
