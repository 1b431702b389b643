//! `fresnel debug transition` and `fresnel debug skip-slots`

use super::replay::invalid;
use super::{pool, tell_unknown_keys, verifier};
use crate::cli::{SkipSlots, Transition};
use crate::input::{self, BlockReader, Limits, Network};
use crate::output;
use anyhow::{anyhow, bail};
use consensus::BeaconState;
use consensus::transition::{SignatureMode, Signatures, process_slots, state_transition};
use std::path::PathBuf;
use std::sync::Arc;

/// Applies blocks to a state.
pub(crate) fn transition(args: &Transition) -> anyhow::Result<()> {
    let network = Network::of(&args.network)?;
    tell_unknown_keys(&network);
    check_post(args.post.as_ref())?;
    let files = input::collect(&args.blocks)?;
    let mut state = input::read_state(&args.pre, &network.spec)?;
    let verifier = verifier(&pool())?;
    let mode = match args.no_signatures {
        true => SignatureMode::Skip,
        // Names the first violated assertion, in the specification's order.
        false => SignatureMode::OneByOne,
    };
    for file in &files {
        for found in BlockReader::open(&file.path, Limits::NONE, Arc::default())? {
            let found = found?;
            let mut signatures = Signatures::new(mode, &verifier);
            let block_root = state_transition(
                &mut state,
                &found.block,
                &mut signatures,
                !args.no_state_roots,
            )
            .map_err(|error| anyhow!("{}: {}", found.place, invalid(error.name(), &error)))?;
            println!("slot {}  block root {block_root}", state.slot());
        }
    }
    finish(&state, args.post.as_ref())
}

/// Advances a state.
pub(crate) fn skip_slots(args: &SkipSlots) -> anyhow::Result<()> {
    let network = Network::of(&args.network)?;
    tell_unknown_keys(&network);
    check_post(args.post.as_ref())?;
    let mut state = input::read_state(&args.pre, &network.spec)?;
    let target = match (args.target.to_slot, args.target.slots) {
        (Some(slot), _) => Some(slot),
        (None, slots) => slots.and_then(|slots| state.slot().checked_add(slots)),
    };
    let Some(target) = target else {
        bail!("there is no such slot: give a smaller --slots");
    };
    process_slots(&mut state, target)
        .map_err(|error| anyhow!("{}: {}", args.pre.display(), invalid(error.name(), &error)))?;
    finish(&state, args.post.as_ref())
}

fn check_post(post: Option<&PathBuf>) -> anyhow::Result<()> {
    post.map_or(Ok(()), |path| output::check_writable(path))
}

fn finish(state: &BeaconState, post: Option<&PathBuf>) -> anyhow::Result<()> {
    println!(
        "slot {}  state root {}",
        state.slot(),
        state.hash_tree_root()
    );
    post.map_or(Ok(()), |path| output::write_state(path, state))
}
