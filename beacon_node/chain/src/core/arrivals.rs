//! Single blocks on their way in: from gossip, the local API, or asked for.

use super::Chain;
use super::commits::Afterwards;
use super::jobs::Running;
use crate::delay::Delays;
use crate::gossip::{Check, Verdict, Wait, is_future_slot, validate_beacon_block_gossip};
use crate::import::{Blocks, Imported};
use crate::job::Work;
use crate::state_source::StateSource;
use crate::{ApiError, ApiReply, BatchError, BatchResult, Class, Effect, Token};
use consensus::helpers::compute_start_slot_at_epoch;
use consensus::*;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

/// Most blocks that wait for their parent or their slot.
const MAX_WAITING: usize = 256;
/// Most blocks that wait for the same parent or slot.
const MAX_WAITING_TOGETHER: usize = 32;
/// Slots after which a block no longer waits for its parent.
const PATIENCE_SLOTS: u64 = 64;
/// Most imports that wait for a replay of another to end.
const MAX_HELD: usize = 16;
/// Most blocks whose proposer's signature is being verified: anybody can send one.
const MAX_CHECKS: usize = 64;
/// Most slots that a block can be after its parent: advancing over more takes hours.
const MAX_GAP: u64 = 65_536;

const KNOWN: &str = "the block is known";
const INVALID: &str = "the block or one before it is invalid";
const FUTURE: &str = "its slot has not begun";
const NO_PARENT: &str = "its parent is not known yet";
pub(super) const BUSY: &str = "this node is too busy";
const GAP: &str = "its slot is too far after its parent's";
const FINALIZED: &str = "its slot is not after the finalized one";
const PHASE_ENDED: &str = "phase 0 of this network has ended before its slot";

/// Who waits for the verdict on a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    Gossip(Token),
    Api(Token),
    /// Asked for, or judged before: nobody waits.
    Requested,
}

/// A block on its way in.
#[derive(Clone, Debug)]
pub(super) struct Incoming {
    pub(super) origin: Origin,
    pub(super) root: Root,
    pub(super) block: Arc<SignedBeaconBlock>,
}

/// What waits for a block or a slot.
#[derive(Debug)]
pub(super) enum Waiting {
    Block(Incoming),
    Batch(Token, usize, Vec<Arc<SignedBeaconBlock>>),
}

/// The transitions of some blocks under way.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) roots: Vec<Root>,
    pub(super) from: RunOf,
}

/// What a run is part of.
#[derive(Debug)]
pub(super) enum RunOf {
    Block(Incoming),
    Batch {
        token: Token,
        /// Blocks of the batch before this run.
        done: usize,
        /// Blocks after it.
        rest: Vec<Arc<SignedBeaconBlock>>,
    },
}

/// Blocks that are not imported yet.
#[derive(Debug)]
pub(super) struct Arrivals {
    /// Blocks whose transition runs or is done, by how many runs they are in.
    in_flight: BTreeMap<Root, usize>,
    /// Blocks whose signature is being verified: another one with this root may have a better one.
    checking: BTreeSet<(Root, BLSSignature)>,
    pub(super) delays: Delays<Waiting>,
    /// Good blocks whose slot begins within the tolerance of clocks.
    pub(super) early: Vec<(Imported, Incoming)>,
    /// What waits for a replay to end, or for the store to catch up.
    pub(super) held: VecDeque<Waiting>,
}

/// What is known of a block before any work on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gate {
    Open,
    Known,
    Invalid,
    PhaseEnded,
    Future,
    Finalized,
    UnknownParent,
    Gap,
}

impl Arrivals {
    pub(super) fn new() -> Arrivals {
        Arrivals {
            in_flight: BTreeMap::new(),
            checking: BTreeSet::new(),
            delays: Delays::new(MAX_WAITING, MAX_WAITING_TOGETHER),
            early: Vec::new(),
            held: VecDeque::new(),
        }
    }

    pub(super) fn is_in_flight(&self, root: Root) -> bool {
        self.in_flight.contains_key(&root)
    }

    /// Whether the block is being judged or imported.
    fn is_under_way(&self, root: Root) -> bool {
        let mut checking = self.checking.range((root, BLSSignature::ZERO)..);
        self.is_in_flight(root) || checking.next().is_some_and(|(first, _)| *first == root)
    }

    pub(super) fn take_off(&mut self, root: Root) {
        *self.in_flight.entry(root).or_default() += 1;
    }

