//! Damaged, wrong and hostile files: one sentence with the file and what to do, exit code 1, and
//! nothing written.

#![allow(
    clippy::unwrap_used,
    reason = "what cannot happen ends the test, also in its functions"
)]

mod support;

use std::path::{Path, PathBuf};
use support::*;

/// A made chain, and a folder where a run must leave nothing.
struct Bench {
    scratch: tempfile::TempDir,
    chain: PathBuf,
    blocks: Vec<Vec<u8>>,
}

impl Bench {
    fn new(options: &[&str]) -> Bench {
        let scratch = tempfile::tempdir().unwrap();
        let chain = make_chain(scratch.path(), "chain", options);
        std::fs::create_dir_all(scratch.path().join("out")).unwrap();
        let files = block_files(&chain);
        let blocks = files.iter().map(|path| std::fs::read(path).unwrap());
        Bench {
            blocks: blocks.collect(),
            scratch,
            chain,
        }
    }

    fn genesis(&self) -> PathBuf {
        self.chain.join("genesis.ssz")
    }

    fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.scratch.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }

    /// A replay that must be refused without leaving anything; returns the sentence.
    fn refused(&self, network: &[&str], genesis: &Path, blocks: &Path) -> String {
        let out = self.scratch.path().join("out");
        let post = out.join("post.ssz");
        let mut args = vec!["replay"];
        args.extend(network);
        args.extend(["--genesis-state", text(genesis), "--blocks", text(blocks)]);
        args.extend(["--post", text(&post)]);
        let run = fresnel(args);
        let sentence = run.refusal().to_owned();
        assert_eq!(std::fs::read_dir(&out).unwrap().count(), 0, "{sentence}");
        sentence
    }

    fn refused_blocks(&self, blocks: &Path) -> String {
        self.refused(
            &["--network-dir", text(&self.chain)],
            &self.genesis(),
            blocks,
        )
    }

    fn refused_genesis(&self, genesis: &Path) -> String {
        self.refused(&["--network-dir", text(&self.chain)], genesis, &self.chain)
    }
}

/// The sentence names the file and holds these words.
fn check(sentence: &str, file: &str, words: &str) {
    assert!(sentence.contains(file), "no '{file}' in: {sentence}");
    assert!(sentence.contains(words), "no '{words}' in: {sentence}");
}

#[test]
fn damaged_genesis_states() {
    let bench = Bench::new(&["--slots", "3"]);
    let ssz = std::fs::read(bench.genesis()).unwrap();
    let zipped = zip("genesis.ssz", &ssz);
    let cases: [(&str, Vec<u8>, &str); 11] = [
        ("empty.ssz", vec![], "the file is empty; get it again"),
        (
            "short.ssz",
            ssz[..1000].to_vec(),
            "this is no minimal-preset state",
        ),
        (
            "cut.ssz",
            ssz[..ssz.len() - 1].to_vec(),
            "this is no minimal-preset state",
        ),
        (
            "long.ssz",
            [&ssz[..], &[0]].concat(),
            "this is no minimal-preset state",
        ),
        (
            "cut.gz",
            gzip(&ssz)[..500].to_vec(),
            "the gzip file is damaged or cut short; get it again",
        ),
        (
            "cut.zip",
            zipped[..500].to_vec(),
            "the zip archive is damaged or cut short; get it again",
        ),
        (
            "two.zip",
            zip("readme.txt", b"no state"),
            "the archive holds 0 .ssz or .json files; unpack it",
        ),
        (
            "block.ssz",
            bench.blocks[0].clone(),
            "this is no minimal-preset state",
        ),
        (
            "text.json",
            b"{\"slot\": 1,".to_vec(),
            "this is not valid JSON",
        ),
        (
            "other.json",
            b"{\"slot\": \"1\"}".to_vec(),
            "the JSON does not have the right form",
        ),
        (
            "blocks.era",
            era(&bench.blocks),
            "this e2store file holds no state; name another file",
        ),
    ];
    for (name, bytes, words) in cases {
        let file = bench.file(name, &bytes);
        check(&bench.refused_genesis(&file), name, words);
    }
    check(
        &bench.refused_genesis(Path::new("/no/such/file")),
        "/no/such/file",
        "check the path",
    );
    check(
        &bench.refused_genesis(&bench.chain),
        "chain",
        "this is a folder; name a file",
    );
}

