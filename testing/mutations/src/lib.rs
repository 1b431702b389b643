//! A valid block with every kind of operation, to be changed in one place, signed again with
//! interop keys and tried against the state transition.
#![forbid(unsafe_code)]

use chain_maker::{BlockOptions, ChainMaker};
use consensus::helpers::{get_attesting_indices, get_beacon_proposer_index};
use consensus::transition::{
    SignatureMode, Signatures, process_block, process_slots, state_transition,
};
use consensus::{
    Attestation, BLSSignature, BeaconBlock, BeaconBlockHeader, BeaconState, Bls, Error,
    FAR_FUTURE_EPOCH, HashTreeRoot, IndexedAttestation, Pool, ProposerSlashing, Root,
    SignedBeaconBlock, SignedBeaconBlockHeader, SignedVoluntaryExit, Spec, ValidatorIndex,
    VoluntaryExit,
};
use std::sync::Arc;

/// Active validators of the scenario.
const VALIDATORS: u64 = 64;
/// Deposits that wait for inclusion: eight full blocks of them, and four for the block itself.
const DEPOSITS: u64 = 8 * 16 + 4;
/// The last block before the scenario's.
const PARENT_SLOT: u64 = 55;
/// The second slot of an epoch whose first is empty: attestations of both epochs are due.
const SLOT: u64 = 57;

/// A state and a valid block on top of it that holds a slashing of each kind, attestations of the
/// current and the previous epoch, deposits and an exit.
pub struct Scenario {
    /// Makes and signs.
    pub maker: ChainMaker,
    /// The state after the block's parent.
    pub parent: BeaconState,
    /// The state at the block's slot.
    pub at_slot: BeaconState,
    /// The valid block, with its state root.
    pub block: BeaconBlock,
    /// Active validators that the block does not name, nor propose.
    pub bystanders: Vec<ValidatorIndex>,
    verifier: Bls,
}

impl Default for Scenario {
    fn default() -> Self {
        Scenario::new()
    }
}

impl Scenario {
    /// The scenario: always the same.
    ///
    /// # Panics
    /// If its chain cannot be made: then nothing can be tested.
    pub fn new() -> Scenario {
        let spec = Arc::new(Spec {
            SHARD_COMMITTEE_PERIOD: 2,
            ..Spec::minimal()
        });
        let mut maker = ChainMaker::new(&spec, VALIDATORS, 1, &Pool::new(1)).expect("a genesis");
        maker.add_deposits(1, DEPOSITS).expect("the first deposits");
        for slot in 1..=PARENT_SLOT {
            let made = maker.block_at(slot, &BlockOptions::default());
            made.expect("a block in every slot");
        }
        let head = maker.head();
        let parent = maker.post_state(head).expect("the head's").clone();
        let at_slot = maker.state_at(head, SLOT).expect("a later slot");
        let proposer = get_beacon_proposer_index(&at_slot).expect("active validators");
        let mut others = (0..VALIDATORS).filter(|&index| index != proposer);
        let mut next = || others.next().expect("many validators");
        let options = BlockOptions {
            proposer_slashings: vec![
                maker
                    .proposer_slashing(&at_slot, next())
                    .expect("a slashable validator"),
            ],
            attester_slashings: vec![
                maker
                    .attester_slashing(&at_slot, &[next(), next()])
                    .expect("slashable validators"),
            ],
            voluntary_exits: vec![
                maker
                    .voluntary_exit(&at_slot, next())
                    .expect("an old validator"),
            ],
            ..BlockOptions::default()
        };
        let block = maker.compose(&at_slot, &options).expect("a valid block");
        let (signed, _) = maker.seal(&at_slot, block).expect("a valid block");
        Scenario {
            bystanders: others.collect(),
            block: signed.message,
            verifier: Bls::new(Pool::new(1), [3; 32]),
            maker,
            parent,
            at_slot,
        }
    }

    /// Signs the block by the proposer it names; with a proposer nobody knows, by nobody.
    pub fn sign(&self, block: BeaconBlock) -> SignedBeaconBlock {
        let signed = self.maker.sign_block(&self.at_slot, block.clone());
        signed.unwrap_or(SignedBeaconBlock {
            message: block,
            signature: BLSSignature::ZERO,
        })
    }

    /// The header, signed by the proposer it names or by `by`.
    pub fn sign_header(
        &self,
        header: BeaconBlockHeader,
        by: Option<ValidatorIndex>,
    ) -> SignedBeaconBlockHeader {
        let signer = BeaconBlockHeader {
            proposer_index: by.unwrap_or(header.proposer_index),
            ..header
        };
        // The signature of `by` over the header as it is.
        let spec = self.at_slot.spec();
        let epoch = consensus::helpers::compute_epoch_at_slot(header.slot, spec);
        let domain = consensus::helpers::get_domain(
            &self.at_slot,
            consensus::DOMAIN_BEACON_PROPOSER,
            Some(epoch),
        );
        let keys = self.maker.keys();
        let key = keys.of_validator(&self.at_slot, signer.proposer_index);
        SignedBeaconBlockHeader {
            message: header,
            signature: key.map_or(BLSSignature::ZERO, |key| {
                key.sign(consensus::helpers::compute_signing_root(&header, domain))
            }),
        }
    }

