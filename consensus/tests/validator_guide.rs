//! What an honest validator does: proposals and attestations made with it are accepted, and its
//! choices follow the specification.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![forbid(unsafe_code)]

use consensus::bls::{Bls, BlsError, aggregate, verify};
use consensus::genesis::{genesis_block, unsigned_interop_genesis};
use consensus::helpers::*;
use consensus::transition::*;
use consensus::validator_guide::*;
use consensus::*;
use proptest::prelude::*;
use std::sync::Arc;

const VALIDATORS: u64 = 64;
const GENESIS_TIME: u64 = 1_000_000;

fn bls() -> Bls {
    Bls::new(Pool::new(2), [3; 32])
}

fn genesis() -> BeaconState {
    let spec = Arc::new(Spec::minimal());
    let (hash, pool) = (Root::repeat_byte(0x42), Pool::new(2));
    unsigned_interop_genesis(VALIDATORS, GENESIS_TIME, hash, &spec, &pool).unwrap()
}

fn at_slot(state: &BeaconState, slot: Slot) -> BeaconState {
    let mut advanced = state.clone();
    process_slots(&mut advanced, slot).unwrap();
    advanced
}

/// The block that the proposer of `slot` makes on `parent`.
fn propose(parent: &BeaconState, slot: Slot, attestations: &[Attestation]) -> SignedBeaconBlock {
    let state = at_slot(parent, slot);
    let proposer_index = (0..VALIDATORS)
        .find(|&index| is_proposer(&state, index).unwrap())
        .unwrap();
    let key = SecretKey::interop(proposer_index);
    let mut block = genesis_block(parent);
    block.slot = slot;
    block.proposer_index = proposer_index;
    block.parent_root = state.latest_block_header().hash_tree_root();
    block.body.randao_reveal = get_epoch_signature(&state, &block, &key);
    block.body.eth1_data = get_eth1_vote(&state, &[]).unwrap();
    block.body.attestations = attestations.to_vec().try_into().unwrap();
    block.state_root = compute_new_state_root(parent, &block, &bls()).unwrap();
    let signature = get_block_signature(&state, &block, &key);
    SignedBeaconBlock {
        message: block,
        signature,
    }
}

/// What each member of a committee of the state's slot attests, alone.
fn attest(state: &BeaconState, index: CommitteeIndex, head: Root) -> Vec<Attestation> {
    let slot = state.slot();
    let epoch = get_current_epoch(state);
    let start = compute_start_slot_at_epoch(epoch, state.spec()).unwrap();
    let boundary = match start == slot {
        true => head,
        false => get_block_root(state, epoch).unwrap(),
    };
    let data = AttestationData {
        slot,
        index,
        beacon_block_root: head,
        source: state.current_justified_checkpoint(),
        target: Checkpoint {
            epoch,
            root: boundary,
        },
    };
    let committee = get_beacon_committee(state, slot, index).unwrap();
    let alone = |(position, &member): (usize, &ValidatorIndex)| {
        let mut aggregation_bits = AggregationBits::with_capacity(committee.len()).unwrap();
        aggregation_bits.set(position, true).unwrap();
        let signature = get_attestation_signature(state, &data, &SecretKey::interop(member));
        Attestation {
            aggregation_bits,
            data,
            signature,
        }
    };
    committee.iter().enumerate().map(alone).collect()
}

fn aggregated(attestations: &[Attestation]) -> Attestation {
    let mut aggregate = attestations[0].clone();
    for attestation in attestations {
        aggregate.aggregation_bits = aggregate
            .aggregation_bits
            .union(&attestation.aggregation_bits);
    }
    aggregate.signature = get_aggregate_signature(attestations).unwrap();
    aggregate
}

