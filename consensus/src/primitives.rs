//! The specification's custom types and constants, `beacon-chain.md#custom-types` and
//! `beacon-chain.md#constants`.

use alloy_primitives::{B256, FixedBytes};

/// A slot number.
pub type Slot = u64;
/// An epoch number.
pub type Epoch = u64;
/// A committee index at a slot.
pub type CommitteeIndex = u64;
/// An index into the validator registry.
pub type ValidatorIndex = u64;
/// An amount in Gwei (10^-9 ETH).
pub type Gwei = u64;
/// A Merkle root.
pub type Root = B256;
/// A 256-bit hash.
pub type Hash32 = B256;
/// A fork version number.
pub type Version = FixedBytes<4>;
/// A domain type.
pub type DomainType = FixedBytes<4>;
/// A digest of the current fork data.
pub type ForkDigest = FixedBytes<4>;
/// A signature domain.
pub type Domain = B256;
/// A compressed BLS12-381 public key, not known to be valid.
pub type BLSPubkey = FixedBytes<48>;
/// A compressed BLS12-381 signature, not known to be valid.
pub type BLSSignature = FixedBytes<96>;

/// The slot of the genesis block.
pub const GENESIS_SLOT: Slot = 0;
/// The epoch of the genesis block.
pub const GENESIS_EPOCH: Epoch = 0;
/// An epoch that never comes: "not scheduled".
pub const FAR_FUTURE_EPOCH: Epoch = u64::MAX;
/// The number of attestation reward components a validator can earn per epoch.
pub const BASE_REWARDS_PER_EPOCH: u64 = 4;
/// Depth of the deposit contract's Merkle tree, without the length node.
pub const DEPOSIT_CONTRACT_TREE_DEPTH: usize = 32;
/// Number of epochs the justification bits look back.
pub const JUSTIFICATION_BITS_LENGTH: usize = 4;
/// First byte of BLS withdrawal credentials.
pub const BLS_WITHDRAWAL_PREFIX: u8 = 0x00;
/// First byte of withdrawal credentials that name an eth1 address.
pub const ETH1_ADDRESS_WITHDRAWAL_PREFIX: u8 = 0x01;

/// Signature domain of block proposals.
pub const DOMAIN_BEACON_PROPOSER: DomainType = FixedBytes([0, 0, 0, 0]);
/// Signature domain of attestations.
pub const DOMAIN_BEACON_ATTESTER: DomainType = FixedBytes([1, 0, 0, 0]);
/// Signature domain of RANDAO reveals.
pub const DOMAIN_RANDAO: DomainType = FixedBytes([2, 0, 0, 0]);
/// Signature domain of deposits.
pub const DOMAIN_DEPOSIT: DomainType = FixedBytes([3, 0, 0, 0]);
/// Signature domain of voluntary exits.
pub const DOMAIN_VOLUNTARY_EXIT: DomainType = FixedBytes([4, 0, 0, 0]);
/// Signature domain of aggregator selection proofs.
pub const DOMAIN_SELECTION_PROOF: DomainType = FixedBytes([5, 0, 0, 0]);
/// Signature domain of aggregate-and-proof envelopes.
pub const DOMAIN_AGGREGATE_AND_PROOF: DomainType = FixedBytes([6, 0, 0, 0]);
/// Marks domain types reserved for applications.
pub const DOMAIN_APPLICATION_MASK: DomainType = FixedBytes([0, 0, 0, 1]);
