//! [`Simulation`]: the nodes, the network, the time; and the loop that moves them.

use crate::duties::Validators;
use crate::node::Node;
use crate::queue::{Event, NodeId, Planned, Queue};
use crate::scenario::{Faults, Scenario};
use crate::scheme::{Keys, Scheme};
use crate::totals::Totals;
use crate::trace::Trace;
use crate::world::World;
use chain::{Input, Milliseconds};
use chain_maker::Dice;
use consensus::genesis::{genesis_block, unsigned_interop_genesis};
use consensus::{BeaconState, Epoch, HashTreeRoot, Pool, Root, Slot, Spec};
use std::sync::{Arc, OnceLock};

/// Validators of a simulated network, spread evenly over the nodes.
pub(crate) const VALIDATORS: u64 = 64;
/// Epochs without faults at the end of every run: finality must have come back by then.
pub const CALM_EPOCHS: Epoch = 5;
/// Slots of an era: few, so that eras are sealed while there are faults.
const ERA_SLOTS: u64 = 16;
/// Of so many seeds one uses BLS.
const REAL_SCHEME_EVERY: u64 = 100;

/// What to simulate.
#[derive(Clone, Debug)]
pub struct Options {
    /// The kind of trouble.
    pub scenario: Scenario,
    /// The seed of all choices.
    pub seed: u64,
    /// Number of nodes, at least 2.
    pub nodes: usize,
    /// Epochs to run, more than [`CALM_EPOCHS`].
    pub epochs: Epoch,
    /// Print what happens.
    pub verbose: bool,
}

/// A run in which everything held.
#[derive(Clone, Debug)]
pub struct Finished {
    /// The hash over all that happened.
    pub trace: Root,
    /// What there was of everything.
    pub totals: Totals,
    /// Whether its signatures were of the fast scheme.
    pub fast: bool,
}

/// N nodes in one world.
pub(crate) struct Simulation {
    pub(crate) options: Options,
    pub(crate) spec: Arc<Spec>,
    pub(crate) genesis: BeaconState,
    pub(crate) scheme: Scheme,
    pub(crate) keys: Keys,
    pub(crate) faults: Faults,
    pub(crate) queue: Queue,
    pub(crate) now: Milliseconds,
    pub(crate) nodes: Vec<Node>,
    /// Bit by node: on which side of the partition it is.
    pub(crate) sides: u64,
    pub(crate) validators: Validators,
    pub(crate) world: World,
    pub(crate) trace: Trace,
    pub(crate) totals: Totals,
    pub(crate) dice: Dice,
}

/// The genesis of every simulation: making it takes longer than a slot of any.
fn shared_genesis() -> &'static BeaconState {
    static GENESIS: OnceLock<BeaconState> = OnceLock::new();
    GENESIS.get_or_init(|| {
        let spec = Arc::new(Spec {
            SLOTS_PER_HISTORICAL_ROOT: ERA_SLOTS,
            ..Spec::minimal()
        });
        let time = spec.MIN_GENESIS_TIME + spec.GENESIS_DELAY;
        let eth1_block = Root::repeat_byte(0xe1);
        unsigned_interop_genesis(VALIDATORS, time, eth1_block, &spec, &Pool::new(1))
            .expect("a small registry")
    })
}

/// Runs one seed.
///
/// # Errors
/// What did not hold, and when.
pub fn run(options: &Options) -> Result<Finished, String> {
    let mut simulation = Simulation::new(options.clone());
    let done = simulation.run();
    let since = simulation.seconds();
    done.map_err(|error| format!("after {since:.3} s: {error}"))?;
    simulation.totals.milliseconds = simulation.now - simulation.genesis_ms();
    simulation.totals.node_milliseconds = simulation.totals.milliseconds * options.nodes as u64;
    Ok(Finished {
        trace: simulation.trace.hash(),
        fast: simulation.scheme == Scheme::Fast,
        totals: simulation.totals,
    })
}

impl Simulation {
    fn new(options: Options) -> Simulation {
        let genesis = shared_genesis().clone();
        let root = genesis_block(&genesis).hash_tree_root();
        let scheme = match Dice::of(options.seed, &[10]).below(REAL_SCHEME_EVERY) {
            0 => Scheme::Real,
            _ => Scheme::Fast,
        };
        let pubkeys = genesis.validators().iter().map(|v| v.pubkey).collect();
        let faults = options.scenario.faults();
        let mut trace = Trace::new(options.verbose);
        trace.root(root);
        Simulation {
            spec: genesis.spec().clone(),
            scheme,
            keys: Keys::new(scheme, pubkeys),
            validators: Validators::new(&options, &faults),
            faults,
            queue: Queue::default(),
            now: genesis.genesis_time() * 1000,
            nodes: (0..options.nodes).map(|_| Node::new()).collect(),
            sides: 0,
            world: World::new(&genesis, root, scheme.verifier()),
            trace,
            totals: Totals {
                seeds: 1,
                ..Totals::default()
            },
            dice: Dice::of(options.seed, &[11]),
            genesis,
            options,
        }
    }

