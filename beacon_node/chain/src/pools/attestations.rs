//! [`AttestationPool`]: verified attestations by what they attest to.

use super::aggregation::{AggregateJob, Part};
use super::bits;
use crate::gossip::{AggregateVote, AttestationVote, Verified};
use consensus::{Attestation, AttestationData, BLSSignature, Root, Slot};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Most attestation data with something in the pool: twice what 64 committees of 33 slots that all
/// agree make.
const MAX_DATA: usize = 1 << 12;
/// Most aggregates of one data: some 16 aggregators of a committee, twice.
const MAX_AGGREGATES: usize = 32;

/// Everything known of one attestation data.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) data: AttestationData,
    /// Members of the committee.
    pub(super) committee_len: usize,
    /// Aggregates, the largest first, none with all bits of another.
    pub(super) aggregates: Vec<Part>,
    /// By place in the committee, the signatures of single attesters that are in no aggregate.
    pub(super) singles: BTreeMap<usize, BLSSignature>,
}

impl Entry {
    fn new(attestation: &Attestation) -> Entry {
        Entry {
            data: attestation.data,
            committee_len: attestation.aggregation_bits.len(),
            aggregates: Vec::new(),
            singles: BTreeMap::new(),
        }
    }

    fn add_aggregate(&mut self, attestation: &Attestation) {
        let part = Part {
            bits: attestation.aggregation_bits.as_slice().into(),
            signature: attestation.signature,
        };
        let is_known = |known: &Part| bits::covers(&known.bits, &part.bits);
        if self.aggregates.iter().any(is_known) {
            return;
        }
        self.aggregates
            .retain(|known| !bits::covers(&part.bits, &known.bits));
        let size = |part: &Part| bits::count_new(&part.bits, &[]);
        let at = self
            .aggregates
            .partition_point(|known| size(known) >= size(&part));
        if at == MAX_AGGREGATES {
            return;
        }
        self.singles.retain(|&at, _| !bits::get(&part.bits, at));
        self.aggregates.insert(at, part);
        self.aggregates.truncate(MAX_AGGREGATES);
    }

    fn add_single(&mut self, position: usize, signature: BLSSignature) {
        let mut aggregates = self.aggregates.iter();
        if !aggregates.any(|known| bits::get(&known.bits, position)) {
            self.singles.insert(position, signature);
        }
    }

    fn parts(&self) -> usize {
        self.aggregates.len() + self.singles.len()
    }
}

/// Verified attestations by slot and root of their data. A clone shares the entries.
#[derive(Clone, Debug, Default)]
pub struct AttestationPool {
    entries: BTreeMap<(Slot, Root), Arc<Entry>>,
}

impl AttestationPool {
    /// Adds an attestation of one validator.
    pub fn add_attestation(&mut self, vote: &Verified<AttestationVote>) {
        let attestation = &vote.attestation;
        let (position, signature) = (vote.position, attestation.signature);
        self.change(attestation, vote.data_root, |entry| {
            entry.add_single(position, signature);
        });
    }

    /// Adds an aggregate.
    pub fn add_aggregate(&mut self, vote: &Verified<AggregateVote>) {
        let attestation = &vote.signed_aggregate.message.aggregate;
        self.change(attestation, vote.data_root, |entry| {
            entry.add_aggregate(attestation);
        });
    }

    /// Data of which the pool has an entry of another length belong to another branch with another
    /// committee: such do not mix, and the first one stays.
    fn change(&mut self, attestation: &Attestation, root: Root, change: impl FnOnce(&mut Entry)) {
        let key = (attestation.data.slot, root);
        let entry = self
            .entries
            .entry(key)
            .or_insert_with(|| Arc::new(Entry::new(attestation)));
        if entry.committee_len == attestation.aggregation_bits.len() {
            change(Arc::make_mut(entry));
        }
        if self.entries.len() > MAX_DATA {
            self.entries.pop_first();
        }
    }

    /// The work of making the best aggregate of the data; `None` if nothing is known of it.
    pub fn best_aggregate(&self, slot: Slot, data_root: Root) -> Option<AggregateJob> {
        let entry = self.entries.get(&(slot, data_root))?;
        Some(AggregateJob::largest(entry))
    }

    pub(super) fn entries(&self) -> impl Iterator<Item = &Arc<Entry>> {
        self.entries.values()
    }

    /// Drops what attests to slots before this one.
    pub fn prune(&mut self, before: Slot) {
        self.entries = self.entries.split_off(&(before, Root::ZERO));
    }

    /// Aggregates and single attestations in the pool.
    pub fn len(&self) -> usize {
        self.entries.values().map(|entry| entry.parts()).sum()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}
