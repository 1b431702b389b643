//! [`Inbox`]: the bounded lanes in front of the core.
//!
//! | lane | holds | when it is full or something is too old |
//! | --- | --- | --- |
//! | tick | the newest tick | the newer tick takes the older one's place |
//! | results | outcomes of jobs, commits, the end | never: the core itself started what these end |
//! | api | calls of the local API | the new call is refused; old ones are given up |
//! | blocks | blocks and batches | the oldest gossip block goes; a batch is refused, which holds range sync back; a block that was asked for is always taken |
//! | operations | aggregates, slashings, exits | the oldest goes |
//! | attestations | attestations | the oldest goes |

use crate::{Input, Milliseconds};
use std::collections::VecDeque;

/// The six lanes, in order of priority.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// Ticks; only the newest waits.
    Tick,
    /// Outcomes of jobs, commits.
    Results,
    /// Calls of the local API.
    Api,
    /// Blocks.
    Blocks,
    /// Aggregates, slashings, exits.
    Operations,
    /// Attestations.
    Attestations,
}

impl Lane {
    /// All lanes, the first in priority first.
    pub const ALL: [Lane; 6] = [
        Lane::Tick,
        Lane::Results,
        Lane::Api,
        Lane::Blocks,
        Lane::Operations,
        Lane::Attestations,
    ];

    /// The lane of an input.
    pub fn of(input: &Input) -> Lane {
        match input {
            Input::Tick(_) => Lane::Tick,
            Input::Done(_) | Input::Committed(_) | Input::Shutdown => Lane::Results,
            Input::Api(..) => Lane::Api,
            Input::GossipBlock(..) | Input::RequestedBlock(..) | Input::Batch(..) => Lane::Blocks,
            Input::GossipAggregate(..)
            | Input::GossipProposerSlashing(..)
            | Input::GossipAttesterSlashing(..)
            | Input::GossipVoluntaryExit(..) => Lane::Operations,
            Input::GossipAttestation(..) => Lane::Attestations,
        }
    }

    /// Its name, for metrics.
    pub fn name(self) -> &'static str {
        match self {
            Lane::Tick => "tick",
            Lane::Results => "results",
            Lane::Api => "api",
            Lane::Blocks => "blocks",
            Lane::Operations => "operations",
            Lane::Attestations => "attestations",
        }
    }

    /// Most inputs that wait. Of results there are as many as the core has jobs and commits under
    /// way, of requested blocks as many as it asked for: those are its own limits.
    pub const fn max_items(self) -> usize {
        match self {
            Lane::Tick => 1,
            Lane::Results => usize::MAX,
            Lane::Api => 1_024,
            Lane::Blocks => 256,
            Lane::Operations => 4_096,
            Lane::Attestations => 16_384,
        }
    }

    /// Longest time that an input waits, milliseconds. Gossip that has waited for a slot of mainnet
    /// is of no use to anybody else; who called the API has given up.
    pub const fn max_age(self) -> Milliseconds {
        match self {
            Lane::Tick | Lane::Results => Milliseconds::MAX,
            Lane::Api => 30_000,
            Lane::Blocks | Lane::Operations => 24_000,
            Lane::Attestations => 12_000,
        }
    }

    fn at(self) -> usize {
        self as usize
    }
}

/// Most batches of range sync that wait.
pub const MAX_BATCHES: usize = 4;
/// How often a lane in which something waits is passed over before it has its turn.
pub const QUANTUM: u32 = 16;

/// What a lane has seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LaneFigures {
    /// Inputs that wait.
    pub depth: u64,
    /// Inputs taken, ever.
    pub taken: u64,
    /// Inputs dropped, ever.
    pub dropped: u64,
}

/// One lane.
#[derive(Debug, Default)]
struct Queue {
    waiting: VecDeque<(Milliseconds, Input)>,
    taken: u64,
    dropped: u64,
    /// How often another lane was served while something waited here.
    passed_over: u32,
}

/// Inputs on their way to the core. Whatever does not reach it comes back, so that its token can be
/// answered.
#[derive(Debug, Default)]
pub struct Inbox {
    queues: [Queue; 6],
    /// What [`Inbox::pop`] found too old.
    expired: Vec<Input>,
}

