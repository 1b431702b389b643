//! Topic `voluntary_exit`.

use super::unverified::{conditions_hold, signature_of};
use super::{Check, Claim, Mark, Reason, Seen, View, ignore, reason, reject};
use consensus::transition::process_voluntary_exit;
use consensus::{DOMAIN_VOLUNTARY_EXIT, HashTreeRoot, SignedVoluntaryExit};
use std::sync::Arc;

/// `p2p-interface.md#voluntary_exit`
pub fn validate_voluntary_exit_gossip(
    view: &View<'_>,
    seen: &Seen,
    signed_voluntary_exit: &Arc<SignedVoluntaryExit>,
) -> Check<Arc<SignedVoluntaryExit>> {
    let voluntary_exit = &signed_voluntary_exit.message;
    let state = view.head_state;

    // [IGNORE] The first valid voluntary exit received for the validator.
    if seen.has_voluntary_exit(voluntary_exit.validator_index) {
        return ignore(reason::SEEN_EXIT);
    }
    // [REJECT] All of the conditions within `process_voluntary_exit` pass validation.
    let conditions = conditions_hold(state, |state, signatures| {
        process_voluntary_exit(state, signed_voluntary_exit, signatures)
    });
    if let Err(reason) = conditions {
        return reject(reason);
    }
    let set = signature_of(
        state,
        voluntary_exit.validator_index,
        (DOMAIN_VOLUNTARY_EXIT, voluntary_exit.epoch),
        voluntary_exit.hash_tree_root(),
        signed_voluntary_exit.signature,
    );
    match set {
        Some(set) => Check::Verify(Claim::new(
            Arc::clone(signed_voluntary_exit),
            [(set, reason::EXIT_SIGNATURE)],
        )),
        None => reject(reason::EXIT_SIGNATURE),
    }
}

impl Mark for Arc<SignedVoluntaryExit> {
    fn mark(&self, seen: &mut Seen) -> Result<(), Reason> {
        match seen.add_voluntary_exit(self.message.validator_index) {
            true => Ok(()),
            false => Err(reason::SEEN_EXIT),
        }
    }
}