    pub(super) fn land(&mut self, root: Root) {
        if let Some(runs) = self.in_flight.get_mut(&root) {
            *runs -= 1;
            if *runs == 0 {
                self.in_flight.remove(&root);
            }
        }
    }

    pub(super) fn end_check(&mut self, incoming: &Incoming) {
        let key = (incoming.root, incoming.block.signature);
        self.checking.remove(&key);
    }

    /// How many things wait.
    pub(super) fn len(&self) -> usize {
        self.delays.len() + self.early.len() + self.held.len()
    }
}

impl Chain {
    pub(super) fn on_gossip_block(
        &mut self,
        token: Token,
        block: Arc<SignedBeaconBlock>,
        effects: &mut Vec<Effect>,
    ) {
        self.consider(Origin::Gossip(token), block, effects);
    }

    pub(super) fn on_requested_block(
        &mut self,
        block: Arc<SignedBeaconBlock>,
        effects: &mut Vec<Effect>,
    ) {
        self.consider(Origin::Requested, block, effects);
    }

    pub(super) fn consider(
        &mut self,
        origin: Origin,
        block: Arc<SignedBeaconBlock>,
        effects: &mut Vec<Effect>,
    ) {
        let root = block.message.hash_tree_root();
        let incoming = Incoming {
            origin,
            root,
            block,
        };
        self.admit(incoming, effects);
    }

    /// The cheap questions about a block, in the order in which they spare the most work.
    pub(super) fn gate(&self, block: &BeaconBlock, root: Root) -> Gate {
        if self.invalid.contains(root) || self.invalid.contains(block.parent_root) {
            return Gate::Invalid;
        }
        if self.is_known(block.slot, root) {
            return Gate::Known;
        }
        if block.slot >= self.phase_end() {
            return Gate::PhaseEnded;
        }
        if is_future_slot(&self.store, block.slot, self.now) {
            return Gate::Future;
        }
        let finalized = self.store.finalized_checkpoint().epoch;
        let finalized = compute_start_slot_at_epoch(finalized, &self.spec);
        if finalized.is_ok_and(|finalized| block.slot <= finalized) {
            return Gate::Finalized;
        }
        match self.store.node(block.parent_root) {
            None => Gate::UnknownParent,
            Some(parent) if block.slot.saturating_sub(parent.facts().slot) > MAX_GAP => Gate::Gap,
            Some(_) => Gate::Open,
        }
    }

    /// Whether the block is in the tree, or finalized not too long ago.
    fn is_known(&self, slot: Slot, root: Root) -> bool {
        if self.store.contains_block(root) || self.blocks.contains(root) {
            return true;
        }
        if slot == GENESIS_SLOT {
            return root == self.genesis.block_root;
        }
        let finalized = self.states.get(self.finalized.root);
        let canonical = finalized.map(|state| helpers::get_block_root_at_slot(state, slot));
        canonical == Some(Ok(root))
    }

    /// Lets a block in as far as it can go now.
    pub(super) fn admit(&mut self, incoming: Incoming, effects: &mut Vec<Effect>) {
        let block = &incoming.block.message;
        let (root, parent) = (incoming.root, block.parent_root);
        if self.arrivals.is_in_flight(root) {
            match incoming.origin {
                // The submitter hears how it ends.
                Origin::Api(_) => self.wait(Wait::Block(root), incoming, effects),
                _ => self.answer(&incoming, Verdict::Ignore(KNOWN), effects),
            }
            return;
        }
        match self.gate(block, root) {
            Gate::Open => self.open(incoming, effects),
            Gate::Known => self.answer_known(&incoming, effects),
            Gate::Invalid => {
                self.invalid.insert(root);
                self.answer(&incoming, Verdict::Reject(INVALID), effects);
            }
            Gate::PhaseEnded => self.answer(&incoming, Verdict::Ignore(PHASE_ENDED), effects),
            Gate::Finalized => self.answer(&incoming, Verdict::Ignore(FINALIZED), effects),
            Gate::Gap => self.answer(&incoming, Verdict::Ignore(GAP), effects),
            Gate::Future => {
                self.answer(&incoming, Verdict::Ignore(FUTURE), effects);
                // A clock that is a little fast is no reason to lose the block.
                if block.slot <= self.store.get_current_slot().saturating_add(1) {
                    let wait = Wait::Slot(block.slot);
                    let origin = Origin::Requested;
                    self.wait(wait, Incoming { origin, ..incoming }, effects);
                }
            }
            Gate::UnknownParent if self.arrivals.is_under_way(parent) => {
                self.wait(Wait::Block(parent), incoming, effects);
            }
            Gate::UnknownParent => {
                self.answer(&incoming, Verdict::Ignore(NO_PARENT), effects);
                if !self.arrivals.delays.is_awaited(Wait::Block(parent)) {
                    effects.push(Effect::RequestBlock(parent));
                }
                let origin = Origin::Requested;
                self.wait(
                    Wait::Block(parent),
                    Incoming { origin, ..incoming },
                    effects,
                );
            }
        }
    }

