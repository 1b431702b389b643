//! [`RealDisk`]: a data folder of the file system, held by one process.

use crate::{Disk, DiskFile, OpenMode, StoreError};
use segment_map::SegmentMap;
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Name of the file that says who holds the folder.
const LOCK: &str = "lock";
/// Most bytes read of it.
const MAX_LOCK: u64 = 256;

/// A data folder that no other process uses as long as this value lives. Folders are made for the
/// owner alone (0700), and so are files (0600).
#[derive(Debug)]
pub struct RealDisk {
    root: PathBuf,
    /// Closing it unlocks.
    _lock: File,
}

impl RealDisk {
    /// Takes hold of a folder, making it if it does not exist. `program` is what another process is
    /// told of the holder, besides its process id.
    ///
    /// # Errors
    /// [`StoreError::Locked`] names the process that holds it.
    pub fn open(folder: &Path, program: &str) -> Result<RealDisk, StoreError> {
        let path = folder.join(LOCK);
        let at = |path: &Path| {
            let path = path.display().to_string();
            move |source| StoreError::Io { path, source }
        };
        make_folder(folder).map_err(at(folder))?;
        let mut lock = options(OpenMode::WriteOrCreate)
            .open(&path)
            .map_err(at(&path))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = Vec::new();
                let read = lock.take(MAX_LOCK).read_to_end(&mut holder);
                read.map_err(at(&path))?;
                let holder: String = String::from_utf8_lossy(&holder).trim().chars().collect();
                return Err(StoreError::Locked {
                    path: folder.display().to_string(),
                    holder: match holder.is_empty() {
                        true => "another process".into(),
                        false => holder,
                    },
                });
            }
            Err(TryLockError::Error(error)) => return Err(at(&path)(error)),
        }
        let text = format!("process {} ({program})\n", std::process::id());
        lock.set_len(0)
            .and_then(|()| lock.write_all(text.as_bytes()))
            .map_err(at(&path))?;
        Ok(RealDisk {
            root: folder.to_owned(),
            _lock: lock,
        })
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.root
    }

    fn path(&self, path: &str) -> PathBuf {
        match path {
            "" => self.root.clone(),
            path => self.root.join(path),
        }
    }
}

fn make_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

fn options(mode: OpenMode) -> OpenOptions {
    let mut options = OpenOptions::new();
    options
        .read(true)
        .write(mode != OpenMode::Read)
        .create(mode == OpenMode::WriteOrCreate)
        .truncate(false)
        .mode(0o600);
    options
}

impl Disk for RealDisk {
    fn open(&self, path: &str, mode: OpenMode) -> io::Result<Arc<dyn DiskFile>> {
        let file = options(mode).open(self.path(path))?;
        Ok(Arc::new(RealFile(file)))
    }

    fn list(&self, folder: &str) -> io::Result<Vec<String>> {
        let entries = match fs::read_dir(self.path(folder)) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        let mut names = Vec::new();
        for entry in entries {
            // A name that is no text is not ours.
            if let Ok(name) = entry?.file_name().into_string() {
                names.push(name);
            }
        }
        Ok(names)
    }

    fn create_folder(&self, folder: &str) -> io::Result<()> {
        make_folder(&self.path(folder))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.path(from), self.path(to))
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        fs::remove_file(self.path(path))
    }

    fn sync_folder(&self, folder: &str) -> io::Result<()> {
        File::open(self.path(folder))?.sync_all()
    }

    fn map(&self, path: &str) -> io::Result<Option<SegmentMap>> {
        SegmentMap::open(&self.path(path)).map(Some)
    }
}

struct RealFile(File);

impl DiskFile for RealFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.0.read_exact_at(buffer, offset)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all_at(bytes, offset)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync_data()
    }
}
