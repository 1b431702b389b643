//! Messages other than blocks, and the calls of the local API.

use super::Chain;
use super::arrivals::Origin;
use super::jobs::Running;
use crate::gossip::{Seen, View};
use crate::job::{Composition, Work};
use crate::messages::{MessageOutcome, Messages, Out};
use crate::production::BlockRequest;
use crate::{ApiCall, ApiError, Class, Effect, Input, Notice, Token};
use consensus::helpers::compute_epoch_at_slot;
use consensus::*;

/// Slots after the head's latest state for which a block is composed: advancing over more takes too long for a
/// proposer.
const MAX_PRODUCTION_GAP: u64 = 2_048;

/// The view of the rules on the core, beside the borrowed messages.
macro_rules! view {
    ($chain:expr) => {{
        let epoch = compute_epoch_at_slot($chain.store.get_current_slot(), &$chain.spec);
        let advanced = $chain.states.latest_checkpoint($chain.head, epoch);
        View {
            now: $chain.now,
            fork_choice: &$chain.store,
            finalized: $chain.store.finalized_checkpoint(),
            head_root: $chain.head,
            head_state: advanced.map_or(&$chain.head_state, |(_, state)| state),
            states: &$chain.states,
            invalid: &$chain.invalid,
        }
    }};
}

impl Chain {
    /// What the rules on blocks look at.
    pub(super) fn view(&self) -> (View<'_>, &Seen) {
        (view!(self), self.messages.seen())
    }

