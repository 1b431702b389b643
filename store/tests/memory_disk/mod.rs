//! A disk in memory that can lose its power: synced bytes survive for sure, and names of synced
//! folders; of the others any, in sectors, pages or as a whole.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, ErrorKind};
use std::sync::{Arc, Mutex};
use store::{Disk, DiskFile, OpenMode};

/// The least that survives or not as a whole, bytes.
const SECTOR: usize = 512;
/// What systems read and often write as a whole, bytes.
const PAGE: usize = 4096;
/// Of so many images one keeps the first few of the unsynced changes of names: the others any.
const IN_ORDER: u64 = 4;

#[derive(Clone, Default)]
struct Content {
    now: Vec<u8>,
    synced: Arc<Vec<u8>>,
    /// Sectors that changed since the last sync.
    dirty: BTreeSet<usize>,
    /// Pages that were read.
    read: BTreeSet<usize>,
}

type File = Arc<Mutex<Content>>;

#[derive(Clone)]
struct NameChange {
    folder: String,
    removed: Option<String>,
    added: Option<(String, File)>,
}

#[derive(Default)]
struct State {
    names: BTreeMap<String, File>,
    synced_names: BTreeMap<String, File>,
    pending: Vec<NameChange>,
    left: Option<u64>,
    /// Files whose names start so cannot be changed.
    failing: Option<String>,
    count: u64,
}

/// A disk in memory.
#[derive(Clone, Default)]
pub(crate) struct Memory(Arc<Mutex<State>>);

struct MemoryFile {
    disk: Memory,
    path: String,
    content: File,
    is_writable: bool,
}

impl NameChange {
    fn apply(&self, names: &mut BTreeMap<String, File>) {
        if let Some(removed) = &self.removed {
            names.remove(removed);
        }
        if let Some((path, file)) = &self.added {
            names.insert(path.clone(), file.clone());
        }
    }
}

impl Memory {
    /// As the trait object.
    pub(crate) fn disk(&self) -> Arc<dyn Disk> {
        Arc::new(self.clone())
    }

    /// How many changes have been asked for.
    pub(crate) fn count(&self) -> u64 {
        self.0.lock().unwrap().count
    }

    /// Only so many more changes reach the disk.
    pub(crate) fn cut_power_after(&self, changes: u64) {
        self.0.lock().unwrap().left = Some(changes);
    }

    /// No file whose name starts so can be changed from here on.
    pub(crate) fn fail(&self, files: &str) {
        self.0.lock().unwrap().failing = Some(files.to_owned());
    }

    /// What the disk may hold after a power cut: any of the unsynced names and bytes.
    pub(crate) fn after_power_cut(&self, seed: u64) -> Memory {
        let state = self.0.lock().unwrap();
        let mut names = state.synced_names.clone();
        let in_order = mix(seed, 998).is_multiple_of(IN_ORDER);
        let first = mix(seed, 999) % (state.pending.len() as u64 + 1);
        for (number, change) in (0..).zip(&state.pending) {
            let is_kept = match in_order {
                true => number < first,
                false => mix(seed, number).is_multiple_of(2),
            };
            if is_kept {
                change.apply(&mut names);
            }
        }
        let files = (1000..).zip(names.iter()).map(|(number, (name, content))| {
            let content = content.lock().unwrap();
            (name.clone(), torn(&content, mix(seed, number)))
        });
        Memory::of(files.collect())
    }

    /// A disk that holds these files.
    pub(crate) fn of(files: BTreeMap<String, Vec<u8>>) -> Memory {
        let names: BTreeMap<String, File> = files
            .into_iter()
            .map(|(name, bytes)| {
                let content = Content {
                    synced: Arc::new(bytes.clone()),
                    now: bytes,
                    ..Content::default()
                };
                (name, Arc::new(Mutex::new(content)))
            })
            .collect();
        Memory(Arc::new(Mutex::new(State {
            synced_names: names.clone(),
            names,
            ..State::default()
        })))
    }

    /// All files.
    pub(crate) fn files(&self) -> BTreeMap<String, Vec<u8>> {
        let state = self.0.lock().unwrap();
        let files = state.names.iter();
        files
            .map(|(name, content)| (name.clone(), content.lock().unwrap().now.clone()))
            .collect()
    }

    /// The places of a file that are in pages which were read.
    pub(crate) fn places_read(&self, path: &str) -> Vec<usize> {
        let file = self.file(path).unwrap();
        let content = file.lock().unwrap();
        let pages = content.read.iter().copied();
        pages
            .flat_map(|page| page * PAGE..(page + 1) * PAGE)
            .collect()
    }

    /// The same files with one replaced.
    pub(crate) fn with(files: &BTreeMap<String, Vec<u8>>, path: &str, bytes: Vec<u8>) -> Memory {
        let mut files = files.clone();
        files.insert(path.to_owned(), bytes);
        Memory::of(files)
    }

