//! [`enum@Error`]: everything that can make a decoding, an access or a transition fail.

use crate::primitives::*;
use ssz::DecodeError;
use strum::IntoStaticStr;
use thiserror::Error;

/// Why something was refused. Each assertion of block processing has a variant of its own; anchors
/// are those of `beacon-chain.md`.
#[derive(Clone, Debug, PartialEq, Error, IntoStaticStr)]
pub enum Error {
    /// Bytes that are not the SSZ of the type.
    #[error("the bytes are not valid SSZ: {0:?}")]
    Decode(DecodeError),
    /// A value that does not fit 64 bits: such a transition is invalid.
    #[error("a 64-bit number overflowed")]
    Overflow,
    /// No validator has this index.
    #[error("validator {0} is not in the registry")]
    UnknownValidator(ValidatorIndex),
    /// A validator without a balance: the two lists differ in length.
    #[error("validator {0} has no balance")]
    MissingBalance(ValidatorIndex),
    /// `get_block_root_at_slot`: the slot is not among the state's recent ones.
    #[error("a state at slot {state_slot} does not hold the block root of slot {slot}")]
    BlockRootUnavailable {
        /// Slot asked for.
        slot: Slot,
        /// Slot of the state.
        state_slot: Slot,
    },
    /// `compute_shuffled_index`: the index is not below the count.
    #[error("index {index} is not below the count {count}")]
    ShuffledIndexOutOfRange {
        /// Index asked for.
        index: u64,
        /// Number of things shuffled.
        count: u64,
    },
    /// `compute_proposer_index`: nobody is active.
    #[error("no validator is active")]
    NoActiveValidators,
    /// Nobody who is active has an effective balance that could be drawn.
    #[error("no active validator has an effective balance to be sampled by")]
    NoEligibleProposer,
    /// A list of a state is at its limit.
    #[error("the state's list {0} is full")]
    ListFull(&'static str),
    /// A pending attestation that no valid chain can have put into the state.
    #[error("a pending attestation of slot {0} does not belong to its list's epoch or committee")]
    PendingAttestationInvalid(Slot),
    /// A public key of the registry that is no point of the curve.
    #[error("the public key of validator {0} is not usable")]
    InvalidPublicKey(ValidatorIndex),

    /// `process_slots`: the slot is not after the state's.
    #[error("cannot advance a state at slot {state_slot} to slot {slot}")]
    SlotNotAdvanced {
        /// Slot of the state.
        state_slot: Slot,
        /// Slot asked for.
        slot: Slot,
    },
    /// `verify_block_signature`
    #[error("the proposer's signature on the block does not verify")]
    ProposerSignatureInvalid,
    /// `state_transition`: the block claims another post-state.
    #[error("the block's state root is {block}, the computed one {computed}")]
    StateRootMismatch {
        /// Root in the block.
        block: Root,
        /// Root of the post-state.
        computed: Root,
    },

    /// `process_block_header`: the block is not of the state's slot.
    #[error("the block is of slot {block}, the state of slot {state}")]
    HeaderSlotMismatch {
        /// Slot of the block.
        block: Slot,
        /// Slot of the state.
        state: Slot,
    },
    /// `process_block_header`: not newer than the latest header.
    #[error("the block of slot {block} is not newer than the latest one, of slot {latest}")]
    HeaderNotNewer {
        /// Slot of the block.
        block: Slot,
        /// Slot of the latest header.
        latest: Slot,
    },
    /// `process_block_header`: another validator was to propose.
    #[error("the block is by validator {block}, the slot's proposer is {expected}")]
    ProposerIndexMismatch {
        /// Proposer named in the block.
        block: ValidatorIndex,
        /// Proposer of the slot.
        expected: ValidatorIndex,
    },
    /// `process_block_header`: not a child of the latest block.
    #[error("the block's parent is {block}, the latest block is {expected}")]
    ParentRootMismatch {
        /// Parent named in the block.
        block: Root,
        /// Root of the latest header.
        expected: Root,
    },
    /// `process_block_header`
    #[error("the proposer {0} is slashed")]
    ProposerSlashed(ValidatorIndex),
    /// `process_randao`
    #[error("the RANDAO reveal does not verify")]
    RandaoRevealInvalid,
    /// `process_operations`: not the number of deposits that are due.
    #[error("the block has {found} deposits, {expected} are due")]
    DepositCountMismatch {
        /// Deposits in the block.
        found: u64,
        /// Deposits due.
        expected: u64,
    },
    /// `process_operations`: more deposits processed than the eth1 data knows.
    #[error("the state has processed {index} deposits, its eth1 data knows {count}")]
    DepositIndexAhead {
        /// Deposits processed.
        index: u64,
        /// Deposits under the root.
        count: u64,
    },

    /// `process_proposer_slashing`
    #[error("the two headers are of different slots")]
    ProposerSlashingSlotsDiffer,
    /// `process_proposer_slashing`
    #[error("the two headers are by different proposers")]
    ProposerSlashingProposersDiffer,
    /// `process_proposer_slashing`
    #[error("the two headers are equal")]
    ProposerSlashingHeadersEqual,
    /// `process_proposer_slashing`
    #[error("proposer {0} is not slashable")]
    ProposerNotSlashable(ValidatorIndex),
    /// `process_proposer_slashing`
    #[error("the signature on header {0} does not verify")]
    ProposerSlashingSignatureInvalid(u8),

    /// `process_attester_slashing`
    #[error("the two attestations do not contradict each other")]
    AttestationsNotSlashable,
    /// `is_valid_indexed_attestation`
    #[error("the attestation has no attester")]
    AttestationEmpty,
    /// `is_valid_indexed_attestation`
    #[error("the attesting indices are not sorted and unique")]
    AttestingIndicesUnsorted,
    /// `is_valid_indexed_attestation`
    #[error("the attestation's signature does not verify")]
    AttestationSignatureInvalid,
    /// `process_attester_slashing`
    #[error("no validator in both attestations is slashable")]
    NobodySlashed,

    /// `process_attestation`: neither the previous nor the current epoch.
    #[error("the target epoch {0} is neither the previous nor the current one")]
    TargetEpochOutOfRange(Epoch),
    /// `process_attestation`
    #[error("the target epoch {target} is not the epoch of slot {slot}")]
    TargetEpochSlotMismatch {
        /// Target epoch.
        target: Epoch,
        /// Slot attested at.
        slot: Slot,
    },
    /// `process_attestation`: included before the inclusion delay.
    #[error("an attestation of slot {slot} cannot be included at slot {state_slot} yet")]
    AttestationTooEarly {
        /// Slot attested at.
        slot: Slot,
        /// Slot of the state.
        state_slot: Slot,
    },
    /// `process_attestation`: included more than an epoch later.
    #[error("an attestation of slot {slot} cannot be included at slot {state_slot} any more")]
    AttestationTooOld {
        /// Slot attested at.
        slot: Slot,
        /// Slot of the state.
        state_slot: Slot,
    },
    /// `process_attestation` and `get_beacon_committee`
    #[error("committee {index} does not exist: the slot has {count}")]
    CommitteeIndexOutOfRange {
        /// Committee asked for.
        index: CommitteeIndex,
        /// Committees of the slot.
        count: u64,
    },
    /// `process_attestation`
    #[error("{bits} aggregation bits for a committee of {committee}")]
    AggregationBitsLengthMismatch {
        /// Bits of the attestation.
        bits: usize,
        /// Members of the committee.
        committee: usize,
    },
    /// `process_attestation`: not the justified checkpoint of the target's epoch.
    #[error("the source {found:?} is not the justified checkpoint {expected:?}")]
    SourceCheckpointMismatch {
        /// Source of the attestation.
        found: crate::Checkpoint,
        /// Justified checkpoint of the state.
        expected: crate::Checkpoint,
    },

    /// `process_deposit`
    #[error("the Merkle proof of deposit {0} does not lead to the deposit root")]
    DepositProofInvalid(u64),

    /// `process_voluntary_exit`
    #[error("validator {0} is not active")]
    ExitNotActive(ValidatorIndex),
    /// `process_voluntary_exit`
    #[error("the exit of validator {0} has been initiated already")]
    ExitAlreadyInitiated(ValidatorIndex),
    /// `process_voluntary_exit`
    #[error("the exit is valid from epoch {exit} on, this is epoch {current}")]
    ExitInFuture {
        /// Epoch of the exit.
        exit: Epoch,
        /// Current epoch.
        current: Epoch,
    },
    /// `process_voluntary_exit`
    #[error("validator {0} has not been active long enough to exit")]
    ExitTooYoung(ValidatorIndex),
    /// `process_voluntary_exit`
    #[error("the signature on the exit does not verify")]
    ExitSignatureInvalid,

    /// An operation of a block failed.
    #[error("{operation} {index}: {error}")]
    Operation {
        /// Kind of the operation.
        operation: &'static str,
        /// Its place in the block's list.
        index: usize,
        /// What was wrong with it.
        error: Box<Error>,
    },
}

impl Error {
    /// [`Error::Overflow`], made only when needed: making and dropping it for every validator took
    /// a tenth of an epoch transition.
    pub(crate) fn overflow() -> Error {
        Error::Overflow
    }

    /// The name of the violated rule: the variant, of the inner error for an operation.
    pub fn name(&self) -> &'static str {
        match self {
            Error::Operation { error, .. } => error.name(),
            other => other.into(),
        }
    }
}

impl From<DecodeError> for Error {
    fn from(error: DecodeError) -> Self {
        Error::Decode(error)
    }
}
