//! Which attestations to put into a block: those that add the most attesters.

use super::aggregation::AggregateJob;
use super::attestations::{AttestationPool, Entry};
use super::bits;
use consensus::helpers::{get_block_root, get_current_epoch, get_previous_epoch};
use consensus::{
    AttestationData, BeaconState, Checkpoint, CommitteeIndex, PendingAttestation, Slot,
};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

/// By committee the members whose attestations the state or the block has.
type Covered = BTreeMap<(Slot, CommitteeIndex), Vec<u8>>;

/// An attestation of a block to be, and how many attesters it adds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packed {
    /// How to make it.
    pub aggregate: AggregateJob,
    /// Attesters that neither the state nor an attestation before it has.
    pub new_attesters: u64,
}

/// At most `limit` attestations that a block on `state`, which stands at the block's slot, can
/// include. Greedy: each is the one that adds the most attesters to those before it, which gives at
/// least 63% of what the best choice would.
pub fn pack_attestations(pool: &AttestationPool, state: &BeaconState, limit: usize) -> Vec<Packed> {
    let mut covered = covered_by_state(state);
    let window = Window::of(state);
    let mut candidates = Vec::new();
    for entry in pool.entries().filter(|entry| window.admits(state, entry)) {
        add_candidates(&mut candidates, entry);
    }
    let gain = |job: &AggregateJob, covered: &Covered| {
        let known = covered.get(&committee(job.data()));
        bits::count_new(job.bits(), known.map_or(&[], Vec::as_slice))
    };
    // Newer ones first among equals: their reward is larger. A gain can only have shrunk since it
    // was computed: whoever is still the first after another look is the best.
    let mut heap: BinaryHeap<_> = candidates
        .iter()
        .enumerate()
        .map(|(at, job)| (gain(job, &covered), job.data().slot, Reverse(at)))
        .collect();
    let mut packed = Vec::new();
    while let Some((promised, slot, Reverse(at))) = heap.pop() {
        if packed.len() == limit || promised == 0 {
            break;
        }
        let job = &candidates[at];
        let new_attesters = gain(job, &covered);
        if new_attesters < promised {
            heap.push((new_attesters, slot, Reverse(at)));
            continue;
        }
        bits::add(
            covered.entry(committee(job.data())).or_default(),
            job.bits(),
        );
        packed.push(Packed {
            aggregate: job.clone(),
            new_attesters,
        });
    }
    packed
}

fn committee(data: &AttestationData) -> (Slot, CommitteeIndex) {
    (data.slot, data.index)
}

/// One candidate for each aggregate, grown by what can be added to it; of single attestations one.
fn add_candidates(candidates: &mut Vec<AggregateJob>, entry: &Entry) {
    if entry.aggregates.is_empty() {
        candidates.push(AggregateJob::from(entry, None));
    }
    let firsts = entry.aggregates.iter();
    candidates.extend(firsts.map(|first| AggregateJob::from(entry, Some(first))));
}

fn covered_by_state(state: &BeaconState) -> Covered {
    let mut covered = Covered::new();
    let mut add = |attestation: &PendingAttestation| {
        let members = covered.entry(committee(&attestation.data)).or_default();
        bits::add(members, attestation.aggregation_bits.as_slice());
    };
    state
        .previous_epoch_attestations()
        .iter()
        .for_each(&mut add);
    state.current_epoch_attestations().iter().for_each(&mut add);
    covered
}

/// What a block on a state can include, but for the committee.
struct Window {
    slots: std::ops::Range<Slot>,
    /// Of the previous and the current epoch the source and the target on the state's chain.
    votes: Vec<(Checkpoint, Checkpoint)>,
}

impl Window {
    fn of(state: &BeaconState) -> Window {
        let spec = state.spec();
        let slot = state.slot();
        let end = slot.saturating_add(1);
        let slots = slot.saturating_sub(spec.SLOTS_PER_EPOCH)
            ..end.saturating_sub(spec.MIN_ATTESTATION_INCLUSION_DELAY);
        let (previous, current) = (get_previous_epoch(state), get_current_epoch(state));
        let sources = [
            (previous, state.previous_justified_checkpoint()),
            (current, state.current_justified_checkpoint()),
        ];
        // In epoch 0 both are one epoch, whose source is the current one.
        let sources = &sources[usize::from(previous == current)..];
        let votes = sources.iter().filter_map(|&(epoch, source)| {
            let root = get_block_root(state, epoch).ok()?;
            Some((source, Checkpoint { epoch, root }))
        });
        Window {
            slots,
            votes: votes.collect(),
        }
    }

    /// Whether a block can include it. The target must be on the state's chain: then the committees
    /// are the state's, too, and the signatures hold there.
    fn admits(&self, state: &BeaconState, entry: &Entry) -> bool {
        let data = &entry.data;
        let is_vote = self.votes.contains(&(data.source, data.target));
        let members = || {
            let shuffling = state.shuffling(data.target.epoch).ok()?;
            Some(shuffling.committee(data.slot, data.index)?.len())
        };
        self.slots.contains(&data.slot) && is_vote && members() == Some(entry.committee_len)
    }
}
