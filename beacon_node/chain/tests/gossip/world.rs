//! A node as far as messages are concerned: a fork choice, states, and a clock.

use chain::gossip::View;
use chain::messages::{MessageFigures, Messages, Out};
use chain::{Effect, History, HotStates, InvalidRoots, Milliseconds, Reason, Toolbox, Verdict};
use chain_maker::{BlockOptions, ChainMaker, attestation_data};
use consensus::genesis::genesis_block;
use consensus::helpers::get_beacon_committee;
use consensus::transition::process_slots;
use consensus::validator_guide::{get_aggregate_and_proof, get_aggregate_and_proof_signature};
use consensus::*;
use fork_choice::{JustifiedBalances, Store, get_forkchoice_store};
use std::sync::Arc;

pub(crate) struct NoHistory;

impl History for NoHistory {
    fn block(&self, _root: Root) -> Result<Option<Arc<SignedBeaconBlock>>, String> {
        Ok(None)
    }

    fn state(&self, _block_root: Root) -> Result<Option<BeaconState>, String> {
        Ok(None)
    }
}

pub(crate) fn tools() -> Toolbox {
    let pool = Pool::new(1);
    Toolbox {
        verifier: Arc::new(Bls::new(pool.clone(), [7; 32])),
        pool,
        aggregate: bls::aggregate,
        stopwatch: || 0,
        history: Arc::new(NoHistory),
    }
}

pub(crate) struct World {
    pub(crate) maker: ChainMaker,
    pub(crate) tools: Toolbox,
    pub(crate) store: Store,
    pub(crate) states: HotStates,
    pub(crate) invalid: InvalidRoots,
    pub(crate) head: Root,
    pub(crate) head_state: BeaconState,
    pub(crate) now: Milliseconds,
    pub(crate) messages: Messages,
}

impl World {
    /// A minimal chain of its genesis, of 64 validators, in slot 0.
    pub(crate) fn new() -> World {
        World::with(&Arc::new(Spec::minimal()), 64, 11)
    }

    pub(crate) fn with(spec: &Arc<Spec>, validators: u64, seed: u64) -> World {
        let maker = ChainMaker::new(spec, validators, seed, &Pool::new(1)).unwrap();
        let genesis = maker.genesis().clone();
        let store = get_forkchoice_store(&genesis, &genesis_block(&genesis)).unwrap();
        let mut states = HotStates::default();
        states.insert(maker.genesis_root(), genesis.clone());
        World {
            tools: tools(),
            store,
            states,
            invalid: InvalidRoots::default(),
            head: maker.genesis_root(),
            now: genesis.genesis_time() * 1000,
            head_state: genesis,
            messages: Messages::new(spec),
            maker,
        }
    }

