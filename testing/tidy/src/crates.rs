//! Rules on crates: which may use which, and what stays out of the pure ones.

use std::io;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::Finding;
use crate::repository::relative;

/// Which of the workspace's crates a crate may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MayUse {
    /// Those in the folders named here.
    Only(&'static [&'static str]),
    /// All: the program, and the tests.
    All,
}

/// Every crate by its folder, and the folders of the crates it may use. A crate that is not here
/// is a finding, so that a new one takes its place in the order first; some are still to come.
pub const LAYERS: &[(&str, MayUse)] = &[
    ("consensus/kernels", MayUse::Only(&[])),
    ("consensus", MayUse::Only(&["consensus/kernels"])),
    ("fork_choice", MayUse::Only(&["consensus"])),
    ("store/segment_map", MayUse::Only(&[])),
    ("store/rows", MayUse::Only(&["consensus"])),
    (
        "store",
        MayUse::Only(&["consensus", "store/rows", "store/segment_map"]),
    ),
    (
        "beacon_node/chain",
        MayUse::Only(&["consensus", "fork_choice", "store/rows"]),
    ),
    ("beacon_node/sync", MayUse::Only(&["consensus"])),
    (
        "beacon_node/network",
        MayUse::Only(&["consensus", "beacon_node/chain"]),
    ),
    ("http_api/types", MayUse::Only(&["consensus"])),
    (
        "http_api",
        MayUse::Only(&[
            "consensus",
            "fork_choice",
            "store/rows",
            "beacon_node/chain",
            "store",
            "http_api/types",
        ]),
    ),
    ("validator_client/keys", MayUse::Only(&["consensus"])),
    (
        "validator_client/slashing_protection",
        MayUse::Only(&["consensus"]),
    ),
    (
        "validator_client",
        MayUse::Only(&[
            "consensus",
            "http_api/types",
            "validator_client/keys",
            "validator_client/slashing_protection",
        ]),
    ),
    ("beacon_node/fresnel", MayUse::All),
    ("testing/chain_maker", MayUse::All),
    ("testing/mutations", MayUse::All),
    ("testing/shared_inputs", MayUse::Only(&[])),
    ("testing/spec_tests", MayUse::All),
    ("testing/sim", MayUse::All),
    ("testing/bench", MayUse::All),
    ("testing/fuzz", MayUse::All),
    ("testing/interop", MayUse::All),
    ("testing/tidy", MayUse::All),
];

/// The crates without clock, I/O, environment, logging or randomness of their own, by folder.
pub const PURE: [&str; 4] = [
    "consensus",
    "fork_choice",
    "beacon_node/chain",
    "beacon_node/sync",
];

/// Packages that stay out of everything a pure crate is built from.
pub const NOT_IN_PURE: [&str; 10] = [
    "tokio", "libp2p", "discv5", "warp", "hyper", "redb", "memmap2", "tracing", "log", "rand",
];

/// The crates that may hold unsafe code, by folder.
pub const UNSAFE: [&str; 2] = ["consensus/kernels", "store/segment_map"];

/// One crate of the workspace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its package name.
    pub name: String,
    /// Its folder from the repository's root, with `/`.
    pub folder: String,
    /// The folders of the workspace's crates it uses, and whether only its tests do.
    pub uses: Vec<(String, bool)>,
    /// The root files of its library, programs and build script, from the repository's root.
    pub roots: Vec<String>,
}

/// Crates that use what they may not, and crates that `layers` does not know. A crate's tests may
/// use the testing crates as well.
pub fn wrong_uses(members: &[Member], layers: &[(&str, MayUse)]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for member in members {
        let folder = member.folder.as_str();
        let Some((_, may_use)) = layers.iter().find(|(known, _)| *known == folder) else {
            findings.push(Finding::new(folder, "a crate that the layers do not name"));
            continue;
        };
        let MayUse::Only(allowed) = may_use else {
            continue;
        };
        for (used, in_tests) in &member.uses {
            let for_tests = *in_tests && used.starts_with("testing/");
            if !allowed.contains(&used.as_str()) && !for_tests {
                findings.push(Finding::new(folder, format!("may not use {used}")));
            }
        }
    }
    findings
}

/// Which of `forbidden` are in `tree`, the package names that a crate is built from.
pub fn forbidden_packages(member: &str, tree: &[String], forbidden: &[&str]) -> Vec<Finding> {
    tree.iter()
        .filter(|package| forbidden.contains(&package.as_str()))
        .map(|package| Finding::new(member, format!("is built from {package}, but is pure")))
        .collect()
}