#[test]
fn proposals_and_attestations_are_accepted() {
    let bls = bls();
    let mut state = genesis();
    let first = propose(&state, 1, &[]);
    let mut signatures = Signatures::new(SignatureMode::OneByOne, &bls);
    let root = state_transition(&mut state, &first, &mut signatures, true).unwrap();

    let committees = get_committee_count_per_slot(&state, 0).unwrap();
    assert_eq!(committees, 2);
    let aggregates: Vec<_> = (0..committees)
        .map(|index| aggregated(&attest(&state, index, root)))
        .collect();
    let second = propose(&state, 3, &aggregates);
    for mode in [SignatureMode::OneByOne, SignatureMode::Bulk] {
        let mut state = state.clone();
        let mut signatures = Signatures::new(mode, &bls);
        state_transition(&mut state, &second, &mut signatures, true).unwrap();
        assert_eq!(state.current_epoch_attestations().len(), 2);
        assert_eq!(state.hash_tree_root(), second.message.state_root);
    }
    assert_eq!(get_aggregate_signature(&[]), Err(BlsError::EmptyAggregate));
    // The state that the root is computed for is left alone, and must be before the block.
    assert_eq!(state.slot(), 1);
    let late = compute_new_state_root(&at_slot(&state, 3), &second.message, &bls);
    assert!(matches!(late, Err(Error::SlotNotAdvanced { .. })));
}

#[test]
fn every_validator_attests_once_per_epoch() {
    let state = at_slot(&genesis(), 9);
    let spec = state.spec();
    for epoch in 0..=2 {
        let mut members = 0;
        for validator in 0..VALIDATORS {
            let assignment = get_committee_assignment(&state, epoch, validator).unwrap();
            let (committee, index, slot) = assignment.unwrap();
            assert_eq!(compute_epoch_at_slot(slot, spec), epoch);
            assert_eq!(
                get_beacon_committee(&state, slot, index).unwrap(),
                committee
            );
            assert_eq!(
                committee
                    .iter()
                    .filter(|&&member| member == validator)
                    .count(),
                1
            );
            members += 1;
        }
        assert_eq!(members, VALIDATORS);
        for nobody in [VALIDATORS, 1 << 32, u64::MAX] {
            assert_eq!(get_committee_assignment(&state, epoch, nobody), Ok(None));
        }
    }
    let too_far = AssignmentError::EpochTooFar { epoch: 3, next: 2 };
    assert_eq!(get_committee_assignment(&state, 3, 0), Err(too_far));
    let mut exited = state.clone();
    exited.set_exit_epoch(5, 2).unwrap();
    assert!(get_committee_assignment(&exited, 1, 5).unwrap().is_some());
    assert_eq!(get_committee_assignment(&exited, 2, 5), Ok(None));
}

#[test]
fn one_proposer_per_slot_and_activity() {
    let mut state = genesis();
    for slot in 1..4 {
        process_slots(&mut state, slot).unwrap();
        let proposers = (0..VALIDATORS).filter(|&index| is_proposer(&state, index).unwrap());
        assert_eq!(proposers.count(), 1);
    }
    assert_eq!(check_if_validator_active(&state, 7), Ok(true));
    state.set_activation_epoch(7, 1).unwrap();
    assert_eq!(check_if_validator_active(&state, 7), Ok(false));
    for unknown in [VALIDATORS, u64::MAX] {
        let error = Error::UnknownValidator(unknown);
        assert_eq!(check_if_validator_active(&state, unknown), Err(error));
    }
}

