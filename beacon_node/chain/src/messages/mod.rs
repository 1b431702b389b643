//! [`Messages`]: everything on gossip but blocks, from arrival to verdict, vote and pool. Signatures
//! are verified in batches on a worker; what came too early waits; what says something new goes into
//! the pools and becomes votes for the core.

mod calls;
mod claims;
mod flow;
mod job;

pub use job::{MessageJob, MessageOutcome};

use crate::delay::Delays;
use crate::gossip::{Reason, Seen, Verdict, View, Wait, latest_begun_slot};
use crate::pools::{AttestationPool, OperationPool};
use crate::production::Ingredients;
use crate::{ApiCall, ApiReply, Effect, Milliseconds, Token};
use calls::Calls;
use claims::{AnyClaim, Message, Origin};
use consensus::helpers::compute_epoch_at_slot;
use consensus::*;
use job::{Done, Work};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// Messages whose signatures are verified together, at most.
pub const BATCH_SIZE: usize = 64;
/// Longest time that a message waits for others to be verified with, milliseconds.
pub const BATCH_DELAY: Milliseconds = 50;
/// Most batches that are being verified; more wait.
const MAX_BATCHES: usize = 8;
/// Most messages that wait to be verified: what a slot of a large network brings.
const MAX_UNVERIFIED: usize = 1 << 14;
/// Most messages that wait for a slot, a block or a state, together and for one of them.
const MAX_DELAYED: usize = 1 << 14;
const MAX_DELAYED_FOR_ONE: usize = 1 << 13;
/// Slots that a message waits for a block or a state.
const PATIENCE: Slot = 2;
/// States that messages of one slot may ask for. Votes for old targets on stale branches are valid
/// and cost their senders nothing, but each could need a state that is no longer in memory.
pub const STATES_PER_SLOT: usize = 2;
/// Unknown blocks that messages of one slot may have asked for.
pub const BLOCKS_PER_SLOT: usize = 16;

const TOO_EARLY: Reason = "its slot is too far in the future";
const WAITED_IN_VAIN: Reason = "what it depends on did not come in time";
const MADE_WAY: Reason = "more messages than this node can take";
const NO_STATE: Reason = "the state it depends on is not at hand";

/// A vote for the fork choice, verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vote {
    /// What is voted for.
    pub data: AttestationData,
    /// By whom.
    pub indices: Vec<ValidatorIndex>,
}

/// What comes of a message, for the core to carry out.
#[derive(Debug, Default)]
pub struct Out {
    /// Verdicts, replies, events, and what is to be sent.
    pub effects: Vec<Effect>,
    /// Work for a worker; each is answered by [`Messages::on_outcome`].
    pub jobs: Vec<MessageJob>,
    /// Votes whose slot is over: ready for `on_attestation`, which may still refuse them.
    pub votes: Vec<Vote>,
    /// Slashings for `on_attester_slashing`.
    pub slashings: Vec<Arc<AttesterSlashing>>,
    /// Blocks that are voted for and not in the fork choice. Some may be on their way.
    pub blocks_wanted: Vec<Root>,
    /// States that are needed among the checkpoints of [`View::states`]: the post-state of the block,
    /// advanced to the first slot of the epoch if it is earlier, with its committees computed. Each is
    /// answered by [`Messages::on_state`].
    pub states_wanted: Vec<Checkpoint>,
}

/// A message and who waits for its verdict.
#[derive(Debug)]
struct Incoming {
    origin: Origin,
    message: Message,
}

/// A message whose signatures are to be verified.
#[derive(Debug)]
struct Pending {
    origin: Origin,
    arrival: Milliseconds,
    claim: AnyClaim,
}

/// What a job is for.
#[derive(Debug)]
enum Running {
    Verifying(Vec<Pending>),
    Aggregating(Token),
}

/// What was asked for in one slot.
#[derive(Debug, Default)]
struct Asked {
    slot: Slot,
    blocks: usize,
    states: usize,
}

/// Numbers of messages, for metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MessageFigures {
    /// Aggregates and single attestations in the pool.
    pub attestations: u64,
    /// Slashings and exits in the pool.
    pub operations: u64,
    /// Messages that wait for a slot, a block or a state.
    pub delayed: u64,
    /// Messages that waited in vain or made way for others, ever.
    pub dropped: u64,
    /// Messages whose signatures are not verified yet.
    pub unverified: u64,
    /// States that were asked for, ever.
    pub states_wanted: u64,
}

/// The messages on their way, what has been seen, and the pools.
#[derive(Debug)]
pub struct Messages {
    spec: Arc<Spec>,
    /// The slot by the last tick.
    slot: Slot,
    seen: Seen,
    delays: Delays<Incoming>,
    unverified: VecDeque<Pending>,
    /// The last time for which a tick was asked.
    wake_asked: Milliseconds,
    running: BTreeMap<u64, Running>,
    next_job: u64,
    calls: Calls,
    /// Votes of slots that are not over, by slot.
    early_votes: BTreeMap<Slot, Vec<Vote>>,
    attestations: AttestationPool,
    operations: OperationPool,
    asked: Asked,
    states_asked: BTreeMap<Checkpoint, Slot>,
    dropped: u64,
    states_wanted: u64,
}

