//! `fresnel node`: import, restart, refusals, servers, its end.

#![allow(
    clippy::unwrap_used,
    reason = "what cannot happen ends the test, also in its functions"
)]

mod support;

use std::path::{Path, PathBuf};
use support::node::{Node, options};
use support::{Run, block_files, fresnel, make_chain, replay, text};

/// A made chain with a genesis beside it, and a data folder to be.
struct Scene {
    scratch: tempfile::TempDir,
    chain: PathBuf,
    genesis: PathBuf,
    datadir: PathBuf,
}

fn scene(chain_options: &[&str]) -> Scene {
    let scratch = tempfile::tempdir().unwrap();
    let chain = make_chain(scratch.path(), "chain", chain_options);
    Scene {
        genesis: chain.join("genesis.ssz"),
        datadir: scratch.path().join("data"),
        chain,
        scratch,
    }
}

impl Scene {
    fn args<'a>(&'a self, more: &[&'a str]) -> Vec<&'a str> {
        let mut args = options(&self.chain, &self.genesis, &self.datadir);
        args.extend(more);
        args
    }

    /// Imports these files and ends.
    fn import(&self, paths: &[&Path]) -> Run {
        let mut args = vec!["node", "--no-http", "--no-metrics", "--exit-after-import"];
        args.extend(options(&self.chain, &self.genesis, &self.datadir));
        args.push("--import");
        args.extend(paths.iter().map(|path| text(path)));
        fresnel(args)
    }
}

/// The sentence by which a node that was started refused.
fn refusal(run: &Run) -> &str {
    assert_eq!(run.code, 1, "{run:?}");
    let line = run.stderr.lines().last().unwrap();
    line.strip_prefix("error: ").unwrap()
}

#[test]
fn an_import_ends_where_replay_ends_and_is_not_done_twice() {
    let scene = scene(&["--slots", "124", "--skip-percent", "15", "--forks", "4"]);
    let files = block_files(&scene.chain);
    let half = files[..files.len() / 2].iter().map(PathBuf::as_path);
    let half: Vec<_> = half.collect();
    scene.import(&half).ok();
    let whole = scene.import(&[&scene.chain]).ok();
    let replayed = replay(&scene.chain).ok();
    for label in ["head", "justified", "finalized", "state root"] {
        assert_eq!(whole.line(label), replayed.line(label), "{label}");
    }
    let imported = whole.line("imported");
    assert!(imported.contains("known already"), "{imported}");
    assert!(!imported.contains(" 0 known"), "{imported}");
    let again = scene.import(&[&scene.chain]).ok();
    assert!(again.line("imported").starts_with("0 blocks"), "{again:?}");
    assert_eq!(again.line("head"), whole.line("head"));
    assert_eq!(again.line("finalized"), whole.line("finalized"));
}

#[test]
fn a_node_serves_what_it_has_and_finds_it_again() {
    let scene = scene(&["--slots", "90"]);
    let mut node = Node::up(&scene.args(&["--import", text(&scene.chain)]));
    node.wait_for("imported 90 blocks up to slot 90");
    let head = node.data("/eth/v1/beacon/headers/head");
    let finality = node.data("/eth/v1/beacon/states/head/finality_checkpoints");
    let replayed = replay(&scene.chain).ok();
    let line = format!("slot 90  {}", head["root"].as_str().unwrap());
    assert_eq!(line, replayed.line("head"));
    check_metrics(&node, &finality);
    let stopped = node.stop().ok();
    assert!(stopped.stderr.contains("SIGTERM: stopping"));
    assert!(stopped.stderr.contains("everything is on disk"));

    let again = Node::up(&scene.args(&[]));
    assert_eq!(again.data("/eth/v1/beacon/headers/head"), head);
    let found = again.data("/eth/v1/beacon/states/head/finality_checkpoints");
    assert_eq!(found, finality);
    for slot in [0, 1, 45, 89] {
        let header = again.data(&format!("/eth/v1/beacon/headers/{slot}"));
        assert_eq!(header["header"]["message"]["slot"], slot.to_string());
    }
    again.signal("-INT");
    let ended = again.end().ok();
    assert!(ended.stderr.contains("SIGINT: stopping"));
}

fn check_metrics(node: &Node, finality: &serde_json::Value) {
    let epoch =
        |field: &str| -> i64 { finality[field]["epoch"].as_str().unwrap().parse().unwrap() };
    assert_eq!(node.metric("beacon_head_slot"), 90);
    assert_eq!(node.metric("beacon_finalized_epoch"), epoch("finalized"));
    assert_eq!(
        node.metric("beacon_current_justified_epoch"),
        epoch("current_justified")
    );
    assert_eq!(
        node.metric("beacon_previous_justified_epoch"),
        epoch("previous_justified")
    );
    assert_eq!(node.metric("beacon_current_active_validators"), 64);
    assert_eq!(node.metric("libp2p_peers"), 0);
    assert_eq!(node.metric("beacon_reorgs_total"), 0);
    assert_eq!(node.metric("beacon_processed_deposits_total"), 64);
    assert_eq!(node.metric("fresnel_blocks_imported_total"), 90);
    assert_eq!(node.metric("fresnel_block_import_seconds_count"), 90);
    let metrics = node.metrics();
    for stage in ["advance", "transition", "signatures", "root"] {
        let name = format!("fresnel_import_stage_seconds_total{{kind=\"{stage}\"}} ");
        let line = metrics.lines().find_map(|line| line.strip_prefix(&name));
        let seconds: f64 = line
            .unwrap_or_else(|| panic!("no {name}:\n{metrics}"))
            .parse()
            .unwrap();
        assert!(
            seconds >= 0.0 && (stage == "advance" || seconds > 0.0),
            "{stage}: {seconds}"
        );
    }
    for lane in [
        "tick",
        "results",
        "api",
        "blocks",
        "operations",
        "attestations",
    ] {
        for name in ["depth", "taken_total", "dropped_total"] {
            let sample = format!("fresnel_lane_{name}{{lane=\"{lane}\"}} ");
            assert!(metrics.contains(&sample), "no {sample}:\n{metrics}");
        }
    }
    assert!(metrics.ends_with("# EOF\n"));
}

#[test]
fn an_invalid_block_ends_the_import_and_keeps_what_was_before_it() {
    let scene = scene(&["--slots", "40"]);
    let files = block_files(&scene.chain);
    let mut bytes = std::fs::read(&files[29]).unwrap();
    bytes[10] ^= 1;
    std::fs::write(&files[29], bytes).unwrap();
    let run = scene.import(&[&scene.chain]);
    let sentence = refusal(&run);
    let place = format!("{}: the block of slot 30: invalid: ", files[29].display());
    assert!(sentence.starts_with(&place), "{sentence}");
    assert!(
        sentence.ends_with("; 29 blocks before it were imported"),
        "{sentence}"
    );
    let node = Node::up(&scene.args(&[]));
    let head = node.data("/eth/v1/beacon/headers/head");
    assert_eq!(head["header"]["message"]["slot"], "29");
    node.stop().ok();
}

#[test]
fn a_missing_parent_is_named() {
    let scene = scene(&["--slots", "12"]);
    let files = block_files(&scene.chain);
    let run = scene.import(&[&files[0], &files[1], &files[4]]);
    let sentence = refusal(&run);
    assert!(
        sentence.contains("the block of slot 5: its parent 0x"),
        "{sentence}"
    );
    assert!(
        sentence.contains("is missing; give the parent's file too"),
        "{sentence}"
    );
}

#[test]
fn a_data_folder_is_of_one_network_and_one_process() {
    let scene = scene(&["--slots", "8"]);
    let empty = fresnel([
        "node",
        "--no-http",
        "--no-metrics",
        "--network-dir",
        text(&scene.chain),
        "--datadir",
        text(&scene.datadir),
    ]);
    assert!(refusal(&empty).contains("the data folder is empty; give the network's genesis"));

    let node = Node::up(&scene.args(&[]));
    let second = fresnel(
        ["node", "--no-http", "--no-metrics"]
            .into_iter()
            .chain(scene.args(&[])),
    );
    let sentence = refusal(&second);
    assert!(sentence.contains(&node.pid().to_string()), "{sentence}");
    node.stop().ok();

    let other = make_chain(
        scene.scratch.path(),
        "other",
        &["--slots", "8", "--validators", "96"],
    );
    let config = other.join("config.yaml");
    let text_of = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, text_of.replace("made-minimal", "elsewhere")).unwrap();
    let foreign = fresnel([
        "node",
        "--no-http",
        "--no-metrics",
        "--network-dir",
        text(&other),
        "--datadir",
        text(&scene.datadir),
    ]);
    let sentence = refusal(&foreign);
    assert!(
        sentence.contains("made-minimal") && sentence.contains("elsewhere"),
        "{sentence}"
    );
}