    fn change(&self) -> io::Result<()> {
        let mut state = self.0.lock().unwrap();
        state.count += 1;
        match &mut state.left {
            Some(0) => Err(io::Error::other("power cut")),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn change_names(&self, change: NameChange) -> io::Result<()> {
        self.change()?;
        let mut state = self.0.lock().unwrap();
        change.apply(&mut state.names);
        state.pending.push(change);
        Ok(())
    }

    fn file(&self, path: &str) -> Option<File> {
        self.0.lock().unwrap().names.get(path).cloned()
    }
}

/// A mix of both contents, in parts of some size.
fn torn(content: &Content, seed: u64) -> Vec<u8> {
    let mut bytes = content.now.clone();
    if mix(seed, 0).is_multiple_of(2) {
        bytes.resize(content.synced.len(), 0);
    }
    let part = [SECTOR, PAGE, usize::MAX][(mix(seed, 1) % 3) as usize];
    for sector in &content.dirty {
        let start = (sector * SECTOR).min(bytes.len());
        let end = (start + SECTOR).min(bytes.len());
        let number = sector * SECTOR / part;
        if mix(seed, 2 + number as u64).is_multiple_of(2) {
            for (at, byte) in (start..end).zip(&mut bytes[start..end]) {
                *byte = content.synced.get(at).copied().unwrap_or(0);
            }
        }
    }
    bytes
}

/// A number that looks random.
pub(crate) fn mix(a: u64, b: u64) -> u64 {
    let mut x = a
        .wrapping_mul(0x9e37_79b9_7f4a_7c15)
        .wrapping_add(b.wrapping_mul(0xd1b5_4a32_d192_ed03));
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

fn folder_of(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

impl Disk for Memory {
    fn open(&self, path: &str, mode: OpenMode) -> io::Result<Arc<dyn DiskFile>> {
        let content = match (self.file(path), mode) {
            (Some(content), _) => content,
            (None, OpenMode::WriteOrCreate) => {
                let content = File::default();
                self.change_names(NameChange {
                    folder: folder_of(path).to_owned(),
                    removed: None,
                    added: Some((path.to_owned(), content.clone())),
                })?;
                content
            }
            (None, _) => return Err(ErrorKind::NotFound.into()),
        };
        Ok(Arc::new(MemoryFile {
            disk: self.clone(),
            path: path.to_owned(),
            content,
            is_writable: mode != OpenMode::Read,
        }))
    }

    fn list(&self, folder: &str) -> io::Result<Vec<String>> {
        let state = self.0.lock().unwrap();
        let names = state.names.keys().filter(|path| folder_of(path) == folder);
        Ok(names
            .map(|path| path.rsplit('/').next().unwrap().to_owned())
            .collect())
    }

    fn create_folder(&self, _folder: &str) -> io::Result<()> {
        Ok(())
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let content = self.file(from).ok_or(ErrorKind::NotFound)?;
        self.change_names(NameChange {
            folder: folder_of(to).to_owned(),
            removed: Some(from.to_owned()),
            added: Some((to.to_owned(), content)),
        })
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        self.file(path).ok_or(ErrorKind::NotFound)?;
        self.change_names(NameChange {
            folder: folder_of(path).to_owned(),
            removed: Some(path.to_owned()),
            added: None,
        })
    }

    fn sync_folder(&self, folder: &str) -> io::Result<()> {
        self.change()?;
        let mut state = self.0.lock().unwrap();
        for change in std::mem::take(&mut state.pending) {
            match change.folder == folder {
                true => change.apply(&mut state.synced_names),
                false => state.pending.push(change),
            }
        }
        Ok(())
    }

    fn map(&self, _path: &str) -> io::Result<Option<segment_map::SegmentMap>> {
        Ok(None)
    }
}

impl Content {
    fn touch(&mut self, from: usize, to: usize) {
        self.dirty.extend(from / SECTOR..to.div_ceil(SECTOR));
    }
}

impl MemoryFile {
    fn change(&self) -> io::Result<()> {
        if !self.is_writable {
            return Err(ErrorKind::PermissionDenied.into());
        }
        self.change_or_sync()
    }

    fn change_or_sync(&self) -> io::Result<()> {
        let failing = self.disk.0.lock().unwrap().failing.clone();
        match failing.is_some_and(|files| self.path.starts_with(&files)) {
            true => Err(io::Error::other("no space left")),
            false => self.disk.change(),
        }
    }
}

impl DiskFile for MemoryFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.content.lock().unwrap().now.len() as u64)
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let mut content = self.content.lock().unwrap();
        let end = offset.checked_add(buffer.len() as u64);
        let range = offset as usize..end.ok_or(ErrorKind::UnexpectedEof)? as usize;
        let bytes = content.now.get(range).ok_or(ErrorKind::UnexpectedEof)?;
        buffer.copy_from_slice(bytes);
        let pages = offset as usize / PAGE..(offset as usize + buffer.len()).div_ceil(PAGE);
        content.read.extend(pages);
        Ok(())
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.change()?;
        let mut content = self.content.lock().unwrap();
        let (start, end) = (offset as usize, offset as usize + bytes.len());
        let old = content.now.len();
        content.touch(start.min(old), end);
        if old < end {
            content.now.resize(end, 0);
        }
        content.now[start..end].copy_from_slice(bytes);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.change()?;
        let mut content = self.content.lock().unwrap();
        let (old, new) = (content.now.len(), len as usize);
        content.touch(old.min(new), old.max(new));
        content.now.resize(new, 0);
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        self.change_or_sync()?;
        let mut content = self.content.lock().unwrap();
        content.synced = Arc::new(content.now.clone());
        content.dirty.clear();
        Ok(())
    }
}
