//! The names of the store's files outside of finalized history, and errors that name them.

use crate::{Disk, StoreError};
use consensus::{Root, Slot};
use std::io;

/// The permanent index.
pub(crate) const INDEX: &str = "index.redb";
/// The index while it is made.
pub(crate) const NEW_INDEX: &str = "index.new";
/// The folder of blocks that are not finalized.
pub(crate) const HOT: &str = "hot";
/// The folder of states.
pub(crate) const STATES: &str = "states";
/// The folder of finalized history.
pub(crate) const FINALIZED: &str = "finalized";

/// The path of a file of hot blocks.
pub(crate) fn hot_file(number: u64) -> String {
    format!("{HOT}/{number}.redb")
}

/// The name of a state's file: its slot, and the first bytes of the root of its latest block.
pub(crate) fn state_file(slot: Slot, block_root: Root) -> String {
    let [a, b, c, d, e, f, g, h, ..] = block_root.0;
    let root = u64::from_be_bytes([a, b, c, d, e, f, g, h]);
    format!("{slot}-{root:016x}.ssz.zst")
}

/// An error of the system at a file.
pub(crate) fn io_at(path: &str) -> impl Fn(io::Error) -> StoreError {
    move |source| StoreError::Io {
        path: path.to_owned(),
        source,
    }
}

/// Bytes of a file that are not what was written.
pub(crate) fn damaged(path: &str, what: impl ToString) -> StoreError {
    StoreError::Damaged {
        path: path.to_owned(),
        what: what.to_string(),
    }
}

/// Removes a file if it is there.
pub(crate) fn remove(disk: &dyn Disk, path: &str) -> Result<(), StoreError> {
    match disk.remove(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(io_at(path)(error)),
        _ => Ok(()),
    }
}

/// Whether there is a file.
pub(crate) fn exists(disk: &dyn Disk, folder: &str, name: &str) -> Result<bool, StoreError> {
    let names = disk.list(folder).map_err(io_at(folder))?;
    Ok(names.iter().any(|other| other == name))
}
