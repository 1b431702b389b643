//! Rows on the search for the head: a tree of blocks in consecutive slots, each on one of the eight
//! before it, and a vote of every validator.

use anyhow::{Context, Result};
use consensus::genesis::genesis_block;
use consensus::helpers::compute_time_at_slot;
use consensus::{AttestationData, Checkpoint, Epoch, Root, Slot, ValidatorIndex};
use fork_choice::{BlockFacts, Store, get_forkchoice_store};

use crate::bench::Bench;
use crate::measure::{Sample, measure, measure_short};

const SMALL: usize = 1_024;
const LARGE: usize = 10_000;

/// `get_head_all_moved`
pub fn all_moved(bench: &Bench) -> Result<Sample> {
    moved(bench, SMALL, bench.inputs.spec.SLOTS_PER_EPOCH)
}

/// `get_head_one_slot`
pub fn one_slot(bench: &Bench) -> Result<Sample> {
    moved(bench, SMALL, 1)
}

/// `get_head_none`
pub fn none(bench: &Bench) -> Result<Sample> {
    unmoved(bench, SMALL)
}

/// `get_head_all_moved_10k`
pub fn all_moved_10k(bench: &Bench) -> Result<Sample> {
    moved(bench, LARGE, bench.inputs.spec.SLOTS_PER_EPOCH)
}

/// `get_head_one_slot_10k`
pub fn one_slot_10k(bench: &Bench) -> Result<Sample> {
    moved(bench, LARGE, 1)
}

/// `get_head_none_10k`
pub fn none_10k(bench: &Bench) -> Result<Sample> {
    unmoved(bench, LARGE)
}

/// Moving the votes of the committees of so many slots and finding the head. A vote's weight moves
/// when the vote does, so that this belongs to the search.
fn moved(bench: &Bench, blocks: usize, slots: u64) -> Result<Sample> {
    let mut forest = Forest::new(bench, blocks)?;
    let first_votes = forest.votes(0, forest.slots_per_epoch);
    forest.cast(&first_votes)?;
    forest.store.get_head()?;
    let votes = forest.votes(1, slots);
    measure(
        bench.runs,
        || Ok(forest.clone()),
        |mut forest| {
            forest.cast(&votes)?;
            forest.store.get_head()?;
            Ok(forest)
        },
    )
}

fn unmoved(bench: &Bench, blocks: usize) -> Result<Sample> {
    let mut forest = Forest::new(bench, blocks)?;
    let votes = forest.votes(0, forest.slots_per_epoch);
    forest.cast(&votes)?;
    let mut heads_found = true;
    let sample = measure_short(bench.runs, || {
        heads_found &= forest.store.get_head().is_ok();
    })?;
    anyhow::ensure!(heads_found, "no head");
    Ok(sample)
}

/// What committees vote for, with their members.
type Votes = Vec<(AttestationData, Vec<ValidatorIndex>)>;

#[derive(Clone)]
struct Forest {
    store: Store,
    roots: Vec<Root>,
    validators: usize,
    /// First epoch after all blocks.
    first_epoch: Epoch,
    slots_per_epoch: u64,
}

impl Forest {
    fn new(bench: &Bench, blocks: usize) -> Result<Forest> {
        let genesis = bench.inputs.genesis()?;
        let mut store = get_forkchoice_store(&genesis, &genesis_block(&genesis))?;
        let anchor = store.justified_checkpoint();
        let slots_per_epoch = bench.inputs.spec.SLOTS_PER_EPOCH;
        let first_epoch = (blocks as Slot).div_ceil(slots_per_epoch);
        let last_slot = (first_epoch + 2) * slots_per_epoch;
        store.on_tick(compute_time_at_slot(&genesis, last_slot)?)?;
        let mut roots = vec![anchor.root];
        for slot in 1..blocks {
            let root = Root::from(kernels::sha256(&slot.to_le_bytes()));
            let ancestors = usize::from(root[0]) % roots.len().min(8);
            store.on_block_facts(&BlockFacts {
                slot: slot as Slot,
                root,
                parent_root: roots[roots.len() - 1 - ancestors],
                state_root: Root::ZERO,
                justified_checkpoint: anchor,
                finalized_checkpoint: anchor,
                unrealized_justified_checkpoint: anchor,
                unrealized_finalized_checkpoint: anchor,
                validator_count: bench.inputs.validators,
            })?;
            roots.push(root);
        }
        Ok(Forest {
            store,
            roots,
            validators: bench.inputs.validators,
            first_epoch,
            slots_per_epoch,
        })
    }

    /// Votes of the given round, each for another block than in the round before: of the
    /// committees of an epoch, or of its first slot alone.
    fn votes(&self, round: u64, slots: u64) -> Votes {
        let epoch = self.first_epoch + round;
        let committees = committees_per_slot(self.validators) * self.slots_per_epoch;
        let mut members = vec![Vec::new(); committees as usize];
        for index in 0..self.validators as u64 {
            members[(scattered(index) % committees) as usize].push(index);
        }
        let voting = committees / self.slots_per_epoch * slots;
        (0..voting)
            .zip(members)
            .map(|(committee, members)| {
                let block = (scattered(committee) + round) % self.roots.len() as u64;
                let root = self.roots[block as usize];
                let data = AttestationData {
                    slot: epoch * self.slots_per_epoch,
                    index: 0,
                    beacon_block_root: root,
                    source: self.store.justified_checkpoint(),
                    // All blocks are older than the epoch.
                    target: Checkpoint { epoch, root },
                };
                (data, members)
            })
            .collect()
    }

    fn cast(&mut self, votes: &Votes) -> Result<()> {
        for (data, voters) in votes {
            self.store
                .on_attestation(data, voters, true)
                .context("a vote is refused")?;
        }
        Ok(())
    }
}

/// Of about 195 members each with 400,000 validators.
fn committees_per_slot(validators: usize) -> u64 {
    (validators as u64 / 4096).clamp(1, 64)
}

/// Different for nearly every number and in no order.
fn scattered(number: u64) -> u64 {
    let digest = kernels::sha256(&number.to_le_bytes());
    u64::from_le_bytes(digest[..8].try_into().expect("8 of 32 bytes")) / 2
}
