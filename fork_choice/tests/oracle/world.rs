//! A store and the oracle side by side, fed the same things.

use super::naive::Oracle;
use consensus::genesis::genesis_block;
use consensus::helpers::hash;
use consensus::{
    AttestationData, AttesterSlashing, BLSPubkey, BLSSignature, BeaconBlock, BeaconState,
    Checkpoint, FAR_FUTURE_EPOCH, Gwei, IndexedAttestation, Root, Slot, Spec, Validator,
    ValidatorIndex,
};
use fork_choice::{BlockFacts, JustifiedBalances, Node, Restored, Store, get_forkchoice_store};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Validators of every block's registry.
pub(crate) const VALIDATORS: usize = 16;

/// A root that depends on nothing but `number`, in no order.
pub(crate) fn root_of(number: u64) -> Root {
    hash(&number.to_le_bytes())
}

/// Minimal, with epochs of four slots: more of them fit in a short history.
pub(crate) fn small_spec() -> Arc<Spec> {
    Arc::new(Spec {
        SLOTS_PER_EPOCH: 4,
        ..Spec::minimal()
    })
}

/// An anchor at the first slot of `epoch`: its store.
pub(crate) fn anchored_store(spec: &Arc<Spec>, epoch: u64) -> Store {
    let mut state = BeaconState::new(spec);
    state.set_genesis_time(1_000);
    state.set_slot(epoch * spec.SLOTS_PER_EPOCH);
    for number in 0..VALIDATORS {
        let never = FAR_FUTURE_EPOCH;
        let validator = Validator {
            pubkey: BLSPubkey::repeat_byte(number as u8),
            withdrawal_credentials: Root::ZERO,
            effective_balance: 0,
            slashed: false,
            activation_eligibility_epoch: never,
            activation_epoch: never,
            exit_epoch: never,
            withdrawable_epoch: never,
        };
        state.push_validator(&validator, 0).expect("room");
    }
    let block = anchor_block(&state);
    get_forkchoice_store(&state, &block).expect("a good anchor")
}

/// A block that claims `state` as its post-state.
pub(crate) fn anchor_block(state: &BeaconState) -> BeaconBlock {
    BeaconBlock {
        slot: state.slot(),
        ..genesis_block(state)
    }
}

/// A slashing of the validators that are in both lists.
pub(crate) fn slashing(
    first: &[ValidatorIndex],
    second: &[ValidatorIndex],
    slashable: bool,
) -> AttesterSlashing {
    let attestation = |indices: &[ValidatorIndex], number: u64| IndexedAttestation {
        attesting_indices: indices.to_vec().try_into().expect("few indices"),
        data: AttestationData {
            slot: 1,
            index: 0,
            beacon_block_root: root_of(number),
            source: Checkpoint::default(),
            target: Checkpoint::default(),
        },
        signature: BLSSignature::ZERO,
    };
    AttesterSlashing {
        attestation_1: attestation(first, 0),
        attestation_2: attestation(second, u64::from(slashable)),
    }
}

#[derive(Clone)]
pub(crate) struct World {
    pub(crate) store: Store,
    pub(crate) oracle: Oracle,
    /// Every block in order of arrival.
    pub(crate) order: Vec<Root>,
    pub(crate) pruned: BTreeSet<Root>,
    /// How often each refusal and each notable situation came about.
    pub(crate) seen: BTreeMap<&'static str, u64>,
    seed: u64,
}

impl World {
    pub(crate) fn new(store: Store) -> World {
        let anchor = *store.nodes().next().expect("the anchor").facts();
        let oracle = Oracle::new(store.spec(), store.genesis_time(), &anchor);
        let mut world = World {
            store,
            oracle,
            order: vec![anchor.root],
            pruned: BTreeSet::new(),
            seen: BTreeMap::new(),
            seed: 0,
        };
        world.set_balances(0);
        world
    }

    fn saw(&mut self, situation: &'static str, times: usize) {
        *self.seen.entry(situation).or_default() += times as u64;
    }

