//! The SSZ containers that have one shape in every preset, `beacon-chain.md#containers` and
//! `validator.md#containers`. [`crate::BeaconState`] and [`crate::state::HistoricalBatch`] depend on
//! the preset and take their lengths from [`crate::Spec`].

use crate::hashing::{HashTreeRoot, container_root, container_roots};
use crate::primitives::*;
use kernels::Node;
use serde::{Deserialize, Serialize};
use serde_utils::quoted_u64;
use ssz_derive::{Decode, Encode};
use ssz_types::typenum::{U2, U4, U16, U33, U128, U2048};
use ssz_types::{BitList, BitVector, FixedVector, VariableList};

/// Bits of a committee, `Bitlist[MAX_VALIDATORS_PER_COMMITTEE]`.
pub type AggregationBits = BitList<U2048>;
/// `Bitvector[JUSTIFICATION_BITS_LENGTH]`.
pub type JustificationBits = BitVector<U4>;

macro_rules! container {
    ($(#[$doc:meta])* $name:ident { $($(#[$field_attr:meta])* $field:ident: $type:ty,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
        pub struct $name { $($(#[$field_attr])* pub $field: $type,)* }

        impl HashTreeRoot for $name {
            fn hash_tree_root(&self) -> Root {
                container_root([$(self.$field.hash_tree_root()),*])
            }

            fn roots(items: &[&Self]) -> Vec<Node> {
                container_roots(&[$({
                    let fields = items.iter().map(|item| &item.$field);
                    HashTreeRoot::roots(&fields.collect::<Vec<_>>())
                }),*])
            }
        }
    };
}

container! {
/// `beacon-chain.md#fork`
#[derive(Copy)]
Fork {
    /// Version before `epoch`.
    previous_version: Version,
    /// Version from `epoch` on.
    current_version: Version,
    /// Epoch of the latest fork.
    #[serde(with = "quoted_u64")]
    epoch: Epoch,
}}

container! {
/// `beacon-chain.md#forkdata`
#[derive(Copy)]
ForkData {
    /// Fork version.
    current_version: Version,
    /// Root of the genesis registry: names the chain.
    genesis_validators_root: Root,
}}

container! {
/// `beacon-chain.md#checkpoint`
#[derive(Copy, Default, PartialOrd, Ord, Hash)]
Checkpoint {
    /// Epoch of the checkpoint.
    #[serde(with = "quoted_u64")]
    epoch: Epoch,
    /// The block that is the latest at the epoch's first slot.
    root: Root,
}}

container! {
/// `beacon-chain.md#validator`
Validator {
    /// Signing key.
    pubkey: BLSPubkey,
    /// Commitment to the key or address of withdrawals.
    withdrawal_credentials: Root,
    /// Balance at stake, in Gwei, a multiple of the increment.
    #[serde(with = "quoted_u64")]
    effective_balance: Gwei,
    /// Whether the validator has been slashed.
    slashed: bool,
    /// Epoch at which activation became possible.
    #[serde(with = "quoted_u64")]
    activation_eligibility_epoch: Epoch,
    /// First epoch of duty.
    #[serde(with = "quoted_u64")]
    activation_epoch: Epoch,
    /// First epoch without duty.
    #[serde(with = "quoted_u64")]
    exit_epoch: Epoch,
    /// First epoch at which funds can leave.
    #[serde(with = "quoted_u64")]
    withdrawable_epoch: Epoch,
}}

container! {
/// `beacon-chain.md#attestationdata`
#[derive(Copy, Hash)]
AttestationData {
    /// Slot attested at.
    #[serde(with = "quoted_u64")]
    slot: Slot,
    /// Committee of the slot.
    #[serde(with = "quoted_u64")]
    index: CommitteeIndex,
    /// LMD-GHOST vote.
    beacon_block_root: Root,
    /// FFG source vote.
    source: Checkpoint,
    /// FFG target vote.
    target: Checkpoint,
}}

container! {
/// `beacon-chain.md#indexedattestation`
IndexedAttestation {
    /// Attesting validators, sorted and unique when valid.
    #[serde(with = "ssz_types::serde_utils::quoted_u64_var_list")]
    attesting_indices: VariableList<ValidatorIndex, U2048>,
    /// What they attest to.
    data: AttestationData,
    /// Their aggregate signature.
    signature: BLSSignature,
}}

container! {
/// `beacon-chain.md#pendingattestation`
PendingAttestation {
    /// Committee members that attested.
    aggregation_bits: AggregationBits,
    /// What they attested to.
    data: AttestationData,
    /// Slots from the attested slot to its inclusion.
    #[serde(with = "quoted_u64")]
    inclusion_delay: Slot,
    /// Proposer of the including block.
    #[serde(with = "quoted_u64")]
    proposer_index: ValidatorIndex,
}}

container! {
/// `beacon-chain.md#eth1data`
#[derive(Copy, Default, PartialOrd, Ord)]
Eth1Data {
    /// Root of the deposit tree.
    deposit_root: Root,
    /// Number of deposits under the root.
    #[serde(with = "quoted_u64")]
    deposit_count: u64,
    /// The eth1 block.
    block_hash: Hash32,
}}

container! {
/// `beacon-chain.md#depositmessage`
#[derive(Copy)]
DepositMessage {
    /// Key of the depositor.
    pubkey: BLSPubkey,
    /// Withdrawal credentials.
    withdrawal_credentials: Root,
    /// Amount in Gwei.
    #[serde(with = "quoted_u64")]
    amount: Gwei,
}}

container! {
/// `beacon-chain.md#depositdata`
#[derive(Copy)]
DepositData {
    /// Key of the depositor.
    pubkey: BLSPubkey,
    /// Withdrawal credentials.
    withdrawal_credentials: Root,
    /// Amount in Gwei.
    #[serde(with = "quoted_u64")]
    amount: Gwei,
    /// Signature over the deposit message.
    signature: BLSSignature,
}}

container! {
/// `beacon-chain.md#beaconblockheader`
#[derive(Copy)]
BeaconBlockHeader {
    /// Slot of the block.
    #[serde(with = "quoted_u64")]
    slot: Slot,
    /// Proposer of the block.
    #[serde(with = "quoted_u64")]
    proposer_index: ValidatorIndex,
    /// Root of the parent block.
    parent_root: Root,
    /// Root of the post-state; zero in a state until the next slot begins.
    state_root: Root,
    /// Root of the block's body.
    body_root: Root,
}}

container! {
/// `beacon-chain.md#signingdata`
#[derive(Copy)]
SigningData {
    /// Root of the signed object.
    object_root: Root,
    /// Signature domain.
    domain: Domain,
}}

container! {
/// `beacon-chain.md#proposerslashing`
#[derive(Copy)]
ProposerSlashing {
    /// One header.
    signed_header_1: SignedBeaconBlockHeader,
    /// Another by the same proposer for the same slot.
    signed_header_2: SignedBeaconBlockHeader,
}}

container! {
/// `beacon-chain.md#attesterslashing`
AttesterSlashing {
    /// One attestation.
    attestation_1: IndexedAttestation,
    /// Another that contradicts it.
    attestation_2: IndexedAttestation,
}}

container! {
/// `beacon-chain.md#attestation`
Attestation {
    /// Committee members that attest.
    aggregation_bits: AggregationBits,
    /// What they attest to.
    data: AttestationData,
    /// Their aggregate signature.
    signature: BLSSignature,
}}

container! {
/// `beacon-chain.md#deposit`
Deposit {
    /// Merkle path to the deposit root, the last node is the length.
    proof: FixedVector<Root, U33>,
    /// The deposit.
    data: DepositData,
}}

container! {
/// `beacon-chain.md#voluntaryexit`
#[derive(Copy)]
VoluntaryExit {
    /// Earliest epoch at which the exit may be included.
    #[serde(with = "quoted_u64")]
    epoch: Epoch,
    /// Who leaves.
    #[serde(with = "quoted_u64")]
    validator_index: ValidatorIndex,
}}

container! {
/// `beacon-chain.md#beaconblockbody`
BeaconBlockBody {
    /// Proposer's signature over the epoch.
    randao_reveal: BLSSignature,
    /// Proposer's eth1 vote.
    eth1_data: Eth1Data,
    /// 32 bytes of the proposer's choice.
    graffiti: Root,
    /// At most `MAX_PROPOSER_SLASHINGS`.
    proposer_slashings: VariableList<ProposerSlashing, U16>,
    /// At most `MAX_ATTESTER_SLASHINGS`.
    attester_slashings: VariableList<AttesterSlashing, U2>,
    /// At most `MAX_ATTESTATIONS`.
    attestations: VariableList<Attestation, U128>,
    /// At most `MAX_DEPOSITS`.
    deposits: VariableList<Deposit, U16>,
    /// At most `MAX_VOLUNTARY_EXITS`.
    voluntary_exits: VariableList<SignedVoluntaryExit, U16>,
}}

container! {
/// `beacon-chain.md#beaconblock`
BeaconBlock {
    /// Slot of the block.
    #[serde(with = "quoted_u64")]
    slot: Slot,
    /// Proposer of the block.
    #[serde(with = "quoted_u64")]
    proposer_index: ValidatorIndex,
    /// Root of the parent block.
    parent_root: Root,
    /// Root of the post-state.
    state_root: Root,
    /// Contents.
    body: BeaconBlockBody,
}}

container! {
/// `beacon-chain.md#signedvoluntaryexit`
#[derive(Copy)]
SignedVoluntaryExit {
    /// The exit.
    message: VoluntaryExit,
    /// The leaving validator's signature.
    signature: BLSSignature,
}}

container! {
/// `beacon-chain.md#signedbeaconblock`
SignedBeaconBlock {
    /// The block.
    message: BeaconBlock,
    /// The proposer's signature.
    signature: BLSSignature,
}}

container! {
/// `beacon-chain.md#signedbeaconblockheader`
#[derive(Copy)]
SignedBeaconBlockHeader {
    /// The header.
    message: BeaconBlockHeader,
    /// The proposer's signature.
    signature: BLSSignature,
}}

container! {
/// `validator.md#eth1block`
#[derive(Copy)]
Eth1Block {
    /// Unix time in seconds.
    #[serde(with = "quoted_u64")]
    timestamp: u64,
    /// Root of the deposit tree at the block.
    deposit_root: Root,
    /// Number of deposits at the block.
    #[serde(with = "quoted_u64")]
    deposit_count: u64,
}}

container! {
/// `validator.md#aggregateandproof`
AggregateAndProof {
    /// The aggregator.
    #[serde(with = "quoted_u64")]
    aggregator_index: ValidatorIndex,
    /// The aggregate.
    aggregate: Attestation,
    /// Shows that the aggregator was selected.
    selection_proof: BLSSignature,
}}

container! {
/// `validator.md#signedaggregateandproof`
SignedAggregateAndProof {
    /// The aggregate and proof.
    message: AggregateAndProof,
    /// The aggregator's signature.
    signature: BLSSignature,
}}

impl BeaconBlock {
    /// The block's header: the same root, without the body.
    pub fn header(&self) -> BeaconBlockHeader {
        BeaconBlockHeader {
            slot: self.slot,
            proposer_index: self.proposer_index,
            parent_root: self.parent_root,
            state_root: self.state_root,
            body_root: self.body.hash_tree_root(),
        }
    }
}
