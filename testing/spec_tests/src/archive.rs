//! Unpacks the vector archives once into a cache, and finds the folders to run.

use anyhow::{Context, Result, anyhow, bail, ensure};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// What one archive may unpack to, in bytes: the official ones stay below 200 MB each.
const MAX_UNPACKED: u64 = 4 << 30;
/// Name of the file that says that a folder of the cache is complete.
const MARKER: &str = "COMPLETE";

/// The folders to look for vectors in: `vectors` itself and every archive in it, unpacked below
/// `cache`. If `SHA256SUMS` lies beside the archives, each must be in it and agree with it.
pub(crate) fn roots(vectors: &Path, cache: &Path) -> Result<Vec<PathBuf>> {
    ensure!(
        vectors.is_dir(),
        "{} is not a folder: name one that holds `tests/` or the vector archives",
        vectors.display()
    );
    let mut archives = Vec::new();
    for entry in read_folder(vectors)? {
        if entry.to_string_lossy().ends_with(".tar.zst") {
            archives.push(entry);
        }
    }
    let sums = checksums(vectors)?;
    let mut roots = vec![vectors.to_path_buf()];
    for archive in archives {
        let root = unpack(&archive, sums.as_ref(), cache)
            .with_context(|| format!("{}: fetch it anew", archive.display()))?;
        roots.push(root);
    }
    Ok(roots)
}

/// The entries of a folder, sorted.
pub(crate) fn read_folder(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut entries = Vec::new();
    let listing =
        fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))?;
    for entry in listing {
        entries.push(entry?.path());
    }
    entries.sort();
    Ok(entries)
}

fn checksums(vectors: &Path) -> Result<Option<BTreeMap<String, String>>> {
    let path = vectors.join("SHA256SUMS");
    if !path.is_file() {
        return Ok(None);
    }
    let text =
        fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut sums = BTreeMap::new();
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        let (sum, name) = line
            .split_once(char::is_whitespace)
            .ok_or_else(|| anyhow!("{}: line `{line}` is not a checksum", path.display()))?;
        let name = name.trim_start().trim_start_matches('*');
        sums.insert(name.to_owned(), sum.to_ascii_lowercase());
    }
    Ok(Some(sums))
}

fn unpack(
    archive: &Path,
    sums: Option<&BTreeMap<String, String>>,
    cache: &Path,
) -> Result<PathBuf> {
    let name = file_name(archive)?;
    let sum = digest(archive)?;
    if let Some(sums) = sums {
        let expected = sums
            .get(&name)
            .ok_or_else(|| anyhow!("{name} is not in SHA256SUMS"))?;
        ensure!(
            *expected == sum,
            "checksum of {name} is {sum}, SHA256SUMS has {expected}"
        );
    }
    let place = cache.join(&sum);
    if is_complete(&place, &sum) {
        return Ok(place);
    }
    fs::create_dir_all(cache).with_context(|| format!("cannot make {}", cache.display()))?;
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let turn = NEXT.fetch_add(1, Ordering::Relaxed);
    let scratch = cache.join(format!("{sum}.{}.{turn}.part", std::process::id()));
    let result = unpack_new(archive, &sum, &scratch, &place);
    if result.is_err() {
        // The first error says more than a failed removal would.
        let _ = fs::remove_dir_all(&scratch);
    }
    result.map(|()| place)
}

/// Unpacks beside the final place and renames: a folder of the cache is complete or not there,
/// whoever else unpacks the same archive at the same time.
fn unpack_new(archive: &Path, sum: &str, scratch: &Path, place: &Path) -> Result<()> {
    if scratch.exists() {
        fs::remove_dir_all(scratch)?;
    }
    fs::create_dir_all(scratch)?;
    let file = fs::File::open(archive)?;
    let decoder = zstd::Decoder::new(file)?;
    extract(decoder, scratch, MAX_UNPACKED)?;
    fs::write(scratch.join(MARKER), sum)?;
    if fs::rename(scratch, place).is_ok() || is_complete(place, sum) {
        let _ = fs::remove_dir_all(scratch);
        return Ok(());
    }
    // Something incomplete or foreign is in the place: make way for ours.
    fs::remove_dir_all(place).with_context(|| format!("cannot replace {}", place.display()))?;
    if fs::rename(scratch, place).is_err() {
        ensure!(is_complete(place, sum), "cannot make {}", place.display());
        let _ = fs::remove_dir_all(scratch);
    }
    Ok(())
}

fn is_complete(place: &Path, sum: &str) -> bool {
    fs::read_to_string(place.join(MARKER)).is_ok_and(|marker| marker == sum)
}

fn digest(path: &Path) -> Result<String> {
    let mut file = fs::File::open(path)?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        let count = file.read(&mut buffer)?;
        if count == 0 {
            return Ok(const_hex::encode(hasher.finalize()));
        }
        hasher.update(&buffer[..count]);
    }
}

/// Unpacks files and folders of a tar stream below `folder`, at most `limit` bytes. Links, devices
/// and paths that leave the folder are refused.
fn extract(stream: impl Read, folder: &Path, limit: u64) -> Result<()> {
    let mut total = 0u64;
    let mut archive = tar::Archive::new(stream);
    for entry in archive.entries()? {
        let mut entry = entry.context("the archive is damaged")?;
        let path = entry.path()?.into_owned();
        let stays = path
            .components()
            .all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
        ensure!(stays, "entry `{}` leaves the folder", path.display());
        let target = folder.join(&path);
        let kind = entry.header().entry_type();
        if kind.is_dir() {
            fs::create_dir_all(&target)?;
        } else if kind.is_file() {
            total = total.saturating_add(entry.size());
            ensure!(
                total <= limit,
                "the archive unpacks to more than {limit} bytes"
            );
            if let Some(parent) = target.parent() {
                fs::create_dir_all(parent)?;
            }
            let mut file = fs::File::create(&target)?;
            io::copy(&mut entry, &mut file).context("the archive is damaged")?;
        } else {
            bail!("entry `{}` is neither a file nor a folder", path.display());
        }
    }
    Ok(())
}

