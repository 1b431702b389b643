//! What the endpoints answer, compared with the made chain.

use super::fixture::{Fixture, HEAD, MADE, SIDE};
use super::{Answer, call, get, get_error, get_json};
use api_types::{BalanceData, CommitteeData, Envelope, HeaderData, ValidatorData};
use chain::{ApiCall, ApiError, ApiReply};
use consensus::*;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use ssz::Encode;
use warp::http::Method;

const SSZ: (&str, &str) = ("accept", "application/octet-stream");

async fn data<T: DeserializeOwned>(fixture: &Fixture, target: &str) -> T {
    let json = get_json(&fixture.api, target).await;
    let envelope: Envelope<T> = serde_json::from_value(json).expect("the endpoint's type");
    envelope.data
}

async fn post(fixture: &Fixture, path: &str, body: &Value) -> Answer {
    let body = body.to_string();
    call(&fixture.api, Method::POST, path, &[], body.as_bytes()).await
}

#[tokio::test]
async fn the_node_tells_how_it_is() {
    let fixture = Fixture::new();
    let api = &fixture.api;
    let version = get_json(api, "/eth/v1/node/version").await;
    assert_eq!(version, json!({"data": {"version": "Fresnel/v0.1.0/test"}}));
    let identity = get_json(api, "/eth/v1/node/identity").await;
    assert_eq!(identity["data"]["metadata"]["seq_number"], "0");
    assert_eq!(get(api, "/eth/v1/node/health").await.status, 200);
    let syncing = get_json(api, "/eth/v1/node/syncing").await;
    let expected = json!({"head_slot": "70", "sync_distance": "1", "is_syncing": false,
                          "is_optimistic": false, "el_offline": false});
    assert_eq!(syncing["data"], expected);

    fixture.publish(|snapshot| snapshot.current_slot = HEAD + 9);
    let syncing = get_json(api, "/eth/v1/node/syncing").await;
    assert_eq!(syncing["data"]["is_syncing"], true);
    for (query, status) in [
        ("", 206),
        ("?syncing_status=299", 299),
        ("?syncing_status=100", 206),
    ] {
        let answer = get(api, &format!("/eth/v1/node/health{query}")).await;
        assert_eq!((answer.status, answer.body.len()), (status, 0));
    }
    for wrong in ["99", "600", "x", "70000"] {
        let path = format!("/eth/v1/node/health?syncing_status={wrong}");
        assert_eq!(get_error(api, &path).await.0, 400);
    }
}

#[tokio::test]
async fn configuration_is_told_as_strings() {
    let fixture = Fixture::new();
    let spec = get_json(&fixture.api, "/eth/v1/config/spec").await;
    let values = spec["data"].as_object().expect("values");
    assert!(values.values().all(Value::is_string));
    for (name, value) in [
        ("PRESET_BASE", "minimal"),
        ("CONFIG_NAME", "minimal"),
        ("SECONDS_PER_SLOT", "6"),
        ("SLOTS_PER_EPOCH", "8"),
        ("GENESIS_FORK_VERSION", "0x00000001"),
        ("ALTAIR_FORK_EPOCH", "18446744073709551615"),
        ("DOMAIN_BEACON_ATTESTER", "0x01000000"),
        ("BLS_WITHDRAWAL_PREFIX", "0x00"),
        ("TARGET_AGGREGATORS_PER_COMMITTEE", "16"),
        (
            "DEPOSIT_CONTRACT_ADDRESS",
            "0x1234567890123456789012345678901234567890",
        ),
    ] {
        assert_eq!(values[name], value, "{name}");
    }
    let forks = get_json(&fixture.api, "/eth/v1/config/fork_schedule").await;
    assert_eq!(forks["data"].as_array().map(Vec::len), Some(1));
    fixture.publish(|snapshot| {
        std::sync::Arc::make_mut(&mut snapshot.spec).ALTAIR_FORK_EPOCH = 9;
    });
    let forks = get_json(&fixture.api, "/eth/v1/config/fork_schedule").await;
    let altair = json!({"previous_version": "0x00000001", "current_version": "0x01000001",
                        "epoch": "9"});
    assert_eq!(forks["data"][1], altair);
}

