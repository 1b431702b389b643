//! Where the data is that nobody here wrote.

use std::io::Write;
use std::path::{Path, PathBuf};

/// A path in the shared data, or nothing, after saying what is skipped and how to get it.
///
/// # Panics
/// If it is missing and `FRESNEL_REQUIRE_SHARED=1` asks for nothing to be skipped.
pub(crate) fn path(below: &str, what: &str) -> Option<PathBuf> {
    let root = match std::env::var_os("FRESNEL_SHARED") {
        Some(folder) => PathBuf::from(folder),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared"),
    };
    let path = root.join(below);
    if path.exists() {
        return Some(path);
    }
    let required = std::env::var_os("FRESNEL_REQUIRE_SHARED").is_some_and(|value| value == "1");
    assert!(!required, "{} is missing", path.display());
    say(&format!(
        "SKIPPED {what}: {} is missing. Put the shared data beside the repository or name its \
         folder in FRESNEL_SHARED.",
        path.display()
    ));
    None
}

/// Prints a line that the test harness does not swallow.
pub(crate) fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}