    fn run(&mut self) -> Result<(), String> {
        for node in 0..self.nodes.len() {
            self.start_node(node)?;
            self.plan(self.now, node, Event::Tick);
        }
        self.plan_faults();
        for slot in 0..self.options.epochs * self.spec.SLOTS_PER_EPOCH {
            self.plan_slot(slot);
        }
        let end = self.start_of_epoch(self.options.epochs);
        while let Some(planned) = self.queue.pop().filter(|planned| planned.at < end) {
            self.now = planned.at;
            let node = planned.node;
            let happened = self.happen(planned);
            // Any access can be the one that the power does not survive.
            if self.nodes[node].has_lost_power() {
                self.cut_power(node);
            } else {
                happened.map_err(|error| format!("node {node}: {error}"))?;
            }
        }
        self.now = end;
        self.final_checks()
    }

    /// What happens in every slot, whoever lives.
    fn plan_slot(&mut self, slot: Slot) {
        let start = self.start_of(slot);
        let length = self.spec.SLOT_DURATION_MS;
        let parts = [
            (0, Event::Propose(slot)),
            (self.spec.ATTESTATION_DUE_BPS, Event::Attest(slot)),
            (self.spec.AGGREGATE_DUE_BPS, Event::Aggregate(slot)),
        ];
        for node in 0..self.nodes.len() {
            for (part, duty) in &parts {
                let due = start + part * length / 10_000;
                // The fork choice counts whole seconds: a clock tells it of the next one.
                self.plan(due.div_ceil(1_000) * 1_000, node, Event::Tick);
                let jitter = 30 + self.dice.below(60);
                self.plan(due + jitter, node, duty.clone());
            }
            let any_time = self.dice.below(length);
            self.plan(start + any_time, node, Event::Compare);
            if slot.is_multiple_of(self.spec.SLOTS_PER_EPOCH) {
                self.plan(start + length / 2, node, Event::EpochChecks);
            }
        }
    }

    /// Adds an event for whoever the node is then.
    pub(crate) fn plan(&mut self, at: Milliseconds, node: NodeId, event: Event) {
        self.queue.push(Planned {
            at: at.max(self.now),
            node,
            life: None,
            event,
        });
    }

    /// Adds an event that ends with the node's life.
    pub(crate) fn plan_in_life(&mut self, at: Milliseconds, node: NodeId, event: Event) {
        self.queue.push(Planned {
            at: at.max(self.now),
            node,
            life: Some(self.nodes[node].life),
            event,
        });
    }

    fn happen(&mut self, planned: Planned) -> Result<(), String> {
        let node = planned.node;
        let alive = self.nodes[node].live.is_some();
        let this_life = planned
            .life
            .is_none_or(|life| life == self.nodes[node].life);
        let wanted = match planned.event {
            Event::Start => !alive,
            Event::Partition(_) | Event::Heal => true,
            _ => alive && this_life,
        };
        if !wanted {
            return Ok(());
        }
        self.trace.event(&planned);
        self.totals.events += 1;
        match planned.event {
            Event::Tick => self.input(node, Input::Tick(self.now))?,
            Event::Drain => self.drain(node)?,
            Event::Done(outcome) => self.input(node, Input::Done(*outcome))?,
            Event::Input(input) => self.input(node, *input)?,
            Event::Write => self.write(node)?,
            Event::WriterStep => self.writer_step(node)?,
            Event::Arrives(message) => self.arrives(node, message)?,
            Event::Ask(root, times) => self.ask(node, root, times)?,
            Event::Compare => self.compare(node)?,
            Event::Propose(slot) => self.propose(node, slot)?,
            Event::Send(block, to) => self.send_block(node, &block, &to),
            Event::Submit(validator, block) => self.submit_block(node, validator, *block)?,
            Event::Attest(slot) => self.attest(node, slot)?,
            Event::Aggregate(slot) => self.aggregate(node, slot)?,
            Event::PowerCut => self.cut_power(node),
            Event::CutSoon(changes) => self.cut_soon(node, changes),
            Event::Stop => self.input(node, Input::Shutdown)?,
            Event::Start => self.start_node(node)?,
            Event::Rot => self.rot(node)?,
            Event::Partition(sides) => self.part(sides),
            Event::Heal => self.part(0),
            Event::EpochChecks => self.epoch_checks(node)?,
        }
        Ok(())
    }