#[tokio::test]
async fn state_parts_are_those_of_the_state() {
    let fixture = Fixture::new();
    let head = MADE.state(HEAD);
    let json = get_json(
        &fixture.api,
        "/eth/v1/beacon/states/head/finality_checkpoints",
    )
    .await;
    assert_eq!(
        json["data"]["finalized"],
        json!(head.finalized_checkpoint())
    );
    assert_eq!(
        json["data"]["current_justified"],
        json!(head.current_justified_checkpoint())
    );
    assert_eq!(json["finalized"], false);
    let json = get_json(
        &fixture.api,
        "/eth/v1/beacon/states/genesis/finality_checkpoints",
    )
    .await;
    assert_eq!(json["data"]["finalized"], json!(Checkpoint::default()));
    assert_eq!(json["finalized"], true);
    let json = get_json(&fixture.api, "/eth/v1/beacon/states/33/fork").await;
    assert_eq!(json["data"], json!(head.fork()));
    let whole = get_json(&fixture.api, "/eth/v2/debug/beacon/states/head").await;
    assert_eq!(
        whole["data"],
        serde_json::to_value(head.to_json()).expect("JSON")
    );
    assert_eq!(whole["version"], "phase0");
}

#[tokio::test]
async fn validators_are_selected_by_id_and_status() {
    let fixture = Fixture::new();
    let path = "/eth/v1/beacon/states/head/validators";
    let all: Vec<ValidatorData> = data(&fixture, path).await;
    assert_eq!(all.len(), 64);
    let head = MADE.state(HEAD);
    for (at, one) in all.iter().enumerate() {
        assert_eq!(Some(&one.validator), head.validators().get(at).as_ref());
        assert_eq!(Some(one.balance), head.balances().get(at));
    }
    let key = &all[9].validator.pubkey;
    for query in [
        format!("?id=3,{key:?},3&id=999"),
        format!("?id={key:?}&id=3&status=active&unknown=1"),
        "?id[]=9&id[]=3&status=active_ongoing,exited".to_owned(),
    ] {
        let some: Vec<ValidatorData> = data(&fixture, &format!("{path}{query}")).await;
        assert_eq!(some, [all[3].clone(), all[9].clone()], "{query}");
    }
    let none: Vec<ValidatorData> = data(&fixture, &format!("{path}?status=exited")).await;
    assert!(none.is_empty());
    let body = json!({"ids": ["3", format!("{key:?}")], "statuses": ["active"]});
    let answer = post(&fixture, path, &body).await;
    let envelope: Envelope<Vec<ValidatorData>> =
        serde_json::from_value(answer.json()).expect("validators");
    assert_eq!(envelope.data, [all[3].clone(), all[9].clone()]);
    let answer = post(&fixture, path, &json!({"ids": null})).await;
    assert_eq!(answer.json()["data"].as_array().map(Vec::len), Some(64));
    for wrong in ["?id=x", "?id=0x12", "?status=asleep", "?id=-1"] {
        assert_eq!(
            get_error(&fixture.api, &format!("{path}{wrong}")).await.0,
            400
        );
    }
    for wrong in [
        json!({"ids": ["x"]}),
        json!({"statuses": ["x"]}),
        json!(["1"]),
        json!(1),
    ] {
        assert_eq!(post(&fixture, path, &wrong).await.status, 400, "{wrong}");
    }
}

#[tokio::test]
async fn one_validator_or_404() {
    let fixture = Fixture::new();
    let path = "/eth/v1/beacon/states/head/validators";
    let one: ValidatorData = data(&fixture, &format!("{path}/9")).await;
    let key = one.validator.pubkey;
    let same: ValidatorData = data(&fixture, &format!("{path}/{key:?}")).await;
    assert_eq!(one, same);
    let unknown = format!("{path}/{:?}", BLSPubkey::repeat_byte(1));
    assert_eq!(get_error(&fixture.api, &unknown).await.0, 404);
    assert_eq!(get_error(&fixture.api, &format!("{path}/64")).await.0, 404);
    assert_eq!(
        get_error(&fixture.api, &format!("{path}/{}", u64::MAX))
            .await
            .0,
        404
    );
    assert_eq!(get_error(&fixture.api, &format!("{path}/me")).await.0, 400);
}

