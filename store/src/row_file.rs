//! [`RowFile`]: a redb file of small rows, on a [`Disk`].
//!
//! redb does not verify what it reads, and panics on some damage, in a way that ends the process if
//! it is in the middle of a commit. So a file is checked as a whole when it is opened, every value
//! has its own checksum for the time after, and no panic leaves this module: it becomes an error
//! that names the file, which is then left alone.

use crate::overlay::Overlay;
use crate::paths::{damaged, io_at};
use crate::{Disk, DiskFile, OpenMode, StoreError};
use redb::{
    Database, Durability, ReadableDatabase, ReadableTable, StorageBackend, TableDefinition,
    TableError,
};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

const _: () = assert!(
    cfg!(panic = "unwind"),
    "panics of redb must not end the process"
);

/// Most memory that redb takes for the pages of one file, bytes.
const CACHE: usize = 16 << 20;

/// A put, or a removal where there is no value.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    pub(crate) table: &'static str,
    pub(crate) key: Vec<u8>,
    pub(crate) value: Option<Vec<u8>>,
}

/// A redb file.
pub(crate) struct RowFile {
    path: String,
    /// `None` only while it is dropped.
    database: Option<Database>,
    /// Whether it holds commits that a power cut would take.
    unsynced: AtomicBool,
    /// Whether damage was met: what redb has in memory cannot be trusted, not even to close.
    broken: AtomicBool,
    /// Whether no write may reach the disk any more.
    abandoned: Arc<AtomicBool>,
}

