//! The specification's text as code, and a store that is fed beside it.

pub(crate) mod naive;
pub(crate) mod world;
