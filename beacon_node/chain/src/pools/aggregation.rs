//! Adding attestations up.

use super::attestations::Entry;
use super::bits;
use crate::Toolbox;
use consensus::{AggregationBits, Attestation, AttestationData, BLSSignature};

/// Verified attesters and their signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Part {
    /// Places in the committee.
    pub(super) bits: Vec<u8>,
    pub(super) signature: BLSSignature,
}

/// Attestations without a common attester that are to become one; adding up signatures is work for
/// a worker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AggregateJob {
    data: AttestationData,
    committee_len: usize,
    bits: Vec<u8>,
    signatures: Vec<BLSSignature>,
}

impl AggregateJob {
    /// From one aggregate of the entry and all that can be added to it; without `first`, from the
    /// single attestations.
    pub(super) fn from(entry: &Entry, first: Option<&Part>) -> AggregateJob {
        let mut job = AggregateJob {
            data: entry.data,
            committee_len: entry.committee_len,
            bits: vec![0; entry.committee_len.div_ceil(8)],
            signatures: Vec::new(),
        };
        if let Some(first) = first {
            job.add(first);
            for part in &entry.aggregates {
                if bits::are_disjoint(&job.bits, &part.bits) {
                    job.add(part);
                }
            }
        }
        for (&position, signature) in &entry.singles {
            if !bits::get(&job.bits, position) {
                bits::set(&mut job.bits, position);
                job.signatures.push(*signature);
            }
        }
        job
    }

    /// The one with the most attesters.
    pub(super) fn largest(entry: &Entry) -> AggregateJob {
        let jobs = entry
            .aggregates
            .iter()
            .map(|first| AggregateJob::from(entry, Some(first)));
        let largest = jobs.max_by_key(|job| bits::count_new(&job.bits, &[]));
        largest.unwrap_or_else(|| AggregateJob::from(entry, None))
    }

    fn add(&mut self, part: &Part) {
        bits::add(&mut self.bits, &part.bits);
        self.signatures.push(part.signature);
    }

    pub(super) fn data(&self) -> &AttestationData {
        &self.data
    }

    pub(super) fn bits(&self) -> &[u8] {
        &self.bits
    }

    /// The attestation. `None` if a signature is no point, which none that was verified is.
    pub fn run(&self, tools: &Toolbox) -> Option<Attestation> {
        let signature = match self.signatures.as_slice() {
            [one] => *one,
            many => (tools.aggregate)(many).ok()?,
        };
        Some(Attestation {
            aggregation_bits: self.aggregation_bits()?,
            data: self.data,
            signature,
        })
    }

    fn aggregation_bits(&self) -> Option<AggregationBits> {
        let mut list = AggregationBits::with_capacity(self.committee_len).ok()?;
        for at in (0..self.committee_len).filter(|&at| bits::get(&self.bits, at)) {
            list.set(at, true).ok()?;
        }
        Some(list)
    }
}
