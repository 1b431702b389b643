//! Runner `genesis`.

use super::transition::{BlsSetting, check_cold_root};
use crate::case::Case;
use anyhow::{Result, anyhow};
use consensus::Deposit;
use consensus::genesis::{initialize_beacon_state_from_eth1, is_valid_genesis_state};

pub(crate) fn initialization(case: &Case) -> Result<()> {
    let verifier = BlsSetting::of(case)?.verifier(case);
    let eth1 = case.yaml("eth1.yaml")?;
    let mut deposits: Vec<Deposit> = Vec::new();
    for index in 0..case.meta()?.field("deposits_count")?.number()? {
        deposits.push(case.decode(&format!("deposits_{index}"))?);
    }
    let state = initialize_beacon_state_from_eth1(
        eth1.field("eth1_block_hash")?.fixed()?,
        eth1.field("eth1_timestamp")?.number()?,
        &deposits,
        case.spec()?,
        verifier,
    )
    .map_err(|error| anyhow!("{error}"))?;
    case.check_bytes(
        "state",
        &check_cold_root(&state)?,
        &case.expected_ssz("state")?,
    );
    Ok(())
}

pub(crate) fn validity(case: &Case) -> Result<()> {
    case.meta()?;
    let valid = is_valid_genesis_state(&case.state("genesis")?);
    let expected = case.expected_yaml("is_valid.yaml")?.truth()?;
    case.check(valid == expected, || format!("is_valid is {valid}"));
    Ok(())
}
