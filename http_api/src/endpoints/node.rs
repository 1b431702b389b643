//! `/eth/v1/node`

use crate::accept::{Format, negotiate};
use crate::api::Api;
use crate::problem::Problem;
use crate::reply::Reply;
use crate::request::Request;
use api_types::{NodeVersion, SyncingStatus};
use warp::http::StatusCode;

/// `getNodeVersion`
pub(crate) fn version(api: &Api, request: &Request) -> Result<Reply, Problem> {
    negotiate(&request.headers, &[Format::Json])?;
    Ok(Reply::data(NodeVersion {
        version: api.context.version.clone(),
    }))
}

/// How far the head is behind the clock.
fn syncing_status(api: &Api) -> SyncingStatus {
    let snapshot = api.context.snapshots.load();
    let sync_distance = snapshot.current_slot.saturating_sub(snapshot.head.slot);
    SyncingStatus {
        head_slot: snapshot.head.slot,
        sync_distance,
        is_syncing: sync_distance > api.context.sync_tolerance,
        is_optimistic: false,
        el_offline: false,
    }
}

/// `getHealth`: the status alone.
pub(crate) fn health(api: &Api, request: &Request) -> Result<Reply, Problem> {
    let chosen = request.query.number("syncing_status")?;
    let chosen = match chosen {
        None => StatusCode::PARTIAL_CONTENT,
        Some(code) => u16::try_from(code)
            .ok()
            .filter(|code| (100..=599).contains(code))
            .and_then(|code| StatusCode::from_u16(code).ok())
            .ok_or_else(|| Problem::bad_request("syncing_status is not from 100 to 599"))?,
    };
    // HTTP has no final answer below 200: the client would wait for another one.
    let syncing = match chosen.is_informational() {
        true => StatusCode::PARTIAL_CONTENT,
        false => chosen,
    };
    Ok(Reply::empty(match syncing_status(api).is_syncing {
        true => syncing,
        false => StatusCode::OK,
    }))
}

/// `getSyncingStatus`
pub(crate) fn syncing(api: &Api, request: &Request) -> Result<Reply, Problem> {
    negotiate(&request.headers, &[Format::Json])?;
    Ok(Reply::data(syncing_status(api)))
}

/// `getNetworkIdentity`
pub(crate) fn identity(api: &Api, request: &Request) -> Result<Reply, Problem> {
    negotiate(&request.headers, &[Format::Json])?;
    Ok(Reply::data(api.context.identity.load().as_ref()))
}