#[test]
fn a_port_in_use_is_named_before_any_work() {
    let scene = scene(&["--slots", "8"]);
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    for (option, leave_out) in [
        ("--http-port", "--no-http"),
        ("--metrics-port", "--no-metrics"),
    ] {
        let other = match option {
            "--http-port" => "--no-metrics",
            _ => "--no-http",
        };
        let args = ["node", option, &port, other].map(str::to_owned);
        let rest = scene.args(&[]).into_iter().map(str::to_owned);
        let run = fresnel(args.into_iter().chain(rest));
        let sentence = refusal(&run);
        assert!(
            sentence.starts_with(&format!("127.0.0.1:{port}: cannot listen")),
            "{sentence}"
        );
        assert!(sentence.contains(leave_out), "{sentence}");
        assert!(!scene.datadir.exists());
    }
}

#[test]
fn names_and_pages_are_allowed_by_option() {
    const PATH: &str = "/eth/v1/node/version";
    let scene = scene(&["--slots", "8"]);
    let (name, page) = ("beacon.example", "https://page.example");
    let allows = "access-control-allow-origin: https://page.example";
    let node = Node::up(&scene.args(&[]));
    let answer = node.get_from_page(PATH, name, page);
    assert_eq!(answer.status, 403);
    assert!(answer.text().contains("--http-host"), "{answer:?}");
    let answer = node.get_from_page(PATH, "localhost", page);
    assert!(
        answer.status == 200 && !answer.head.contains(allows),
        "{answer:?}"
    );
    node.stop().ok();

    for (option, value) in [
        ("--http-host", "beacon.example:5052"),
        ("--http-allow-origin", "https://page.example/"),
    ] {
        let run = fresnel(["node", option, value].into_iter().chain(scene.args(&[])));
        assert!(run.code == 2 && run.stderr.contains("alone"), "{run:?}");
    }
    let options = ["--http-host", name, "--http-allow-origin", page];
    let node = Node::up(&scene.args(&options));
    let answer = node.get_from_page(PATH, name, page);
    assert!(
        answer.status == 200 && answer.head.contains(allows),
        "{answer:?}"
    );
    let answer = node.get_from_page(PATH, name, "https://other.example");
    assert!(!answer.head.contains("allow-origin"), "{answer:?}");
    assert_eq!(node.get_from_page(PATH, "other.example", page).status, 403);
    node.stop().ok();
}

