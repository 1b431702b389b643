//! A simulated disk: files in memory that know which of their bytes would survive a power cut.
//!
//! Bytes survive once their file was synced, names once their folder was. What was not is kept or
//! lost page by page and name by name, chosen by a hash of the seed, the file and the page: so that
//! an image does not depend on the order of the writes that led to it. A page may be torn between
//! sectors.

use chain_maker::Dice;
use parking_lot::Mutex;
use segment_map::SegmentMap;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;
use store::{Disk, DiskFile, OpenMode};

/// Unit in which unsynced bytes are kept or lost.
const PAGE: usize = 4096;
/// Unit in which a disk writes.
const SECTOR: usize = 512;

/// A disk. Clones are the same disk.
#[derive(Clone, Debug, Default)]
pub(crate) struct SimDisk(Arc<Mutex<Platter>>);

#[derive(Debug, Default)]
struct Platter {
    files: BTreeMap<u64, Content>,
    names: Names,
    /// The names that survive for sure.
    synced_names: Names,
    /// Changes of names that may be lost.
    pending: Vec<NameChange>,
    next_file: u64,
    /// Changes until the power is cut; all operations fail from then on.
    changes_left: Option<u64>,
    dead: bool,
}

/// What is at each path.
type Names = BTreeMap<String, Entry>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Entry {
    Folder,
    File(u64),
}

#[derive(Clone, Debug)]
struct NameChange {
    folder: String,
    removed: Option<String>,
    added: Option<(String, Entry)>,
}

/// The bytes of a file, and what of it would be there after a power cut.
#[derive(Clone, Debug, Default)]
struct Content {
    bytes: Vec<u8>,
    synced_len: usize,
    /// The surviving content of the pages that changed since the last sync.
    before: BTreeMap<usize, Box<[u8; PAGE]>>,
}

/// How much of what was not synced survives a power cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Survival {
    Nothing,
    Everything,
    Some,
}

impl SimDisk {
    /// Cuts the power after so many more changes, in the middle of whatever runs then.
    pub(crate) fn cut_power_after(&self, changes: u64) {
        self.0.lock().changes_left = Some(changes);
    }

    /// Takes back [`SimDisk::cut_power_after`], if it has not come to it.
    pub(crate) fn keep_power(&self) {
        self.0.lock().changes_left = None;
    }

    /// Whether the power was cut.
    pub(crate) fn is_dead(&self) -> bool {
        self.0.lock().dead
    }

    /// The disk as it is found after a power cut now. Open files stay with the old one.
    pub(crate) fn after_power_cut(&self, seed: u64) -> SimDisk {
        let platter = self.0.lock();
        let mut dice = Dice::of(seed, &[1]);
        let survival = match dice.below(10) {
            0 | 1 => Survival::Nothing,
            2 => Survival::Everything,
            _ => Survival::Some,
        };
        let mut names = platter.synced_names.clone();
        for change in &platter.pending {
            let kept = match survival {
                Survival::Nothing => false,
                Survival::Everything => true,
                Survival::Some => dice.percent(50),
            };
            if kept {
                change.apply(&mut names);
            }
        }
        drop_orphans(&mut names);
        let mut files = BTreeMap::new();
        for entry in names.values() {
            if let Entry::File(id) = entry
                && let Some(content) = platter.files.get(id)
            {
                files.insert(*id, content.after_power_cut(seed, *id, survival));
            }
        }
        SimDisk(Arc::new(Mutex::new(Platter {
            files,
            synced_names: names.clone(),
            names,
            pending: Vec::new(),
            next_file: platter.next_file,
            changes_left: None,
            dead: false,
        })))
    }

    /// A hash of all names and bytes.
    pub(crate) fn fingerprint(&self) -> [u8; 32] {
        let platter = self.0.lock();
        let mut text = Vec::new();
        for (path, entry) in &platter.names {
            text.extend_from_slice(path.as_bytes());
            if let Entry::File(id) = entry {
                text.extend_from_slice(&kernels::sha256(&platter.files[id].bytes));
            }
        }
        kernels::sha256(&text)
    }

    /// The files whose path begins with `prefix`, with their lengths in bytes.
    pub(crate) fn files(&self, prefix: &str) -> Vec<(String, u64)> {
        let platter = self.0.lock();
        let named = platter
            .names
            .iter()
            .filter(|(path, _)| path.starts_with(prefix));
        named
            .filter_map(|(path, entry)| match entry {
                Entry::Folder => None,
                Entry::File(id) => Some((path.clone(), platter.files[id].bytes.len() as u64)),
            })
            .collect()
    }