#[tokio::test]
async fn balances_in_both_forms() {
    let fixture = Fixture::new();
    let path = "/eth/v1/beacon/states/20/validator_balances";
    let all: Vec<BalanceData> = data(&fixture, path).await;
    let balances: Vec<Gwei> = MADE.state(20).balances().iter().collect();
    assert_eq!(
        all.iter().map(|one| one.balance).collect::<Vec<_>>(),
        balances
    );
    let some: Vec<BalanceData> = data(&fixture, &format!("{path}?id=63&id=2,70")).await;
    assert_eq!(some, [all[2], all[63]]);
    let answer = post(&fixture, path, &json!(["63", "2"])).await;
    assert_eq!(answer.json()["data"], json!([all[2], all[63]]));
    let answer = call(&fixture.api, Method::GET, path, &[SSZ], b"").await;
    assert_eq!(answer.body.len(), 64 * 16);
    assert_eq!(
        answer.body[16..32],
        [1_u64.to_le_bytes(), balances[1].to_le_bytes()].concat()
    );
}

#[tokio::test]
async fn committees_of_near_epochs() {
    let fixture = Fixture::new();
    let path = "/eth/v1/beacon/states/head/committees";
    for epoch in 0..=9 {
        let target = format!("{path}?epoch={epoch}");
        let committees: Vec<CommitteeData> = data(&fixture, &target).await;
        let shuffling = MADE.state(HEAD).shuffling(epoch).expect("committees");
        assert_eq!(committees.len(), 16);
        for one in &committees {
            let members = shuffling
                .committee(one.slot, one.index)
                .expect("a committee");
            assert!(
                one.validators.iter().eq(members
                    .iter()
                    .map(|&member| u64::from(member))
                    .collect::<Vec<_>>()
                    .iter())
            );
        }
        // The same as the state of that epoch tells.
        if epoch > 0 && epoch < 8 {
            let then = format!("/eth/v1/beacon/states/{}/committees", epoch * 8 + 1);
            assert_eq!(
                data::<Vec<CommitteeData>>(&fixture, &then).await,
                committees
            );
        }
    }
    let one: Vec<CommitteeData> = data(&fixture, &format!("{path}?slot=66&index=1")).await;
    assert_eq!((one.len(), one[0].slot, one[0].index), (1, 66, 1));
    for wrong in [
        "?epoch=10",
        "?slot=9",
        "?epoch=7&slot=64",
        "?index=2",
        "?epoch=x",
        "?slot=",
    ] {
        assert_eq!(
            get_error(&fixture.api, &format!("{path}{wrong}")).await.0,
            400,
            "{wrong}"
        );
    }
}

#[tokio::test]
async fn headers_of_slots_and_parents() {
    let fixture = Fixture::new();
    let path = "/eth/v1/beacon/headers";
    let head: Vec<HeaderData> = data(&fixture, path).await;
    assert_eq!(head.len(), 1);
    assert_eq!(head[0].header.message, MADE.block(HEAD).message.header());
    assert_eq!(head[0].header.message.hash_tree_root(), head[0].root);

    let both: Vec<HeaderData> = data(&fixture, &format!("{path}?slot={SIDE}")).await;
    let roots: Vec<_> = both.iter().map(|one| (one.root, one.canonical)).collect();
    assert_eq!(roots, [(MADE.canonical[&SIDE], true), (MADE.side, false)]);
    let parent = MADE.canonical[&(SIDE - 1)];
    let children: Vec<HeaderData> = data(&fixture, &format!("{path}?parent_root={parent:?}")).await;
    assert_eq!(children.len(), 2);

    // Finalized long ago, and followed by an empty slot.
    let parent = MADE.canonical[&15];
    let json = get_json(&fixture.api, &format!("{path}?parent_root={parent:?}")).await;
    assert_eq!(
        json["data"][0]["root"],
        format!("{:?}", MADE.canonical[&17])
    );
    assert_eq!(
        (&json["finalized"], &json["data"][0]["canonical"]),
        (&json!(true), &json!(true))
    );
    for empty in [
        "?slot=16",
        "?slot=71",
        "?slot=17&parent_root=",
        "?parent_root=",
    ] {
        let empty = match empty.strip_suffix('=') {
            Some(_) => format!("{path}{empty}{:?}", Root::repeat_byte(4)),
            None => format!("{path}{empty}"),
        };
        assert_eq!(data::<Vec<HeaderData>>(&fixture, &empty).await, []);
    }
    let one: HeaderData = data(&fixture, &format!("{path}/{:?}", MADE.side)).await;
    assert!(!one.canonical);
    assert_eq!(
        get_error(&fixture.api, &format!("{path}?parent_root=0x12"))
            .await
            .0,
        400
    );
    assert_eq!(
        get_error(&fixture.api, &format!("{path}/current")).await.0,
        400
    );
}

