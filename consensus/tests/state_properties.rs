//! The codec of the state: what goes in comes out, what is not a state is refused, and nothing
//! makes it panic or allocate for items that are not there.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod oracle;

use consensus::genesis::genesis_block;
use consensus::transition::*;
use consensus::*;
use oracle::fixture::{AcceptAll, minimal};
use oracle::random::{self, Profile};
use oracle::rng::Rng;
use oracle::state::PlainState;
use std::sync::Arc;

fn specs() -> [Arc<Spec>; 2] {
    [Arc::new(Spec::minimal()), Arc::new(Spec::mainnet())]
}

/// Where in a minimal state the offsets of its six lists are: each is behind the fields before it.
fn offset_positions(spec: &Spec) -> [usize; 6] {
    let roots = spec.SLOTS_PER_HISTORICAL_ROOT as usize * 32;
    let historical_roots = 8 + 32 + 8 + 16 + 112 + 2 * roots;
    let votes = historical_roots + 4 + 72;
    let validators = votes + 4 + 8;
    let mixes = spec.EPOCHS_PER_HISTORICAL_VECTOR as usize * 32;
    let slashings = spec.EPOCHS_PER_SLASHINGS_VECTOR as usize * 8;
    let previous = validators + 8 + mixes + slashings;
    [
        historical_roots,
        votes,
        validators,
        validators + 4,
        previous,
        previous + 4,
    ]
}

#[test]
fn states_survive_their_bytes() {
    for spec in specs() {
        for seed in 0..25 {
            let plain = random::state(&mut Rng::new(seed), &spec);
            let bytes = plain.to_ssz();
            let state = BeaconState::from_ssz_bytes(&bytes, &spec).unwrap();
            assert!(state.as_ssz_bytes() == bytes, "seed {seed}");
            let mut appended = vec![1, 2, 3];
            state.ssz_append(&mut appended);
            assert!(appended[..3] == [1, 2, 3] && appended[3..] == bytes);
            let json = serde_json::to_string(&state.to_json()).unwrap();
            let parsed: consensus::state::StateJson = serde_json::from_str(&json).unwrap();
            let parsed = parsed.into_state(&spec).unwrap();
            assert!(parsed.as_ssz_bytes() == bytes, "seed {seed}: JSON");
        }
    }
}

#[test]
fn the_offsets_are_where_this_test_thinks() {
    for spec in specs() {
        let plain = random::state(&mut Rng::new(3), &spec);
        let bytes = plain.to_ssz();
        let offset = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
        let offsets = offset_positions(&spec).map(offset);
        let validators = plain.validators.len();
        assert_eq!(offsets[3] - offsets[2], validators * 121);
        assert_eq!(offsets[4] - offsets[3], validators * 8);
        assert!(offsets.is_sorted() && offsets[5] <= bytes.len());
    }
}

/// Decodes bytes from anywhere: they are refused, or they are exactly a state's bytes.
fn decode_strictly(bytes: &[u8], spec: &Arc<Spec>) -> bool {
    match BeaconState::from_ssz_bytes(bytes, spec) {
        Ok(state) => {
            assert!(state.as_ssz_bytes() == bytes, "another form was accepted");
            true
        }
        Err(error) => {
            assert_eq!(error.name(), "Decode", "{error}");
            false
        }
    }
}

fn small_state(rng: &mut Rng) -> PlainState {
    let profile = Profile::steady(rng.range(1, 12), 5, 80);
    random::state_of(rng, &minimal(), &profile)
}

#[test]
fn mutated_bytes_are_refused_or_mean_what_they_say() {
    let spec = minimal();
    let (mut accepted, mut refused) = (0, 0);
    for seed in 0..40 {
        let rng = &mut Rng::new(seed);
        let original = small_state(rng).to_ssz();
        let offsets = offset_positions(&spec);
        for _ in 0..100 {
            let mut bytes = original.clone();
            for _ in 0..rng.range(1, 3) {
                mutate(rng, &mut bytes, &offsets);
            }
            match decode_strictly(&bytes, &spec) {
                true => accepted += 1,
                false => refused += 1,
            }
        }
    }
    assert!(accepted > 500 && refused > 500, "{accepted}, {refused}");
}

fn mutate(rng: &mut Rng, bytes: &mut Vec<u8>, offsets: &[usize]) {
    let length = bytes.len() as u64;
    match rng.below(8) {
        0 => {
            let at = rng.below(length) as usize;
            bytes[at] ^= 1 << rng.below(8);
        }
        1 => bytes.truncate(rng.below(length) as usize),
        2 => {
            let extra = rng.range(1, 200);
            bytes.extend((0..extra).map(|_| rng.next() as u8));
        }
        3 | 4 => {
            let at = rng.pick(offsets);
            if bytes.len() >= at + 4 {
                let old = u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
                let new = match rng.below(4) {
                    0 => rng.next() as u32,
                    1 => u32::MAX - rng.below(200) as u32,
                    2 => old.wrapping_add(rng.pick(&[1, 4, 8, 32, 121, 128])),
                    _ => old.wrapping_sub(rng.pick(&[1, 4, 8, 32, 121, 128])),
                };
                bytes[at..at + 4].copy_from_slice(&new.to_le_bytes());
            }
        }
        5 => {
            let at = rng.below(length) as usize;
            bytes.remove(at);
        }
        6 => bytes.insert(rng.below(length) as usize, rng.next() as u8),
        _ => {
            // The tail is the lists of attestations with offsets of their own.
            let at = (length - 1 - rng.below(length.min(400))) as usize;
            bytes[at] = rng.next() as u8;
        }
    }
    if bytes.is_empty() {
        bytes.push(0);
    }
}

