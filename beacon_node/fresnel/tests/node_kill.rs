//! A node that is killed over and over ends where one that was not would have.

#![allow(
    clippy::unwrap_used,
    reason = "what cannot happen ends the test, also in its functions"
)]

mod support;

use std::hash::{BuildHasher, Hasher, RandomState};
use std::path::{Path, PathBuf};
use support::node::{Node, options};
use support::{Run, fresnel, text};

/// How often the node is killed.
const KILLS: u64 = 50;
/// A node is killed within so many lines of its log: it logs six at its start and two for each of
/// the 19 batches of the chain.
const MOST_LINES: u64 = 14;

/// A row of the chain's index file.
struct Row {
    slot: u64,
    parent_root: String,
    state_root: String,
    block_root: String,
}

struct Teku {
    folder: PathBuf,
    genesis: PathBuf,
    blocks: PathBuf,
    rows: Vec<Row>,
}

fn teku() -> Option<Teku> {
    let folder = shared_inputs::path("chaindata/teku", "a node on 1,200 blocks")?;
    let file = |name: &str| folder.join(format!("chain-32768v-phase0.{name}"));
    let index = std::fs::read_to_string(file("index.0001-1200.csv")).unwrap();
    let rows = index.lines().skip(1).map(|line| {
        let fields: Vec<_> = line.split(',').collect();
        Row {
            slot: fields[0].parse().unwrap(),
            parent_root: fields[2].into(),
            state_root: fields[3].into(),
            block_root: fields[6].into(),
        }
    });
    Some(Teku {
        rows: rows.collect(),
        genesis: file("genesis-state.ssz.gz"),
        blocks: file("blocks-0001-1200.u32be-len-prefixed.ssz.gz"),
        folder,
    })
}

impl Teku {
    fn import<'a>(&'a self, datadir: &'a Path, more: &[&'a str]) -> Vec<&'a str> {
        let mut args = options(&self.folder, &self.genesis, datadir);
        args.extend(["--import", text(&self.blocks)]);
        args.extend(more);
        args
    }

    fn replay(&self) -> Run {
        fresnel([
            "replay",
            "--network-dir",
            text(&self.folder),
            "--genesis-state",
            text(&self.genesis),
            "--blocks",
            text(&self.blocks),
        ])
        .ok()
    }
}

/// Random numbers from a seed that is printed; `FRESNEL_KILL_SEED` runs the same ones again.
struct Dice(u64);

impl Dice {
    fn new() -> Dice {
        let seed = std::env::var("FRESNEL_KILL_SEED")
            .ok()
            .and_then(|seed| seed.parse().ok())
            .unwrap_or_else(|| RandomState::new().build_hasher().finish());
        println!("FRESNEL_KILL_SEED={seed}");
        Dice(seed)
    }

    /// SplitMix64.
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % limit
    }
}

/// The slot in the line by which a node tells its head at the start.
fn head_slot(line: &str) -> u64 {
    let rest = line.split(" of slot ").nth(1).unwrap();
    rest.split(',').next().unwrap().parse().unwrap()
}

#[test]
fn a_node_killed_fifty_times_ends_at_the_same_head() {
    let Some(teku) = teku() else { return };
    let scratch = tempfile::tempdir().unwrap();
    let datadir = scratch.path().join("data");
    let args = teku.import(&datadir, &[]);
    let mut dice = Dice::new();
    let mut heads = Vec::new();
    let mut complete = 0;
    for kill in 0..KILLS {
        let mut node = Node::start(&args);
        // From the third line on anything may be under way, also the creation of the store.
        let lines = dice.below(MOST_LINES) + 2;
        let mut is_complete = false;
        for _ in 0..lines {
            let Some(line) = node.next_line() else {
                panic!("kill {kill}: the node ended by itself:\n{}", node.log());
            };
            if line.contains("found in") {
                heads.push(head_slot(&line));
            }
            if line.contains("known already") {
                is_complete = true;
                break;
            }
        }
        // Anywhere between this line and the next.
        let work = dice.below(1 << 24);
        std::hint::black_box((0..work).fold(0_u64, |sum, n| sum.wrapping_mul(31) ^ n));
        node.kill();
        if is_complete {
            complete += 1;
            // The next ones are killed on a new chain.
            std::fs::remove_dir_all(&datadir).unwrap();
        }
    }
    println!("{KILLS} kills, {complete} complete imports, heads found: {heads:?}");
    assert!(heads.iter().any(|&slot| slot > 0), "{heads:?}");

    let run = fresnel(
        ["node", "--no-http", "--no-metrics"]
            .into_iter()
            .chain(teku.import(&datadir, &["--exit-after-import"])),
    )
    .ok();
    let replay = teku.replay();
    for label in ["head", "justified", "finalized", "state root"] {
        assert_eq!(run.line(label), replay.line(label), "{label}");
    }
    let node = Node::up(&options(&teku.folder, &teku.genesis, &datadir));
    check_answers(&node, &teku.rows, &replay);
    node.stop().ok();
}

