//! Finalized history as era files: out of one data folder and into another.

#![allow(
    clippy::unwrap_used,
    reason = "what cannot happen ends the test, also in its functions"
)]

mod support;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use support::*;

/// Slots of an era of the minimal preset.
const ERA: usize = 64;

/// A chain of three complete eras and a bit more that makes the third final.
const CHAIN: [&str; 8] = [
    "--slots",
    "226",
    "--seed",
    "5",
    "--skip-percent",
    "12",
    "--deposits",
    "9",
];

/// Imports blocks into a data folder, which is made with the genesis of `chain`.
fn import_blocks(chain: &Path, datadir: &Path, blocks: &[PathBuf]) -> Run {
    let genesis = chain.join("genesis.ssz");
    let mut args = vec!["node", "--network-dir", text(chain), "--datadir"];
    args.extend([text(datadir), "--genesis-state", text(&genesis)]);
    args.extend([
        "--exit-after-import",
        "--no-http",
        "--no-metrics",
        "--import",
    ]);
    args.extend(blocks.iter().map(|path| text(path)));
    fresnel(args).ok()
}

fn export(datadir: &Path, out: &Path) -> Run {
    fresnel([
        "era",
        "export",
        "--datadir",
        text(datadir),
        "--out",
        text(out),
    ])
}

fn import_eras(chain: &Path, datadir: &Path, files: &[&Path], options: &[&str]) -> Run {
    let mut args = vec!["era", "import", "--network-dir", text(chain)];
    args.extend(["--datadir", text(datadir)]);
    args.extend(options);
    args.extend(files.iter().map(|path| text(path)));
    fresnel(args)
}

fn verify(chain: &Path, files: &[&Path]) -> Run {
    let mut args = vec!["era", "verify", "--network-dir", text(chain)];
    args.extend(files.iter().map(|path| text(path)));
    fresnel(args)
}

/// The files of a folder by their names.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = std::fs::read_dir(folder).unwrap();
    entries
        .map(|entry| entry.unwrap().path())
        .map(|path| {
            let name = text(path.file_name().unwrap().as_ref()).to_owned();
            (name, std::fs::read(&path).unwrap())
        })
        .collect()
}

#[test]
fn eras_go_out_and_into_a_fresh_folder_and_out_again() {
    let scratch = tempfile::tempdir().unwrap();
    let at = |name: &str| scratch.path().join(name);
    let chain = make_chain(scratch.path(), "chain", &CHAIN);
    import_blocks(&chain, &at("one"), std::slice::from_ref(&chain));
    let said = export(&at("one"), &at("eras")).ok();
    assert!(said.stdout.contains("4 eras, 4 of them new"), "{said:?}");
    let eras = files(&at("eras"));
    assert_eq!(eras.len(), 4);
    let said = export(&at("one"), &at("eras")).ok();
    assert!(said.stdout.contains("4 eras, 0 of them new"), "{said:?}");
    let said = verify(&chain, &[&at("eras")]).ok();
    assert!(said.stdout.contains("4 files"), "{said:?}");

    // The blocks of the files are the chain's, by the replay of either.
    let last = block_files(&chain)
        .into_iter()
        .rfind(|path| slot_of(path) < 3 * ERA)
        .unwrap();
    let until = slot_of(&last).to_string();
    let from_blocks = replay_with(&chain, &[&chain], &["--until", &until]).ok();
    let from_eras = replay_with(&chain, &[&at("eras")], &[]).ok();
    assert_eq!(from_blocks.line("head"), from_eras.line("head"));
    assert_eq!(from_blocks.line("state root"), from_eras.line("state root"));

    for (folder, options) in [("two", [].as_slice()), ("three", &["--verify", "roots"])] {
        let datadir = at(folder);
        import_eras(&chain, &datadir, &[&at("eras")], options).ok();
        // The third era is not final by its own blocks.
        let again = at(&format!("{folder}-eras"));
        export(&datadir, &again).ok();
        let found = files(&again);
        assert_eq!(found.len(), 3);
        assert!(found.iter().all(|(name, bytes)| eras[name] == *bytes));
        let later: Vec<_> = block_files(&chain)
            .into_iter()
            .filter(|path| slot_of(path) >= 3 * ERA)
            .collect();
        import_blocks(&chain, &datadir, &later);
        export(&datadir, &again).ok();
        assert_eq!(files(&again), eras);
        let said = import_eras(&chain, &datadir, &[&at("eras")], options).ok();
        assert!(said.stdout.contains("there already"), "{said:?}");
    }
}

/// The slot in the name of a block file.
fn slot_of(path: &Path) -> usize {
    let name = text(path.file_name().unwrap().as_ref());
    name.strip_prefix("block_").unwrap()[..6].parse().unwrap()
}

#[test]
fn era_0_alone_makes_a_data_folder() {
    let scratch = tempfile::tempdir().unwrap();
    let at = |name: &str| scratch.path().join(name);
    let chain = make_chain(scratch.path(), "chain", &["--slots", "3"]);
    import_blocks(&chain, &at("one"), std::slice::from_ref(&chain));
    export(&at("one"), &at("eras")).ok();
    let eras = files(&at("eras"));
    assert_eq!(eras.len(), 1);
    let zero = at("eras").join(eras.keys().next().unwrap());
    import_eras(&chain, &at("two"), &[&zero], &[]).ok();
    export(&at("two"), &at("again")).ok();
    assert_eq!(files(&at("again")), eras);
}

#[test]
fn unsound_files_are_refused_by_name() {
    let scratch = tempfile::tempdir().unwrap();
    let at = |name: &str| scratch.path().join(name);
    let chain = make_chain(scratch.path(), "chain", &CHAIN);
    import_blocks(&chain, &at("one"), std::slice::from_ref(&chain));
    export(&at("one"), &at("eras")).ok();
    let eras: Vec<_> = files(&at("eras")).into_iter().collect();
    let damaged = at("damaged.era");
    for flip in [3, 40, 2_000, eras[2].1.len() - 60] {
        let mut bytes = eras[2].1.clone();
        bytes[flip] ^= 4;
        std::fs::write(&damaged, bytes).unwrap();
        let refused = verify(&chain, &[&damaged]);
        assert!(refused.refusal().contains(text(&damaged)), "{refused:?}");
        let refused = import_eras(
            &chain,
            &at("new"),
            &[&at("eras").join(&eras[0].0), &damaged],
            &[],
        );
        assert!(refused.refusal().contains(text(&damaged)), "{refused:?}");
        assert!(!at("new").join("finalized").exists());
    }

    let other = make_chain(scratch.path(), "other", &["--slots", "226", "--seed", "6"]);
    import_blocks(&other, &at("other-data"), std::slice::from_ref(&other));
    export(&at("other-data"), &at("other-eras")).ok();
    let theirs = files(&at("other-eras")).into_keys().nth(2).unwrap();
    let theirs = at("other-eras").join(theirs);
    let refused = verify(&chain, &[&at("eras").join(&eras[1].0), &theirs]);
    assert_eq!(refused.code, 1);
    assert!(refused.stderr.contains("does not continue"), "{refused:?}");

    let refused = export(&at("nowhere"), &at("out"));
    assert!(refused.refusal().contains("nowhere"), "{refused:?}");
}
