//! One flipped byte anywhere in a real block: it is refused, and the state stays what it was.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use chain_maker::Dice;
use consensus::transition::{SignatureMode, Signatures, state_transition};
use consensus::{BeaconState, Bls, HashTreeRoot, Pool, Root, SignedBeaconBlock, Spec};
use mutations::Scenario;
use ssz::{Decode, Encode};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A node does not look at blocks of slots that its clock has not reached; neither does this test
/// run the transition over millions of empty slots.
const MOST_SLOTS_AHEAD: u64 = 64;

/// The state before a block, and the block's bytes.
struct Target {
    state: BeaconState,
    root: Root,
    state_bytes: Vec<u8>,
    block: Vec<u8>,
}

/// Flips bytes and counts why the blocks were refused.
struct Flips {
    bls: Bls,
    dice: Dice,
    refusals: BTreeMap<&'static str, usize>,
}

impl Flips {
    fn new(seed: u64) -> Flips {
        Flips {
            bls: Bls::new(Pool::new(2), [5; 32]),
            dice: Dice::new(seed),
            refusals: BTreeMap::new(),
        }
    }

    fn apply(&self, state: &mut BeaconState, block: &SignedBeaconBlock, mode: SignatureMode) {
        let signatures = &mut Signatures::new(mode, &self.bls);
        let slot = block.message.slot;
        let root = state_transition(state, block, signatures, true);
        let root = root.unwrap_or_else(|error| panic!("the real block of slot {slot}: {error}"));
        assert_eq!(root, block.message.hash_tree_root());
    }

    /// Remembers the state, and checks that the block itself is good.
    fn target(&self, state: &BeaconState, block: &SignedBeaconBlock) -> Target {
        self.apply(&mut state.clone(), block, SignatureMode::Bulk);
        Target {
            state: state.clone(),
            root: state.hash_tree_root(),
            state_bytes: state.as_ssz_bytes(),
            block: block.as_ssz_bytes(),
        }
    }

    fn flip(&mut self, target: &mut Target) {
        let at = self.dice.below(target.block.len() as u64) as usize;
        let mask = 1 + self.dice.below(255) as u8;
        let mut bytes = target.block.clone();
        bytes[at] ^= mask;
        let context = format!("byte {at} ^ {mask:#04x}");
        let reason = self.try_bytes(&mut target.state, &bytes, &context);
        *self.refusals.entry(reason).or_default() += 1;
        assert_eq!(target.state.hash_tree_root(), target.root, "{context}");
        let untouched = target.state.as_ssz_bytes() == target.state_bytes;
        assert!(untouched, "{context}: the state's bytes changed");
    }

    /// The name of what refused the bytes.
    fn try_bytes(&self, state: &mut BeaconState, bytes: &[u8], context: &str) -> &'static str {
        let Ok(block) = SignedBeaconBlock::from_ssz_bytes(bytes) else {
            return "Decode";
        };
        let same = block.as_ssz_bytes() == bytes;
        assert!(same, "{context}: another form of a block was accepted");
        if block.message.slot > state.slot() + MOST_SLOTS_AHEAD {
            return "(slot in the future)";
        }
        let signatures = &mut Signatures::new(SignatureMode::Bulk, &self.bls);
        match state_transition(state, &block, signatures, true) {
            Ok(_) => panic!("{context}: a changed block was accepted"),
            Err(error) => error.name(),
        }
    }

    fn run(mut self, mut targets: Vec<Target>, count: usize) {
        assert!(!targets.is_empty());
        for number in 0..count {
            let at = number % targets.len();
            self.flip(&mut targets[at]);
        }
        println!("{count} flips refused: {:?}", self.refusals);
        assert_eq!(self.refusals.values().sum::<usize>(), count);
        assert!(self.refusals.contains_key("ProposerSignatureInvalid"));
    }
}

#[test]
fn flips_of_a_made_block() {
    let s = Scenario::new();
    let flips = Flips::new(1);
    let target = flips.target(&s.parent, &s.sign(s.block.clone()));
    flips.run(vec![target], 300);
}

