//! Makes phase-0 chains with the well-known interop keys and real signatures, the same ones for the
//! same seed: block production with attestations from the state, deposits with their Merkle
//! proofs, slashings, exits and side branches.
//!
//! [`make_chain`] makes a whole chain. For tests that alter a block, [`ChainMaker`] gives each step
//! by itself: [`ChainMaker::state_at`], [`ChainMaker::compose`], [`ChainMaker::seal`] or
//! [`ChainMaker::sign_block`], [`ChainMaker::adopt`].
#![forbid(unsafe_code)]

mod attesting;
mod dice;
mod eth1;
mod keys;
mod offences;
mod scenario;
mod signing;

pub use attesting::attestation_data;
pub use dice::Dice;
pub use keys::InteropKeys;
pub use scenario::{ChainOptions, Totals, make_chain};

use consensus::deposit_tree::DepositTreeError;
use consensus::genesis::{genesis_block, genesis_from_trusted_deposits, interop_deposits};
use consensus::helpers::*;
use consensus::transition::{
    SignatureMode, Signatures, process_block, process_eth1_data, process_slots,
};
use consensus::*;
use eth1::Eth1;
use ssz_types::VariableList;
use ssz_types::typenum::Unsigned;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Most validators of a made chain: each takes a signature at genesis.
pub const MAX_VALIDATORS: u64 = 1 << 20;

