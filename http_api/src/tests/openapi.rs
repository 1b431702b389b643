//! Answers have the form that the published OpenAPI documents give them.

use super::fixture::{Fixture, HEAD};
use super::{Answer, call, get};
use crate::routes::{ROUTES, Verb};
use serde_json::Value;
use std::path::PathBuf;
use warp::http::Method;

/// The versions, oldest first. Later ones lack what was removed, earlier ones what came.
const VERSIONS: [&str; 4] = ["v2.0.0", "v2.5.0", "v3.1.0", "v4.0.0"];

fn document(version: &str) -> Option<Value> {
    let name = format!("beacon-node-oapi.{version}.bundled.yaml");
    let path = PathBuf::from("spec/beacon-api").join(name);
    let text = shared_inputs::text(path, "the forms of API answers")?;
    Some(serde_saphyr::from_str(&text).expect("YAML"))
}

/// Follows `$ref`.
fn resolved<'a>(document: &'a Value, mut schema: &'a Value) -> &'a Value {
    while let Some(to) = schema["$ref"].as_str() {
        let pointer = to
            .strip_prefix('#')
            .expect("a reference within the document");
        schema = document.pointer(pointer).expect("what is referred to");
    }
    schema
}

/// What is wrong with a value.
fn check(document: &Value, schema: &Value, value: &Value, at: &str) -> Result<(), String> {
    let schema = resolved(document, schema);
    for all in schema["allOf"].as_array().into_iter().flatten() {
        check(document, all, value, at)?;
    }
    for one_of in ["anyOf", "oneOf"] {
        if let Some(forms) = schema[one_of].as_array() {
            let failed = forms.iter().map(|form| check(document, form, value, at));
            let failed: Result<Vec<String>, ()> =
                failed.map(|result| result.err().ok_or(())).collect();
            if let Ok(failed) = failed {
                return Err(failed.join("; or "));
            }
        }
    }
    if let Some(values) = schema["enum"].as_array()
        && !values.contains(value)
    {
        return Err(format!("{at}: {value} is none of {values:?}"));
    }
    let is_right = match schema["type"].as_str() {
        Some("object") => value.is_object(),
        Some("array") => value.is_array(),
        Some("string") => value.is_string(),
        Some("boolean") => value.is_boolean(),
        Some("integer" | "number") => value.is_number(),
        _ => true,
    };
    if !is_right {
        return Err(format!("{at}: {value} is no {}", schema["type"]));
    }
    if let (Some(pattern), Some(text)) = (schema["pattern"].as_str(), value.as_str())
        && !hex_of(pattern, text)
    {
        return Err(format!("{at}: {text} is not {pattern}"));
    }
    for name in schema["required"].as_array().into_iter().flatten() {
        let name = name.as_str().expect("a name");
        if value.get(name).is_none() {
            return Err(format!("{at}: {name} is missing"));
        }
    }
    for (name, of) in schema["properties"].as_object().into_iter().flatten() {
        if let Some(value) = value.get(name) {
            check(document, of, value, &format!("{at}.{name}"))?;
        }
    }
    if !schema["items"].is_null() {
        for (place, item) in value.as_array().into_iter().flatten().enumerate() {
            check(document, &schema["items"], item, &format!("{at}[{place}]"))?;
        }
    }
    Ok(())
}

/// Patterns are `^0x[a-fA-F0-9]{64}$` and the like.
fn hex_of(pattern: &str, text: &str) -> bool {
    let length = pattern.strip_prefix("^0x[a-fA-F0-9]");
    let length = length.and_then(|rest| rest.strip_suffix('$'));
    let lengths = match length {
        Some("*") => "0,",
        Some("+") => "1,",
        Some(length) => length.trim_matches(['{', '}']),
        None => panic!("a new kind of pattern: {pattern}"),
    };
    let (least, most) = lengths.split_once(',').unwrap_or((lengths, lengths));
    let least: usize = least.parse().expect("a length");
    let most: usize = most.parse().unwrap_or(usize::MAX);
    text.strip_prefix("0x").is_some_and(|digits| {
        (least..=most).contains(&digits.len())
            && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
    })
}

/// A path of the table with values for its names.
fn target(path: &str) -> String {
    path.replace("{state_id}", "head")
        .replace("{block_id}", "head")
        .replace("{validator_id}", "3")
}

async fn answer(fixture: &Fixture, verb: Verb, path: &str) -> Answer {
    let target = target(path);
    match verb {
        Verb::Get => get(&fixture.api, &target).await,
        Verb::Post => {
            let body = match path.ends_with("validator_balances") {
                true => "[]",
                false => "{}",
            };
            call(&fixture.api, Method::POST, &target, &[], body.as_bytes()).await
        }
    }
}