#[tokio::test]
async fn blocks_in_both_forms() {
    let fixture = Fixture::new();
    for slot in [0, 1, 17, 33, 60, 66, HEAD] {
        let root = MADE.canonical[&slot];
        for id in [slot.to_string(), format!("{root:?}")] {
            let path = format!("/eth/v2/beacon/blocks/{id}");
            let json = get_json(&fixture.api, &path).await;
            assert_eq!(
                json["data"],
                serde_json::to_value(MADE.block(slot).as_ref()).expect("JSON")
            );
            assert_eq!(json["version"], "phase0");
            assert_eq!(json["finalized"], slot <= MADE.finalized_slot());
            let answer = call(&fixture.api, Method::GET, &path, &[SSZ], b"").await;
            assert!(answer.body == MADE.block(slot).as_ssz_bytes());
            assert_eq!(answer.header("eth-consensus-version"), Some("phase0"));
        }
        let path = format!("/eth/v1/beacon/blocks/{slot}/root");
        assert_eq!(
            get_json(&fixture.api, &path).await["data"]["root"],
            format!("{root:?}")
        );
        let path = format!("/eth/v1/beacon/blocks/{slot}/attestations");
        let attestations: Vec<Attestation> = data(&fixture, &path).await;
        assert!(
            attestations
                .iter()
                .eq(MADE.block(slot).message.body.attestations.iter())
        );
    }
    let v1 = get_json(&fixture.api, "/eth/v1/beacon/blocks/head").await;
    assert!(v1.get("version").is_none() && v1["data"]["message"]["slot"] == "70");
}

#[tokio::test]
async fn a_block_is_handed_to_the_core() {
    let fixture = Fixture::new();
    let block = MADE.block(HEAD);
    let (json, ssz) = (json!(block.as_ref()).to_string(), block.as_ssz_bytes());
    let v2 = "/eth/v2/beacon/blocks?broadcast_validation=consensus";
    let phase0 = ("eth-consensus-version", "phase0");
    let octets = ("content-type", "application/octet-stream");
    for (path, headers, body) in [
        ("/eth/v1/beacon/blocks", vec![], json.as_bytes()),
        ("/eth/v1/beacon/blocks", vec![octets], &ssz),
        (v2, vec![phase0], json.as_bytes()),
        (v2, vec![phase0, octets], &ssz),
    ] {
        let answer = call(&fixture.api, Method::POST, path, &headers, body).await;
        assert_eq!(answer.status, 200);
        let call = fixture.calls.calls.lock().pop();
        assert!(matches!(call, Some(ApiCall::SubmitBlock(handed)) if handed == *block));
    }
    for (path, headers, body, status) in [
        (v2, vec![], json.as_bytes(), 400),
        (
            v2,
            vec![("eth-consensus-version", "altair")],
            json.as_bytes(),
            400,
        ),
        (
            "/eth/v2/beacon/blocks?broadcast_validation=none",
            vec![phase0],
            &ssz,
            400,
        ),
        (v2, vec![phase0, octets], &ssz[1..], 400),
        (v2, vec![phase0], &json.as_bytes()[1..], 400),
        (v2, vec![phase0, ("content-type", "text/plain")], &ssz, 415),
    ] {
        let answer = call(&fixture.api, Method::POST, path, &headers, body).await;
        assert_eq!(answer.status, status, "{path} {headers:?}");
    }
    for (reply, status) in [
        (
            Ok(ApiReply::NotImported("its parent is not known".into())),
            202,
        ),
        (Err(ApiError::Invalid("its signature is wrong".into())), 400),
        (
            Err(ApiError::Unavailable("the node is about to stop".into())),
            503,
        ),
    ] {
        *fixture.calls.answer.lock() = reply;
        let answer = call(&fixture.api, Method::POST, v2, &[phase0, octets], &ssz).await;
        assert_eq!(answer.status, status);
    }
    *fixture.calls.answer.lock() = Err(ApiError::InvalidItems(vec![(3, "late".into())]));
    let answer = call(&fixture.api, Method::POST, v2, &[phase0, octets], &ssz).await;
    assert_eq!(
        answer.json()["failures"],
        json!([{"index": 3, "message": "late"}])
    );
}