/// Whether the input may be dropped for its age or for another one.
fn may_go(input: &Input) -> bool {
    !matches!(input, Input::RequestedBlock(..) | Input::Batch(..))
}

impl Inbox {
    /// Adds an input. What must make way for it, or the input itself, comes back; so does what has
    /// become too old.
    pub fn push(&mut self, input: Input, now: Milliseconds) -> Vec<Input> {
        let lane = Lane::of(&input);
        let mut back = self.take_expired();
        self.expire(lane, now, &mut back);
        let queue = &mut self.queues[lane.at()];
        let refused = match (&input, lane) {
            (Input::Batch(..), _) => queue.count_batches() >= MAX_BATCHES,
            (_, Lane::Api) => queue.waiting.len() >= lane.max_items(),
            _ => false,
        };
        if refused {
            queue.dropped += 1;
            back.push(input);
            return back;
        }
        let makes_way = may_go(&input) || lane != Lane::Blocks;
        queue.waiting.push_back((now, input));
        if makes_way && queue.waiting.len() > lane.max_items() {
            back.extend(queue.drop_oldest());
        }
        back
    }

    /// The next input for the core: the first of the highest lane, or of a lane that has been passed
    /// over too often. What is too old is skipped and comes back with [`Inbox::take_expired`] or the
    /// next push.
    pub fn pop(&mut self, now: Milliseconds) -> Option<Input> {
        for lane in Lane::ALL {
            let mut expired = std::mem::take(&mut self.expired);
            self.expire(lane, now, &mut expired);
            self.expired = expired;
        }
        let waits = |lane: &&Lane| !self.queues[lane.at()].waiting.is_empty();
        let is_due = |lane: &&Lane| self.queues[lane.at()].passed_over >= QUANTUM;
        let mut waiting = Lane::ALL.iter().filter(waits);
        let first = waiting.clone().next()?;
        let chosen = waiting.find(is_due).unwrap_or(first);
        for lane in Lane::ALL {
            let queue = &mut self.queues[lane.at()];
            queue.passed_over = match lane == *chosen || queue.waiting.is_empty() {
                true => 0,
                false => queue.passed_over.saturating_add(1),
            };
        }
        let queue = &mut self.queues[chosen.at()];
        queue.taken += 1;
        queue.waiting.pop_front().map(|(_, input)| input)
    }

    /// What [`Inbox::pop`] found too old.
    pub fn take_expired(&mut self) -> Vec<Input> {
        std::mem::take(&mut self.expired)
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.queues.iter().all(|queue| queue.waiting.is_empty())
    }

    /// The figures of a lane.
    pub fn figures(&self, lane: Lane) -> LaneFigures {
        let queue = &self.queues[lane.at()];
        LaneFigures {
            depth: queue.waiting.len() as u64,
            taken: queue.taken,
            dropped: queue.dropped,
        }
    }

    /// Takes out what is too old, from the front; something that must stay holds up what is behind
    /// it, which then waits no longer than that.
    fn expire(&mut self, lane: Lane, now: Milliseconds, back: &mut Vec<Input>) {
        let queue = &mut self.queues[lane.at()];
        while let Some((arrival, input)) = queue.waiting.front() {
            if now.saturating_sub(*arrival) <= lane.max_age() || !may_go(input) {
                return;
            }
            queue.dropped += 1;
            back.extend(queue.waiting.pop_front().map(|(_, input)| input));
        }
    }
}

impl Queue {
    /// Makes room: the oldest that may go.
    fn drop_oldest(&mut self) -> Option<Input> {
        let oldest = self.waiting.iter().position(|(_, input)| may_go(input))?;
        self.dropped += 1;
        self.waiting.remove(oldest).map(|(_, input)| input)
    }

