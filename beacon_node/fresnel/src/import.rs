//! Verification of a chain block by block: the state transition, then the fork choice.

use consensus::helpers::*;
use consensus::transition::{
    SignatureMode, Signatures, process_slots, state_transition, verify_block_signature,
};
use consensus::*;
use fork_choice::{JustifiedBalances, Store, get_forkchoice_store};
use std::collections::{BTreeMap, VecDeque};

/// Most states kept at once. Finality keeps them to a few epochs; without it the oldest are dropped,
/// and a branch that starts from one of those cannot be followed.
const MAX_STATES: usize = 2_048;
/// Most states of checkpoints kept at once.
const MAX_CHECKPOINT_STATES: usize = 8;
/// Most slots that a block can be after its parent: advancing over more takes hours.
const MAX_GAP: u64 = 65_536;
/// From so many slots after its parent on, a block's signature is verified before anything else:
/// a damaged slot number would otherwise cost minutes before it is noticed.
const LONG_GAP: u64 = 256;

/// Why a block was not imported.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// Its parent has not been seen, or does not descend from the finalized block.
    UnknownParent(Root),
    /// Its parent's state has been dropped.
    StateDropped(Root),
    /// Its slot is too far after its parent's.
    Gap(u64),
    /// It is a block of slot 0, but not the genesis block.
    NotGenesis,
    /// It is not after this finalized slot, and not the finalized block.
    Finalized(Slot),
    /// The state transition refused it.
    Transition(consensus::Error),
    /// The fork choice refused it.
    ForkChoice(fork_choice::Error),
}

impl From<consensus::Error> for Refusal {
    fn from(error: consensus::Error) -> Refusal {
        Refusal::Transition(error)
    }
}

impl From<fork_choice::Error> for Refusal {
    fn from(error: fork_choice::Error) -> Refusal {
        match error {
            fork_choice::Error::UnknownParent(parent) => Refusal::UnknownParent(parent),
            error => Refusal::ForkChoice(error),
        }
    }
}

/// What has been imported.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    /// New blocks.
    pub(crate) blocks: u64,
    /// Blocks that were known already.
    pub(crate) known: u64,
    /// Attestations in blocks.
    pub(crate) attestations: u64,
    /// Attestations in blocks that the fork choice does not count: to unknown or contradictory
    /// blocks.
    pub(crate) not_counted: u64,
    /// Deposits in blocks.
    pub(crate) deposits: u64,
    /// Exits in blocks.
    pub(crate) exits: u64,
    /// Slashings in blocks.
    pub(crate) slashings: u64,
    /// Highest slot of a block.
    pub(crate) highest_slot: Slot,
}

/// Finds every signature good, for signatures that were verified in the block or are not wanted.
struct Trusting;

impl Verifier for Trusting {
    fn verify_sets(&self, _sets: &[SignatureSet]) -> Result<(), usize> {
        Ok(())
    }
}

/// A chain under verification, from its genesis on.
pub(crate) struct Importer {
    store: Store,
    states: BTreeMap<Root, BeaconState>,
    /// Blocks in order of import, for dropping the oldest states.
    order: VecDeque<Root>,
    checkpoint_states: BTreeMap<Checkpoint, BeaconState>,
    verifier: Bls,
    verify_signatures: bool,
    max_states: usize,
    counts: Counts,
}

impl Importer {
    /// Starts from a genesis state. Without `verify_signatures`, only those inside deposits are
    /// verified, since they decide who becomes a validator.
    pub(crate) fn new(
        genesis: BeaconState,
        verifier: Bls,
        verify_signatures: bool,
    ) -> Result<Importer, Refusal> {
        let block = genesis::genesis_block(&genesis);
        let store = get_forkchoice_store(&genesis, &block)?;
        let root = store.finalized_checkpoint().root;
        Ok(Importer {
            store,
            states: BTreeMap::from([(root, genesis)]),
            order: VecDeque::from([root]),
            checkpoint_states: BTreeMap::new(),
            verifier,
            verify_signatures,
            max_states: MAX_STATES,
            counts: Counts::default(),
        })
    }