/// The last part of a path as text.
pub(crate) fn file_name(path: &Path) -> Result<String> {
    path.file_name()
        .and_then(|name| name.to_str())
        .map(str::to_owned)
        .ok_or_else(|| anyhow!("{} has no readable name", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tar_of(path: &str, kind: tar::EntryType) -> Vec<u8> {
        let mut header = tar::Header::new_gnu();
        let raw = header.as_old_mut();
        raw.name[..path.len()].copy_from_slice(path.as_bytes());
        header.set_entry_type(kind);
        header.set_size(3);
        header.set_mode(0o644);
        header.set_cksum();
        let mut builder = tar::Builder::new(Vec::new());
        builder.append(&header, &b"abc"[..]).expect("in memory");
        builder.into_inner().expect("in memory")
    }

    fn write_archive(folder: &Path, content: &[u8]) -> PathBuf {
        let path = folder.join("pack.tar.zst");
        fs::write(&path, zstd::encode_all(content, 3).expect("in memory")).expect("written");
        path
    }

    #[test]
    fn entries_that_leave_the_folder_are_refused() {
        let folder = tempfile::tempdir().expect("temporary folder");
        for path in ["../evil", "/evil", "a/../../evil"] {
            let error = extract(
                &tar_of(path, tar::EntryType::Regular)[..],
                folder.path(),
                100,
            )
            .expect_err("refused");
            assert!(error.to_string().contains("leaves the folder"), "{error}");
        }
        let error = extract(
            &tar_of("link", tar::EntryType::Symlink)[..],
            folder.path(),
            100,
        )
        .expect_err("refused");
        assert!(error.to_string().contains("neither a file nor a folder"));
        let error = extract(
            &tar_of("big", tar::EntryType::Regular)[..],
            folder.path(),
            2,
        )
        .expect_err("refused");
        assert!(error.to_string().contains("more than 2 bytes"));
    }

    #[test]
    fn archives_unpack_once_and_only_with_the_right_checksum() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let cache = folder.path().join("cache");
        let vectors = folder.path().join("vectors");
        fs::create_dir_all(&vectors).expect("made");
        let archive = write_archive(&vectors, &tar_of("tests/a", tar::EntryType::Regular));
        let sum = digest(&archive).expect("readable");
        fs::write(vectors.join("SHA256SUMS"), format!("{sum}  pack.tar.zst\n")).expect("written");

        let found = roots(&vectors, &cache).expect("unpacks");
        assert_eq!(fs::read(found[1].join("tests/a")).expect("there"), b"abc");
        fs::write(found[1].join("tests/a"), b"kept").expect("written");
        roots(&vectors, &cache).expect("is there");
        assert_eq!(fs::read(found[1].join("tests/a")).expect("there"), b"kept");

        fs::write(
            vectors.join("SHA256SUMS"),
            format!("{}  pack.tar.zst\n", "0".repeat(64)),
        )
        .expect("written");
        let error = format!("{:#}", roots(&vectors, &cache).expect_err("refused"));
        assert!(error.contains("SHA256SUMS has 0000"), "{error}");
        fs::write(vectors.join("SHA256SUMS"), "").expect("written");
        assert!(roots(&vectors, &cache).is_err());
    }

    #[test]
    fn a_damaged_archive_leaves_nothing_behind() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let cache = folder.path().join("cache");
        let archive = write_archive(folder.path(), &tar_of("tests/a", tar::EntryType::Regular));
        let bytes = fs::read(&archive).expect("readable");
        fs::write(&archive, &bytes[..bytes.len() / 2]).expect("written");
        assert!(roots(folder.path(), &cache).is_err());
        assert_eq!(read_folder(&cache).expect("listed"), Vec::<PathBuf>::new());
    }

    #[test]
    fn an_incomplete_folder_in_the_cache_is_replaced() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let cache = folder.path().join("cache");
        let archive = write_archive(folder.path(), &tar_of("tests/a", tar::EntryType::Regular));
        let place = cache.join(digest(&archive).expect("readable"));
        fs::create_dir_all(place.join("tests")).expect("made");
        let found = roots(folder.path(), &cache).expect("unpacks");
        assert_eq!(fs::read(found[1].join("tests/a")).expect("there"), b"abc");
    }

    #[test]
    fn processes_may_race() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let cache = folder.path().join("cache");
        let archive = write_archive(folder.path(), &tar_of("tests/a", tar::EntryType::Regular));
        let sum = digest(&archive).expect("readable");
        let place = cache.join(&sum);
        fs::create_dir_all(&cache).expect("made");
        std::thread::scope(|scope| {
            for racer in 0..4 {
                let (archive, sum, place) = (&archive, &sum, &place);
                let scratch = cache.join(format!("{sum}.{racer}.part"));
                scope.spawn(move || unpack_new(archive, sum, &scratch, place).expect("unpacks"));
            }
        });
        assert!(is_complete(&place, &sum));
        assert_eq!(read_folder(&cache).expect("listed"), [place]);
    }
}