    /// Balances by `seed`, some of them 0, and a total that has slashed validators in it.
    pub(crate) fn set_balances(&mut self, seed: u64) {
        let random = root_of(seed ^ 0xba1a);
        let balances: Vec<Gwei> = (0..VALIDATORS)
            .map(|i| u64::from(random[i] % 8) * 4_000_000_000)
            .collect();
        let total = balances.iter().sum::<Gwei>() + u64::from(random[31]) * 1_000_000_000;
        self.set_exact_balances(balances, total.max(1_000_000_000));
    }

    pub(crate) fn set_exact_balances(&mut self, balances: Vec<Gwei>, total: Gwei) {
        self.oracle.balances.clone_from(&balances);
        self.oracle.total_active_balance = total;
        let balances = JustifiedBalances::new(balances, total).expect("consistent balances");
        self.store
            .set_justified_balances(self.store.justified_checkpoint(), balances)
            .expect("the justified checkpoint");
    }

    fn answer_needed_balances(&mut self) {
        if let Some(checkpoint) = self.store.justified_balances_needed() {
            self.saw("new justified checkpoint", 1);
            assert_eq!(checkpoint, self.store.justified_checkpoint());
            assert_eq!(
                self.store.get_head().map_err(|error| error.name()),
                Err("JustifiedBalancesMissing")
            );
            self.seed += 1;
            self.set_balances(self.seed);
        }
    }

    pub(crate) fn tick(&mut self, seconds: u64) {
        let time = self.store.time() + seconds;
        self.store.on_tick(time).expect("later");
        self.oracle.on_tick(time);
        self.answer_needed_balances();
    }

    /// Ticks to the start of `slot`.
    pub(crate) fn tick_to(&mut self, slot: Slot) {
        let start = self.store.genesis_time() + slot * self.store.spec().SLOT_DURATION_MS / 1000;
        self.tick(start - self.store.time());
    }

    /// Facts of a block on `parent`, known or not: realized checkpoints follow the protocol,
    /// unrealized ones rise by `justify` and `finalize`.
    pub(crate) fn facts(
        &self,
        parent: Root,
        slot: Slot,
        justify: bool,
        finalize: bool,
    ) -> BlockFacts {
        let fallback = self.order[0];
        let above = self.oracle.blocks.get(&parent);
        let above = *above.unwrap_or(&self.oracle.blocks[&fallback]);
        let root = root_of(self.order.len() as u64 + (slot << 32));
        let epoch = self.oracle.epoch_at(slot);
        let new_epoch = epoch > self.oracle.epoch_at(above.slot);
        let mut facts = BlockFacts {
            slot,
            root,
            parent_root: parent,
            state_root: Root::ZERO,
            justified_checkpoint: above.justified_checkpoint,
            finalized_checkpoint: above.finalized_checkpoint,
            validator_count: VALIDATORS,
            ..above
        };
        if new_epoch {
            facts.justified_checkpoint = above.unrealized_justified_checkpoint;
            facts.finalized_checkpoint = above.unrealized_finalized_checkpoint;
        }
        if justify && epoch > above.unrealized_justified_checkpoint.epoch {
            let is_first = slot == epoch * self.store.spec().SLOTS_PER_EPOCH;
            let target = match is_first {
                true => Some(root),
                false => self.oracle.get_checkpoint_block(above.root, epoch),
            };
            if finalize {
                facts.unrealized_finalized_checkpoint = above.unrealized_justified_checkpoint;
            }
            if let Some(root) = target {
                facts.unrealized_justified_checkpoint = Checkpoint { epoch, root };
            }
        }
        facts
    }

    /// Feeds a block to both and compares the answers. Says whether it was taken.
    pub(crate) fn block(&mut self, facts: &BlockFacts) -> bool {
        let found = self.store.on_block_facts(facts);
        let expected = self.oracle.on_block(facts);
        match (found, expected) {
            (Ok(()), Ok(())) => {
                if self.order.contains(&facts.root) {
                    self.saw("known block", 1);
                } else {
                    self.saw("new block", 1);
                    self.order.push(facts.root);
                }
                self.answer_needed_balances();
                true
            }
            (Err(error), Err(_)) if self.pruned.contains(&facts.parent_root) => {
                assert_eq!(error.name(), "UnknownParent");
                self.saw("block on a pruned one", 1);
                false
            }
            (found, expected) => {
                self.saw(expected.err().unwrap_or("accepted"), 1);
                assert_eq!(found.map_err(|error| error.name()), expected);
                false
            }
        }
    }