#[tokio::test]
async fn answers_have_the_published_form() {
    let fixture = Fixture::new();
    let mut checked = Vec::new();
    for version in VERSIONS {
        let Some(document) = document(version) else {
            return;
        };
        for route in ROUTES {
            let method = match route.verb {
                Verb::Get => "get",
                Verb::Post => "post",
            };
            let operation = &document["paths"][route.path][method];
            let form = &operation["responses"]["200"]["content"]["application/json"]["schema"];
            if form.is_null() {
                continue;
            }
            let answer = answer(&fixture, route.verb, route.path).await;
            assert_eq!(answer.status, 200, "{method} {}", route.path);
            let result = check(&document, form, &answer.json(), "body");
            assert_eq!(result, Ok(()), "{version} {method} {}", route.path);
            checked.push(route.path);
        }
    }
    checked.sort_unstable();
    checked.dedup();
    assert!(checked.len() >= 24, "only {checked:?}");
}

#[tokio::test]
async fn errors_have_the_published_form() {
    let Some(document) = document("v3.1.0") else {
        return;
    };
    let form = &document["components"]["schemas"]["ErrorMessage"];
    let fixture = Fixture::new();
    let path = format!("/eth/v1/beacon/headers/{}", HEAD + 1);
    let answer = get(&fixture.api, &path).await;
    assert_eq!(check(&document, form, &answer.json(), "body"), Ok(()));
}

#[test]
fn the_checker_finds_what_is_wrong() {
    let Some(document) = document("v3.1.0") else {
        return;
    };
    let form = &document["components"]["schemas"]["Checkpoint"];
    let root = format!("0x{}", "00".repeat(32));
    let wrong = |value| check(&document, form, &value, "x").is_err();
    assert!(!wrong(serde_json::json!({"epoch": "1", "root": root})));
    assert!(wrong(serde_json::json!({"epoch": 1, "root": root})));
    assert!(wrong(serde_json::json!({"epoch": "1", "root": "0x00"})));
    assert!(wrong(serde_json::json!({"epoch": "1"})) || form["required"].is_null());
}

/// Keys of later forks, and those that the specification has dropped since.
fn is_of_another_time(key: &str) -> bool {
    let later = [
        "BELLATRIX",
        "TERMINAL_",
        "_SYNC_",
        "SYNC_COMMITTEE",
        "INACTIVITY_SCORE_",
    ];
    let dropped = [
        "EPOCHS_PER_RANDOM_SUBNET_SUBSCRIPTION",
        "RANDOM_SUBNETS_PER_VALIDATOR",
        "SAFE_SLOTS_TO_IMPORT_OPTIMISTICALLY",
        "SAFE_SLOTS_TO_UPDATE_JUSTIFIED",
    ];
    later.iter().any(|part| key.contains(part))
        || key.ends_with("_ALTAIR")
        || dropped.contains(&key)
}

/// All keys of configuration that another client tells and phase 0 has.
#[tokio::test]
async fn configuration_has_what_another_client_tells() {
    let folder = PathBuf::from("chaindata/rest-golden/lighthouse-v2.3.1-mainnet");
    let golden = folder.join("eth_v1_config_spec.json");
    let Some(golden) = shared_inputs::text(golden, "another client's configuration") else {
        return;
    };
    let golden: Value = serde_json::from_str(&golden).expect("JSON");
    let fixture = Fixture::new();
    fixture.publish(|snapshot| snapshot.spec = consensus::Spec::mainnet().into());
    let ours = super::get_json(&fixture.api, "/eth/v1/config/spec").await;
    for (key, value) in golden["data"].as_object().expect("values") {
        match ours["data"].get(key) {
            Some(ours) => assert_eq!(ours, value, "{key}"),
            None => assert!(is_of_another_time(key), "{key} is missing"),
        }
    }
    for (file, path) in [
        (
            "eth_v1_config_deposit_contract.json",
            "/eth/v1/config/deposit_contract",
        ),
        (
            "eth_v1_config_fork_schedule.json",
            "/eth/v1/config/fork_schedule",
        ),
    ] {
        let golden = shared_inputs::text(folder.join(file), "another client's configuration");
        let golden: Value = serde_json::from_str(&golden.expect("beside the other")).expect("JSON");
        assert_eq!(super::get_json(&fixture.api, path).await, golden, "{file}");
    }
}

/// What another client sent to its subscribers is read and written again as it was.
#[test]
fn events_have_the_form_that_another_client_sends() {
    let Some(lines) = shared_inputs::text("peers/rest-capture/events.jsonl", "captured events")
    else {
        return;
    };
    let mut heads = 0;
    for line in lines.lines() {
        let line: Value = serde_json::from_str(line).expect("JSON");
        let line = line["line"].as_str().expect("a line");
        if let Some(data) = line.strip_prefix("data: ") {
            let event: api_types::HeadEvent = serde_json::from_str(data).expect("a head event");
            assert_eq!(serde_json::to_string(&event).ok().as_deref(), Some(data));
            heads += 1;
        }
    }
    assert!(heads > 10, "{heads}");
}
