//! [`StoreError`].

use consensus::{Root, Slot};
use std::io;
use thiserror::Error;

/// What can be wrong with a store. Every sentence names the file.
#[derive(Debug, Error)]
pub enum StoreError {
    /// The system refused an operation.
    #[error("{path}: {source}")]
    Io {
        /// The file or folder.
        path: String,
        /// What the system said.
        source: io::Error,
    },
    /// Bytes that are not what was written.
    #[error("{path} is damaged: {what}")]
    Damaged {
        /// The file.
        path: String,
        /// What does not fit.
        what: String,
    },
    /// Another process uses the data folder.
    #[error("{path} is in use by {holder}: stop it, or use another data folder")]
    Locked {
        /// The folder.
        path: String,
        /// Who holds it.
        holder: String,
    },
    /// Another network's data, or another schema.
    #[error("{0}")]
    Foreign(String),
    /// The caller broke the order of batches or blocks.
    #[error("{0}")]
    Misuse(String),
    /// A canonical block is missing.
    #[error("block {root} of slot {slot} is missing")]
    Missing {
        /// Its slot.
        slot: Slot,
        /// Its root.
        root: Root,
    },
}
