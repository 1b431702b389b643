//! Presets and configurations: the specification's own files, other clients', and hostile ones.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![forbid(unsafe_code)]

use consensus::Spec;
use consensus::spec::{LoadedSpec, SpecError};
use shared_inputs::archived;

fn load(text: &str) -> LoadedSpec {
    Spec::from_yaml(text).unwrap()
}

fn refused(text: &str) -> SpecError {
    Spec::from_yaml(text).unwrap_err()
}

#[test]
fn the_specifications_files_are_the_built_in_values() {
    for (name, built_in) in [("mainnet", Spec::mainnet()), ("minimal", Spec::minimal())] {
        let Some(config) =
            shared_inputs::text(format!("spec/configs/{name}.yaml"), "configuration")
        else {
            return;
        };
        let preset = shared_inputs::text(format!("spec/presets/{name}.yaml"), "preset").unwrap();
        let loaded = Spec::from_yaml_parts(&[&preset, &config]).unwrap();
        assert_eq!(loaded.spec, built_in);
        // Nothing was taken from the built-in values: the files really say so.
        assert_eq!(loaded.defaulted, [""; 0]);
        for later in [
            "BLOB_SCHEDULE",
            "TERMINAL_TOTAL_DIFFICULTY",
            "GLOAS_FORK_EPOCH",
        ] {
            assert!(loaded.unknown.iter().any(|key| key == later), "{later}");
        }
        let swapped = Spec::from_yaml_parts(&[&config, &preset]).unwrap();
        assert_eq!(swapped, loaded);
        let alone = load(&config);
        assert_eq!(alone.spec, built_in);
        assert_eq!(alone.defaulted.len(), built_in.preset_values().len());
    }
}

#[test]
fn what_is_written_is_read_again() {
    let mut spec = Spec::minimal();
    spec.CONFIG_NAME = "other-net".into();
    spec.SLOTS_PER_EPOCH = 16;
    spec.SLOT_DURATION_MS = 3_000;
    spec.GENESIS_FORK_VERSION = [0xff, 0, 1, 2].into();
    for spec in [spec, Spec::mainnet(), Spec::minimal()] {
        let loaded = load(&spec.to_yaml());
        assert_eq!(loaded.spec, spec);
        assert_eq!(loaded.defaulted, [""; 0]);
        assert_eq!(loaded.unknown, [""; 0]);
    }
}

#[test]
fn other_clients_configurations_load() {
    let Some(files) = shared_inputs::files("chaindata", "configurations of other clients") else {
        return;
    };
    let mut texts = Vec::new();
    for file in files {
        let name = file.file_name().unwrap().to_str().unwrap();
        if name == "config.yaml" {
            let text = shared_inputs::text(&file, "configuration").unwrap();
            texts.push((file.display().to_string(), text));
        } else if name.ends_with(".tar.xz") && file.parent().unwrap().ends_with("lodestar") {
            let wanted = |path: &str| path.ends_with("config.yaml");
            for (path, bytes) in archived(&file, "configuration", wanted).unwrap() {
                texts.push((path, String::from_utf8(bytes).unwrap()));
            }
        }
    }
    assert_eq!(texts.len(), 4, "three Lodestar networks and one of Teku");
    for (path, text) in texts {
        let spec = Spec::from_yaml(&text)
            .unwrap_or_else(|error| panic!("{path}: {error}"))
            .spec;
        let line = |key: &str| {
            let (_, rest) = text.split_once(&format!("{key}: ")).unwrap();
            rest.lines().next().unwrap().trim_matches('"').to_owned()
        };
        assert_eq!(spec.PRESET_BASE, line("PRESET_BASE"), "{path}");
        assert_eq!(spec.CONFIG_NAME, line("CONFIG_NAME"), "{path}");
        assert_eq!(
            (spec.SLOT_DURATION_MS / 1000).to_string(),
            line("SECONDS_PER_SLOT"),
            "{path}"
        );
        assert_eq!(
            spec.GENESIS_FORK_VERSION.to_string(),
            line("GENESIS_FORK_VERSION"),
            "{path}"
        );
        assert_eq!(
            spec.MIN_GENESIS_TIME.to_string(),
            line("MIN_GENESIS_TIME"),
            "{path}"
        );
    }
}

