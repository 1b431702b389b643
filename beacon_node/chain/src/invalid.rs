//! [`InvalidRoots`]: blocks that were found invalid, remembered so that they cost nothing again.

use consensus::Root;
use std::collections::{BTreeSet, VecDeque};

/// Most roots of each kind that are remembered.
const MAX_ROOTS: usize = 4_096;

/// Roots of invalid blocks, the newest ones.
#[derive(Debug, Default)]
pub struct InvalidRoots {
    /// Found invalid themselves: each took its proposer's signature.
    condemned: Newest,
    /// Blocks after those: anybody can make them, so they push out only each other.
    descendants: Newest,
}

#[derive(Debug, Default)]
struct Newest {
    roots: BTreeSet<Root>,
    order: VecDeque<Root>,
}

impl Newest {
    fn insert(&mut self, root: Root) {
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

impl InvalidRoots {
    /// Whether the block was found invalid, or comes after one that was.
    pub fn contains(&self, root: Root) -> bool {
        self.condemned.roots.contains(&root) || self.descendants.roots.contains(&root)
    }

    /// Remembers an invalid block that its proposer signed.
    pub fn insert(&mut self, root: Root) {
        self.condemned.insert(root);
    }

    /// Remembers a block whose parent is remembered.
    pub fn insert_descendant(&mut self, root: Root) {
        if !self.condemned.roots.contains(&root) {
            self.descendants.insert(root);
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
        // Nobody needs a signature for these.
        for number in 1..=MAX_ROOTS as u64 + 1 {
            invalid.insert_descendant(root(number << 32));
        }
        assert!((0..MAX_ROOTS as u64).all(|number| invalid.contains(root(number))));
        assert!(!invalid.contains(root(1 << 32)) && invalid.contains(root(2 << 32)));
        invalid.insert(root(u64::MAX));
        assert!(!invalid.contains(root(0)));
        assert!(invalid.contains(root(1)) && invalid.contains(root(u64::MAX)));
        assert_eq!(invalid.condemned.order.len(), invalid.condemned.roots.len());
    }
}
