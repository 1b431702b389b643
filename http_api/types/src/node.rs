//! Bodies of `/eth/v1/node`.

use serde::{Deserialize, Serialize};
use serde_utils::quoted_u64;

/// Name and version of the program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeVersion {
    /// As in `Fresnel/v0.1.0/x86_64-linux`.
    pub version: String,
}

/// How far the head is from the slot by the clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SyncingStatus {
    /// Slot of the head.
    #[serde(with = "quoted_u64")]
    pub head_slot: u64,
    /// Slots from the head to now.
    #[serde(with = "quoted_u64")]
    pub sync_distance: u64,
    /// Whether that is more than what is usual.
    pub is_syncing: bool,
    /// Whether the head's execution payload is not verified: never in phase 0.
    pub is_optimistic: bool,
    /// Whether the execution client is offline: phase 0 needs none.
    pub el_offline: bool,
}

/// Who the node is on the network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkIdentity {
    /// The libp2p peer id.
    pub peer_id: String,
    /// The discv5 record.
    pub enr: String,
    /// Where libp2p listens.
    pub p2p_addresses: Vec<String>,
    /// Where discv5 listens.
    pub discovery_addresses: Vec<String>,
    /// The `MetaData` that peers can ask for.
    pub metadata: NetworkMetadata,
}

/// The `MetaData` of the request-response protocol.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkMetadata {
    /// Counts the changes.
    #[serde(with = "quoted_u64")]
    pub seq_number: u64,
    /// Long-lived attestation subnets, 64 bits in hex.
    pub attnets: String,
}

impl NetworkIdentity {
    /// A node without a network.
    pub fn offline() -> NetworkIdentity {
        NetworkIdentity {
            peer_id: String::new(),
            enr: String::new(),
            p2p_addresses: Vec::new(),
            discovery_addresses: Vec::new(),
            metadata: NetworkMetadata {
                seq_number: 0,
                attnets: "0x0000000000000000".into(),
            },
        }
    }
}
