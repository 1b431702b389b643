//! `beacon-chain.md#helper-functions`, under the specification's names.

mod accessors;
mod math;
mod misc;
mod mutators;
mod predicates;

pub use accessors::*;
pub use math::*;
pub use misc::*;
pub use mutators::*;
pub use predicates::*;
