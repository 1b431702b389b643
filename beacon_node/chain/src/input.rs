//! [`Input`]: everything that can reach the core.

use crate::Outcome;
use consensus::*;
use std::sync::Arc;

/// A time: milliseconds since the Unix epoch.
pub type Milliseconds = u64;

/// Stands for whoever waits for an answer; the core hands it back and looks no further.
pub type Token = u64;

/// One input of the core.
#[allow(clippy::large_enum_variant, reason = "lanes are bounded, and few wait")]
#[derive(Clone, Debug)]
pub enum Input {
    /// The time. Comes at least at every slot's start, third and two thirds, and about every 50 ms
    /// while attestations wait to be verified together. Never goes back.
    Tick(Milliseconds),
    /// A job has ended.
    Done(Outcome),
    /// All batches up to this number are committed, as durably as they asked.
    Committed(u64),
    /// A call of the local API: answered by [`crate::Effect::Reply`].
    Api(Token, ApiCall),
    /// A block from gossip: answered by [`crate::Effect::Verdict`].
    GossipBlock(Token, Arc<SignedBeaconBlock>),
    /// A block that was asked for by root.
    RequestedBlock(Token, Arc<SignedBeaconBlock>),
    /// Consecutive blocks of one chain, parents first, from range sync or a file: one job. Answered
    /// by [`crate::Effect::BatchDone`].
    Batch(Token, Vec<Arc<SignedBeaconBlock>>),
    /// An aggregate from gossip.
    GossipAggregate(Token, Arc<SignedAggregateAndProof>),
    /// A proposer slashing from gossip.
    GossipProposerSlashing(Token, Arc<ProposerSlashing>),
    /// An attester slashing from gossip.
    GossipAttesterSlashing(Token, Arc<AttesterSlashing>),
    /// A voluntary exit from gossip.
    GossipVoluntaryExit(Token, Arc<SignedVoluntaryExit>),
    /// An attestation from a subnet.
    GossipAttestation(Token, u64, Arc<Attestation>),
    /// Dump the votes and commit durably: the node is about to stop.
    Shutdown,
}

/// A call of the local API.
#[derive(Clone, Debug)]
pub enum ApiCall {
    /// Import a block and publish it once it is durable.
    SubmitBlock(Arc<SignedBeaconBlock>),
    /// Verify, pool and publish attestations.
    SubmitAttestations(Vec<Attestation>),
    /// Verify, pool and publish aggregates.
    SubmitAggregates(Vec<SignedAggregateAndProof>),
    /// Verify, pool and publish a proposer slashing.
    SubmitProposerSlashing(ProposerSlashing),
    /// Verify, pool and publish an attester slashing.
    SubmitAttesterSlashing(AttesterSlashing),
    /// Verify, pool and publish a voluntary exit.
    SubmitVoluntaryExit(SignedVoluntaryExit),
    /// Compose an unsigned block for a slot on the head.
    ProduceBlock {
        /// Slot of the block.
        slot: Slot,
        /// The proposer's randao reveal.
        randao_reveal: BLSSignature,
        /// 32 bytes of the proposer's choice.
        graffiti: Root,
        /// The eth1 vote; the state's own data if absent.
        eth1_data: Option<Eth1Data>,
    },
    /// The best aggregate in the pool for this data.
    AggregateAttestation {
        /// Root of the attestation's data.
        data_root: Root,
        /// Slot of the data.
        slot: Slot,
    },
}

impl Input {
    /// Whether the core must know the time to the moment when it takes this: whether a block comes
    /// in time decides about its weight, and a call is answered for the slot it comes in. A shell
    /// hands the core a [`Input::Tick`] of this moment first.
    pub fn is_judged_by_the_clock(&self) -> bool {
        matches!(
            self,
            Input::GossipBlock(..) | Input::RequestedBlock(..) | Input::Batch(..) | Input::Api(..)
        )
    }
}
