//! Runner `rewards`: the five components of attestation rewards and penalties.

use crate::case::Case;
use anyhow::{Result, anyhow};
use consensus::Gwei;
use consensus::transition::attestation_deltas;
use ssz::Encode;
use ssz_derive::Encode;

/// The vectors' container; its lists are never full.
#[derive(Encode)]
struct Deltas {
    rewards: Vec<Gwei>,
    penalties: Vec<Gwei>,
}

pub(crate) fn all(case: &Case) -> Result<()> {
    let state = case.state("pre")?;
    let deltas = attestation_deltas(&state).map_err(|error| anyhow!("{error}"))?;
    for (name, part) in [
        ("source_deltas", deltas.source),
        ("target_deltas", deltas.target),
        ("head_deltas", deltas.head),
        ("inclusion_delay_deltas", deltas.inclusion_delay),
        ("inactivity_penalty_deltas", deltas.inactivity_penalty),
    ] {
        let ours = Deltas {
            rewards: part.rewards,
            penalties: part.penalties,
        };
        case.check_bytes(name, &ours.as_ssz_bytes(), &case.expected_ssz(name)?);
    }
    Ok(())
}
