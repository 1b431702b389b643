//! The Beacon API over HTTP: a server over what the core publishes and what the store holds.
//!
//! [`serve`] takes a listener and a [`Context`]. A request goes through one warp filter to the table
//! in `routes`, and from there to one small function per endpoint. What is in the published
//! [`chain::Snapshot`] is answered at once. Reads of the store, work over the registry and states
//! that must be made again each wait at a gate that admits a few at a time and turns away the rest
//! with 503, so that no number of requests keeps the node from following the chain.
#![forbid(unsafe_code)]

mod accept;
mod api;
mod context;
mod endpoints;
mod gate;
mod limits;
mod lookup;
mod origin;
mod problem;
mod query;
mod replay;
mod reply;
mod request;
mod routes;
mod server;
mod stall;

pub use api_types as types;
pub use context::{Archive, Calls, Context};
pub use limits::Limits;
pub use server::serve;

#[cfg(test)]
mod tests;
