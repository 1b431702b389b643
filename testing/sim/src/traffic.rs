//! The network: messages take their time, get lost, come twice or overtake each other; nodes ask
//! each other for what they lack.

use crate::queue::{Event, NodeId, Waiting};
use crate::simulation::Simulation;
use chain::{GossipMessage, Input, Token};
use consensus::{Root, SignedBeaconBlock};
use std::sync::Arc;

/// Times that a block is asked for before the node gives up.
const MOST_ASKED: u32 = 8;
/// Milliseconds until it is asked for again.
const ASK_AGAIN: u64 = 700;
/// Requested blocks have no verdict.
const NOBODY_WAITS: Token = 0;
/// Most blocks of one batch.
const MOST_BLOCKS: usize = 64;

impl Simulation {
    /// Whether messages get from one node to another at all.
    pub(crate) fn connected(&self, a: NodeId, b: NodeId) -> bool {
        (self.sides >> a) & 1 == (self.sides >> b) & 1
    }

    /// Sends a message to all others.
    pub(crate) fn broadcast(&mut self, from: NodeId, message: &GossipMessage) {
        for to in (0..self.nodes.len()).filter(|&to| to != from) {
            self.send(from, to, message);
        }
    }

    /// Sends a message to one node.
    pub(crate) fn send(&mut self, from: NodeId, to: NodeId, message: &GossipMessage) {
        let faults = self.faults_now();
        if !self.connected(from, to) || self.dice.percent(faults.loss) {
            self.totals.lost += 1;
            return;
        }
        let copies = 1 + u64::from(self.dice.percent(faults.duplicates));
        for _ in 0..copies {
            let mut latency = self.within(&faults.latency);
            let (stragglers, longest) = faults.stragglers;
            if self.dice.percent(stragglers) {
                latency += self.dice.below(longest);
            }
            self.plan(self.now + latency, to, Event::Arrives(message.clone()));
        }
    }

    /// Sends a block to some nodes, past its proposer's own.
    pub(crate) fn send_block(
        &mut self,
        from: NodeId,
        block: &Arc<SignedBeaconBlock>,
        to: &[NodeId],
    ) {
        for &to in to {
            self.send(from, to, &GossipMessage::Block(block.clone()));
        }
    }

    /// A message reaches a node.
    pub(crate) fn arrives(&mut self, node: NodeId, message: GossipMessage) -> Result<(), String> {
        self.totals.messages += 1;
        let Some(live) = &mut self.nodes[node].live else {
            return Ok(());
        };
        let token = live.tokens.give(Waiting::Verdict(message.clone()));
        let input = match message {
            GossipMessage::Block(block) => Input::GossipBlock(token, block),
            GossipMessage::Aggregate(aggregate) => Input::GossipAggregate(token, aggregate),
            GossipMessage::Attestation(subnet, attestation) => {
                Input::GossipAttestation(token, subnet, attestation)
            }
            GossipMessage::ProposerSlashing(it) => Input::GossipProposerSlashing(token, it),
            GossipMessage::AttesterSlashing(it) => Input::GossipAttesterSlashing(token, it),
            GossipMessage::VoluntaryExit(it) => Input::GossipVoluntaryExit(token, it),
        };
        self.input(node, input)
    }

    /// A node asks another one for a block; again after a while if nobody has it.
    pub(crate) fn ask(&mut self, node: NodeId, root: Root, times: u32) -> Result<(), String> {
        let Some(live) = &self.nodes[node].live else {
            return Ok(());
        };
        if live.snapshot.blocks.contains_key(&root) {
            return Ok(());
        }
        let peer = self.some_peer(node);
        let block = match peer {
            Some(peer) => self.served(peer, root)?,
            None => None,
        };
        let round_trip = self.faults_now().latency;
        let round_trip = self.within(&round_trip) + self.within(&round_trip);
        let lost = self.faults_now().loss;
        match block {
            Some(block) if !self.dice.percent(lost) => {
                self.totals.served += 1;
                let input = Input::RequestedBlock(NOBODY_WAITS, block);
                self.plan_in_life(self.now + round_trip, node, Event::Input(Box::new(input)));
            }
            _ if times < MOST_ASKED => {
                let again = self.now + ASK_AGAIN;
                self.plan_in_life(again, node, Event::Ask(root, times + 1));
            }
            _ => {}
        }
        Ok(())
    }

    /// A running node that can be reached.
    fn some_peer(&mut self, node: NodeId) -> Option<NodeId> {
        let peers: Vec<_> = (0..self.nodes.len())
            .filter(|&peer| peer != node && self.nodes[peer].live.is_some())
            .filter(|&peer| self.connected(node, peer))
            .collect();
        let at = self.dice.below(peers.len() as u64);
        peers.get(at as usize).copied()
    }

    /// A block as a node serves it: from its memory or its store.
    fn served(&self, peer: NodeId, root: Root) -> Result<Option<Arc<SignedBeaconBlock>>, String> {
        let Some(live) = &self.nodes[peer].live else {
            return Ok(None);
        };
        if let Some(entry) = live.snapshot.blocks.get(&root)
            && let Some(block) = &entry.block
        {
            return Ok(Some(block.clone()));
        }
        live.tools.history.block(root)
    }

    /// A node compares its head with another's, and asks for the blocks that it lacks.
    pub(crate) fn compare(&mut self, node: NodeId) -> Result<(), String> {
        let Some(peer) = self.some_peer(node) else {
            return Ok(());
        };
        let (Some(live), Some(other)) = (&self.nodes[node].live, &self.nodes[peer].live) else {
            return Ok(());
        };
        let own = live.snapshot.clone();
        let theirs = other.snapshot.head.root;
        let recent = other.snapshot.head.slot + 1 >= self.slot();
        if live.planned.comparing
            || own.blocks.contains_key(&theirs)
            || recent && self.dice.percent(80)
        {
            return Ok(());
        }
        let mut missing = Vec::new();
        let mut root = theirs;
        while !own.blocks.contains_key(&root) && root != self.world.genesis() {
            missing.push(root);
            root = self.world.block(root)?.parent;
        }
        missing.reverse();
        missing.truncate(MOST_BLOCKS);
        let mut blocks = Vec::with_capacity(missing.len());
        for root in missing {
            let block = self.served(peer, root)?;
            let lacks = || format!("node {peer} has {theirs} as its head, but not {root}");
            blocks.push(block.ok_or_else(lacks)?);
        }
        let Some(live) = &mut self.nodes[node].live else {
            return Ok(());
        };
        live.planned.comparing = true;
        self.totals.served += blocks.len() as u64;
        let token = live.tokens.give(Waiting::Batch);
        let latency = self.faults_now().latency;
        let at = self.now + 2 * self.within(&latency);
        let input = Input::Batch(token, blocks);
        self.plan_in_life(at, node, Event::Input(Box::new(input)));
        Ok(())
    }

    /// The network falls apart, or is whole again.
    pub(crate) fn part(&mut self, sides: u64) {
        self.sides = sides;
        self.totals.partitions += u64::from(sides != 0);
        self.trace
            .say(self.seconds(), 0, || format!("sides {sides:b}"));
    }
}
