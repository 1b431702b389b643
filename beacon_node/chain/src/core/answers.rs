//! What those hear who wait for a block's verdict.

use super::Chain;
use super::arrivals::{BUSY, Incoming, KNOWN, Origin, Waiting};
use super::commits::Afterwards;
use crate::gossip::Verdict;
use crate::{ApiError, ApiReply, BatchError, BatchResult, Effect, GossipMessage, Token};
use consensus::SignedBeaconBlock;
use std::sync::Arc;

impl Chain {
    /// Answers for what makes way.
    pub(super) fn refuse(&mut self, dropped: Vec<Waiting>, effects: &mut Vec<Effect>) {
        for waiting in dropped {
            match waiting {
                Waiting::Block(incoming) => {
                    self.answer(&incoming, Verdict::Ignore(BUSY), effects);
                }
                Waiting::Batch(token, imported, _) => {
                    let error = Some(BatchError::Limit(BUSY.to_owned()));
                    let result = BatchResult { imported, error };
                    self.pending.answers.push(Effect::BatchDone(token, result));
                }
            }
        }
    }

    /// Tells who waits for a verdict; accepted blocks are answered elsewhere.
    pub(super) fn answer(
        &mut self,
        incoming: &Incoming,
        verdict: Verdict,
        effects: &mut Vec<Effect>,
    ) {
        match (incoming.origin, verdict) {
            (Origin::Gossip(token), verdict) => effects.push(Effect::Verdict(token, verdict)),
            (Origin::Api(token), Verdict::Reject(why)) => {
                let error = Err(ApiError::Invalid(why.to_owned()));
                effects.push(Effect::Reply(token, error));
            }
            (Origin::Api(token), Verdict::Ignore(why)) => {
                let error = Err(ApiError::Unavailable(why.to_owned()));
                effects.push(Effect::Reply(token, error));
            }
            (Origin::Api(_), Verdict::Accept) | (Origin::Delayed | Origin::Requested, _) => {}
        }
    }

    /// Answers for a block that is in already. One of this node's own is sent once more: nobody may
    /// have heard it the first time.
    pub(super) fn answer_known(&mut self, incoming: &Incoming, effects: &mut Vec<Effect>) {
        let Origin::Api(token) = incoming.origin else {
            return self.answer(incoming, Verdict::Ignore(KNOWN), effects);
        };
        // The copy that was verified.
        let entry = self.blocks.get(incoming.root);
        match entry.and_then(|entry| entry.block.clone()) {
            Some(block) if self.commits.is_durable() => {
                effects.push(Effect::Broadcast(GossipMessage::Block(block)));
                effects.push(Effect::Reply(token, Ok(ApiReply::Accepted)));
            }
            Some(block) => self.publish_later(token, block),
            // Of a time that is over.
            None => effects.push(Effect::Reply(token, Ok(ApiReply::Accepted))),
        }
    }

    /// A submitted block is in: it is sent to everyone once it cannot be lost.
    pub(super) fn publish_when_durable(&mut self, incoming: &Incoming) {
        if let Origin::Api(token) = incoming.origin {
            self.publish_later(token, Arc::clone(&incoming.block));
        }
    }

    fn publish_later(&mut self, token: Token, block: Arc<SignedBeaconBlock>) {
        self.commits.open.durable = true;
        self.commits.afterwards(Afterwards::Publish(token, block));
    }
}
