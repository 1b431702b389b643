//! A disk in memory that can lose its power.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::sync::{Arc, Mutex};
use store::{Disk, DiskFile, OpenMode};

/// What survives or not as a whole, bytes.
const PAGE: usize = 512;

#[derive(Clone, Default)]
struct Content {
    now: Vec<u8>,
    /// What was there at the last sync.
    synced: Vec<u8>,
}

type Names = BTreeMap<String, Arc<Mutex<Content>>>;

#[derive(Clone)]
enum NameChange {
    Add(String, Arc<Mutex<Content>>),
    Rename(String, String),
    Remove(String),
}

#[derive(Default)]
struct State {
    names: Names,
    synced_names: Names,
    /// Changes since the last sync of the folder, in order.
    changes: Vec<NameChange>,
    /// Changes that still reach the disk before the power fails.
    left: Option<u64>,
    /// Changes so far.
    count: u64,
}

impl State {
    fn change(&mut self) -> io::Result<()> {
        self.count += 1;
        match &mut self.left {
            Some(0) => Err(io::Error::other("power cut")),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }
}

/// A disk in memory.
#[derive(Clone, Default)]
pub(crate) struct Memory(Arc<Mutex<State>>);

struct MemoryFile {
    disk: Memory,
    content: Arc<Mutex<Content>>,
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

    /// What the disk may hold after a power cut: of unsynced changes of names the first few, of
    /// unsynced pages any.
    pub(crate) fn after_power_cut(&self, seed: u64) -> Memory {
        let state = self.0.lock().unwrap();
        let mut names = state.synced_names.clone();
        let kept = mix(seed, 1) % (state.changes.len() as u64 + 1);
        for change in &state.changes[..kept as usize] {
            apply(&mut names, change.clone());
        }
        let files = names.iter().enumerate().map(|(number, (name, content))| {
            let content = content.lock().unwrap();
            (name.clone(), torn(&content, mix(seed, 2 + number as u64)))
        });
        Memory::of(files.collect())
    }

    /// A disk that holds these files.
    pub(crate) fn of(files: BTreeMap<String, Vec<u8>>) -> Memory {
        let names: Names = files
            .into_iter()
            .map(|(name, bytes)| {
                let content = Content {
                    now: bytes.clone(),
                    synced: bytes,
                };
                (name, Arc::new(Mutex::new(content)))
            })
            .collect();
        let state = State {
            synced_names: names.clone(),
            names,
            ..State::default()
        };
        Memory(Arc::new(Mutex::new(state)))
    }

    /// All files.
    pub(crate) fn files(&self) -> BTreeMap<String, Vec<u8>> {
        let state = self.0.lock().unwrap();
        let files = state.names.iter();
        files
            .map(|(name, content)| (name.clone(), content.lock().unwrap().now.clone()))
            .collect()
    }

    /// The same files with one replaced.
    pub(crate) fn with(files: &BTreeMap<String, Vec<u8>>, path: &str, bytes: Vec<u8>) -> Memory {
        let mut files = files.clone();
        files.insert(path.to_owned(), bytes);
        Memory::of(files)
    }

    fn change_names(&self, change: NameChange) -> io::Result<()> {
        let mut state = self.0.lock().unwrap();
        state.change()?;
        apply(&mut state.names, change.clone());
        state.changes.push(change);
        Ok(())
    }
}

fn apply(names: &mut Names, change: NameChange) {
    match change {
        NameChange::Add(name, content) => {
            names.insert(name, content);
        }
        NameChange::Rename(from, to) => {
            if let Some(content) = names.remove(&from) {
                names.insert(to, content);
            }
        }
        NameChange::Remove(name) => {
            names.remove(&name);
        }
    }
}

/// A mix of the pages of both contents.
fn torn(content: &Content, seed: u64) -> Vec<u8> {
    let length = match mix(seed, 0) % 2 {
        0 => content.now.len(),
        _ => content.synced.len(),
    };
    let mut bytes = vec![0; length];
    for (number, page) in bytes.chunks_mut(PAGE).enumerate() {
        let source = match mix(seed, 1 + number as u64) % 2 {
            0 => &content.now,
            _ => &content.synced,
        };
        let start = (number * PAGE).min(source.len());
        let end = (start + page.len()).min(source.len());
        page[..end - start].copy_from_slice(&source[start..end]);
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

impl Disk for Memory {
    fn open(&self, path: &str, mode: OpenMode) -> io::Result<Arc<dyn DiskFile>> {
        let found = self.0.lock().unwrap().names.get(path).cloned();
        let content = match (found, mode) {
            (Some(content), _) => content,
            (None, OpenMode::WriteOrCreate) => {
                let content = Arc::default();
                self.change_names(NameChange::Add(path.to_owned(), Arc::clone(&content)))?;
                content
            }
            (None, _) => return Err(ErrorKind::NotFound.into()),
        };
        Ok(Arc::new(MemoryFile {
            disk: self.clone(),
            content,
        }))
    }

    fn list(&self, folder: &str) -> io::Result<Vec<String>> {
        let state = self.0.lock().unwrap();
        let names = state.names.keys();
        Ok(names
            .filter_map(|path| path.strip_prefix(folder)?.strip_prefix('/'))
            .map(str::to_owned)
            .collect())
    }

    fn create_folder(&self, _folder: &str) -> io::Result<()> {
        Ok(())
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.change_names(NameChange::Rename(from.to_owned(), to.to_owned()))
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        if !self.0.lock().unwrap().names.contains_key(path) {
            return Err(ErrorKind::NotFound.into());
        }
        self.change_names(NameChange::Remove(path.to_owned()))
    }

    fn sync_folder(&self, _folder: &str) -> io::Result<()> {
        let mut state = self.0.lock().unwrap();
        state.change()?;
        state.synced_names = state.names.clone();
        state.changes.clear();
        Ok(())
    }

    fn map(&self, _path: &str) -> io::Result<Option<segment_map::SegmentMap>> {
        Ok(None)
    }
}

impl DiskFile for MemoryFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.content.lock().unwrap().now.len() as u64)
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let content = self.content.lock().unwrap();
        let range = offset as usize..offset as usize + buffer.len();
        let bytes = content.now.get(range).ok_or(ErrorKind::UnexpectedEof)?;
        buffer.copy_from_slice(bytes);
        Ok(())
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.disk.0.lock().unwrap().change()?;
        let mut content = self.content.lock().unwrap();
        let end = offset as usize + bytes.len();
        if content.now.len() < end {
            content.now.resize(end, 0);
        }
        content.now[offset as usize..end].copy_from_slice(bytes);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.disk.0.lock().unwrap().change()?;
        self.content.lock().unwrap().now.resize(len as usize, 0);
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        self.disk.0.lock().unwrap().change()?;
        let mut content = self.content.lock().unwrap();
        let Content { now, synced } = &mut *content;
        synced.clone_from(now);
        Ok(())
    }
}
