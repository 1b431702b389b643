//! The bans on clocks, I/O, environment and randomised maps in the pure crates: clippy enforces
//! them through the `clippy.toml` in each crate's folder; the rules here keep those in effect.

use crate::Finding;

/// What every pure crate's `clippy.toml` must ban, as path beginnings: `std::fs::` is met by any
/// path below it.
pub const REQUIRED: [&str; 14] = [
    "std::collections::HashMap",
    "std::collections::HashSet",
    "std::hash::RandomState",
    "std::time::Instant",
    "std::time::SystemTime",
    "std::env::",
    "std::fs::",
    "std::net::",
    "std::process::",
    "std::thread::spawn",
    "std::thread::sleep",
    "std::println",
    "rand::rng",
    "rand::thread_rng",
];

/// Required bans that a `clippy.toml` lacks.
pub fn missing_bans(path: &str, toml: &str) -> Vec<Finding> {
    let banned: Vec<&str> = toml
        .lines()
        .map(str::trim)
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once("path = \"")?.1.split('"').next())
        .collect();
    REQUIRED
        .iter()
        .filter(|required| match required.strip_suffix("::") {
            Some(_) => !banned.iter().any(|banned| banned.starts_with(*required)),
            None => !banned.contains(required),
        })
        .map(|required| Finding::new(path, format!("does not ban {required}")))
        .collect()
}

/// Files whose content differs from the first one's.
pub fn differing(files: &[(String, String)]) -> Vec<Finding> {
    let Some(((first, content), others)) = files.split_first() else {
        return Vec::new();
    };
    others
        .iter()
        .filter(|(_, other)| other != content)
        .map(|(path, _)| Finding::new(path, format!("must be equal to {first}")))
        .collect()
}

/// A manifest that does not take the workspace's lints, so that its crate would be unchecked.
pub fn inherits_lints(path: &str, manifest: &str) -> Option<Finding> {
    let inherits = manifest
        .split_once("[lints]")
        .and_then(|(_, rest)| rest.trim_start().lines().next())
        .is_some_and(|line| line.trim() == "workspace = true");
    (!inherits).then(|| Finding::new(path, "no `[lints] workspace = true`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_bans_are_found() {
        let full: String = REQUIRED
            .iter()
            .map(|ban| match ban.strip_suffix("::") {
                Some(module) => format!("    {{ path = \"{module}::x\", reason = \"r\" }},\n"),
                None => format!("    {{ path = \"{ban}\", reason = \"r\" }},\n"),
            })
            .collect();
        assert!(missing_bans("a", &full).is_empty());
        let lacking = full.replace("    { path = \"std::time::Instant", "#   { path = \"");
        assert_eq!(
            missing_bans("a", &lacking),
            [Finding::new("a", "does not ban std::time::Instant")]
        );
        assert_eq!(missing_bans("a", "").len(), REQUIRED.len());
    }

    #[test]
    fn differing_files_are_found() {
        let file = |path: &str, text: &str| (path.to_owned(), text.to_owned());
        assert!(differing(&[file("a", "x"), file("b", "x")]).is_empty());
        assert_eq!(differing(&[file("a", "x"), file("b", "y")])[0].place, "b");
    }

    #[test]
    fn unchecked_crates_are_found() {
        assert!(inherits_lints("a", "[lints]\nworkspace = true\n").is_none());
        assert!(inherits_lints("a", "[package]\nworkspace = true\n").is_some());
        assert!(inherits_lints("a", "[lints]\nrust.x = \"allow\"\n").is_some());
    }
}
