//! `beacon-chain.md#genesis`, and the genesis of test networks, whose keys everybody knows.

use crate::bls::{SecretKey, SignatureSet, Verifier};
use crate::containers::*;
use crate::deposit_tree::{DepositTree, DepositTreeError};
use crate::error::Error;
use crate::hashing::HashTreeRoot;
use crate::helpers::{get_active_validator_indices, hash};
use crate::pool::Pool;
use crate::primitives::*;
use crate::spec::Spec;
use crate::state::BeaconState;
use crate::transition::{
    SignatureMode, Signatures, apply_deposit, deposit_signature_set, process_deposit,
};
use std::ops::Range;
use std::sync::Arc;

/// `beacon-chain.md#genesis`'s `initialize_beacon_state_from_eth1`.
///
/// The specification hashes the list of all deposits so far for each of them. That list's root is
/// a tree of depth 32 over the same leaves with the same length mixed in as the deposit contract's,
/// so the incremental tree of the contract gives it.
///
/// # Errors
/// [`Error::DepositProofInvalid`] for a deposit whose proof does not lead to the root of the
/// deposits up to it; [`Error::Overflow`] for a timestamp that is no time.
pub fn initialize_beacon_state_from_eth1(
    eth1_block_hash: Hash32,
    eth1_timestamp: u64,
    deposits: &[Deposit],
    spec: &Arc<Spec>,
    verifier: &dyn Verifier,
) -> Result<BeaconState, Error> {
    let genesis_time = eth1_timestamp
        .checked_add(spec.GENESIS_DELAY)
        .ok_or(Error::Overflow)?;
    let mut state = candidate_state(eth1_block_hash, genesis_time, deposits.len(), spec);
    let signatures = Signatures::new(SignatureMode::OneByOne, verifier);
    let mut tree = DepositTree::new();
    for deposit in deposits {
        tree.push(deposit.data.hash_tree_root()).map_err(too_many)?;
        set_deposit_root(&mut state, &tree);
        process_deposit(&mut state, deposit, &signatures)?;
    }
    process_activations(&mut state)?;
    Ok(state)
}

/// `beacon-chain.md#genesis-state`'s `is_valid_genesis_state`.
pub fn is_valid_genesis_state(state: &BeaconState) -> bool {
    let spec = state.spec();
    if state.genesis_time() < spec.MIN_GENESIS_TIME {
        return false;
    }
    let active = get_active_validator_indices(state, GENESIS_EPOCH).len() as u64;
    active >= spec.MIN_GENESIS_ACTIVE_VALIDATOR_COUNT
}

/// `beacon-chain.md#genesis-block`: the block that a genesis state stands for.
pub fn genesis_block(genesis_state: &BeaconState) -> BeaconBlock {
    BeaconBlock {
        slot: GENESIS_SLOT,
        proposer_index: 0,
        parent_root: Root::ZERO,
        state_root: genesis_state.hash_tree_root(),
        body: empty_body(),
    }
}

/// Adds to each deposit the proof that [`initialize_beacon_state_from_eth1`] expects: under the
/// root of the deposits up to and including it.
///
/// # Errors
/// [`Error::ListFull`] for more deposits than the contract takes.
pub fn genesis_deposits(deposits: &[DepositData]) -> Result<Vec<Deposit>, Error> {
    let mut tree = DepositTree::new();
    let prove = |data: &DepositData| {
        tree.push(data.hash_tree_root())?;
        let proof = tree.proof(tree.len() - 1)?;
        Ok(Deposit { proof, data: *data })
    };
    let deposits: Result<_, DepositTreeError> = deposits.iter().map(prove).collect();
    deposits.map_err(too_many)
}

/// The signed deposits of `MAX_EFFECTIVE_BALANCE` by the interop keys of these indices, with BLS
/// withdrawal credentials of the same keys.
pub fn interop_deposits(indices: Range<u64>, spec: &Spec, pool: &Pool) -> Vec<DepositData> {
    let indices: Vec<u64> = indices.collect();
    pool.map(&indices, |&index| {
        let key = SecretKey::interop(index);
        let mut deposit = unsigned_interop_deposit(&key, spec);
        deposit.signature = key.sign(deposit_signature_set(&deposit, spec).message);
        deposit
    })
}

/// The genesis of a test network of the first `validators` interop keys, as other clients make it
/// from the same deposits. `genesis_time` is Unix time in seconds. Equal to what
/// [`initialize_beacon_state_from_eth1`] gives for [`interop_deposits`], but for the time; the
/// signatures just made are not verified.
///
/// # Errors
/// As [`genesis_from_trusted_deposits`].
pub fn interop_genesis(
    validators: u64,
    genesis_time: u64,
    eth1_block_hash: Hash32,
    spec: &Arc<Spec>,
    pool: &Pool,
) -> Result<BeaconState, Error> {
    let deposits = interop_deposits(0..validators, spec, pool);
    genesis_from_trusted_deposits(&deposits, genesis_time, eth1_block_hash, spec)
}

