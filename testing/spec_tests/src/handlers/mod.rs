//! The functions that run cases, one module per runner.

pub(crate) mod bls;
pub(crate) mod chains;
pub(crate) mod epoch_processing;
pub(crate) mod fork_choice;
pub(crate) mod genesis;
pub(crate) mod gossip;
pub(crate) mod operations;
pub(crate) mod rewards;
pub(crate) mod sanity;
pub(crate) mod shuffling;
pub(crate) mod ssz_generic;
pub(crate) mod ssz_static;
pub(crate) mod transition;