#[test]
fn every_type_of_value_is_read_as_it_stands() {
    let loaded = load(
        "# a comment\n---\nPRESET_BASE: 'minimal'\nCONFIG_NAME: \"x\"\n\
         DEPOSIT_CONTRACT_ADDRESS: 0x00000000219ab540356cBB839Cbe05303d7705Fa\n\
         GENESIS_FORK_VERSION: 0x00000020\nALTAIR_FORK_VERSION: '0x01000020'\n\
         MIN_GENESIS_TIME: \"1606824000\"\nALTAIR_FORK_EPOCH: 18446744073709551615\n\
         TERMINAL_TOTAL_DIFFICULTY: 115792089237316195423570985008687907853269984665640564039457584007913129638912\n\
         TERMINAL_BLOCK_HASH: 0x0000000000000000000000000000000000000000000000000000000000000001\n\
         OTHER_ADDRESS: 0x00000000219ab540356cBB839Cbe05303d7705Fa\n\
         BLOB_SCHEDULE:\n  - EPOCH: 1\n    MAX_BLOBS_PER_BLOCK: 2\nEMPTY: []\nNOTHING:\nBIG: 1e999\n",
    );
    let address = loaded.spec.DEPOSIT_CONTRACT_ADDRESS;
    assert_eq!(
        address.to_string(),
        "0x00000000219ab540356cBB839Cbe05303d7705Fa"
    );
    assert_eq!(loaded.spec.GENESIS_FORK_VERSION, [0, 0, 0, 0x20]);
    assert_eq!(loaded.spec.ALTAIR_FORK_VERSION, [1, 0, 0, 0x20]);
    assert_eq!(loaded.spec.MIN_GENESIS_TIME, 1_606_824_000);
    assert_eq!(loaded.spec.ALTAIR_FORK_EPOCH, u64::MAX);
    let unknown = [
        "BIG",
        "BLOB_SCHEDULE",
        "EMPTY",
        "NOTHING",
        "OTHER_ADDRESS",
        "TERMINAL_BLOCK_HASH",
        "TERMINAL_TOTAL_DIFFICULTY",
    ];
    assert_eq!(loaded.unknown, unknown);
    assert!(!loaded.defaulted.contains(&"MIN_GENESIS_TIME"));
    assert!(loaded.defaulted.contains(&"SLOT_DURATION_MS"));
}

#[test]
fn the_preset_base_chooses_the_defaults() {
    assert_eq!(load("PRESET_BASE: minimal").spec, Spec::minimal());
    let loaded = load("CONFIG_NAME: mainnet");
    assert_eq!(loaded.spec, Spec::mainnet());
    assert_eq!(loaded.defaulted[0], "PRESET_BASE");
    assert_eq!(
        load("PRESET_BASE: minimal\nSLOTS_PER_EPOCH: 16")
            .spec
            .SLOTS_PER_EPOCH,
        16
    );

    let error = refused("PRESET_BASE: gnosis\nSLOTS_PER_EPOCH: 16");
    let SpecError::UnknownPreset { base, missing } = &error else {
        panic!("{error}")
    };
    assert_eq!(base, "gnosis");
    assert!(missing.starts_with("MAX_COMMITTEES_PER_SLOT, "));
    assert!(!missing.contains("SLOTS_PER_EPOCH"));
    let preset: String = Spec::mainnet()
        .preset_values()
        .iter()
        .map(|(key, value)| match *key {
            "SLOTS_PER_EPOCH" => "SLOTS_PER_EPOCH: 16\n".into(),
            _ => format!("{key}: {value}\n"),
        })
        .collect();
    let gnosis = Spec::from_yaml_parts(&["PRESET_BASE: gnosis\nSECONDS_PER_SLOT: 5", &preset]);
    let gnosis = gnosis.unwrap().spec;
    assert_eq!(
        (gnosis.SLOTS_PER_EPOCH, gnosis.SLOT_DURATION_MS),
        (16, 5_000)
    );
    assert_eq!(gnosis.PRESET_BASE, "gnosis");
}

#[test]
fn the_two_slot_durations_must_agree() {
    let loaded = load("SECONDS_PER_SLOT: 3");
    assert_eq!(loaded.spec.SLOT_DURATION_MS, 3_000);
    assert!(!loaded.defaulted.contains(&"SLOT_DURATION_MS"));
    assert_eq!(load("SLOT_DURATION_MS: 3000").spec.SLOT_DURATION_MS, 3_000);
    load("SLOT_DURATION_MS: 3000\nSECONDS_PER_SLOT: 3");
    let error = refused("SLOT_DURATION_MS: 3000\nSECONDS_PER_SLOT: 12");
    assert!(
        matches!(
            error,
            SpecError::SlotDurations {
                milliseconds: 3000,
                ..
            }
        ),
        "{error}"
    );
    for seconds in ["18446744073709551615", "-1", "1.5", "x"] {
        let error = refused(&format!("SECONDS_PER_SLOT: {seconds}"));
        assert!(matches!(error, SpecError::Value { .. }), "{error}");
    }
}