    fn wait(&mut self, wait: Wait, incoming: Incoming, effects: &mut Vec<Effect>) {
        let until = self.store.get_current_slot().saturating_add(PATIENCE_SLOTS);
        let dropped = self
            .arrivals
            .delays
            .push(wait, until, Waiting::Block(incoming));
        self.refuse(dropped, effects);
    }

    /// A block whose parent is there: its verdict first where somebody waits for one.
    fn open(&mut self, incoming: Incoming, effects: &mut Vec<Effect>) {
        if incoming.origin == Origin::Requested {
            self.import(incoming, None, effects);
            return;
        }
        let key = (incoming.root, incoming.block.signature);
        if self.arrivals.checking.contains(&key) {
            self.answer(&incoming, Verdict::Ignore(KNOWN), effects);
            return;
        }
        if self.arrivals.checking.len() >= MAX_CHECKS {
            self.answer(&incoming, Verdict::Ignore(BUSY), effects);
            return;
        }
        let check = {
            let (view, seen) = self.view();
            validate_beacon_block_gossip(&view, seen, &incoming.block)
        };
        match check {
            Check::Done(verdict) => self.answer(&incoming, verdict, effects),
            Check::Verify(claim) => {
                let groups = vec![claim.sets().to_vec()];
                self.arrivals.checking.insert(key);
                let running = Running::BlockClaim(incoming, Box::new(claim));
                self.run(Class::Import, Work::Verify(groups), running, effects);
            }
            Check::Wait(Wait::State(_)) => {
                let message = &incoming.block.message;
                let source = self.state_before(message.parent_root, message.slot);
                let may_run = |source: &StateSource| {
                    !source.is_costly(message.slot) || self.jobs.may_replay()
                };
                match source.filter(may_run) {
                    Some(parent) => {
                        let block = Arc::clone(&incoming.block);
                        self.arrivals.checking.insert(key);
                        let work = Work::Proposer { parent, block };
                        self.run(Class::Import, work, Running::Proposer(incoming), effects);
                    }
                    None => self.hold(Waiting::Block(incoming), effects),
                }
            }
            // The gate has asked for both.
            Check::Wait(_) => self.answer(&incoming, Verdict::Ignore(FUTURE), effects),
        }
    }

    /// A block with a good signature: passed on, and its transition begun.
    pub(super) fn accept(
        &mut self,
        incoming: Incoming,
        advanced: Option<BeaconState>,
        effects: &mut Vec<Effect>,
    ) {
        let (slot, proposer) = (
            incoming.block.message.slot,
            incoming.block.message.proposer_index,
        );
        if !self.messages.seen_mut().add_block(slot, proposer) {
            self.answer(&incoming, Verdict::Ignore(KNOWN), effects);
            return;
        }
        self.accept_seen(incoming, advanced, effects);
    }

    /// [`Chain::accept`] of a block that is marked as seen.
    pub(super) fn accept_seen(
        &mut self,
        incoming: Incoming,
        advanced: Option<BeaconState>,
        effects: &mut Vec<Effect>,
    ) {
        let mut incoming = incoming;
        if let Origin::Gossip(token) = incoming.origin {
            effects.push(Effect::Verdict(token, Verdict::Accept));
            incoming.origin = Origin::Requested;
        }
        if self.arrivals.is_in_flight(incoming.root) || self.store.contains_block(incoming.root) {
            self.admit(incoming, effects);
            return;
        }
        self.import(incoming, advanced, effects);
    }

    /// Begins the transition; `advanced` is the parent's state at the block's slot if the proposer
    /// was found right on it.
    fn import(
        &mut self,
        incoming: Incoming,
        advanced: Option<BeaconState>,
        effects: &mut Vec<Effect>,
    ) {
        let message = &incoming.block.message;
        let source = match &advanced {
            Some(state) => Some(StateSource::of(state)),
            None => self.state_before(message.parent_root, message.slot),
        };
        let may_run =
            |source: &StateSource| !source.is_costly(message.slot) || self.jobs.may_replay();
        let Some(parent) = source.filter(may_run) else {
            self.hold(Waiting::Block(incoming), effects);
            return;
        };
        let blocks = vec![(incoming.root, Arc::clone(&incoming.block))];
        let from = RunOf::Block(incoming);
        self.start_run(parent, advanced.is_some(), blocks, from, effects);
    }

