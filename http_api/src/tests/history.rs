//! States by slot and root: those in memory, those of the archive, and those made again.

use super::fixture::{EMPTY, Fixture, HEAD, MADE, MadeArchive};
use super::{call, get, get_error, get_json};
use crate::limits::Limits;
use consensus::transition::process_slots;
use consensus::*;
use std::collections::BTreeSet;
use std::sync::atomic::Ordering;
use std::sync::mpsc::sync_channel;
use std::time::Duration;
use warp::http::Method;

/// The state of any slot, by the transition alone.
fn expected(slot: Slot) -> BeaconState {
    let block = MADE.canonical.range(..=slot).next_back().expect("genesis");
    let mut state = MADE.state(*block.0).clone();
    if state.slot() < slot {
        process_slots(&mut state, slot).expect("an empty slot");
    }
    state
}

async fn ssz_state(fixture: &Fixture, id: &str) -> Vec<u8> {
    let path = format!("/eth/v2/debug/beacon/states/{id}");
    let accept = [("accept", "application/octet-stream")];
    let answer = call(&fixture.api, Method::GET, &path, &accept, b"").await;
    assert_eq!(
        answer.status,
        200,
        "{id}: {}",
        String::from_utf8_lossy(&answer.body)
    );
    assert_eq!(
        answer.header("content-type"),
        Some("application/octet-stream")
    );
    assert_eq!(answer.header("eth-consensus-version"), Some("phase0"));
    let length = answer.body.len().to_string();
    assert_eq!(answer.header("content-length"), Some(length.as_str()));
    answer.body
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_slot_has_its_state() {
    let fixture = Fixture::new();
    for slot in 0..=HEAD {
        let wanted = expected(slot);
        let bytes = ssz_state(&fixture, &slot.to_string()).await;
        assert!(bytes == wanted.as_ssz_bytes(), "slot {slot}");
        let path = format!("/eth/v1/beacon/states/{slot}/root");
        let json = get_json(&fixture.api, &path).await;
        let root = format!("{:?}", wanted.hash_tree_root());
        assert_eq!(json["data"]["root"], root, "slot {slot}");
        assert_eq!(
            json["finalized"],
            slot <= MADE.finalized_slot(),
            "slot {slot}"
        );
    }
}

#[tokio::test]
async fn states_are_found_by_root() {
    let fixture = Fixture::new();
    // All that are hot, all that the head remembers (64 slots), and genesis.
    for slot in (HEAD - 64..=HEAD).chain([0]) {
        let root = format!("{:?}", expected(slot).hash_tree_root());
        let path = format!("/eth/v1/beacon/states/{root}/root");
        let json = get_json(&fixture.api, &path).await;
        assert_eq!(json["data"]["root"], root, "slot {slot}");
    }
    let side = MADE.blocks[&MADE.side].0.message.state_root;
    assert!(
        ssz_state(&fixture, &format!("{side:?}")).await == MADE.blocks[&MADE.side].1.as_ssz_bytes()
    );
    for unknown in [
        Root::ZERO,
        Root::repeat_byte(9),
        expected(3).hash_tree_root(),
    ] {
        let path = format!("/eth/v1/beacon/states/{unknown:?}/fork");
        let (status, message) = get_error(&fixture.api, &path).await;
        assert_eq!(status, 404);
        assert!(message.contains("found by its slot"), "{message}");
    }
}

#[tokio::test]
async fn checkpoint_states_are_at_the_start_of_their_epoch() {
    let fixture = Fixture::new();
    let head = MADE.state(HEAD);
    for (name, checkpoint) in [
        ("finalized", head.finalized_checkpoint()),
        ("justified", head.current_justified_checkpoint()),
    ] {
        let slot = checkpoint.epoch * MADE.spec.SLOTS_PER_EPOCH;
        assert!(
            ssz_state(&fixture, name).await == expected(slot).as_ssz_bytes(),
            "{name}"
        );
        let json = get_json(&fixture.api, &format!("/eth/v1/beacon/blocks/{name}/root")).await;
        assert_eq!(json["data"]["root"], format!("{:?}", checkpoint.root));
    }
    // One that begins with an empty slot.
    let epoch = 7;
    let block = MADE.canonical.range(..56).next_back().expect("a block");
    assert!(EMPTY.contains(&56) && *block.0 == 55);
    let root = *block.1;
    fixture.publish(|snapshot| snapshot.justified = Checkpoint { epoch, root });
    assert!(ssz_state(&fixture, "justified").await == expected(56).as_ssz_bytes());
    // Before anything is finalized.
    fixture.publish(|snapshot| snapshot.justified = Checkpoint::default());
    assert!(ssz_state(&fixture, "justified").await == expected(0).as_ssz_bytes());
}

#[tokio::test]
async fn what_is_not_there_is_404_with_a_sentence() {
    let archive = MadeArchive {
        oldest_block_slot: 8,
        oldest_state_slot: 24,
        ..MadeArchive::default()
    };
    let fixture = Fixture::with(archive, Limits::default());
    for (path, sentence) in [
        ("states/71/root", "slot 71 is after the head's slot 70"),
        (
            "states/18446744073709551615/root",
            "is after the head's slot 70",
        ),
        ("states/23/root", "states before slot 24 are not kept"),
        ("states/genesis/root", "states before slot 24 are not kept"),
        ("headers/71", "slot 71 is after the head's slot 70"),
        ("headers/29", "slot 29 has no block"),
        ("headers/56", "slot 56 has no block"),
        ("headers/7", "blocks before slot 8 are not kept"),
    ] {
        let (status, message) = get_error(&fixture.api, &format!("/eth/v1/beacon/{path}")).await;
        assert_eq!(status, 404, "{path}");
        assert!(message.contains(sentence), "{path}: {message}");
    }
    let genesis = get_json(&fixture.api, "/eth/v1/beacon/headers/0").await;
    assert_eq!(genesis["data"]["root"], format!("{:?}", MADE.genesis_root));
}

#[tokio::test]
async fn damage_is_named_and_never_served() {
    let archive = MadeArchive {
        damaged: Some(27),
        ..MadeArchive::default()
    };
    let fixture = Fixture::with(archive, Limits::default());
    for path in ["/eth/v2/beacon/blocks/27", "/eth/v2/debug/beacon/states/28"] {
        let (status, message) = get_error(&fixture.api, path).await;
        assert_eq!(status, 500);
        assert_eq!(message, "blocks is damaged: a flipped bit");
    }
    // States that do not lead to what the blocks say.
    let fixture = Fixture::new();
    fixture.publish(|snapshot| {
        let blocks = snapshot.blocks.iter().map(|(root, entry)| {
            let mut entry = chain::HotEntry::clone(entry);
            entry.row.state_root = Root::repeat_byte(3);
            entry.state = None;
            (*root, std::sync::Arc::new(entry))
        });
        snapshot.blocks = blocks.collect();
    });
    let (status, message) = get_error(&fixture.api, "/eth/v2/debug/beacon/states/65").await;
    assert_eq!(status, 500);
    assert!(message.contains("instead of"), "{message}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_state_is_made_once_for_all_who_ask() {
    let archive = MadeArchive {
        states: BTreeSet::from([0]),
        ..MadeArchive::default()
    };
    let (states, blocks) = (archive.states_read.clone(), archive.blocks_read.clone());
    let limits = Limits {
        old_states: 32,
        kept_states: 2,
        ..Limits::default()
    };
    let fixture = Fixture::with(archive, limits);
    let ask = |slot: Slot| {
        let api = fixture.api.clone();
        let path = format!("/eth/v1/beacon/states/{slot}/finality_checkpoints");
        tokio::spawn(async move { get(&api, &path).await.status })
    };
    let many: Vec<_> = (0..20).map(|_| ask(20)).collect();
    for answer in many {
        assert_eq!(answer.await.expect("an answer"), 200);
    }
    assert_eq!(blocks.load(Ordering::Relaxed), 20);
    for slot in [21, 20, 22, 20, 21] {
        assert_eq!(ask(slot).await.expect("an answer"), 200);
    }
    // 21 and 22 each from the one before. 20 was used again before 22 came, so 21 had to go, and was
    // made again.
    assert_eq!(blocks.load(Ordering::Relaxed), 23);
    assert_eq!(states.load(Ordering::Relaxed), 1);
    let path = "/eth/v2/debug/beacon/states/21";
    let json = get_json(&fixture.api, path).await;
    assert_eq!(
        json["data"],
        serde_json::to_value(expected(21).to_json()).expect("JSON")
    );
}

#[tokio::test]
async fn those_who_would_wait_too_long_are_turned_away() {
    let limits = Limits {
        old_states: 1,
        waiting: 1,
        patience: Duration::from_millis(10),
        ..Limits::default()
    };
    let fixture = Fixture::with(MadeArchive::default(), limits);
    // An answer that nobody reads on keeps its place.
    let path = "/eth/v1/beacon/states/20/validators";
    let incoming = crate::routes::Incoming {
        method: Method::GET,
        path: path.into(),
        raw_query: String::new(),
        headers: Default::default(),
        body: futures_util::stream::empty::<Result<bytes::Bytes, std::convert::Infallible>>(),
    };
    let held = crate::routes::handle(fixture.api.clone(), incoming)
        .await
        .expect("an answer");
    let answer = get(&fixture.api, path).await;
    assert_eq!(answer.status, 503);
    assert_eq!(answer.header("retry-after"), Some("2"));
    // The head's state is in memory: it needs no place.
    let head = get(&fixture.api, "/eth/v1/beacon/states/head/validators").await;
    assert_eq!(head.status, 200);
    drop(held);
    assert_eq!(get(&fixture.api, path).await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_state_that_nobody_waits_for_is_not_made() {
    let (reading, is_reading) = sync_channel(1000);
    let (go_on, may_go_on) = sync_channel(1000);
    let archive = MadeArchive {
        states: BTreeSet::from([0]),
        hold: Some((reading, may_go_on).into()),
        ..MadeArchive::default()
    };
    let blocks_read = archive.blocks_read.clone();
    let fixture = Fixture::with(archive, Limits::default());
    let api = fixture.api.clone();
    let asking = tokio::spawn(async move {
        get(&api, "/eth/v2/debug/beacon/states/23").await;
    });
    tokio::task::block_in_place(|| is_reading.recv()).expect("the replay has begun");
    asking.abort();
    assert!(asking.await.is_err_and(|error| error.is_cancelled()));
    drop(go_on);
    // The next one waits for the place of the first, and needs one block.
    assert_eq!(
        get(&fixture.api, "/eth/v2/debug/beacon/states/1")
            .await
            .status,
        200
    );
    assert_eq!(blocks_read.load(Ordering::Relaxed), 2);
}
