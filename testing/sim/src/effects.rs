//! What a core asks for, carried out: jobs run here and now and are answered later, batches go to
//! the writer, messages to the network, answers to the validators.

use crate::queue::{Event, NodeId, Waiting};
use crate::simulation::Simulation;
use chain::{ApiError, ApiReply, BatchError, Effect, Event as News, GossipMessage, Input, Notice};
use chain::{Token, Verdict};
use consensus::{Checkpoint, HashTreeRoot, Root};

impl Simulation {
    /// Carries out the effects of one input, in order, and checks what the node shows then.
    pub(crate) fn carry_out(&mut self, node: NodeId, effects: Vec<Effect>) -> Result<(), String> {
        let mut published = false;
        for effect in effects {
            self.trace.effect(&effect);
            published |= matches!(effect, Effect::Publish(_));
            self.carry_out_one(node, effect)?;
        }
        match published {
            true => self.check_snapshot(node),
            false => Ok(()),
        }
    }

    fn carry_out_one(&mut self, node: NodeId, effect: Effect) -> Result<(), String> {
        let Some(live) = &mut self.nodes[node].live else {
            return Ok(());
        };
        match effect {
            Effect::Run(job) => {
                let outcome = job.run(&live.tools);
                let takes = self.faults_now().job_time;
                let takes = self.within(&takes);
                self.totals.jobs += 1;
                self.plan_in_life(self.now + takes, node, Event::Done(Box::new(outcome)));
            }
            Effect::Commit(batch) => {
                live.batches.push_back(batch);
                self.plan_write(node);
            }
            Effect::Publish(snapshot) => live.snapshot = snapshot,
            Effect::Event(news) => self.news(node, news)?,
            Effect::Verdict(token, verdict) => self.verdict(node, token, verdict)?,
            Effect::Reply(token, reply) => self.reply(node, token, reply)?,
            Effect::Broadcast(message) => {
                self.check_durable(node, &message)?;
                self.broadcast(node, &message);
            }
            Effect::RequestBlock(root) => {
                self.plan_in_life(self.now, node, Event::Ask(root, 0));
            }
            Effect::BatchDone(token, result) => {
                live.planned.comparing = false;
                live.tokens.take(token);
                if let Some(BatchError::Invalid(why)) = result.error {
                    return Err(format!("a batch of honest blocks is invalid: {why}"));
                }
            }
            Effect::Notice(notice) => self.notice(&notice)?,
            Effect::WakeAt(at) => self.plan_in_life(at, node, Event::Tick),
            Effect::Stopped => self.stopped(node)?,
        }
        Ok(())
    }

    /// A block of the node's own must not be known elsewhere before it survives a power cut here.
    fn check_durable(&self, node: NodeId, message: &GossipMessage) -> Result<(), String> {
        let GossipMessage::Block(block) = message else {
            return Ok(());
        };
        let root = block.message.hash_tree_root();
        let it = &self.nodes[node];
        let live = it.live.as_ref();
        let imported = live.is_some_and(|live| live.snapshot.blocks.contains_key(&root));
        match imported && !it.ledger.is_durable(root) {
            true => Err(format!(
                "block {root} is sent to others before it is durable"
            )),
            false => Ok(()),
        }
    }

    fn notice(&mut self, notice: &Notice) -> Result<(), String> {
        match notice {
            Notice::InvalidBlock { root, slot, why } => Err(format!(
                "block {root} of slot {slot}, which is valid, was refused: {why}"
            )),
            Notice::StateUnavailable { root, why } => {
                Err(format!("the state after {root} cannot be made: {why}"))
            }
            Notice::ConflictingFinality => Err("the core sees conflicting finality".into()),
            Notice::AttesterSlashed(_) | Notice::PhaseEnds(_) => Ok(()),
        }
    }

    /// What subscribers of a node hear. The snapshot must show it already.
    fn news(&mut self, node: NodeId, news: News) -> Result<(), String> {
        let Some(live) = &self.nodes[node].live else {
            return Ok(());
        };
        let snapshot = live.snapshot.clone();
        match news {
            News::Block { block, .. } => {
                if !snapshot.blocks.contains_key(&block) {
                    return Err(format!("block {block} is news, but cannot be read"));
                }
                self.count_votes_of_block(node, block)?;
            }
            News::Head { block, .. } => {
                if snapshot.head.root != block {
                    return Err(format!("head {block} is news, but is not the head"));
                }
                self.trace
                    .say(self.seconds(), node, || format!("head {block}"));
            }
            News::FinalizedCheckpoint { block, epoch, .. } => {
                let checkpoint = Checkpoint { epoch, root: block };
                if snapshot.finalized != checkpoint {
                    return Err(format!("epoch {epoch} is finalized, but not shown so"));
                }
                self.trace
                    .say(self.seconds(), node, || format!("finalized epoch {epoch}"));
            }
            News::ChainReorg { depth, .. } => {
                self.totals.reorgs += 1;
                self.trace
                    .say(self.seconds(), node, || format!("reorg of depth {depth}"));
            }
            News::Attestation(_)
            | News::VoluntaryExit(_)
            | News::ProposerSlashing(_)
            | News::AttesterSlashing(_) => {}
        }
        Ok(())
    }

    /// The votes in a block that a node imported.
    fn count_votes_of_block(&mut self, node: NodeId, root: Root) -> Result<(), String> {
        let Some(block) = self.world.block(root)?.block.clone() else {
            return Ok(());
        };
        for attestation in &block.message.body.attestations {
            let indices = self.world.attesters(attestation)?;
            if let Some(live) = &mut self.nodes[node].live {
                live.votes.add(&attestation.data, indices);
            }
        }
        if let Some(live) = &mut self.nodes[node].live {
            for slashing in &block.message.body.attester_slashings {
                live.votes.equivocate_all(slashing);
            }
        }
        Ok(())
    }

