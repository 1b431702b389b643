//! `beacon-chain.md#historicalbatch`, whose vectors have the preset's length.

use crate::error::Error;
use crate::hashing::{HashTreeRoot, container_root, merkleize, tree_depth};
use crate::primitives::Root;
use crate::spec::Spec;
use serde::{Deserialize, Serialize};

/// Block and state roots of `SLOTS_PER_HISTORICAL_ROOT` slots.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HistoricalBatch {
    /// Block roots by slot modulo the length.
    pub block_roots: Vec<Root>,
    /// State roots by slot modulo the length.
    pub state_roots: Vec<Root>,
}

impl HistoricalBatch {
    /// From SSZ of exactly the preset's length.
    pub fn from_ssz_bytes(bytes: &[u8], spec: &Spec) -> Result<Self, Error> {
        let length = spec.SLOTS_PER_HISTORICAL_ROOT as usize;
        let expected = 2 * length * 32;
        if bytes.len() != expected {
            return Err(Error::Decode(ssz::DecodeError::InvalidByteLength {
                len: bytes.len(),
                expected,
            }));
        }
        let mut roots = bytes.chunks_exact(32).map(Root::from_slice);
        Ok(HistoricalBatch {
            block_roots: roots.by_ref().take(length).collect(),
            state_roots: roots.collect(),
        })
    }

    /// To SSZ.
    pub fn as_ssz_bytes(&self) -> Vec<u8> {
        let roots = self.block_roots.iter().chain(&self.state_roots);
        roots.flat_map(|root| root.0).collect()
    }
}

impl HashTreeRoot for HistoricalBatch {
    fn hash_tree_root(&self) -> Root {
        let root = |roots: &[Root]| {
            let depth = tree_depth(roots.len());
            merkleize(Root::leaves(roots), depth).into()
        };
        container_root([root(&self.block_roots), root(&self.state_roots)])
    }
}