    /// A block on `parent` that nothing is wrong with; its root.
    pub(crate) fn good_block(&mut self, parent: Root, slot: Slot) -> Root {
        let facts = self.facts(parent, slot, false, false);
        assert!(self.block(&facts));
        facts.root
    }

    /// An attestation to `root` at `slot` with the right target.
    pub(crate) fn attestation(&self, root: Root, slot: Slot) -> AttestationData {
        let epoch = self.oracle.epoch_at(slot);
        let target = self.oracle.get_checkpoint_block(root, epoch);
        AttestationData {
            slot,
            index: 0,
            beacon_block_root: root,
            source: Checkpoint::default(),
            target: Checkpoint {
                epoch,
                root: target.unwrap_or_default(),
            },
        }
    }

    /// Feeds an attestation to both and compares the answers.
    pub(crate) fn attest(
        &mut self,
        data: &AttestationData,
        voters: &[ValidatorIndex],
        from_block: bool,
    ) {
        let found = self.store.on_attestation(data, voters, from_block);
        if let Err(error) = &found {
            let gone = self.pruned.contains(&data.target.root)
                || self.pruned.contains(&data.beacon_block_root);
            let is_unknown = ["UnknownTarget", "UnknownAttestedBlock"].contains(&error.name());
            let no_such_voter = voters.iter().any(|&i| i >= VALIDATORS as u64);
            if (gone && is_unknown) || (no_such_voter && error.name() == "UnknownValidator") {
                self.saw("attestation to a pruned block or by nobody", 1);
                return;
            }
        }
        let expected = self.oracle.on_attestation(data, voters, from_block);
        self.saw(expected.err().unwrap_or("attestation"), 1);
        assert_eq!(found.map_err(|error| error.name()), expected);
    }

    pub(crate) fn slash(
        &mut self,
        first: &[ValidatorIndex],
        second: &[ValidatorIndex],
        slashable: bool,
    ) {
        let operation = slashing(first, second, slashable);
        let found = self.store.on_attester_slashing(&operation);
        if !slashable {
            let name = found.map_err(|error| error.name());
            assert_eq!(name, Err("AttestationsNotSlashable"));
            return;
        }
        found.expect("a good slashing");
        let both = first.iter().copied().filter(|i| second.contains(i));
        self.oracle.on_attester_slashing(both);
    }

    pub(crate) fn prune(&mut self) {
        let dropped = self.store.prune();
        for root in &dropped {
            assert!(self.pruned.insert(*root), "dropped once");
        }
        self.saw("pruned block", dropped.len());
        let first = self.store.nodes().next().expect("the anchor").facts().root;
        if first != self.store.finalized_checkpoint().root {
            assert!(dropped.is_empty());
            self.saw("conflict that forbids pruning", 1);
        }
        let left: BTreeSet<Root> = self.store.nodes().map(|node| node.facts().root).collect();
        let expected: BTreeSet<Root> = self.order.iter().copied().collect();
        assert!(left.is_disjoint(&self.pruned));
        assert_eq!(left.len() + self.pruned.len(), expected.len());
    }

    /// Puts a store in the place of the old one that was made from what a node keeps of it.
    pub(crate) fn restart(&mut self) {
        let store = &self.store;
        let finalized = store.finalized_checkpoint();
        let mut nodes = store.nodes();
        let anchor = nodes.next().expect("the anchor");
        let boost = store.proposer_boost_root();
        // A node drops a block that comes again: none is judged to be late after all.
        let boosted = store.node(boost);
        let boost_is_kept = boost == Root::ZERO || boosted.is_some_and(Node::is_timely);
        if anchor.facts().root != finalized.root || !boost_is_kept {
            return;
        }
        let mut restored = Store::restore(&Restored {
            spec: Arc::clone(store.spec()),
            genesis_time: store.genesis_time(),
            time: store.time(),
            finalized,
            anchor: *anchor.facts(),
            anchor_target: anchor.target_root(),
            blocks: nodes
                .map(|node| (*node.facts(), node.is_timely()))
                .collect(),
            checkpoints: Some(store.checkpoints()),
        })
        .expect("the same blocks");
        let equivocating: Vec<_> = store.equivocating_indices().collect();
        restored.restore_votes(&store.latest_messages(), &equivocating);
        assert_eq!(
            restored.justified_balances_needed(),
            Some(store.justified_checkpoint())
        );
        self.store = restored;
        let balances = self.oracle.balances.clone();
        self.set_exact_balances(balances, self.oracle.total_active_balance);
        self.saw("restart", 1);
    }

