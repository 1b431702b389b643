//! [`InvalidRoots`]: blocks that were found invalid, remembered so that they cost nothing again.

use consensus::Root;
use std::collections::{BTreeSet, VecDeque};

/// Most roots remembered: each took a proposer's signature, or a parent that did.
const MAX_ROOTS: usize = 4_096;

/// Roots of invalid blocks, the newest ones.
#[derive(Debug, Default)]
pub struct InvalidRoots {
    roots: BTreeSet<Root>,
    order: VecDeque<Root>,
}

impl InvalidRoots {
    /// Whether the block was found invalid.
    pub fn contains(&self, root: Root) -> bool {
        self.roots.contains(&root)
    }

    /// Remembers an invalid block.
    pub fn insert(&mut self, root: Root) {
        if !self.roots.insert(root) {
            return;
        }
        self.order.push_back(root);
        if self.order.len() > MAX_ROOTS
            && let Some(oldest) = self.order.pop_front()
        {
            self.roots.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_roots_are_remembered_once_each() {
        let mut invalid = InvalidRoots::default();
        let root = |number: u64| Root::left_padding_from(&number.to_be_bytes());
        for number in 0..MAX_ROOTS as u64 {
            invalid.insert(root(number));
            invalid.insert(root(0));
        }
        assert!((0..MAX_ROOTS as u64).all(|number| invalid.contains(root(number))));
        invalid.insert(root(u64::MAX));
        assert!(!invalid.contains(root(0)));
        assert!(invalid.contains(root(1)) && invalid.contains(root(u64::MAX)));
        assert_eq!(invalid.order.len(), invalid.roots.len());
    }
}