#[test]
fn genesis_states_of_other_networks() {
    let bench = Bench::new(&["--slots", "3"]);
    let small = bench.genesis();
    let sentence = bench.refused(&["--network", "mainnet"], &small, &bench.chain);
    check(
        &sentence,
        "genesis.ssz",
        "this looks like a minimal-preset state; pass --network minimal",
    );

    let large = bench.scratch.path().join("large");
    let made = [
        "debug",
        "make-chain",
        "--network",
        "mainnet",
        "--slots",
        "2",
        "--out",
        text(&large),
    ];
    fresnel(made).ok();
    let genesis = large.join("genesis.ssz");
    let sentence = bench.refused(&["--network", "minimal"], &genesis, &large);
    check(
        &sentence,
        "genesis.ssz",
        "this looks like a mainnet-preset state; pass --network mainnet",
    );
    let sentence = bench.refused(&["--network", "mainnet"], &genesis, &large);
    let chain: serde_json::Value =
        serde_json::from_slice(&std::fs::read(large.join("chain.json")).unwrap()).unwrap();
    check(
        &sentence,
        "genesis.ssz",
        chain["genesis"]["state_root"].as_str().unwrap(),
    );
    check(
        &sentence,
        "not mainnet's genesis",
        "0x7e76880eb67bbdc86250aa578958e9d0675e64e714337855204fb5abaaf82c2b",
    );

    // A state of a later slot.
    let later = bench.scratch.path().join("later.ssz");
    let skip = [
        "debug",
        "skip-slots",
        "--network",
        "minimal",
        "--slots",
        "5",
        "--pre",
        text(&small),
        "--post",
        text(&later),
    ];
    fresnel(skip).ok();
    check(
        &bench.refused_genesis(&later),
        "later.ssz",
        "this state is of slot 5, not of genesis",
    );
    // A registry that is not the one its root names.
    let mut changed = std::fs::read(&small).unwrap();
    changed[9] ^= 1;
    let changed = bench.file("changed.ssz", &changed);
    check(
        &bench.refused_genesis(&changed),
        "changed.ssz",
        "the root of its validators is 0x",
    );
}

#[test]
fn damaged_files_of_blocks() {
    let bench = Bench::new(&["--slots", "6"]);
    let block = &bench.blocks[3];
    let prefixed = length_prefixed(&bench.blocks);
    let era = era(&bench.blocks);
    let mut flipped_era = era.clone();
    flipped_era[60] ^= 1;
    let too_long = [&[0xff, 0, 0, 0, 100, 0, 0, 0][..], &prefixed].concat();
    let zeros = gzip(&[&[100, 0, 0, 0][..], &vec![0; 20 << 20]].concat());
    let cases: [(&str, Vec<u8>, &str); 13] = [
        ("empty.ssz", vec![], "the file is empty; get it again"),
        (
            "start.ssz",
            block[..50].to_vec(),
            "the block is damaged or cut short; get it again",
        ),
        (
            "cut.ssz",
            block[..block.len() - 1].to_vec(),
            "the file is no valid phase-0 block",
        ),
        (
            "prefixed.cut",
            prefixed[..prefixed.len() - 1].to_vec(),
            "the file of blocks is damaged or cut short",
        ),
        (
            "prefix.cut",
            prefixed[..block.len() + 6].to_vec(),
            "the file of blocks is damaged or cut short",
        ),
        (
            "prefix.long",
            too_long,
            "a block of 4278190080 bytes is longer than any block",
        ),
        (
            "prefixed.gz",
            gzip(&prefixed)[..600].to_vec(),
            "the file of blocks is damaged or cut short",
        ),
        (
            "era.cut",
            era[..era.len() - 40].to_vec(),
            "the file ends in the middle of a record",
        ),
        (
            "era.flipped",
            flipped_era,
            "the record at byte 8 does not decompress",
        ),
        ("bomb.gz", zeros, "the file is longer than any block"),
        (
            "state.ssz",
            std::fs::read(bench.genesis()).unwrap(),
            "this is no file of blocks",
        ),
        (
            "text.json",
            b"[{\"message\": {}}]".to_vec(),
            "the JSON does not have the right form",
        ),
        (
            "nothing.json",
            b"[]".to_vec(),
            "there is no block in it; check the path",
        ),
    ];
    for (name, bytes, words) in cases {
        let file = bench.file(name, &bytes);
        check(&bench.refused_blocks(&file), name, words);
    }
    let folder = bench.scratch.path().join("folder");
    std::fs::create_dir_all(&folder).unwrap();
    check(
        &bench.refused_blocks(&folder),
        "folder",
        "holds no .ssz, .ssz.gz or .era file of blocks",
    );
}

