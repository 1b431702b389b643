//! The shared inputs: found by `FRESNEL_SHARED` or beside the repository.
#![allow(dead_code, reason = "each test uses its part")]

use std::path::{Path, PathBuf};

/// A shared file. When it is missing, says what is skipped.
///
/// # Panics
/// If it is missing and `FRESNEL_REQUIRE_SHARED` is `1`.
pub(crate) fn file(path: &str, skipped: &str) -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared");
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
pub(crate) fn bytes(path: &str, skipped: &str) -> Option<Vec<u8>> {
    file(path, skipped).map(|file| std::fs::read(file).unwrap())
}

/// The text of a shared file.
pub(crate) fn text(path: &str, skipped: &str) -> Option<String> {
    file(path, skipped).map(|file| std::fs::read_to_string(file).unwrap())
}
