//! The corpora of beacon-fuzz, inputs that once broke clients: every decoder and every operation
//! takes them without a panic.
#![forbid(unsafe_code)]

use consensus::transition::{
    SignatureMode, Signatures, process_attestation, process_attester_slashing, process_deposit,
    process_epoch, process_proposer_slashing, process_slots, process_voluntary_exit,
    state_transition,
};
use consensus::views::SignedBlockView;
use consensus::*;
use shared_inputs::Archive;
use spec_tests::driver::AcceptAll;
use ssz::{Decode, Encode};
use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

/// Files by the folder they are in, the kind of input they are.
type Corpora = BTreeMap<String, Vec<Vec<u8>>>;

/// Unpacks everything but the states, which `on_state` sees one at a time: together they are some
/// 350 MB.
fn read_corpora(archive: &mut Archive, mut on_state: impl FnMut(Vec<u8>)) -> Corpora {
    let mut corpora = Corpora::new();
    for entry in archive.entries().expect("a tar archive") {
        let mut entry = entry.expect("undamaged");
        if !entry.header().entry_type().is_file() {
            continue;
        }
        let path = entry.path().expect("a path").into_owned();
        let kind = path
            .parent()
            .and_then(Path::file_name)
            .expect("has a folder");
        let kind = kind.to_string_lossy().into_owned();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).expect("undamaged");
        if kind == "beaconstate" {
            on_state(bytes);
        } else {
            corpora.entry(kind).or_default().push(bytes);
        }
    }
    corpora
}

/// What decodes must encode to the same bytes: there is one encoding of a value.
fn decode<T: Decode + Encode + HashTreeRoot>(bytes: &[u8]) -> Option<T> {
    let value = T::from_ssz_bytes(bytes).ok()?;
    assert_eq!(value.as_ssz_bytes(), bytes);
    value.hash_tree_root();
    Some(value)
}

fn decode_everything(bytes: &[u8]) {
    decode::<Attestation>(bytes);
    decode::<AttesterSlashing>(bytes);
    decode::<BeaconBlock>(bytes);
    decode::<BeaconBlockBody>(bytes);
    decode::<Deposit>(bytes);
    decode::<IndexedAttestation>(bytes);
    decode::<PendingAttestation>(bytes);
    decode::<ProposerSlashing>(bytes);
    decode::<SignedAggregateAndProof>(bytes);
    decode::<SignedVoluntaryExit>(bytes);
    decode::<Validator>(bytes);
    // The view reads fields without decoding the rest, so it may accept more than the decoder.
    let view = SignedBlockView::new(bytes);
    if let Some(block) = decode::<SignedBeaconBlock>(bytes) {
        let view = view.expect("a block that decodes has a view");
        assert_eq!(view.slot(), block.message.slot);
        assert_eq!(view.parent_root(), block.message.parent_root);
        assert_eq!(view.state_root(), block.message.state_root);
        assert_eq!(view.graffiti(), block.message.body.graffiti);
    }
}

/// The input cut short, and with single bits flipped, at places spread over it.
fn variants(bytes: &[u8]) -> Vec<Vec<u8>> {
    let step = (bytes.len() / 64).max(1);
    let mut variants = vec![bytes.to_vec()];
    for at in (0..bytes.len()).step_by(step) {
        variants.push(bytes[..at].to_vec());
        let mut flipped = bytes.to_vec();
        flipped[at] ^= 1 << (at % 8);
        variants.push(flipped);
    }
    variants
}

/// The operations of a block that the corpora hold.
#[derive(Default)]
struct Operations {
    attestations: Vec<Attestation>,
    attester_slashings: Vec<AttesterSlashing>,
    blocks: Vec<SignedBeaconBlock>,
    deposits: Vec<Deposit>,
    proposer_slashings: Vec<ProposerSlashing>,
    voluntary_exits: Vec<SignedVoluntaryExit>,
}

impl Operations {
    fn of(corpora: &Corpora) -> Operations {
        fn all<T: Decode + Encode + HashTreeRoot>(corpora: &Corpora, kind: &str) -> Vec<T> {
            let files = corpora.get(kind).into_iter().flatten();
            files.filter_map(|bytes| decode(bytes)).collect()
        }
        Operations {
            attestations: all(corpora, "attestation"),
            attester_slashings: all(corpora, "attester_slashing"),
            blocks: all(corpora, "block"),
            deposits: all(corpora, "deposit"),
            proposer_slashings: all(corpora, "proposer_slashing"),
            voluntary_exits: all(corpora, "voluntary_exit"),
        }
    }

    fn count(&self) -> usize {
        self.attestations.len()
            + self.attester_slashings.len()
            + self.blocks.len()
            + self.deposits.len()
            + self.proposer_slashings.len()
            + self.voluntary_exits.len()
    }

    /// Applies each to a copy of the state, which must not feel it.
    fn apply(&self, state: &BeaconState, verifier: &dyn Verifier) {
        let before = state.hash_tree_root();
        let mut signatures = Signatures::new(SignatureMode::OneByOne, verifier);
        for operation in &self.attestations {
            let _ = process_attestation(&mut state.clone(), operation, &mut signatures);
        }
        for operation in &self.attester_slashings {
            let _ = process_attester_slashing(&mut state.clone(), operation, &mut signatures);
        }
        for operation in &self.deposits {
            let _ = process_deposit(&mut state.clone(), operation, &signatures);
        }
        for operation in &self.proposer_slashings {
            let _ = process_proposer_slashing(&mut state.clone(), operation, &mut signatures);
        }
        for operation in &self.voluntary_exits {
            let _ = process_voluntary_exit(&mut state.clone(), operation, &mut signatures);
        }
        for block in &self.blocks {
            // A slot far ahead is work, not a fault: the caller bounds how far it advances.
            if block.message.slot.saturating_sub(state.slot()) <= 64 {
                let _ = state_transition(&mut state.clone(), block, &mut signatures, true);
            }
        }
        let _ = process_epoch(&mut state.clone());
        if let Some(next) = state.slot().checked_add(1) {
            let _ = process_slots(&mut state.clone(), next);
        }
        assert_eq!(state.hash_tree_root(), before);
    }
}

#[test]
fn nothing_panics() {
    let corpora = "chaindata/beacon-fuzz/corpora.tar.xz";
    let Some(mut archive) = shared_inputs::archive(corpora, "the fuzz corpora") else {
        return;
    };
    let spec = Arc::new(Spec::mainnet());
    let mut states = Vec::new();
    let mut seen = 0;
    let corpora = read_corpora(&mut archive, |bytes| {
        seen += 1;
        decode_everything(&bytes);
        if let Ok(state) = BeaconState::from_ssz_bytes(&bytes, &spec) {
            assert_eq!(state.as_ssz_bytes(), bytes);
            states.push(state);
        }
        for length in [bytes.len() / 2, bytes.len().saturating_sub(1)] {
            let _ = BeaconState::from_ssz_bytes(&bytes[..length], &spec);
        }
    });
    assert!(seen > 100, "{seen} states");
    for bytes in corpora.values().flatten() {
        for variant in variants(bytes) {
            decode_everything(&variant);
            assert!(BeaconState::from_ssz_bytes(&variant, &spec).is_err());
        }
    }
    let operations = Operations::of(&corpora);
    println!(
        "{seen} states, {} decode; {} operations",
        states.len(),
        operations.count()
    );
    assert!(operations.count() > 0 && !states.is_empty());
    for state in &states {
        operations.apply(state, &AcceptAll);
    }
}