#[tokio::test]
async fn the_fork_choice_shows_its_own_checkpoints() {
    let fixture = Fixture::new();
    let newer = Checkpoint {
        epoch: 8,
        root: MADE.canonical[&64],
    };
    fixture.publish(|snapshot| snapshot.justified = newer);
    let json = get_json(&fixture.api, "/eth/v1/debug/fork_choice").await;
    assert_eq!(json["justified_checkpoint"], json!(newer));
    let nodes = json["fork_choice_nodes"].as_array().expect("nodes");
    assert_eq!(nodes.len(), MADE.snapshot().blocks.size());
    let place = |root: &Value| nodes.iter().position(|node| node["block_root"] == *root);
    for (at, node) in nodes.iter().enumerate().skip(1) {
        assert!(
            place(&node["parent_root"]).is_some_and(|parent| parent < at),
            "{node}"
        );
    }
    let side = nodes
        .iter()
        .find(|node| node["block_root"] == format!("{:?}", MADE.side));
    assert_eq!(
        side.expect("the side branch")["extra_data"]["canonical"],
        false
    );
    let heads = get_json(&fixture.api, "/eth/v2/debug/beacon/heads").await;
    assert_eq!(heads["data"][1]["root"], format!("{:?}", MADE.side));
    assert_eq!(heads["data"][1]["execution_optimistic"], false);
    let heads = get_json(&fixture.api, "/eth/v1/debug/beacon/heads").await;
    assert!(heads["data"][0].get("execution_optimistic").is_none());
}

#[tokio::test]
async fn routes_methods_and_forms() {
    let fixture = Fixture::new();
    let api = &fixture.api;
    let path = "/eth/v1/beacon/states/head/validators";
    for (method, target, headers, status) in [
        (Method::GET, "/eth/v1/beacon/nothing", vec![], 404),
        (Method::GET, "/eth/v1/node/version/", vec![], 404),
        (Method::DELETE, path, vec![], 405),
        (Method::POST, "/eth/v1/node/version", vec![], 405),
        (Method::GET, "/eth/v2/beacon/blocks", vec![], 405),
        (Method::GET, path, vec![SSZ], 406),
        (
            Method::POST,
            path,
            vec![("content-type", "application/octet-stream")],
            415,
        ),
        (Method::GET, "/eth/v1/node/version?x=%zz", vec![], 400),
        (
            Method::GET,
            "/eth/v1/node/version",
            vec![("host", "attacker.example")],
            403,
        ),
        (
            Method::GET,
            "/eth/v1/events?topics=weather_forecast",
            vec![],
            400,
        ),
        (Method::GET, "/eth/v1/events", vec![], 400),
        (
            Method::GET,
            "/eth/v1/events?topics=head",
            vec![("accept", "image/png")],
            406,
        ),
    ] {
        let body = b"{}";
        let answer = call(api, method.clone(), target, &headers, body).await;
        assert_eq!(answer.status, status, "{method} {target}");
        let json = answer.json();
        assert_eq!(json["code"], status);
        assert!(json["message"].as_str().is_some_and(|text| text.len() > 5));
    }
    let answer = call(api, Method::PUT, path, &[], b"").await;
    assert_eq!(answer.header("allow"), Some("GET, HEAD, POST"));
    let answer = call(api, Method::OPTIONS, "/eth/v1/beacon/blocks", &[], b"").await;
    assert_eq!((answer.status, answer.header("allow")), (204, Some("POST")));
    assert_eq!(call(api, Method::HEAD, path, &[], b"").await.status, 200);
}
