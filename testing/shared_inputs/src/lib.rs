//! The inputs of tests that were published by others and are no part of this repository. They lie
//! in the folder `shared` beside it, or where `FRESNEL_SHARED` points.
//!
//! Every function takes a path below that folder and what the test skips without it. If it is
//! missing, they say so and give `None`; with `FRESNEL_REQUIRE_SHARED=1` they panic. They also
//! panic for an input that cannot be read: it is damaged, and no test can go on with it.
#![forbid(unsafe_code)]

use std::env;
use std::fmt::Display;
use std::fs::{self, File};
use std::io::{BufReader, BufWriter, Read, Seek, Write};
use std::path::{Path, PathBuf};

/// A tar archive that is unpacked while it is read.
pub type Archive = tar::Archive<Box<dyn Read>>;

/// Where a file or folder is.
pub fn path(below: impl AsRef<Path>, skipped: &str) -> Option<PathBuf> {
    let required = env::var_os("FRESNEL_REQUIRE_SHARED").is_some_and(|value| value == "1");
    let found = existing(folder().join(below), required);
    if let Err(missing) = &found {
        // What `println!` writes, the test harness shows for failed tests only.
        let _ = writeln!(std::io::stdout(), "skipped: {skipped}: {missing}");
    }
    found.ok()
}

/// The bytes of a file.
pub fn bytes(below: impl AsRef<Path>, skipped: &str) -> Option<Vec<u8>> {
    path(below, skipped).map(|file| readable(fs::read(&file), &file))
}

/// The text of a file.
pub fn text(below: impl AsRef<Path>, skipped: &str) -> Option<String> {
    path(below, skipped).map(|file| readable(fs::read_to_string(&file), &file))
}

/// All files below a folder: their paths as these functions take them, in order.
pub fn files(below: impl AsRef<Path>, skipped: &str) -> Option<Vec<PathBuf>> {
    let below = below.as_ref();
    path(below, skipped).map(|folder| files_below(&folder, below))
}

/// What a gzip file holds.
pub fn gunzipped(below: impl AsRef<Path>, skipped: &str) -> Option<Vec<u8>> {
    path(below, skipped).map(|file| gunzip(&file))
}

/// What the first file in a zip archive holds.
pub fn unzipped(below: impl AsRef<Path>, skipped: &str) -> Option<Vec<u8>> {
    path(below, skipped).map(|file| unzip(&file))
}

/// A `.tar.zst` or `.tar.xz` archive.
pub fn archive(below: impl AsRef<Path>, skipped: &str) -> Option<Archive> {
    path(below, skipped).map(|file| open_archive(&file))
}

/// Those files of a `.tar.zst` or `.tar.xz` archive whose path in it is `wanted`, with their paths.
pub fn archived(
    below: impl AsRef<Path>,
    skipped: &str,
    wanted: impl Fn(&str) -> bool,
) -> Option<Vec<(String, Vec<u8>)>> {
    path(below, skipped).map(|file| archived_files(&file, wanted))
}

fn folder() -> PathBuf {
    if let Some(folder) = env::var_os("FRESNEL_SHARED") {
        return folder.into();
    }
    // Cargo names the folder of the crate that it tests. The one known when this was compiled may
    // be that of another copy of the repository with the same target folder.
    let tested = env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), PathBuf::from);
    let root = tested
        .ancestors()
        .find(|folder| folder.join("Cargo.lock").is_file());
    root.unwrap_or(&tested).join("..").join("shared")
}

/// The path, or the sentence that it is missing.
fn existing(path: PathBuf, required: bool) -> Result<PathBuf, String> {
    if path.exists() {
        return Ok(path);
    }
    let missing = format!(
        "{} is missing: put the shared inputs beside the repository, or name their folder in \
         FRESNEL_SHARED",
        path.display()
    );
    assert!(!required, "{missing}");
    Err(missing)
}

fn readable<T, E: Display>(result: Result<T, E>, file: &Path) -> T {
    result.unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

fn open(file: &Path) -> BufReader<File> {
    BufReader::new(readable(File::open(file), file))
}

fn read_whole(mut from: impl Read, file: &Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    readable(from.read_to_end(&mut bytes), file);
    bytes
}

/// The files below `folder`, which is called `name`.
fn files_below(folder: &Path, name: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in readable(fs::read_dir(folder), folder) {
        let path = readable(entry, folder).path();
        let name = name.join(path.file_name().unwrap_or_default());
        match path.is_dir() {
            true => files.extend(files_below(&path, &name)),
            false => files.push(name),
        }
    }
    files.sort();
    files
}

fn gunzip(file: &Path) -> Vec<u8> {
    read_whole(flate2::bufread::MultiGzDecoder::new(open(file)), file)
}

fn unzip(file: &Path) -> Vec<u8> {
    let mut archive = readable(zip::ZipArchive::new(open(file)), file);
    read_whole(readable(archive.by_index(0), file), file)
}

fn open_archive(file: &Path) -> Archive {
    let ending = file.extension().and_then(|ending| ending.to_str());
    let tar: Box<dyn Read> = match ending {
        Some("zst") => Box::new(readable(zstd::Decoder::with_buffer(open(file)), file)),
        Some("xz") => Box::new(unpacked_xz(file)),
        _ => panic!("{}: neither .tar.zst nor .tar.xz", file.display()),
    };
    tar::Archive::new(tar)
}

/// The decoder writes everything at once, and some archives hold hundreds of megabytes: to a file.
fn unpacked_xz(file: &Path) -> impl Read + use<> {
    let mut plain = BufWriter::new(readable(tempfile::tempfile(), file));
    readable(lzma_rs::xz_decompress(&mut open(file), &mut plain), file);
    let mut plain = readable(plain.into_inner(), file);
    readable(plain.rewind(), file);
    BufReader::new(plain)
}

fn archived_files(file: &Path, wanted: impl Fn(&str) -> bool) -> Vec<(String, Vec<u8>)> {
    let mut archive = open_archive(file);
    let mut found = Vec::new();
    for entry in readable(archive.entries(), file) {
        let entry = readable(entry, file);
        let name = readable(entry.path(), file).to_string_lossy().into_owned();
        if entry.header().entry_type().is_file() && wanted(&name) {
            found.push((name, read_whole(entry, file)));
        }
    }
    found
}

#[cfg(test)]
mod tests;
