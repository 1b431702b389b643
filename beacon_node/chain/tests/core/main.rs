//! The core driven through its inputs alone, over a store of maps.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod batches;
mod live;
mod restart;
mod support;
mod trust;
