//! Blocks, one after the other, from any form of file.

use super::container::{Format, damaged, open, sniff};
use super::e2store::record_error;
use super::json;
use anyhow::{Context, bail};
use consensus::{SignedBeaconBlock, Slot};
use flate2::read::MultiGzDecoder;
use ssz::Decode;
use std::fmt;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use store::finalized::e2store::{MAX_BLOCK_BYTES, Records, SIGNED_BLOCK, SLOT_INDEX};

/// Most bytes of a JSON file of blocks, which is held in memory as a whole.
const MAX_JSON_BYTES: u64 = 256 * 1024 * 1024;
/// Where the slot is in the SSZ of a signed block.
const SLOT_AT: usize = 100;
/// Bytes of a signed block up to the end of its slot.
const THROUGH_SLOT: usize = SLOT_AT + 8;

/// Which blocks are read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// The last slot wanted.
    pub(crate) last_slot: Slot,
    /// The first slot that is not of phase 0.
    pub(crate) phase0_end: Slot,
}

impl Limits {
    /// All blocks there are.
    pub(crate) const NONE: Limits = Limits {
        last_slot: Slot::MAX,
        phase0_end: Slot::MAX,
    };
}

/// A block and where it was found.
pub(crate) struct Found {
    /// The block.
    pub(crate) block: SignedBeaconBlock,
    /// Where it was found.
    pub(crate) place: Place,
}

/// A block's place for messages.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    path: Arc<PathBuf>,
    /// Number in a file of several blocks, from 1.
    number: Option<u64>,
    slot: Slot,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.path.display())?;
        match self.number {
            Some(number) => write!(f, "block {number} (slot {})", self.slot),
            None => write!(f, "the block of slot {}", self.slot),
        }
    }
}

/// The blocks of one file, read one at a time.
pub(crate) struct BlockReader {
    path: Arc<PathBuf>,
    form: Form,
    limits: Limits,
    count: u64,
    end: End,
}

/// Why a file had no more blocks to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// It has been read to its end, or not yet.
    Whole,
    /// An era file without its index has been read to its end.
    WithoutIndex,
    /// The next block is after the last slot wanted.
    LastSlot,
    /// The next block is not of phase 0.
    Phase0,
}

type Input = Box<dyn Read>;

enum Form {
    Single(Input),
    LengthPrefixed(Input),
    E2store {
        records: Records<Input>,
        has_index: bool,
    },
    Json(std::vec::IntoIter<SignedBeaconBlock>),
    Ended,
}

impl BlockReader {
    /// Opens a file of blocks. `progress` counts the bytes read from the file.
    pub(crate) fn open(
        path: &Path,
        limits: Limits,
        progress: Arc<AtomicU64>,
    ) -> anyhow::Result<BlockReader> {
        let counting = Counting {
            inner: open(path)?,
            count: progress,
        };
        let unreadable = || format!("{}: cannot be read", path.display());
        let (format, plain) = sniff(BufReader::new(counting)).with_context(unreadable)?;
        let (format, reader): (Format, Input) = match format {
            Format::Gzip => {
                let decoder = BufReader::new(MultiGzDecoder::new(plain));
                let (format, reader) =
                    sniff(decoder).with_context(|| damaged(path, "gzip file"))?;
                (format, Box::new(reader))
            }
            format => (format, Box::new(plain)),
        };
        Ok(BlockReader {
            form: form_of(path, format, reader)?,
            path: Arc::new(path.to_owned()),
            limits,
            count: 0,
            end: End::Whole,
        })
    }

    /// Why there are no more blocks.
    pub(crate) fn end(&self) -> End {
        self.end
    }

    fn read_next(&mut self) -> anyhow::Result<Option<Found>> {
        let block = match &mut self.form {
            Form::Json(blocks) => match blocks.next() {
                Some(block) => block,
                None => return Ok(None),
            },
            _ => match self.next_bytes()? {
                Some(bytes) => match self.limit_at(slot_of(&bytes)) {
                    Some(end) => return Ok(self.finish(end)),
                    None => self.decode(&bytes)?,
                },
                None => return Ok(None),
            },
        };
        let slot = block.message.slot;
        if let Some(end) = self.limit_at(Some(slot)) {
            return Ok(self.finish(end));
        }
        self.count += 1;
        let place = self.place(slot);
        Ok(Some(Found { block, place }))
    }

    /// The SSZ of the next block.
    fn next_bytes(&mut self) -> anyhow::Result<Option<Vec<u8>>> {
        let path = self.path.clone();
        let cut_short = || damaged(&path, "file of blocks");
        match std::mem::replace(&mut self.form, Form::Ended) {
            Form::Single(reader) => {
                let mut bytes = Vec::new();
                let read = reader.take(MAX_BLOCK_BYTES + 1).read_to_end(&mut bytes);
                read.with_context(cut_short)?;
                Ok(Some(bytes))
            }
            Form::LengthPrefixed(mut reader) => {
                let bytes = next_prefixed(&path, &mut reader)?;
                self.form = Form::LengthPrefixed(reader);
                Ok(bytes)
            }
            Form::E2store {
                mut records,
                mut has_index,
            } => {
                while let Some(header) = records.next_header().map_err(record_error(&path))? {
                    if header.kind == SIGNED_BLOCK {
                        let bytes = records
                            .decompress(header, MAX_BLOCK_BYTES)
                            .map_err(record_error(&path))?;
                        self.form = Form::E2store { records, has_index };
                        return Ok(Some(bytes));
                    }
                    has_index |= header.kind == SLOT_INDEX;
                    records.skip(header).map_err(record_error(&path))?;
                }
                if !has_index {
                    self.end = End::WithoutIndex;
                }
                Ok(None)
            }
            Form::Json(_) | Form::Ended => Ok(None),
        }
    }