    /// Signs both headers again.
    pub fn sign_proposer_slashing(&self, slashing: &mut ProposerSlashing) {
        slashing.signed_header_1 = self.sign_header(slashing.signed_header_1.message, None);
        slashing.signed_header_2 = self.sign_header(slashing.signed_header_2.message, None);
    }

    /// Signs the attestation again by all that it names and that exist.
    pub fn sign_indexed(&self, attestation: &mut IndexedAttestation) {
        let indices = attestation.attesting_indices.to_vec();
        let data = &attestation.data;
        if let Ok(signature) = self.maker.sign_attestation(&self.at_slot, data, &indices) {
            attestation.signature = signature;
        }
    }

    /// Signs the attestation again by the members its bits name, if it names a committee.
    pub fn sign_attestation(&self, attestation: &mut Attestation) {
        let bits = &attestation.aggregation_bits;
        let indices = get_attesting_indices(&self.at_slot, &attestation.data, bits);
        let signature = indices.ok().and_then(|indices| {
            let data = &attestation.data;
            let signed = self.maker.sign_attestation(&self.at_slot, data, &indices);
            signed.ok()
        });
        attestation.signature = signature.unwrap_or(attestation.signature);
    }

    /// An exit signed by the validator it names; of a validator nobody knows, by nobody.
    pub fn sign_exit(&self, message: VoluntaryExit) -> SignedVoluntaryExit {
        let signed = self.maker.sign_exit(&self.at_slot, message);
        signed.unwrap_or(SignedVoluntaryExit {
            message,
            signature: BLSSignature::ZERO,
        })
    }

    /// Changes the block, signs it again and runs the whole transition.
    ///
    /// # Errors
    /// What the transition says.
    pub fn transition(&self, change: impl FnOnce(&mut BeaconBlock)) -> Result<(), Error> {
        let mut block = self.block.clone();
        change(&mut block);
        self.try_block(&self.sign(block))
    }

    /// Changes the signed block and runs the whole transition.
    ///
    /// # Errors
    /// What the transition says.
    pub fn transition_signed(
        &self,
        change: impl FnOnce(&mut SignedBeaconBlock),
    ) -> Result<(), Error> {
        let mut signed = self.sign(self.block.clone());
        change(&mut signed);
        self.try_block(&signed)
    }

    /// Changes the state at the block's slot and the block, and processes the block alone.
    ///
    /// # Errors
    /// What block processing says.
    pub fn process(
        &self,
        change: impl FnOnce(&mut BeaconState, &mut BeaconBlock),
    ) -> Result<(), Error> {
        let (mut state, mut block) = (self.at_slot.clone(), self.block.clone());
        change(&mut state, &mut block);
        in_both_modes(|mode| {
            let signatures = &mut Signatures::new(mode, &self.verifier);
            process_block(&mut state.clone(), &block, signatures)
        })
    }

    /// A state at another slot than the block's, as `process` gets it.
    ///
    /// # Panics
    /// If the slot is not after the parent's.
    pub fn state_at(&self, slot: u64) -> BeaconState {
        let mut state = self.parent.clone();
        process_slots(&mut state, slot).expect("a later slot");
        state
    }

    /// The transition with signatures one by one and in bulk: they must agree, and a refusal must
    /// leave the state what it was.
    fn try_block(&self, block: &SignedBeaconBlock) -> Result<(), Error> {
        let before = (self.parent.hash_tree_root(), self.parent.as_ssz_bytes());
        in_both_modes(|mode| {
            let mut state = self.parent.clone();
            let signatures = &mut Signatures::new(mode, &self.verifier);
            let outcome = state_transition(&mut state, block, signatures, true);
            let after = (state.hash_tree_root(), state.as_ssz_bytes());
            assert_eq!(outcome.is_err(), after == before, "after {outcome:?}");
            outcome.map(|root| assert_eq!(root, block.message.hash_tree_root()))
        })
    }

    /// An active validator that the block does not name.
    pub fn bystander(&self) -> ValidatorIndex {
        self.bystanders[0]
    }

    /// A validator that is in the registry and not active.
    ///
    /// # Panics
    /// If there is none.
    pub fn newcomer(&self) -> ValidatorIndex {
        let validators = self.at_slot.validators();
        (0..validators.len())
            .find(|&index| validators.activation_epoch(index) == Some(FAR_FUTURE_EPOCH))
            .expect("deposits were processed") as ValidatorIndex
    }

    /// A validator index beyond the registry.
    pub fn stranger(&self) -> ValidatorIndex {
        self.at_slot.validators().len() as ValidatorIndex + 100
    }
}

fn in_both_modes(run: impl Fn(SignatureMode) -> Result<(), Error>) -> Result<(), Error> {
    let one_by_one = run(SignatureMode::OneByOne);
    let bulk = run(SignatureMode::Bulk);
    assert_eq!(one_by_one, bulk, "the two ways to verify must agree");
    one_by_one
}

/// A root that nothing has.
pub fn nonsense() -> Root {
    Root::repeat_byte(0x77)
}