fn table(name: &'static str) -> TableDefinition<'static, &'static [u8], &'static [u8]> {
    TableDefinition::new(name)
}

impl RowFile {
    /// Makes an empty file, in place of any that is there. Its name survives a power cut once the
    /// folder is synced.
    pub(crate) fn create(disk: &dyn Disk, path: &str) -> Result<RowFile, StoreError> {
        let file = disk
            .open(path, OpenMode::WriteOrCreate)
            .map_err(io_at(path))?;
        file.set_len(0).map_err(io_at(path))?;
        RowFile::start(path, file)
    }

    /// Opens a file that exists, after a check of all its pages.
    pub(crate) fn open(disk: &dyn Disk, path: &str) -> Result<RowFile, StoreError> {
        let file = disk.open(path, OpenMode::Write).map_err(io_at(path))?;
        let header = Header::read(&*file, path)?;
        if header.is_stale() {
            return Err(damaged(path, "its header points at an older commit"));
        }
        check_pages(path, file.clone())?;
        let opened = RowFile::start(path, file)?;
        if !header.is_clean {
            // Takes the place of what a power cut left of the commit that it hit.
            opened.write(true, Vec::new())?;
        }
        Ok(opened)
    }

    fn start(path: &str, file: Arc<dyn DiskFile>) -> Result<RowFile, StoreError> {
        let abandoned = Arc::new(AtomicBool::new(false));
        let backend = Backend {
            file,
            abandoned: abandoned.clone(),
        };
        Ok(RowFile {
            path: path.to_owned(),
            database: Some(contained(path, || start(backend))?),
            abandoned,
            unsynced: AtomicBool::new(false),
            broken: AtomicBool::new(false),
        })
    }

    /// Its path.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// The value at a key.
    pub(crate) fn get(
        &self,
        name: &'static str,
        key: &[u8],
    ) -> Result<Option<Vec<u8>>, StoreError> {
        self.contained(|| {
            let transaction = self.database().begin_read()?;
            let table = match transaction.open_table(table(name)) {
                Err(TableError::TableDoesNotExist(_)) => return Ok(None),
                table => table?,
            };
            Ok(table.get(key)?.map(|value| value.value().to_vec()))
        })
    }

    /// All keys and values of a table, in order.
    pub(crate) fn scan(
        &self,
        name: &'static str,
        mut each: impl FnMut(&[u8], &[u8]) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let mut outcome = Ok(());
        self.contained(|| {
            let transaction = self.database().begin_read()?;
            let table = match transaction.open_table(table(name)) {
                Err(TableError::TableDoesNotExist(_)) => return Ok(()),
                table => table?,
            };
            for entry in table.iter()? {
                let (key, value) = entry?;
                outcome = each(key.value(), value.value());
                if outcome.is_err() {
                    break;
                }
            }
            Ok(())
        })?;
        outcome
    }

    /// Makes changes, all or none. What is not durable is seen at once, and survives a power cut
    /// with the next durable write.
    pub(crate) fn write(&self, durable: bool, changes: Vec<Change>) -> Result<(), StoreError> {
        self.unsynced.store(true, Ordering::Relaxed);
        self.contained(|| {
            let mut transaction = self.database().begin_write()?;
            transaction.set_durability(match durable {
                true => Durability::Immediate,
                false => Durability::None,
            })?;
            // Two phases: the commit that the header points at is whole, so that damage is never
            // mistaken for an unfinished commit and undone.
            transaction.set_quick_repair(durable);
            for run in changes.chunk_by(|a, b| a.table == b.table) {
                let mut table = transaction.open_table(table(run[0].table))?;
                for change in run {
                    let key = change.key.as_slice();
                    match &change.value {
                        Some(value) => table.insert(key, value.as_slice())?,
                        None => table.remove(key)?,
                    };
                }
            }
            Ok(transaction.commit()?)
        })?;
        self.unsynced.store(!durable, Ordering::Relaxed);
        Ok(())
    }

    /// Makes all writes survive a power cut.
    pub(crate) fn sync(&self) -> Result<(), StoreError> {
        match self.unsynced.load(Ordering::Relaxed) {
            true => self.write(true, Vec::new()),
            false => Ok(()),
        }
    }

    /// Leaves the file as a power cut would: not even closing it makes anything durable.
    pub(crate) fn abandon(&self) {
        self.abandoned.store(true, Ordering::Relaxed);
    }

    fn contained<T>(&self, work: impl FnOnce() -> Result<T, redb::Error>) -> Result<T, StoreError> {
        if self.broken.load(Ordering::Relaxed) {
            return Err(damaged(&self.path, "damage was met in it before"));
        }
        let outcome = contained(&self.path, work);
        if let Err(StoreError::Damaged { .. }) = outcome {
            self.broken.store(true, Ordering::Relaxed);
        }
        outcome
    }

    fn database(&self) -> &Database {
        self.database
            .as_ref()
            .expect("it is there until it is dropped")
    }
}

impl Drop for RowFile {
    fn drop(&mut self) {
        let database = self.database.take();
        if self.broken.load(Ordering::Relaxed) {
            Box::leak(Box::new(database));
            return;
        }
        // What closing cannot do is done when the file is opened again.
        let _ = contained(&self.path, || {
            drop(database);
            Ok(())
        });
    }
}

fn start(backend: impl StorageBackend) -> Result<Database, redb::Error> {
    let mut builder = Database::builder();
    builder.set_cache_size(CACHE);
    Ok(builder.create_with_backend(backend)?)
}

/// Compares all pages in use with redb's own checksums. redb would undo the last commit if a page of
/// it does not match, so it works on a copy that no write reaches the disk from.
fn check_pages(path: &str, file: Arc<dyn DiskFile>) -> Result<(), StoreError> {
    let overlay = Overlay::new(file).map_err(io_at(path))?;
    let mut database = contained(path, || start(overlay))?;
    match contained(path, || Ok(database.check_integrity()?)) {
        Ok(true) => contained(path, || {
            drop(database);
            Ok(())
        }),
        checked => {
            Box::leak(Box::new(database));
            checked?;
            Err(damaged(path, "a page does not match its checksum"))
        }
    }
}

/// Runs something of redb; its errors and panics name the file.
fn contained<T>(
    path: &str,
    work: impl FnOnce() -> Result<T, redb::Error>,
) -> Result<T, StoreError> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(redb::Error::Io(source))) if source.kind() != io::ErrorKind::UnexpectedEof => {
            Err(io_at(path)(source))
        }
        // It refuses everything after a failure of the system.
        Ok(Err(error @ (redb::Error::PreviousIo | redb::Error::DatabaseClosed))) => {
            Err(io_at(path)(io::Error::other(error)))
        }
        Ok(Err(error)) => Err(damaged(path, error)),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
            Err(damaged(path, text.unwrap_or("reading it failed")))
        }
    }
}

/// What the head of a redb file says of its two commits. redb itself follows the bit that chooses
/// between them, which no checksum covers.
struct Header {
    is_clean: bool,
    /// Numbers of the commit in use and of the other.
    commits: [u64; 2],
}

