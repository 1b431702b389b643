//! The files of blocks that paths stand for, in order of their slots.

use super::blocks::first_slot;
use anyhow::{Context, bail};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// A file of blocks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BlockFile {
    /// Where it is.
    pub(crate) path: PathBuf,
    /// Its length, bytes.
    pub(crate) length: u64,
}

/// The files that the paths name and those in the folders they name, by the slot of their first
/// block; of one slot, in the order given. Files without a block are left out.
pub(crate) fn collect(paths: &[PathBuf]) -> anyhow::Result<Vec<BlockFile>> {
    let mut files = Vec::new();
    for path in paths {
        match path.is_dir() {
            true => files.extend(files_of(path)?),
            false => files.push(path.clone()),
        }
    }
    let mut ordered = Vec::with_capacity(files.len());
    for path in files {
        if let Some(slot) = first_slot(&path)? {
            let length = std::fs::metadata(&path).map_or(0, |metadata| metadata.len());
            ordered.push((slot, BlockFile { path, length }));
        }
    }
    if ordered.is_empty() {
        let names: Vec<_> = paths
            .iter()
            .map(|path| path.display().to_string())
            .collect();
        bail!(
            "{}: there is no block in it; check the path",
            names.join(", ")
        );
    }
    ordered.sort_by_key(|(slot, _)| *slot);
    Ok(ordered.into_iter().map(|(_, file)| file).collect())
}

/// The files of a folder that by their names hold blocks, sorted by name.
fn files_of(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let name = folder.display();
    let entries = std::fs::read_dir(folder)
        .and_then(Iterator::collect::<std::io::Result<Vec<_>>>)
        .with_context(|| format!("{name}: the folder cannot be read"))?;
    let mut files: Vec<_> = entries
        .into_iter()
        .filter(|entry| holds_blocks(&entry.file_name()))
        .map(|entry| entry.path())
        .filter(|path| path.is_file())
        .collect();
    if files.is_empty() {
        bail!("{name}: the folder holds no .ssz, .ssz.gz or .era file of blocks; check the path");
    }
    files.sort();
    Ok(files)
}

/// Chains come with states beside the blocks: those are told by their names, so that a damaged block
/// is never taken for something that can be left out.
fn holds_blocks(name: &OsStr) -> bool {
    let Some(name) = name.to_str() else {
        return false;
    };
    let Some(stem) = [".ssz", ".ssz.gz", ".era"]
        .iter()
        .find_map(|ending| name.strip_suffix(ending))
    else {
        return false;
    };
    !stem.starts_with("genesis") && !stem.ends_with("state")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_blocks_are_told_by_name() {
        for name in [
            "block_000001.ssz",
            "000001.ssz",
            "7.ssz.gz",
            "mainnet-00001-40cf2f3c.era",
        ] {
            assert!(holds_blocks(OsStr::new(name)), "{name}");
        }
        for name in [
            "genesis.ssz",
            "genesis.ssz.gz",
            "head_state.ssz",
            "chain.json",
            "config.yaml",
        ] {
            assert!(!holds_blocks(OsStr::new(name)), "{name}");
        }
    }
}
