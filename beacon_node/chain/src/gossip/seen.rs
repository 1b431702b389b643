//! [`Seen`]: what has been accepted, so that nobody passes on the same twice.

use consensus::{
    AggregationBits, BeaconState, Epoch, FAR_FUTURE_EPOCH, Root, Slot, ValidatorIndex,
};
use std::collections::{BTreeMap, BTreeSet};

/// Most blocks remembered by slot and proposer: a chain without finality for a day.
const MAX_BLOCKS: usize = 1 << 13;
/// Most bit lists kept of one attestation data: what aggregators of one committee send.
const MAX_AGGREGATES: usize = 32;
/// Most attestation data whose aggregates are remembered: 64 committees that are at odds in 33
/// slots, twice over.
const MAX_DATA: usize = 1 << 13;

/// One bit for each validator, by epoch. Indices come from committees, so that the registry's length
/// bounds them.
#[derive(Debug, Default)]
struct ValidatorsByEpoch(BTreeMap<Epoch, Vec<u64>>);

impl ValidatorsByEpoch {
    fn contains(&self, epoch: Epoch, index: ValidatorIndex) -> bool {
        let words = self.0.get(&epoch);
        let word = words.and_then(|words| words.get(index as usize / 64));
        word.is_some_and(|word| word >> (index % 64) & 1 == 1)
    }

    /// Whether it is news.
    fn insert(&mut self, epoch: Epoch, index: ValidatorIndex) -> bool {
        let words = self.0.entry(epoch).or_default();
        let at = index as usize / 64;
        if words.len() <= at {
            words.resize(at + 1, 0);
        }
        let mask = 1 << (index % 64);
        let is_new = words[at] & mask == 0;
        words[at] |= mask;
        is_new
    }

    fn prune(&mut self, before: Epoch) {
        self.0 = self.0.split_off(&before);
    }
}

/// What has been accepted on each topic. Grows with accepted messages alone, and never beyond the
/// registry or a fixed number.
#[derive(Debug, Default)]
pub struct Seen {
    proposer_slots: BTreeSet<(Slot, ValidatorIndex)>,
    attesters: ValidatorsByEpoch,
    aggregators: ValidatorsByEpoch,
    /// By slot and data root the bits of aggregates, none a subset of another.
    aggregates: BTreeMap<(Slot, Root), Vec<AggregationBits>>,
    voluntary_exits: BTreeSet<ValidatorIndex>,
    proposer_slashings: BTreeSet<ValidatorIndex>,
    attester_slashings: BTreeSet<ValidatorIndex>,
}

impl Seen {
    /// Whether a block of the proposer and slot was accepted.
    pub fn has_block(&self, slot: Slot, proposer: ValidatorIndex) -> bool {
        self.proposer_slots.contains(&(slot, proposer))
    }

    /// Remembers a block; whether it is the first of its proposer and slot.
    pub fn add_block(&mut self, slot: Slot, proposer: ValidatorIndex) -> bool {
        let is_new = self.proposer_slots.insert((slot, proposer));
        if self.proposer_slots.len() > MAX_BLOCKS {
            self.proposer_slots.pop_first();
        }
        is_new
    }

    /// Whether an attestation of the validator and target epoch was accepted.
    pub fn has_attestation(&self, epoch: Epoch, validator: ValidatorIndex) -> bool {
        self.attesters.contains(epoch, validator)
    }

    pub(super) fn add_attestation(&mut self, epoch: Epoch, validator: ValidatorIndex) -> bool {
        self.attesters.insert(epoch, validator)
    }

    pub(super) fn has_aggregator(&self, epoch: Epoch, aggregator: ValidatorIndex) -> bool {
        self.aggregators.contains(epoch, aggregator)
    }

    pub(super) fn add_aggregator(&mut self, epoch: Epoch, aggregator: ValidatorIndex) -> bool {
        self.aggregators.insert(epoch, aggregator)
    }

    /// Whether an aggregate of this data with all of these bits was seen.
    pub(super) fn covers_aggregate(
        &self,
        slot: Slot,
        data_root: Root,
        bits: &AggregationBits,
    ) -> bool {
        let seen = self.aggregates.get(&(slot, data_root));
        seen.is_some_and(|seen| seen.iter().any(|one| covers(one, bits)))
    }

    /// Remembers an aggregate, from gossip, a block or this node itself.
    pub fn add_aggregate(&mut self, slot: Slot, data_root: Root, bits: &AggregationBits) {
        if self.covers_aggregate(slot, data_root, bits) {
            return;
        }
        let seen = self.aggregates.entry((slot, data_root)).or_default();
        seen.retain(|one| !covers(bits, one));
        if seen.len() == MAX_AGGREGATES {
            seen.remove(0);
        }
        seen.push(bits.clone());
        if self.aggregates.len() > MAX_DATA {
            self.aggregates.pop_first();
        }
    }

    pub(super) fn has_voluntary_exit(&self, validator: ValidatorIndex) -> bool {
        self.voluntary_exits.contains(&validator)
    }

    pub(super) fn add_voluntary_exit(&mut self, validator: ValidatorIndex) -> bool {
        self.voluntary_exits.insert(validator)
    }