impl Messages {
    /// Nothing seen yet.
    pub fn new(spec: &Arc<Spec>) -> Messages {
        Messages {
            spec: Arc::clone(spec),
            slot: GENESIS_SLOT,
            seen: Seen::default(),
            delays: Delays::new(MAX_DELAYED, MAX_DELAYED_FOR_ONE),
            unverified: VecDeque::new(),
            wake_asked: 0,
            running: BTreeMap::new(),
            next_job: 0,
            calls: Calls::default(),
            early_votes: BTreeMap::new(),
            attestations: AttestationPool::default(),
            operations: OperationPool::default(),
            asked: Asked::default(),
            states_asked: BTreeMap::new(),
            dropped: 0,
            states_wanted: 0,
        }
    }

    /// An attestation from a subnet.
    pub fn receive_attestation(
        &mut self,
        view: &View<'_>,
        token: Token,
        subnet_id: u64,
        attestation: Arc<Attestation>,
        out: &mut Out,
    ) {
        let message = Message::Attestation(Some(subnet_id), attestation);
        self.on_gossip(view, token, message, out);
    }

    /// An aggregate.
    pub fn receive_aggregate(
        &mut self,
        view: &View<'_>,
        token: Token,
        aggregate: Arc<SignedAggregateAndProof>,
        out: &mut Out,
    ) {
        self.on_gossip(view, token, Message::Aggregate(aggregate), out);
    }

    /// A proposer slashing.
    pub fn receive_proposer_slashing(
        &mut self,
        view: &View<'_>,
        token: Token,
        slashing: Arc<ProposerSlashing>,
        out: &mut Out,
    ) {
        self.on_gossip(view, token, Message::ProposerSlashing(slashing), out);
    }

    /// An attester slashing.
    pub fn receive_attester_slashing(
        &mut self,
        view: &View<'_>,
        token: Token,
        slashing: Arc<AttesterSlashing>,
        out: &mut Out,
    ) {
        self.on_gossip(view, token, Message::AttesterSlashing(slashing), out);
    }

    /// A voluntary exit.
    pub fn receive_voluntary_exit(
        &mut self,
        view: &View<'_>,
        token: Token,
        exit: Arc<SignedVoluntaryExit>,
        out: &mut Out,
    ) {
        self.on_gossip(view, token, Message::VoluntaryExit(exit), out);
    }

    fn on_gossip(&mut self, view: &View<'_>, token: Token, message: Message, out: &mut Out) {
        let origin = Origin::Gossip(token);
        self.receive(view, Incoming { origin, message }, out);
        self.verify_due(view, false, out);
    }

    /// A call of the local API; one that is not about messages comes back.
    pub fn on_api(
        &mut self,
        view: &View<'_>,
        token: Token,
        call: ApiCall,
        out: &mut Out,
    ) -> Option<ApiCall> {
        let (messages, is_list): (Vec<_>, bool) = match call {
            ApiCall::SubmitAttestations(list) => {
                let own = |it| Message::Attestation(None, Arc::new(it));
                (list.into_iter().map(own).collect(), true)
            }
            ApiCall::SubmitAggregates(list) => {
                let own = |it| Message::Aggregate(Arc::new(it));
                (list.into_iter().map(own).collect(), true)
            }
            ApiCall::SubmitProposerSlashing(it) => {
                (vec![Message::ProposerSlashing(Arc::new(it))], false)
            }
            ApiCall::SubmitAttesterSlashing(it) => {
                (vec![Message::AttesterSlashing(Arc::new(it))], false)
            }
            ApiCall::SubmitVoluntaryExit(it) => (vec![Message::VoluntaryExit(Arc::new(it))], false),
            ApiCall::AggregateAttestation { data_root, slot } => {
                self.aggregate(token, slot, data_root, out);
                return None;
            }
            other => return Some(other),
        };
        let effects = &mut out.effects;
        let call = self.calls.begin(token, messages.len(), is_list, effects);
        for (item, message) in messages.into_iter().enumerate() {
            let origin = Origin::Api(call, item);
            self.receive(view, Incoming { origin, message }, out);
        }
        self.verify_due(view, true, out);
        None
    }

    fn aggregate(&mut self, token: Token, slot: Slot, data_root: Root, out: &mut Out) {
        match self.attestations.best_aggregate(slot, data_root) {
            Some(job) => {
                self.run(Running::Aggregating(token), Work::Aggregate(job), out);
            }
            None => {
                let reply = Ok(ApiReply::Aggregate(None));
                out.effects.push(Effect::Reply(token, reply));
            }
        }
    }

    fn run(&mut self, running: Running, work: Work, out: &mut Out) {
        let id = self.next_job;
        self.next_job += 1;
        self.running.insert(id, running);
        out.jobs.push(MessageJob { id, work });
    }