    /// Puts an input into a node's inbox; it looks there a moment later.
    pub(crate) fn input(&mut self, node: NodeId, input: Input) -> Result<(), String> {
        let now = self.now;
        let Some(live) = &mut self.nodes[node].live else {
            return Ok(());
        };
        let dropped = live.inbox.push(input, now);
        let drain = !std::mem::replace(&mut live.planned.draining, true);
        for input in dropped {
            self.dropped(node, input)?;
        }
        if drain {
            let stalls = self.dice.below(1000) < self.faults.stalls_per_1000;
            let pause = match stalls {
                true => self.dice.below(self.spec.SLOT_DURATION_MS),
                false => self.dice.below(4),
            };
            self.plan_in_life(now + pause, node, Event::Drain);
        }
        Ok(())
    }

    fn drain(&mut self, node: NodeId) -> Result<(), String> {
        if let Some(live) = &mut self.nodes[node].live {
            live.planned.draining = false;
        }
        self.check_lanes(node)?;
        loop {
            let Some(live) = &mut self.nodes[node].live else {
                return Ok(());
            };
            let Some(input) = live.inbox.pop(self.now) else {
                return Ok(());
            };
            self.totals.inputs += 1;
            if matches!(input, Input::Shutdown) {
                live.kept_votes = Some(live.votes.clone());
            }
            let mut effects = Vec::new();
            if input.is_judged_by_the_clock() {
                live.chain.apply(Input::Tick(self.now), &mut effects);
            }
            live.chain.apply(input, &mut effects);
            self.carry_out(node, effects)?;
        }
    }

    /// An input that its lane had no room for.
    fn dropped(&mut self, node: NodeId, input: Input) -> Result<(), String> {
        // A newer tick takes an older one's place.
        self.totals.dropped += u64::from(!matches!(input, Input::Tick(_)));
        let Some(live) = &mut self.nodes[node].live else {
            return Ok(());
        };
        match input {
            Input::Done(_) | Input::Committed(_) => {
                return Err("an outcome or a commit was dropped".into());
            }
            Input::Tick(_) | Input::Shutdown => {}
            Input::Batch(token, _) => {
                live.planned.comparing = false;
                live.tokens.take(token);
            }
            Input::Api(token, _)
            | Input::GossipBlock(token, _)
            | Input::RequestedBlock(token, _)
            | Input::GossipAggregate(token, _)
            | Input::GossipProposerSlashing(token, _)
            | Input::GossipAttesterSlashing(token, _)
            | Input::GossipVoluntaryExit(token, _)
            | Input::GossipAttestation(token, ..) => {
                live.tokens.take(token);
            }
        }
        Ok(())
    }

    /// Milliseconds since the Unix epoch at genesis.
    pub(crate) fn genesis_ms(&self) -> Milliseconds {
        self.genesis.genesis_time() * 1000
    }

    /// Seconds since genesis.
    pub(crate) fn seconds(&self) -> f64 {
        (self.now - self.genesis_ms()) as f64 / 1000.0
    }

    /// When a slot starts.
    pub(crate) fn start_of(&self, slot: Slot) -> Milliseconds {
        self.genesis_ms() + slot * self.spec.SLOT_DURATION_MS
    }

    /// When an epoch starts.
    pub(crate) fn start_of_epoch(&self, epoch: Epoch) -> Milliseconds {
        self.start_of(epoch * self.spec.SLOTS_PER_EPOCH)
    }

    /// The first epoch without faults.
    pub(crate) fn healed_epoch(&self) -> Epoch {
        match self.options.scenario {
            Scenario::Calm => 0,
            _ => self.options.epochs.saturating_sub(CALM_EPOCHS),
        }
    }

    /// The current slot.
    pub(crate) fn slot(&self) -> Slot {
        (self.now - self.genesis_ms()) / self.spec.SLOT_DURATION_MS
    }

    /// The faults of this moment.
    pub(crate) fn faults_now(&self) -> Faults {
        match self.slot() / self.spec.SLOTS_PER_EPOCH >= self.healed_epoch() {
            true => self.faults.after(),
            false => self.faults.clone(),
        }
    }

    /// A number of a range.
    pub(crate) fn within(&mut self, range: &std::ops::Range<u64>) -> u64 {
        range.start + self.dice.below(range.end - range.start)
    }
}
