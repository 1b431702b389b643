//! The store from outside: finalized history by itself, and the store as a whole.

#![allow(
    clippy::unwrap_used,
    reason = "what cannot happen ends the test, also in its functions"
)]

mod finalized;
mod hot;
mod memory_disk;
