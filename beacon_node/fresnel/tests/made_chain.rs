//! Chains that the program makes itself: made again they are the same, and they verify in every form
//! in which blocks can be given.

#![allow(
    clippy::unwrap_used,
    reason = "what cannot happen ends the test, also in its functions"
)]

mod support;

use std::path::PathBuf;
use support::*;

const EVERYTHING: [&str; 16] = [
    "--slots",
    "96",
    "--seed",
    "11",
    "--skip-percent",
    "10",
    "--participation",
    "90",
    "--deposits",
    "20",
    "--exits",
    "3",
    "--slashings",
    "4",
    "--forks",
    "4",
];

#[test]
fn a_made_chain_verifies_and_is_made_again_the_same() {
    let scratch = tempfile::tempdir().unwrap();
    let chain = make_chain(scratch.path(), "one", &EVERYTHING);
    let again = make_chain(scratch.path(), "two", &EVERYTHING);
    let other = make_chain(scratch.path(), "other", &["--slots", "96", "--seed", "12"]);

    let run = replay(&chain).ok();
    let json = std::fs::read(chain.join("chain.json")).unwrap();
    let json: serde_json::Value = serde_json::from_slice(&json).unwrap();
    let head = &json["head"];
    let text_of = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    assert_eq!(run.line("state root"), text_of(&head["state_root"]));
    assert!(
        run.line("head").ends_with(&text_of(&head["block_root"])),
        "{run:?}"
    );
    assert!(
        run.line("finalized")
            .ends_with(&text_of(&head["finalized_checkpoint"]["root"]))
    );
    assert!(
        head["finalized_checkpoint"]["epoch"].as_u64().unwrap() >= 7,
        "{head}"
    );
    // Side branches have deposits as well, but no exits and slashings.
    assert!(
        run.line("imported")
            .contains(" deposits, 3 exits, 4 slashings")
    );
    let blocks = json["blocks"].as_array().unwrap();
    assert_eq!(blocks.len(), block_files(&chain).len());
    assert!(
        blocks
            .iter()
            .filter(|block| block["on_chain"] == false)
            .count()
            >= 4
    );

    let contents = |folder: &std::path::Path| {
        let entries = std::fs::read_dir(folder).unwrap();
        let mut files: Vec<_> = entries
            .map(|entry| entry.unwrap())
            .map(|entry| (entry.file_name(), std::fs::read(entry.path()).unwrap()))
            .collect();
        files.sort();
        files
    };
    assert!(
        contents(&chain) == contents(&again),
        "the same seed made other bytes"
    );
    assert!(
        contents(&chain) != contents(&other),
        "another seed made the same bytes"
    );
    let leftovers = std::fs::read_dir(scratch.path()).unwrap().count();
    assert_eq!(leftovers, 3, "something besides the three chains was left");
}

#[test]
fn blocks_in_every_form_give_the_same_chain() {
    let scratch = tempfile::tempdir().unwrap();
    let chain = make_chain(scratch.path(), "chain", &["--slots", "30", "--forks", "2"]);
    let expected = replay(&chain).ok().report();
    let files = block_files(&chain);
    let blocks: Vec<_> = files
        .iter()
        .map(|path| std::fs::read(path).unwrap())
        .collect();
    let json: Vec<serde_json::Value> = files
        .iter()
        .map(|path| {
            let args = ["debug", "pretty", "--type", "SignedBeaconBlock", text(path)];
            serde_json::from_str(&fresnel(args).ok().stdout).unwrap()
        })
        .collect();
    let forms = [
        ("prefixed.bin", length_prefixed(&blocks)),
        ("prefixed.bin.gz", gzip(&length_prefixed(&blocks))),
        ("chain.era", era(&blocks)),
        ("chain.era.gz", gzip(&era(&blocks))),
        ("blocks.json", serde_json::to_vec(&json).unwrap()),
        ("blocks.json.gz", gzip(&serde_json::to_vec(&json).unwrap())),
        (
            "envelope.json",
            serde_json::to_vec(&serde_json::json!({ "data": json })).unwrap(),
        ),
    ];
    for (name, bytes) in forms {
        let path = scratch.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        let run = replay_with(&chain, &[&path], &[]).ok();
        assert_eq!(run.report(), expected, "{name}");
    }
    // Single files in the worst order, gzipped without a telling name, and some of them twice.
    let mut single = Vec::new();
    for (number, block) in blocks.iter().enumerate().rev() {
        let path = scratch.path().join(format!("{number}.bin"));
        std::fs::write(&path, gzip(block)).unwrap();
        single.push(path);
    }
    single.push(files[3].clone());
    single.push(files[20].clone());
    let single: Vec<_> = single.iter().map(PathBuf::as_path).collect();
    let run = replay_with(&chain, &single, &[]).ok();
    assert_eq!(
        run.report(),
        expected.replace(", 0 known already", ", 2 known already")
    );
}

#[test]
fn genesis_states_in_every_form() {
    let scratch = tempfile::tempdir().unwrap();
    let chain = make_chain(scratch.path(), "chain", &["--slots", "4"]);
    let expected = replay(&chain).ok().report();
    let genesis = chain.join("genesis.ssz");
    let ssz = std::fs::read(&genesis).unwrap();
    let args = [
        "debug",
        "pretty",
        "--network",
        "minimal",
        "--type",
        "BeaconState",
        text(&genesis),
    ];
    let json = fresnel(args).ok().stdout.into_bytes();
    let forms = [
        ("state.gz", gzip(&ssz)),
        ("state.zip", zip("genesis.ssz", &ssz)),
        ("state.json", json.clone()),
        ("no-telling-name", json.clone()),
        ("json.gz", gzip(&json)),
    ];
    for (name, bytes) in forms {
        let path = scratch.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        let run = fresnel([
            "replay",
            "--network-dir",
            text(&chain),
            "--genesis-state",
            text(&path),
            "--blocks",
            text(&chain),
        ]);
        assert_eq!(run.ok().report(), expected, "{name}");
    }
}

#[test]
fn until_ends_early() {
    let scratch = tempfile::tempdir().unwrap();
    let chain = make_chain(scratch.path(), "chain", &["--slots", "20"]);
    let post = scratch.path().join("post.json");
    let run = replay_with(&chain, &[&chain], &["--until", "9", "--post", text(&post)]).ok();
    assert!(run.line("head").starts_with("slot 9 "), "{run:?}");
    let args = [
        "debug",
        "root",
        "--network",
        "minimal",
        "--type",
        "BeaconState",
        text(&post),
    ];
    assert_eq!(fresnel(args).ok().stdout.trim(), run.line("state root"));
}

#[test]
fn a_network_that_left_phase_0_is_followed_to_there() {
    let scratch = tempfile::tempdir().unwrap();
    let chain = make_chain(scratch.path(), "chain", &["--slots", "20"]);
    let config = chain.join("config.yaml");
    let text = std::fs::read_to_string(&config).unwrap();
    let far = format!("ALTAIR_FORK_EPOCH: {}", u64::MAX);
    assert!(text.contains(&far));
    std::fs::write(&config, text.replace(&far, "ALTAIR_FORK_EPOCH: 2")).unwrap();
    let run = replay(&chain).ok();
    assert!(run.line("head").starts_with("slot 15 "), "{run:?}");
    assert!(
        run.stderr.contains("the network leaves phase 0 at slot 16"),
        "{run:?}"
    );
}
