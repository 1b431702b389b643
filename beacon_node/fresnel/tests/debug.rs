//! The debug commands.

#![allow(
    clippy::unwrap_used,
    reason = "what cannot happen ends the test, also in its functions"
)]

mod support;

use std::path::{Path, PathBuf};
use support::*;

fn transition(chain: &Path, pre: &Path, blocks: &[&Path], options: &[&str]) -> Run {
    let mut args = vec![
        "debug",
        "transition",
        "--network-dir",
        text(chain),
        "--pre",
        text(pre),
        "--blocks",
    ];
    args.extend(blocks.iter().map(|path| text(path)));
    args.extend(options);
    fresnel(args)
}

fn state_root(chain: &Path, state: &Path) -> String {
    let args = [
        "debug",
        "root",
        "--network-dir",
        text(chain),
        "--type",
        "BeaconState",
        text(state),
    ];
    fresnel(args).ok().stdout.trim().to_owned()
}

#[test]
fn transition_and_skip_slots_agree_with_replay() {
    let scratch = tempfile::tempdir().unwrap();
    let chain = make_chain(scratch.path(), "chain", &["--slots", "12"]);
    let expected = replay(&chain).ok();
    let genesis = chain.join("genesis.ssz");
    let (middle, end) = (
        scratch.path().join("middle.json"),
        scratch.path().join("end.ssz"),
    );
    let files = block_files(&chain);
    let files: Vec<_> = files.iter().map(PathBuf::as_path).collect();
    let (first, rest) = files.split_at(5);
    transition(&chain, &genesis, first, &["--post", text(&middle)]).ok();
    let run = transition(&chain, &middle, rest, &["--post", text(&end)]).ok();
    assert_eq!(state_root(&chain, &end), expected.line("state root"));
    assert_eq!(run.stdout.lines().count(), rest.len() + 1);

    let by_count = [
        "debug",
        "skip-slots",
        "--network-dir",
        text(&chain),
        "--pre",
        text(&end),
        "--slots",
        "9",
    ];
    let to_slot = [
        "debug",
        "skip-slots",
        "--network-dir",
        text(&chain),
        "--pre",
        text(&end),
        "--to-slot",
        "21",
    ];
    let (by_count, to_slot) = (fresnel(by_count).ok(), fresnel(to_slot).ok());
    assert_eq!(by_count.stdout, to_slot.stdout);
    assert!(by_count.stdout.starts_with("slot 21  state root 0x"));
    let back = [
        "debug",
        "skip-slots",
        "--network-dir",
        text(&chain),
        "--pre",
        text(&end),
        "--to-slot",
        "12",
    ];
    assert!(fresnel(back).refusal().contains("SlotNotAdvanced"));
}

#[test]
fn refusals_name_the_assertion() {
    let scratch = tempfile::tempdir().unwrap();
    let chain = make_chain(scratch.path(), "chain", &["--slots", "3"]);
    let genesis = chain.join("genesis.ssz");
    let files = block_files(&chain);
    let original = std::fs::read(&files[0]).unwrap();
    let altered = scratch.path().join("altered.ssz");
    let post = scratch.path().join("post.ssz");
    // Bytes of the signed block: signature at 4, slot at 100, proposer at 108, parent root at 116,
    // state root at 148, RANDAO reveal at 184.
    let cases: [(usize, &[&str], &str); 6] = [
        (20, &[], "ProposerSignatureInvalid"),
        (108, &["--no-signatures"], "ProposerIndexMismatch"),
        (116, &["--no-signatures"], "ParentRootMismatch"),
        (148, &["--no-signatures"], "StateRootMismatch"),
        (190, &["--no-signatures"], "StateRootMismatch"),
        (190, &[], "ProposerSignatureInvalid"),
    ];
    for (at, options, name) in cases {
        let mut bytes = original.clone();
        bytes[at] ^= 1;
        std::fs::write(&altered, bytes).unwrap();
        let options: Vec<_> = options
            .iter()
            .copied()
            .chain(["--post", text(&post)])
            .collect();
        let run = transition(&chain, &genesis, &[&altered], &options);
        let sentence = run.refusal();
        assert!(
            sentence.contains(&format!(
                "altered.ssz: the block of slot 1: invalid, {name}: "
            )),
            "byte {at}: {sentence}"
        );
        assert!(!post.exists(), "byte {at}");
    }
    let mut bytes = original;
    bytes[150] ^= 1;
    std::fs::write(&altered, bytes).unwrap();
    transition(
        &chain,
        &genesis,
        &[&altered],
        &["--no-signatures", "--no-state-roots"],
    )
    .ok();
}

