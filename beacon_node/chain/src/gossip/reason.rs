//! The reasons that verdicts give.

use super::Reason;

pub(super) const SIGNATURE: Reason = "a signature does not verify";
pub(super) const OLD_SLOT: Reason = "its slot is too long ago";
pub(super) const FINALIZED_SLOT: Reason = "its slot is not after the finalized one";
pub(super) const INVALID_BLOCK: Reason = "it builds on or votes for a block that is invalid";
pub(super) const CONFLICTS_FINALITY: Reason =
    "the finalized block is not an ancestor of the block it builds on or votes for";
pub(super) const BEYOND_HISTORY: Reason = "it depends on blocks from before finality";

pub(super) const NOT_AFTER_PARENT: Reason = "the block's slot is not after its parent's";
pub(super) const UNKNOWN_PROPOSER: Reason = "no validator has the proposer's index";
pub(super) const WRONG_PROPOSER: Reason = "another validator was to propose";
pub(super) const BLOCK_SIGNATURE: Reason = "the proposer's signature does not verify";

pub(super) const NO_COMMITTEE: Reason = "the slot has no such committee";
pub(super) const WRONG_SUBNET: Reason = "the attestation belongs to another subnet";
pub(super) const TARGET_EPOCH: Reason = "the target epoch is not the slot's";
pub(super) const NOT_ONE_ATTESTER: Reason = "the attestation does not have exactly one bit";
pub(super) const BITS_LENGTH: Reason = "not as many bits as the committee has members";
pub(super) const NO_ATTESTERS: Reason = "the aggregate has no participants";
pub(super) const NOT_AGGREGATOR: Reason = "the validator is not selected as an aggregator";
pub(super) const NOT_IN_COMMITTEE: Reason = "the aggregator is not in the committee";
pub(super) const TARGET_NOT_ANCESTOR: Reason =
    "the target is not the checkpoint block of the block voted for";
pub(super) const SELECTION_PROOF: Reason = "the selection proof does not verify";
pub(super) const AGGREGATOR_SIGNATURE: Reason = "the aggregator's signature does not verify";
pub(super) const ATTESTATION_SIGNATURE: Reason = "the attestation's signature does not verify";

pub(super) const EXIT_SIGNATURE: Reason = "the signature on the exit does not verify";
pub(super) const HEADER_SIGNATURE: Reason = "a header's signature does not verify";

pub(super) const SEEN_BLOCK: Reason = "a block of this proposer and slot has been seen";
pub(super) const SEEN_ATTESTATION: Reason = "the validator's attestation of this epoch was seen";
pub(super) const SEEN_AGGREGATE: Reason = "an aggregate with all these bits has been seen";
pub(super) const SEEN_AGGREGATOR: Reason = "the aggregator's aggregate of this epoch was seen";
pub(super) const SEEN_EXIT: Reason = "an exit of this validator has been seen";
pub(super) const SEEN_PROPOSER_SLASHING: Reason = "a slashing of this proposer has been seen";
pub(super) const SEEN_ATTESTER_SLASHING: Reason = "slashings of all these attesters have been seen";

/// The reasons of messages that say what is known already.
pub(super) const DUPLICATES: [Reason; 7] = [
    SEEN_BLOCK,
    SEEN_ATTESTATION,
    SEEN_AGGREGATE,
    SEEN_AGGREGATOR,
    SEEN_EXIT,
    SEEN_PROPOSER_SLASHING,
    SEEN_ATTESTER_SLASHING,
];