    fn count_batches(&self) -> usize {
        let waiting = self.waiting.iter();
        waiting
            .filter(|(_, input)| matches!(input, Input::Batch(..)))
            .count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ApiCall;
    use consensus::{BLSSignature, Root};
    use proptest::prelude::*;
    use std::sync::Arc;

    fn block() -> Arc<consensus::SignedBeaconBlock> {
        let body = consensus::BeaconBlockBody {
            randao_reveal: BLSSignature::ZERO,
            eth1_data: consensus::Eth1Data {
                deposit_root: Root::ZERO,
                deposit_count: 0,
                block_hash: Root::ZERO,
            },
            graffiti: Root::ZERO,
            proposer_slashings: Default::default(),
            attester_slashings: Default::default(),
            attestations: Default::default(),
            deposits: Default::default(),
            voluntary_exits: Default::default(),
        };
        Arc::new(consensus::SignedBeaconBlock {
            message: consensus::BeaconBlock {
                slot: 0,
                proposer_index: 0,
                parent_root: Root::ZERO,
                state_root: Root::ZERO,
                body,
            },
            signature: BLSSignature::ZERO,
        })
    }

    fn attestation() -> Arc<consensus::Attestation> {
        let checkpoint = consensus::Checkpoint::default();
        Arc::new(consensus::Attestation {
            aggregation_bits: consensus::AggregationBits::with_capacity(1).unwrap(),
            data: consensus::AttestationData {
                slot: 0,
                index: 0,
                beacon_block_root: Root::ZERO,
                source: checkpoint,
                target: checkpoint,
            },
            signature: BLSSignature::ZERO,
        })
    }

    fn exit() -> Arc<consensus::SignedVoluntaryExit> {
        Arc::new(consensus::SignedVoluntaryExit {
            message: consensus::VoluntaryExit {
                epoch: 0,
                validator_index: 0,
            },
            signature: BLSSignature::ZERO,
        })
    }

    /// An input of each kind, with a number to know it by.
    fn input(kind: u8, number: u64) -> Input {
        match kind {
            0 => Input::Tick(number),
            1 => Input::Committed(number),
            2 => Input::Api(
                number,
                ApiCall::AggregateAttestation {
                    data_root: Root::ZERO,
                    slot: 0,
                },
            ),
            3 => Input::GossipBlock(number, block()),
            4 => Input::RequestedBlock(number, block()),
            5 => Input::Batch(number, Vec::new()),
            6 => Input::GossipVoluntaryExit(number, exit()),
            _ => Input::GossipAttestation(number, 0, attestation()),
        }
    }

    fn number(input: &Input) -> u64 {
        match input {
            Input::Tick(number)
            | Input::Committed(number)
            | Input::Api(number, _)
            | Input::GossipBlock(number, _)
            | Input::RequestedBlock(number, _)
            | Input::Batch(number, _)
            | Input::GossipVoluntaryExit(number, _)
            | Input::GossipAttestation(number, ..) => *number,
            other => panic!("not made here: {other:?}"),
        }
    }

    fn drain(inbox: &mut Inbox, now: Milliseconds) -> Vec<u64> {
        std::iter::from_fn(|| inbox.pop(now))
            .map(|input| number(&input))
            .collect()
    }

    #[test]
    fn higher_lanes_come_first_and_each_in_order() {
        let mut inbox = Inbox::default();
        for (number, kind) in [7, 6, 3, 2, 1, 0, 7, 6, 5, 2].into_iter().enumerate() {
            assert!(inbox.push(input(kind, number as u64), 0).is_empty());
        }
        assert_eq!(drain(&mut inbox, 0), [5, 4, 3, 9, 2, 8, 1, 7, 0, 6]);
        assert!(inbox.is_empty());
    }

    #[test]
    fn a_newer_tick_takes_the_place_of_an_older_one() {
        let mut inbox = Inbox::default();
        inbox.push(input(0, 1), 0);
        assert_eq!(number(&inbox.push(input(0, 2), 0)[0]), 1);
        assert_eq!(drain(&mut inbox, 0), [2]);
    }

    #[test]
    fn full_lanes_follow_their_rules() {
        let mut inbox = Inbox::default();
        let fill = |inbox: &mut Inbox, kind: u8, lane: Lane| {
            for number in 0..lane.max_items() as u64 {
                assert!(inbox.push(input(kind, number), 0).is_empty());
            }
            inbox.push(input(kind, 77_777), 0)
        };
        // Calls are refused, gossip makes way.
        assert_eq!(number(&fill(&mut inbox, 2, Lane::Api)[0]), 77_777);
        assert_eq!(number(&fill(&mut inbox, 7, Lane::Attestations)[0]), 0);
        assert_eq!(number(&fill(&mut inbox, 6, Lane::Operations)[0]), 0);
        assert_eq!(number(&fill(&mut inbox, 3, Lane::Blocks)[0]), 0);
        // A block that was asked for is taken, and nothing has to go for it.
        assert!(inbox.push(input(4, 88_888), 0).is_empty());
        // A gossip block does not push it out.
        let back = inbox.push(input(3, 77_778), 0);
        assert_eq!(back.iter().map(number).collect::<Vec<_>>(), [1]);
        for batch in 0..MAX_BATCHES as u64 {
            assert!(inbox.push(input(5, batch), 0).is_empty());
        }
        assert_eq!(number(&inbox.push(input(5, 99_999), 0)[0]), 99_999);
        assert_eq!(inbox.figures(Lane::Attestations).dropped, 1);
        assert_eq!(inbox.figures(Lane::Blocks).dropped, 3);
    }

    #[test]
    fn what_is_too_old_comes_back_but_for_what_was_asked_for() {
        let mut inbox = Inbox::default();
        for (kind, at) in [(7, 0), (7, 5), (4, 0), (3, 0), (1, 0)] {
            inbox.push(input(kind, u64::from(kind) * 10 + at), at);
        }
        let late = Lane::Blocks.max_age() + 1;
        assert_eq!(drain(&mut inbox, late), [10, 40]);
        let mut expired: Vec<_> = inbox.take_expired().iter().map(number).collect();
        expired.sort_unstable();
        assert_eq!(expired, [30, 70, 75]);
        assert!(inbox.take_expired().is_empty());
    }

    proptest! {
        /// Whatever is pushed comes out exactly once: by pop, or back. No lane is longer than it may
        /// be, and nothing waits for more pops than its quantum grants.
        #[test]
        fn nothing_is_lost_and_nobody_starves(
            steps in prop::collection::vec((0_u8..9, 0_u64..3_000), 1..600)
        ) {
            let mut inbox = Inbox::default();
            let (mut now, mut next) = (0, 0);
            let mut open = std::collections::BTreeSet::new();
            let mut passed_over = [0_u32; 6];
            for (kind, passes) in steps {
                now += passes;
                if kind < 8 {
                    open.insert(next);
                    for back in inbox.push(input(kind, next), now) {
                        prop_assert!(open.remove(&number(&back)));
                    }
                    next += 1;
                } else if let Some(input) = inbox.pop(now) {
                    prop_assert!(open.remove(&number(&input)));
                    let served = Lane::of(&input);
                    for lane in Lane::ALL {
                        let at = lane as usize;
                        passed_over[at] = match lane == served || inbox.figures(lane).depth == 0 {
                            true => 0,
                            false => passed_over[at] + 1,
                        };
                        // Its own quantum, and one turn for each of the others that is due.
                        prop_assert!(passed_over[at] <= QUANTUM + 6);
                    }
                }
                for lane in [Lane::Tick, Lane::Api, Lane::Operations, Lane::Attestations] {
                    prop_assert!(inbox.figures(lane).depth <= lane.max_items() as u64);
                }
            }
            while let Some(input) = inbox.pop(now) {
                prop_assert!(open.remove(&number(&input)));
            }
            for back in inbox.take_expired() {
                prop_assert!(open.remove(&number(&back)));
            }
            prop_assert!(open.is_empty(), "lost: {open:?}");
            let dropped: u64 = Lane::ALL.iter().map(|&lane| inbox.figures(lane).dropped).sum();
            let taken: u64 = Lane::ALL.iter().map(|&lane| inbox.figures(lane).taken).sum();
            prop_assert_eq!(taken + dropped, next);
        }
    }

    #[test]
    fn a_flood_above_does_not_starve_the_lanes_below() {
        let mut inbox = Inbox::default();
        for kind in [2, 3, 6, 7] {
            for number in 0..100 {
                inbox.push(input(kind, number), 0);
            }
        }
        let mut served = [0_u32; 6];
        for number in 0..340 {
            // One result for each pop: the lane of results never empties.
            inbox.push(input(1, number), 0);
            let popped = inbox.pop(0).map(|input| Lane::of(&input));
            served[popped.expect("something waits") as usize] += 1;
        }
        for lane in [
            Lane::Api,
            Lane::Blocks,
            Lane::Operations,
            Lane::Attestations,
        ] {
            assert!(served[lane as usize] >= 15, "{served:?}");
        }
        assert!(served[Lane::Results as usize] > 200, "{served:?}");
    }
}
