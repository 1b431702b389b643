//! Everything that is read from files: networks, states, blocks. What a file holds is told from its
//! content. Files are not trusted: lengths are checked before memory is taken for them.

mod blocks;
mod container;
mod e2store;
mod folder;
mod json;
mod network;
mod state;

pub(crate) use blocks::{BlockReader, End, Found, Limits, Place};
pub(crate) use container::{Content, read_content};
pub(crate) use folder::{BlockFile, collect};
pub(crate) use json::parse as parse_json;
pub(crate) use network::Network;
pub(crate) use state::read_state;