/// What the REST API answers is what the index file and the replay say.
fn check_answers(node: &Node, rows: &[Row], replay: &Run) {
    for row in rows {
        let header = node.data(&format!("/eth/v1/beacon/headers/{}", row.slot));
        let message = &header["header"]["message"];
        let slot = row.slot.to_string();
        assert_eq!(header["root"], row.block_root, "slot {slot}");
        assert_eq!(header["canonical"], true, "slot {slot}");
        assert_eq!(message["slot"], slot);
        assert_eq!(message["parent_root"], row.parent_root, "slot {slot}");
        assert_eq!(message["state_root"], row.state_root, "slot {slot}");
    }
    // States in memory, stored ones, and ones that have to be made again.
    for row in rows.iter().rev().step_by(149) {
        let root = node.data(&format!("/eth/v1/beacon/states/{}/root", row.slot));
        assert_eq!(root["root"], row.state_root, "slot {}", row.slot);
    }
    let by_root = &rows[617];
    let block = node.data(&format!("/eth/v2/beacon/blocks/{}", by_root.block_root));
    assert_eq!(block["message"]["state_root"], by_root.state_root);
    let checkpoints = node.data("/eth/v1/beacon/states/head/finality_checkpoints");
    for (field, label) in [
        ("current_justified", "justified"),
        ("finalized", "finalized"),
    ] {
        let (epoch, root) = (&checkpoints[field]["epoch"], &checkpoints[field]["root"]);
        let line = format!(
            "epoch {}  {}",
            epoch.as_str().unwrap(),
            root.as_str().unwrap()
        );
        assert_eq!(line, replay.line(label));
    }
}

#[test]
fn mainnets_first_blocks_are_imported_and_served() {
    let Some(data) = shared_inputs::path("chaindata", "a node on mainnet's first blocks") else {
        return;
    };
    let genesis = data.join("genesis/mainnet/genesis.ssz.zip");
    let blocks = data.join("mainnet-blocks/lodestar-backfill-blocks.slots-1-3.json");
    let scratch = tempfile::tempdir().unwrap();
    let datadir = scratch.path().join("data");
    let mut args = vec!["--network", "mainnet", "--datadir", text(&datadir)];
    args.extend(["--genesis-state", text(&genesis), "--import", text(&blocks)]);
    let mut node = Node::up(&args);
    node.wait_for("imported 3 blocks up to slot 3, 0 known already");
    assert!(node.log().contains("leaves phase 0 with epoch 74240"));
    for slot in 0..=3 {
        let file = data.join(format!(
            "mainnet-blocks/slot-{slot}.signed-beacon-block.ssz"
        ));
        let block = node.get_ssz(&format!("/eth/v2/beacon/blocks/{slot}"));
        assert_eq!(block.status, 200, "{slot}");
        assert!(block.body == std::fs::read(file).unwrap(), "block {slot}");
    }
    let last = std::fs::read(data.join("mainnet-blocks/slot-3.signed-beacon-block.ssz")).unwrap();
    let state_root = consensus::Root::from_slice(&last[148..180]).to_string();
    let root = node.data("/eth/v1/beacon/states/head/root");
    assert_eq!(root["root"], state_root);
    let genesis = node.data("/eth/v1/beacon/genesis");
    assert_eq!(genesis["genesis_time"], "1606824023");
    let stopped = node.stop().ok();
    assert!(stopped.stderr.contains("everything is on disk"));

    // It finds its head again, and imports nothing twice.
    let mut again = Node::up(&args);
    again.wait_for("imported 0 blocks up to slot 3, 3 known already");
    assert!(again.log().contains("of slot 3, finalized epoch 0"));
    again.stop().ok();
}
