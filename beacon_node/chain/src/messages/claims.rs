//! Messages of all topics in one type.

use crate::gossip::*;
use crate::{GossipMessage, Token};
use consensus::*;
use std::sync::Arc;

/// Who waits for the verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// Gossip.
    Gossip(Token),
    /// An item of a call of the local API: number of the call, place of the item.
    Api(u64, usize),
}

/// A message of any topic but `beacon_block`.
#[derive(Clone, Debug)]
pub(super) enum Message {
    /// With the subnet it came from; none of our own.
    Attestation(Option<u64>, Arc<Attestation>),
    Aggregate(Arc<SignedAggregateAndProof>),
    ProposerSlashing(Arc<ProposerSlashing>),
    AttesterSlashing(Arc<AttesterSlashing>),
    VoluntaryExit(Arc<SignedVoluntaryExit>),
}

/// What a topic's rules say of a message.
pub(super) enum Judged {
    Done(Verdict),
    Wait(Wait),
    Verify(AnyClaim),
}

/// The claim of a message.
#[derive(Debug)]
pub(super) enum AnyClaim {
    Attestation(Claim<AttestationVote>),
    Aggregate(Claim<AggregateVote>),
    ProposerSlashing(Claim<Arc<ProposerSlashing>>),
    AttesterSlashing(Claim<Arc<AttesterSlashing>>),
    VoluntaryExit(Claim<Arc<SignedVoluntaryExit>>),
}

/// A message that passed the rules of its topic.
pub(super) enum Passed {
    Attestation(Verified<AttestationVote>),
    Aggregate(Verified<AggregateVote>),
    ProposerSlashing(Verified<Arc<ProposerSlashing>>),
    AttesterSlashing(Verified<Arc<AttesterSlashing>>),
    VoluntaryExit(Verified<Arc<SignedVoluntaryExit>>),
}

impl Message {
    /// Applies the rules of the topic.
    pub(super) fn judge(&self, view: &View<'_>, seen: &Seen) -> Judged {
        match self {
            Message::Attestation(subnet, message) => judged(
                validate_beacon_attestation_gossip(view, seen, message, *subnet),
                AnyClaim::Attestation,
            ),
            Message::Aggregate(message) => judged(
                validate_beacon_aggregate_and_proof_gossip(view, seen, message),
                AnyClaim::Aggregate,
            ),
            Message::ProposerSlashing(message) => judged(
                validate_proposer_slashing_gossip(view, seen, message),
                AnyClaim::ProposerSlashing,
            ),
            Message::AttesterSlashing(message) => judged(
                validate_attester_slashing_gossip(view, seen, message),
                AnyClaim::AttesterSlashing,
            ),
            Message::VoluntaryExit(message) => judged(
                validate_voluntary_exit_gossip(view, seen, message),
                AnyClaim::VoluntaryExit,
            ),
        }
    }
}

fn judged<T>(check: Check<T>, claim: fn(Claim<T>) -> AnyClaim) -> Judged {
    match check {
        Check::Done(verdict) => Judged::Done(verdict),
        Check::Wait(wait) => Judged::Wait(wait),
        Check::Verify(inner) => Judged::Verify(claim(inner)),
    }
}

impl AnyClaim {
    /// [`Claim::sets`]
    pub(super) fn sets(&self) -> &[SignatureSet] {
        match self {
            AnyClaim::Attestation(claim) => claim.sets(),
            AnyClaim::Aggregate(claim) => claim.sets(),
            AnyClaim::ProposerSlashing(claim) => claim.sets(),
            AnyClaim::AttesterSlashing(claim) => claim.sets(),
            AnyClaim::VoluntaryExit(claim) => claim.sets(),
        }
    }

    /// [`Claim::accept`]
    pub(super) fn accept(
        self,
        outcome: Result<(), usize>,
        seen: &mut Seen,
    ) -> Result<Passed, Verdict> {
        match self {
            AnyClaim::Attestation(claim) => claim.accept(outcome, seen).map(Passed::Attestation),
            AnyClaim::Aggregate(claim) => claim.accept(outcome, seen).map(Passed::Aggregate),
            AnyClaim::ProposerSlashing(claim) => {
                claim.accept(outcome, seen).map(Passed::ProposerSlashing)
            }
            AnyClaim::AttesterSlashing(claim) => {
                claim.accept(outcome, seen).map(Passed::AttesterSlashing)
            }
            AnyClaim::VoluntaryExit(claim) => {
                claim.accept(outcome, seen).map(Passed::VoluntaryExit)
            }
        }
    }
}

impl Passed {
    /// As it is sent to others.
    pub(super) fn to_gossip(&self) -> GossipMessage {
        match self {
            Passed::Attestation(vote) => {
                GossipMessage::Attestation(vote.subnet_id, Arc::clone(&vote.attestation))
            }
            Passed::Aggregate(vote) => GossipMessage::Aggregate(Arc::clone(&vote.signed_aggregate)),
            Passed::ProposerSlashing(slashing) => {
                GossipMessage::ProposerSlashing(Arc::clone(slashing))
            }
            Passed::AttesterSlashing(slashing) => {
                GossipMessage::AttesterSlashing(Arc::clone(slashing))
            }
            Passed::VoluntaryExit(exit) => GossipMessage::VoluntaryExit(Arc::clone(exit)),
        }
    }
}
