//! [`Spec`]: the preset and configuration of a network, a runtime value.

mod table;
mod value;
mod yaml;

pub use table::Spec;
pub use yaml::{LoadedSpec, SpecError};

/// The genesis state root of mainnet, which names the only genesis mainnet accepts.
pub const MAINNET_GENESIS_STATE_ROOT: [u8; 32] =
    alloy_primitives::hex!("7e76880eb67bbdc86250aa578958e9d0675e64e714337855204fb5abaaf82c2b");

impl Spec {
    /// Slots of an eth1 voting period, which is the limit of the list of votes.
    pub fn eth1_voting_slots(&self) -> u64 {
        self.EPOCHS_PER_ETH1_VOTING_PERIOD * self.SLOTS_PER_EPOCH
    }

    /// Limit of a state's lists of pending attestations.
    pub fn pending_attestations_limit(&self) -> u64 {
        self.MAX_ATTESTATIONS * self.SLOTS_PER_EPOCH
    }
}