#[test]
fn an_era_file_without_its_end_is_told() {
    let bench = Bench::new(&["--slots", "6"]);
    let era = era(&bench.blocks);
    let file = bench.file("tail.era", &era[..era.len() - 32]);
    let run = replay_with(&bench.chain, &[&file], &[]).ok();
    assert!(
        run.stderr.contains("tail.era: the file has no slot index"),
        "{run:?}"
    );
}

#[test]
fn invalid_chains() {
    let bench = Bench::new(&["--slots", "8"]);
    let missing = [&bench.blocks[..3], &bench.blocks[4..]].concat();
    let file = bench.file("missing.bin", &length_prefixed(&missing));
    check(
        &bench.refused_blocks(&file),
        "missing.bin: block 4 (slot 5): its parent 0x",
        "give the parent's file too",
    );

    let mut altered = bench.blocks.clone();
    altered[5][10] ^= 1;
    let file = bench.file("altered.bin", &length_prefixed(&altered));
    let sentence = bench.refused_blocks(&file);
    check(
        &sentence,
        "altered.bin: block 6 (slot 6): invalid, ",
        "5 blocks before it were imported",
    );
    check(&sentence, "altered.bin", "ProposerSignatureInvalid");
    replay_with(&bench.chain, &[&file], &["--no-signatures"]).ok();

    // Numbers of slots that would take ages to reach.
    for (at, words) in [
        (101, "ProposerSignatureInvalid"),
        (105, "slots after its parent"),
        (107, "slots after its parent"),
    ] {
        let mut altered = bench.blocks.clone();
        altered[7][at] ^= 0x40;
        let file = bench.file("late.bin", &length_prefixed(&altered));
        check(&bench.refused_blocks(&file), "late.bin: block 8", words);
    }
    let other = Bench::new(&["--slots", "1", "--seed", "2", "--validators", "65"]);
    let sentence = bench.refused_blocks(&other.chain);
    check(
        &sentence,
        "block_000001",
        "check that the genesis state is of the same chain",
    );
}

