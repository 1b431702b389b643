//! e2store files, of which era files are the form for finished history: a sequence of records, each
//! a type, a length and a payload.

use anyhow::{Context, bail};
use snap::read::FrameDecoder;
use std::io::{self, ErrorKind, Read};
use std::path::Path;

/// Type of a snappy-framed signed block.
pub(crate) const SIGNED_BLOCK: u16 = 0x0001;
/// Type of a snappy-framed state.
pub(crate) const STATE: u16 = 0x0002;
/// Type of the index that ends a complete era file.
pub(crate) const SLOT_INDEX: u16 = u16::from_le_bytes(*b"i2");

/// The head of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    /// Type of the record.
    pub(crate) kind: u16,
    /// Bytes of its payload.
    pub(crate) length: u32,
    /// Where in the file the record starts, bytes.
    pub(crate) offset: u64,
}

/// Reads the records of a file one after the other.
pub(crate) struct Records<R> {
    reader: R,
    offset: u64,
}

impl<R: Read> Records<R> {
    /// From the first record on.
    pub(crate) fn new(reader: R) -> Records<R> {
        Records { reader, offset: 0 }
    }

    /// The head of the next record, whose payload must then be read or skipped. `None` at the end.
    pub(crate) fn next_header(&mut self, path: &Path) -> anyhow::Result<Option<Header>> {
        let mut bytes = Vec::with_capacity(8);
        let reader = self.reader.by_ref().take(8);
        { reader }
            .read_to_end(&mut bytes)
            .with_context(|| self.cut_short(path))?;
        let head: [u8; 8] = match bytes.len() {
            0 => return Ok(None),
            8 => bytes.try_into().expect("8 bytes"),
            _ => bail!(self.cut_short(path)),
        };
        let header = Header {
            kind: u16::from_le_bytes([head[0], head[1]]),
            length: u32::from_le_bytes([head[2], head[3], head[4], head[5]]),
            offset: self.offset,
        };
        if head[6..] != [0, 0] {
            bail!(
                "{}: the record at byte {} has an invalid head; the file is damaged, get it again",
                path.display(),
                self.offset
            );
        }
        self.offset += 8 + u64::from(header.length);
        Ok(Some(header))
    }

    /// Passes over the payload of a record.
    pub(crate) fn skip(&mut self, path: &Path, header: Header) -> anyhow::Result<()> {
        let mut payload = self.reader.by_ref().take(header.length.into());
        let skipped = io::copy(&mut payload, &mut io::sink());
        if skipped.ok() != Some(header.length.into()) {
            bail!(self.cut_short(path));
        }
        Ok(())
    }

    /// The decompressed payload of a record, at most `limit` bytes.
    pub(crate) fn decompress(
        &mut self,
        path: &Path,
        header: Header,
        limit: u64,
    ) -> anyhow::Result<Vec<u8>> {
        let mut payload = self.reader.by_ref().take(header.length.into());
        let mut bytes = Vec::new();
        let decoder = FrameDecoder::new(&mut payload);
        let decoded = decoder.take(limit + 1).read_to_end(&mut bytes);
        let place = format!("{}: the record at byte {}", path.display(), header.offset);
        match decoded {
            Ok(_) if bytes.len() as u64 > limit => {
                bail!("{place} holds more than {limit} bytes; the file is damaged, get it again")
            }
            Ok(_) if payload.limit() > 0 => bail!(self.cut_short(path)),
            Ok(_) => Ok(bytes),
            Err(error) if error.kind() == ErrorKind::UnexpectedEof && payload.limit() > 0 => {
                bail!(self.cut_short(path))
            }
            Err(_) => bail!("{place} does not decompress; the file is damaged, get it again"),
        }
    }

    fn cut_short(&self, path: &Path) -> String {
        format!(
            "{}: the file ends in the middle of a record (after byte {}); it is cut short, get it again",
            path.display(),
            self.offset
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn record(kind: [u8; 2], payload: &[u8]) -> Vec<u8> {
        let mut bytes = kind.to_vec();
        bytes.extend((payload.len() as u32).to_le_bytes());
        bytes.extend([0, 0]);
        bytes.extend(payload);
        bytes
    }

    fn compressed(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = snap::write::FrameEncoder::new(Vec::new());
        encoder.write_all(bytes).unwrap();
        encoder.into_inner().unwrap()
    }

    /// The payloads of all block records.
    fn blocks(file: &[u8], limit: u64) -> anyhow::Result<Vec<Vec<u8>>> {
        let path = Path::new("test.era");
        let mut records = Records::new(file);
        let mut blocks = Vec::new();
        while let Some(header) = records.next_header(path)? {
            match header.kind {
                SIGNED_BLOCK => blocks.push(records.decompress(path, header, limit)?),
                _ => records.skip(path, header)?,
            }
        }
        Ok(blocks)
    }

    #[test]
    fn records_are_read_or_skipped() {
        let mut file = record(*b"e2", &[]);
        file.extend(record([1, 0], &compressed(b"one")));
        file.extend(record(*b"i2", &[7; 20]));
        file.extend(record([1, 0], &compressed(&vec![9; 200_000])));
        let found = blocks(&file, 200_000).unwrap();
        assert_eq!(found, [b"one".to_vec(), vec![9; 200_000]]);
        assert!(blocks(&file, 199_999).is_err());
        for cut in 0..file.len() {
            // Whole records may be missing, half ones are an error.
            let cut_at_record = [0, 8, 8 + 8 + compressed(b"one").len()];
            let result = blocks(&file[..cut], 200_000);
            let fine = cut_at_record.contains(&cut) || cut == cut_at_record[2] + 28;
            assert_eq!(result.is_ok(), fine, "cut at {cut}: {result:?}");
        }
    }

    #[test]
    fn every_flipped_payload_byte_of_a_block_is_noticed() {
        let file = record([1, 0], &compressed(b"some block that is not long"));
        for at in 0..file.len() {
            let mut damaged = file.clone();
            damaged[at] ^= 1;
            let result = blocks(&damaged, 1000);
            let same = matches!(&result, Ok(found) if found == &[b"some block that is not long"]);
            assert!(!same, "byte {at}");
        }
    }
}
