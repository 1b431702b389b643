//! Genesis states of real networks decode and give their `genesis_validators_root`.
#![forbid(unsafe_code)]

use consensus::{BeaconState, Root, Spec};
use std::sync::Arc;

/// File, preset and, where it is published apart from the state, the `genesis_validators_root`.
type Network = (&'static str, fn() -> Spec, Option<&'static str>);

const NETWORKS: [Network; 6] = [
    (
        "mainnet/genesis.ssz.zip",
        Spec::mainnet,
        Some("0x4b363db94e286120d76eb905340fdd4e54bfe9f06bf33ff6cf5ad27f511bfe95"),
    ),
    ("testnets/altona.genesis.ssz.zip", Spec::mainnet, None),
    (
        "testnets/chiado.genesis.ssz.zip",
        gnosis,
        Some("0x9d642dac73058fbf39c0ae41ab1e34e4d889043cb199851ded7095bc99eb4c1e"),
    ),
    (
        "testnets/sepolia.genesis.ssz.zip",
        Spec::mainnet,
        Some("0xd8ea171f3c94aea21ebc42a1ed61052acf3f9209c00e4efbaaddac09ed9b8078"),
    ),
    ("testnets/spadina.genesis.ssz.zip", Spec::mainnet, None),
    ("testnets/toledo.genesis.ssz.zip", Spec::mainnet, None),
];

/// The preset of Gnosis chain and its test network, as far as it shapes a state.
fn gnosis() -> Spec {
    Spec {
        SLOTS_PER_EPOCH: 16,
        ..Spec::mainnet()
    }
}

const SKIPPED: &str = "genesis states of real networks";

fn genesis(file: &str) -> Option<Vec<u8>> {
    shared_inputs::unzipped(format!("chaindata/genesis/{file}"), SKIPPED)
}

#[test]
fn every_genesis_gives_its_validators_root() {
    for (file, spec, published) in NETWORKS {
        let Some(bytes) = genesis(file) else {
            return;
        };
        let state = BeaconState::from_ssz_bytes(&bytes, &Arc::new(spec()))
            .unwrap_or_else(|error| panic!("{file}: {error}"));
        assert_eq!(state.as_ssz_bytes(), bytes, "{file}");
        let root = state.genesis_validators_root();
        assert_eq!(state.compute_validators_root(), root, "{file}");
        if let Some(published) = published {
            assert_eq!(root, published.parse::<Root>().expect("a root"), "{file}");
        }
    }
}

#[test]
fn no_genesis_is_left_out() {
    let Some(folder) = shared_inputs::path("chaindata/genesis", SKIPPED) else {
        return;
    };
    let mut found = 0;
    for kind in ["mainnet", "testnets"] {
        for entry in std::fs::read_dir(folder.join(kind)).expect("readable") {
            let name = entry.expect("readable").file_name();
            let path = format!("{kind}/{}", name.to_string_lossy());
            assert!(NETWORKS.iter().any(|network| network.0 == path), "{path}");
            found += 1;
        }
    }
    assert_eq!(found, NETWORKS.len());
}

#[test]
fn a_state_of_another_preset_is_refused() {
    let Some(bytes) = genesis("mainnet/genesis.ssz.zip") else {
        return;
    };
    assert!(BeaconState::from_ssz_bytes(&bytes, &Arc::new(Spec::minimal())).is_err());
}