    pub(super) fn has_proposer_slashing(&self, proposer: ValidatorIndex) -> bool {
        self.proposer_slashings.contains(&proposer)
    }

    pub(super) fn add_proposer_slashing(&mut self, proposer: ValidatorIndex) -> bool {
        self.proposer_slashings.insert(proposer)
    }

    /// Whether one of these has not been slashed by an accepted attester slashing.
    pub(super) fn lacks_attester_slashing(&self, indices: &[ValidatorIndex]) -> bool {
        let mut indices = indices.iter();
        indices.any(|index| !self.attester_slashings.contains(index))
    }

    pub(super) fn add_attester_slashing(&mut self, indices: &[ValidatorIndex]) -> bool {
        let before = self.attester_slashings.len();
        self.attester_slashings.extend(indices);
        self.attester_slashings.len() > before
    }

    /// Forgets votes that are too old to be passed on: those of slots before this one, in epochs
    /// before this one.
    pub fn prune_votes(&mut self, slot: Slot, epoch: Epoch) {
        self.attesters.prune(epoch);
        self.aggregators.prune(epoch);
        self.aggregates = self.aggregates.split_off(&(slot, Root::ZERO));
    }

    /// Forgets blocks up to the finalized slot, and the validators that the finalized state itself
    /// shows as slashed or leaving: the rules on the state refuse them from now on.
    pub fn prune_finalized(&mut self, finalized_slot: Slot, finalized: &BeaconState) {
        let next = finalized_slot.saturating_add(1);
        self.proposer_slots = self.proposer_slots.split_off(&(next, 0));
        let validators = finalized.validators();
        let slashed = |index: &u64| validators.slashed(*index as usize) == Some(true);
        self.proposer_slashings.retain(|index| !slashed(index));
        self.attester_slashings.retain(|index| !slashed(index));
        self.voluntary_exits
            .retain(|&index| validators.exit_epoch(index as usize) == Some(FAR_FUTURE_EPOCH));
    }
}

/// Whether `one` has all bits of `other`. Both are of one committee, whose length the data fixes on
/// one branch; on another they say nothing about each other.
fn covers(one: &AggregationBits, other: &AggregationBits) -> bool {
    one.len() == other.len()
        && one
            .as_slice()
            .iter()
            .zip(other.as_slice())
            .all(|(one, other)| one & other == *other)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bits(text: &str) -> AggregationBits {
        let mut list = AggregationBits::with_capacity(text.len()).unwrap();
        for (at, digit) in text.chars().enumerate() {
            list.set(at, digit == '1').unwrap();
        }
        list
    }

    #[test]
    fn validators_are_told_apart_by_epoch() {
        let mut seen = ValidatorsByEpoch::default();
        assert!(seen.insert(3, 64) && seen.insert(3, 63) && seen.insert(4, 64));
        assert!(!seen.insert(3, 64));
        assert!(!seen.contains(3, 65) && !seen.contains(5, 64) && !seen.contains(3, 1 << 30));
        seen.prune(4);
        assert!(!seen.contains(3, 64) && seen.contains(4, 64));
    }

    #[test]
    fn only_an_aggregate_with_other_bits_is_news() {
        let mut seen = Seen::default();
        let root = Root::repeat_byte(1);
        seen.add_aggregate(5, root, &bits("1100"));
        for (text, is_covered) in [
            ("1100", true),
            ("0100", true),
            ("0110", false),
            ("1110", false),
            // Of another committee.
            ("10", false),
            ("11000", false),
        ] {
            assert_eq!(
                seen.covers_aggregate(5, root, &bits(text)),
                is_covered,
                "{text}"
            );
        }
        assert!(!seen.covers_aggregate(6, root, &bits("1100")));
        assert!(!seen.covers_aggregate(5, Root::ZERO, &bits("1100")));
        // Together they have all bits, but none of them has.
        seen.add_aggregate(5, root, &bits("0011"));
        assert!(!seen.covers_aggregate(5, root, &bits("1111")));
        seen.add_aggregate(5, root, &bits("1111"));
        assert_eq!(seen.aggregates[&(5, root)], [bits("1111")]);
        seen.prune_votes(6, 0);
        assert!(seen.aggregates.is_empty());
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut seen = Seen::default();
        for number in 0..MAX_BLOCKS as u64 + 5 {
            assert!(seen.add_block(number, 1));
        }
        assert_eq!(seen.proposer_slots.len(), MAX_BLOCKS);
        assert!(!seen.has_block(4, 1) && seen.has_block(5, 1) && !seen.has_block(5, 2));
        for number in 0..MAX_DATA as u64 + 5 {
            seen.add_aggregate(number, Root::ZERO, &bits("1"));
        }
        assert_eq!(seen.aggregates.len(), MAX_DATA);
        assert!(!seen.covers_aggregate(4, Root::ZERO, &bits("1")));
        // 40 aggregates, none of which has all bits of another.
        let digits = |at| (0..40).map(move |bit| if bit == at { '1' } else { '0' });
        for at in 0..40 {
            seen.add_aggregate(1 << 20, Root::ZERO, &bits(&digits(at).collect::<String>()));
        }
        assert_eq!(
            seen.aggregates[&(1 << 20, Root::ZERO)].len(),
            MAX_AGGREGATES
        );
    }
}
