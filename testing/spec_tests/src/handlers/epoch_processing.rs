//! Runner `epoch_processing`: one part of the epoch transition on its own, and, where the case has
//! the states for it, the whole.

use super::transition::run_unsigned;
use crate::case::Case;
use anyhow::Result;
use consensus::transition::*;
use consensus::{BeaconState, Error};

fn run(case: &Case, part: impl Fn(&mut BeaconState) -> Result<(), Error>) -> Result<()> {
    run_unsigned(case, "pre", "post", part)?;
    if case.has("pre_epoch.ssz_snappy") {
        run_unsigned(case, "pre_epoch", "post_epoch", process_epoch)?;
    }
    Ok(())
}

macro_rules! parts {
    ($($handler:ident => $process:ident,)*) => {$(
        pub(crate) fn $handler(case: &Case) -> Result<()> {
            run(case, $process)
        }
    )*};
}

parts! {
    effective_balance_updates => process_effective_balance_updates,
    eth1_data_reset => process_eth1_data_reset,
    historical_roots_update => process_historical_roots_update,
    justification_and_finalization => process_justification_and_finalization,
    participation_record_updates => process_participation_record_updates,
    randao_mixes_reset => process_randao_mixes_reset,
    registry_updates => process_registry_updates,
    rewards_and_penalties => process_rewards_and_penalties,
    slashings => process_slashings,
    slashings_reset => process_slashings_reset,
}
