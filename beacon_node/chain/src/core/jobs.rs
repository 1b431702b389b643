//! The jobs that run, and what their outcomes are for.

use super::Chain;
use super::arrivals::{Incoming, Run};
use crate::gossip::Claim;
use crate::job::Work;
use crate::{Class, Effect, Job, Token};
use consensus::*;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Replays and long advances that run at once: each may take seconds.
const MAX_REPLAYS: usize = 2;

/// What a running job is for.
#[derive(Debug)]
pub(super) enum Running {
    /// The rules of gossip held but for the proposer, whose state was not at hand.
    Proposer(Incoming),
    /// The rules of gossip held but for the signature.
    BlockClaim(Incoming, Box<Claim<Arc<SignedBeaconBlock>>>),
    /// The transitions of blocks.
    Import(Run),
    /// The state at a checkpoint.
    Advance(Checkpoint),
    /// The post-state of a block.
    Regenerate(Root),
    /// Work of the messages, which know it by a number of their own.
    Messages,
    /// A block of this node's own.
    Produce(Token),
}

/// The table of running jobs: an outcome that is not in it is dropped.
#[derive(Debug)]
pub(super) struct Jobs {
    last: u64,
    /// With each whether it may take seconds.
    running: BTreeMap<u64, (Running, bool)>,
    /// Blocks whose post-states the store has, besides the finalized ones.
    pub(super) stored_states: BTreeSet<Root>,
}

impl Jobs {
    pub(super) fn new(stored_states: BTreeSet<Root>) -> Jobs {
        Jobs {
            last: 0,
            running: BTreeMap::new(),
            stored_states,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.running.len()
    }

    /// Whether another replay may begin.
    pub(super) fn may_replay(&self) -> bool {
        let costly = self.running.values().filter(|(_, costly)| *costly);
        costly.count() < MAX_REPLAYS
    }

    /// Takes the job of an outcome off the table.
    pub(super) fn end(&mut self, id: u64) -> Option<Running> {
        self.running.remove(&id).map(|(running, _)| running)
    }

    pub(super) fn is_running(&self, wanted: impl Fn(&Running) -> bool) -> bool {
        self.running.values().any(|(running, _)| wanted(running))
    }
}

impl Chain {
    /// Hands out a job.
    pub(super) fn run(
        &mut self,
        class: Class,
        work: Work,
        running: Running,
        effects: &mut Vec<Effect>,
    ) {
        self.jobs.last += 1;
        let id = self.jobs.last;
        self.regenerated += u64::from(work.is_replay());
        let costly = work.is_costly();
        self.jobs.running.insert(id, (running, costly));
        effects.push(Effect::Run(Job { class, id, work }));
    }
}
