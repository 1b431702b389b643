//! The phase-0 consensus specification as pure Rust: containers, hashing, signatures and the
//! state transition. No I/O, no clock, no logging; data-parallel only through the [`Pool`] it is
//! handed. Specification text: the tag named in `consensus/SPEC`; doc comments carry its anchors.
#![forbid(unsafe_code)]

pub mod bls;
pub mod containers;
pub mod cow;
pub mod deposit_tree;
pub mod error;
pub mod genesis;
pub mod hashing;
pub mod helpers;
pub mod pool;
pub mod primitives;
pub mod spec;
pub mod state;
pub mod transition;
pub mod validator_guide;
pub mod views;
pub mod weak_subjectivity;

pub use bls::{Bls, PubkeyId, SecretKey, SetKeys, SignatureSet, Verifier};
pub use containers::*;
pub use error::Error;
pub use hashing::HashTreeRoot;
pub use pool::Pool;
pub use primitives::*;
pub use spec::Spec;
pub use state::BeaconState;