    fn decode(&self, bytes: &[u8]) -> anyhow::Result<SignedBeaconBlock> {
        let path = self.path.display();
        let which = match self.form {
            Form::Ended => String::new(),
            _ => format!("block {} of ", self.count + 1),
        };
        if bytes.len() as u64 > MAX_BLOCK_BYTES {
            bail!("{path}: {which}the file is longer than any block; is it the right file?");
        }
        SignedBeaconBlock::from_ssz_bytes(bytes).map_err(|error| {
            anyhow::anyhow!(
                "{path}: {which}the file is no valid phase-0 block ({error:?}); the file is damaged, get it again"
            )
        })
    }

    fn limit_at(&self, slot: Option<Slot>) -> Option<End> {
        match slot {
            Some(slot) if slot > self.limits.last_slot => Some(End::LastSlot),
            Some(slot) if slot >= self.limits.phase0_end => Some(End::Phase0),
            _ => None,
        }
    }

    fn finish(&mut self, end: End) -> Option<Found> {
        self.form = Form::Ended;
        self.end = end;
        None
    }

    fn place(&self, slot: Slot) -> Place {
        let single = matches!(self.form, Form::Ended);
        Place {
            path: self.path.clone(),
            number: (!single).then_some(self.count),
            slot,
        }
    }
}

impl Iterator for BlockReader {
    type Item = anyhow::Result<Found>;

    fn next(&mut self) -> Option<Self::Item> {
        self.read_next().transpose()
    }
}

fn form_of(path: &Path, format: Format, reader: Input) -> anyhow::Result<Form> {
    let name = path.display();
    Ok(match format {
        Format::Block => Form::Single(reader),
        Format::LengthPrefixed => Form::LengthPrefixed(reader),
        Format::E2store => Form::E2store {
            records: Records::new(reader),
            has_index: false,
        },
        Format::Json => {
            let mut text = Vec::new();
            let read = reader.take(MAX_JSON_BYTES + 1).read_to_end(&mut text);
            read.with_context(|| damaged(path, "file"))?;
            if text.len() as u64 > MAX_JSON_BYTES {
                bail!(
                    "{name}: more than {MAX_JSON_BYTES} bytes of JSON; split it into smaller files"
                );
            }
            Form::Json(json::parse_list(path, &text)?.into_iter())
        }
        Format::Empty => bail!("{name}: the file is empty; get it again"),
        Format::Gzip | Format::Zip | Format::Other => bail!(
            "{name}: this is no file of blocks (.ssz, .json, e2store or length-prefixed, plain or gzipped), or it is damaged; check the path or get it again"
        ),
    })
}

fn next_prefixed(path: &Path, reader: &mut impl Read) -> anyhow::Result<Option<Vec<u8>>> {
    let cut_short = || damaged(path, "file of blocks");
    let mut prefix = Vec::with_capacity(4);
    let read = reader.by_ref().take(4).read_to_end(&mut prefix);
    read.with_context(cut_short)?;
    if prefix.is_empty() {
        return Ok(None);
    }
    let Ok(prefix) = <[u8; 4]>::try_from(prefix) else {
        bail!(cut_short());
    };
    let length = u64::from(u32::from_be_bytes(prefix));
    if length > MAX_BLOCK_BYTES {
        bail!(
            "{}: a block of {length} bytes is longer than any block; the file is damaged, get it again",
            path.display()
        );
    }
    let mut bytes = Vec::with_capacity(length as usize);
    let read = reader.take(length).read_to_end(&mut bytes);
    read.with_context(cut_short)?;
    if bytes.len() as u64 != length {
        bail!(cut_short());
    }
    Ok(Some(bytes))
}

/// The slot in the SSZ of a signed block of any fork.
fn slot_of(bytes: &[u8]) -> Option<Slot> {
    if Format::of(bytes.get(..16)?) != Format::Block {
        return None;
    }
    let slot = bytes.get(SLOT_AT..THROUGH_SLOT)?;
    Some(Slot::from_le_bytes(slot.try_into().ok()?))
}

/// The slot of the first block of a file; `None` if the file holds none. Reads as little as it can.
pub(crate) fn first_slot(path: &Path) -> anyhow::Result<Option<Slot>> {
    let mut reader = BlockReader::open(path, Limits::NONE, Arc::default())?;
    if let Form::Single(input) = &mut reader.form {
        let mut start = Vec::with_capacity(THROUGH_SLOT);
        let read = input.take(THROUGH_SLOT as u64).read_to_end(&mut start);
        read.with_context(|| damaged(path, "file"))?;
        return match slot_of(&start) {
            Some(slot) => Ok(Some(slot)),
            None => bail!(damaged(path, "block")),
        };
    }
    if let Form::Json(_) = reader.form {
        return Ok(reader
            .next()
            .transpose()?
            .map(|found| found.block.message.slot));
    }
    Ok(reader.next_bytes()?.as_deref().and_then(slot_of))
}

/// Counts the bytes that pass through.
struct Counting<R> {
    inner: R,
    count: Arc<AtomicU64>,
}

impl<R: Read> Read for Counting<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.count.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}