/// As [`interop_genesis`] with all deposit signatures zero: for large registries, where signing
/// takes minutes. Differs from it in the deposit root alone.
///
/// # Errors
/// As [`genesis_from_trusted_deposits`].
pub fn unsigned_interop_genesis(
    validators: u64,
    genesis_time: u64,
    eth1_block_hash: Hash32,
    spec: &Arc<Spec>,
    pool: &Pool,
) -> Result<BeaconState, Error> {
    let indices: Vec<u64> = (0..validators).collect();
    let deposits = pool.map(&indices, |&index| {
        unsigned_interop_deposit(&SecretKey::interop(index), spec)
    });
    genesis_from_trusted_deposits(&deposits, genesis_time, eth1_block_hash, spec)
}

/// The genesis with these deposits, whose signatures are taken to hold. `genesis_time` is Unix time
/// in seconds.
///
/// # Errors
/// [`Error::ListFull`] for more deposits than the registry or the deposit contract takes.
pub fn genesis_from_trusted_deposits(
    deposits: &[DepositData],
    genesis_time: u64,
    eth1_block_hash: Hash32,
    spec: &Arc<Spec>,
) -> Result<BeaconState, Error> {
    let mut state = candidate_state(eth1_block_hash, genesis_time, deposits.len(), spec);
    let signatures = Signatures::new(SignatureMode::Skip, &Trusting);
    let mut tree = DepositTree::new();
    for deposit in deposits {
        tree.push(deposit.hash_tree_root()).map_err(too_many)?;
        apply_deposit(&mut state, deposit, &signatures)?;
    }
    set_deposit_root(&mut state, &tree);
    state.set_eth1_deposit_index(tree.len());
    process_activations(&mut state)?;
    Ok(state)
}

/// Takes every signature to hold: for deposits of our own making.
struct Trusting;

impl Verifier for Trusting {
    fn verify_sets(&self, _: &[SignatureSet]) -> Result<(), usize> {
        Ok(())
    }
}

/// The state that genesis deposits are applied to.
fn candidate_state(
    eth1_block_hash: Hash32,
    genesis_time: u64,
    deposits: usize,
    spec: &Arc<Spec>,
) -> BeaconState {
    let mut state = BeaconState::new(spec);
    state.set_genesis_time(genesis_time);
    state.set_fork(Fork {
        previous_version: spec.GENESIS_FORK_VERSION,
        current_version: spec.GENESIS_FORK_VERSION,
        epoch: GENESIS_EPOCH,
    });
    state.set_eth1_data(Eth1Data {
        deposit_root: Root::ZERO,
        deposit_count: deposits as u64,
        block_hash: eth1_block_hash,
    });
    state.set_latest_block_header(BeaconBlockHeader {
        slot: GENESIS_SLOT,
        proposer_index: 0,
        parent_root: Root::ZERO,
        state_root: Root::ZERO,
        body_root: empty_body().hash_tree_root(),
    });
    for epoch in 0..spec.EPOCHS_PER_HISTORICAL_VECTOR {
        state.set_randao_mix(epoch, eth1_block_hash);
    }
    state
}

fn set_deposit_root(state: &mut BeaconState, tree: &DepositTree) {
    if !tree.is_empty() {
        state.set_eth1_data(Eth1Data {
            deposit_root: tree.root(),
            ..*state.eth1_data()
        });
    }
}

/// Activates whoever has the full stake, and names the chain by its registry.
fn process_activations(state: &mut BeaconState) -> Result<(), Error> {
    let spec = state.spec().clone();
    for index in 0..state.validators().len() {
        let balance = state
            .balances()
            .get(index)
            .ok_or(Error::MissingBalance(index as u64))?;
        let whole = balance - balance % spec.EFFECTIVE_BALANCE_INCREMENT;
        let effective_balance = whole.min(spec.MAX_EFFECTIVE_BALANCE);
        state.set_effective_balance(index, effective_balance)?;
        if effective_balance == spec.MAX_EFFECTIVE_BALANCE {
            state.set_activation_eligibility_epoch(index, GENESIS_EPOCH)?;
            state.set_activation_epoch(index, GENESIS_EPOCH)?;
        }
    }
    let root = state.compute_validators_root();
    state.set_genesis_validators_root(root);
    Ok(())
}

fn unsigned_interop_deposit(key: &SecretKey, spec: &Spec) -> DepositData {
    let pubkey = key.public_key();
    let mut withdrawal_credentials = hash(pubkey.as_slice());
    withdrawal_credentials[0] = BLS_WITHDRAWAL_PREFIX;
    DepositData {
        pubkey,
        withdrawal_credentials,
        amount: spec.MAX_EFFECTIVE_BALANCE,
        signature: BLSSignature::ZERO,
    }
}

fn empty_body() -> BeaconBlockBody {
    BeaconBlockBody {
        randao_reveal: BLSSignature::ZERO,
        eth1_data: Eth1Data::default(),
        graffiti: Root::ZERO,
        proposer_slashings: Default::default(),
        attester_slashings: Default::default(),
        attestations: Default::default(),
        deposits: Default::default(),
        voluntary_exits: Default::default(),
    }
}

fn too_many(_: DepositTreeError) -> Error {
    Error::ListFull("deposits")
}
