//! The folder layout of the vectors: which cases there are and what each is called.

use crate::archive::{file_name, read_folder};
use anyhow::Result;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The first folder of the official layout.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Config {
    General,
    Mainnet,
    Minimal,
}

impl Config {
    pub(crate) fn parse(name: &str) -> Option<Config> {
        match name {
            "general" => Some(Config::General),
            "mainnet" => Some(Config::Mainnet),
            "minimal" => Some(Config::Minimal),
            _ => None,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Config::General => "general",
            Config::Mainnet => "mainnet",
            Config::Minimal => "minimal",
        }
    }
}

/// What cases are counted by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Group {
    pub(crate) config: Config,
    pub(crate) runner: String,
    pub(crate) handler: String,
}

/// One case: a folder, or a single file of the BLS pack.
#[derive(Clone, Debug)]
pub(crate) struct Located {
    /// The path below the root, with `/`: the name of the test.
    pub(crate) name: String,
    pub(crate) path: PathBuf,
    pub(crate) group: Group,
}

/// Everything below some roots.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    pub(crate) cases: Vec<Located>,
    /// Folders of other forks with the number of their cases.
    pub(crate) out_of_scope: BTreeMap<String, usize>,
    /// Folders that are no part of the official layout.
    pub(crate) unknown: Vec<String>,
}

/// The fork this program implements.
const FORK: &str = "phase0";

/// Finds all cases below `roots`.
pub(crate) fn discover(roots: &[PathBuf]) -> Result<Tree> {
    let mut tree = Tree::default();
    for root in roots {
        let tests = root.join("tests");
        let mut official = vec![
            (tests.clone(), "tests"),
            (root.join("compliance"), "compliance"),
        ];
        if !tests.is_dir() {
            official.push((root.clone(), "tests"));
        }
        for (folder, name) in official {
            configs(&mut tree, &folder, name)?;
        }
        bls_pack(&mut tree, &root.join("bls12-381-tests/bls"))?;
        chains(&mut tree, &root.join("chains"))?;
    }
    tree.cases.sort_by(|a, b| a.name.cmp(&b.name));
    tree.cases.dedup_by(|a, b| a.name == b.name);
    Ok(tree)
}

/// The subfolders of `folder` with their names; none if it is not there.
fn subfolders(folder: &Path) -> Result<Vec<(String, PathBuf)>> {
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let mut found = Vec::new();
    for path in read_folder(folder)? {
        if path.is_dir() {
            found.push((file_name(&path)?, path));
        }
    }
    Ok(found)
}

/// `<config>/<fork>/...`. A root that is not the `tests` folder itself has other folders too, so
/// only below a folder named so is an unknown one reported.
fn configs(tree: &mut Tree, folder: &Path, name: &str) -> Result<()> {
    let strict = folder.ends_with("tests");
    for (config_name, path) in subfolders(folder)? {
        let Some(config) = Config::parse(&config_name) else {
            if strict {
                tree.unknown.push(format!("{name}/{config_name}"));
            }
            continue;
        };
        for (fork, path) in subfolders(&path)? {
            let prefix = format!("{name}/{config_name}/{fork}");
            if fork == FORK {
                runners(tree, config, &prefix, &path)?;
            } else {
                tree.out_of_scope.insert(prefix, count_cases(&path)?);
            }
        }
    }
    Ok(())
}

/// `<runner>/<handler>/<suite>/<case>`
fn runners(tree: &mut Tree, config: Config, prefix: &str, folder: &Path) -> Result<()> {
    for (runner, path) in subfolders(folder)? {
        for (handler, path) in subfolders(&path)? {
            let group = Group {
                config,
                runner: runner.clone(),
                handler: handler.clone(),
            };
            for (suite, path) in subfolders(&path)? {
                for (case, path) in subfolders(&path)? {
                    tree.cases.push(Located {
                        name: format!("{prefix}/{runner}/{handler}/{suite}/{case}"),
                        path,
                        group: group.clone(),
                    });
                }
            }
        }
    }
    Ok(())
}

fn count_cases(fork: &Path) -> Result<usize> {
    let mut count = 0;
    for (_, runner) in subfolders(fork)? {
        for (_, handler) in subfolders(&runner)? {
            for (_, suite) in subfolders(&handler)? {
                count += subfolders(&suite)?.len();
            }
        }
    }
    Ok(count)
}

/// `<handler>/<case>.yaml`
fn bls_pack(tree: &mut Tree, folder: &Path) -> Result<()> {
    for (handler, path) in subfolders(folder)? {
        for file in read_folder(&path)? {
            tree.cases.push(Located {
                name: format!("bls12-381-tests/bls/{handler}/{}", file_name(&file)?),
                path: file,
                group: Group {
                    config: Config::General,
                    runner: "bls12-381-tests".into(),
                    handler: handler.clone(),
                },
            });
        }
    }
    Ok(())
}

/// One folder per chain, its name beginning with the preset.
fn chains(tree: &mut Tree, folder: &Path) -> Result<()> {
    for (chain, path) in subfolders(folder)? {
        let preset = chain.split('-').next().unwrap_or_default();
        let name = format!("chains/{chain}");
        match Config::parse(preset) {
            Some(config) => tree.cases.push(Located {
                name,
                path,
                group: Group {
                    config,
                    runner: "chains".into(),
                    handler: "replay".into(),
                },
            }),
            None => tree.unknown.push(name),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn make(root: &Path, folders: &[&str]) {
        for folder in folders {
            fs::create_dir_all(root.join(folder)).expect("made");
        }
    }

    const CASES: [&str; 2] = [
        "minimal/phase0/sanity/slots/pyspec_tests/one",
        "general/phase0/bls/sign/bls/two",
    ];

    #[test]
    fn the_tests_folder_may_be_the_root_or_below_it() {
        let folder = tempfile::tempdir().expect("temporary folder");
        make(&folder.path().join("tests"), &CASES);
        let below = discover(&[folder.path().into()]).expect("readable");
        let itself = discover(&[folder.path().join("tests")]).expect("readable");
        for tree in [below, itself] {
            let names: Vec<_> = tree.cases.iter().map(|case| case.name.as_str()).collect();
            assert_eq!(
                names,
                [
                    "tests/general/phase0/bls/sign/bls/two",
                    "tests/minimal/phase0/sanity/slots/pyspec_tests/one"
                ]
            );
            assert_eq!(tree.cases[1].group.config, Config::Minimal);
            assert_eq!(tree.cases[1].group.runner, "sanity");
        }
    }

    #[test]
    fn other_forks_are_listed_and_unknown_configs_reported() {
        let folder = tempfile::tempdir().expect("temporary folder");
        make(
            folder.path(),
            &[
                "tests/minimal/altair/sanity/slots/s/one",
                "tests/minimal/altair/sanity/slots/s/two",
                "tests/gnosis/phase0/sanity/slots/s/one",
                "chains/moon-7",
            ],
        );
        let tree = discover(&[folder.path().into()]).expect("readable");
        assert!(tree.cases.is_empty());
        assert_eq!(tree.out_of_scope["tests/minimal/altair"], 2);
        assert_eq!(tree.unknown, ["tests/gnosis", "chains/moon-7"]);
    }
}
