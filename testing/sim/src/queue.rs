//! The event queue: virtual time, and what is to happen when.

use chain::{GossipMessage, Input, Milliseconds, Outcome, Token};
use consensus::{BeaconBlock, Root, SignedBeaconBlock, Slot, ValidatorIndex};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A node, by number.
pub(crate) type NodeId = usize;

/// Something that happens to one node.
#[derive(Clone, Debug)]
pub(crate) enum Event {
    /// The clock of a node moves; its validators look at it too.
    Tick,
    /// The node takes what waits in its inbox.
    Drain,
    /// A job has ended.
    Done(Box<Outcome>),
    /// The writer takes the next batch.
    Write,
    /// The writer does deferred work.
    WriterStep,
    /// A message arrives.
    Arrives(GossipMessage),
    /// An answer to a request arrives, or another input.
    Input(Box<Input>),
    /// The node asks somebody for a block, for the how many-th time.
    Ask(Root, u32),
    /// The node compares its head with another's.
    Compare,
    /// A validator on the node is to propose.
    Propose(Slot),
    /// A block that its proposer has signed reaches the network, late or in addition.
    Send(Arc<SignedBeaconBlock>, Vec<NodeId>),
    /// A composed block is submitted late.
    Submit(ValidatorIndex, Box<BeaconBlock>),
    /// Validators on the node attest.
    Attest(Slot),
    /// Validators on the node aggregate.
    Aggregate(Slot),
    /// The power is cut.
    PowerCut,
    /// The power is to be cut after so many changes of the disk.
    CutSoon(u64),
    /// The node is asked to stop.
    Stop,
    /// The node starts again.
    Start,
    /// A bit of the node's finalized history turns over.
    Rot,
    /// The network falls into two parts: those whose bit is set, and the others.
    Partition(u64),
    /// The network is whole again.
    Heal,
    /// Checks at the start of an epoch.
    EpochChecks,
}

impl Event {
    /// A number for the trace.
    pub(crate) fn kind(&self) -> u8 {
        match self {
            Event::Tick => 1,
            Event::Drain => 2,
            Event::Done(_) => 3,
            Event::Write => 4,
            Event::WriterStep => 5,
            Event::Arrives(_) => 6,
            Event::Input(_) => 7,
            Event::Ask(..) => 8,
            Event::Compare => 9,
            Event::Propose(_) => 10,
            Event::Send(..) => 11,
            Event::Submit(..) => 12,
            Event::Attest(_) => 13,
            Event::Aggregate(_) => 14,
            Event::PowerCut => 15,
            Event::CutSoon(_) => 16,
            Event::Stop => 17,
            Event::Start => 18,
            Event::Rot => 19,
            Event::Partition(_) => 20,
            Event::Heal => 21,
            Event::EpochChecks => 22,
        }
    }
}

/// An event, for whom, and for which of its lives: what was meant for an earlier one is dropped.
#[derive(Clone, Debug)]
pub(crate) struct Planned {
    /// When it happens.
    pub(crate) at: Milliseconds,
    /// To whom.
    pub(crate) node: NodeId,
    /// In which life; `None` in any.
    pub(crate) life: Option<u64>,
    /// What.
    pub(crate) event: Event,
}

/// All that is still to happen, in order of time; at one time, in the order planned.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    events: BTreeMap<(Milliseconds, u64), Planned>,
    planned: u64,
}

impl Queue {
    /// Adds an event.
    pub(crate) fn push(&mut self, planned: Planned) {
        self.planned += 1;
        self.events.insert((planned.at, self.planned), planned);
    }

    /// The next event.
    pub(crate) fn pop(&mut self) -> Option<Planned> {
        self.events.pop_first().map(|(_, planned)| planned)
    }
}

/// What a node's validators or the network wait for, by the token of the input.
#[derive(Clone, Debug)]
pub(crate) enum Waiting {
    /// The verdict on a message of gossip.
    Verdict(GossipMessage),
    /// A composed block, to be signed by its proposer.
    Composed(ValidatorIndex, Slot),
    /// The answer to a submitted message that votes.
    Submitted(Vec<GossipMessage>),
    /// The aggregate of a committee, to be signed by this member.
    Aggregated(ValidatorIndex, Slot),
    /// The end of a batch of blocks.
    Batch,
    /// The answer to a report of an offence, which may be known already.
    Reported(GossipMessage),
    /// Something whose answer says nothing about the chain.
    Anything,
}

/// The tokens of one node.
#[derive(Debug, Default)]
pub(crate) struct Tokens {
    next: Token,
    waiting: BTreeMap<Token, Waiting>,
}

impl Tokens {
    /// A new token.
    pub(crate) fn give(&mut self, waiting: Waiting) -> Token {
        self.next += 1;
        self.waiting.insert(self.next, waiting);
        self.next
    }

    /// What the token stood for; each is taken once.
    pub(crate) fn take(&mut self, token: Token) -> Option<Waiting> {
        self.waiting.remove(&token)
    }
}