#[test]
fn damaged_configurations() {
    let bench = Bench::new(&["--slots", "2"]);
    let good = std::fs::read_to_string(bench.chain.join("config.yaml")).unwrap();
    let folder = bench.scratch.path().join("network");
    std::fs::create_dir_all(&folder).unwrap();
    let cases: [(Vec<u8>, &str); 5] = [
        (
            vec![0xff, 0xfe, 0],
            "this is not text; give the network's config.yaml",
        ),
        (
            b"[not, a, mapping".to_vec(),
            "this is not a list of 'KEY: value' lines in YAML",
        ),
        (
            good.replace("SLOTS_PER_EPOCH: 8", "SLOTS_PER_EPOCH: eight")
                .into(),
            "SLOTS_PER_EPOCH: expected a whole number",
        ),
        (
            good.replace("SLOTS_PER_EPOCH: 8", "SLOTS_PER_EPOCH: 0")
                .into(),
            "SLOTS_PER_EPOCH is 0, but must be ",
        ),
        (
            good.replace("MAX_DEPOSITS: 16", "MAX_DEPOSITS: 17").into(),
            "MAX_DEPOSITS is 17, but only 16 is supported",
        ),
    ];
    for (text_of_file, words) in cases {
        std::fs::write(folder.join("config.yaml"), &text_of_file).unwrap();
        let sentence = bench.refused(
            &["--network-dir", text(&folder)],
            &bench.genesis(),
            &bench.chain,
        );
        check(&sentence, "config.yaml", words);
    }
    std::fs::remove_file(folder.join("config.yaml")).unwrap();
    let sentence = bench.refused(
        &["--network-dir", text(&folder)],
        &bench.genesis(),
        &bench.chain,
    );
    check(
        &sentence,
        "config.yaml",
        "--network-dir needs a folder with a config.yaml",
    );
    let sentence = bench.refused(&["--network", "medalla"], &bench.genesis(), &bench.chain);
    check(&sentence, "'medalla'", "choose mainnet or minimal");
}

/// Single bits flipped all over: every flip is noticed, none makes the program fail in another way.
#[test]
fn flipped_bits() {
    let bench = Bench::new(&["--slots", "5"]);
    let genesis = std::fs::read(bench.genesis()).unwrap();
    let step = genesis.len() / 40 + 1;
    for at in (0..genesis.len()).step_by(step) {
        let mut flipped = genesis.clone();
        flipped[at] ^= 1 << (at % 8);
        bench.refused_genesis(&bench.file("flipped.ssz", &flipped));
    }
    let chain = length_prefixed(&bench.blocks);
    let step = chain.len() / 60 + 1;
    for at in (0..chain.len()).step_by(step) {
        let mut flipped = chain.clone();
        flipped[at] ^= 1 << (at % 8);
        bench.refused_blocks(&bench.file("flipped.bin", &flipped));
        let mut zipped = gzip(&chain);
        let at = at % zipped.len();
        // The head of a gzip file has bytes that mean nothing for its contents.
        if at >= 10 {
            zipped[at] ^= 1 << (at % 8);
            bench.refused_blocks(&bench.file("flipped.gz", &zipped));
        }
    }
}

#[test]
fn output_that_cannot_be_written() {
    let bench = Bench::new(&["--slots", "2"]);
    for (post, words) in [
        ("/no/such/folder/post.ssz", "/no/such/folder/post.ssz"),
        ("/tmp", "/tmp"),
    ] {
        let run = replay_with(&bench.chain, &[&bench.chain], &["--post", post]);
        check(run.refusal(), words, "name a file in an existing folder");
    }
    let existing = text(&bench.chain).to_owned();
    let run = fresnel([
        "debug",
        "make-chain",
        "--network",
        "minimal",
        "--out",
        &existing,
    ]);
    check(
        run.refusal(),
        &existing,
        "exists already; name a new folder",
    );
    let new = bench.scratch.path().join("new");
    let make = |options: &[&str]| {
        let start = [
            "debug",
            "make-chain",
            "--network",
            "minimal",
            "--out",
            text(&new),
        ];
        let run = fresnel(start.iter().chain(options));
        let sentence = run.refusal().to_owned();
        assert!(!new.exists(), "{sentence}");
        sentence
    };
    check(
        &make(&["--slots", "8", "--deposits", "1"]),
        "new",
        "deposits come in after half an eth1 voting period",
    );
    check(
        &make(&["--slots", "8", "--exits", "1"]),
        "new",
        "no validator can exit before slot 16",
    );
    check(
        &make(&["--slots", "8", "--forks", "3"]),
        "new",
        "3 side branches need at least 17 slots",
    );
    check(&make(&["--validators", "0"]), "validators", "not 0");
    let left = std::fs::read_dir(bench.scratch.path()).unwrap().count();
    assert_eq!(left, 2, "something was left behind");
}
