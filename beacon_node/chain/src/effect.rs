//! [`Effect`]: everything that the core can ask of its shell.

use crate::{Job, Milliseconds, Snapshot, Token, Verdict};
use consensus::*;
use rows::Batch;
use std::sync::Arc;

/// One effect of an input. Effects are carried out in the order given.
#[allow(clippy::large_enum_variant, reason = "few at a time, and none is kept")]
#[derive(Clone, Debug)]
pub enum Effect {
    /// Run it on the pool and answer with [`crate::Input::Done`].
    Run(Job),
    /// Hand it to the writer, which answers with [`crate::Input::Committed`].
    Commit(Batch),
    /// Show it to readers; comes before the events that speak of it.
    Publish(Arc<Snapshot>),
    /// Tell subscribers.
    Event(Event),
    /// What gossip is to do with the message.
    Verdict(Token, Verdict),
    /// Answers an API call.
    Reply(Token, Result<ApiReply, ApiError>),
    /// Send to everyone.
    Broadcast(GossipMessage),
    /// Ask peers for the block with this root.
    RequestBlock(Root),
    /// A batch has been imported as far as it goes: how many blocks are known now, and what stopped
    /// the next one.
    BatchDone(Token, BatchResult),
    /// Something a user should read.
    Notice(Notice),
    /// The core wants a tick at this time.
    WakeAt(Milliseconds),
    /// All is committed after [`crate::Input::Shutdown`]: the shell may end once the writer has.
    Stopped,
}

/// How a batch ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchResult {
    /// Blocks that are imported now, from the batch's start; known ones count.
    pub imported: usize,
    /// Why the block after those was refused.
    pub error: Option<BatchError>,
}

/// Why a block of a batch was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BatchError {
    /// Its parent is not known.
    #[error("the parent {0} is not known")]
    UnknownParent(Root),
    /// It is known to be invalid, or found so now.
    #[error("invalid: {0}")]
    Invalid(String),
    /// Its slot is not after the finalized one, and it is not canonical.
    #[error("it is before the finalized slot {0}")]
    Finalized(Slot),
    /// Its slot is in the future.
    #[error("its slot has not begun")]
    Future,
    /// A limit of this node.
    #[error("{0}")]
    Limit(String),
}

/// What subscribers hear: the topics of the Beacon API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A new head.
    Head {
        /// Its slot.
        slot: Slot,
        /// Its root.
        block: Root,
        /// Its state's root.
        state: Root,
        /// Whether it is the first of its epoch on its chain.
        epoch_transition: bool,
        /// Decision root of the previous epoch's duties.
        previous_duty_dependent_root: Root,
        /// Decision root of the current epoch's duties.
        current_duty_dependent_root: Root,
    },
    /// A block was imported.
    Block {
        /// Its slot.
        slot: Slot,
        /// Its root.
        block: Root,
    },
    /// An attestation passed the gossip rules.
    Attestation(Arc<Attestation>),
    /// A voluntary exit passed the gossip rules.
    VoluntaryExit(Arc<SignedVoluntaryExit>),
    /// A proposer slashing passed the gossip rules.
    ProposerSlashing(Arc<ProposerSlashing>),
    /// An attester slashing passed the gossip rules.
    AttesterSlashing(Arc<AttesterSlashing>),
    /// A new finalized checkpoint.
    FinalizedCheckpoint {
        /// Root of its block.
        block: Root,
        /// That block's state root.
        state: Root,
        /// Its epoch.
        epoch: Epoch,
    },
    /// The head moved to another branch.
    ChainReorg {
        /// Slot of the new head.
        slot: Slot,
        /// Slots from the common ancestor to the old head.
        depth: u64,
        /// The old head.
        old_head_block: Root,
        /// The new head.
        new_head_block: Root,
        /// The old head's state root.
        old_head_state: Root,
        /// The new head's state root.
        new_head_state: Root,
        /// Epoch of the new head.
        epoch: Epoch,
    },
}

/// A message for gossip.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GossipMessage {
    /// Topic `beacon_block`.
    Block(Arc<SignedBeaconBlock>),
    /// Topic `beacon_aggregate_and_proof`.
    Aggregate(Arc<SignedAggregateAndProof>),
    /// Topic `beacon_attestation_{subnet_id}`.
    Attestation(u64, Arc<Attestation>),
    /// Topic `proposer_slashing`.
    ProposerSlashing(Arc<ProposerSlashing>),
    /// Topic `attester_slashing`.
    AttesterSlashing(Arc<AttesterSlashing>),
    /// Topic `voluntary_exit`.
    VoluntaryExit(Arc<SignedVoluntaryExit>),
}

/// The answer to an API call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ApiReply {
    /// It is imported or pooled, and will be sent to everyone.
    Accepted,
    /// Valid, but it did not become part of the chain: sent to everyone all the same.
    NotImported(String),
    /// The composed block.
    Block(Box<BeaconBlock>),
    /// The best aggregate; none if nothing is pooled for the data.
    Aggregate(Option<Box<Attestation>>),
}

/// Why an API call failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ApiError {
    /// It breaks a rule: the sentence says which one.
    #[error("{0}")]
    Invalid(String),
    /// Some of a list break a rule: index and sentence of each.
    #[error("{} of the items are invalid", .0.len())]
    InvalidItems(Vec<(usize, String)>),
    /// The node cannot do it now.
    #[error("{0}")]
    Unavailable(String),
}

/// Something a user should read; the shell finds the words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// A block was found invalid.
    InvalidBlock {
        /// Its root.
        root: Root,
        /// Its slot.
        slot: Slot,
        /// The violated assertion.
        why: String,
    },
    /// The state after a block cannot be made again from what is stored.
    StateUnavailable {
        /// The block's root.
        root: Root,
        /// What is missing or broken.
        why: String,
    },
    /// A validator contradicted itself.
    AttesterSlashed(Vec<ValidatorIndex>),
    /// Two finalized checkpoints contradict each other: more than a third of the stake is slashable.
    ConflictingFinality,
    /// Phase 0 ends with this epoch on this network.
    PhaseEnds(Epoch),
}