#[test]
fn signatures_are_for_their_domain_and_epoch() {
    let mut state = at_slot(&genesis(), 9);
    // A fork between the two epochs, so that the epoch of each object shows in its domain.
    state.set_fork(Fork {
        previous_version: [0, 0, 0, 1].into(),
        current_version: [9, 9, 9, 9].into(),
        epoch: 1,
    });
    let key = SecretKey::interop(0);
    let signed = |object: Root, domain_type: DomainType, version: [u8; 4], signature| {
        let domain = compute_domain(domain_type, version.into(), state.genesis_validators_root());
        let root = SigningData {
            object_root: object,
            domain,
        };
        verify(
            &key.public_key(),
            root.hash_tree_root().as_slice(),
            &signature,
        )
    };
    let (old, new) = ([0, 0, 0, 1], [9, 9, 9, 9]);
    for (slot, epoch, version, other) in [(7u64, 0u64, old, new), (8, 1, new, old)] {
        let mut block = genesis_block(&state);
        block.slot = slot;
        let randao = get_epoch_signature(&state, &block, &key);
        assert!(signed(
            epoch.hash_tree_root(),
            DOMAIN_RANDAO,
            version,
            randao
        ));
        assert!(!signed(
            epoch.hash_tree_root(),
            DOMAIN_RANDAO,
            other,
            randao
        ));
        let proposal = get_block_signature(&state, &block, &key);
        assert!(signed(
            block.hash_tree_root(),
            DOMAIN_BEACON_PROPOSER,
            version,
            proposal
        ));
        let selection = get_slot_signature(&state, slot, &key);
        assert!(signed(
            slot.hash_tree_root(),
            DOMAIN_SELECTION_PROOF,
            version,
            selection
        ));

        let mut attestation = attest(&state, 0, Root::ZERO).remove(0);
        attestation.data.slot = slot;
        attestation.data.target.epoch = epoch;
        let vote = get_attestation_signature(&state, &attestation.data, &key);
        let data_root = attestation.data.hash_tree_root();
        assert!(signed(data_root, DOMAIN_BEACON_ATTESTER, version, vote));
        let message = get_aggregate_and_proof(&state, 17, attestation.clone(), &key);
        assert_eq!(message.aggregator_index, 17);
        assert_eq!(message.aggregate, attestation);
        assert_eq!(message.selection_proof, selection);
        let envelope = get_aggregate_and_proof_signature(&state, &message, &key);
        let message_root = message.hash_tree_root();
        assert!(signed(
            message_root,
            DOMAIN_AGGREGATE_AND_PROOF,
            version,
            envelope
        ));
        assert!(!signed(
            message_root,
            DOMAIN_AGGREGATE_AND_PROOF,
            other,
            envelope
        ));
    }
}

#[test]
fn aggregate_signatures_are_the_sum() {
    let state = at_slot(&genesis(), 1);
    let attestations = attest(&state, 0, Root::ZERO);
    let signatures: Vec<_> = attestations.iter().map(|a| a.signature).collect();
    assert_eq!(
        get_aggregate_signature(&attestations),
        aggregate(&signatures)
    );
    let indexed = get_indexed_attestation(&state, &aggregated(&attestations)).unwrap();
    assert_eq!(indexed.attesting_indices.len(), attestations.len());
    assert_eq!(
        is_valid_indexed_attestation(&state, &indexed, &bls()),
        Ok(())
    );
}

#[test]
fn aggregators_are_selected_by_their_signature() {
    let state = at_slot(&genesis(), 1);
    for index in 0..2 {
        let signature = get_slot_signature(&state, 1, &SecretKey::interop(index));
        // Committees of four: everybody aggregates.
        assert_eq!(is_aggregator(&state, 1, index, &signature), Ok(true));
    }
    let none = is_aggregator(&state, 1, 2, &BLSSignature::ZERO);
    assert!(matches!(
        none,
        Err(Error::CommitteeIndexOutOfRange { index: 2, count: 2 })
    ));

    let signature = |seed: u64| {
        let mut signature = BLSSignature::ZERO;
        signature[..8].copy_from_slice(&seed.to_le_bytes());
        signature
    };
    // 130 members make it one in 8, on average 16; 31 members one in one.
    let selected = (0..8_000)
        .filter(|&seed| is_selected(130, &signature(seed)))
        .count();
    assert!((900..1_100).contains(&selected), "{selected}");
    assert!(
        (0..100).all(|seed| is_selected(31, &signature(seed)) && is_selected(0, &signature(seed)))
    );
    let chosen = (0..8_000)
        .find(|&seed| is_selected(160, &signature(seed)))
        .unwrap();
    let digest = hash(signature(chosen).as_slice());
    assert_eq!(u64::from_le_bytes(digest[..8].try_into().unwrap()) % 10, 0);
}

