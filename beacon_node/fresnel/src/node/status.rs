//! What the log says of the chain.

use chain::{Event, Notice, Snapshot};
use consensus::{Root, Slot, Spec};
use std::fmt;
use tracing::{debug, info, warn};

/// A node that is this many epochs behind the clock tells so once an epoch, not in every slot.
const FAR_BEHIND: u64 = 4;

/// The first bytes of a root: enough to tell blocks apart in a log.
pub(crate) struct Short(pub(crate) Root);

impl fmt::Display for Short {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0[..4]
            .iter()
            .try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// One line on where the node is.
pub(crate) fn slot_line(slot: Slot, snapshot: &Snapshot) {
    let slots = snapshot.spec.SLOTS_PER_EPOCH;
    let behind = slot.saturating_sub(snapshot.head.slot);
    if behind > FAR_BEHIND * slots && !slot.is_multiple_of(slots) {
        return;
    }
    let (head, finalized) = (&snapshot.head, &snapshot.finalized);
    info!(
        "slot {slot}, epoch {}: head {} of slot {}{}, justified epoch {}, finalized epoch {} ({})",
        slot / slots,
        Short(head.root),
        head.slot,
        match behind {
            0 => String::new(),
            1 => ", 1 slot behind".into(),
            _ => format!(", {behind} slots behind"),
        },
        snapshot.justified.epoch,
        finalized.epoch,
        Short(finalized.root),
    );
}

/// What is worth a line of an event.
pub(crate) fn on_event(event: &Event) {
    match event {
        Event::ChainReorg {
            slot,
            depth,
            old_head_block,
            new_head_block,
            ..
        } => info!(
            "the head has moved to another branch at slot {slot}: {} after {}, {depth} slots deep",
            Short(*new_head_block),
            Short(*old_head_block)
        ),
        Event::FinalizedCheckpoint { block, epoch, .. } => {
            debug!("epoch {epoch} is finalized with block {}", Short(*block));
        }
        _ => {}
    }
}

/// What a user should read.
pub(crate) fn on_notice(notice: &Notice, spec: &Spec) {
    match notice {
        Notice::InvalidBlock { root, slot, why } => {
            warn!("block {root} of slot {slot} is invalid: {why}");
        }
        Notice::StateUnavailable { root, why } => warn!(
            "the state after block {root} cannot be made again: {why}; stop the node and look with fresnel db verify"
        ),
        Notice::AttesterSlashed(validators) => {
            info!(
                "validators {validators:?} have contradicted themselves and do not count any more"
            );
        }
        Notice::ConflictingFinality => warn!(
            "a block conflicts with the finalized chain: more than a third of the stake breaks the rules; compare the finalized root with a source you trust before you go on"
        ),
        Notice::PhaseEnds(epoch) => phase_ends(*epoch, spec),
    }
}

/// Phase 0 of the network ends.
pub(crate) fn phase_ends(epoch: u64, spec: &Spec) {
    warn!(
        "{} leaves phase 0 with epoch {epoch} (slot {}): Fresnel imports, verifies and serves what is before it, and follows it no further",
        spec.CONFIG_NAME,
        epoch.saturating_mul(spec.SLOTS_PER_EPOCH)
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_roots_are_four_bytes() {
        let root = Root::from_slice(&[&[0xab, 0, 0x12, 0xff][..], &[7; 28]].concat());
        assert_eq!(Short(root).to_string(), "ab0012ff");
    }
}