/// The workspace's crates, as cargo tells them.
///
/// # Errors
/// Cargo does not run or its answer is not understood.
pub fn members(root: &Path) -> io::Result<Vec<Member>> {
    let text = cargo(root, &["metadata", "--no-deps", "--format-version", "1"])?;
    let metadata: Value = serde_json::from_str(&text)?;
    let packages = array(&metadata, "packages");
    Ok(packages.iter().map(|json| member(root, json)).collect())
}

fn member(root: &Path, package: &Value) -> Member {
    let path = |value: &Value, key: &str| {
        let path = value[key].as_str().unwrap_or_default();
        relative(root, Path::new(path))
    };
    let manifest = path(package, "manifest_path");
    let folder = manifest.strip_suffix("/Cargo.toml").unwrap_or(&manifest);
    let uses = array(package, "dependencies")
        .iter()
        .filter(|dependency| dependency["path"].is_string())
        .map(|dependency| (path(dependency, "path"), dependency["kind"] == "dev"))
        .collect();
    let roots = array(package, "targets")
        .iter()
        .filter(|target| {
            let kinds = array(target, "kind").iter().filter_map(Value::as_str);
            kinds
                .into_iter()
                .any(|kind| !matches!(kind, "test" | "bench" | "example"))
        })
        .map(|target| path(target, "src_path"))
        .collect();
    Member {
        name: package["name"].as_str().unwrap_or_default().to_owned(),
        folder: folder.to_owned(),
        uses,
        roots,
    }
}

fn array<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value[key].as_array().map_or(&[], Vec::as_slice)
}

/// The names of all packages that are linked into a crate, without those its macros use.
///
/// # Errors
/// Cargo does not run.
pub fn linked_packages(root: &Path, name: &str) -> io::Result<Vec<String>> {
    let arguments = [
        "tree",
        "--package",
        name,
        "--edges",
        "normal,no-proc-macro",
        "--prefix",
        "none",
        "--format",
        "{p}",
    ];
    let mut names: Vec<String> = cargo(root, &arguments)?
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .map(str::to_owned)
        .collect();
    names.sort();
    names.dedup();
    Ok(names)
}

fn cargo(root: &Path, arguments: &[&str]) -> io::Result<String> {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(program)
        .args(arguments)
        .arg("--locked")
        .current_dir(root)
        .output()?;
    if !output.status.success() {
        let message = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err(io::Error::other(message));
    }
    String::from_utf8(output.stdout).map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(folder: &str, uses: &[(&str, bool)]) -> Member {
        Member {
            name: "x".to_owned(),
            folder: folder.to_owned(),
            uses: uses
                .iter()
                .map(|(used, in_tests)| ((*used).to_owned(), *in_tests))
                .collect(),
            roots: Vec::new(),
        }
    }

    #[test]
    fn uses_against_the_order_are_found() {
        let refused = |member: Member| wrong_uses(&[member], LAYERS).len();
        assert_eq!(refused(user("fork_choice", &[("consensus", false)])), 0);
        assert_eq!(refused(user("consensus", &[("fork_choice", false)])), 1);
        assert_eq!(
            refused(user("consensus", &[("testing/chain_maker", true)])),
            0
        );
        assert_eq!(
            refused(user("consensus", &[("testing/chain_maker", false)])),
            1
        );
        assert_eq!(refused(user("consensus", &[("fork_choice", true)])), 1);
        assert_eq!(refused(user("elsewhere", &[])), 1);
        assert_eq!(refused(user("beacon_node/fresnel", &[("store", false)])), 0);
    }

    #[test]
    fn the_layers_name_only_each_other() {
        for (folder, may_use) in LAYERS {
            let MayUse::Only(allowed) = may_use else {
                continue;
            };
            for used in *allowed {
                let known = LAYERS.iter().any(|(layer, _)| layer == used);
                assert!(known, "{folder} may use {used}, which is no crate");
            }
        }
        let folders = LAYERS.iter().map(|(folder, _)| folder);
        for listed in PURE.iter().chain(&UNSAFE) {
            assert!(folders.clone().any(|folder| folder == listed), "{listed}");
        }
    }

    #[test]
    fn forbidden_packages_are_found() {
        let tree = ["blst".to_owned(), "tokio".to_owned()];
        assert_eq!(forbidden_packages("x", &tree, &NOT_IN_PURE).len(), 1);
        assert!(forbidden_packages("x", &tree[..1], &NOT_IN_PURE).is_empty());
    }
}
