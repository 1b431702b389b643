//! Files written whole or not at all.

use anyhow::Context;
use consensus::BeaconState;
use std::io::Write;
use std::path::Path;

/// Writes a state as SSZ, or as JSON if the file's name ends in `.json`.
pub(crate) fn write_state(path: &Path, state: &BeaconState) -> anyhow::Result<()> {
    let bytes = match path.extension().is_some_and(|ending| ending == "json") {
        true => serde_json::to_vec_pretty(&state.to_json())?,
        false => state.as_ssz_bytes(),
    };
    write_file(path, &bytes)
}

/// Writes a file under another name beside its place and then moves it there.
pub(crate) fn write_file(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let write = || {
        let mut file = tempfile::NamedTempFile::new_in(folder_of(path))?;
        file.write_all(bytes)?;
        file.as_file().sync_all()?;
        file.persist(path)?;
        std::io::Result::Ok(())
    };
    write().with_context(|| format!("{}: cannot be written", path.display()))
}

/// Refuses early, before any work is done for it, a file that could not be written.
pub(crate) fn check_writable(path: &Path) -> anyhow::Result<()> {
    let folder = folder_of(path);
    if path.is_dir() || !folder.is_dir() {
        anyhow::bail!(
            "{}: no file can be written there; name a file in an existing folder",
            path.display()
        );
    }
    Ok(())
}

pub(crate) fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    }
}
