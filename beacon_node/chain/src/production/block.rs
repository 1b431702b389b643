//! A block for one of this node's validators.

use super::{ProductionError, check_phase};
use crate::Toolbox;
use crate::pools::{AttestationPool, OperationPool, Operations, pack_attestations};
use consensus::helpers::{get_beacon_proposer_index, get_current_epoch};
use consensus::transition::{
    SignatureMode, Signatures, process_attestation, process_attester_slashing, process_block,
    process_eth1_data, process_proposer_slashing, process_voluntary_exit,
};
use consensus::*;

/// What there is to put into a block. Cheap to clone: shares the pools' contents.
#[derive(Clone, Debug, Default)]
pub struct Ingredients {
    /// Attestations.
    pub attestations: AttestationPool,
    /// Slashings and exits.
    pub operations: OperationPool,
}

/// What the proposer wants of its block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockRequest {
    /// The proposer's signature over the epoch.
    pub randao_reveal: BLSSignature,
    /// 32 bytes of the proposer's choice.
    pub graffiti: Root,
    /// The eth1 vote; the state's own data if absent.
    pub eth1_data: Option<Eth1Data>,
}

/// `validator.md#block-proposal`: an unsigned block on top of the latest block of `state`, which has
/// been advanced to the block's slot (`process_slots`). Each operation is tried on the state before
/// it is taken, so that the block passes the state transition whatever the pools hold. The proposer's
/// reveal is not checked: who gives a bad one gets a bad block.
///
/// # Errors
/// If no valid block can be made: the proposer is slashed, or deposits are due.
pub fn produce_block(
    state: &BeaconState,
    ingredients: &Ingredients,
    request: &BlockRequest,
    tools: &Toolbox,
) -> Result<BeaconBlock, ProductionError> {
    check_phase(get_current_epoch(state), state.spec())?;
    let mut block = BeaconBlock {
        slot: state.slot(),
        proposer_index: get_beacon_proposer_index(state)?,
        parent_root: state.latest_block_header().hash_tree_root(),
        state_root: Root::ZERO,
        body: body(state, ingredients, request, tools)?,
    };
    let mut post_state = state.clone();
    let mut signatures = Signatures::new(SignatureMode::Skip, &*tools.verifier);
    process_block(&mut post_state, &block, &mut signatures)?;
    block.state_root = post_state.hash_tree_root();
    Ok(block)
}

/// The body, made in the order in which a block is processed.
fn body(
    state: &BeaconState,
    ingredients: &Ingredients,
    request: &BlockRequest,
    tools: &Toolbox,
) -> Result<BeaconBlockBody, ProductionError> {
    let mut body = BeaconBlockBody {
        randao_reveal: request.randao_reveal,
        eth1_data: request.eth1_data.unwrap_or(*state.eth1_data()),
        graffiti: request.graffiti,
        proposer_slashings: Default::default(),
        attester_slashings: Default::default(),
        attestations: Default::default(),
        deposits: Default::default(),
        voluntary_exits: Default::default(),
    };
    let mut trial = state.clone();
    process_eth1_data(&mut trial, &body)?;
    // The block's own vote can be the one that makes deposits due.
    let (count, index) = (trial.eth1_data().deposit_count, trial.eth1_deposit_index());
    if count > index {
        return Err(ProductionError::DepositsDue(count - index));
    }
    let limit = state.spec().MAX_ATTESTATIONS as usize;
    let packed = pack_attestations(&ingredients.attestations, state, limit);
    let attestations = tools
        .pool
        .map(&packed, |packed| packed.aggregate.run(tools));
    let Operations {
        proposer_slashings,
        attester_slashings,
        voluntary_exits,
    } = ingredients.operations.candidates(state);

    let mut signatures = Signatures::new(SignatureMode::OneByOne, &*tools.verifier);
    for slashing in &proposer_slashings {
        let process =
            |state: &mut BeaconState| process_proposer_slashing(state, slashing, &mut signatures);
        take(
            &mut trial,
            &mut body.proposer_slashings,
            &**slashing,
            process,
        );
    }
    for slashing in &attester_slashings {
        let process =
            |state: &mut BeaconState| process_attester_slashing(state, slashing, &mut signatures);
        take(
            &mut trial,
            &mut body.attester_slashings,
            &**slashing,
            process,
        );
    }
    // Verified on this very chain: their target is on it.
    let mut skip = Signatures::new(SignatureMode::Skip, &*tools.verifier);
    for attestation in attestations.iter().flatten() {
        let process = |state: &mut BeaconState| process_attestation(state, attestation, &mut skip);
        take(&mut trial, &mut body.attestations, attestation, process);
    }
    for exit in &voluntary_exits {
        let process =
            |state: &mut BeaconState| process_voluntary_exit(state, exit, &mut signatures);
        take(&mut trial, &mut body.voluntary_exits, &**exit, process);
    }
    Ok(body)
}

/// Adds the operation if the list has room and the state admits it, and then moves the state on.
fn take<T: Clone, N: ssz_types::typenum::Unsigned>(
    state: &mut BeaconState,
    list: &mut ssz_types::VariableList<T, N>,
    operation: &T,
    process: impl FnOnce(&mut BeaconState) -> Result<(), Error>,
) {
    if list.len() >= N::to_usize() {
        return;
    }
    let mut post_state = state.clone();
    if process(&mut post_state).is_ok() && list.push(operation.clone()).is_ok() {
        *state = post_state;
    }
}