    /// Inverts one bit of a file, as a failing disk does: nobody is told. Gives the file, which may
    /// have lost its name when the bit is to be turned back.
    ///
    /// # Panics
    /// If there is no such byte.
    pub(crate) fn flip_bit(&self, path: &str, offset: u64, bit: u8) -> u64 {
        let file = match self.0.lock().names.get(path) {
            Some(Entry::File(id)) => *id,
            _ => panic!("there is no file {path}"),
        };
        self.flip_bit_of(file, offset, bit);
        file
    }

    /// [`SimDisk::flip_bit`] of a file that may have been replaced under its name.
    pub(crate) fn flip_bit_of(&self, file: u64, offset: u64, bit: u8) {
        let mut platter = self.0.lock();
        let content = platter.files.get_mut(&file).expect("files stay");
        content.bytes[offset as usize] ^= 1 << (bit % 8);
    }
}

impl Platter {
    fn alive(&self) -> io::Result<()> {
        match self.dead {
            true => Err(io::Error::other("the power was cut")),
            false => Ok(()),
        }
    }

    /// Before every change.
    fn change(&mut self) -> io::Result<()> {
        self.alive()?;
        match &mut self.changes_left {
            Some(0) => {
                self.dead = true;
                self.alive()
            }
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn rename_entries(&mut self, change: NameChange) {
        change.apply(&mut self.names);
        self.pending.push(change);
    }

    fn folder_exists(&self, folder: &str) -> bool {
        folder.is_empty() || self.names.get(folder) == Some(&Entry::Folder)
    }

    fn content(&self, id: u64) -> io::Result<&Content> {
        self.alive()?;
        self.files.get(&id).ok_or_else(not_found)
    }

    fn content_mut(&mut self, id: u64) -> io::Result<&mut Content> {
        self.change()?;
        self.files.get_mut(&id).ok_or_else(not_found)
    }
}

impl NameChange {
    fn apply(&self, names: &mut Names) {
        if let Some(removed) = &self.removed {
            names.remove(removed);
        }
        if let Some((path, entry)) = &self.added {
            names.insert(path.clone(), *entry);
        }
    }
}

impl Content {
    fn pages(from: usize, to: usize) -> std::ops::Range<usize> {
        from / PAGE..to.div_ceil(PAGE)
    }

    /// Remembers what pages hold before they change for the first time since the last sync.
    fn touch(&mut self, from: usize, to: usize) {
        for page in Self::pages(from, to) {
            let bytes = &self.bytes;
            self.before
                .entry(page)
                .or_insert_with(|| page_of(bytes, page));
        }
    }

    fn write(&mut self, offset: usize, bytes: &[u8]) {
        let end = offset + bytes.len();
        self.touch(offset.min(self.bytes.len()), end);
        if end > self.bytes.len() {
            self.bytes.resize(end, 0);
        }
        self.bytes[offset..end].copy_from_slice(bytes);
    }

    fn set_len(&mut self, len: usize) {
        let old = self.bytes.len();
        self.touch(len.min(old), len.max(old));
        self.bytes.resize(len, 0);
    }

    fn sync(&mut self) {
        self.before.clear();
        self.synced_len = self.bytes.len();
    }

    fn after_power_cut(&self, seed: u64, id: u64, survival: Survival) -> Content {
        let mut dice = Dice::of(seed, &[2, id]);
        let keeps_len = match survival {
            Survival::Nothing => false,
            Survival::Everything => true,
            Survival::Some => dice.percent(50),
        };
        let mut bytes = self.bytes.clone();
        if !keeps_len {
            bytes.resize(self.synced_len, 0);
        }
        for (&page, before) in &self.before {
            let start = page * PAGE;
            let end = (start + PAGE).min(bytes.len());
            if start >= end {
                continue;
            }
            // Sectors in this range hold what was before.
            let mut dice = Dice::of(seed, &[3, id, page as u64]);
            let lost = match (survival, dice.below(5)) {
                (Survival::Everything, _) | (Survival::Some, 0 | 1) => 0..0,
                (Survival::Nothing, _) | (Survival::Some, 2 | 3) => 0..PAGE,
                (Survival::Some, _) => {
                    let at = SECTOR * (1 + dice.below(7) as usize);
                    if dice.percent(50) { 0..at } else { at..PAGE }
                }
            };
            let lost = lost.start.min(end - start)..lost.end.min(end - start);
            bytes[start + lost.start..start + lost.end].copy_from_slice(&before[lost]);
        }
        Content {
            synced_len: bytes.len(),
            bytes,
            before: BTreeMap::new(),
        }
    }
}

fn page_of(bytes: &[u8], page: usize) -> Box<[u8; PAGE]> {
    let mut copy = Box::new([0; PAGE]);
    let start = (page * PAGE).min(bytes.len());
    let end = (start + PAGE).min(bytes.len());
    copy[..end - start].copy_from_slice(&bytes[start..end]);
    copy
}

/// Drops what is in folders that were lost.
fn drop_orphans(names: &mut Names) {
    let mut folders = BTreeSet::from([String::new()]);
    // A folder comes before what is in it.
    names.retain(|path, entry| {
        let kept = folders.contains(folder_of(path));
        if kept && *entry == Entry::Folder {
            folders.insert(path.clone());
        }
        kept
    });
}

fn folder_of(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

fn not_found() -> io::Error {
    io::ErrorKind::NotFound.into()
}

impl Disk for SimDisk {
    fn open(&self, path: &str, mode: OpenMode) -> io::Result<Arc<dyn DiskFile>> {
        let mut platter = self.0.lock();
        platter.alive()?;
        let id = match (platter.names.get(path), mode) {
            (Some(Entry::File(id)), _) => *id,
            (Some(Entry::Folder), _) => return Err(io::ErrorKind::IsADirectory.into()),
            (None, OpenMode::WriteOrCreate) if platter.folder_exists(folder_of(path)) => {
                platter.change()?;
                let id = platter.next_file;
                platter.next_file += 1;
                platter.files.insert(id, Content::default());
                platter.rename_entries(NameChange {
                    folder: folder_of(path).to_owned(),
                    removed: None,
                    added: Some((path.to_owned(), Entry::File(id))),
                });
                id
            }
            (None, _) => return Err(not_found()),
        };
        Ok(Arc::new(Handle {
            disk: self.clone(),
            id,
            writable: mode != OpenMode::Read,
        }))
    }

    fn list(&self, folder: &str) -> io::Result<Vec<String>> {
        let platter = self.0.lock();
        platter.alive()?;
        let inside = platter
            .names
            .keys()
            .filter(|path| folder_of(path) == folder);
        Ok(inside
            .map(|path| path.rsplit('/').next().unwrap_or(path).to_owned())
            .collect())
    }

    fn create_folder(&self, folder: &str) -> io::Result<()> {
        let mut platter = self.0.lock();
        platter.change()?;
        let parts = folder.match_indices('/').map(|(at, _)| at);
        for end in parts.chain([folder.len()]) {
            let path = &folder[..end];
            if !platter.folder_exists(path) {
                platter.rename_entries(NameChange {
                    folder: folder_of(path).to_owned(),
                    removed: None,
                    added: Some((path.to_owned(), Entry::Folder)),
                });
            }
        }
        Ok(())
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut platter = self.0.lock();
        platter.change()?;
        let entry = *platter.names.get(from).ok_or_else(not_found)?;
        platter.rename_entries(NameChange {
            folder: folder_of(to).to_owned(),
            removed: Some(from.to_owned()),
            added: Some((to.to_owned(), entry)),
        });
        Ok(())
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        let mut platter = self.0.lock();
        platter.change()?;
        if !platter.names.contains_key(path) {
            return Err(not_found());
        }
        platter.rename_entries(NameChange {
            folder: folder_of(path).to_owned(),
            removed: Some(path.to_owned()),
            added: None,
        });
        Ok(())
    }

    fn sync_folder(&self, folder: &str) -> io::Result<()> {
        let mut platter = self.0.lock();
        platter.change()?;
        let pending = std::mem::take(&mut platter.pending);
        for change in pending {
            match change.folder == folder {
                true => change.apply(&mut platter.synced_names),
                false => platter.pending.push(change),
            }
        }
        Ok(())
    }

    fn map(&self, _path: &str) -> io::Result<Option<SegmentMap>> {
        Ok(None)
    }
}

/// An open file.
struct Handle {
    disk: SimDisk,
    id: u64,
    writable: bool,
}

impl Handle {
    fn check_writable(&self) -> io::Result<()> {
        match self.writable {
            true => Ok(()),
            false => Err(io::ErrorKind::PermissionDenied.into()),
        }
    }
}

impl DiskFile for Handle {
    fn len(&self) -> io::Result<u64> {
        let platter = self.disk.0.lock();
        Ok(platter.content(self.id)?.bytes.len() as u64)
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let platter = self.disk.0.lock();
        let bytes = &platter.content(self.id)?.bytes;
        let start = usize::try_from(offset).ok();
        let range = start.and_then(|start| bytes.get(start..start.checked_add(buffer.len())?));
        buffer.copy_from_slice(range.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.check_writable()?;
        let mut platter = self.disk.0.lock();
        platter.content_mut(self.id)?.write(offset as usize, bytes);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.check_writable()?;
        let mut platter = self.disk.0.lock();
        platter.content_mut(self.id)?.set_len(len as usize);
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let mut platter = self.disk.0.lock();
        platter.content_mut(self.id)?.sync();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(disk: &SimDisk, path: &str) -> Arc<dyn DiskFile> {
        disk.open(path, OpenMode::WriteOrCreate)
            .expect("it can be made")
    }

    fn read(disk: &SimDisk, path: &str) -> Option<Vec<u8>> {
        let file = disk.open(path, OpenMode::Read).ok()?;
        let mut bytes = vec![0; file.len().expect("a length") as usize];
        file.read_at(0, &mut bytes).expect("its bytes");
        Some(bytes)
    }

    #[test]
    fn what_was_synced_survives_every_power_cut() {
        let disk = SimDisk::default();
        disk.create_folder("a/b").expect("a folder");
        disk.sync_folder("").expect("synced");
        disk.sync_folder("a").expect("synced");
        let kept = file(&disk, "a/b/kept");
        kept.write_at(0, &[7; 3 * PAGE]).expect("written");
        kept.sync().expect("synced");
        disk.sync_folder("a/b").expect("synced");
        kept.write_at(PAGE as u64 + 100, &[8; 2 * PAGE])
            .expect("written");
        let lost = file(&disk, "a/b/new");
        lost.write_at(0, &[9; 10]).expect("written");
        lost.sync().expect("synced");
        let (mut names, mut lengths) = (BTreeSet::new(), BTreeSet::new());
        for seed in 0..200 {
            let image = disk.after_power_cut(seed);
            let bytes = read(&image, "a/b/kept").expect("its name was synced");
            assert!(bytes.len() >= 3 * PAGE);
            assert_eq!(bytes[..PAGE + 100], [7; PAGE + 100], "an untouched range");
            assert!(
                bytes[PAGE..3 * PAGE]
                    .iter()
                    .all(|byte| [7, 8].contains(byte))
            );
            names.insert(read(&image, "a/b/new"));
            lengths.insert(bytes.len());
        }
        assert_eq!(names, BTreeSet::from([None, Some(vec![9; 10])]));
        assert_eq!(lengths, BTreeSet::from([3 * PAGE, 3 * PAGE + 100]));
    }

    #[test]
    fn names_move_whole() {
        let disk = SimDisk::default();
        file(&disk, "old").write_at(0, &[1]).expect("written");
        file(&disk, "old").sync().expect("synced");
        disk.sync_folder("").expect("synced");
        disk.rename("old", "new").expect("renamed");
        for seed in 0..50 {
            let image = disk.after_power_cut(seed);
            let (old, new) = (read(&image, "old"), read(&image, "new"));
            assert!(old.is_some() != new.is_some(), "one of the names");
            assert_eq!(old.or(new), Some(vec![1]));
        }
        disk.sync_folder("").expect("synced");
        assert_eq!(read(&disk.after_power_cut(1), "new"), Some(vec![1]));
        assert_eq!(disk.list("").expect("names"), ["new"]);
    }

    #[test]
    fn nothing_works_after_the_cut() {
        let disk = SimDisk::default();
        let file = file(&disk, "x");
        disk.cut_power_after(1);
        file.write_at(0, &[1]).expect("the last change");
        assert!(file.sync().is_err() && disk.is_dead());
        assert!(file.len().is_err() && disk.list("").is_err());
    }

    #[test]
    fn shrinking_is_undone_by_a_cut_unless_synced() {
        let disk = SimDisk::default();
        let file = file(&disk, "x");
        file.write_at(0, &[5; 2 * PAGE]).expect("written");
        file.sync().expect("synced");
        disk.sync_folder("").expect("synced");
        file.set_len(10).expect("cut");
        let lengths: BTreeSet<_> = (0..50)
            .map(|seed| {
                let bytes = read(&disk.after_power_cut(seed), "x").expect("its name was synced");
                assert!(bytes[..10] == [5; 10]);
                bytes.len()
            })
            .collect();
        assert_eq!(lengths, BTreeSet::from([10, 2 * PAGE]));
    }
}