    /// What has been imported so far.
    pub(crate) fn counts(&self) -> Counts {
        self.counts
    }

    /// The fork choice.
    pub(crate) fn store(&self) -> &Store {
        &self.store
    }

    /// The head by fork choice, and the state after it.
    pub(crate) fn head(&mut self) -> Result<(Root, &BeaconState), Refusal> {
        let root = self.store.get_head()?;
        match self.states.get(&root) {
            Some(state) => Ok((root, state)),
            None => Err(Refusal::StateDropped(root)),
        }
    }

    /// Verifies a block and takes it into the fork choice. A known block changes nothing.
    pub(crate) fn import(&mut self, block: &SignedBeaconBlock) -> Result<(), Refusal> {
        let message = &block.message;
        if self.is_known(message)? {
            self.counts.known += 1;
            return Ok(());
        }
        let state = self.transition(block)?;
        let root = self.store.on_block(message, &state)?;
        self.take_attestations(message, root, &state);
        self.take_slashings(message);
        self.states.insert(root, state);
        self.order.push_back(root);
        self.refresh_balances()?;
        self.drop_old_states();
        self.count(message);
        Ok(())
    }

    /// Only blocks that are not newer than all others can be known: all others need not be hashed
    /// for the question. Of those before the finalized block, none is known any more.
    fn is_known(&self, block: &BeaconBlock) -> Result<bool, Refusal> {
        if block.slot > self.counts.highest_slot {
            return Ok(false);
        }
        if self.store.contains_block(block.hash_tree_root()) {
            return Ok(true);
        }
        let finalized = self.store.finalized_checkpoint().epoch;
        let finalized = compute_start_slot_at_epoch(finalized, self.store.spec())?;
        match block.slot {
            GENESIS_SLOT if finalized == GENESIS_SLOT => Err(Refusal::NotGenesis),
            slot if slot <= finalized => Err(Refusal::Finalized(finalized)),
            _ => Ok(false),
        }
    }

    /// The state after the block, with everything verified.
    fn transition(&mut self, block: &SignedBeaconBlock) -> Result<BeaconState, Refusal> {
        let message = &block.message;
        let Some(parent) = self.store.node(message.parent_root) else {
            return Err(Refusal::UnknownParent(message.parent_root));
        };
        let gap = message.slot.saturating_sub(parent.facts().slot);
        if gap > MAX_GAP {
            return Err(Refusal::Gap(gap));
        }
        let Some(parent_state) = self.states.get(&message.parent_root) else {
            return Err(Refusal::StateDropped(message.parent_root));
        };
        if gap > LONG_GAP && self.verify_signatures {
            verify_block_signature(parent_state, block, &self.verifier)?;
        }
        let mut state = parent_state.clone();
        self.tick(message.slot)?;
        self.store.check_block(message.slot, message.parent_root)?;
        let mode = match self.verify_signatures {
            true => SignatureMode::Bulk,
            false => SignatureMode::Skip,
        };
        let mut signatures = Signatures::new(mode, &self.verifier);
        state_transition(&mut state, block, &mut signatures, true)?;
        Ok(state)
    }

    /// Moves the fork choice's clock to the start of a slot, never back.
    fn tick(&mut self, slot: Slot) -> Result<(), Refusal> {
        let milliseconds = slot.checked_mul(self.store.spec().SLOT_DURATION_MS);
        let time = milliseconds
            .and_then(|milliseconds| {
                let seconds = milliseconds.div_ceil(1000);
                self.store.genesis_time().checked_add(seconds)
            })
            .ok_or(consensus::Error::Overflow)?;
        if time > self.store.time() {
            self.store.on_tick(time)?;
            self.refresh_balances()?;
        }
        Ok(())
    }

    /// Counts the votes in a block. The specification drops a vote that does not fit the known
    /// blocks, and so does this.
    fn take_attestations(&mut self, block: &BeaconBlock, root: Root, state: &BeaconState) {
        for attestation in &block.body.attestations {
            self.counts.attestations += 1;
            if self.take_attestation(attestation, root, state).is_err() {
                self.counts.not_counted += 1;
            }
        }
    }