    /// A job of [`Out::jobs`] has ended.
    pub fn on_outcome(&mut self, view: &View<'_>, outcome: MessageOutcome, out: &mut Out) {
        match (self.running.remove(&outcome.id), outcome.done) {
            (Some(Running::Verifying(batch)), Done::Verified(results)) => {
                for (pending, result) in batch.into_iter().zip(results) {
                    self.settle(view, pending, result, out);
                }
            }
            (Some(Running::Aggregating(token)), Done::Aggregated(aggregate)) => {
                let reply = Ok(ApiReply::Aggregate(aggregate));
                out.effects.push(Effect::Reply(token, reply));
            }
            _ => {}
        }
        self.verify_due(view, false, out);
    }

    /// The time has moved on, the fork choice's too.
    pub fn tick(&mut self, view: &View<'_>, out: &mut Out) {
        let now = view.fork_choice.get_current_slot();
        while let Some(entry) = self.early_votes.first_entry() {
            if *entry.key() >= now {
                break;
            }
            out.votes.extend(entry.remove());
        }
        if now > self.slot {
            self.slot = now;
            self.on_slot(out);
        }
        for incoming in self
            .delays
            .release_slots(latest_begun_slot(view.fork_choice, view.now))
        {
            self.receive(view, incoming, out);
        }
        self.verify_due(view, false, out);
    }

    fn on_slot(&mut self, out: &mut Out) {
        let now = self.slot;
        for incoming in self.delays.expire(now) {
            self.drop_message(incoming.origin, WAITED_IN_VAIN, out);
        }
        self.states_asked.retain(|_, until| *until >= now);
        let range = self.spec.ATTESTATION_PROPAGATION_SLOT_RANGE;
        // One slot more than the range: clocks differ.
        let oldest = now.saturating_sub(range).saturating_sub(1);
        let oldest_epoch = compute_epoch_at_slot(oldest, &self.spec);
        self.seen.prune_votes(oldest, oldest_epoch);
        self.attestations
            .prune(now.saturating_sub(self.spec.SLOTS_PER_EPOCH));
    }

    /// A block is in the fork choice now. What waits for it is judged again; its attestations count
    /// as seen.
    pub fn on_block_imported(
        &mut self,
        view: &View<'_>,
        root: Root,
        block: &BeaconBlock,
        out: &mut Out,
    ) {
        let now = view.fork_choice.get_current_slot();
        let range = self.spec.ATTESTATION_PROPAGATION_SLOT_RANGE;
        for attestation in &block.body.attestations {
            let slot = attestation.data.slot;
            if slot.saturating_add(range) >= now {
                let data_root = attestation.data.hash_tree_root();
                self.seen
                    .add_aggregate(slot, data_root, &attestation.aggregation_bits);
            }
        }
        self.judge_again(view, Wait::Block(root), out);
    }

    /// A block was found invalid: it is among [`View::invalid`] now.
    pub fn on_block_invalid(&mut self, view: &View<'_>, root: Root, out: &mut Out) {
        self.judge_again(view, Wait::Block(root), out);
    }

    /// A state of [`Out::states_wanted`] has been made: it is in [`View::states`] now, as the
    /// checkpoint's. Or it cannot be had.
    pub fn on_state(
        &mut self,
        view: &View<'_>,
        checkpoint: Checkpoint,
        is_there: bool,
        out: &mut Out,
    ) {
        self.states_asked.remove(&checkpoint);
        if is_there {
            return self.judge_again(view, Wait::State(checkpoint), out);
        }
        for incoming in self.delays.release(Wait::State(checkpoint)) {
            self.drop_message(incoming.origin, NO_STATE, out);
        }
    }

    fn judge_again(&mut self, view: &View<'_>, wait: Wait, out: &mut Out) {
        for incoming in self.delays.release(wait) {
            self.receive(view, incoming, out);
        }
        self.verify_due(view, false, out);
    }

    /// There is a new finalized block: `state` is its post-state.
    pub fn on_finalized(&mut self, finalized_slot: Slot, state: &BeaconState) {
        self.seen.prune_finalized(finalized_slot, state);
        self.operations.prune(state);
    }

    /// What has been seen: for the rules on blocks.
    pub fn seen(&self) -> &Seen {
        &self.seen
    }

    /// What has been seen: for a block that was accepted.
    pub fn seen_mut(&mut self) -> &mut Seen {
        &mut self.seen
    }

    /// What there is to put into a block.
    pub fn ingredients(&self) -> Ingredients {
        Ingredients {
            attestations: self.attestations.clone(),
            operations: self.operations.clone(),
        }
    }

    /// Numbers for metrics.
    pub fn figures(&self) -> MessageFigures {
        MessageFigures {
            attestations: self.attestations.len() as u64,
            operations: self.operations.len() as u64,
            delayed: self.delays.len() as u64,
            dropped: self.dropped,
            unverified: self.unverified.len() as u64,
            states_wanted: self.states_wanted,
        }
    }
}
