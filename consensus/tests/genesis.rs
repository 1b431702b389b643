//! Genesis: from deposits, of test networks, and as another client made it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![forbid(unsafe_code)]

use consensus::bls::Bls;
use consensus::genesis::*;
use consensus::transition::deposit_signature_set;
use consensus::*;
use shared_inputs::archived;
use std::sync::Arc;

const ETH1_BLOCK_HASH: Hash32 = Root::repeat_byte(0x42);

fn bls() -> Bls {
    Bls::new(Pool::new(2), [9; 32])
}

fn initialize(deposits: &[Deposit], spec: &Arc<Spec>) -> Result<BeaconState, Error> {
    initialize_beacon_state_from_eth1(ETH1_BLOCK_HASH, 1_000_000, deposits, spec, &bls())
}

/// A deposit of the interop key, signed.
fn signed(index: u64, amount: Gwei, spec: &Spec) -> DepositData {
    let key = SecretKey::interop(index);
    let [mut data] = interop_deposits(index..index + 1, spec, &Pool::new(1))[..] else {
        panic!("one deposit")
    };
    data.amount = amount;
    data.signature = key.sign(deposit_signature_set(&data, spec).message);
    data
}

#[test]
fn interop_genesis_is_what_its_deposits_give() {
    let spec = Arc::new(Spec::minimal());
    let pool = Pool::new(2);
    let deposits = genesis_deposits(&interop_deposits(0..64, &spec, &pool)).unwrap();
    let state = initialize(&deposits, &spec).unwrap();
    assert_eq!(state.genesis_time(), 1_000_000 + spec.GENESIS_DELAY);
    assert_eq!(state.validators().len(), 64);
    assert_eq!(state.eth1_deposit_index(), 64);
    assert_eq!(state.eth1_data().deposit_count, 64);
    assert_eq!(state.eth1_data().block_hash, ETH1_BLOCK_HASH);
    assert!(
        state
            .randao_mixes()
            .iter()
            .all(|mix| mix == ETH1_BLOCK_HASH)
    );
    assert_eq!(
        state.genesis_validators_root(),
        state.compute_validators_root()
    );
    let first = state.validators().get(0).unwrap();
    assert_eq!(first.activation_epoch, GENESIS_EPOCH);
    assert_eq!(first.withdrawal_credentials[0], BLS_WITHDRAWAL_PREFIX);

    let time = state.genesis_time();
    let direct = interop_genesis(64, time, ETH1_BLOCK_HASH, &spec, &pool).unwrap();
    assert_eq!(direct.as_ssz_bytes(), state.as_ssz_bytes());
    assert_eq!(direct.hash_tree_root(), state.hash_tree_root());
    assert_eq!(genesis_block(&state).state_root, state.hash_tree_root());
    let header = BeaconBlockHeader {
        state_root: Root::ZERO,
        ..genesis_block(&state).header()
    };
    assert_eq!(header, *state.latest_block_header());

    let mut unsigned = unsigned_interop_genesis(64, time, ETH1_BLOCK_HASH, &spec, &pool).unwrap();
    assert_ne!(
        unsigned.eth1_data().deposit_root,
        state.eth1_data().deposit_root
    );
    unsigned.set_eth1_data(*state.eth1_data());
    assert_eq!(unsigned.as_ssz_bytes(), state.as_ssz_bytes());
}

#[test]
fn interop_genesis_is_lodestars() {
    for network in ["mainnet-128", "minimal-deposits-exits", "minimal-eras"] {
        let archive = format!("chaindata/lodestar/{network}.tar.xz");
        let wanted = |path: &str| path.ends_with("genesis.ssz") || path.ends_with("config.yaml");
        let Some(files) = archived(archive, "genesis states of Lodestar", wanted) else {
            return;
        };
        let file = |name: &str| {
            &files
                .iter()
                .find(|(path, _)| path.ends_with(name))
                .unwrap()
                .1
        };
        let config = std::str::from_utf8(file("config.yaml")).unwrap();
        let spec = Arc::new(Spec::from_yaml(config).unwrap().spec);
        let theirs = BeaconState::from_ssz_bytes(file("genesis.ssz"), &spec).unwrap();
        let count = theirs.validators().len() as u64;
        let (time, eth1_block_hash) = (theirs.genesis_time(), theirs.eth1_data().block_hash);
        let pool = Pool::new(2);
        let ours = interop_genesis(count, time, eth1_block_hash, &spec, &pool).unwrap();
        assert_eq!(ours.eth1_data(), theirs.eth1_data(), "{network}");
        assert!(ours.as_ssz_bytes() == *file("genesis.ssz"), "{network}");
    }
}