    /// The votes of a message that a node accepted.
    fn count_votes(&mut self, node: NodeId, message: &GossipMessage) -> Result<(), String> {
        let attestation = match message {
            GossipMessage::Attestation(_, attestation) => attestation,
            GossipMessage::Aggregate(aggregate) => &aggregate.message.aggregate,
            GossipMessage::AttesterSlashing(slashing) => {
                if let Some(live) = &mut self.nodes[node].live {
                    live.votes.equivocate_all(slashing);
                }
                return Ok(());
            }
            _ => return Ok(()),
        };
        let indices = self.world.attesters(attestation)?;
        if let Some(live) = &mut self.nodes[node].live {
            live.votes.add(&attestation.data, indices);
        }
        Ok(())
    }

    fn verdict(&mut self, node: NodeId, token: Token, verdict: Verdict) -> Result<(), String> {
        let live = self.nodes[node].live.as_mut();
        let waiting = live.and_then(|live| live.tokens.take(token));
        match (waiting, verdict) {
            (Some(Waiting::Verdict(message)), Verdict::Accept) => {
                self.totals.accepted += 1;
                self.count_votes(node, &message)
            }
            (Some(Waiting::Verdict(_)), Verdict::Ignore(reason)) => {
                self.totals.ignored += 1;
                self.trace
                    .say(self.seconds(), node, || format!("ignored: {reason}"));
                Ok(())
            }
            (Some(Waiting::Verdict(message)), Verdict::Reject(_))
                if self.is_late_report(node, &message) =>
            {
                Ok(())
            }
            (Some(Waiting::Verdict(message)), Verdict::Reject(reason)) => Err(format!(
                "a valid message was rejected: {reason}: {message:?}"
            )),
            (other, _) => Err(format!("a verdict on {other:?}")),
        }
    }

    /// Whether a message reports offenders whom the node's chain has slashed already: the
    /// specification has it rejected.
    fn is_late_report(&self, node: NodeId, message: &GossipMessage) -> bool {
        let offenders = match message {
            GossipMessage::ProposerSlashing(slashing) => {
                vec![slashing.signed_header_1.message.proposer_index]
            }
            GossipMessage::AttesterSlashing(slashing) => {
                slashing.attestation_1.attesting_indices.to_vec()
            }
            _ => return false,
        };
        let Some(live) = &self.nodes[node].live else {
            return false;
        };
        let validators = live.snapshot.head.state.validators();
        let slashed = |index: &u64| validators.slashed(*index as usize) == Some(true);
        offenders.iter().all(slashed)
    }

    fn reply(
        &mut self,
        node: NodeId,
        token: Token,
        reply: Result<ApiReply, ApiError>,
    ) -> Result<(), String> {
        let live = self.nodes[node].live.as_mut();
        let Some(waiting) = live.and_then(|live| live.tokens.take(token)) else {
            return Err("an answer to no question".into());
        };
        match (waiting, reply) {
            (Waiting::Composed(validator, slot), Ok(ApiReply::Block(block))) => {
                self.composed(node, validator, slot, *block)
            }
            (Waiting::Aggregated(validator, slot), Ok(ApiReply::Aggregate(aggregate))) => {
                match aggregate {
                    Some(aggregate) => self.aggregated(node, validator, slot, *aggregate),
                    None => Ok(()),
                }
            }
            (Waiting::Submitted(messages), Ok(ApiReply::Accepted)) => {
                for message in &messages {
                    self.count_votes(node, message)?;
                }
                Ok(())
            }
            (Waiting::Reported(message), Ok(ApiReply::Accepted)) => {
                self.count_votes(node, &message)
            }
            (Waiting::Submitted(_), Ok(ApiReply::NotImported(_)))
            | (Waiting::Reported(_) | Waiting::Anything, _) => Ok(()),
            (Waiting::Submitted(messages), Err(ApiError::InvalidItems(_)))
                if messages.iter().all(|message| self.is_pruned(node, message)) =>
            {
                Ok(())
            }
            (_, Err(ApiError::Unavailable(why))) => {
                self.totals.unavailable += 1;
                self.trace
                    .say(self.seconds(), node, || format!("unavailable: {why}"));
                Ok(())
            }
            (waiting, reply) => Err(format!("{waiting:?} was answered by {reply:?}")),
        }
    }

    /// Whether a vote is for a block that the node has dropped since: its branch lost for good.
    fn is_pruned(&self, node: NodeId, message: &GossipMessage) -> bool {
        let data = match message {
            GossipMessage::Attestation(_, attestation) => &attestation.data,
            GossipMessage::Aggregate(aggregate) => &aggregate.message.aggregate.data,
            _ => return false,
        };
        let live = self.nodes[node].live.as_ref();
        live.is_some_and(|live| !live.snapshot.blocks.contains_key(&data.beacon_block_root))
    }

    /// Puts a call of the API into a node's inbox.
    pub(crate) fn call(
        &mut self,
        node: NodeId,
        waiting: Waiting,
        call: chain::ApiCall,
    ) -> Result<(), String> {
        let Some(live) = &mut self.nodes[node].live else {
            return Ok(());
        };
        let token = live.tokens.give(waiting);
        self.input(node, Input::Api(token, call))
    }
}
