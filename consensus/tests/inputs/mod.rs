//! The shared inputs that tests read: found by `FRESNEL_SHARED` or beside the repository.
#![allow(
    dead_code,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::disallowed_macros,
    reason = "tests do the input and output that the crate must not, each its part of it"
)]

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

/// A file or folder of the shared inputs. When it is missing, says what is skipped.
///
/// # Panics
/// If it is missing and `FRESNEL_REQUIRE_SHARED` is `1`.
pub(crate) fn shared(path: &str, skipped: &str) -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared");
    let folder = std::env::var_os("FRESNEL_SHARED").map_or_else(beside, PathBuf::from);
    let found = folder.join(path);
    if found.exists() {
        return Some(found);
    }
    let required = std::env::var_os("FRESNEL_REQUIRE_SHARED").is_some_and(|value| value == "1");
    let missing = found.display();
    assert!(
        !required,
        "{missing} is missing and FRESNEL_REQUIRE_SHARED=1"
    );
    println!("skipped: {skipped}: {missing} is missing (set FRESNEL_SHARED)");
    None
}

/// The bytes of a shared file.
pub(crate) fn shared_bytes(path: &str, skipped: &str) -> Option<Vec<u8>> {
    shared(path, skipped).map(|file| std::fs::read(file).unwrap())
}

/// The text of a shared file.
pub(crate) fn shared_text(path: &str, skipped: &str) -> Option<String> {
    shared(path, skipped).map(|file| std::fs::read_to_string(file).unwrap())
}

/// All files below a shared folder, sorted.
pub(crate) fn shared_files(path: &str, skipped: &str) -> Option<Vec<PathBuf>> {
    let mut folders = vec![shared(path, skipped)?];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => folders.push(path),
                false => files.push(path),
            }
        }
    }
    files.sort();
    Some(files)
}

/// The files of a shared `tar.zst` or `tar.xz` whose path is `wanted`; `.ssz_snappy` decompressed.
pub(crate) fn archived(
    path: &str,
    skipped: &str,
    wanted: impl Fn(&str) -> bool,
) -> Option<Vec<(String, Vec<u8>)>> {
    let archive = shared(path, skipped)?;
    let mut file = BufReader::new(File::open(&archive).unwrap());
    if archive
        .extension()
        .is_some_and(|extension| extension == "zst")
    {
        return Some(entries(zstd::Decoder::new(file).unwrap(), wanted));
    }
    let mut tar = Vec::new();
    lzma_rs::xz_decompress(&mut file, &mut tar).unwrap();
    Some(entries(tar.as_slice(), wanted))
}

fn entries(tar: impl Read, wanted: impl Fn(&str) -> bool) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in tar::Archive::new(tar).entries().unwrap() {
        let mut entry = entry.unwrap();
        let name = entry.path().unwrap().to_str().unwrap().to_owned();
        if !wanted(&name) {
            continue;
        }
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        if name.ends_with(".ssz_snappy") {
            bytes = snap::raw::Decoder::new().decompress_vec(&bytes).unwrap();
        }
        found.push((name, bytes));
    }
    found
}
