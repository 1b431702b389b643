//! A made-up chain that fills a store: right in all that a store can check, and nowhere valid.
//! Every slot has a block, nothing is signed, and states change in what names blocks only.

use std::sync::Arc;

use crate::generate::{Variant, generate};
use anyhow::{Context, Result};
use chain_maker::Dice;
use consensus::genesis::{genesis_block, genesis_from_trusted_deposits, interop_deposits};
use consensus::{
    AggregationBits, Attestation, AttestationData, BLSSignature, BeaconBlock, BeaconBlockBody,
    BeaconState, Checkpoint, Eth1Data, GENESIS_SLOT, HashTreeRoot, Pool, Root, SignedBeaconBlock,
    Slot, Spec,
};
use rows::{Batch, BlockRow, ChainRow, Finalize, HotBlock, StoredState};

/// Attestations of a full block; it has 33 KB then.
pub const FULL: usize = 128;
/// Attestations of a small block; it has 1.1 KB then.
pub const SMALL: usize = 3;
/// Validators of a chain whose states are small, for rows about blocks.
const VALIDATORS: u64 = 64;
/// Members of a committee.
const COMMITTEE: usize = 128;

/// Makes blocks in order.
pub struct StoreChain {
    /// The state that the store is made from.
    pub genesis: BeaconState,
    /// The state after the newest block.
    state: BeaconState,
    head: Root,
    /// The block at the start of the newest block's epoch.
    target: Checkpoint,
    finalized: Checkpoint,
    dice: Dice,
    seq: u64,
    /// States at the ends of eras that are not finalized.
    boundaries: Vec<BeaconState>,
    /// Roots of blocks that are not finalized.
    waiting: Vec<(Slot, Root)>,
}

impl StoreChain {
    /// Only its genesis.
    pub fn new(pool: &Pool) -> Result<StoreChain> {
        let spec = Arc::new(Spec::mainnet());
        let deposits = interop_deposits(0..VALIDATORS, &spec, pool);
        let time = spec.MIN_GENESIS_TIME;
        let genesis = genesis_from_trusted_deposits(&deposits, time, Root::ZERO, &spec)?;
        Ok(StoreChain::of(genesis))
    }

    /// Only its genesis, with so many validators: for rows about states.
    pub fn with_validators(validators: usize) -> Result<StoreChain> {
        let spec = Arc::new(Spec::mainnet());
        let mut genesis = generate(validators, Variant::Full, &spec)?;
        genesis.set_slot(GENESIS_SLOT);
        let mut header = genesis_block(&genesis).header();
        header.state_root = Root::ZERO;
        genesis.set_latest_block_header(header);
        Ok(StoreChain::of(genesis))
    }

    fn of(genesis: BeaconState) -> StoreChain {
        let head = genesis_block(&genesis).hash_tree_root();
        let checkpoint = Checkpoint {
            epoch: 0,
            root: head,
        };
        StoreChain {
            state: genesis.clone(),
            genesis,
            head,
            target: checkpoint,
            finalized: checkpoint,
            dice: Dice::new(7),
            seq: 0,
            boundaries: Vec::new(),
            waiting: Vec::new(),
        }
    }

    /// Preset and configuration.
    pub fn spec(&self) -> &Arc<Spec> {
        self.genesis.spec()
    }

    /// Slot of the newest block.
    pub fn slot(&self) -> Slot {
        self.state.slot()
    }

    /// The block of the next slot with so many attestations.
    pub fn block(&mut self, attestations: usize) -> Result<HotBlock> {
        let slot = self.slot() + 1;
        let parent_root = self.head;
        let mut block = BeaconBlock {
            slot,
            proposer_index: slot % VALIDATORS,
            parent_root,
            state_root: self.root(),
            body: self.body(attestations)?,
        };
        self.advance(slot, &mut block)?;
        let root = block.hash_tree_root();
        self.head = root;
        self.waiting.push((slot, root));
        let epoch_slots = self.spec().SLOTS_PER_EPOCH;
        if slot.is_multiple_of(epoch_slots) {
            let epoch = slot / epoch_slots;
            self.target = Checkpoint { epoch, root };
        }
        let row = BlockRow {
            slot,
            root,
            parent_root,
            state_root: block.state_root,
            target_root: self.target.root,
            justified: self.finalized,
            finalized: self.finalized,
            unrealized_justified: self.finalized,
            unrealized_finalized: self.finalized,
            validator_count: VALIDATORS,
            timely: true,
        };
        let signature = self.signature();
        Ok(HotBlock {
            row,
            block: Arc::new(SignedBeaconBlock {
                message: block,
                signature,
            }),
        })
    }