#[test]
fn texts_may_repeat_a_key_only_with_the_same_value() {
    let same = [
        "SLOTS_PER_EPOCH: 8",
        "PRESET_BASE: minimal\nSLOTS_PER_EPOCH: 8",
    ];
    assert_eq!(Spec::from_yaml_parts(&same).unwrap().spec, Spec::minimal());
    let error = Spec::from_yaml_parts(&["SLOTS_PER_EPOCH: 8", "SLOTS_PER_EPOCH: 9"]).unwrap_err();
    assert!(
        matches!(
            error,
            SpecError::Conflict {
                key: "SLOTS_PER_EPOCH",
                ..
            }
        ),
        "{error}"
    );
    assert!(matches!(refused("A: 1\nA: 1"), SpecError::Yaml(_)));
    assert!(matches!(
        refused("SLOTS_PER_EPOCH: 8\nSLOTS_PER_EPOCH: 8"),
        SpecError::Yaml(_)
    ));
}

#[test]
fn shapes_of_messages_and_constants_cannot_change() {
    for (key, fixed) in [
        ("MAX_VALIDATORS_PER_COMMITTEE", 2048),
        ("MAX_PROPOSER_SLASHINGS", 16),
        ("MAX_ATTESTER_SLASHINGS", 2),
        ("MAX_ATTESTATIONS", 128),
        ("MAX_DEPOSITS", 16),
        ("MAX_VOLUNTARY_EXITS", 16),
        ("ATTESTATION_SUBNET_COUNT", 64),
        ("TARGET_AGGREGATORS_PER_COMMITTEE", 16),
        ("BASE_REWARDS_PER_EPOCH", 4),
    ] {
        load(&format!("{key}: {fixed}"));
        let error = refused(&format!("{key}: {}", fixed + 1));
        assert!(
            matches!(error, SpecError::Fixed { key: found, .. } if found == key),
            "{error}"
        );
        assert!(error.to_string().contains(key), "{error}");
    }
}

#[test]
fn values_the_transition_cannot_work_with_are_refused_by_name() {
    for line in [
        "MAX_COMMITTEES_PER_SLOT: 0",
        "TARGET_COMMITTEE_SIZE: 0",
        "SHUFFLE_ROUND_COUNT: 256",
        "HYSTERESIS_QUOTIENT: 0",
        "EFFECTIVE_BALANCE_INCREMENT: 0",
        "EFFECTIVE_BALANCE_INCREMENT: 3000000000",
        "MAX_EFFECTIVE_BALANCE: 0",
        "MAX_EFFECTIVE_BALANCE: 18446744073709551615",
        "MAX_EFFECTIVE_BALANCE: 32000000001",
        "EJECTION_BALANCE: 32000000000",
        "BASE_REWARD_FACTOR: 4294967296",
        "MIN_ATTESTATION_INCLUSION_DELAY: 0",
        "MIN_ATTESTATION_INCLUSION_DELAY: 33",
        "SLOTS_PER_EPOCH: 0",
        "SLOTS_PER_EPOCH: 1",
        "SLOTS_PER_HISTORICAL_ROOT: 0",
        "SLOTS_PER_HISTORICAL_ROOT: 32",
        "SLOTS_PER_HISTORICAL_ROOT: 8200",
        "SLOTS_PER_HISTORICAL_ROOT: 16777216",
        "EPOCHS_PER_HISTORICAL_VECTOR: 3",
        "EPOCHS_PER_HISTORICAL_VECTOR: 9223372036854775808",
        "EPOCHS_PER_SLASHINGS_VECTOR: 0",
        "EPOCHS_PER_ETH1_VOTING_PERIOD: 0",
        "EPOCHS_PER_ETH1_VOTING_PERIOD: 4294967296",
        "MIN_SEED_LOOKAHEAD: 0",
        "MIN_SEED_LOOKAHEAD: 5",
        "MAX_SEED_LOOKAHEAD: 18446744073709551615",
        "HISTORICAL_ROOTS_LIMIT: 0",
        "VALIDATOR_REGISTRY_LIMIT: 0",
        "VALIDATOR_REGISTRY_LIMIT: 18446744073709551615",
        "WHISTLEBLOWER_REWARD_QUOTIENT: 0",
        "PROPOSER_REWARD_QUOTIENT: 0",
        "INACTIVITY_PENALTY_QUOTIENT: 0",
        "MIN_SLASHING_PENALTY_QUOTIENT: 0",
        "MIN_GENESIS_ACTIVE_VALIDATOR_COUNT: 0",
        "SLOT_DURATION_MS: 0",
        "SLOT_DURATION_MS: 1500",
        "SECONDS_PER_SLOT: 0",
        "MIN_PER_EPOCH_CHURN_LIMIT: 0",
        "CHURN_LIMIT_QUOTIENT: 0",
        "EPOCHS_PER_SUBNET_SUBSCRIPTION: 0",
        "ATTESTATION_SUBNET_PREFIX_BITS: 64",
        "SUBNETS_PER_NODE: 65",
        "ATTESTATION_DUE_BPS: 10001",
        "MIN_VALIDATOR_WITHDRAWABILITY_DELAY: 18446744073709551615",
    ] {
        let error = refused(line);
        let key = line
            .split(':')
            .next()
            .unwrap()
            .replace("SECONDS_PER_SLOT", "SLOT_DURATION_MS");
        // Related values are refused by the name of the one that must follow the other.
        let related = match key.as_str() {
            "EFFECTIVE_BALANCE_INCREMENT" => "MAX_EFFECTIVE_BALANCE",
            "MIN_SEED_LOOKAHEAD" => "MAX_SEED_LOOKAHEAD",
            other => other,
        };
        let SpecError::OutOfRange { key: found, .. } = error else {
            panic!("{line}: {error}")
        };
        assert!(found == key || found == related, "{line}: {error}");
    }
}