#[test]
fn random_bytes_are_refused() {
    let spec = minimal();
    for seed in 0..500 {
        let rng = &mut Rng::new(seed);
        let length = match seed % 3 {
            0 => rng.below(100),
            1 => rng.below(10_000),
            _ => 10_000 + rng.below(500),
        };
        let bytes: Vec<u8> = (0..length).map(|_| rng.next() as u8).collect();
        assert!(!decode_strictly(&bytes, &spec), "seed {seed}");
    }
    assert!(!decode_strictly(&[], &spec));
}

#[test]
fn truncations_are_refused() {
    let spec = minimal();
    let rng = &mut Rng::new(2);
    let plain = small_state(rng);
    let bytes = plain.to_ssz();
    let mut accepted = Vec::new();
    for length in 0..bytes.len() {
        if decode_strictly(&bytes[..length], &spec) {
            accepted.push(length);
        }
    }
    // Without its last list a state is another state, with an empty list.
    let mut emptied = plain;
    emptied.current_epoch_attestations.clear();
    assert_eq!(accepted, [emptied.to_ssz().len()]);
}

/// Offsets that promise up to 2^32 bytes, in states and in the lists inside: an error, at once.
/// Were anything allocated for what they promise, this would take gigabytes.
#[test]
fn huge_offsets_do_not_allocate() {
    let spec = minimal();
    let rng = &mut Rng::new(1);
    let plain = random::state_of(rng, &spec, &Profile::steady(8, 5, 100));
    let bytes = plain.to_ssz();
    let huge = [u32::MAX, u32::MAX - 3, u32::MAX / 2, 1 << 31, 1 << 28];
    for at in offset_positions(&spec) {
        for offset in huge {
            let mut bytes = bytes.clone();
            bytes[at..at + 4].copy_from_slice(&offset.to_le_bytes());
            assert!(!decode_strictly(&bytes, &spec), "offset {offset} at {at}");
        }
    }
    let tail = offset_positions(&spec)[4];
    let list = u32::from_le_bytes(bytes[tail..tail + 4].try_into().unwrap()) as usize;
    for offset in huge {
        let mut bytes = bytes.clone();
        bytes[list..list + 4].copy_from_slice(&offset.to_le_bytes());
        assert!(!decode_strictly(&bytes, &spec), "offset {offset} in a list");
        bytes[list..list + 4].copy_from_slice(&(offset & !3).to_le_bytes());
        assert!(!decode_strictly(&bytes, &spec), "offset {offset} in a list");
    }
    // 2^32 votes in a list that takes 2^32 / 4 offsets.
    let claim = [0xfc, 0xff, 0xff, 0xff];
    let mut bytes = bytes[..list].to_vec();
    bytes.extend(claim);
    bytes[tail + 4..tail + 8].copy_from_slice(&(list as u32 + 4).to_le_bytes());
    assert!(!decode_strictly(&bytes, &spec));
}

/// Lists longer than their limit are refused by their length.
#[test]
fn lists_over_their_limit_are_refused() {
    let spec = minimal();
    let rng = &mut Rng::new(1);
    let plain = small_state(rng);
    let mut votes = plain.clone();
    let limit = spec.eth1_voting_slots() as usize;
    votes.eth1_data_votes.resize(limit, Eth1Data::default());
    assert!(decode_strictly(&votes.to_ssz(), &spec));
    votes.eth1_data_votes.push(Eth1Data::default());
    assert!(!decode_strictly(&votes.to_ssz(), &spec));
    let mut pending = plain;
    let one = pending.current_epoch_attestations[0].clone();
    let limit = spec.pending_attestations_limit() as usize;
    pending
        .current_epoch_attestations
        .resize(limit, one.clone());
    assert!(decode_strictly(&pending.to_ssz(), &spec));
    pending.current_epoch_attestations.push(one);
    assert!(!decode_strictly(&pending.to_ssz(), &spec));
}

#[test]
fn a_state_of_the_other_preset_is_refused() {
    let [minimal, mainnet] = specs();
    for seed in 0..10 {
        let of_minimal = random::state(&mut Rng::new(seed), &minimal).to_ssz();
        let of_mainnet = random::state(&mut Rng::new(seed), &mainnet).to_ssz();
        assert!(!decode_strictly(&of_minimal, &mainnet));
        assert!(!decode_strictly(&of_mainnet, &minimal));
    }
}