#[test]
fn candidate_blocks_are_one_to_two_follow_distances_old() {
    let spec = Spec::mainnet();
    let distance = 14 * 2048;
    let candidate = |timestamp, period_start| {
        let block = Eth1Block {
            timestamp,
            deposit_root: Root::ZERO,
            deposit_count: 0,
        };
        is_candidate_block(&block, period_start, &spec)
    };
    let now = 10 * distance;
    assert!(!candidate(now - distance + 1, now));
    assert!(candidate(now - distance, now));
    assert!(candidate(now - 2 * distance, now));
    assert!(!candidate(now - 2 * distance - 1, now));
    assert!(!candidate(u64::MAX, 0));
    assert!(!candidate(0, u64::MAX));
    assert!(!candidate(now, 5));
}

/// An eth1 block in the middle of the period's range, with its data.
fn eth1_block(state: &BeaconState, name: u8, deposit_count: u64) -> (Hash32, Eth1Block) {
    let spec = state.spec();
    let distance = spec.SECONDS_PER_ETH1_BLOCK * spec.ETH1_FOLLOW_DISTANCE;
    let block = Eth1Block {
        timestamp: voting_period_start_time(state).unwrap() - distance - u64::from(100 - name),
        deposit_root: Root::repeat_byte(name),
        deposit_count,
    };
    (Root::repeat_byte(name), block)
}

#[test]
fn eth1_votes_follow_the_majority_then_the_first() {
    let mut state = genesis();
    let chain: Vec<_> = (1..=4)
        .map(|name| eth1_block(&state, name, VALIDATORS))
        .collect();
    let data = |name: usize| get_eth1_data(&chain[name - 1].1, chain[name - 1].0);
    let vote = |state: &BeaconState| get_eth1_vote(state, &chain).unwrap();
    assert_eq!(data(3).block_hash, Root::repeat_byte(3));
    assert_eq!(vote(&state), data(4), "without votes the latest candidate");
    let foreign = Eth1Data::default();
    for cast in [foreign, foreign, foreign, data(2)] {
        state.push_eth1_data_vote(cast).unwrap();
    }
    assert_eq!(vote(&state), data(2), "votes for no candidate do not count");
    state.push_eth1_data_vote(data(1)).unwrap();
    assert_eq!(
        vote(&state),
        data(2),
        "a tie is won by the first that was cast"
    );
    state.push_eth1_data_vote(data(1)).unwrap();
    assert_eq!(vote(&state), data(1));

    assert_eq!(
        get_eth1_vote(&state, &[]).unwrap(),
        *state.eth1_data(),
        "no eth1 chain"
    );
    let backwards = [eth1_block(&state, 1, VALIDATORS - 1)];
    assert_eq!(
        get_eth1_vote(&state, &backwards).unwrap(),
        *state.eth1_data()
    );
    let mut early = chain[0];
    early.1.timestamp = 0;
    assert_eq!(get_eth1_vote(&state, &[early]).unwrap(), *state.eth1_data());
}

#[test]
fn voting_periods_start_where_votes_are_reset() {
    let mut state = genesis();
    let spec = state.spec().clone();
    let period = spec.eth1_voting_slots();
    for (slot, start) in [
        (0, 0),
        (period - 1, 0),
        (period, period),
        (2 * period + 3, 2 * period),
    ] {
        state.set_slot(slot);
        let time = GENESIS_TIME + start * spec.SLOT_DURATION_MS / 1000;
        assert_eq!(voting_period_start_time(&state), Ok(time));
    }
    state.set_slot(u64::MAX);
    assert_eq!(voting_period_start_time(&state), Err(Error::Overflow));
}

