//! Chains with finished eras, and what an era of them must hold.

use chain_maker::{ChainMaker, ChainOptions, make_chain};
use consensus::genesis::genesis_block;
use consensus::transition::{SignatureMode, Signatures, process_slots, state_transition};
use consensus::{
    BLSSignature, BeaconState, Bls, HashTreeRoot, Pool, Root, SignedBeaconBlock, Slot, Spec,
};
use ssz::{Decode, Encode};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A chain without side branches.
pub struct Chain {
    /// Preset and configuration.
    pub spec: Arc<Spec>,
    /// The state it starts from.
    pub genesis: BeaconState,
    /// Its blocks by slot. Genesis has none.
    pub blocks: BTreeMap<Slot, SignedBeaconBlock>,
}

/// What the file of an era must hold.
pub struct Era {
    /// Its number.
    pub number: u64,
    /// The name of its file.
    pub name: String,
    /// Its blocks in order, with the genesis block in era 1.
    pub blocks: Vec<SignedBeaconBlock>,
    /// The state at its end.
    pub state: BeaconState,
}

impl Chain {
    /// A chain with interop keys and a seed of 1.
    ///
    /// # Panics
    /// If the options do not fit.
    pub fn made(spec: Spec, validators: u64, options: &ChainOptions) -> Chain {
        let spec = Arc::new(spec);
        let mut maker = ChainMaker::new(&spec, validators, 1, &Pool::new(2)).expect("a chain");
        let mut blocks = BTreeMap::new();
        make_chain(&mut maker, options, |made, is_on_chain| {
            if is_on_chain {
                blocks.insert(made.block.message.slot, made.block.clone());
            }
            Ok::<_, chain_maker::Error>(())
        })
        .expect("the options fit");
        Chain {
            genesis: maker.genesis().clone(),
            spec,
            blocks,
        }
    }

    /// A chain from an archive of the shared inputs in the folder `name`, with `config.yaml`,
    /// `genesis.ssz` and `block_*.ssz` in it; `None` if the archive is missing.
    ///
    /// # Panics
    /// If the archive holds something else.
    pub fn recorded(archive: &str, name: &str, skipped: &str) -> Option<Chain> {
        let files = shared_inputs::archived(archive, skipped, |_| true)?;
        let file = |file: &str| {
            let path = format!("{name}/{file}");
            let found = files.iter().find(|(name, _)| *name == path);
            &found.unwrap_or_else(|| panic!("{archive}: no {path}")).1
        };
        let config = std::str::from_utf8(file("config.yaml")).expect("the config is text");
        let spec = Arc::new(Spec::from_yaml(config).expect("a config").spec);
        let genesis = BeaconState::from_ssz_bytes(file("genesis.ssz"), &spec).expect("a state");
        let is_block = |path: &str| path.starts_with(&format!("{name}/block_"));
        let blocks = files.iter().filter(|(path, _)| is_block(path));
        let blocks = blocks.map(|(path, bytes)| {
            let block = SignedBeaconBlock::from_ssz_bytes(bytes);
            let block = block.unwrap_or_else(|error| panic!("{path}: {error:?}"));
            (block.message.slot, block)
        });
        Some(Chain {
            blocks: blocks.collect(),
            spec,
            genesis,
        })
    }

    /// The eras that are final when all blocks are there. The states come from a replay, in which
    /// state roots are compared and signatures are not verified.
    ///
    /// # Panics
    /// If a block is invalid.
    pub fn final_eras(&self) -> Vec<Era> {
        let slots = self.spec.SLOTS_PER_HISTORICAL_ROOT;
        let mut eras = vec![self.era(0, self.genesis.clone())];
        let mut state = self.genesis.clone();
        let mut boundary = slots;
        for (&slot, block) in &self.blocks {
            while boundary < slot {
                process_slots(&mut state, boundary).expect("slots pass");
                eras.push(self.era(boundary / slots, state.clone()));
                boundary += slots;
            }
            apply(&mut state, block);
            if boundary == slot {
                eras.push(self.era(boundary / slots, state.clone()));
                boundary += slots;
            }
        }
        let finalized = state.finalized_checkpoint().epoch * self.spec.SLOTS_PER_EPOCH;
        eras.retain(|era| era.number * slots <= finalized);
        eras
    }

    fn era(&self, number: u64, state: BeaconState) -> Era {
        let slots = self.spec.SLOTS_PER_HISTORICAL_ROOT;
        let mut blocks = Vec::new();
        if number == 1 {
            blocks.push(SignedBeaconBlock {
                message: genesis_block(&self.genesis),
                signature: BLSSignature::ZERO,
            });
        }
        if let Some(before) = number.checked_sub(1) {
            let range = self.blocks.range(before * slots..number * slots);
            blocks.extend(range.map(|(_, block)| block.clone()));
        }
        let last = state.historical_roots().iter().last();
        let root = last.unwrap_or_else(|| state.genesis_validators_root());
        // The dash separates the parts of the name.
        let config = self.spec.CONFIG_NAME.replace('-', "_");
        Era {
            number,
            name: format!("{config}-{number:05}-{}.era", &root.to_string()[2..10]),
            blocks,
            state,
        }
    }
}

impl Era {
    /// What a reader must print.
    pub fn lines(&self) -> Vec<String> {
        let blocks = self.blocks.iter();
        let mut lines: Vec<_> = blocks
            .map(|block| line("block", block.message.slot, &block.as_ssz_bytes()))
            .collect();
        lines.push(line("state", self.state.slot(), &self.state.as_ssz_bytes()));
        lines
    }

    /// The roots of its blocks, in order.
    pub fn block_roots(&self) -> Vec<Root> {
        let blocks = self.blocks.iter();
        blocks.map(|block| block.message.hash_tree_root()).collect()
    }
}

fn line(what: &str, slot: Slot, ssz: &[u8]) -> String {
    let digest = Root::from(kernels::sha256(ssz)).to_string();
    format!("{what} {slot} {} {}", ssz.len(), &digest[2..])
}

fn apply(state: &mut BeaconState, block: &SignedBeaconBlock) {
    let verifier = Bls::new(Pool::new(1), [0x5e; 32]);
    let mut signatures = Signatures::new(SignatureMode::Skip, &verifier);
    state_transition(state, block, &mut signatures, true)
        .unwrap_or_else(|error| panic!("slot {}: {error}", block.message.slot));
}
