//! Whether the chain of a data folder is young enough to follow strangers from it.

use consensus::weak_subjectivity::compute_weak_subjectivity_period;
use consensus::{Epoch, Error};

/// What the decision depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Age {
    /// The newest epoch that is finalized in the data folder.
    pub(crate) finalized: Epoch,
    /// The epoch by the clock.
    pub(crate) current: Epoch,
    /// The weak subjectivity period of the head state, epochs.
    pub(crate) period: u64,
    /// The first epoch that is not of phase 0.
    pub(crate) phase0_end: Epoch,
}

/// What to do about the age.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Trust {
    /// Nothing.
    Fresh,
    /// Say so: nothing comes from strangers yet.
    Warn(String),
    /// Do not start.
    Refuse(String),
}

impl Age {
    /// The age of a snapshot's chain.
    ///
    /// # Errors
    /// If the period of the head state is not defined.
    pub(crate) fn of(snapshot: &chain::Snapshot) -> Result<Age, Error> {
        let spec = &snapshot.spec;
        Ok(Age {
            finalized: snapshot.finalized.epoch,
            current: snapshot.current_slot / spec.SLOTS_PER_EPOCH,
            period: compute_weak_subjectivity_period(&snapshot.head.state)?,
            phase0_end: spec.ALTAIR_FORK_EPOCH,
        })
    }
}

/// Decides. `connected` is whether blocks come from a live network; `remedy` is the command that
/// brings the data folder up to date. Where phase 0 has ended there is no network to be misled by.
pub(crate) fn judge(age: &Age, connected: bool, remedy: &str) -> Trust {
    let limit = age.finalized.saturating_add(age.period);
    if age.current <= limit || age.current >= age.phase0_end {
        return Trust::Fresh;
    }
    let why = format!(
        "the newest finalized epoch in the data folder, {}, is {} epochs old, more than the weak subjectivity period of {}: from there, strangers can lead a node onto a false chain",
        age.finalized,
        age.current - age.finalized,
        age.period
    );
    match connected {
        true => Trust::Refuse(format!(
            "{why}; import blocks from someone you trust first: {remedy}"
        )),
        false => Trust::Warn(format!(
            "{why}; before connecting to a network, import blocks from someone you trust: {remedy}"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AGE: Age = Age {
        finalized: 1_000,
        current: 1_256,
        period: 256,
        phase0_end: Epoch::MAX,
    };

    #[test]
    fn within_the_period_all_is_well() {
        assert_eq!(judge(&AGE, true, ""), Trust::Fresh);
        let behind = Age {
            finalized: 2_000,
            ..AGE
        };
        assert_eq!(judge(&behind, true, ""), Trust::Fresh);
    }

    #[test]
    fn after_it_a_live_network_is_refused_with_the_command_that_helps() {
        let old = Age {
            current: 1_257,
            ..AGE
        };
        let Trust::Refuse(sentence) = judge(&old, true, "fresnel node --import PATH") else {
            panic!("it is not refused");
        };
        assert!(sentence.contains("epoch in the data folder, 1000, is 257 epochs old"));
        assert!(sentence.ends_with("trust first: fresnel node --import PATH"));
        assert!(matches!(judge(&old, false, "cmd"), Trust::Warn(text) if text.ends_with("cmd")));
    }

    #[test]
    fn a_network_that_has_left_phase_0_misleads_nobody() {
        let ended = Age {
            current: 5_000,
            phase0_end: 5_000,
            ..AGE
        };
        assert_eq!(judge(&ended, true, ""), Trust::Fresh);
        let not_yet = Age {
            current: 4_999,
            ..ended
        };
        assert!(matches!(judge(&not_yet, true, ""), Trust::Refuse(_)));
    }

    #[test]
    fn the_end_of_time_overflows_nothing() {
        let late = Age {
            finalized: u64::MAX,
            current: u64::MAX,
            period: u64::MAX,
            phase0_end: u64::MAX,
        };
        assert_eq!(judge(&late, true, ""), Trust::Fresh);
    }
}
