//! The lists of pending attestations of a state: shared entries with kept roots.

use crate::containers::PendingAttestation;
use crate::cow::{Chunk, CowList, Memo};
use crate::hashing::{HashTreeRoot, merkleize};
use kernels::Node;
use std::sync::{Arc, OnceLock};

/// 32 attestations a chunk: a block appends up to 128.
const CHUNK_DEPTH: u32 = 5;

#[derive(Debug)]
struct Entry {
    attestation: PendingAttestation,
    root: OnceLock<Node>,
}

/// Up to 32 pending attestations.
#[derive(Clone, Debug, Default)]
pub(super) struct AttestationChunk {
    entries: Vec<Arc<Entry>>,
    memo: Memo,
}

impl Chunk for AttestationChunk {
    const DEPTH: u32 = CHUNK_DEPTH;
    const CAPACITY: usize = 1 << CHUNK_DEPTH;

    fn root(&self, depth: u32) -> Node {
        self.memo.get_or(|| {
            let missing = self.entries.iter().filter(|it| it.root.get().is_none());
            let missing: Vec<&Entry> = missing.map(|it| &**it).collect();
            let attestations: Vec<_> = missing.iter().map(|it| &it.attestation).collect();
            for (entry, root) in missing.iter().zip(HashTreeRoot::roots(&attestations)) {
                // Another thread may have come first, with the same root.
                let _ = entry.root.set(root);
            }
            let roots = self.entries.iter().filter_map(|it| it.root.get().copied());
            merkleize(roots.collect(), depth)
        })
    }

    fn forget_root(&mut self) {
        self.memo.forget();
    }
}

/// `List[PendingAttestation, MAX_ATTESTATIONS * SLOTS_PER_EPOCH]`.
#[derive(Clone, Debug, Default)]
pub struct PendingAttestations {
    list: CowList<AttestationChunk>,
}

impl PendingAttestations {
    /// Number of attestations.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// All attestations in order of inclusion.
    pub fn iter(&self) -> impl Iterator<Item = &PendingAttestation> {
        self.list
            .chunks()
            .flat_map(|chunk| chunk.entries.iter().map(|entry| &entry.attestation))
    }

    /// The attestation at `index`.
    pub fn get(&self, index: usize) -> Option<&PendingAttestation> {
        self.list
            .locate(index)
            .map(|(chunk, at)| &chunk.entries[at].attestation)
    }

    pub(super) fn push(&mut self, attestation: PendingAttestation) {
        self.list.grow().entries.push(Arc::new(Entry {
            attestation,
            root: OnceLock::new(),
        }));
    }

    pub(super) fn root(&self, depth: u32) -> Node {
        self.list.root(depth)
    }
}

impl FromIterator<PendingAttestation> for PendingAttestations {
    fn from_iter<I: IntoIterator<Item = PendingAttestation>>(items: I) -> Self {
        let mut list = PendingAttestations::default();
        for item in items {
            list.push(item);
        }
        list
    }
}
