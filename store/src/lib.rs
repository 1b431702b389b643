//! Blocks and states on disk. Finalized history is era segments that only grow; what is not
//! finalized is rows in redb. `FORMAT.md` draws the bytes.
#![forbid(unsafe_code)]

mod check;
mod create;
mod disk;
mod error;
pub mod finalized;
mod hot;
mod index;
mod overlay;
mod paths;
mod reader;
mod real_disk;
mod recovery;
mod row_file;
mod shared;
mod state_files;
mod stored_states;
mod work;
mod writer;

pub use check::{Progress, StoreInfo};
pub use create::create;
pub use disk::{Disk, DiskFile, OpenMode};
pub use error::StoreError;
pub use reader::{Reader, StoredBlock};
pub use real_disk::RealDisk;
pub use recovery::open;
pub use writer::{Opened, Retention, Settings, Writer};