#[test]
fn where_phase_0_ends_a_node_stops_following() {
    let scene = scene(&["--slots", "40"]);
    let config = scene.chain.join("config.yaml");
    let yaml = std::fs::read_to_string(&config).unwrap();
    let ended = yaml.replace(
        "ALTAIR_FORK_EPOCH: 18446744073709551615",
        "ALTAIR_FORK_EPOCH: 3",
    );
    assert_ne!(yaml, ended);
    std::fs::write(&config, ended).unwrap();
    let run = scene.import(&[&scene.chain]).ok();
    assert!(run.line("head").starts_with("slot 23 "), "{run:?}");
    let says = |text: &str| run.stderr.matches(text).count();
    assert!(
        says("leaves phase 0 with epoch 3 (slot 24)") >= 1,
        "{run:?}"
    );
    assert!(
        says("leaves phase 0 at slot 24: blocks from there on are left out") >= 1,
        "{run:?}"
    );
    let node = Node::up(&scene.args(&[]));
    let header = node.data("/eth/v1/beacon/headers/23");
    assert_eq!(header["canonical"], true);
    assert_eq!(node.get("/eth/v1/beacon/headers/24").status, 404);
    node.stop().ok();
}

#[test]
fn a_test_network_starts_from_well_known_keys() {
    let scratch = tempfile::tempdir().unwrap();
    let datadir = scratch.path().join("data");
    let args = [
        "--network",
        "minimal",
        "--datadir",
        text(&datadir),
        "--interop-genesis",
        "64",
        "--genesis-time",
        "1700000000",
    ];
    let node = Node::up(&args);
    let genesis = node.data("/eth/v1/beacon/genesis");
    assert_eq!(genesis["genesis_time"], "1700000000");
    let validators = node.data("/eth/v1/beacon/states/head/validators");
    assert_eq!(validators.as_array().unwrap().len(), 64);
    let root = genesis["genesis_validators_root"].clone();
    node.stop().ok();
    let again = Node::up(&args[..4]);
    let found = again.data("/eth/v1/beacon/genesis");
    assert_eq!(found["genesis_validators_root"], root);
    again.stop().ok();
}

