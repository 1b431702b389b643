//! Slots by the clock, with the tolerance that gossip grants:
//! `p2p-interface.md#why-is-there-maximum_gossip_clock_disparity-when-validating-slot-ranges-of-messages-in-gossip-subnets`.

use crate::Milliseconds;
use consensus::{GENESIS_SLOT, Slot, Spec};
use fork_choice::{Store, seconds_to_milliseconds};

/// When the slot begins, milliseconds since the Unix epoch; `None` for one that never will.
pub fn compute_time_at_slot_ms(store: &Store, slot: Slot) -> Option<Milliseconds> {
    let slots_since_genesis = slot - GENESIS_SLOT;
    let since_genesis = slots_since_genesis.checked_mul(store.spec().SLOT_DURATION_MS)?;
    seconds_to_milliseconds(store.genesis_time()).checked_add(since_genesis)
}

/// Whether the slot has not begun, not even by the fastest clock that is tolerated.
pub fn is_future_slot(store: &Store, slot: Slot, now: Milliseconds) -> bool {
    let latest = now.saturating_add(disparity(store.spec()));
    compute_time_at_slot_ms(store, slot).is_none_or(|start| latest < start)
}

/// Whether it is one of the slots from `slot` to `slot + range`, to the last millisecond that is
/// tolerated before and after them.
pub fn is_within_slot_range(store: &Store, slot: Slot, range: u64, now: Milliseconds) -> bool {
    if is_future_slot(store, slot, now) {
        return false;
    }
    let end = slot.checked_add(range).and_then(|last| last.checked_add(1));
    let end = end.and_then(|end| compute_time_at_slot_ms(store, end));
    end.is_none_or(|end| now <= end.saturating_add(disparity(store.spec())))
}

/// The latest slot that has begun by the fastest clock that is tolerated: [`is_future_slot`] holds of
/// all later ones.
pub fn latest_begun_slot(store: &Store, now: Milliseconds) -> Slot {
    let latest = now.saturating_add(disparity(store.spec()));
    let since_genesis = latest.saturating_sub(seconds_to_milliseconds(store.genesis_time()));
    GENESIS_SLOT + since_genesis / store.spec().SLOT_DURATION_MS
}

fn disparity(spec: &Spec) -> Milliseconds {
    spec.MAXIMUM_GOSSIP_CLOCK_DISPARITY
}
