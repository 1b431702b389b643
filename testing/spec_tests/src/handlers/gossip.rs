//! Runner `networking`: what the gossip rules say of messages, one after the other, on a store made
//! of a few blocks.

use crate::case::Case;
use crate::driver::Driver;
use crate::value::Value;
use anyhow::{Context, Result, anyhow, bail, ensure};
use chain::gossip::{
    Check, Mark, Seen, View, Wait, validate_attester_slashing_gossip,
    validate_beacon_aggregate_and_proof_gossip, validate_beacon_attestation_gossip,
    validate_beacon_block_gossip, validate_proposer_slashing_gossip,
    validate_voluntary_exit_gossip,
};
use chain::{HotStates, InvalidRoots, Verdict};
use consensus::helpers::compute_start_slot_at_epoch;
use consensus::transition::process_slots;
use consensus::{
    BLSSignature, BeaconBlock, BeaconBlockBody, BeaconState, Checkpoint, Eth1Data, HashTreeRoot,
    Root, SignedBeaconBlock, Verifier,
};
use fork_choice::Store;
use std::sync::Arc;

/// A node as far as the rules look at it.
struct World {
    store: Store,
    head_root: Root,
    head_state: BeaconState,
    finalized: Checkpoint,
    states: HotStates,
    invalid: InvalidRoots,
    seen: Seen,
    now: u64,
}

pub(crate) fn messages(case: &Case) -> Result<()> {
    check_manifest(case)?;
    let meta = case.yaml("meta.yaml")?;
    let topic = meta.field("topic")?.text()?;
    ensure!(
        case.located.group.handler == format!("gossip_{topic}"),
        "meta.yaml is of topic {topic}"
    );
    let start = match meta.get("current_time_ms") {
        Some(time) => time.number()?,
        None => 0,
    };
    let mut world = World::new(case, &meta, start)?;
    for (index, message) in meta.field("messages")?.items()?.iter().enumerate() {
        let offset = match message.get("offset_ms") {
            Some(offset) => offset.number()?,
            None => 0,
        };
        world.now = world.store.genesis_time() * 1000 + start + offset;
        let verdict = world
            .judge(case, topic, message)
            .with_context(|| format!("message {index}"))?;
        let (actual, reason) = match verdict {
            Ok(()) => ("valid", None),
            Err(Verdict::Ignore(reason)) => ("ignore", Some(reason)),
            Err(Verdict::Reject(reason)) => ("reject", Some(reason)),
            Err(Verdict::Accept) => bail!("accepted without its signatures"),
        };
        case.note_refusal(reason);
        let what = format!("message {index} ({})", reason.unwrap_or("no objection"));
        let expected = case.expected(message.field("expected")?);
        case.check_value(&what, &Value::scalar(actual), &expected);
    }
    Ok(())
}

/// `manifest.yaml` says again where the case is.
fn check_manifest(case: &Case) -> Result<()> {
    let manifest = case.yaml("manifest.yaml")?;
    let group = &case.located.group;
    let facts = [
        ("preset", group.config.name()),
        ("fork", "phase0"),
        ("runner", &*group.runner),
        ("handler", &*group.handler),
        ("suite", case.suite()),
        ("case", case.short_name()),
    ];
    for (key, expected) in facts {
        let told = manifest.field(key)?.text()?;
        ensure!(told == expected, "manifest.yaml: {key} is {told}");
    }
    Ok(())
}

impl World {
    fn new(case: &Case, meta: &Value, start_ms: u64) -> Result<World> {
        let anchor_state = case.state("state")?;
        let entries = match meta.get("blocks") {
            Some(blocks) => blocks.items()?,
            None => &[],
        };
        let mut world = match entries.split_first() {
            Some((anchor, others)) => {
                World::with_blocks(case, anchor_state, anchor, others, start_ms)?
            }
            None => World::without_blocks(case, anchor_state)?,
        };
        if let Some(told) = meta.get("finalized_checkpoint") {
            let root = match (told.get("root"), told.get("block")) {
                (Some(root), None) => root.fixed::<32, Root>()?,
                (None, Some(block)) => read_block(case, block)?.message.hash_tree_root(),
                _ => bail!("finalized_checkpoint has neither one root nor one block"),
            };
            let epoch = told.field("epoch")?.number()?;
            world.finalized = Checkpoint { epoch, root };
        }
        Ok(world)
    }

    /// Imports the blocks, the last one good becomes the head.
    fn with_blocks(
        case: &Case,
        state: BeaconState,
        anchor: &Value,
        others: &[Value],
        start_ms: u64,
    ) -> Result<World> {
        let genesis_time = state.genesis_time();
        let anchor = read_block(case, anchor.field("block")?)?.message;
        let mut driver = Driver::new(state, &anchor, &case.setup.bls)
            .map_err(|error| anyhow!("the anchor is refused: {error}"))?;
        driver.on_tick(genesis_time + start_ms / 1000)?;
        let mut head_root = anchor.hash_tree_root();
        let mut invalid = InvalidRoots::default();
        for entry in others {
            let block = read_block(case, entry.field("block")?)?;
            let failed = match entry.get("failed") {
                Some(failed) => failed.truth()?,
                None => false,
            };
            ensure!(entry.get("pending").is_none(), "pending blocks are unknown");
            if failed {
                invalid.insert(block.message.hash_tree_root());
            } else {
                head_root = driver.on_block(&block)?;
            }
        }
        let (store, post_states) = driver.into_parts();
        let mut states = HotStates::default();
        for (root, state) in &post_states {
            states.insert(*root, state.clone());
        }
        let head_state = post_states.get(&head_root).context("no head")?.clone();
        Ok(World {
            finalized: store.finalized_checkpoint(),
            store,
            head_root,
            head_state,
            states,
            invalid,
            seen: Seen::default(),
            now: 0,
        })
    }

