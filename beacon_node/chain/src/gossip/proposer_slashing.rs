//! Topic `proposer_slashing`.

use super::unverified::{conditions_hold, signature_of};
use super::{Check, Claim, Mark, Reason, Seen, View, ignore, reason, reject};
use consensus::helpers::compute_epoch_at_slot;
use consensus::transition::process_proposer_slashing;
use consensus::{DOMAIN_BEACON_PROPOSER, HashTreeRoot, ProposerSlashing, SignedBeaconBlockHeader};
use std::sync::Arc;

/// `p2p-interface.md#proposer_slashing`
pub fn validate_proposer_slashing_gossip(
    view: &View<'_>,
    seen: &Seen,
    proposer_slashing: &Arc<ProposerSlashing>,
) -> Check<Arc<ProposerSlashing>> {
    let state = view.head_state;

    // [IGNORE] The first valid proposer slashing received for the proposer.
    if seen.has_proposer_slashing(slashed_proposer(proposer_slashing)) {
        return ignore(reason::SEEN_PROPOSER_SLASHING);
    }
    // [REJECT] All of the conditions within `process_proposer_slashing` pass validation.
    let conditions = conditions_hold(state, |state, signatures| {
        process_proposer_slashing(state, proposer_slashing, signatures)
    });
    if let Err(reason) = conditions {
        return reject(reason);
    }
    let set = |header: &SignedBeaconBlockHeader| {
        let epoch = compute_epoch_at_slot(header.message.slot, state.spec());
        signature_of(
            state,
            header.message.proposer_index,
            (DOMAIN_BEACON_PROPOSER, epoch),
            header.message.hash_tree_root(),
            header.signature,
        )
    };
    let sets = (
        set(&proposer_slashing.signed_header_1),
        set(&proposer_slashing.signed_header_2),
    );
    match sets {
        (Some(first), Some(second)) => Check::Verify(Claim::new(
            Arc::clone(proposer_slashing),
            [first, second].map(|set| (set, reason::HEADER_SIGNATURE)),
        )),
        _ => reject(reason::UNKNOWN_PROPOSER),
    }
}

fn slashed_proposer(slashing: &ProposerSlashing) -> u64 {
    slashing.signed_header_1.message.proposer_index
}

impl Mark for Arc<ProposerSlashing> {
    fn mark(&self, seen: &mut Seen) -> Result<(), Reason> {
        match seen.add_proposer_slashing(slashed_proposer(self)) {
            true => Ok(()),
            false => Err(reason::SEEN_PROPOSER_SLASHING),
        }
    }
}
