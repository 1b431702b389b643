//! Runners `sanity`, `finality` and `random`: slots without and with blocks.

use super::transition::{check_cold_root, run_signed, run_unsigned};
use crate::case::Case;
use anyhow::{Result, anyhow};
use consensus::SignedBeaconBlock;
use consensus::transition::{process_slots, state_transition};
use std::cell::RefCell;

pub(crate) fn slots(case: &Case) -> Result<()> {
    let slots = case.yaml("slots.yaml")?.number()?;
    run_unsigned(case, "pre", "post", |state| {
        let target = state.slot().checked_add(slots);
        process_slots(state, target.ok_or(consensus::Error::Overflow)?)
    })
}

pub(crate) fn blocks(case: &Case) -> Result<()> {
    let count = case.meta()?.field("blocks_count")?.number()?;
    let mut blocks: Vec<SignedBeaconBlock> = Vec::new();
    for index in 0..count {
        blocks.push(case.decode(&format!("blocks_{index}"))?);
    }
    let complaint = RefCell::new(None);
    run_signed(case, |state, signatures| {
        for block in &blocks {
            let root = state.hash_tree_root();
            let result = state_transition(state, block, signatures, true);
            if result.is_err() && state.hash_tree_root() != root {
                *complaint.borrow_mut() = Some(anyhow!("a refused block changed the state"));
            }
            if let Err(error) = check_cold_root(state) {
                *complaint.borrow_mut() = Some(error);
            }
            result?;
        }
        Ok(())
    })?;
    complaint.into_inner().map_or(Ok(()), Err)
}