#[test]
fn the_log_can_be_json() {
    let scene = scene(&["--slots", "8"]);
    let mut args = vec!["node", "--no-http", "--no-metrics", "--log-format", "json"];
    args.extend(scene.args(&["--import", text(&scene.chain), "--exit-after-import"]));
    let run = fresnel(args).ok();
    let mut count = 0;
    for line in run.stderr.lines() {
        let entry: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(
            entry["message"].is_string() && entry["level"].is_string(),
            "{line}"
        );
        count += 1;
    }
    assert!(count > 3, "{run:?}");
    let bad = fresnel(
        ["node", "--log-level", "a=loud"]
            .into_iter()
            .chain(scene.args(&[])),
    );
    assert!(
        bad.refusal()
            .starts_with("--log-level a=loud: give error, warn")
    );
}

#[test]
fn only_the_metrics_are_at_the_metrics_port() {
    use std::io::{Read, Write};
    let scene = scene(&["--slots", "8"]);
    let node = Node::up(&scene.args(&[]));
    let ask = |request: &str| {
        let mut stream = std::net::TcpStream::connect(node.metrics_address()).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer.lines().next().unwrap_or_default().to_owned()
    };
    let lost = ask("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    assert!(lost.contains(" 404 "), "{lost}");
    let post = ask("POST /metrics HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    assert!(post.contains(" 405 "), "{post}");
    let garbage = ask("\x01\x02\x03\r\n\r\n");
    assert!(garbage.contains(" 400 "), "{garbage}");
    assert_eq!(node.metric("beacon_head_slot"), 0);
    node.stop().ok();
}

#[test]
fn db_shows_what_is_there_and_names_what_is_damaged() {
    let scene = scene(&["--slots", "90"]);
    let empty = fresnel(["db", "info", "--datadir", text(&scene.datadir)]);
    assert!(empty.refusal().contains("this is no data folder of a node"));
    let report = scene.import(&[&scene.chain]).ok();
    let info = fresnel(["db", "info", "--datadir", text(&scene.datadir)]).ok();
    assert_eq!(info.line("network"), "made-minimal (schema 1)");
    let finalized = report.line("finalized");
    let (epoch, root) = finalized.split_once("  ").unwrap();
    assert!(
        info.line("finalized")
            .starts_with(&format!("{epoch}, slot "))
    );
    assert!(info.line("finalized").ends_with(root));
    assert_eq!(info.line("eras"), "0 to 1");
    let verify = ["db", "verify", "--datadir", text(&scene.datadir)];
    let well = fresnel(verify).ok();
    assert!(well.stdout.starts_with("all is well: "), "{well:?}");

    // The compressed bytes of a block in the middle of the sealed era.
    let finalized = std::fs::read_dir(scene.datadir.join("finalized")).unwrap();
    let era = finalized.map(|entry| entry.unwrap().path()).find(|path| {
        let is_era = path.extension().is_some_and(|ending| ending == "era");
        is_era && text(path).contains("-00001-")
    });
    let era = era.unwrap();
    let mut bytes = std::fs::read(&era).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x10;
    std::fs::write(&era, bytes).unwrap();
    let damaged = fresnel(verify);
    assert_eq!(damaged.code, 1, "{damaged:?}");
    let name = era.file_name().unwrap().to_str().unwrap();
    assert!(damaged.stdout.contains(name), "{damaged:?}");
    assert!(damaged.stderr.contains("places are damaged"), "{damaged:?}");

    let node = Node::up(&scene.args(&[]));
    let busy = fresnel(verify);
    assert!(busy.refusal().contains(&node.pid().to_string()), "{busy:?}");
    node.stop().ok();
}