impl Header {
    /// Bytes that matter.
    const BYTES: usize = 320;
    /// Where the flags are: the lowest bit chooses the commit, the next one says that the file was
    /// not closed in order.
    const FLAGS: usize = 9;
    /// Where the numbers of the commits are.
    const NUMBERS: [usize; 2] = [64 + 104, 192 + 104];

    fn read(file: &dyn DiskFile, path: &str) -> Result<Header, StoreError> {
        let mut bytes = [0; Header::BYTES];
        match file.read_at(0, &mut bytes) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                return Err(damaged(path, "it is cut short"));
            }
            read => read.map_err(io_at(path))?,
        }
        let number = |at: usize| {
            let bytes = bytes[at..].first_chunk().copied().unwrap_or_default();
            u64::from_le_bytes(bytes)
        };
        let flags = bytes[Header::FLAGS];
        let mut commits = Header::NUMBERS.map(number);
        if flags & 1 != 0 {
            commits.reverse();
        }
        Ok(Header {
            is_clean: flags & 2 == 0,
            commits,
        })
    }

    /// Whether a file that was closed in order does not use its newer commit.
    fn is_stale(&self) -> bool {
        self.is_clean && self.commits[0] < self.commits[1]
    }
}

/// A file for redb.
struct Backend {
    file: Arc<dyn DiskFile>,
    abandoned: Arc<AtomicBool>,
}

impl Backend {
    /// The file for a change of it.
    fn changed(&self) -> io::Result<&dyn DiskFile> {
        match self.abandoned.load(Ordering::Relaxed) {
            true => Err(io::Error::other("the file is abandoned")),
            false => Ok(&*self.file),
        }
    }
}

impl std::fmt::Debug for Backend {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Backend")
    }
}

impl StorageBackend for Backend {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.file.read_at(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.changed()?.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.changed()?.sync()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.changed()?.write_at(offset, data)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use parking_lot::Mutex;

    /// Bytes in memory that at some time cannot be changed any more.
    #[derive(Default)]
    struct Failing {
        bytes: Mutex<Vec<u8>>,
        fails: AtomicBool,
    }

    impl Failing {
        fn change(&self) -> io::Result<parking_lot::MutexGuard<'_, Vec<u8>>> {
            match self.fails.load(Ordering::Relaxed) {
                true => Err(io::Error::other("no space left")),
                false => Ok(self.bytes.lock()),
            }
        }
    }

    impl DiskFile for Failing {
        fn len(&self) -> io::Result<u64> {
            Ok(self.bytes.lock().len() as u64)
        }

        fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
            let bytes = self.bytes.lock();
            let found = bytes.get(offset as usize..offset as usize + buffer.len());
            buffer.copy_from_slice(found.ok_or(io::ErrorKind::UnexpectedEof)?);
            Ok(())
        }

        fn write_at(&self, offset: u64, new: &[u8]) -> io::Result<()> {
            let mut bytes = self.change()?;
            let end = offset as usize + new.len();
            let length = bytes.len().max(end);
            bytes.resize(length, 0);
            bytes[offset as usize..end].copy_from_slice(new);
            Ok(())
        }

        fn set_len(&self, len: u64) -> io::Result<()> {
            self.change()?.resize(len as usize, 0);
            Ok(())
        }

        fn sync(&self) -> io::Result<()> {
            self.change().map(drop)
        }
    }

    fn put() -> Vec<Change> {
        vec![Change {
            table: "rows",
            key: vec![1],
            value: Some(vec![2; 100]),
        }]
    }

    #[test]
    fn a_failure_of_the_system_is_never_called_damage() {
        let disk_file = Arc::new(Failing::default());
        let file = RowFile::start("x.redb", disk_file.clone()).expect("an empty file");
        file.write(true, put()).expect("written");
        disk_file.fails.store(true, Ordering::Relaxed);
        for _ in 0..3 {
            let refused = file.write(true, put());
            assert!(matches!(refused, Err(StoreError::Io { .. })), "{refused:?}");
        }
        assert!(!file.broken.load(Ordering::Relaxed));
    }

    #[test]
    fn closing_an_abandoned_file_writes_nothing() {
        let disk_file = Arc::new(Failing::default());
        let file = RowFile::start("x.redb", disk_file.clone()).expect("an empty file");
        file.write(true, put()).expect("written");
        file.write(false, put()).expect("written");
        let before = disk_file.bytes.lock().clone();
        file.abandon();
        drop(file);
        assert!(*disk_file.bytes.lock() == before);
    }
}