    /// Hands out the transitions of linked blocks.
    pub(super) fn start_run(
        &mut self,
        parent: StateSource,
        proposer_checked: bool,
        blocks: Vec<(Root, Arc<SignedBeaconBlock>)>,
        from: RunOf,
        effects: &mut Vec<Effect>,
    ) {
        let roots: Vec<Root> = blocks.iter().map(|(root, _)| *root).collect();
        for &root in &roots {
            self.arrivals.take_off(root);
        }
        let bodies = || blocks.iter().map(|(_, block)| &block.message);
        let slashes = bodies().any(|block| !block.body.attester_slashings.is_empty());
        let justified = self.store.justified_checkpoint().root;
        let work = Blocks {
            targets: self.foreign_targets(bodies(), &roots),
            justified: slashes.then(|| self.source_of(justified)).flatten(),
            parent,
            proposer_checked,
            blocks,
        };
        let running = Running::Import(Run { roots, from });
        self.run(
            Class::Import,
            Work::Blocks(Box::new(work)),
            running,
            effects,
        );
    }

    /// Keeps what cannot run now; too many are refused.
    pub(super) fn hold(&mut self, waiting: Waiting, effects: &mut Vec<Effect>) {
        if self.arrivals.held.len() < MAX_HELD {
            self.arrivals.held.push_back(waiting);
        } else {
            self.refuse(vec![waiting], effects);
        }
    }

    /// Tries again what was held.
    pub(super) fn release_held(&mut self, effects: &mut Vec<Effect>) {
        if self.arrivals.held.is_empty() || !self.jobs.may_replay() {
            return;
        }
        let held = std::mem::take(&mut self.arrivals.held);
        self.release(held, effects);
    }

    /// Tries again what waited.
    pub(super) fn release(
        &mut self,
        waiting: impl IntoIterator<Item = Waiting>,
        effects: &mut Vec<Effect>,
    ) {
        for waiting in waiting {
            match waiting {
                Waiting::Block(incoming) => self.admit(incoming, effects),
                Waiting::Batch(token, done, blocks) => {
                    self.continue_batch(token, done, blocks, effects);
                }
            }
        }
    }

    /// Answers for what makes way.
    pub(super) fn refuse(&mut self, dropped: Vec<Waiting>, effects: &mut Vec<Effect>) {
        for waiting in dropped {
            match waiting {
                Waiting::Block(incoming) => {
                    self.answer(&incoming, Verdict::Ignore(BUSY), effects);
                }
                Waiting::Batch(token, imported, _) => {
                    let error = Some(BatchError::Limit(BUSY.to_owned()));
                    let result = BatchResult { imported, error };
                    self.pending.answers.push(Effect::BatchDone(token, result));
                }
            }
        }
    }

    /// Tells who waits for a verdict; accepted blocks are answered elsewhere.
    pub(super) fn answer(
        &mut self,
        incoming: &Incoming,
        verdict: Verdict,
        effects: &mut Vec<Effect>,
    ) {
        match (incoming.origin, verdict) {
            (Origin::Gossip(token), verdict) => effects.push(Effect::Verdict(token, verdict)),
            (Origin::Api(token), Verdict::Reject(why)) => {
                let error = Err(ApiError::Invalid(why.to_owned()));
                effects.push(Effect::Reply(token, error));
            }
            (Origin::Api(token), Verdict::Ignore(why)) => {
                let error = Err(ApiError::Unavailable(why.to_owned()));
                effects.push(Effect::Reply(token, error));
            }
            (Origin::Api(_), Verdict::Accept) | (Origin::Requested, _) => {}
        }
    }

    fn answer_known(&mut self, incoming: &Incoming, effects: &mut Vec<Effect>) {
        match incoming.origin {
            Origin::Api(token) => effects.push(Effect::Reply(token, Ok(ApiReply::Accepted))),
            _ => self.answer(incoming, Verdict::Ignore(KNOWN), effects),
        }
    }

    /// A submitted block is in: it is sent to everyone once it cannot be lost.
    pub(super) fn publish_when_durable(&mut self, incoming: &Incoming) {
        if let Origin::Api(token) = incoming.origin {
            self.commits.open.durable = true;
            self.commits
                .afterwards(Afterwards::Publish(token, Arc::clone(&incoming.block)));
        }
    }
}