/// Why something could not be made.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Error {
    /// The transition refused it.
    #[error(transparent)]
    Transition(#[from] consensus::Error),
    /// The deposit tree refused it.
    #[error(transparent)]
    DepositTree(#[from] DepositTreeError),
    /// Not made here, or forgotten by [`ChainMaker::forget_before`].
    #[error("the state of block {0} is not known")]
    UnknownBlock(Root),
    /// A key that is none of the interop keys in use.
    #[error("{0} is none of the interop keys in use")]
    UnknownKey(BLSPubkey),
    /// Not so many interop keys are in use.
    #[error("interop key {0} is not in use")]
    UnknownKeyNumber(u64),
    /// A state that awaits a deposit nobody made.
    #[error("there is no deposit {0}")]
    UnknownDeposit(u64),
    /// A signature by nobody.
    #[error("a signature needs at least one signer")]
    NobodySigns,
    /// More than a list takes.
    #[error("too many {0}")]
    TooMany(&'static str),
    /// Options that contradict each other or the state; the text is a clause that says why.
    #[error("{0}")]
    Impossible(String),
}

/// What to put into a block besides what every block has: the attestations and deposits that are
/// due and an eth1 vote.
#[derive(Clone, Debug, Default)]
pub struct BlockOptions {
    /// 32 bytes of the proposer's choice.
    pub graffiti: Root,
    /// At most `MAX_PROPOSER_SLASHINGS`.
    pub proposer_slashings: Vec<ProposerSlashing>,
    /// At most `MAX_ATTESTER_SLASHINGS`.
    pub attester_slashings: Vec<AttesterSlashing>,
    /// At most `MAX_VOLUNTARY_EXITS`.
    pub voluntary_exits: Vec<SignedVoluntaryExit>,
    /// Leaves out all attestations.
    pub without_attestations: bool,
}

/// A block and its root.
#[derive(Clone, Debug)]
pub struct Made {
    /// Root of the block.
    pub root: Root,
    /// The block.
    pub block: SignedBeaconBlock,
}

/// Makes blocks on top of each other, from genesis on.
pub struct ChainMaker {
    spec: Arc<Spec>,
    pool: Pool,
    seed: u64,
    participation: u64,
    verifier: Bls,
    keys: InteropKeys,
    eth1: Eth1,
    genesis: BeaconState,
    genesis_root: Root,
    head: Root,
    states: BTreeMap<Root, BeaconState>,
    split_slots: BTreeMap<Slot, Root>,
}

impl ChainMaker {
    /// A chain of its genesis alone, of the first `validators` interop keys with real deposits.
    /// Genesis is at the earliest time that the configuration allows, and everybody attests.
    ///
    /// # Errors
    /// If there are no validators, or more than [`MAX_VALIDATORS`].
    pub fn new(
        spec: &Arc<Spec>,
        validators: u64,
        seed: u64,
        pool: &Pool,
    ) -> Result<ChainMaker, Error> {
        if !(1..=MAX_VALIDATORS).contains(&validators) {
            return Err(Error::Impossible(format!(
                "a chain has from 1 to {MAX_VALIDATORS} validators, not {validators}"
            )));
        }
        let deposits = interop_deposits(0..validators, spec, pool);
        let time = spec.MIN_GENESIS_TIME.checked_add(spec.GENESIS_DELAY);
        let eth1_block_hash = Root::with_last_byte(0xe1);
        let genesis = genesis_from_trusted_deposits(
            &deposits,
            time.ok_or(consensus::Error::Overflow)?,
            eth1_block_hash,
            spec,
        )?;
        let genesis_root = genesis_block(&genesis).hash_tree_root();
        Ok(ChainMaker {
            spec: spec.clone(),
            pool: pool.clone(),
            seed,
            participation: 100,
            // Only our own signatures are verified: nobody can aim at a known seed.
            verifier: Bls::new(pool.clone(), [0x5e; 32]),
            keys: InteropKeys::new(validators, pool),
            eth1: Eth1::new(deposits)?,
            states: BTreeMap::from([(genesis_root, genesis.clone())]),
            genesis,
            genesis_root,
            head: genesis_root,
            split_slots: BTreeMap::new(),
        })
    }

    /// Lets about `percent` of each committee attest, at most 100.
    pub fn set_participation(&mut self, percent: u8) {
        self.participation = percent.min(100).into();
    }

    /// Percent of each committee that attests.
    pub fn participation(&self) -> u64 {
        self.participation
    }

    /// The preset and configuration.
    pub fn spec(&self) -> &Arc<Spec> {
        &self.spec
    }

    /// The seed of all choices.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// The keys in use.
    pub fn keys(&self) -> &InteropKeys {
        &self.keys
    }

    /// The genesis state.
    pub fn genesis(&self) -> &BeaconState {
        &self.genesis
    }

    /// Root of the genesis block.
    pub fn genesis_root(&self) -> Root {
        self.genesis_root
    }

    /// The block that [`Self::block_at`] builds on.
    pub fn head(&self) -> Root {
        self.head
    }

    /// The state after a block.
    ///
    /// # Errors
    /// [`Error::UnknownBlock`]
    pub fn post_state(&self, block: Root) -> Result<&BeaconState, Error> {
        self.states.get(&block).ok_or(Error::UnknownBlock(block))
    }

    /// The state after a block, advanced to a later slot: what a block of that slot is made on.
    ///
    /// # Errors
    /// [`Error::UnknownBlock`], or if the slot is not after the block's.
    pub fn state_at(&self, block: Root, slot: Slot) -> Result<BeaconState, Error> {
        let mut state = self.post_state(block)?.clone();
        process_slots(&mut state, slot)?;
        Ok(state)
    }

    /// Makes the block of a slot on top of the head, and makes it the head.
    ///
    /// # Errors
    /// If the slot is not after the head's, its proposer is slashed, or the options do not fit.
    pub fn block_at(&mut self, slot: Slot, options: &BlockOptions) -> Result<Made, Error> {
        let made = self.block_on(self.head, slot, options)?;
        self.head = made.root;
        Ok(made)
    }

    /// Makes the block of a slot on top of any block. The head stays.
    ///
    /// # Errors
    /// As [`Self::block_at`].
    pub fn block_on(
        &mut self,
        parent: Root,
        slot: Slot,
        options: &BlockOptions,
    ) -> Result<Made, Error> {
        let state = self.state_at(parent, slot)?;
        let block = self.compose(&state, options)?;
        let (block, post_state) = self.seal(&state, block)?;
        let root = self.adopt(&block, post_state);
        Ok(Made { root, block })
    }

    /// A block for the slot of `state` on top of its latest block, with a state root of zero.
    ///
    /// # Errors
    /// If there are more operations than a block can have.
    pub fn compose(
        &self,
        state: &BeaconState,
        options: &BlockOptions,
    ) -> Result<BeaconBlock, Error> {
        let proposer_index = get_beacon_proposer_index(state)?;
        let epoch = get_current_epoch(state);
        let attestations = match options.without_attestations {
            true => Vec::new(),
            false => self.attestations_due(state)?,
        };
        let mut body = BeaconBlockBody {
            randao_reveal: self.sign_randao(state, epoch, proposer_index)?,
            eth1_data: self.eth1.vote(state)?,
            graffiti: options.graffiti,
            proposer_slashings: list("proposer slashings", &options.proposer_slashings)?,
            attester_slashings: list("attester slashings", &options.attester_slashings)?,
            attestations: list("attestations", &attestations)?,
            deposits: VariableList::default(),
            voluntary_exits: list("voluntary exits", &options.voluntary_exits)?,
        };
        // The block's own vote can decide which deposits it must hold.
        let mut voted = state.clone();
        process_eth1_data(&mut voted, &body)?;
        let deposits = self.eth1.due(state, voted.eth1_data())?;
        body.deposits = list("deposits", &deposits)?;
        Ok(BeaconBlock {
            slot: state.slot(),
            proposer_index,
            parent_root: state.latest_block_header().hash_tree_root(),
            state_root: Root::ZERO,
            body,
        })
    }

    /// Sets the block's state root, signs it, and returns the post-state with it. `state` is the
    /// state at the block's slot. Signatures inside the block are not verified.
    ///
    /// # Errors
    /// If the block violates an assertion of the transition.
    pub fn seal(
        &self,
        state: &BeaconState,
        mut block: BeaconBlock,
    ) -> Result<(SignedBeaconBlock, BeaconState), Error> {
        let mut post_state = state.clone();
        let mut signatures = Signatures::new(SignatureMode::Skip, &self.verifier);
        process_block(&mut post_state, &block, &mut signatures)?;
        block.state_root = post_state.hash_tree_root();
        Ok((self.sign_block(state, block)?, post_state))
    }

    /// Remembers a block's post-state, so that blocks can be made on top, and returns its root.
    pub fn adopt(&mut self, block: &SignedBeaconBlock, post_state: BeaconState) -> Root {
        let root = block.message.hash_tree_root();
        self.states.insert(root, post_state);
        root
    }

    /// Forgets the states of blocks before a slot, but for the head's.
    pub fn forget_before(&mut self, slot: Slot) {
        let head = self.head;
        self.states
            .retain(|root, state| *root == head || state.slot() >= slot);
        self.split_slots = self.split_slots.split_off(&slot);
    }

    /// From a voting period on, proposers vote for `count` more deposits: mostly new validators,
    /// some of them with too little to become active; every eighth adds to a balance and every
    /// eighth has a bad signature.
    ///
    /// # Errors
    /// If deposits have been added to a later period.
    pub fn add_deposits(&mut self, period: u64, count: u64) -> Result<(), Error> {
        let mut deposits = Vec::new();
        for _ in 0..count {
            let number = self.keys.len();
            self.keys.extend_to(number + 1, &self.pool);
            let full = self.spec.MAX_EFFECTIVE_BALANCE;
            let (number, amount) = match number % 8 {
                3 => (number % 5, self.spec.MIN_DEPOSIT_AMOUNT),
                5 => (number, full - full / 4),
                _ => (number, full),
            };
            let mut deposit = eth1::signed_deposit(&self.keys, number, amount, &self.spec)?;
            if self.keys.len() % 8 == 7 {
                deposit.amount -= 1;
            }
            deposits.push(deposit);
        }
        self.eth1.add(period, &deposits)
    }

    /// At `slot` some of the attesters see the branch of the block `side` as the head instead of
    /// the branch that a block is made on.
    pub fn split_slot(&mut self, slot: Slot, side: Root) {
        self.split_slots.insert(slot, side);
    }

    /// The side branch that some attest to at `slot`.
    pub(crate) fn side_branch(&self, slot: Slot) -> Option<Root> {
        self.split_slots.get(&slot).copied()
    }

    /// Whether the block is on the branch of `state`, of those not older than its history.
    pub(crate) fn is_on_branch(&self, state: &BeaconState, block: Root) -> Result<bool, Error> {
        let slot = self.post_state(block)?.slot();
        Ok(slot < state.slot() && get_block_root_at_slot(state, slot)? == block)
    }
}

fn list<T: Clone, N: Unsigned>(
    name: &'static str,
    items: &[T],
) -> Result<VariableList<T, N>, Error> {
    VariableList::try_from(items.to_vec()).map_err(|_| Error::TooMany(name))
}
