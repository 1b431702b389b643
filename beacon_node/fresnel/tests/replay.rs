//! Chains that nobody here made are verified to the last byte.

#![allow(
    clippy::unwrap_used,
    reason = "what cannot happen ends the test, also in its functions"
)]

mod support;

use std::path::Path;
use support::*;

/// Root of the last block in a peer's `chain.json`, which is a list of blocks.
fn last_block_root(folder: &Path) -> String {
    let chain = std::fs::read(folder.join("chain.json")).unwrap();
    let chain: Vec<serde_json::Value> = serde_json::from_slice(&chain).unwrap();
    chain.last().unwrap()["block_root"]
        .as_str()
        .unwrap()
        .to_owned()
}

#[test]
fn mainnet_blocks_apply_to_mainnets_genesis() {
    let Some(data) = shared_inputs::path("chaindata", "`replay` of mainnet's first blocks") else {
        return;
    };
    let genesis = data.join("genesis/mainnet/genesis.ssz.zip");
    let blocks = data.join("mainnet-blocks");
    let file = |slot: u64| blocks.join(format!("slot-{slot}.signed-beacon-block.ssz"));
    let json = blocks.join("lodestar-backfill-blocks.slots-1-3.json");
    let replay = |blocks: &[&Path]| {
        let start = [
            "replay",
            "--network",
            "mainnet",
            "--genesis-state",
            text(&genesis),
            "--blocks",
        ];
        fresnel(
            start
                .into_iter()
                .chain(blocks.iter().map(|path| text(path))),
        )
    };
    // The last one first: files are taken by slot. Slot 0 is genesis itself.
    let (zero, one, two, three) = (file(0), file(1), file(2), file(3));
    let run = replay(&[&three, &one, &zero, &two]).ok();
    let last = std::fs::read(file(3)).unwrap();
    let state_root = consensus::Root::from_slice(&last[148..180]).to_string();
    assert_eq!(run.line("state root"), state_root);
    assert!(run.line("head").starts_with("slot 3 "));
    assert!(
        run.line("imported")
            .starts_with("3 blocks up to slot 3, 1 known already; 37 attestations, 0 not counted")
    );
    let from_json = replay(&[&json]).ok();
    assert_eq!(from_json.line("head"), run.line("head"));
    // Blocks 8 and 9 do not follow on.
    let gap = replay(&[&json, &file(8)]);
    assert!(
        gap.refusal()
            .contains("slot-8.signed-beacon-block.ssz: the block of slot 8: its parent 0x")
    );
    assert!(
        gap.refusal()
            .contains("is missing; give the parent's file too")
    );
}

#[test]
fn a_chain_of_1200_blocks_and_32768_validators() {
    let Some(teku) = shared_inputs::path("chaindata/teku", "`replay` of 1,200 blocks") else {
        return;
    };
    let file = |name: &str| teku.join(format!("chain-32768v-phase0.{name}"));
    let index = std::fs::read_to_string(file("index.0001-1200.csv")).unwrap();
    let last: Vec<_> = index.lines().last().unwrap().split(',').collect();
    let (state_root, block_root) = (last[3], last[6]);
    let run = fresnel([
        "replay",
        "--network-dir",
        text(&teku),
        "--genesis-state",
        text(&file("genesis-state.ssz.gz")),
        "--blocks",
        text(&file("blocks-0001-1200.u32be-len-prefixed.ssz.gz")),
    ])
    .ok();
    assert_eq!(run.line("head"), format!("slot 1200  {block_root}"));
    assert_eq!(run.line("state root"), state_root);
    assert!(run.line("justified").starts_with("epoch 36 "));
    assert!(run.line("finalized").starts_with("epoch 35 "));
    assert!(
        run.line("imported")
            .contains("9584 attestations, 0 not counted")
    );
}

#[test]
fn chains_of_another_client_end_in_its_own_state() {
    let chains = [
        (
            "mainnet-128",
            "325 blocks up to slot 325",
            "0 deposits, 0 exits",
        ),
        (
            "minimal-deposits-exits",
            "79 blocks up to slot 79",
            "8 deposits, 2 exits",
        ),
        (
            "minimal-eras",
            "245 blocks up to slot 284",
            "0 deposits, 0 exits",
        ),
    ];
    for (name, blocks, operations) in chains {
        let archive = format!("chaindata/lodestar/{name}.tar.xz");
        let Some(mut archive) = shared_inputs::archive(archive, "`replay` of Lodestar's chains")
        else {
            return;
        };
        let scratch = tempfile::tempdir().unwrap();
        archive.unpack(scratch.path()).unwrap();
        let folder = scratch.path().join(name);
        let post = scratch.path().join("post.ssz");
        let run = replay_with(&folder, &[&folder], &["--post", text(&post)]).ok();
        assert!(
            run.line("head").ends_with(&last_block_root(&folder)),
            "{name}: {run:?}"
        );
        assert!(run.line("imported").starts_with(blocks), "{name}: {run:?}");
        assert!(run.line("imported").contains(operations), "{name}: {run:?}");
        let theirs = std::fs::read(folder.join("head_state.ssz")).unwrap();
        assert!(
            std::fs::read(&post).unwrap() == theirs,
            "{name}: another state"
        );
        assert!(
            run.stderr
                .contains("13 keys are not of phase 0 and not used"),
            "{name}: {run:?}"
        );
    }
}

#[test]
fn generated_chains_end_in_their_final_states() {
    let archive = "vectors/phase0-chains.tar.zst";
    let Some(mut archive) = shared_inputs::archive(archive, "`replay` of generated chains") else {
        return;
    };
    let scratch = tempfile::tempdir().unwrap();
    archive.unpack(scratch.path()).unwrap();
    for preset in ["mainnet", "minimal"] {
        let config = format!("PRESET_BASE: {preset}\nCONFIG_NAME: generated\n");
        let folder = scratch.path().join(preset);
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("config.yaml"), config).unwrap();
    }
    let chains = std::fs::read_dir(scratch.path().join("chains")).unwrap();
    let mut count = 0;
    for chain in chains {
        let chain = chain.unwrap().path();
        let yaml = std::fs::read_to_string(chain.join("chain.yaml")).unwrap();
        let last = |key: &str| {
            let rest = yaml.split("\nfinal:").nth(1).unwrap();
            let line = rest.lines().find_map(|line| line.trim().strip_prefix(key));
            line.unwrap().trim().trim_matches('\'').to_owned()
        };
        let preset = yaml
            .lines()
            .find_map(|line| line.strip_prefix("preset: "))
            .unwrap();
        let post = scratch.path().join("post.ssz");
        let run = fresnel([
            "replay",
            "--network-dir",
            text(&scratch.path().join(preset)),
            "--genesis-state",
            text(&chain.join("genesis.ssz")),
            "--blocks",
            text(&chain.join("blocks")),
            "--post",
            text(&post),
        ])
        .ok();
        let name = chain.display();
        assert!(
            run.line("head").ends_with(&last("head_block_root:")),
            "{name}: {run:?}"
        );
        assert_eq!(run.line("state root"), last("state_root:"), "{name}");
        let finalized = format!("epoch {} ", last("finalized_epoch:"));
        assert!(
            run.line("finalized").starts_with(&finalized),
            "{name}: {run:?}"
        );
        let theirs = std::fs::read(chain.join("final_state.ssz")).unwrap();
        assert!(
            std::fs::read(&post).unwrap() == theirs,
            "{name}: another state"
        );
        count += 1;
    }
    assert_eq!(count, 5);
}
