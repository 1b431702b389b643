//! Single blocks on their way in: from gossip, the local API, or asked for.

use super::Chain;
use super::jobs::Running;
use crate::delay::Delays;
use crate::gossip::{Check, Verdict, Wait, is_future_slot, validate_beacon_block_gossip};
use crate::import::{Blocks, Imported, ProposerCheck};
use crate::job::Work;
use crate::state_source::StateSource;
use crate::{Class, Effect, Token};
use consensus::helpers::{compute_epoch_at_slot, compute_start_slot_at_epoch};
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

pub(super) const KNOWN: &str = "the block is known";
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
    /// From gossip or the local API, but too early to be judged then: nobody waits, and nothing of
    /// it has been verified.
    Delayed,
    /// Asked for: nobody waits.
    Requested,
}

/// A block on its way in.
#[derive(Clone, Debug)]
pub(super) struct Incoming {
    pub(super) origin: Origin,
    pub(super) root: Root,
    pub(super) block: Arc<SignedBeaconBlock>,
    /// Whether the right proposer has signed it, for sure.
    pub(super) judged: bool,
}

/// A copy of a block whose transition runs or is done.
#[derive(Debug)]
struct Flight {
    signature: BLSSignature,
    /// Whether that is known to be good.
    judged: bool,
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
    /// Roots and signatures.
    pub(super) blocks: Vec<(Root, BLSSignature)>,
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
    /// Blocks whose transition runs or is done, each copy of them.
    in_flight: BTreeMap<Root, Vec<Flight>>,
    /// Blocks whose signature is being verified: another one with this root may have a better one.
    checking: BTreeSet<(Root, BLSSignature)>,
    pub(super) delays: Delays<Waiting>,
    /// Blocks that others wait for, and the slot in which they were asked for last.
    requested: BTreeMap<Root, Slot>,
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

impl Incoming {
    /// The same, with nobody waiting any more.
    fn unanswered(self) -> Incoming {
        let origin = match self.origin {
            Origin::Requested => Origin::Requested,
            Origin::Gossip(_) | Origin::Api(_) | Origin::Delayed => Origin::Delayed,
        };
        Incoming { origin, ..self }
    }
}

impl Arrivals {
    pub(super) fn new() -> Arrivals {
        Arrivals {
            in_flight: BTreeMap::new(),
            checking: BTreeSet::new(),
            delays: Delays::new(MAX_WAITING, MAX_WAITING_TOGETHER),
            requested: BTreeMap::new(),
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

    /// Whether nothing new can come of this copy of a block in flight.
    fn is_settled_by_flight(&self, incoming: &Incoming) -> bool {
        let flights = self.in_flight.get(&incoming.root).into_iter().flatten();
        let signature = incoming.block.signature;
        flights
            .into_iter()
            .any(|flight| flight.judged || flight.signature == signature)
    }

    pub(super) fn take_off(&mut self, root: Root, signature: BLSSignature, judged: bool) {
        let flight = Flight { signature, judged };
        self.in_flight.entry(root).or_default().push(flight);
    }

    pub(super) fn land(&mut self, root: Root, signature: BLSSignature) {
        if let Some(flights) = self.in_flight.get_mut(&root) {
            let at = flights.iter().position(|it| it.signature == signature);
            at.map(|at| flights.remove(at));
            if flights.is_empty() {
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
            judged: false,
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
        let Some(parent) = self.store.node(block.parent_root) else {
            return Gate::UnknownParent;
        };
        if !parent.on_finalized_branch() {
            return Gate::Finalized;
        }
        let epoch = compute_epoch_at_slot(block.slot, &self.spec);
        let advanced = self.states.latest_checkpoint(block.parent_root, epoch);
        let from = advanced.map_or(0, |(_, state)| state.slot());
        match block.slot.saturating_sub(from.max(parent.facts().slot)) > MAX_GAP {
            true => Gate::Gap,
            false => Gate::Open,
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
                _ if self.arrivals.is_settled_by_flight(&incoming) => {
                    self.answer(&incoming, Verdict::Ignore(KNOWN), effects);
                }
                // The other copy's signature may be wrong and this one's right.
                _ => self.wait(Wait::Block(root), incoming, effects),
            }
            return;
        }
        match self.gate(block, root) {
            Gate::Open => self.open(incoming, effects),
            Gate::Known => self.answer_known(&incoming, effects),
            Gate::Invalid => {
                self.invalid.insert_descendant(root);
                self.answer(&incoming, Verdict::Reject(INVALID), effects);
                self.release_children(root, effects);
            }
            Gate::PhaseEnded => self.answer(&incoming, Verdict::Ignore(PHASE_ENDED), effects),
            Gate::Finalized => self.answer(&incoming, Verdict::Ignore(FINALIZED), effects),
            Gate::Gap => self.answer(&incoming, Verdict::Ignore(GAP), effects),
            Gate::Future => {
                self.answer(&incoming, Verdict::Ignore(FUTURE), effects);
                // A clock that is a little fast is no reason to lose the block.
                if block.slot <= self.store.get_current_slot().saturating_add(1) {
                    self.wait(Wait::Slot(block.slot), incoming.unanswered(), effects);
                }
            }
            Gate::UnknownParent if self.arrivals.is_under_way(parent) => {
                self.wait(Wait::Block(parent), incoming, effects);
            }
            Gate::UnknownParent => {
                self.answer(&incoming, Verdict::Ignore(NO_PARENT), effects);
                self.request_block(parent, effects);
                self.wait(Wait::Block(parent), incoming.unanswered(), effects);
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

    /// Asks for a block that something waits for, once in a slot.
    fn request_block(&mut self, root: Root, effects: &mut Vec<Effect>) {
        let arrivals = &mut self.arrivals;
        if arrivals.requested.len() > MAX_WAITING {
            let delays = &arrivals.delays;
            arrivals
                .requested
                .retain(|root, _| delays.is_awaited(Wait::Block(*root)));
        }
        let slot = self.store.get_current_slot();
        if arrivals.requested.insert(root, slot) != Some(slot) {
            effects.push(Effect::RequestBlock(root));
        }
    }

    /// In a new slot: asks again for what is still awaited.
    pub(super) fn request_awaited(&mut self, effects: &mut Vec<Effect>) {
        let delays = &self.arrivals.delays;
        self.arrivals
            .requested
            .retain(|root, _| delays.is_awaited(Wait::Block(*root)));
        let awaited = self.arrivals.requested.keys().copied();
        let missing: Vec<Root> = awaited
            .filter(|root| !self.arrivals.is_under_way(*root))
            .collect();
        for root in missing {
            self.request_block(root, effects);
        }
    }

    /// A block whose parent is there: judged first, by all the rules where somebody waits for the
    /// verdict. One that was asked for is verified as the first part of its import.
    fn open(&mut self, incoming: Incoming, effects: &mut Vec<Effect>) {
        if incoming.judged || incoming.origin == Origin::Requested {
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
        if incoming.origin == Origin::Delayed {
            self.check_proposer(incoming, effects);
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
            Check::Wait(Wait::State(_)) => self.check_proposer(incoming, effects),
            // The gate has asked for both.
            Check::Wait(_) => self.answer(&incoming, Verdict::Ignore(FUTURE), effects),
        }
    }

    /// Has the proposer and its signature verified by a state that is not at hand.
    fn check_proposer(&mut self, incoming: Incoming, effects: &mut Vec<Effect>) {
        let message = &incoming.block.message;
        let source = self.state_before(message.parent_root, message.slot);
        let may_run =
            |source: &StateSource| !source.is_costly(message.slot) || self.jobs.may_replay();
        let Some(parent) = source.filter(may_run) else {
            self.hold(Waiting::Block(incoming), effects);
            return;
        };
        let key = (incoming.root, incoming.block.signature);
        self.arrivals.checking.insert(key);
        let block = Arc::clone(&incoming.block);
        let work = Work::Proposer { parent, block };
        self.run(Class::Import, work, Running::Proposer(incoming), effects);
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
        let is_first = self.messages.seen_mut().add_block(slot, proposer);
        if !is_first && incoming.origin != Origin::Delayed {
            self.answer(&incoming, Verdict::Ignore(KNOWN), effects);
            self.release_children(incoming.root, effects);
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
        incoming.judged = true;
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

    /// Begins the transition; `advanced` is the parent's state at the block's slot, if it was made
    /// before.
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
        let proposer = match incoming.judged {
            true => ProposerCheck::Done,
            false => ProposerCheck::First,
        };
        let blocks = vec![(incoming.root, Arc::clone(&incoming.block))];
        let from = RunOf::Block(incoming);
        self.start_run(parent, proposer, blocks, from, effects);
    }

    /// Hands out the transitions of linked blocks.
    pub(super) fn start_run(
        &mut self,
        parent: StateSource,
        proposer: ProposerCheck,
        blocks: Vec<(Root, Arc<SignedBeaconBlock>)>,
        from: RunOf,
        effects: &mut Vec<Effect>,
    ) {
        let roots: Vec<Root> = blocks.iter().map(|(root, _)| *root).collect();
        let signatures = blocks.iter().map(|(root, block)| (*root, block.signature));
        let signatures: Vec<_> = signatures.collect();
        for &(root, signature) in &signatures {
            let judged = proposer == ProposerCheck::Done;
            self.arrivals.take_off(root, signature, judged);
        }
        let bodies = || blocks.iter().map(|(_, block)| &block.message);
        let slashes = bodies().any(|block| !block.body.attester_slashings.is_empty());
        let justified = self.store.justified_checkpoint().root;
        let work = Blocks {
            targets: self.foreign_targets(bodies(), &roots),
            justified: slashes.then(|| self.source_of(justified)).flatten(),
            parent,
            proposer,
            blocks,
        };
        let blocks = signatures;
        let running = Running::Import(Run { blocks, from });
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
}
