//! From a public key to a validator's index. Which index a key has depends on the fork: two
//! branches may process the same deposits in another order.

use crate::bls::PubkeyId;
use crate::primitives::ValidatorIndex;
use std::collections::BTreeMap;
use std::sync::Arc;

/// So many additions are folded into a new base, which costs a copy of 4 bytes per key.
const OVERLAY_LIMIT: usize = 1024;
const ABSENT: u32 = u32::MAX;

/// A base map shared by all states that descend from one, and what was added since.
#[derive(Clone, Debug)]
pub(super) struct KeyIndex {
    /// By [`PubkeyId::as_index`].
    base: Arc<Vec<u32>>,
    overlay: Arc<BTreeMap<PubkeyId, u32>>,
}

impl KeyIndex {
    /// The index over a registry's keys; the first of equal keys counts, as in `apply_deposit`.
    pub(super) fn new(keys: impl Iterator<Item = PubkeyId>) -> Self {
        let mut base = Vec::new();
        for (index, key) in (0u32..).zip(keys) {
            if base.len() <= key.as_index() {
                base.resize(key.as_index() + 1, ABSENT);
            }
            let entry = &mut base[key.as_index()];
            if *entry == ABSENT {
                *entry = index;
            }
        }
        KeyIndex {
            base: Arc::new(base),
            overlay: Arc::default(),
        }
    }

    pub(super) fn get(&self, key: PubkeyId) -> Option<ValidatorIndex> {
        match self.base.get(key.as_index()) {
            Some(&index) if index != ABSENT => Some(index.into()),
            _ => self.overlay.get(&key).map(|&index| index.into()),
        }
    }

    /// Records that the validator appended at `index` has `key`.
    pub(super) fn push(&mut self, key: PubkeyId, index: u32) {
        if self.get(key).is_some() {
            return;
        }
        let overlay = Arc::make_mut(&mut self.overlay);
        overlay.insert(key, index);
        if overlay.len() < OVERLAY_LIMIT {
            return;
        }
        let mut base = Vec::clone(&self.base);
        for (key, &index) in overlay.iter() {
            if base.len() <= key.as_index() {
                base.resize(key.as_index() + 1, ABSENT);
            }
            base[key.as_index()] = index;
        }
        self.base = Arc::new(base);
        self.overlay = Arc::default();
    }
}
