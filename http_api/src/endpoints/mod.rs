//! The endpoints, one function each.

pub(crate) mod blocks;
pub(crate) mod committees;
pub(crate) mod config;
pub(crate) mod debug;
pub(crate) mod events;
pub(crate) mod headers;
pub(crate) mod node;
pub(crate) mod states;
pub(crate) mod validators;
