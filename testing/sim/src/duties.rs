//! The validators: what honest ones do at which time of a slot, on their own node, with a slashing
//! protection that outlives it; and what the others do instead.

use crate::queue::{Event, NodeId, Waiting};
use crate::scenario::Faults;
use crate::simulation::{Options, Simulation, VALIDATORS};
use crate::world::state_for_duties;
use chain::{ApiCall, GossipMessage, Snapshot};
use chain_maker::Dice;
use consensus::helpers::*;
use consensus::validator_guide::{
    compute_new_state_root, compute_subnet_for_attestation, is_selected,
};
use consensus::*;
use ssz_types::VariableList;
use std::sync::Arc;

/// What each validator is like, and what it must not contradict.
pub(crate) struct Validators {
    silent: Vec<bool>,
    equivocating: Vec<bool>,
    /// Source and target epoch of the last attestation.
    attested: Vec<Option<(Epoch, Epoch)>>,
    proposed: Vec<Option<Slot>>,
}

impl Validators {
    /// Draws characters.
    pub(crate) fn new(options: &Options, faults: &Faults) -> Validators {
        let count = VALIDATORS as usize;
        let mut dice = Dice::of(options.seed, &[12]);
        let mut draw = |percent| (0..count).map(|_| dice.percent(percent)).collect();
        let silent: Vec<bool> = draw(faults.silent);
        let mut equivocating: Vec<bool> = draw(faults.equivocating);
        // Well below a third, or finality may rightly conflict or never come.
        let mut allowed = count / 4
            - silent
                .iter()
                .filter(|silent| **silent)
                .count()
                .min(count / 4);
        for one in &mut equivocating {
            *one = *one && allowed > 0;
            allowed -= usize::from(*one);
        }
        Validators {
            silent,
            equivocating,
            attested: vec![None; count],
            proposed: vec![None; count],
        }
    }

    fn may_attest(&mut self, validator: usize, data: &AttestationData) -> bool {
        let (source, target) = (data.source.epoch, data.target.epoch);
        let last = self.attested[validator];
        let allowed = last
            .is_none_or(|(last_source, last_target)| target > last_target && source >= last_source);
        if allowed {
            self.attested[validator] = Some((source, target));
        }
        allowed
    }
}

impl Simulation {
    fn owner(&self, validator: ValidatorIndex) -> NodeId {
        validator as usize % self.nodes.len()
    }

    fn signing_root(&self, object: &impl HashTreeRoot, domain: DomainType, epoch: Epoch) -> Root {
        compute_signing_root(object, get_domain(&self.genesis, domain, Some(epoch)))
    }

    fn epoch_of(&self, slot: Slot) -> Epoch {
        compute_epoch_at_slot(slot, &self.spec)
    }

    /// What a node shows, and its head's state in the epoch of `slot`; `None` if the node does not
    /// run or sees a head beyond the slot.
    fn view(
        &self,
        node: NodeId,
        slot: Slot,
    ) -> Result<Option<(Arc<Snapshot>, BeaconState)>, String> {
        let Some(live) = &self.nodes[node].live else {
            return Ok(None);
        };
        let snapshot = live.snapshot.clone();
        if snapshot.head.slot > slot {
            return Ok(None);
        }
        let from = match self.epoch_of(snapshot.head.duties_state.slot()) > self.epoch_of(slot) {
            true => &snapshot.head.state,
            false => &snapshot.head.duties_state,
        };
        let state = state_for_duties(from, slot)?;
        Ok(Some((snapshot, state)))
    }

    /// At the start of a slot: whoever is its proposer asks for a block.
    pub(crate) fn propose(&mut self, node: NodeId, slot: Slot) -> Result<(), String> {
        let Some((snapshot, mut state)) = self.view(node, slot)? else {
            return Ok(());
        };
        if snapshot.head.slot >= slot {
            return Ok(());
        }
        state.set_slot(slot);
        let proposer = get_beacon_proposer_index(&state).map_err(|error| error.to_string())?;
        let at = proposer as usize;
        let slashed = state.validators().slashed(at) != Some(false);
        let done = self.validators.proposed[at] >= Some(slot);
        if self.owner(proposer) != node || self.validators.silent[at] || slashed || done {
            return Ok(());
        }
        let epoch = self.epoch_of(slot);
        let message = self.signing_root(&epoch, DOMAIN_RANDAO, epoch);
        let call = ApiCall::ProduceBlock {
            slot,
            randao_reveal: self.keys.sign(proposer, message),
            graffiti: Root::with_last_byte(node as u8),
            eth1_data: None,
        };
        self.call(node, Waiting::Composed(proposer, slot), call)
    }

