//! Finalized history: what goes in comes out, crashes leave what can be repaired, and damage is
//! found.

#![allow(
    clippy::unwrap_used,
    reason = "what cannot happen ends the test, also in its functions"
)]

mod chain;
mod crashes;
mod damage;
mod era_files;
mod format;
mod memory;
mod reading;