    fn take_attestation(
        &mut self,
        attestation: &Attestation,
        root: Root,
        state: &BeaconState,
    ) -> Result<(), Refusal> {
        let data = &attestation.data;
        self.store.validate_on_attestation(data, true)?;
        let target = data.target;
        let own_target = self.store.get_checkpoint_block(root, target.epoch)?;
        let indices = if own_target == target.root {
            // The block's own state has the target's committees and keys, and the transition has
            // verified the signature against them.
            get_attesting_indices(state, data, &attestation.aggregation_bits)?
        } else {
            self.keep_checkpoint_state(target)?;
            let state = &self.checkpoint_states[&target];
            let indexed = get_indexed_attestation(state, attestation)?;
            is_valid_indexed_attestation(state, &indexed, self.vote_verifier())?;
            indexed.attesting_indices.to_vec()
        };
        Ok(self.store.on_attestation(data, &indices, true)?)
    }

    /// Takes the votes of provably contradictory validators out.
    fn take_slashings(&mut self, block: &BeaconBlock) {
        for slashing in &block.body.attester_slashings {
            let justified = self.store.justified_checkpoint().root;
            let Some(state) = self.states.get(&justified) else {
                continue;
            };
            let is_valid = [&slashing.attestation_1, &slashing.attestation_2]
                .iter()
                .all(|one| is_valid_indexed_attestation(state, one, self.vote_verifier()).is_ok());
            // The transition has found the two contradictory already.
            if is_valid && self.store.on_attester_slashing(slashing).is_err() {
                self.counts.not_counted += 1;
            }
        }
    }

    fn vote_verifier(&self) -> &dyn Verifier {
        match self.verify_signatures {
            true => &self.verifier,
            false => &Trusting,
        }
    }

    fn refresh_balances(&mut self) -> Result<(), Refusal> {
        if let Some(checkpoint) = self.store.justified_balances_needed() {
            self.keep_checkpoint_state(checkpoint)?;
            let balances = JustifiedBalances::from_state(&self.checkpoint_states[&checkpoint])?;
            self.store.set_justified_balances(checkpoint, balances)?;
        }
        Ok(())
    }

    /// `fork-choice.md#store_target_checkpoint_state`
    fn keep_checkpoint_state(&mut self, checkpoint: Checkpoint) -> Result<(), Refusal> {
        if self.checkpoint_states.contains_key(&checkpoint) {
            return Ok(());
        }
        let Some(state) = self.states.get(&checkpoint.root) else {
            return Err(Refusal::StateDropped(checkpoint.root));
        };
        let mut state = state.clone();
        let start = compute_start_slot_at_epoch(checkpoint.epoch, state.spec())?;
        if state.slot() < start {
            process_slots(&mut state, start)?;
        }
        if self.checkpoint_states.len() >= MAX_CHECKPOINT_STATES {
            self.checkpoint_states.pop_first();
        }
        self.checkpoint_states.insert(checkpoint, state);
        Ok(())
    }

    fn drop_old_states(&mut self) {
        let dropped = self.store.prune();
        if !dropped.is_empty() {
            for root in &dropped {
                self.states.remove(root);
            }
            self.order.retain(|root| self.states.contains_key(root));
            let finalized = self.store.finalized_checkpoint().epoch;
            self.checkpoint_states
                .retain(|checkpoint, _| checkpoint.epoch >= finalized);
        }
        let needed = [
            self.store.justified_checkpoint().root,
            self.store.finalized_checkpoint().root,
            self.store.unrealized_justified_checkpoint().root,
        ];
        while self.states.len() > self.max_states {
            match self.order.pop_front() {
                Some(root) if needed.contains(&root) => self.order.push_back(root),
                Some(root) => drop(self.states.remove(&root)),
                None => break,
            }
        }
    }

