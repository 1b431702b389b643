//! `/eth/v1/config`

use crate::accept::{Format, negotiate};
use crate::api::Api;
use crate::problem::Problem;
use crate::reply::Reply;
use crate::request::Request;
use api_types::{DepositContract, SpecValues};
use consensus::{FAR_FUTURE_EPOCH, Fork, GENESIS_EPOCH};

/// `getSpec`
pub(crate) fn spec(api: &Api, request: &Request) -> Result<Reply, Problem> {
    negotiate(&request.headers, &[Format::Json])?;
    Ok(Reply::data(SpecValues(&api.view().snapshot.spec)))
}

/// `getForkSchedule`: phase 0, and the fork at which it ends if there is a date for it.
pub(crate) fn fork_schedule(api: &Api, request: &Request) -> Result<Reply, Problem> {
    negotiate(&request.headers, &[Format::Json])?;
    let spec = &api.view().snapshot.spec;
    let genesis = Fork {
        previous_version: spec.GENESIS_FORK_VERSION,
        current_version: spec.GENESIS_FORK_VERSION,
        epoch: GENESIS_EPOCH,
    };
    let mut forks = vec![genesis];
    if spec.ALTAIR_FORK_EPOCH != FAR_FUTURE_EPOCH {
        forks.push(Fork {
            previous_version: spec.GENESIS_FORK_VERSION,
            current_version: spec.ALTAIR_FORK_VERSION,
            epoch: spec.ALTAIR_FORK_EPOCH,
        });
    }
    Ok(Reply::data(forks))
}

/// `getDepositContract`
pub(crate) fn deposit_contract(api: &Api, request: &Request) -> Result<Reply, Problem> {
    negotiate(&request.headers, &[Format::Json])?;
    let spec = &api.view().snapshot.spec;
    Ok(Reply::data(DepositContract {
        chain_id: spec.DEPOSIT_CHAIN_ID,
        address: spec.DEPOSIT_CONTRACT_ADDRESS,
    }))
}
