//! The work that messages make for a worker.

use crate::Toolbox;
use crate::pools::AggregateJob;
use consensus::{Attestation, SignatureSet, Verifier};

/// Work for any thread.
#[derive(Clone, Debug)]
pub struct MessageJob {
    pub(super) id: u64,
    pub(super) work: Work,
}

#[derive(Clone, Debug)]
pub(super) enum Work {
    /// The signatures of some messages.
    Verify(Vec<Vec<SignatureSet>>),
    /// The best aggregate of the pool.
    Aggregate(AggregateJob),
}

/// What came of a [`MessageJob`].
#[derive(Clone, Debug)]
pub struct MessageOutcome {
    pub(super) id: u64,
    pub(super) done: Done,
}

#[derive(Clone, Debug)]
pub(super) enum Done {
    /// Of each message whether its signatures hold, or the place of one that does not.
    Verified(Vec<Result<(), usize>>),
    Aggregated(Option<Box<Attestation>>),
}

impl MessageJob {
    /// Does the work.
    pub fn run(&self, tools: &Toolbox) -> MessageOutcome {
        let done = match &self.work {
            Work::Verify(groups) => Done::Verified(verify(groups, &*tools.verifier)),
            Work::Aggregate(job) => Done::Aggregated(job.run(tools).map(Box::new)),
        };
        MessageOutcome { id: self.id, done }
    }
}

/// All together; without the first culprit's group once more; and if there is another culprit each
/// group by itself. So one bad message costs the others little, and many cost no more than a few
/// times what checking each would have cost.
fn verify(groups: &[Vec<SignatureSet>], verifier: &dyn Verifier) -> Vec<Result<(), usize>> {
    let mut results = vec![Ok(()); groups.len()];
    let Some((guilty, place)) = culprit(groups, None, verifier) else {
        return results;
    };
    results[guilty] = Err(place);
    if culprit(groups, Some(guilty), verifier).is_some() {
        for (at, group) in groups.iter().enumerate() {
            if at != guilty {
                results[at] = verifier.verify_sets(group);
            }
        }
    }
    results
}

/// A group that does not hold, of all but `without`, and the place of its bad set.
fn culprit(
    groups: &[Vec<SignatureSet>],
    without: Option<usize>,
    verifier: &dyn Verifier,
) -> Option<(usize, usize)> {
    let mut sets = Vec::new();
    let mut places = Vec::new();
    for (at, group) in groups.iter().enumerate() {
        if Some(at) != without {
            sets.extend_from_slice(group);
            places.extend((0..group.len()).map(|place| (at, place)));
        }
    }
    let bad = verifier.verify_sets(&sets).err()?;
    places.get(bad).copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use consensus::{BLSSignature, Root, SetKeys};
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// Sets whose message is zero do not hold. Counts the sets it looks at.
    #[derive(Default)]
    struct Counting(AtomicUsize);

    impl Verifier for Counting {
        fn verify_sets(&self, sets: &[SignatureSet]) -> Result<(), usize> {
            self.0.fetch_add(sets.len(), Ordering::Relaxed);
            match sets.iter().position(|set| set.message.is_zero()) {
                Some(bad) => Err(bad),
                None => Ok(()),
            }
        }
    }

    fn group(messages: &[u8]) -> Vec<SignatureSet> {
        let set = |message: &u8| SignatureSet {
            signature: BLSSignature::ZERO,
            message: Root::repeat_byte(*message),
            pubkeys: SetKeys::Many(Vec::new()),
        };
        messages.iter().map(set).collect()
    }

    fn verified(groups: &[&[u8]]) -> (Vec<Result<(), usize>>, usize) {
        let verifier = Counting::default();
        let groups: Vec<_> = groups.iter().map(|messages| group(messages)).collect();
        let results = verify(&groups, &verifier);
        (results, verifier.0.into_inner())
    }

    #[test]
    fn every_culprit_is_named_and_nobody_else() {
        assert_eq!(verified(&[]), (vec![], 0));
        let (results, looks) = verified(&[&[1], &[2, 3], &[4]]);
        assert_eq!((results, looks), (vec![Ok(()); 3], 4));
        let (results, looks) = verified(&[&[1], &[2, 0], &[4]]);
        assert_eq!((results, looks), (vec![Ok(()), Err(1), Ok(())], 6));
        let (results, looks) = verified(&[&[0], &[2, 3, 0], &[4], &[0, 1]]);
        let expected = vec![Err(0), Err(2), Ok(()), Err(0)];
        assert_eq!((results, looks), (expected, 7 + 6 + 6));
    }
}