    /// For topics whose rules look at the head's state alone: the store is that of some block.
    fn without_blocks(case: &Case, head_state: BeaconState) -> Result<World> {
        let spec = case.spec()?;
        let mut anchor_state = head_state.clone();
        let next = head_state.slot().next_multiple_of(spec.SLOTS_PER_EPOCH);
        if next > head_state.slot() {
            process_slots(&mut anchor_state, next)?;
        }
        let anchor = empty_block(&anchor_state);
        let driver = Driver::new(anchor_state, &anchor, &case.setup.bls)
            .map_err(|error| anyhow!("the anchor is refused: {error}"))?;
        let (store, _) = driver.into_parts();
        Ok(World {
            finalized: store.finalized_checkpoint(),
            store,
            head_root: anchor.hash_tree_root(),
            head_state,
            states: HotStates::default(),
            invalid: InvalidRoots::default(),
            seen: Seen::default(),
            now: 0,
        })
    }

    fn view(&self) -> View<'_> {
        View {
            now: self.now,
            fork_choice: &self.store,
            finalized: self.finalized,
            head_root: self.head_root,
            head_state: &self.head_state,
            states: &self.states,
            invalid: &self.invalid,
        }
    }

    fn judge(&mut self, case: &Case, topic: &str, message: &Value) -> Result<Result<(), Verdict>> {
        let name = message.field("message")?.text()?;
        match topic {
            "beacon_block" => {
                let block = Arc::new(read(case, name)?);
                self.settle(case, |view, seen| {
                    validate_beacon_block_gossip(view, seen, &block)
                })
            }
            "beacon_attestation" => {
                let attestation = Arc::new(read(case, name)?);
                let subnet = message.field("subnet_id")?.number()?;
                self.settle(case, |view, seen| {
                    validate_beacon_attestation_gossip(view, seen, &attestation, Some(subnet))
                })
            }
            "beacon_aggregate_and_proof" => {
                let aggregate = Arc::new(read(case, name)?);
                self.settle(case, |view, seen| {
                    validate_beacon_aggregate_and_proof_gossip(view, seen, &aggregate)
                })
            }
            "proposer_slashing" => {
                let slashing = Arc::new(read(case, name)?);
                self.settle(case, |view, seen| {
                    validate_proposer_slashing_gossip(view, seen, &slashing)
                })
            }
            "attester_slashing" => {
                let slashing = Arc::new(read(case, name)?);
                self.settle(case, |view, seen| {
                    validate_attester_slashing_gossip(view, seen, &slashing)
                })
            }
            "voluntary_exit" => {
                let exit = Arc::new(read(case, name)?);
                self.settle(case, |view, seen| {
                    validate_voluntary_exit_gossip(view, seen, &exit)
                })
            }
            other => bail!("unknown topic `{other}`"),
        }
    }

    /// Ends the check: makes a state that it waits for, as the node does, and verifies the
    /// signatures. Whoever waits for a block or a slot ignores the message for now.
    fn settle<T: Mark>(
        &mut self,
        case: &Case,
        rule: impl Fn(&View<'_>, &Seen) -> Check<T>,
    ) -> Result<Result<(), Verdict>> {
        for _ in 0..2 {
            return Ok(match rule(&self.view(), &self.seen) {
                Check::Done(verdict) => Err(verdict),
                Check::Wait(Wait::Slot(_)) => Err(Verdict::Ignore("waits for its slot")),
                Check::Wait(Wait::Block(_)) => Err(Verdict::Ignore("waits for a block")),
                Check::Wait(Wait::State(checkpoint)) => {
                    self.make_state(checkpoint)?;
                    continue;
                }
                Check::Verify(claim) => {
                    let outcome = case.setup.bls.verify_sets(claim.sets());
                    claim.accept(outcome, &mut self.seen).map(|_| ())
                }
            });
        }
        bail!("waits for a state that is there")
    }

    fn make_state(&mut self, checkpoint: Checkpoint) -> Result<()> {
        let state = self.states.get(checkpoint.root);
        let mut state = state.context("waits for a state of no block")?.clone();
        let start = compute_start_slot_at_epoch(checkpoint.epoch, state.spec())?;
        if state.slot() < start {
            process_slots(&mut state, start)?;
        }
        self.states.insert_checkpoint(checkpoint, state);
        Ok(())
    }
}

/// The message in a file that is named after its root.
fn read<T: ssz::Decode + HashTreeRoot>(case: &Case, name: &str) -> Result<T> {
    let message: T = case.decode(name)?;
    let root = message.hash_tree_root();
    ensure!(
        name.ends_with(&format!("_{root}")),
        "the root of {name} is {root}"
    );
    Ok(message)
}

fn read_block(case: &Case, name: &Value) -> Result<SignedBeaconBlock> {
    read(case, name.text()?)
}

/// A block without contents that a state can be said to come from.
fn empty_block(state: &BeaconState) -> BeaconBlock {
    BeaconBlock {
        slot: state.slot(),
        proposer_index: 0,
        parent_root: Root::ZERO,
        state_root: state.hash_tree_root(),
        body: BeaconBlockBody {
            randao_reveal: BLSSignature::ZERO,
            eth1_data: Eth1Data {
                deposit_root: Root::ZERO,
                deposit_count: 0,
                block_hash: Root::ZERO,
            },
            graffiti: Root::ZERO,
            proposer_slashings: Default::default(),
            attester_slashings: Default::default(),
            attestations: Default::default(),
            deposits: Default::default(),
            voluntary_exits: Default::default(),
        },
    }
}
