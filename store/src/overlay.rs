//! [`Overlay`]: a file for redb to work on without changing it.

use crate::DiskFile;
use parking_lot::Mutex;
use redb::StorageBackend;
use std::collections::BTreeMap;
use std::io;
use std::ops::Range;
use std::sync::Arc;

/// A file with changes that stay in memory.
pub(crate) struct Overlay {
    file: Arc<dyn DiskFile>,
    changes: Mutex<Changes>,
}

struct Changes {
    length: u64,
    /// Bytes of the file that still count.
    of_file: u64,
    /// Whole pages by their numbers.
    pages: BTreeMap<u64, Vec<u8>>,
}

impl Overlay {
    const PAGE: u64 = 4096;

    pub(crate) fn new(file: Arc<dyn DiskFile>) -> io::Result<Overlay> {
        let length = file.len()?;
        Ok(Overlay {
            file,
            changes: Mutex::new(Changes {
                length,
                of_file: length,
                pages: BTreeMap::new(),
            }),
        })
    }

    /// A page as it is now; what is beyond the end is zero.
    fn page(&self, changes: &Changes, number: u64) -> io::Result<Vec<u8>> {
        if let Some(page) = changes.pages.get(&number) {
            return Ok(page.clone());
        }
        let mut page = vec![0; Overlay::PAGE as usize];
        let start = number * Overlay::PAGE;
        let there = changes.of_file.saturating_sub(start).min(Overlay::PAGE);
        if there > 0 {
            self.file.read_at(start, &mut page[..there as usize])?;
        }
        Ok(page)
    }

    /// The pieces of a range of bytes: number of the page, place in it, place in the range.
    fn pieces(offset: u64, length: usize) -> impl Iterator<Item = (u64, usize, Range<usize>)> {
        let mut done = 0;
        std::iter::from_fn(move || {
            let at = offset + done as u64;
            let within = (at % Overlay::PAGE) as usize;
            let size = (Overlay::PAGE as usize - within).min(length - done);
            let piece = (at / Overlay::PAGE, within, done..done + size);
            done += size;
            (size > 0).then_some(piece)
        })
    }
}

impl std::fmt::Debug for Overlay {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Overlay")
    }
}

impl StorageBackend for Overlay {
    fn len(&self) -> io::Result<u64> {
        Ok(self.changes.lock().length)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let changes = self.changes.lock();
        let end = offset.checked_add(out.len() as u64);
        if end.is_none_or(|end| end > changes.length) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if changes.pages.is_empty() && end.is_some_and(|end| end <= changes.of_file) {
            return self.file.read_at(offset, out);
        }
        for (number, within, range) in Overlay::pieces(offset, out.len()) {
            let page = self.page(&changes, number)?;
            let size = range.len();
            out[range].copy_from_slice(&page[within..within + size]);
        }
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut changes = self.changes.lock();
        let number = len / Overlay::PAGE;
        let mut last = self.page(&changes, number)?;
        last[(len % Overlay::PAGE) as usize..].fill(0);
        changes.pages.split_off(&number);
        changes.of_file = changes.of_file.min(len);
        changes.pages.insert(number, last);
        changes.length = len;
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut changes = self.changes.lock();
        for (number, within, range) in Overlay::pieces(offset, data.len()) {
            let mut page = self.page(&changes, number)?;
            let size = range.len();
            page[within..within + size].copy_from_slice(&data[range]);
            changes.pages.insert(number, page);
        }
        changes.length = changes.length.max(offset + data.len() as u64);
        Ok(())
    }
}
