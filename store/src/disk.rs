//! The seam to the file system: real files, or a simulation's.

use std::io;
use std::sync::Arc;

/// How a file is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenMode {
    /// It must exist; writes fail.
    Read,
    /// It must exist.
    Write,
    /// It is made if it does not exist.
    WriteOrCreate,
}

/// A folder tree in which the store lives. Paths are relative, with `/` between their parts. A new
/// name and a rename survive a power cut once the folder has been synced, bytes once their file has.
pub trait Disk: Send + Sync {
    /// Opens a file.
    fn open(&self, path: &str, mode: OpenMode) -> io::Result<Arc<dyn DiskFile>>;
    /// Names in a folder, without order; none if it does not exist.
    fn list(&self, folder: &str) -> io::Result<Vec<String>>;
    /// Makes a folder and those above it; one that exists is fine.
    fn create_folder(&self, folder: &str) -> io::Result<()>;
    /// Renames a file over any that has the new name.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;
    /// Removes a file.
    fn remove(&self, path: &str) -> io::Result<()>;
    /// Makes names in a folder survive a power cut; "" is the top.
    fn sync_folder(&self, folder: &str) -> io::Result<()>;
    /// A read-only map of a file that never changes again; `None` where files cannot be mapped.
    fn map(&self, path: &str) -> io::Result<Option<segment_map::SegmentMap>>;
}

/// An open file.
pub trait DiskFile: Send + Sync {
    /// Length, bytes.
    fn len(&self) -> io::Result<u64>;
    /// Whether it has no bytes.
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }
    /// Fills the buffer from a place; a shorter file is an `UnexpectedEof` error.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()>;
    /// Writes all bytes at a place, growing the file if needed.
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()>;
    /// Cuts or grows with zeros.
    fn set_len(&self, len: u64) -> io::Result<()>;
    /// Makes the bytes written so far survive a power cut.
    fn sync(&self) -> io::Result<()>;
}