#[test]
fn names_must_be_names() {
    for name in [
        "''",
        "../x",
        "a b",
        "'a\\b'",
        "a/b",
        "\"\\u0000\"",
        &"x".repeat(65),
    ] {
        let error = refused(&format!("CONFIG_NAME: {name}"));
        assert!(
            matches!(
                error,
                SpecError::Name {
                    key: "CONFIG_NAME",
                    ..
                }
            ),
            "{error}"
        );
    }
    assert_eq!(load("CONFIG_NAME: 2024").spec.CONFIG_NAME, "2024");
}

#[test]
fn hostile_texts_are_errors_of_one_line() {
    let bomb = "a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]\nd: [*c, *c]\n";
    let deep = format!("A: {}", "[".repeat(100_000));
    let deep_map = (0..5_000).fold(String::new(), |text, depth| {
        text + &" ".repeat(depth) + "a:\n"
    });
    let huge = "#".repeat(2 << 20);
    for text in [
        "",
        "# nothing but a comment\n",
        "{}",
        "just words",
        "- a\n- b",
        "SLOTS_PER_EPOCH: [8]",
        "SLOTS_PER_EPOCH: {a: 8}",
        "SLOTS_PER_EPOCH:",
        "SLOTS_PER_EPOCH: -8",
        "SLOTS_PER_EPOCH: 8.0",
        "SLOTS_PER_EPOCH: 0x8",
        "SLOTS_PER_EPOCH: 99999999999999999999",
        "SLOTS_PER_EPOCH: true",
        "GENESIS_FORK_VERSION: 0x000000",
        "GENESIS_FORK_VERSION: 0x0000000g",
        "DEPOSIT_CONTRACT_ADDRESS: 0x00",
        "A: 1\n---\nA: 2",
        "A: &x 1\nB: *x",
        "<<: {SLOTS_PER_EPOCH: 8}",
        "A: *unknown",
        "A: \"unterminated",
        "A: !!binary x\n\tB: 1",
        "{",
        "? [a]\n: b",
        "\u{0}",
        bomb,
        &deep,
        &deep_map,
        &huge,
    ] {
        let error = refused(text).to_string();
        let start = text.chars().take(40).collect::<String>();
        assert!(!error.contains('\n'), "{start}: {error}");
        assert!(error.len() < 600, "{start}: {error}");
    }
    assert!(matches!(refused(&huge), SpecError::TooLong(_)));
}

proptest::proptest! {
    #[test]
    fn no_text_panics(text in "[A-Z_:\\-\\[\\]{}&*!#|>'\"%@` \n\t0-9a-fx.,?~]{0,200}") {
        let _ = Spec::from_yaml(&text);
    }

    #[test]
    fn accepted_values_pass_the_check(key in 0usize..80, value: u64, small in 0u64..100) {
        let spec = Spec::minimal();
        let keys: Vec<_> = spec.preset_values().into_iter().chain(spec.config_values()).collect();
        let (key, _) = &keys[key % keys.len()];
        for value in [value, small] {
            if let Ok(loaded) = Spec::from_yaml(&format!("PRESET_BASE: minimal\n{key}: {value}")) {
                proptest::prop_assert_eq!(loaded.spec.check(), Ok(()));
                proptest::prop_assert_eq!(load(&loaded.spec.to_yaml()).spec, loaded.spec);
            }
        }
    }
}
