//! Runner `operations`: one operation of a block on its own.

use super::transition::run_signed;
use crate::case::Case;
use anyhow::Result;
use consensus::transition::{
    Signatures, process_attestation, process_attester_slashing, process_block_header,
    process_deposit, process_proposer_slashing, process_voluntary_exit,
};
use consensus::{BeaconBlock, BeaconState, Error};

/// Applies the operation in the file `name`.
fn operation<T: ssz::Decode>(
    case: &Case,
    name: &str,
    process: impl Fn(&mut BeaconState, &T, &mut Signatures) -> Result<(), Error>,
) -> Result<()> {
    let operation: T = case.decode(name)?;
    run_signed(case, |state, signatures| {
        process(state, &operation, signatures)
    })
}

pub(crate) fn attestation(case: &Case) -> Result<()> {
    operation(case, "attestation", process_attestation)
}

pub(crate) fn attester_slashing(case: &Case) -> Result<()> {
    operation(case, "attester_slashing", process_attester_slashing)
}

pub(crate) fn block_header(case: &Case) -> Result<()> {
    operation(case, "block", |state, block: &BeaconBlock, _| {
        process_block_header(state, &block.header())
    })
}

pub(crate) fn deposit(case: &Case) -> Result<()> {
    operation(case, "deposit", |state, deposit, signatures| {
        process_deposit(state, deposit, signatures)
    })
}

pub(crate) fn proposer_slashing(case: &Case) -> Result<()> {
    operation(case, "proposer_slashing", process_proposer_slashing)
}

pub(crate) fn voluntary_exit(case: &Case) -> Result<()> {
    operation(case, "voluntary_exit", process_voluntary_exit)
}
