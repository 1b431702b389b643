//! Bodies of `/eth/v1/config`.

use alloy_primitives::Address;
use consensus::{DomainType, Spec};
use serde::ser::SerializeMap;
use serde::{Deserialize, Serialize, Serializer};
use serde_utils::quoted_u64;

/// The contract that takes deposits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DepositContract {
    /// Chain of the contract.
    #[serde(with = "quoted_u64")]
    pub chain_id: u64,
    /// Its address.
    pub address: Address,
}

/// Constants of the specification that clients look for beside preset and configuration.
const NUMBERS: [(&str, u64); 7] = [
    ("BASE_REWARDS_PER_EPOCH", consensus::BASE_REWARDS_PER_EPOCH),
    (
        "DEPOSIT_CONTRACT_TREE_DEPTH",
        consensus::DEPOSIT_CONTRACT_TREE_DEPTH as u64,
    ),
    ("FAR_FUTURE_EPOCH", consensus::FAR_FUTURE_EPOCH),
    ("GENESIS_EPOCH", consensus::GENESIS_EPOCH),
    ("GENESIS_SLOT", consensus::GENESIS_SLOT),
    (
        "JUSTIFICATION_BITS_LENGTH",
        consensus::JUSTIFICATION_BITS_LENGTH as u64,
    ),
    (
        "TARGET_AGGREGATORS_PER_COMMITTEE",
        consensus::validator_guide::TARGET_AGGREGATORS_PER_COMMITTEE,
    ),
];

const DOMAINS: [(&str, DomainType); 8] = [
    ("DOMAIN_BEACON_PROPOSER", consensus::DOMAIN_BEACON_PROPOSER),
    ("DOMAIN_BEACON_ATTESTER", consensus::DOMAIN_BEACON_ATTESTER),
    ("DOMAIN_RANDAO", consensus::DOMAIN_RANDAO),
    ("DOMAIN_DEPOSIT", consensus::DOMAIN_DEPOSIT),
    ("DOMAIN_VOLUNTARY_EXIT", consensus::DOMAIN_VOLUNTARY_EXIT),
    ("DOMAIN_SELECTION_PROOF", consensus::DOMAIN_SELECTION_PROOF),
    (
        "DOMAIN_AGGREGATE_AND_PROOF",
        consensus::DOMAIN_AGGREGATE_AND_PROOF,
    ),
    (
        "DOMAIN_APPLICATION_MASK",
        consensus::DOMAIN_APPLICATION_MASK,
    ),
];

/// Writes all values of a [`Spec`] under the specification's names: configuration, preset,
/// constants.
#[derive(Clone, Copy, Debug)]
pub struct SpecValues<'a>(pub &'a Spec);

impl Serialize for SpecValues<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let spec = self.0;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("PRESET_BASE", &spec.PRESET_BASE)?;
        map.serialize_entry("CONFIG_NAME", &spec.CONFIG_NAME)?;
        let seconds = (spec.SLOT_DURATION_MS / 1000).to_string();
        map.serialize_entry("SECONDS_PER_SLOT", &seconds)?;
        for (name, text) in spec.config_values().into_iter().chain(spec.preset_values()) {
            map.serialize_entry(name, &text)?;
        }
        for (name, number) in NUMBERS {
            map.serialize_entry(name, &number.to_string())?;
        }
        for (name, byte) in [
            ("BLS_WITHDRAWAL_PREFIX", consensus::BLS_WITHDRAWAL_PREFIX),
            (
                "ETH1_ADDRESS_WITHDRAWAL_PREFIX",
                consensus::ETH1_ADDRESS_WITHDRAWAL_PREFIX,
            ),
        ] {
            map.serialize_entry(name, &format!("0x{byte:02x}"))?;
        }
        for (name, domain) in DOMAINS {
            map.serialize_entry(name, &domain)?;
        }
        map.end()
    }
}