/// The blocks of a file in which each has its length before it, 32 bits big-endian.
fn length_prefixed(mut bytes: &[u8]) -> Vec<SignedBeaconBlock> {
    let mut blocks = Vec::new();
    while let Some((length, rest)) = bytes.split_at_checked(4) {
        let length = u32::from_be_bytes(length.try_into().expect("four bytes")) as usize;
        let (block, rest) = rest.split_at(length);
        blocks.push(SignedBeaconBlock::from_ssz_bytes(block).expect("a real block"));
        bytes = rest;
    }
    blocks
}

#[test]
fn flips_of_the_chain_of_32768_validators() {
    let skipped = "400 flips in the chain of 32,768 validators";
    let genesis = "chaindata/teku/chain-32768v-phase0.genesis-state.ssz.gz";
    let blocks = "chaindata/teku/chain-32768v-phase0.blocks-0001-1200.u32be-len-prefixed.ssz.gz";
    let (Some(genesis), Some(blocks)) = (
        shared_inputs::gunzipped(genesis, skipped),
        shared_inputs::gunzipped(blocks, skipped),
    ) else {
        return;
    };
    let spec = Arc::new(Spec::mainnet());
    let mut state = BeaconState::from_ssz_bytes(&genesis, &spec).unwrap();
    let flips = Flips::new(2);
    let mut targets = Vec::new();
    for block in length_prefixed(&blocks).iter().take(34) {
        if [1, 3, 20, 33, 34].contains(&block.message.slot) {
            targets.push(flips.target(&state, block));
        }
        flips.apply(&mut state, block, SignatureMode::Skip);
    }
    assert_eq!(targets.len(), 5);
    flips.run(targets, 400);
}

#[test]
fn flips_of_the_first_mainnet_blocks() {
    let skipped = "300 flips in mainnet's first blocks";
    let genesis = "chaindata/genesis/mainnet/genesis.ssz.zip";
    let Some(genesis) = shared_inputs::unzipped(genesis, skipped) else {
        return;
    };
    let spec = Arc::new(Spec::mainnet());
    let mut state = BeaconState::from_ssz_bytes(&genesis, &spec).unwrap();
    let flips = Flips::new(3);
    let mut targets = Vec::new();
    for slot in 1..=3 {
        let path = format!("chaindata/mainnet-blocks/slot-{slot}.signed-beacon-block.ssz");
        let Some(bytes) = shared_inputs::bytes(&path, skipped) else {
            return;
        };
        let block = SignedBeaconBlock::from_ssz_bytes(&bytes).unwrap();
        targets.push(flips.target(&state, &block));
        flips.apply(&mut state, &block, SignatureMode::Skip);
    }
    flips.run(targets, 300);
}

#[test]
fn flips_of_the_generated_chains() {
    let skipped = "400 flips in the generated chains";
    let archive = "vectors/phase0-chains.tar.zst";
    let chain = "chains/minimal-64-messy/";
    let Some(files) = shared_inputs::archived(archive, skipped, |path| path.starts_with(chain))
    else {
        return;
    };
    let files: BTreeMap<&str, &Vec<u8>> = files
        .iter()
        .map(|(path, bytes)| (&path[chain.len()..], bytes))
        .collect();
    let spec = Arc::new(Spec::minimal());
    let mut state = BeaconState::from_ssz_bytes(files["genesis.ssz"], &spec).unwrap();
    let flips = Flips::new(4);
    let mut targets = Vec::new();
    for (name, bytes) in files.iter().filter(|(name, _)| name.starts_with("blocks/")) {
        let block = SignedBeaconBlock::from_ssz_bytes(bytes).unwrap();
        let body = &block.message.body;
        let rare = body.proposer_slashings.len()
            + body.attester_slashings.len()
            + body.deposits.len()
            + body.voluntary_exits.len();
        if rare > 0 || targets.len() < 3 {
            targets.push(flips.target(&state, &block));
        }
        assert!(**bytes == block.as_ssz_bytes(), "{name}");
        flips.apply(&mut state, &block, SignatureMode::Skip);
    }
    println!("{} blocks, most with rare operations", targets.len());
    flips.run(targets, 400);
}