#[test]
fn failed_transitions_leave_no_trace() {
    let spec = minimal();
    let mut failures = 0;
    for seed in 0..60 {
        let rng = &mut Rng::new(seed);
        let mut plain = random::state(rng, &spec);
        if seed % 2 == 0 {
            // Epoch processing fails in one of its later steps.
            plain.slashings[3] = u64::MAX;
            plain.slashings[4] = u64::MAX;
        }
        let mut state = plain.to_state();
        let (root, bytes) = (state.hash_tree_root(), state.as_ssz_bytes());
        let slot = state.slot() + 1;
        let past = process_slots(&mut state, slot - 1);
        assert!(matches!(past, Err(Error::SlotNotAdvanced { .. })));
        let block = SignedBeaconBlock {
            message: BeaconBlock {
                slot,
                proposer_index: rng.below(plain.validators.len() as u64 + 3),
                parent_root: Root::from(rng.bytes()),
                state_root: Root::ZERO,
                ..genesis_block(&state)
            },
            signature: BLSSignature::ZERO,
        };
        for mode in [
            SignatureMode::Bulk,
            SignatureMode::OneByOne,
            SignatureMode::Skip,
        ] {
            let signatures = &mut Signatures::new(mode, &AcceptAll);
            let refused = state_transition(&mut state, &block, signatures, true);
            assert!(refused.is_err(), "seed {seed}");
        }
        if seed % 2 == 0 {
            assert!(process_slots(&mut state, slot + 20).is_err(), "seed {seed}");
            failures += 1;
        }
        assert_eq!(state.hash_tree_root(), root, "seed {seed}");
        assert!(state.as_ssz_bytes() == bytes, "seed {seed}");
        assert!(plain.differs_from(&bytes).is_none(), "seed {seed}");
    }
    assert_eq!(failures, 30);
}

/// Operations with every number at an extreme: an error or a success, never a panic.
#[test]
fn cl_2025_01_malformed_operations_do_not_crash() {
    let spec = minimal();
    let extremes = [0, 1, 1 << 32, 1 << 61, u64::MAX / 8, u64::MAX - 1, u64::MAX];
    for seed in 0..3000 {
        let rng = &mut Rng::new(seed);
        let plain = random::state_of(&mut Rng::new(seed % 7), &spec, &Profile::steady(16, 5, 50));
        let mut state = plain.to_state();
        if seed % 5 == 0 {
            state.set_slot(rng.pick(&extremes).min(u64::MAX - 1000));
        }
        let mut number = |usual: u64| match rng.percent(50) {
            true => rng.pick(&extremes),
            false => usual,
        };
        let slot = number(state.slot().saturating_sub(1));
        let data = AttestationData {
            slot,
            index: number(0),
            beacon_block_root: Root::ZERO,
            source: Checkpoint {
                epoch: number(4),
                root: state.current_justified_checkpoint().root,
            },
            target: Checkpoint {
                epoch: number(slot / 8),
                root: Root::ZERO,
            },
        };
        let indices = vec![number(1), number(3), number(u64::MAX)];
        let exit = VoluntaryExit {
            epoch: number(0),
            validator_index: number(2),
        };
        let bits = AggregationBits::with_capacity(number(2).min(2048) as usize).unwrap();
        malformed(&mut state, data, indices, exit, bits);
    }
}

fn malformed(
    state: &mut BeaconState,
    data: AttestationData,
    indices: Vec<ValidatorIndex>,
    exit: VoluntaryExit,
    aggregation_bits: AggregationBits,
) {
    let signature = BLSSignature::ZERO;
    let signatures = &mut Signatures::new(SignatureMode::Bulk, &AcceptAll);
    let other = AttestationData {
        beacon_block_root: Root::repeat_byte(1),
        ..data
    };
    let indexed = |data| IndexedAttestation {
        attesting_indices: indices.clone().try_into().unwrap(),
        data,
        signature,
    };
    let slashing = AttesterSlashing {
        attestation_1: indexed(data),
        attestation_2: indexed(other),
    };
    let _ = process_attester_slashing(state, &slashing, signatures);
    let attestation = Attestation {
        aggregation_bits,
        data,
        signature,
    };
    let _ = process_attestation(state, &attestation, signatures);
    let _ = helpers::get_indexed_attestation(state, &attestation);
    let exit = SignedVoluntaryExit {
        message: exit,
        signature,
    };
    let _ = process_voluntary_exit(state, &exit, signatures);
    let header = |body_root| SignedBeaconBlockHeader {
        message: BeaconBlockHeader {
            slot: data.slot,
            proposer_index: data.index,
            parent_root: Root::ZERO,
            state_root: Root::ZERO,
            body_root,
        },
        signature,
    };
    let slashing = ProposerSlashing {
        signed_header_1: header(Root::ZERO),
        signed_header_2: header(Root::repeat_byte(1)),
    };
    let _ = process_proposer_slashing(state, &slashing, signatures);
    let deposit = DepositData {
        pubkey: random::key(data.index % 20),
        withdrawal_credentials: Root::ZERO,
        amount: data.target.epoch,
        signature,
    };
    let _ = apply_deposit(state, &deposit, signatures);
}
