//! What the store reads of real blocks and states.

use crate::oracle::world::anchor_block;
use consensus::{
    BLSPubkey, BeaconState, Checkpoint, Epoch, FAR_FUTURE_EPOCH, Gwei, HashTreeRoot, Root, Spec,
    Validator,
};
use fork_choice::{
    BlockFacts, Error, JustifiedBalances, calculate_committee_fraction,
    compute_slots_since_epoch_start, get_aggregate_due_ms, get_attestation_due_ms,
    get_forkchoice_store, get_proposer_reorg_cutoff_ms, is_shuffling_stable,
    seconds_to_milliseconds,
};
use std::sync::Arc;

const ETH: Gwei = 1_000_000_000;

fn validator(activation_epoch: Epoch, exit_epoch: Epoch, slashed: bool, eth: u64) -> Validator {
    Validator {
        pubkey: BLSPubkey::repeat_byte(0xc0),
        withdrawal_credentials: Root::ZERO,
        effective_balance: eth * ETH,
        slashed,
        activation_eligibility_epoch: 0,
        activation_epoch,
        exit_epoch,
        withdrawable_epoch: FAR_FUTURE_EPOCH,
    }
}

/// At the first slot of epoch 5.
fn state() -> BeaconState {
    let mut state = BeaconState::new(&Arc::new(Spec::minimal()));
    state.set_genesis_time(7);
    state.set_slot(40);
    for (start, end, slashed, eth) in [
        (0, FAR_FUTURE_EPOCH, false, 32),
        (5, 6, false, 31),
        (6, FAR_FUTURE_EPOCH, false, 30),
        (0, 5, false, 29),
        (0, FAR_FUTURE_EPOCH, true, 28),
    ] {
        let one = validator(start, end, slashed, eth);
        state
            .push_validator(&one, one.effective_balance)
            .expect("room");
    }
    state
}

#[test]
fn balances_are_of_the_active_and_unslashed_the_total_of_the_active() {
    let balances = JustifiedBalances::from_state(&state()).unwrap();
    let expected = [32 * ETH, 31 * ETH, 0, 0, 0];
    assert_eq!(balances.effective_balances(), expected);
    assert_eq!(balances.total_active_balance(), (32 + 31 + 28) * ETH);
}

#[test]
fn a_store_begins_at_its_anchor() {
    let state = state();
    let block = anchor_block(&state);
    let mut store = get_forkchoice_store(&state, &block).unwrap();
    let root = block.hash_tree_root();
    let anchor = Checkpoint { epoch: 5, root };
    assert_eq!(store.time(), 7 + 40 * 6);
    assert_eq!(store.get_current_slot(), 40);
    assert_eq!(store.justified_checkpoint(), anchor);
    assert_eq!(store.finalized_checkpoint(), anchor);
    assert_eq!(store.unrealized_justified_checkpoint(), anchor);
    assert_eq!(store.unrealized_finalized_checkpoint(), anchor);
    assert_eq!(store.proposer_boost_root(), Root::ZERO);
    assert_eq!(store.justified_balances_needed(), None);
    assert_eq!(store.get_head(), Ok(root));
    assert_eq!(store.get_weight(root), Ok(0));
    assert_eq!(store.node(root).unwrap().target_root(), root);
    // Realized in the anchor's own epoch, pulled up after it.
    let realized = state.current_justified_checkpoint();
    assert_eq!(store.get_voting_source(root), Ok(realized));
    store.on_tick(store.time() + 8 * 6).unwrap();
    assert_eq!(store.get_voting_source(root), Ok(anchor));
}

#[test]
fn bad_anchors_are_refused() {
    let mut state = state();
    let block = anchor_block(&state);
    state.set_genesis_time(8);
    let found = get_forkchoice_store(&state, &block).unwrap_err();
    assert_eq!(found.name(), "AnchorStateRootMismatch");
    let mut moved = anchor_block(&state);
    moved.slot += 8;
    let found = get_forkchoice_store(&state, &moved).unwrap_err();
    assert_eq!(found, Error::PostStateMismatch(48));
    state.set_slot(41);
    let found = get_forkchoice_store(&state, &anchor_block(&state)).unwrap_err();
    assert_eq!(found, Error::AnchorNotAtEpochStart(41));
}

#[test]
fn facts_hold_the_root_of_the_block_and_refuse_another_blocks_state() {
    let mut state = state();
    let mut block = anchor_block(&state);
    block.parent_root = Root::repeat_byte(9);
    block.proposer_index = 3;
    let mut header = block.header();
    header.state_root = Root::ZERO;
    state.set_latest_block_header(header);
    block.state_root = state.hash_tree_root();
    let facts = BlockFacts::from_post_state(&block, &state).unwrap();
    assert_eq!(facts.root, block.hash_tree_root());
    assert_eq!(facts.parent_root, block.parent_root);
    assert_eq!(facts.state_root, block.state_root);
    assert_eq!(facts.slot, 40);
    assert_eq!(facts.validator_count, 5);

    let refused = Err(Error::PostStateMismatch(40));
    let mut other = block.clone();
    other.parent_root = Root::ZERO;
    assert_eq!(BlockFacts::from_post_state(&other, &state), refused);
    other = block.clone();
    other.proposer_index = 2;
    assert_eq!(BlockFacts::from_post_state(&other, &state), refused);
    let mut advanced = state.clone();
    advanced.set_slot(41);
    assert_eq!(BlockFacts::from_post_state(&block, &advanced), refused);
}

#[test]
fn parts_of_a_slot() {
    let (mainnet, minimal) = (Spec::mainnet(), Spec::minimal());
    assert_eq!(get_attestation_due_ms(0, &mainnet), Ok(3_999));
    assert_eq!(get_attestation_due_ms(0, &minimal), Ok(1_999));
    assert_eq!(get_aggregate_due_ms(0, &mainnet), Ok(8_000));
    assert_eq!(get_proposer_reorg_cutoff_ms(0, &mainnet), Ok(2_000));
    assert_eq!(
        seconds_to_milliseconds(u64::MAX / 1000),
        u64::MAX / 1000 * 1000
    );
    assert_eq!(seconds_to_milliseconds(u64::MAX / 1000 + 1), u64::MAX);
    assert_eq!(compute_slots_since_epoch_start(u64::MAX, &mainnet), Ok(31));
    assert_eq!(is_shuffling_stable(64, &mainnet), Ok(false));
    assert_eq!(is_shuffling_stable(65, &mainnet), Ok(true));
    // 3,200 ETH, 100 per slot; the percentage may exceed 100.
    assert_eq!(
        calculate_committee_fraction(3_200 * ETH, 160, &mainnet),
        Ok(160 * ETH)
    );
    let found = calculate_committee_fraction(u64::MAX, u64::MAX, &mainnet);
    assert_eq!(found, Err(Error::Overflow));
    let absurd = Spec {
        ATTESTATION_DUE_BPS: u64::MAX,
        ..mainnet
    };
    assert_eq!(get_attestation_due_ms(0, &absurd), Err(Error::Overflow));
}
