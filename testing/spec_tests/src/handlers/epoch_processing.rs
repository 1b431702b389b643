//! Runner `epoch_processing`: one part of the epoch transition on its own, and, where the case has
//! the states for it, the whole.

use super::transition::{attempt, run_unsigned};
use crate::case::Case;
use anyhow::{Result, anyhow};
use consensus::transition::*;
use consensus::{BeaconState, Error};

type Part = fn(&mut BeaconState) -> Result<(), Error>;

/// `beacon-chain.md#epoch-processing`: the handlers' parts in the order of `process_epoch`.
const PARTS: [(&str, Part); 10] = [
    (
        "justification_and_finalization",
        process_justification_and_finalization,
    ),
    ("rewards_and_penalties", process_rewards_and_penalties),
    ("registry_updates", process_registry_updates),
    ("slashings", process_slashings),
    ("eth1_data_reset", process_eth1_data_reset),
    (
        "effective_balance_updates",
        process_effective_balance_updates,
    ),
    ("slashings_reset", process_slashings_reset),
    ("randao_mixes_reset", process_randao_mixes_reset),
    ("historical_roots_update", process_historical_roots_update),
    (
        "participation_record_updates",
        process_participation_record_updates,
    ),
];

/// This case writes balances after `pre_epoch` and before `pre`: `process_epoch` cannot lead from
/// `pre_epoch` to `post_epoch`.
const EDITED: &str = "effective_balance_hysteresis";

fn run_parts(state: &mut BeaconState, parts: &[(&str, Part)]) -> Result<(), Error> {
    parts.iter().try_for_each(|(_, part)| part(state))
}

pub(crate) fn part(case: &Case) -> Result<()> {
    let handler = &case.located.group.handler;
    let at = PARTS.iter().position(|(name, _)| name == handler);
    let at = at.ok_or_else(|| anyhow!("`{handler}` is no part of the epoch transition"))?;
    run_unsigned(case, "pre", "post", PARTS[at].1)?;
    if !case.has("pre_epoch.ssz_snappy") {
        return Ok(());
    }
    run_unsigned(case, "pre", "post_epoch", |state| {
        run_parts(state, &PARTS[at..])
    })?;
    let pre_epoch = case.state("pre_epoch")?;
    let reached = attempt(&pre_epoch, |state| run_parts(state, &PARTS[..at]))?;
    let reached = reached.map_err(|error| anyhow!("the parts before: {error}"))?;
    if case.short_name() == EDITED {
        return Ok(());
    }
    case.check_bytes("pre", &reached.as_ssz_bytes(), &case.expected_ssz("pre")?);
    run_unsigned(case, "pre_epoch", "post_epoch", process_epoch)
}