#[test]
fn pretty_and_root_agree_between_ssz_and_json() {
    let scratch = tempfile::tempdir().unwrap();
    let chain = make_chain(scratch.path(), "chain", &["--slots", "2"]);
    let block = &block_files(&chain)[1];
    let run = |command: &str, path: &Path| {
        fresnel(["debug", command, "--type", "SignedBeaconBlock", text(path)])
            .ok()
            .stdout
    };
    let json = scratch.path().join("block.json");
    std::fs::write(&json, run("pretty", block)).unwrap();
    assert_eq!(run("root", &json), run("root", block));
    assert_eq!(run("pretty", &json), run("pretty", block));
    let value: serde_json::Value = serde_json::from_slice(&std::fs::read(&json).unwrap()).unwrap();
    assert_eq!(value["message"]["slot"], "2");

    let wrong = fresnel(["debug", "root", "--type", "Attestation", text(block)]);
    assert!(wrong.refusal().contains("this is no Attestation in SSZ"));
    let unknown = fresnel(["debug", "root", "--type", "Block", text(block)]);
    assert!(
        unknown
            .refusal()
            .contains("there is no type 'Block': choose one of BeaconState, ")
    );
}

#[test]
fn config_prints_what_is_in_effect() {
    let scratch = tempfile::tempdir().unwrap();
    let yaml =
        "PRESET_BASE: minimal\nCONFIG_NAME: tiny\nSECONDS_PER_SLOT: 3\nBELLATRIX_FORK_EPOCH: 7\n";
    std::fs::write(scratch.path().join("config.yaml"), yaml).unwrap();
    let run = fresnel(["debug", "config", "--network-dir", text(scratch.path())]).ok();
    for line in [
        "SLOT_DURATION_MS: 3000",
        "SLOTS_PER_EPOCH: 8",
        "CONFIG_NAME: 'tiny'",
    ] {
        assert!(
            run.stdout.lines().any(|found| found == line),
            "{line}: {run:?}"
        );
    }
    assert!(
        run.stderr
            .contains("1 keys are not of phase 0 and not used: BELLATRIX_FORK_EPOCH"),
        "{run:?}"
    );
    // What it prints can be read again, and then nothing is left to defaults.
    let again = scratch.path().join("again");
    std::fs::create_dir_all(&again).unwrap();
    std::fs::write(again.join("config.yaml"), &run.stdout).unwrap();
    let second = fresnel(["debug", "config", "--network-dir", text(&again)]).ok();
    assert!(!second.stdout.contains("with the default of"), "{second:?}");
    assert_eq!(second.stderr, "");
}

#[test]
fn spec_test_reports_and_ends_by_its_result() {
    let empty = tempfile::tempdir().unwrap();
    let run = fresnel(["spec-test", "--vectors", text(empty.path())]);
    assert_eq!(run.code, 1, "{run:?}");
    assert_eq!(
        run.stdout.lines().last(),
        Some("0 passed, 1 failed"),
        "{run:?}"
    );
    let Some(vectors) = shared_inputs::path("vectors", "`spec-test` of the shuffling vectors")
    else {
        return;
    };
    let args = [
        "spec-test",
        "--vectors",
        text(&vectors),
        "--filter",
        "minimal/phase0/shuffling",
    ];
    let run = fresnel(args).ok();
    assert!(
        run.stdout
            .lines()
            .last()
            .unwrap()
            .ends_with(" passed, 0 failed"),
        "{run:?}"
    );
    let run = fresnel(args.into_iter().chain(["--sabotage"]));
    assert_eq!(run.code, 1);
    assert!(
        run.stdout.lines().last().unwrap().starts_with("0 passed, "),
        "{run:?}"
    );
}

#[test]
fn usage_errors_end_with_2() {
    for args in [
        vec!["replay"],
        vec![
            "replay",
            "--network",
            "mainnet",
            "--network-dir",
            "x",
            "--genesis-state",
            "g",
            "--blocks",
            "b",
        ],
        vec!["debug", "skip-slots", "--network", "minimal", "--pre", "s"],
        vec![
            "debug",
            "make-chain",
            "--network",
            "minimal",
            "--out",
            "x",
            "--skip-percent",
            "100",
        ],
        vec!["no-such-command"],
    ] {
        assert_eq!(fresnel(&args).code, 2, "{args:?}");
    }
    let version = fresnel(["--version"]).ok().stdout;
    assert!(
        version.starts_with("fresnel ") && version.contains("\nsha256: "),
        "{version}"
    );
}