    /// A block was composed: it is signed now or later.
    pub(crate) fn composed(
        &mut self,
        node: NodeId,
        validator: ValidatorIndex,
        slot: Slot,
        block: BeaconBlock,
    ) -> Result<(), String> {
        if block.slot != slot {
            return Err(format!("a block of another slot: {block:?}"));
        }
        // Another branch became the head meanwhile: somebody else proposes there.
        if block.proposer_index != validator {
            return Ok(());
        }
        if self.validators.proposed[validator as usize] >= Some(slot) {
            return Ok(());
        }
        self.validators.proposed[validator as usize] = Some(slot);
        let (percent, delay) = self.faults_now().late;
        if self.dice.percent(percent) {
            let at = self.now + self.within(&delay);
            self.plan(at, node, Event::Submit(validator, Box::new(block)));
            return Ok(());
        }
        self.submit_block(node, validator, block)
    }

    fn sign_block(&self, block: BeaconBlock) -> Arc<SignedBeaconBlock> {
        let epoch = self.epoch_of(block.slot);
        let message = self.signing_root(&block.header(), DOMAIN_BEACON_PROPOSER, epoch);
        Arc::new(SignedBeaconBlock {
            signature: self.keys.sign(block.proposer_index, message),
            message: block,
        })
    }

    /// Signs a block and hands it to the proposer's node.
    pub(crate) fn submit_block(
        &mut self,
        node: NodeId,
        validator: ValidatorIndex,
        block: BeaconBlock,
    ) -> Result<(), String> {
        let signed = self.sign_block(block);
        let root = self.world.add_block(&signed)?;
        self.totals.blocks += 1;
        self.trace.root(root);
        let slot = signed.message.slot;
        self.trace.say(self.seconds(), node, || {
            format!("proposes {root} of slot {slot}")
        });
        if self.validators.equivocating[validator as usize] {
            self.propose_twice(node, &signed)?;
        }
        let waiting = Waiting::Submitted(vec![GossipMessage::Block(signed.clone())]);
        self.call(node, waiting, ApiCall::SubmitBlock(signed))
    }

    /// A second block of the same slot, for some of the nodes.
    fn propose_twice(&mut self, node: NodeId, first: &SignedBeaconBlock) -> Result<(), String> {
        let mut block = first.message.clone();
        block.body.graffiti = Root::repeat_byte(0x2b);
        let parent = self.world.block(block.parent_root)?;
        let verifier = self.scheme.verifier();
        block.state_root = compute_new_state_root(&parent.state, &block, &*verifier)
            .map_err(|error| error.to_string())?;
        let second = self.sign_block(block);
        self.world.add_block(&second)?;
        let others = (0..self.nodes.len()).filter(|&to| to != node);
        let to: Vec<_> = others.filter(|_| self.dice.percent(50)).collect();
        let at = self.now + self.dice.below(400);
        self.plan(at, node, Event::Send(second.clone(), to));
        if self.dice.percent(50) {
            let header = |signed: &SignedBeaconBlock| SignedBeaconBlockHeader {
                message: signed.message.header(),
                signature: signed.signature,
            };
            let slashing = ProposerSlashing {
                signed_header_1: header(first),
                signed_header_2: header(&second),
            };
            let reporter = self.dice.below(self.nodes.len() as u64) as usize;
            let call = ApiCall::SubmitProposerSlashing(slashing);
            self.call(reporter, Waiting::Anything, call)?;
        }
        Ok(())
    }

    /// At a third of a slot: the node's members of the slot's committees attest.
    pub(crate) fn attest(&mut self, node: NodeId, slot: Slot) -> Result<(), String> {
        let Some((snapshot, state)) = self.view(node, slot)? else {
            return Ok(());
        };
        let epoch = self.epoch_of(slot);
        let shuffling = state.shuffling(epoch).map_err(|error| error.to_string())?;
        let target = target_root(&snapshot, epoch)?;
        let mut attestations = Vec::new();
        for index in 0..shuffling.committees_per_slot() {
            let data = AttestationData {
                slot,
                index,
                beacon_block_root: snapshot.head.root,
                source: state.current_justified_checkpoint(),
                target: Checkpoint {
                    epoch,
                    root: target,
                },
            };
            let committee = shuffling.committee(slot, index).unwrap_or_default();
            for (position, &validator) in committee.iter().enumerate() {
                let at = validator as usize;
                let slashed = state.validators().slashed(at) != Some(false);
                let own = self.owner(validator.into()) == node;
                if !own || self.validators.silent[at] || slashed {
                    continue;
                }
                if !self.validators.may_attest(at, &data) {
                    continue;
                }
                let one = self.sign_attestation(data, validator.into(), position, committee.len());
                if self.validators.equivocating[at] {
                    self.attest_twice(node, &snapshot, &one, validator.into(), committee.len())?;
                }
                attestations.push(one);
                if let Some(live) = &mut self.nodes[node].live {
                    live.attested
                        .insert((slot, index), (data, validator.into()));
                }
            }
        }
        if attestations.is_empty() {
            return Ok(());
        }
        let messages = attestations.iter().cloned().map(Arc::new);
        let messages = messages
            .map(|one| GossipMessage::Attestation(0, one))
            .collect();
        let call = ApiCall::SubmitAttestations(attestations);
        self.call(node, Waiting::Submitted(messages), call)
    }