#[test]
fn attestation_subnets() {
    let spec = Spec::mainnet();
    for (committees, slot, index, subnet) in [
        (1, 0, 0, 0),
        (2, 3, 1, 7),
        (64, 31, 5, 5),
        (63, 33, 2, 1),
        (64, u64::MAX, u64::MAX, 63),
        (u64::MAX, u64::MAX, u64::MAX, 32),
    ] {
        assert_eq!(
            compute_subnet_for_attestation(committees, slot, index, &spec),
            subnet
        );
    }
}

/// The node id that a decimal number is, as 32 big-endian bytes.
fn node_id(decimal: &str) -> [u8; 32] {
    let mut id = [0u8; 32];
    for digit in decimal.bytes() {
        let mut carry = u32::from(digit - b'0');
        for byte in id.iter_mut().rev() {
            carry += u32::from(*byte) * 10;
            *byte = carry as u8;
            carry >>= 8;
        }
    }
    id
}

/// Values that other clients test with.
#[test]
fn subscribed_subnets_are_those_of_other_clients() {
    let spec = Spec::mainnet();
    for (id, epoch, subnets) in [
        ("0", 54_321, [4, 5]),
        (
            "88752428858350697756262172400162263450541348766581994718383409852729519486397",
            1_017_090_249,
            [61, 62],
        ),
        (
            "18732750322395381632951253735273868184515463718109267674920115648614659369468",
            1_827_566_880,
            [23, 24],
        ),
        (
            "27726842142488109545414954493849224833670205008410190955613662332153332462900",
            846_255_942,
            [38, 39],
        ),
        (
            "39755236029158558527862903296867805548949739810920318269566095185775868999998",
            766_597_383,
            [53, 54],
        ),
        (
            "31899136003441886988955119620035330314647133604576220223892254902004850516297",
            1_204_990_115,
            [39, 40],
        ),
    ] {
        assert_eq!(
            compute_subscribed_subnets(&node_id(id), epoch, &spec),
            Ok(subnets.to_vec())
        );
    }
    let last = compute_subscribed_subnets(&[0xff; 32], u64::MAX, &spec);
    assert_eq!(last, Err(Error::Overflow));
}

#[test]
fn fork_digests_are_those_of_real_networks() {
    for (spec, root, digest) in [
        (
            Spec::mainnet(),
            "0x4b363db94e286120d76eb905340fdd4e54bfe9f06bf33ff6cf5ad27f511bfe95",
            [0xb5, 0x30, 0x3f, 0x2a],
        ),
        (
            Spec::minimal(),
            "0x83431ec7fcf92cfc44947fc0418e831c25e1d0806590231c439830db7ad54fda",
            [0x52, 0x67, 0xd9, 0xc6],
        ),
    ] {
        let root: Root = root.parse().unwrap();
        assert_eq!(compute_fork_digest(root, 5, &spec), digest);
        assert_eq!(
            compute_fork_version(u64::MAX, &spec),
            spec.GENESIS_FORK_VERSION
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn a_nodes_subnets_are_neighbours_and_last_a_period(id: [u8; 32], epoch in 0u64..1 << 40) {
        let spec = Spec::mainnet();
        let subnets = compute_subscribed_subnets(&id, epoch, &spec).unwrap();
        prop_assert_eq!(subnets[1], (subnets[0] + 1) % 64);
        prop_assert!(subnets[0] < 64);
        let period = spec.EPOCHS_PER_SUBNET_SUBSCRIPTION;
        let changes = (epoch..epoch + period)
            .filter(|&at| {
                compute_subscribed_subnets(&id, at, &spec) != compute_subscribed_subnets(&id, at + 1, &spec)
            })
            .count();
        prop_assert!(changes <= 1);
    }

    #[test]
    fn committees_of_a_slot_have_subnets_in_a_row(committees in 1u64..=64, slot: u64, index in 0u64..63) {
        let spec = Spec::mainnet();
        let subnet = |index| compute_subnet_for_attestation(committees, slot, index, &spec);
        prop_assert_eq!(subnet(index + 1), (subnet(index) + 1) % 64);
    }
}
