//! The preset and configuration values, one table: `beacon-chain.md#preset`,
//! `beacon-chain.md#configuration`, `fork-choice.md#configuration`, `p2p-interface.md#configuration`.

use super::value::SpecValue;
use crate::primitives::*;
use alloy_primitives::{Address, FixedBytes, address};

macro_rules! spec_table {
    (preset { $($(#[$pdoc:meta])* $pname:ident: $ptype:ty = $pmain:expr, $pmin:expr;)* }
     config { $($(#[$cdoc:meta])* $cname:ident: $ctype:ty = $cmain:expr, $cmin:expr;)* }) => {
        /// A network's preset and configuration, under the specification's own names.
        #[allow(non_snake_case, reason = "the specification's own names")]
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct Spec {
            /// The preset these values started from: `mainnet` or `minimal`.
            pub PRESET_BASE: String,
            /// The network's name.
            pub CONFIG_NAME: String,
            $($(#[$pdoc])* pub $pname: $ptype,)*
            $($(#[$cdoc])* pub $cname: $ctype,)*
        }

        impl Spec {
            /// The mainnet preset and configuration.
            pub fn mainnet() -> Spec {
                Spec {
                    PRESET_BASE: "mainnet".into(),
                    CONFIG_NAME: "mainnet".into(),
                    $($pname: $pmain,)* $($cname: $cmain,)*
                }
            }

            /// The minimal preset and configuration, for tests and small networks.
            pub fn minimal() -> Spec {
                Spec {
                    PRESET_BASE: "minimal".into(),
                    CONFIG_NAME: "minimal".into(),
                    $($pname: $pmin,)* $($cname: $cmin,)*
                }
            }

            /// Every preset value: name and text as in the specification's YAML.
            pub fn preset_values(&self) -> Vec<(&'static str, String)> {
                vec![$((stringify!($pname), self.$pname.to_text())),*]
            }

            /// Every configuration value but the two names: name and text.
            pub fn config_values(&self) -> Vec<(&'static str, String)> {
                vec![$((stringify!($cname), self.$cname.to_text())),*]
            }

            /// Sets one value from text; `Ok(false)` if no such name is known.
            pub(super) fn set(&mut self, name: &str, text: &str) -> Result<bool, String> {
                match name {
                    $(stringify!($pname) => self.$pname = SpecValue::from_text(text)?,)*
                    $(stringify!($cname) => self.$cname = SpecValue::from_text(text)?,)*
                    _ => return Ok(false),
                }
                Ok(true)
            }
        }
    };
}

spec_table! {
preset {
    /// Most committees a slot can have.
    MAX_COMMITTEES_PER_SLOT: u64 = 64, 4;
    /// Validators per committee from which on a slot gets more committees.
    TARGET_COMMITTEE_SIZE: u64 = 128, 4;
    /// Most validators a committee can have.
    MAX_VALIDATORS_PER_COMMITTEE: u64 = 2_048, 2_048;
    /// Rounds of the swap-or-not shuffle.
    SHUFFLE_ROUND_COUNT: u64 = 90, 10;
    /// Fraction of the increment that is one hysteresis step.
    HYSTERESIS_QUOTIENT: u64 = 4, 4;
    /// Steps the balance may fall below the effective balance.
    HYSTERESIS_DOWNWARD_MULTIPLIER: u64 = 1, 1;
    /// Steps the balance must rise above the effective balance.
    HYSTERESIS_UPWARD_MULTIPLIER: u64 = 5, 5;
    /// Smallest deposit, Gwei.
    MIN_DEPOSIT_AMOUNT: u64 = 1_000_000_000, 1_000_000_000;
    /// Largest effective balance, Gwei.
    MAX_EFFECTIVE_BALANCE: u64 = 32_000_000_000, 32_000_000_000;
    /// Effective balances are multiples of this, Gwei.
    EFFECTIVE_BALANCE_INCREMENT: u64 = 1_000_000_000, 1_000_000_000;
    /// Slots from an attestation to its earliest inclusion.
    MIN_ATTESTATION_INCLUSION_DELAY: u64 = 1, 1;
    /// Slots of an epoch.
    SLOTS_PER_EPOCH: u64 = 32, 8;
    /// Epochs from a seed's randomness to its use.
    MIN_SEED_LOOKAHEAD: u64 = 1, 1;
    /// Epochs from a registry change to its effect.
    MAX_SEED_LOOKAHEAD: u64 = 4, 4;
    /// Epochs without finality before the leak.
    MIN_EPOCHS_TO_INACTIVITY_PENALTY: u64 = 4, 4;
    /// Epochs of an eth1 voting period.
    EPOCHS_PER_ETH1_VOTING_PERIOD: u64 = 64, 4;
    /// Slots of block and state roots kept in a state.
    SLOTS_PER_HISTORICAL_ROOT: u64 = 8_192, 64;
    /// Epochs of RANDAO mixes kept in a state.
    EPOCHS_PER_HISTORICAL_VECTOR: u64 = 65_536, 64;
    /// Epochs of slashed balance kept in a state.
    EPOCHS_PER_SLASHINGS_VECTOR: u64 = 8_192, 64;
    /// Limit of the list of historical roots.
    HISTORICAL_ROOTS_LIMIT: u64 = 16_777_216, 16_777_216;
    /// Limit of the validator registry.
    VALIDATOR_REGISTRY_LIMIT: u64 = 1_099_511_627_776, 1_099_511_627_776;
    /// Scales the base reward.
    BASE_REWARD_FACTOR: u64 = 64, 64;
    /// Part of a slashed balance that is the whistleblower's.
    WHISTLEBLOWER_REWARD_QUOTIENT: u64 = 512, 512;
    /// Part of a reward that is the proposer's.
    PROPOSER_REWARD_QUOTIENT: u64 = 8, 8;
    /// Scales the inactivity leak.
    INACTIVITY_PENALTY_QUOTIENT: u64 = 67_108_864, 33_554_432;
    /// Part of the balance lost at once by slashing.
    MIN_SLASHING_PENALTY_QUOTIENT: u64 = 128, 64;
    /// Multiplies the proportional slashing penalty.
    PROPORTIONAL_SLASHING_MULTIPLIER: u64 = 1, 2;
    /// Most proposer slashings of a block.
    MAX_PROPOSER_SLASHINGS: u64 = 16, 16;
    /// Most attester slashings of a block.
    MAX_ATTESTER_SLASHINGS: u64 = 2, 2;
    /// Most attestations of a block.
    MAX_ATTESTATIONS: u64 = 128, 128;
    /// Most deposits of a block.
    MAX_DEPOSITS: u64 = 16, 16;
    /// Most voluntary exits of a block.
    MAX_VOLUNTARY_EXITS: u64 = 16, 16;
}
config {
    /// Active validators needed for genesis.
    MIN_GENESIS_ACTIVE_VALIDATOR_COUNT: u64 = 16_384, 64;
    /// Earliest genesis, Unix seconds.
    MIN_GENESIS_TIME: u64 = 1_606_824_000, 1_578_009_600;
    /// Seconds from the genesis-triggering eth1 block to genesis.
    GENESIS_DELAY: u64 = 604_800, 300;
    /// Epoch at which the network leaves phase 0.
    ALTAIR_FORK_EPOCH: u64 = 74_240, FAR_FUTURE_EPOCH;
    /// Length of a slot, milliseconds.
    SLOT_DURATION_MS: u64 = 12_000, 6_000;
    /// Estimated seconds per eth1 block.
    SECONDS_PER_ETH1_BLOCK: u64 = 14, 14;
    /// Epochs from exit to withdrawability.
    MIN_VALIDATOR_WITHDRAWABILITY_DELAY: u64 = 256, 256;
    /// Epochs a validator must have been active before it may exit.
    SHARD_COMMITTEE_PERIOD: u64 = 256, 64;
    /// Eth1 blocks behind the eth1 head at which deposits are followed.
    ETH1_FOLLOW_DISTANCE: u64 = 2_048, 16;
    /// Latest proposal of a re-org, basis points of the slot.
    PROPOSER_REORG_CUTOFF_BPS: u64 = 1_667, 1_667;
    /// When attestations are due, basis points of the slot.
    ATTESTATION_DUE_BPS: u64 = 3_333, 3_333;
    /// When aggregates are due, basis points of the slot.
    AGGREGATE_DUE_BPS: u64 = 6_667, 6_667;
    /// Effective balance at which a validator is ejected, Gwei.
    EJECTION_BALANCE: u64 = 16_000_000_000, 16_000_000_000;
    /// Fewest validators that may enter or leave per epoch.
    MIN_PER_EPOCH_CHURN_LIMIT: u64 = 4, 2;
    /// Part of the active validators that may enter or leave per epoch.
    CHURN_LIMIT_QUOTIENT: u64 = 65_536, 32;
    /// Fork choice boost of a timely block, percent of a slot's weight.
    PROPOSER_SCORE_BOOST: u64 = 40, 40;
    /// Head weight below which it may be re-orged, percent of a slot's weight.
    REORG_HEAD_WEIGHT_THRESHOLD: u64 = 20, 20;
    /// Parent weight above which its child may be re-orged, percent.
    REORG_PARENT_WEIGHT_THRESHOLD: u64 = 160, 160;
    /// Epochs since finality within which a re-org may be tried.
    REORG_MAX_EPOCHS_SINCE_FINALIZATION: u64 = 2, 2;
    /// Chain of the deposit contract.
    DEPOSIT_CHAIN_ID: u64 = 1, 5;
    /// Network of the deposit contract.
    DEPOSIT_NETWORK_ID: u64 = 1, 5;
    /// Largest network payload, bytes uncompressed.
    MAX_PAYLOAD_SIZE: u64 = 10_485_760, 10_485_760;
    /// Most blocks of one request.
    MAX_REQUEST_BLOCKS: u64 = 1_024, 1_024;
    /// Epochs a long-lived subnet subscription lasts.
    EPOCHS_PER_SUBNET_SUBSCRIPTION: u64 = 256, 256;
    /// Epochs of blocks a node must serve.
    MIN_EPOCHS_FOR_BLOCK_REQUESTS: u64 = 33_024, 272;
    /// Slots an attestation may be gossiped.
    ATTESTATION_PROPAGATION_SLOT_RANGE: u64 = 32, 32;
    /// Tolerated clock difference, milliseconds.
    MAXIMUM_GOSSIP_CLOCK_DISPARITY: u64 = 500, 500;
    /// Long-lived subnets of a node.
    SUBNETS_PER_NODE: u64 = 2, 2;
    /// Number of attestation subnets.
    ATTESTATION_SUBNET_COUNT: u64 = 64, 64;
    /// Extra bits of the subnet prefix.
    ATTESTATION_SUBNET_EXTRA_BITS: u64 = 0, 0;
    /// Bits of a node id that choose its subnets.
    ATTESTATION_SUBNET_PREFIX_BITS: u64 = 6, 6;
    /// Fork version of phase 0.
    GENESIS_FORK_VERSION: Version = FixedBytes([0, 0, 0, 0]), FixedBytes([0, 0, 0, 1]);
    /// Fork version after phase 0.
    ALTAIR_FORK_VERSION: Version = FixedBytes([1, 0, 0, 0]), FixedBytes([1, 0, 0, 1]);
    /// Gossip message-id domain of bytes that do not decompress.
    MESSAGE_DOMAIN_INVALID_SNAPPY: DomainType = FixedBytes([0, 0, 0, 0]), FixedBytes([0, 0, 0, 0]);
    /// Gossip message-id domain of bytes that decompress.
    MESSAGE_DOMAIN_VALID_SNAPPY: DomainType = FixedBytes([1, 0, 0, 0]), FixedBytes([1, 0, 0, 0]);
    /// The deposit contract.
    DEPOSIT_CONTRACT_ADDRESS: Address = address!("00000000219ab540356cBB839Cbe05303d7705Fa"), address!("1234567890123456789012345678901234567890");
}
}
