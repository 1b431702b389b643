//! Small works on the files of the folder, with errors that name them.

use super::names;
use crate::{Disk, DiskFile, OpenMode, StoreError};
use std::io::{self, Read};
use std::sync::Arc;

/// An error of the system at a file.
pub(super) fn io_at(path: &str) -> impl Fn(io::Error) -> StoreError {
    move |source| StoreError::Io {
        path: path.to_owned(),
        source,
    }
}

/// Bytes of a file that are not what was written.
pub(super) fn damaged(path: &str, what: impl ToString) -> StoreError {
    StoreError::Damaged {
        path: path.to_owned(),
        what: what.to_string(),
    }
}

/// Opens a file of the folder.
pub(super) fn open(
    disk: &dyn Disk,
    path: &str,
    mode: OpenMode,
) -> Result<Arc<dyn DiskFile>, StoreError> {
    disk.open(path, mode).map_err(io_at(path))
}

/// The whole of a file, at most `limit` bytes.
pub(super) fn read_whole(disk: &dyn Disk, path: &str, limit: u64) -> Result<Vec<u8>, StoreError> {
    let file = open(disk, path, OpenMode::Read)?;
    let length = file.len().map_err(io_at(path))?;
    if length > limit {
        return Err(damaged(path, format!("it has {length} bytes")));
    }
    let mut bytes = vec![0; length as usize];
    file.read_at(0, &mut bytes).map_err(io_at(path))?;
    Ok(bytes)
}

/// Writes a whole file under another name and moves it into its place. The new name survives a power
/// cut once the folder is synced.
pub(super) fn write_whole(disk: &dyn Disk, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
    let (path, temporary) = (names::path(name), names::path(&names::temporary_name(name)));
    let file = open(disk, &temporary, OpenMode::WriteOrCreate)?;
    let write = || {
        file.set_len(0)?;
        file.write_at(0, bytes)?;
        file.sync()
    };
    write().map_err(io_at(&temporary))?;
    disk.rename(&temporary, &path).map_err(io_at(&path))
}

/// Syncs the folder.
pub(super) fn sync_folder(disk: &dyn Disk) -> Result<(), StoreError> {
    disk.sync_folder(names::FOLDER)
        .map_err(io_at(names::FOLDER))
}

/// Removes a file of the folder if it is there.
pub(super) fn remove(disk: &dyn Disk, name: &str) -> Result<(), StoreError> {
    let path = names::path(name);
    match disk.remove(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(io_at(&path)(error)),
        _ => Ok(()),
    }
}

/// Reads a file from some place on, in large pieces.
pub(super) fn reader(file: &dyn DiskFile, at: u64, end: u64) -> impl Read {
    io::BufReader::with_capacity(256 * 1024, Cursor { file, at, end })
}

struct Cursor<'a> {
    file: &'a dyn DiskFile,
    at: u64,
    end: u64,
}

impl Read for Cursor<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.end.saturating_sub(self.at);
        let length = (buffer.len() as u64).min(left) as usize;
        self.file.read_at(self.at, &mut buffer[..length])?;
        self.at += length as u64;
        Ok(length)
    }
}