    fn sign_attestation(
        &self,
        data: AttestationData,
        validator: ValidatorIndex,
        position: usize,
        committee: usize,
    ) -> Attestation {
        let mut bits = AggregationBits::with_capacity(committee).expect("a small committee");
        bits.set(position, true).expect("a member's position");
        let message = self.signing_root(&data, DOMAIN_BEACON_ATTESTER, data.target.epoch);
        Attestation {
            aggregation_bits: bits,
            data,
            signature: self.keys.sign(validator, message),
        }
    }

    /// A second vote for the same target, for some of the nodes.
    fn attest_twice(
        &mut self,
        node: NodeId,
        snapshot: &Snapshot,
        first: &Attestation,
        validator: ValidatorIndex,
        committee: usize,
    ) -> Result<(), String> {
        let head = self.world.block(snapshot.head.root)?;
        let epoch_start = first.data.target.epoch * self.spec.SLOTS_PER_EPOCH;
        // The parent has the same target only if it is of the same epoch.
        if head.slot <= epoch_start || self.world.block(head.parent)?.slot < epoch_start {
            return Ok(());
        }
        let data = AttestationData {
            beacon_block_root: head.parent,
            ..first.data
        };
        let position = first.aggregation_bits.iter().position(|bit| bit);
        let position = position.expect("one bit is set");
        let second = self.sign_attestation(data, validator, position, committee);
        let committees = self.world.checkpoint_state(data.target)?;
        let committees = get_committee_count_per_slot(committees, data.target.epoch)
            .map_err(|error| error.to_string())?;
        let subnet = compute_subnet_for_attestation(committees, data.slot, data.index, &self.spec);
        let message = GossipMessage::Attestation(subnet, Arc::new(second.clone()));
        for to in (0..self.nodes.len()).filter(|&to| to != node) {
            if self.dice.percent(50) {
                self.send(node, to, &message);
            }
        }
        if self.dice.percent(20) {
            let indexed = |attestation: &Attestation| IndexedAttestation {
                attesting_indices: VariableList::try_from(vec![validator]).expect("one index"),
                data: attestation.data,
                signature: attestation.signature,
            };
            let slashing = AttesterSlashing {
                attestation_1: indexed(first),
                attestation_2: indexed(&second),
            };
            let reporter = self.dice.below(self.nodes.len() as u64) as usize;
            let message = GossipMessage::AttesterSlashing(Arc::new(slashing.clone()));
            let call = ApiCall::SubmitAttesterSlashing(slashing);
            self.call(reporter, Waiting::Reported(message), call)?;
        }
        Ok(())
    }

    /// At two thirds of a slot: one member of each committee asks for the aggregate.
    pub(crate) fn aggregate(&mut self, node: NodeId, slot: Slot) -> Result<(), String> {
        let Some(live) = &mut self.nodes[node].live else {
            return Ok(());
        };
        let due: Vec<_> = live.attested.range((slot, 0)..(slot + 1, 0)).collect();
        let due: Vec<_> = due.into_iter().map(|(_, attested)| *attested).collect();
        live.attested = live.attested.split_off(&(slot, 0));
        for (data, validator) in due {
            let call = ApiCall::AggregateAttestation {
                data_root: data.hash_tree_root(),
                slot,
            };
            self.call(node, Waiting::Aggregated(validator, slot), call)?;
        }
        Ok(())
    }

    /// An aggregate was found: its aggregator signs it.
    pub(crate) fn aggregated(
        &mut self,
        node: NodeId,
        validator: ValidatorIndex,
        slot: Slot,
        aggregate: Attestation,
    ) -> Result<(), String> {
        let epoch = self.epoch_of(slot);
        let message = self.signing_root(&slot, DOMAIN_SELECTION_PROOF, epoch);
        let selection_proof = self.keys.sign(validator, message);
        if !is_selected(aggregate.aggregation_bits.len(), &selection_proof) {
            return Ok(());
        }
        let message = AggregateAndProof {
            aggregator_index: validator,
            aggregate,
            selection_proof,
        };
        let root = self.signing_root(&message, DOMAIN_AGGREGATE_AND_PROOF, epoch);
        let signed = SignedAggregateAndProof {
            signature: self.keys.sign(validator, root),
            message,
        };
        let message = GossipMessage::Aggregate(Arc::new(signed.clone()));
        let call = ApiCall::SubmitAggregates(vec![signed]);
        self.call(node, Waiting::Submitted(vec![message]), call)
    }
}

/// The block that attesters of an epoch on this head have as their target.
fn target_root(snapshot: &Snapshot, epoch: Epoch) -> Result<Root, String> {
    let start = epoch * snapshot.spec.SLOTS_PER_EPOCH;
    if snapshot.head.slot <= start {
        return Ok(snapshot.head.root);
    }
    get_block_root(&snapshot.head.state, epoch).map_err(|error| error.to_string())
}
