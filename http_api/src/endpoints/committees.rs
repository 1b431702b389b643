//! `/eth/v1/beacon/states/{state_id}/committees`

use crate::accept::{Format, negotiate};
use crate::api::Api;
use crate::problem::Problem;
use crate::reply::Reply;
use crate::request::Request;
use api_types::pieces::committee_pieces;
use consensus::helpers::{compute_epoch_at_slot, compute_start_slot_at_epoch, get_current_epoch};
use consensus::state::Shuffling;
use consensus::*;
use std::ops::RangeInclusive;
use std::sync::Arc;

/// Which committees are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Wanted {
    epoch: Option<Epoch>,
    index: Option<CommitteeIndex>,
    slot: Option<Slot>,
}

/// Slots and indices of committees.
type Places = Vec<(Slot, CommitteeIndex)>;

/// `getEpochCommittees`
pub(crate) async fn committees(api: Arc<Api>, request: Request) -> Result<Reply, Problem> {
    negotiate(&request.headers, &[Format::Json])?;
    let wanted = Wanted {
        epoch: request.query.number("epoch")?,
        index: request.query.number("index")?,
        slot: request.query.number("slot")?,
    };
    let found = api.state(request.param(0)?).await?;
    let finalized = found.finalized;
    let place = api.large_answers.enter().await?;
    let computed = api.computations.run(move || compute(&found.state, wanted));
    let (shuffling, committees) = computed.await?;
    let pieces = committee_pieces(shuffling, committees, finalized);
    Ok(Reply::json_pieces(pieces, place))
}

/// The epochs whose committees follow from a state: from the oldest whose randomness it still has
/// to the next one.
fn epochs(state: &BeaconState) -> RangeInclusive<Epoch> {
    let (current, spec) = (get_current_epoch(state), state.spec());
    // The seed is that of the mix so many epochs earlier; the current epoch's mix takes the place
    // of the oldest one.
    let reach = spec
        .EPOCHS_PER_HISTORICAL_VECTOR
        .saturating_sub(spec.MIN_SEED_LOOKAHEAD + 2);
    current.saturating_sub(reach)..=current.saturating_add(1)
}

/// The shuffling of the wanted epoch, and the wanted ones of its committees.
fn compute(state: &BeaconState, wanted: Wanted) -> Result<(Arc<Shuffling>, Places), Problem> {
    let spec = state.spec();
    let epoch = wanted.epoch.unwrap_or_else(|| get_current_epoch(state));
    let possible = epochs(state);
    if !possible.contains(&epoch) {
        let (first, last) = possible.into_inner();
        let message = format!("this state tells the committees of epochs {first} to {last} alone");
        return Err(Problem::bad_request(message));
    }
    let start = compute_start_slot_at_epoch(epoch, spec).map_err(Problem::bad_request)?;
    let slots = match wanted.slot {
        Some(slot) if compute_epoch_at_slot(slot, spec) != epoch => {
            let message = format!("slot {slot} is not in epoch {epoch}");
            return Err(Problem::bad_request(message));
        }
        Some(slot) => slot..=slot,
        None => start..=start.saturating_add(spec.SLOTS_PER_EPOCH - 1),
    };
    let shuffling = state.shuffling(epoch).map_err(Problem::internal)?;
    let per_slot = shuffling.committees_per_slot();
    let indices = match wanted.index {
        Some(index) if index >= per_slot => {
            let message = format!("each slot of epoch {epoch} has {per_slot} committees");
            return Err(Problem::bad_request(message));
        }
        Some(index) => index..index + 1,
        None => 0..per_slot,
    };
    let committees = slots.flat_map(|slot| indices.clone().map(move |index| (slot, index)));
    let committees = committees.collect();
    Ok((shuffling, committees))
}
