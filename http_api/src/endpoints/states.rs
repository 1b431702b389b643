//! `/eth/v1/beacon/genesis` and the small parts of `/eth/v1/beacon/states`

use crate::accept::{Format, negotiate};
use crate::api::Api;
use crate::problem::Problem;
use crate::reply::Reply;
use crate::request::Request;
use api_types::{Envelope, FinalityCheckpoints, GenesisData, RootData, StateId};
use std::sync::Arc;

/// `getGenesis`
pub(crate) fn genesis(api: &Api, request: &Request) -> Result<Reply, Problem> {
    negotiate(&request.headers, &[Format::Json])?;
    let snapshot = api.context.snapshots.load();
    Ok(Reply::data(GenesisData {
        genesis_time: snapshot.genesis_time,
        genesis_validators_root: snapshot.genesis_validators_root,
        genesis_fork_version: snapshot.spec.GENESIS_FORK_VERSION,
    }))
}

/// `getStateRoot`
pub(crate) async fn root(api: Arc<Api>, request: Request) -> Result<Reply, Problem> {
    negotiate(&request.headers, &[Format::Json])?;
    let id: StateId = request.param(0)?;
    let known = api.read(move |view| {
        let at = view.find_state(id)?;
        Ok((view.known_state_root(&at)?, at.finalized))
    });
    let (root, finalized) = match known.await? {
        (Some(root), finalized) => (root, finalized),
        (None, _) => {
            let found = api.state(id).await?;
            let hashed = move || Ok((found.state.hash_tree_root(), found.finalized));
            api.computations.run(hashed).await?
        }
    };
    Ok(Reply::json(&Envelope::of_chain(
        finalized,
        RootData { root },
    )))
}

/// `getStateFork`: the same for all states of phase 0.
pub(crate) async fn fork(api: Arc<Api>, request: Request) -> Result<Reply, Problem> {
    negotiate(&request.headers, &[Format::Json])?;
    let id: StateId = request.param(0)?;
    let found = api.read(move |view| {
        let finalized = view.find_state(id)?.finalized;
        Ok(Envelope::of_chain(
            finalized,
            *view.snapshot.head.state.fork(),
        ))
    });
    Ok(Reply::json(&found.await?))
}

/// `getStateFinalityCheckpoints`: the state's own; those of the fork choice may be newer.
pub(crate) async fn finality_checkpoints(
    api: Arc<Api>,
    request: Request,
) -> Result<Reply, Problem> {
    negotiate(&request.headers, &[Format::Json])?;
    let found = api.state(request.param(0)?).await?;
    let checkpoints = FinalityCheckpoints {
        previous_justified: found.state.previous_justified_checkpoint(),
        current_justified: found.state.current_justified_checkpoint(),
        finalized: found.state.finalized_checkpoint(),
    };
    Ok(Reply::json(&Envelope::of_chain(
        found.finalized,
        checkpoints,
    )))
}