    fn count(&mut self, block: &BeaconBlock) {
        let (body, counts) = (&block.body, &mut self.counts);
        counts.blocks += 1;
        counts.highest_slot = counts.highest_slot.max(block.slot);
        counts.deposits += body.deposits.len() as u64;
        counts.exits += body.voluntary_exits.len() as u64;
        counts.slashings += (body.proposer_slashings.len() + body.attester_slashings.len()) as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chain_maker::{BlockOptions, ChainMaker, Made};
    use std::sync::Arc;

    fn maker() -> ChainMaker {
        ChainMaker::new(&Arc::new(Spec::minimal()), 64, 1, &Pool::new(1)).unwrap()
    }

    fn importer(maker: &ChainMaker) -> Importer {
        let bls = Bls::new(Pool::new(1), [3; 32]);
        Importer::new(maker.genesis().clone(), bls, true).unwrap()
    }

    fn next(maker: &mut ChainMaker, slot: Slot) -> Made {
        maker.block_at(slot, &BlockOptions::default()).unwrap()
    }

    #[test]
    fn votes_for_the_target_of_another_branch_are_counted() {
        let mut maker = maker();
        let mut importer = importer(&maker);
        for slot in 1..8 {
            importer.import(&next(&mut maker, slot).block).unwrap();
        }
        // The side branch alone has a block at the epoch's first slot: it has its own target.
        let fork = maker.head();
        let side = maker.block_on(fork, 8, &BlockOptions::default()).unwrap();
        maker.split_slot(8, side.root);
        let block = next(&mut maker, 9).block;
        let aside = block.message.body.attestations.iter();
        let aside = aside
            .filter(|one| one.data.target.root == side.root)
            .count();
        assert!(aside > 0, "nobody attested to the side branch");
        importer.import(&side.block).unwrap();
        importer.import(&block).unwrap();
        assert_eq!(importer.counts().not_counted, 0);
        let votes = (0..64).filter(|&index| {
            let message = importer.store().latest_message(index);
            message.is_some_and(|message| message.root == Some(side.root))
        });
        assert!(votes.count() > 0, "no vote for the side branch was counted");
    }

    #[test]
    fn equivocating_validators_do_not_count() {
        let mut maker = maker();
        let mut importer = importer(&maker);
        importer.import(&next(&mut maker, 1).block).unwrap();
        let state = maker.state_at(maker.head(), 2).unwrap();
        let slashing = maker.attester_slashing(&state, &[5, 9]).unwrap();
        let options = BlockOptions {
            attester_slashings: vec![slashing],
            ..BlockOptions::default()
        };
        importer
            .import(&maker.block_at(2, &options).unwrap().block)
            .unwrap();
        let equivocating: Vec<_> = importer.store().equivocating_indices().collect();
        assert_eq!(equivocating, [5, 9]);
    }

    #[test]
    fn finality_prunes_and_old_blocks_are_refused_as_such() {
        let mut maker = maker();
        let mut importer = importer(&maker);
        let blocks: Vec<_> = (1..=48).map(|slot| next(&mut maker, slot).block).collect();
        for block in &blocks {
            importer.import(block).unwrap();
        }
        assert!(importer.store().finalized_checkpoint().epoch >= 3);
        assert!(
            importer.states.len() <= 25,
            "{} states",
            importer.states.len()
        );
        importer.import(&blocks[47]).unwrap();
        assert_eq!(importer.counts().known, 1);
        let refusal = importer.import(&blocks[3]).unwrap_err();
        assert!(matches!(refusal, Refusal::Finalized(_)), "{refusal:?}");
    }

    #[test]
    fn without_finality_the_oldest_states_are_dropped() {
        let mut maker = maker();
        maker.set_participation(0);
        let mut importer = importer(&maker);
        importer.max_states = 12;
        let second = maker.block_on(maker.head(), 2, &BlockOptions::default());
        let first = next(&mut maker, 1);
        let late = maker
            .block_on(first.root, 41, &BlockOptions::default())
            .unwrap();
        importer.import(&first.block).unwrap();
        importer.import(&second.unwrap().block).unwrap();
        for slot in 3..40 {
            importer.import(&next(&mut maker, slot).block).unwrap();
        }
        assert_eq!(importer.states.len(), 12);
        assert_eq!(importer.head().unwrap().0, maker.head());
        let refusal = importer.import(&late.block).unwrap_err();
        assert!(matches!(refusal, Refusal::StateDropped(root) if root == first.root));
    }
}
