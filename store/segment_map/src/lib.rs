//! Read-only memory maps over files that never change again: the one unsafe of storage.
//!
//! Where a read fails under a map, because the disk fails or somebody cut the file, the system sends
//! a signal instead of an error. The process then names the file, leaves a mark beside it (its name
//! and `.suspect`) and ends with code [`EXIT_CODE`]: whoever finds the mark reads that file piece by
//! piece.

mod signal;

use signal::Registration;
use std::fs::File;
use std::io;
use std::path::Path;

/// What the process exits with when a read under a map fails: `EX_IOERR` of `sysexits.h`.
pub const EXIT_CODE: i32 = 74;

/// A mapped file.
#[derive(Debug)]
pub struct SegmentMap {
    // Dropped before the map: its addresses must not be known any more when they are used again.
    _registration: Option<Registration>,
    map: memmap2::Mmap,
}

impl SegmentMap {
    /// Maps a file that nobody writes to or cuts as long as it is mapped; removing it is fine.
    pub fn open(path: &Path) -> io::Result<SegmentMap> {
        let file = File::open(path)?;
        // SAFETY: the bytes are shared with the file. Sealed segments and their copies are never
        // written to again by this program, which holds the lock of their folder; they are replaced
        // by renames and removed, both of which leave a map as it is.
        let map = unsafe { memmap2::Mmap::map(&file)? };
        Ok(SegmentMap {
            _registration: Registration::new(&map, path),
            map,
        })
    }
}

impl AsRef<[u8]> for SegmentMap {
    fn as_ref(&self) -> &[u8] {
        &self.map
    }
}