    /// A batch that commits blocks and makes the newest one the head.
    pub fn batch(&mut self, blocks: Vec<HotBlock>, durable: bool) -> Batch {
        self.seq += 1;
        Batch {
            seq: self.seq,
            durable,
            blocks,
            chain: Some(ChainRow {
                head: self.head,
                justified: self.finalized,
                finalized: self.finalized,
                unrealized_justified: self.finalized,
                unrealized_finalized: self.finalized,
            }),
            ..Batch::default()
        }
    }

    /// A batch that commits blocks, of which the newest is the first of its epoch, and finalizes all;
    /// with the state after it if `with_state`.
    pub fn finalizing(&mut self, blocks: Vec<HotBlock>, with_state: bool) -> Batch {
        let checkpoint = self.target;
        self.finalized = checkpoint;
        let mut batch = self.batch(blocks, true);
        let roots = self.waiting.drain(..).map(|(_, root)| root);
        batch.finalize = Some(Finalize {
            checkpoint,
            blocks: roots.collect(),
            boundary_states: std::mem::take(&mut self.boundaries),
            pruned: Vec::new(),
        });
        if with_state {
            batch.states.push(StoredState {
                block_root: self.head,
                state: self.state.clone(),
            });
        }
        batch
    }

    /// The state after the block, whose state root is made to be the state's where the state is kept.
    fn advance(&mut self, slot: Slot, block: &mut BeaconBlock) -> Result<()> {
        let era_slots = self.spec().SLOTS_PER_HISTORICAL_ROOT;
        let epoch_slots = self.spec().SLOTS_PER_EPOCH;
        self.state.set_block_root(slot - 1, self.head);
        self.state.set_slot(slot);
        if slot.is_multiple_of(era_slots) {
            let root = self.root();
            self.state.push_historical_root(root)?;
        }
        self.state.set_finalized_checkpoint(self.finalized);
        let mut header = block.header();
        header.state_root = Root::ZERO;
        self.state.set_latest_block_header(header);
        if slot.is_multiple_of(epoch_slots) {
            block.state_root = self.state.hash_tree_root();
        }
        if slot.is_multiple_of(era_slots) {
            self.boundaries.push(self.state.clone());
        }
        Ok(())
    }

    fn body(&mut self, attestations: usize) -> Result<BeaconBlockBody> {
        let attestations = (0..attestations).map(|_| self.attestation());
        let attestations = attestations.collect::<Result<Vec<_>>>()?;
        Ok(BeaconBlockBody {
            randao_reveal: self.signature(),
            eth1_data: Eth1Data::default(),
            graffiti: Root::ZERO,
            proposer_slashings: Default::default(),
            attester_slashings: Default::default(),
            attestations: attestations.try_into().ok().context("too many")?,
            deposits: Default::default(),
            voluntary_exits: Default::default(),
        })
    }

    fn attestation(&mut self) -> Result<Attestation> {
        let mut bits = AggregationBits::with_capacity(COMMITTEE).ok();
        let bits = bits.as_mut().context("a committee of more than 2,048")?;
        for at in 0..COMMITTEE {
            // Most members attest.
            let attests = self.dice.percent(95);
            bits.set(at, attests).ok().context("beyond the committee")?;
        }
        Ok(Attestation {
            aggregation_bits: bits.clone(),
            data: AttestationData {
                slot: self.slot(),
                index: self.dice.below(64),
                beacon_block_root: self.head,
                source: self.finalized,
                target: self.target,
            },
            signature: self.signature(),
        })
    }

    fn root(&mut self) -> Root {
        let mut root = Root::ZERO;
        self.fill(root.as_mut_slice());
        root
    }

    fn signature(&mut self) -> BLSSignature {
        let mut signature = BLSSignature::ZERO;
        self.fill(signature.as_mut_slice());
        signature
    }

    fn fill(&mut self, bytes: &mut [u8]) {
        for word in bytes.chunks_mut(8) {
            word.copy_from_slice(&self.dice.roll().to_le_bytes()[..word.len()]);
        }
    }
}
