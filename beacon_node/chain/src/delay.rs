//! [`Delays`]: things that came too early, until what they wait for is there.

use crate::gossip::Wait;
use consensus::Slot;
use std::collections::{BTreeMap, VecDeque};

/// One thing that waits.
#[derive(Debug)]
struct Waiting<T> {
    arrival: u64,
    /// The last slot in which it is still of use.
    until: Slot,
    item: T,
}

/// Bounded lists of things that wait for a slot, a block or a state. When there are too many, what
/// came first goes first.
#[derive(Debug)]
pub struct Delays<T> {
    lists: BTreeMap<Wait, VecDeque<Waiting<T>>>,
    /// By number of arrival, the list it is in.
    arrivals: BTreeMap<u64, Wait>,
    next_arrival: u64,
    limit: usize,
    limit_per_list: usize,
    dropped: u64,
}

impl<T> Delays<T> {
    /// Lists of at most `limit` things together and `limit_per_list` in each.
    pub fn new(limit: usize, limit_per_list: usize) -> Delays<T> {
        Delays {
            lists: BTreeMap::new(),
            arrivals: BTreeMap::new(),
            next_arrival: 0,
            limit,
            limit_per_list,
            dropped: 0,
        }
    }

    /// Lets something wait up to and including slot `until`. What must make way for it comes back.
    pub fn push(&mut self, wait: Wait, until: Slot, item: T) -> Vec<T> {
        let arrival = self.next_arrival;
        self.next_arrival += 1;
        let list = self.lists.entry(wait).or_default();
        list.push_back(Waiting {
            arrival,
            until,
            item,
        });
        let is_long = list.len() > self.limit_per_list;
        self.arrivals.insert(arrival, wait);
        let mut dropped = Vec::new();
        if is_long {
            dropped.extend(self.drop_first(wait));
        }
        while self.arrivals.len() > self.limit {
            let Some((_, &oldest)) = self.arrivals.first_key_value() else {
                break;
            };
            dropped.extend(self.drop_first(oldest));
        }
        self.dropped += dropped.len() as u64;
        dropped
    }

    fn drop_first(&mut self, wait: Wait) -> Option<T> {
        let list = self.lists.get_mut(&wait)?;
        let first = list.pop_front();
        if list.is_empty() {
            self.lists.remove(&wait);
        }
        let first = first?;
        self.arrivals.remove(&first.arrival);
        Some(first.item)
    }

    /// Everything that waits for this, in order of arrival.
    pub fn release(&mut self, wait: Wait) -> Vec<T> {
        let list = self.lists.remove(&wait).unwrap_or_default();
        self.forget(list)
    }

    /// Everything that waits for `slot` or an earlier one, by slot and then in order of arrival.
    pub fn release_slots(&mut self, slot: Slot) -> Vec<T> {
        let mut released = Vec::new();
        while let Some((&wait @ Wait::Slot(first), _)) = self.lists.first_key_value() {
            if first > slot {
                break;
            }
            released.extend(self.release(wait));
        }
        released
    }

    /// Everything that is of no use any more in `slot`.
    pub fn expire(&mut self, slot: Slot) -> Vec<T> {
        let mut expired = Vec::new();
        for list in self.lists.values_mut() {
            let (old, kept) = std::mem::take(list)
                .into_iter()
                .partition::<VecDeque<_>, _>(|waiting| waiting.until < slot);
            *list = kept;
            expired.extend(old);
        }
        self.lists.retain(|_, list| !list.is_empty());
        self.dropped += expired.len() as u64;
        self.forget(expired)
    }

    fn forget(&mut self, list: impl IntoIterator<Item = Waiting<T>>) -> Vec<T> {
        let mut items = Vec::new();
        for waiting in list {
            self.arrivals.remove(&waiting.arrival);
            items.push(waiting.item);
        }
        items
    }

    /// Whether anything waits for this.
    pub fn is_awaited(&self, wait: Wait) -> bool {
        self.lists.contains_key(&wait)
    }

    /// How many things wait.
    pub fn len(&self) -> usize {
        self.arrivals.len()
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.arrivals.is_empty()
    }

    /// How many things made way for others or waited in vain, ever.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use consensus::Root;

    const A: Wait = Wait::Block(Root::repeat_byte(1));
    const B: Wait = Wait::Block(Root::repeat_byte(2));

    #[test]
    fn what_came_first_makes_way_first() {
        let mut delays = Delays::new(3, 2);
        assert!(delays.push(A, 9, 'a').is_empty());
        assert!(delays.push(B, 9, 'b').is_empty());
        assert!(delays.push(A, 9, 'c').is_empty());
        // The list of A is full: its own first one goes.
        assert_eq!(delays.push(A, 9, 'd'), ['a']);
        // All together are full: the first of all goes.
        assert_eq!(delays.push(Wait::Slot(4), 9, 'e'), ['b']);
        assert_eq!((delays.len(), delays.dropped()), (3, 2));
        assert_eq!(delays.release(A), ['c', 'd']);
        assert!(delays.release(A).is_empty() && !delays.is_awaited(B));
        assert_eq!(delays.release_slots(4), ['e']);
        assert!(delays.is_empty());
    }

    #[test]
    fn slots_are_released_in_order_and_no_later_one() {
        let mut delays = Delays::new(10, 10);
        for (slot, item) in [(7, 'a'), (5, 'b'), (6, 'c'), (5, 'd')] {
            delays.push(Wait::Slot(slot), 20, item);
        }
        delays.push(A, 20, 'x');
        assert_eq!(delays.release_slots(6), ['b', 'd', 'c']);
        assert_eq!(delays.len(), 2);
    }

    #[test]
    fn what_waits_in_vain_comes_back() {
        let mut delays = Delays::new(10, 10);
        delays.push(A, 3, 'a');
        delays.push(A, 4, 'b');
        assert!(delays.expire(3).is_empty());
        assert_eq!(delays.expire(4), ['a']);
        assert_eq!(delays.release(A), ['b']);
        assert_eq!(delays.dropped(), 1);
    }
}