#[test]
fn deposits_decide_who_is_in_and_active() {
    let spec = Arc::new(Spec::minimal());
    let max = spec.MAX_EFFECTIVE_BALANCE;
    let mut forged = signed(1, max, &spec);
    forged.signature = signed(2, max, &spec).signature;
    let mut unsigned_top_up = signed(0, max / 4, &spec);
    unsigned_top_up.signature = BLSSignature::ZERO;
    let data = [
        signed(0, max - 1, &spec),
        forged,
        signed(3, max + 1, &spec),
        signed(4, 3 * max / 4, &spec),
        unsigned_top_up,
        signed(4, max / 4 - 1, &spec),
    ];
    let deposits = genesis_deposits(&data).unwrap();
    let state = initialize(&deposits, &spec).unwrap();
    assert_eq!(state.eth1_deposit_index(), 6);
    let registry: Vec<_> = state
        .validators()
        .iter()
        .zip(state.balances().iter())
        .map(|(v, balance)| (v.pubkey, balance, v.effective_balance, v.activation_epoch))
        .collect();
    let increment = spec.EFFECTIVE_BALANCE_INCREMENT;
    // Topped up without a signature; too much; one Gwei short of the full stake.
    let expected = [
        (data[0].pubkey, max - 1 + max / 4, max, GENESIS_EPOCH),
        (data[2].pubkey, max + 1, max, GENESIS_EPOCH),
        (data[3].pubkey, max - 1, max - increment, FAR_FUTURE_EPOCH),
    ];
    assert_eq!(registry, expected);
}

#[test]
fn wrong_proofs_and_times_are_errors() {
    let spec = Arc::new(Spec::minimal());
    let data: Vec<_> = (0..3).map(|index| signed(index, 1, &spec)).collect();
    let mut deposits = genesis_deposits(&data).unwrap();
    let late =
        initialize_beacon_state_from_eth1(ETH1_BLOCK_HASH, u64::MAX, &deposits, &spec, &bls());
    assert_eq!(late.unwrap_err(), Error::Overflow);
    deposits.swap(1, 2);
    assert_eq!(
        initialize(&deposits, &spec).unwrap_err(),
        Error::DepositProofInvalid(1)
    );
    deposits.swap(1, 2);
    deposits[2].proof[31] = ETH1_BLOCK_HASH;
    assert_eq!(
        initialize(&deposits, &spec).unwrap_err(),
        Error::DepositProofInvalid(2)
    );
    deposits[2].data.amount += 1;
    assert_eq!(
        initialize(&deposits, &spec).unwrap_err(),
        Error::DepositProofInvalid(2)
    );
}

#[test]
fn genesis_without_deposits() {
    let spec = Arc::new(Spec::minimal());
    let state = initialize(&[], &spec).unwrap();
    assert_eq!(state.eth1_data().deposit_root, Root::ZERO);
    let direct = interop_genesis(
        0,
        state.genesis_time(),
        ETH1_BLOCK_HASH,
        &spec,
        &Pool::new(1),
    );
    assert_eq!(direct.unwrap().as_ssz_bytes(), state.as_ssz_bytes());
    assert!(!is_valid_genesis_state(&state));
}

#[test]
fn genesis_is_valid_with_time_and_validators() {
    let mut spec = Spec::minimal();
    spec.MIN_GENESIS_TIME = 500;
    spec.MIN_GENESIS_ACTIVE_VALIDATOR_COUNT = 8;
    let spec = Arc::new(spec);
    let pool = Pool::new(2);
    let genesis = |validators, time| {
        unsigned_interop_genesis(validators, time, ETH1_BLOCK_HASH, &spec, &pool).unwrap()
    };
    assert!(is_valid_genesis_state(&genesis(8, 500)));
    assert!(!is_valid_genesis_state(&genesis(8, 499)));
    assert!(!is_valid_genesis_state(&genesis(7, 500)));
    let mut inactive = genesis(8, 500);
    inactive.set_activation_epoch(3, 1).unwrap();
    assert!(!is_valid_genesis_state(&inactive));
}
