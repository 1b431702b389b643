//! What a file is, by its first bytes, and the contents of compressed files.

use anyhow::{Context, bail};
use flate2::read::MultiGzDecoder;
use std::borrow::Cow;
use std::fs::File;
use std::io::{BufReader, Cursor, Read};
use std::path::Path;

/// Most bytes of a file that is read as a whole: a state of several million validators.
pub(crate) const MAX_WHOLE_FILE: u64 = 1 << 30;

/// First bytes of the SSZ of a signed block: the offset of the message after the signature.
const BLOCK_START: [u8; 4] = [100, 0, 0, 0];
/// Bytes needed to tell formats apart.
const SNIFFED: usize = 16;

/// The format of some bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Empty,
    Gzip,
    Zip,
    E2store,
    Json,
    /// The SSZ of one signed block.
    Block,
    /// Signed blocks, each after its length as four big-endian bytes.
    LengthPrefixed,
    /// Anything else: a state, or not known.
    Other,
}

impl Format {
    /// The format that starts with these bytes.
    pub(crate) fn of(start: &[u8]) -> Format {
        let text = start
            .iter()
            .all(|byte| matches!(byte, b'\t' | b'\n' | b'\r' | b' '..=b'~'));
        let first = start.iter().find(|byte| !byte.is_ascii_whitespace());
        match start {
            [] => Format::Empty,
            [0x1f, 0x8b, ..] => Format::Gzip,
            [b'P', b'K', 3, 4, ..] => Format::Zip,
            [b'e', b'2', 0, 0, 0, 0, 0, 0, ..] => Format::E2store,
            _ if start.starts_with(&BLOCK_START) => Format::Block,
            _ if start.get(4..8) == Some(&BLOCK_START) => Format::LengthPrefixed,
            _ if text && matches!(first, Some(b'{' | b'[')) => Format::Json,
            _ => Format::Other,
        }
    }
}

/// Reads ahead so far that the format can be told, and returns the reader at its start again.
pub(crate) fn sniff<R: Read>(mut reader: R) -> std::io::Result<(Format, impl Read + use<R>)> {
    let mut start = Vec::with_capacity(SNIFFED);
    reader
        .by_ref()
        .take(SNIFFED as u64)
        .read_to_end(&mut start)?;
    Ok((Format::of(&start), Cursor::new(start).chain(reader)))
}

/// Opens a file for reading. The error says what to do.
pub(crate) fn open(path: &Path) -> anyhow::Result<File> {
    let name = path.display();
    if path.is_dir() {
        bail!("{name}: this is a folder; name a file");
    }
    File::open(path).with_context(|| format!("{name}: cannot be opened; check the path"))
}

/// The contents of a file without its compression.
pub(crate) enum Content {
    /// Taken to be SSZ.
    Ssz(Vec<u8>),
    /// JSON text.
    Json(Vec<u8>),
}

/// Reads a file as a whole: plain, gzipped, or the one SSZ or JSON file in a zip archive.
pub(crate) fn read_content(path: &Path) -> anyhow::Result<Content> {
    let name = path.display();
    let file = open(path)?;
    let length = file.metadata().map_or(0, |metadata| metadata.len());
    let unreadable = || format!("{name}: cannot be read");
    let (format, reader) = sniff(BufReader::new(file)).with_context(unreadable)?;
    let bytes = match format {
        Format::Gzip => read_whole(path, MultiGzDecoder::new(reader), length)
            .with_context(|| damaged(path, "gzip file"))?,
        Format::Zip => unzip(path)?,
        _ => read_whole(path, reader, length).with_context(unreadable)?,
    };
    match Format::of(&bytes[..bytes.len().min(SNIFFED)]) {
        Format::Empty => bail!("{name}: the file is empty; get it again"),
        Format::Json => Ok(Content::Json(bytes)),
        _ => Ok(Content::Ssz(bytes)),
    }
}

/// What to say of a compressed file that does not decompress.
pub(crate) fn damaged(path: &Path, what: &str) -> String {
    format!(
        "{}: the {what} is damaged or cut short; get it again",
        path.display()
    )
}

/// Everything, up to [`MAX_WHOLE_FILE`]. Memory grows with what is read; `expected` is where it starts.
fn read_whole(path: &Path, reader: impl Read, expected: u64) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(expected.min(MAX_WHOLE_FILE) as usize);
    reader.take(MAX_WHOLE_FILE + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_WHOLE_FILE {
        bail!(
            "{}: holds more than {MAX_WHOLE_FILE} bytes, which no state has; is it the right file?",
            path.display()
        );
    }
    Ok(bytes)
}

fn unzip(path: &Path) -> anyhow::Result<Vec<u8>> {
    let name = path.display();
    let mut archive = zip::ZipArchive::new(BufReader::new(open(path)?))
        .with_context(|| damaged(path, "zip archive"))?;
    let names: Vec<_> = archive
        .file_names()
        .filter_map(Result::ok)
        .filter(|name| name.ends_with(".ssz") || name.ends_with(".json"))
        .map(Cow::into_owned)
        .collect();
    let [entry] = names.as_slice() else {
        bail!(
            "{name}: the archive holds {} .ssz or .json files; unpack it and name the right file",
            names.len()
        );
    };
    let file = archive
        .by_name(entry)
        .with_context(|| damaged(path, "zip archive"))?;
    read_whole(path, file, 0).with_context(|| damaged(path, "zip archive"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_told_by_content() {
        let cases: [(&[u8], Format); 12] = [
            (b"", Format::Empty),
            (&[0x1f, 0x8b, 8, 0], Format::Gzip),
            (b"PK\x03\x04....", Format::Zip),
            (b"e2\0\0\0\0\0\0\x01\0", Format::E2store),
            (b"e2\0\0\x01\0\0\0\x01\0", Format::Other),
            (&[100, 0, 0, 0, 0xa1, 0xb2], Format::Block),
            (&[0, 0, 1, 148, 100, 0, 0, 0, 9], Format::LengthPrefixed),
            (b" \n[ {\"message\":", Format::Json),
            (b"{}", Format::Json),
            (b"key: value", Format::Other),
            // A state whose genesis time starts with the byte of a brace.
            (&[b'{', 0x20, 0x20, 0x5f, 0, 0, 0, 0, 1], Format::Other),
            (&[0, 1, 2], Format::Other),
        ];
        for (start, format) in cases {
            assert_eq!(Format::of(start), format, "{start:?}");
        }
    }
}
