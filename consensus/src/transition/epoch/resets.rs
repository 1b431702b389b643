//! The small steps at the end of `beacon-chain.md#epoch-processing`.

use crate::error::Error;
use crate::helpers::*;
use crate::primitives::Epoch;
use crate::state::BeaconState;

fn next_epoch(state: &BeaconState) -> Result<Epoch, Error> {
    get_current_epoch(state)
        .checked_add(1)
        .ok_or_else(Error::overflow)
}

/// `beacon-chain.md#eth1-data-votes-updates`
pub fn process_eth1_data_reset(state: &mut BeaconState) -> Result<(), Error> {
    if next_epoch(state)?.is_multiple_of(state.spec().EPOCHS_PER_ETH1_VOTING_PERIOD) {
        state.clear_eth1_data_votes();
    }
    Ok(())
}

/// `beacon-chain.md#slashings-balances-updates`
pub fn process_slashings_reset(state: &mut BeaconState) -> Result<(), Error> {
    let next_epoch = next_epoch(state)?;
    state.set_slashing(next_epoch, 0);
    Ok(())
}

/// `beacon-chain.md#randao-mixes-updates`
pub fn process_randao_mixes_reset(state: &mut BeaconState) -> Result<(), Error> {
    let mix = get_randao_mix(state, get_current_epoch(state));
    let next_epoch = next_epoch(state)?;
    state.set_randao_mix(next_epoch, mix);
    Ok(())
}

/// `beacon-chain.md#historical-roots-updates`. The batch is hashed where its vectors are.
pub fn process_historical_roots_update(state: &mut BeaconState) -> Result<(), Error> {
    let spec = state.spec();
    let period = spec.SLOTS_PER_HISTORICAL_ROOT / spec.SLOTS_PER_EPOCH;
    if next_epoch(state)?.is_multiple_of(period) {
        let root = state.historical_batch_root();
        state.push_historical_root(root)?;
    }
    Ok(())
}

/// `beacon-chain.md#participation-records-rotation`
pub fn process_participation_record_updates(state: &mut BeaconState) -> Result<(), Error> {
    state.rotate_pending_attestations();
    Ok(())
}