    /// Compares everything that can be asked; `thorough` also asks for each block.
    pub(crate) fn check(&mut self, thorough: bool) {
        let (store, oracle) = (&mut self.store, &self.oracle);
        assert_eq!(store.time(), oracle.time);
        assert_eq!(store.get_current_slot(), oracle.current_slot());
        assert_eq!(store.justified_checkpoint(), oracle.justified_checkpoint);
        assert_eq!(store.finalized_checkpoint(), oracle.finalized_checkpoint);
        assert_eq!(
            store.unrealized_justified_checkpoint(),
            oracle.unrealized_justified_checkpoint
        );
        assert_eq!(
            store.unrealized_finalized_checkpoint(),
            oracle.unrealized_finalized_checkpoint
        );
        assert_eq!(store.proposer_boost_root(), oracle.proposer_boost_root);
        let head = oracle.get_head();
        assert_eq!(store.get_head(), Ok(head));
        let heads = oracle.viable_heads();
        assert_eq!(store.viable_heads().as_ref(), Ok(&heads));
        let situation = match (heads.len(), oracle.proposer_boost_root == Root::ZERO) {
            (0, _) => "no viable head",
            (1, _) => "one viable head",
            (_, true) => "several viable heads",
            (_, false) => "several viable heads and a boost",
        };
        if thorough {
            self.check_blocks();
        }
        self.saw(situation, 1);
    }

    fn check_blocks(&mut self) {
        let (store, oracle) = (&mut self.store, &self.oracle);
        let equivocating: Vec<_> = oracle.equivocating_indices.iter().copied().collect();
        assert!(store.equivocating_indices().eq(equivocating));
        let slot = oracle.current_slot();
        let mut reorgs = 0;
        for &root in &self.order {
            let Some(node) = store.node(root) else {
                assert!(self.pruned.contains(&root));
                continue;
            };
            assert_eq!(node.facts(), &oracle.blocks[&root]);
            let timely = oracle.block_timeliness.get(&root).copied();
            // Nobody asks for the first block's any more.
            if store.contains_block(node.facts().parent_root) {
                assert_eq!(node.is_timely(), timely.unwrap_or(true));
            }
            let own_epoch = oracle.epoch_at(node.facts().slot);
            let target = oracle.get_checkpoint_block(root, own_epoch);
            let parent = node.facts().parent_root;
            if target.is_some_and(|target| store.contains_block(target)) {
                assert_eq!(store.get_checkpoint_block(root, own_epoch).ok(), target);
            }
            let weight = store.get_weight(root).expect("a known block");
            if store.contains_block(parent) {
                assert_eq!(weight, oracle.get_weight(root));
            } else {
                // Votes for blocks beside the finalized branch are gone with those.
                assert!(weight <= oracle.get_weight(root));
            }
            assert_eq!(
                store.get_voting_source(root),
                Ok(oracle.get_voting_source(root))
            );
            if store.contains_block(parent) {
                let found = store.get_proposer_head(root, slot).ok();
                assert_eq!(found, oracle.get_proposer_head(root, slot));
                reorgs += usize::from(found == Some(parent));
            }
        }
        for i in 0..VALIDATORS as u64 {
            let found = store.latest_message(i).map(|m| (m.epoch, m.root));
            let expected = oracle.latest_messages.get(&i).map(|&(epoch, root)| {
                let known = store.contains_block(root);
                (epoch, known.then_some(root))
            });
            assert_eq!(found, expected);
        }
        self.saw("head to build around", reorgs);
    }
}
