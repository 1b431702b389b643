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
    moved(bench, SMALL, 1)
}

/// `get_head_one_slot`
pub fn one_slot(bench: &Bench) -> Result<Sample> {
    moved(bench, SMALL, slots_per_epoch(bench))
}

/// `get_head_none`
pub fn none(bench: &Bench) -> Result<Sample> {
    unmoved(bench, SMALL)
}

/// `get_head_all_moved_10k`
pub fn all_moved_10k(bench: &Bench) -> Result<Sample> {
    moved(bench, LARGE, 1)
}

/// `get_head_one_slot_10k`
pub fn one_slot_10k(bench: &Bench) -> Result<Sample> {
    moved(bench, LARGE, slots_per_epoch(bench))
}

/// `get_head_none_10k`
pub fn none_10k(bench: &Bench) -> Result<Sample> {
    unmoved(bench, LARGE)
}

fn slots_per_epoch(bench: &Bench) -> usize {
    bench.inputs.spec.SLOTS_PER_EPOCH as usize
}

/// Moving the votes of one in `part` validators and finding the head. A vote's weight moves when
/// the vote does, so that this belongs to the search.
fn moved(bench: &Bench, blocks: usize, part: usize) -> Result<Sample> {
    let mut forest = Forest::new(bench, blocks)?;
    let first_votes = forest.votes(0, 1);
    forest.cast(&first_votes)?;
    forest.store.get_head()?;
    let votes = forest.votes(1, part);
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
    let votes = forest.votes(0, 1);
    forest.cast(&votes)?;
    let mut heads_found = true;
    let sample = measure_short(bench.runs, || {
        heads_found &= forest.store.get_head().is_ok()
    })?;
    anyhow::ensure!(heads_found, "no head");
    Ok(sample)
}

/// One vote of every validator in a list, for the block beside it.
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

    /// Votes of the given round, each for another block than in the round before, of every
    /// `part`-th validator.
    fn votes(&self, round: u64, part: usize) -> Votes {
        let epoch = self.first_epoch + round;
        let mut voters = vec![Vec::new(); self.roots.len()];
        for index in (0..self.validators as u64).step_by(part) {
            let spread = kernels::sha256(&index.to_le_bytes());
            let spread = u64::from_le_bytes(spread[..8].try_into().expect("8 bytes")) / 2;
            voters[((spread + round) % self.roots.len() as u64) as usize].push(index);
        }
        let votes = self.roots.iter().zip(voters);
        let data = |root: Root| AttestationData {
            slot: epoch * self.slots_per_epoch,
            index: 0,
            beacon_block_root: root,
            source: self.store.justified_checkpoint(),
            // All blocks are older than the epoch.
            target: Checkpoint { epoch, root },
        };
        votes
            .filter(|(_, voters)| !voters.is_empty())
            .map(|(&root, voters)| (data(root), voters))
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
