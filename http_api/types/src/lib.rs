//! Bodies of the Beacon API: what a server writes and a client reads, the same types for both.
//! Numbers are decimal strings and bytes are hex with `0x`, as everywhere in that API. What can be
//! as long as the registry is written piece by piece by [`pieces`], without a copy in memory.
#![forbid(unsafe_code)]

pub mod beacon;
pub mod config;
pub mod debug;
pub mod envelope;
pub mod events;
pub mod ids;
pub mod node;
pub mod pieces;
pub mod state_pieces;
pub mod validators;

pub use beacon::*;
pub use config::*;
pub use debug::*;
pub use envelope::*;
pub use events::*;
pub use ids::*;
pub use node::*;
pub use validators::*;
