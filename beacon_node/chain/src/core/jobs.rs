//! The jobs that run, and what their outcomes are for.

use super::Chain;
use super::arrivals::{Incoming, Run};
use crate::gossip::Claim;
use crate::job::{Found, Work};
use crate::{Class, Effect, Job, Token};
use consensus::*;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Replays and long advances that run at once: each may take seconds. One of them is for what the
/// core itself cannot go on without.
const MAX_REPLAYS: usize = 3;
/// Most blocks whose unavailable states are told of.
const MAX_TOLD: usize = 64;

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
    running: BTreeMap<u64, Entry>,
    /// Blocks whose post-states the store has, besides the finalized ones.
    pub(super) stored_states: BTreeSet<Root>,
    /// Blocks whose states could not be made in this slot.
    pub(super) failed: BTreeSet<Root>,
    /// Those of them that the user was told of, ever.
    told: BTreeSet<Root>,
}

#[derive(Debug)]
struct Entry {
    running: Running,
    /// Whether it may take seconds.
    costly: bool,
    /// The block whose stored state it begins with.
    stored: Option<Root>,
}

impl Jobs {
    pub(super) fn new(stored_states: BTreeSet<Root>) -> Jobs {
        Jobs {
            last: 0,
            running: BTreeMap::new(),
            stored_states,
            failed: BTreeSet::new(),
            told: BTreeSet::new(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.running.len()
    }

    /// Whether another replay may begin for a block that somebody sent.
    pub(super) fn may_replay(&self) -> bool {
        self.replays() < MAX_REPLAYS - 1
    }

    /// Whether another replay may begin for the core itself. What is in the background leaves room
    /// for a block.
    pub(super) fn may_replay_in(&self, class: Class) -> bool {
        let limit = match class {
            Class::Import => MAX_REPLAYS,
            Class::Background => MAX_REPLAYS - 2,
        };
        self.replays() < limit
    }

    fn replays(&self) -> usize {
        let costly = self.running.values().filter(|entry| entry.costly);
        costly.count()
    }

    /// Whether the user is to be told that a block's state is unavailable: once.
    pub(super) fn is_news(&mut self, root: Root) -> bool {
        self.told.len() < MAX_TOLD && self.told.insert(root)
    }

    /// Takes the job of an outcome off the table. A stored state that it could not begin with is
    /// not relied on again.
    pub(super) fn end(&mut self, id: u64, found: &Found) -> Option<Running> {
        let entry = self.running.remove(&id)?;
        if let Some(root) = entry.stored
            && found.is_unavailable()
        {
            self.stored_states.remove(&root);
        }
        if let Found::Advance(Err(_)) | Found::Regenerate(Err(_)) = found {
            match entry.running {
                Running::Advance(Checkpoint { root, .. }) | Running::Regenerate(root) => {
                    self.failed.insert(root);
                }
                _ => {}
            }
        }
        Some(entry.running)
    }

    pub(super) fn is_running(&self, wanted: impl Fn(&Running) -> bool) -> bool {
        self.running.values().any(|entry| wanted(&entry.running))
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
        let entry = Entry {
            running,
            costly: work.is_costly(),
            stored: work.stored(),
        };
        self.jobs.running.insert(id, entry);
        effects.push(Effect::Run(Job { class, id, work }));
    }
}
