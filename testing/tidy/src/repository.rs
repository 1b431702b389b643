//! The repository's files.

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::source::{Layers, Production};

/// Folders that are not the project's text.
const SKIPPED: [&str; 2] = [".git", "target"];

/// The repository's root folder. Cargo names this crate's folder when it runs the tests; the one
/// known when they were compiled may be that of another copy with the same target folder.
pub fn root() -> PathBuf {
    let folder = env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), PathBuf::from);
    match folder.ancestors().nth(2) {
        Some(root) => root.to_path_buf(),
        None => folder,
    }
}

/// One text file of the repository.
#[derive(Clone, Debug)]
pub struct TextFile {
    /// Its path from the root, with `/`.
    pub path: String,
    /// What it holds.
    pub text: String,
}

impl TextFile {
    /// Whether its name ends with a dot and `extension`.
    pub fn has_extension(&self, extension: &str) -> bool {
        Path::new(&self.path)
            .extension()
            .is_some_and(|found| found == extension)
    }
}

/// All files below `root` that are UTF-8, in the order of their paths.
///
/// # Errors
/// A folder or file that cannot be read.
pub fn text_files(root: &Path) -> io::Result<Vec<TextFile>> {
    let mut files = Vec::new();
    let mut folders = vec![root.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder)? {
            let entry = entry?;
            let kind = entry.file_type()?;
            let name = entry.file_name();
            if kind.is_dir() && !SKIPPED.iter().any(|skipped| name == *skipped) {
                folders.push(entry.path());
            } else if kind.is_file()
                && let Ok(text) = String::from_utf8(fs::read(entry.path())?)
            {
                let path = relative(root, &entry.path());
                files.push(TextFile { path, text });
            }
        }
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}

/// `path` from `root`, with `/` on every system.
pub fn relative(root: &Path, path: &Path) -> String {
    let inside = path.strip_prefix(root).unwrap_or(path);
    let parts: Vec<_> = inside
        .components()
        .map(|part| part.as_os_str().to_string_lossy())
        .collect();
    parts.join("/")
}

/// One Rust file, seen by the scanner.
#[derive(Clone, Debug)]
pub struct RustFile {
    /// Its path from the root, with `/`.
    pub path: String,
    /// What it holds.
    pub text: String,
    /// Its code and its comments.
    pub layers: Layers,
    /// Its code outside of tests; blank for a file of tests.
    pub production: String,
}

/// The Rust files among `files`, with tests told from production code: `tests`, `benches` and
/// `examples` folders beside `src`, and everything below `#[cfg(test)]`.
pub fn rust_files(files: &[TextFile]) -> Vec<RustFile> {
    let mut test_modules = BTreeSet::new();
    let mut rust: Vec<RustFile> = files
        .iter()
        .filter(|file| file.has_extension("rs"))
        .map(|file| {
            let layers = Layers::of(&file.text);
            let production = Production::of(&layers.code);
            let folder = children_folder(&file.path);
            let declared = production.test_modules.iter();
            test_modules.extend(declared.map(|name| format!("{folder}/{name}")));
            RustFile {
                path: file.path.clone(),
                text: file.text.clone(),
                layers,
                production: production.code,
            }
        })
        .collect();
    for file in &mut rust {
        let in_test_module = test_modules
            .iter()
            .filter_map(|module| file.path.strip_prefix(module.as_str()))
            .any(|rest| rest == ".rs" || rest.starts_with('/'));
        if in_test_module || beside_src(&file.path) {
            file.production = String::new();
        }
    }
    rust
}

/// The folder where the child modules of a file lie.
fn children_folder(path: &str) -> String {
    let stem = path.strip_suffix(".rs").unwrap_or(path);
    match stem.rsplit_once('/') {
        Some((folder, "lib" | "main" | "mod")) => folder.to_owned(),
        _ => stem.to_owned(),
    }
}

fn beside_src(path: &str) -> bool {
    let crate_part = path
        .split_once("/src/")
        .map_or(path, |(crate_part, _)| crate_part);
    ["/tests/", "/benches/", "/examples/"]
        .iter()
        .any(|folder| crate_part.contains(folder))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, text: &str) -> TextFile {
        TextFile {
            path: path.into(),
            text: text.into(),
        }
    }

    #[test]
    fn tests_are_told_from_production() {
        let files = rust_files(&[
            file(
                "a/src/lib.rs",
                "fn lib() {}\n#[cfg(test)]\nmod oracle;\nmod b;",
            ),
            file("a/src/oracle.rs", "fn oracle() {}"),
            file("a/src/oracle/deep.rs", "fn deep() {}"),
            file("a/src/b.rs", "#[cfg(test)]\nmod tests;"),
            file("a/src/b/tests.rs", "fn tests() {}"),
            file("a/src/tests.rs", "fn not_a_test() {}"),
            file("a/tests/x.rs", "fn integration() {}"),
            file("testing/t/src/y.rs", "fn testing() {}"),
            file("README.md", "fn readme() {}"),
        ]);
        let production: Vec<&str> = files
            .iter()
            .filter(|file| file.production.contains("fn "))
            .map(|file| file.path.as_str())
            .collect();
        assert_eq!(
            production,
            ["a/src/lib.rs", "a/src/tests.rs", "testing/t/src/y.rs"]
        );
    }

    #[test]
    fn the_root_holds_the_workspace() {
        assert!(root().join("Cargo.lock").is_file());
    }
}
