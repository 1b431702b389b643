//! The store as a whole: what is committed is there, after every crash too, and damage is found.

#![allow(
    clippy::unwrap_used,
    reason = "what cannot happen ends the test, also in its functions"
)]

mod crashes;
mod damage;
mod disk;
mod failures;
mod life;
mod memory;
mod script;
