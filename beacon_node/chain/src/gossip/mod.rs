//! The rules of the gossip topics, `p2p-interface.md#topics-and-messages`: one pure function for each
//! topic, over a read-only [`View`]. Who sent a message and what the transport calls it stays out.
//!
//! A rule gives a [`Check`]: a verdict, what to wait for, or a [`Claim`] whose signatures are to be
//! verified. What is remembered in [`Seen`] changes only when a claim is accepted, and only then is
//! there a [`Verified`] message.

mod attester_slashing;
mod beacon_aggregate_and_proof;
mod beacon_attestation;
mod beacon_block;
mod clock;
mod committee;
mod proposer_slashing;
mod reason;
mod seen;
mod unverified;
mod voluntary_exit;

pub use attester_slashing::validate_attester_slashing_gossip;
pub use beacon_aggregate_and_proof::{AggregateVote, validate_beacon_aggregate_and_proof_gossip};
pub use beacon_attestation::{AttestationVote, validate_beacon_attestation_gossip};
pub use beacon_block::{check_proposer, validate_beacon_block_gossip};
pub use clock::{compute_time_at_slot_ms, is_future_slot, is_within_slot_range, latest_begun_slot};
pub use proposer_slashing::validate_proposer_slashing_gossip;
pub use seen::Seen;
pub use voluntary_exit::validate_voluntary_exit_gossip;

use crate::{HotStates, InvalidRoots, Milliseconds};
use consensus::{BeaconState, Checkpoint, Root, SignatureSet, Slot};
use fork_choice::{Node, Store};
use std::ops::Deref;

/// Why a message was not accepted.
pub type Reason = &'static str;

/// What a gossip rule says of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Pass it on.
    Accept,
    /// Drop it; its sender did nothing wrong.
    Ignore(Reason),
    /// Drop it and hold it against the sender.
    Reject(Reason),
}

/// What the rules may look at.
#[derive(Clone, Copy)]
pub struct View<'a> {
    /// The time.
    pub now: Milliseconds,
    /// Blocks and checkpoints.
    pub fork_choice: &'a Store,
    /// The finalized checkpoint: the fork choice's.
    pub finalized: Checkpoint,
    /// Root of the head.
    pub head_root: Root,
    /// The head's post-state, or that state advanced to a later slot.
    pub head_state: &'a BeaconState,
    /// Post-states in memory, and states at checkpoints.
    pub states: &'a HotStates,
    /// Blocks that were found invalid.
    pub invalid: &'a InvalidRoots,
}

impl View<'_> {
    /// Whether the finalized block is the block's ancestor at the finalized epoch's first slot.
    fn is_after_finalized(&self, root: Root) -> bool {
        let store = self.fork_choice;
        // Known of every block, so that without finality no vote costs a walk down a long chain.
        if self.finalized == store.finalized_checkpoint() {
            let node = store.node(root);
            return node.is_some_and(Node::on_finalized_branch);
        }
        let ancestor = store.get_checkpoint_block(root, self.finalized.epoch);
        ancestor.is_ok_and(|ancestor| ancestor == self.finalized.root)
    }
}

/// What a message waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Wait {
    /// This slot.
    Slot(Slot),
    /// The block with this root.
    Block(Root),
    /// The post-state of the checkpoint's block, advanced to the checkpoint's epoch.
    State(Checkpoint),
}

/// What a rule says before any signature is verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Check<T> {
    /// Nothing more to be done.
    Done(Verdict),
    /// To be asked again later, or ignored.
    Wait(Wait),
    /// All depends on the signatures.
    Verify(Claim<T>),
}

/// A message that follows all rules if its signatures hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim<T> {
    sets: Vec<SignatureSet>,
    reasons: Vec<Reason>,
    message: T,
}

impl<T> Claim<T> {
    /// `reasons` say what it means if the set at the same place does not hold.
    fn new<const N: usize>(message: T, signatures: [(SignatureSet, Reason); N]) -> Claim<T> {
        let (sets, reasons) = signatures.into_iter().unzip();
        Claim {
            sets,
            reasons,
            message,
        }
    }

    /// The signatures that must all hold.
    pub fn sets(&self) -> &[SignatureSet] {
        &self.sets
    }

    /// The message, which nothing may rely on yet.
    pub fn message(&self) -> &T {
        &self.message
    }
}

impl<T: Mark> Claim<T> {
    /// Ends the check: `outcome` is what [`consensus::Verifier::verify_sets`] said of
    /// [`Claim::sets`], the place of one that does not hold.
    ///
    /// # Errors
    /// The verdict on a message that is not accepted: a bad signature, or another one that says the
    /// same was accepted in the meantime.
    pub fn accept(
        self,
        outcome: Result<(), usize>,
        seen: &mut Seen,
    ) -> Result<Verified<T>, Verdict> {
        if let Err(culprit) = outcome {
            let reason = self.reasons.get(culprit).copied();
            return Err(Verdict::Reject(reason.unwrap_or(reason::SIGNATURE)));
        }
        match self.message.mark(seen) {
            Ok(()) => Ok(Verified(self.message)),
            Err(reason) => Err(Verdict::Ignore(reason)),
        }
    }
}

/// A message that leaves a mark in [`Seen`] when it is accepted.
pub trait Mark {
    /// Leaves the mark.
    ///
    /// # Errors
    /// Why it comes too late: it says nothing new.
    fn mark(&self, seen: &mut Seen) -> Result<(), Reason>;
}

/// A message that passed all rules of its topic, with its signatures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified<T>(T);

impl<T> Verified<T> {
    /// The message.
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T> Deref for Verified<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl Verdict {
    /// Whether the message was dropped because the same was known already.
    pub fn is_duplicate(self) -> bool {
        matches!(self, Verdict::Ignore(why) if reason::DUPLICATES.contains(&why))
    }
}

fn ignore<T>(reason: Reason) -> Check<T> {
    Check::Done(Verdict::Ignore(reason))
}

fn reject<T>(reason: Reason) -> Check<T> {
    Check::Done(Verdict::Reject(reason))
}