    /// Lets the messages do something, and carries out what comes of it.
    fn with_messages(
        &mut self,
        effects: &mut Vec<Effect>,
        act: impl FnOnce(&mut Messages, &View<'_>, &mut Out),
    ) {
        let mut out = Out::default();
        act(&mut self.messages, &view!(self), &mut out);
        self.carry_out(out, effects);
    }

    pub(super) fn on_message(&mut self, input: Input, effects: &mut Vec<Effect>) {
        self.with_messages(effects, |messages, view, out| match input {
            Input::GossipAttestation(token, subnet, message) => {
                messages.receive_attestation(view, token, subnet, message, out);
            }
            Input::GossipAggregate(token, message) => {
                messages.receive_aggregate(view, token, message, out);
            }
            Input::GossipProposerSlashing(token, message) => {
                messages.receive_proposer_slashing(view, token, message, out);
            }
            Input::GossipAttesterSlashing(token, message) => {
                messages.receive_attester_slashing(view, token, message, out);
            }
            Input::GossipVoluntaryExit(token, message) => {
                messages.receive_voluntary_exit(view, token, message, out);
            }
            _ => {}
        });
    }

    pub(super) fn message_tick(&mut self, effects: &mut Vec<Effect>) {
        self.with_messages(effects, Messages::tick);
    }

    pub(super) fn message_outcome(&mut self, outcome: MessageOutcome, effects: &mut Vec<Effect>) {
        self.with_messages(effects, |messages, view, out| {
            messages.on_outcome(view, outcome, out);
        });
    }

    pub(super) fn message_block(
        &mut self,
        root: Root,
        block: &BeaconBlock,
        effects: &mut Vec<Effect>,
    ) {
        self.with_messages(effects, |messages, view, out| {
            messages.on_block_imported(view, root, block, out);
        });
    }

    pub(super) fn message_invalid(&mut self, root: Root, effects: &mut Vec<Effect>) {
        self.with_messages(effects, |messages, view, out| {
            messages.on_block_invalid(view, root, out);
        });
    }

    /// Tells the messages of a state they asked for: it is in memory now, or cannot be had.
    pub(super) fn message_state(
        &mut self,
        checkpoint: Checkpoint,
        is_there: bool,
        effects: &mut Vec<Effect>,
    ) {
        if self.states_wanted.remove(&checkpoint) {
            self.with_messages(effects, |messages, view, out| {
                messages.on_state(view, checkpoint, is_there, out);
            });
        }
    }

    fn carry_out(&mut self, out: Out, effects: &mut Vec<Effect>) {
        effects.extend(out.effects);
        for job in out.jobs {
            self.run(
                Class::Import,
                Work::Messages(job),
                Running::Messages,
                effects,
            );
        }
        for vote in out.votes {
            // The rules have changed their mind since: a vote for a block that was pruned.
            let _ = self.store.on_attestation(&vote.data, &vote.indices, false);
        }
        for slashing in out.slashings {
            self.slash(&slashing, effects);
        }
        for root in out.blocks_wanted {
            if !self.arrivals.is_in_flight(root) && !self.invalid.contains(root) {
                effects.push(Effect::RequestBlock(root));
            }
        }
        for checkpoint in out.states_wanted {
            self.states_wanted.insert(checkpoint);
            if self.states.checkpoint(checkpoint).is_some() {
                self.message_state(checkpoint, true, effects);
            } else if !self.request_checkpoint(Class::Background, checkpoint, effects) {
                self.message_state(checkpoint, false, effects);
            }
        }
    }

    /// Takes the votes of validators out that contradicted themselves.
    pub(super) fn slash(&mut self, slashing: &AttesterSlashing, effects: &mut Vec<Effect>) {
        let before: Vec<_> = self.store.equivocating_indices().collect();
        if self.store.on_attester_slashing(slashing).is_err() {
            return;
        }
        let all = self.store.equivocating_indices();
        let news: Vec<_> = all
            .filter(|index| before.binary_search(index).is_err())
            .collect();
        if !news.is_empty() {
            effects.push(Effect::Notice(Notice::AttesterSlashed(news)));
        }
    }

    pub(super) fn on_api(&mut self, token: Token, call: ApiCall, effects: &mut Vec<Effect>) {
        let mut rest = None;
        self.with_messages(effects, |messages, view, out| {
            rest = messages.on_api(view, token, call, out);
        });
        match rest {
            Some(ApiCall::SubmitBlock(block)) => {
                self.consider(Origin::Api(token), block, effects);
            }
            Some(ApiCall::ProduceBlock {
                slot,
                randao_reveal,
                graffiti,
                eth1_data,
            }) => {
                let request = BlockRequest {
                    randao_reveal,
                    graffiti,
                    eth1_data,
                };
                if let Err(why) = self.produce(token, slot, request, effects) {
                    let error = Err(ApiError::Unavailable(why.to_owned()));
                    effects.push(Effect::Reply(token, error));
                }
            }
            _ => {}
        }
    }

    fn produce(
        &mut self,
        token: Token,
        slot: Slot,
        request: BlockRequest,
        effects: &mut Vec<Effect>,
    ) -> Result<(), &'static str> {
        let clock = self.store.get_current_slot();
        if slot >= self.phase_end() {
            return Err("phase 0 of this network has ended before this slot");
        }
        if slot > clock.saturating_add(1) {
            return Err("the slot is too far in the future");
        }
        let Some(head) = self.blocks.get(self.head) else {
            return Err("the head is not known");
        };
        if slot <= head.row.slot {
            return Err("the slot is not after the head's");
        }
        let epoch = compute_epoch_at_slot(slot, &self.spec);
        let advanced = self.states.latest_checkpoint(self.head, epoch);
        let from = advanced.map_or(0, |(_, state)| state.slot());
        if slot.saturating_sub(from.max(head.row.slot)) > MAX_PRODUCTION_GAP {
            return Err("the head is too far behind: this node is syncing");
        }
        let source = self.state_before(self.head, slot);
        let parts = Composition {
            source: source.ok_or("the head's state is not at hand")?,
            slot,
            ingredients: self.messages.ingredients(),
            request,
        };
        let work = Work::Produce(Box::new(parts));
        self.run(Class::Import, work, Running::Produce(token), effects);
        Ok(())
    }
}
