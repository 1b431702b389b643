//! The registry under `/eth/v1/beacon/states`

use crate::accept::{Format, negotiate};
use crate::api::{Api, FoundState};
use crate::problem::Problem;
use crate::reply::{Reply, SSZ};
use crate::request::Request;
use api_types::pieces::{Selection, balance_pieces, balances_ssz, validator_pieces};
use api_types::{
    Envelope, ValidatorData, ValidatorId, ValidatorIds, ValidatorStatus, ValidatorStatuses,
    ValidatorsQuery,
};
use consensus::helpers::get_current_epoch;
use consensus::{BeaconState, ValidatorIndex};
use std::sync::Arc;

/// `getStateValidators`
pub(crate) async fn validators(api: Arc<Api>, request: Request) -> Result<Reply, Problem> {
    let query = ValidatorsQuery {
        ids: Some(ids(&request)?),
        statuses: Some(statuses(&request)?),
    };
    list_validators(api, request, query).await
}

/// `postStateValidators`
pub(crate) async fn post_validators(api: Arc<Api>, request: Request) -> Result<Reply, Problem> {
    let query = match request.body.is_empty() {
        true => ValidatorsQuery::default(),
        false => request.json()?,
    };
    list_validators(api, request, query).await
}

async fn list_validators(
    api: Arc<Api>,
    request: Request,
    query: ValidatorsQuery,
) -> Result<Reply, Problem> {
    negotiate(&request.headers, &[Format::Json])?;
    let found = api.state(request.param(0)?).await?;
    let (found, selection) = select(&api, found, query.ids.unwrap_or_default()).await?;
    let statuses = query.statuses.unwrap_or_default().0;
    let pieces = validator_pieces(found.state, selection, statuses, found.finalized);
    Ok(Reply::json_pieces(pieces, found.place))
}

/// `getStateValidatorBalances`
pub(crate) async fn balances(api: Arc<Api>, request: Request) -> Result<Reply, Problem> {
    let ids = ids(&request)?;
    list_balances(api, request, ids).await
}

/// `postStateValidatorBalances`
pub(crate) async fn post_balances(api: Arc<Api>, request: Request) -> Result<Reply, Problem> {
    let ids = match request.body.is_empty() {
        true => ValidatorIds::default(),
        false => request.json()?,
    };
    list_balances(api, request, ids).await
}

async fn list_balances(
    api: Arc<Api>,
    request: Request,
    ids: ValidatorIds,
) -> Result<Reply, Problem> {
    let format = negotiate(&request.headers, &[Format::Json, Format::Ssz])?;
    let found = api.state(request.param(0)?).await?;
    let (found, selection) = select(&api, found, ids).await?;
    let reply = match format {
        Format::Ssz => {
            let places = (found.place, api.large_answers.enter().await?);
            let encode = move || Ok(balances_ssz(&found.state, &selection));
            Reply::long(SSZ, api.computations.run(encode).await?, places)
        }
        _ => {
            let pieces = balance_pieces(found.state, selection, found.finalized);
            Reply::json_pieces(pieces, found.place)
        }
    };
    Ok(reply.versioned())
}

/// `getStateValidator`
pub(crate) async fn validator(api: Arc<Api>, request: Request) -> Result<Reply, Problem> {
    negotiate(&request.headers, &[Format::Json])?;
    let id: ValidatorId = request.param(1)?;
    let found = api.state(request.param(0)?).await?;
    let finalized = found.finalized;
    let data = api
        .computations
        .run(move || validator_data(&found.state, id));
    Ok(Reply::json(&Envelope::of_chain(finalized, data.await?)))
}

fn validator_data(state: &BeaconState, id: ValidatorId) -> Result<ValidatorData, Problem> {
    let unknown = || Problem::not_found("the state has no such validator");
    let index = index_of(state, id).ok_or_else(unknown)?;
    let validator = state.validators().get(index as usize).ok_or_else(unknown)?;
    let balance = state.balances().get(index as usize).ok_or_else(unknown)?;
    Ok(ValidatorData {
        index,
        balance,
        status: ValidatorStatus::of(&validator, get_current_epoch(state)),
        validator,
    })
}

/// The ids in a query.
fn ids(request: &Request) -> Result<ValidatorIds, Problem> {
    let ids = request.query.list("id").into_iter().map(str::parse);
    Ok(ValidatorIds(ids.collect::<Result<_, _>>()?))
}

/// The statuses in a query.
fn statuses(request: &Request) -> Result<ValidatorStatuses, Problem> {
    let mut statuses = ValidatorStatuses::default();
    for name in request.query.list("status") {
        statuses.add(name)?;
    }
    Ok(statuses)
}

/// The index of a known validator.
fn index_of(state: &BeaconState, id: ValidatorId) -> Option<ValidatorIndex> {
    match id {
        ValidatorId::Index(index) => Some(index),
        ValidatorId::Key(key) => state.index_of_key(&key),
    }
}

/// The indices of those that are known, each once; all if no ids are given.
async fn select(
    api: &Api,
    found: FoundState,
    ValidatorIds(ids): ValidatorIds,
) -> Result<(FoundState, Selection), Problem> {
    if ids.is_empty() {
        return Ok((found, Selection::All));
    }
    let select = move || {
        let indices = ids.into_iter().filter_map(|id| index_of(&found.state, id));
        let mut indices: Vec<ValidatorIndex> = indices.collect();
        indices.sort_unstable();
        indices.dedup();
        Ok((found, Selection::Listed(indices)))
    };
    api.computations.run(select).await
}
