//! What waits to be put into a block: attestations and the rarer operations, verified and bounded.

mod aggregation;
mod attestations;
mod bits;
mod operations;
mod packing;

pub use aggregation::AggregateJob;
pub use attestations::AttestationPool;
pub use operations::{OperationPool, Operations};
pub use packing::{Packed, pack_attestations};
