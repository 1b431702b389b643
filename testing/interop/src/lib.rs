//! Other people's readers against the files that this node writes.
//!
//! The readers are programs in `readers/`: one on the npm package `@ethereumjs/e2store`, one on the
//! crate `e2store`, both with exact versions in a lock. They are installed and built below the target
//! folder when a test first needs them; neither is a member of the workspace, because they bring some
//! hundred packages that nothing else uses.
//!
//! What the readers take for granted:
//!
//! - The crate's `Era` refuses everything before Bellatrix, so its layers below are used: records and
//!   slot indices. Its block index has 8,192 slots always. It does not decompress without a fork
//!   either: that is left to `snap`.
//! - The npm package finds any number of slots in the index. Its types of phase 0 are mainnet's, so
//!   blocks and states of mainnet-shaped eras are also decoded by them and encoded again. It takes
//!   offset 0 for an empty slot, as this node writes it, and also an offset to the start of the file,
//!   as Nimbus writes it.
#![forbid(unsafe_code)]

mod chains;
mod program;
mod readers;

pub use chains::{Chain, Era};
pub use program::Fresnel;
pub use readers::{EraReader, ReadError, missing};