    /// What the rules look at.
    pub(crate) fn view(&self) -> View<'_> {
        let head = (self.head, &self.head_state);
        view(&self.store, &self.states, &self.invalid, head, self.now)
    }

    /// Lets the messages do something.
    pub(crate) fn act<R>(
        &mut self,
        act: impl FnOnce(&mut Messages, &View<'_>, &mut Out) -> R,
    ) -> (R, Out) {
        let mut out = Out::default();
        let view = view(
            &self.store,
            &self.states,
            &self.invalid,
            (self.head, &self.head_state),
            self.now,
        );
        let result = act(&mut self.messages, &view, &mut out);
        (result, out)
    }

    /// Moves the clock to so many milliseconds into a slot.
    pub(crate) fn tick(&mut self, slot: Slot, milliseconds: u64) -> Out {
        let spec = self.maker.spec().clone();
        let since_genesis = slot * spec.SLOT_DURATION_MS + milliseconds;
        self.now = self.store.genesis_time() * 1000 + since_genesis;
        self.store.on_tick(self.now / 1000).unwrap();
        self.supply_balances();
        self.act(Messages::tick).1
    }

    fn supply_balances(&mut self) {
        if let Some(checkpoint) = self.store.justified_balances_needed() {
            let mut state = self.states.get(checkpoint.root).unwrap().clone();
            let start = checkpoint.epoch * state.spec().SLOTS_PER_EPOCH;
            if state.slot() < start {
                process_slots(&mut state, start).unwrap();
            }
            let balances = JustifiedBalances::from_state(&state).unwrap();
            self.store
                .set_justified_balances(checkpoint, balances)
                .unwrap();
        }
    }

    /// Makes a block on the head, which it becomes.
    pub(crate) fn extend(
        &mut self,
        slot: Slot,
        options: &BlockOptions,
    ) -> (Root, SignedBeaconBlock) {
        let made = self.maker.block_at(slot, options).unwrap();
        self.import(&made.block);
        self.head = made.root;
        self.head_state = self.maker.post_state(made.root).unwrap().clone();
        (made.root, made.block)
    }

    /// Makes blocks on the head up to a slot, ticking along.
    pub(crate) fn extend_to(&mut self, slot: Slot) {
        for slot in self.head_state.slot() + 1..=slot {
            self.tick(slot, 0);
            self.extend(slot, &BlockOptions::default());
        }
    }

    /// Puts a made block into the fork choice.
    pub(crate) fn import(&mut self, block: &SignedBeaconBlock) {
        let root = block.message.hash_tree_root();
        let state = self.maker.post_state(root).unwrap().clone();
        self.store.on_block(&block.message, &state).unwrap();
        self.states.insert(root, state);
        self.supply_balances();
    }

    /// The attestation of the committee member at `position` to the block `head`, seen at `slot`.
    pub(crate) fn attestation(
        &self,
        head: Root,
        slot: Slot,
        index: CommitteeIndex,
        positions: &[usize],
    ) -> Attestation {
        let view = self.maker.state_at(head, slot + 1).unwrap();
        let data = attestation_data(&view, slot, index).unwrap();
        let committee = get_beacon_committee(&view, slot, index).unwrap();
        let mut bits = AggregationBits::with_capacity(committee.len()).unwrap();
        let mut attesters = Vec::new();
        for &position in positions {
            bits.set(position, true).unwrap();
            attesters.push(committee[position]);
        }
        Attestation {
            aggregation_bits: bits,
            data,
            signature: self
                .maker
                .sign_attestation(&view, &data, &attesters)
                .unwrap(),
        }
    }

    /// The aggregate of some committee members, sent by the one at `aggregator`.
    pub(crate) fn aggregate(
        &self,
        head: Root,
        slot: Slot,
        positions: &[usize],
        aggregator: usize,
    ) -> SignedAggregateAndProof {
        let view = self.maker.state_at(head, slot + 1).unwrap();
        let committee = get_beacon_committee(&view, slot, 0).unwrap();
        let key = self
            .maker
            .keys()
            .of_validator(&view, committee[aggregator])
            .unwrap();
        let aggregate = self.attestation(head, slot, 0, positions);
        let message = get_aggregate_and_proof(&view, committee[aggregator], aggregate, &key);
        SignedAggregateAndProof {
            signature: get_aggregate_and_proof_signature(&view, &message, &key),
            message,
        }
    }

    /// Sends an attestation from the right subnet.
    pub(crate) fn send(&mut self, token: u64, attestation: &Attestation) -> Out {
        let subnet = self.subnet_of(attestation);
        let attestation = Arc::new(attestation.clone());
        self.act(|messages, view, out| {
            messages.receive_attestation(view, token, subnet, attestation, out);
        })
        .1
    }

    pub(crate) fn subnet_of(&self, attestation: &Attestation) -> u64 {
        let data = &attestation.data;
        let committees = self
            .head_state
            .shuffling(data.target.epoch)
            .unwrap()
            .committees_per_slot();
        validator_guide::compute_subnet_for_attestation(
            committees,
            data.slot,
            data.index,
            self.maker.spec(),
        )
    }

    /// Runs the jobs, and what they lead to.
    pub(crate) fn run(&mut self, mut out: Out) -> Out {
        let mut all = Out::default();
        loop {
            let jobs = std::mem::take(&mut out.jobs);
            merge(&mut all, out);
            if jobs.is_empty() {
                return all;
            }
            out = Out::default();
            for job in jobs {
                let outcome = job.run(&self.tools);
                let more = self
                    .act(|messages, view, out| messages.on_outcome(view, outcome, out))
                    .1;
                merge(&mut out, more);
            }
        }
    }

    pub(crate) fn figures(&self) -> MessageFigures {
        self.messages.figures()
    }
}

fn view<'a>(
    fork_choice: &'a Store,
    states: &'a HotStates,
    invalid: &'a InvalidRoots,
    head: (Root, &'a BeaconState),
    now: Milliseconds,
) -> View<'a> {
    View {
        now,
        fork_choice,
        finalized: fork_choice.finalized_checkpoint(),
        head_root: head.0,
        head_state: head.1,
        states,
        invalid,
    }
}

fn merge(all: &mut Out, out: Out) {
    all.effects.extend(out.effects);
    all.jobs.extend(out.jobs);
    all.votes.extend(out.votes);
    all.slashings.extend(out.slashings);
    all.blocks_wanted.extend(out.blocks_wanted);
    all.states_wanted.extend(out.states_wanted);
}

/// The verdicts among the effects, in order.
pub(crate) fn verdicts(out: &Out) -> Vec<(u64, Verdict)> {
    let effects = out.effects.iter();
    effects
        .filter_map(|effect| match effect {
            Effect::Verdict(token, verdict) => Some((*token, *verdict)),
            _ => None,
        })
        .collect()
}

/// The reason of the only verdict, which ignores.
pub(crate) fn ignored(out: &Out) -> Reason {
    match verdicts(out).as_slice() {
        [(_, Verdict::Ignore(reason))] => reason,
        other => panic!("expected one message to be ignored: {other:?}"),
    }
}

/// The reason of the only verdict, which rejects.
pub(crate) fn rejected(out: &Out) -> Reason {
    match verdicts(out).as_slice() {
        [(_, Verdict::Reject(reason))] => reason,
        other => panic!("expected one message to be rejected: {other:?}"),
    }
}
