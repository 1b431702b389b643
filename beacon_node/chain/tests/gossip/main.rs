//! The gossip rules, the pools and block production on chains with real signatures.
#![forbid(unsafe_code)]

// Marked as tests: what they share may unwrap as they do.
#[cfg(test)]
mod blocks;
#[cfg(test)]
mod messages;
#[cfg(test)]
mod operations;
#[cfg(test)]
mod production;
#[cfg(test)]
mod world;
