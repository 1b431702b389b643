//! `/eth/v1/beacon/blocks` and `/eth/v2/beacon/blocks`

use crate::accept::{Format, body_format, negotiate};
use crate::api::Api;
use crate::problem::Problem;
use crate::reply::{CONSENSUS_VERSION, Reply};
use crate::request::{Request, parse_json};
use api_types::{BlockId, ConsensusVersion, Envelope, RootData};
use chain::{ApiCall, ApiReply};
use consensus::SignedBeaconBlock;
use serde::Serialize;
use ssz::Decode;
use std::sync::Arc;
use warp::http::StatusCode;

const BOTH: [Format; 2] = [Format::Json, Format::Ssz];

/// `getBlock`
pub(crate) async fn block_v1(api: Arc<Api>, request: Request) -> Result<Reply, Problem> {
    block(api, request, false).await
}

/// `getBlockV2`
pub(crate) async fn block_v2(api: Arc<Api>, request: Request) -> Result<Reply, Problem> {
    block(api, request, true).await
}

async fn block(api: Arc<Api>, request: Request, versioned: bool) -> Result<Reply, Problem> {
    let format = negotiate(&request.headers, &BOTH)?;
    let id: BlockId = request.param(0)?;
    let read = api.read(move |view| {
        let at = view.find_block(id)?;
        let block = view.load_block(at.root)?;
        if format == Format::Ssz {
            return Ok(Reply::ssz(block.into_ssz()));
        }
        let block = block.decoded()?;
        Ok(json(versioned, at.finalized, block.as_ref()))
    });
    Ok(read.await?.versioned())
}

/// Version 1 does not name the fork in the body.
fn json(versioned: bool, finalized: bool, data: impl Serialize) -> Reply {
    match versioned {
        true => Reply::json(&Envelope::versioned(finalized, data)),
        false => Reply::json(&Envelope::of_chain(finalized, data)),
    }
}

/// `getBlockRoot`
pub(crate) async fn root(api: Arc<Api>, request: Request) -> Result<Reply, Problem> {
    negotiate(&request.headers, &[Format::Json])?;
    let id: BlockId = request.param(0)?;
    let at = api.read(move |view| view.find_block(id)).await?;
    let data = RootData { root: at.root };
    Ok(Reply::json(&Envelope::of_chain(at.finalized, data)))
}

/// `getBlockAttestations`
pub(crate) async fn attestations_v1(api: Arc<Api>, request: Request) -> Result<Reply, Problem> {
    attestations(api, request, false).await
}

/// `getBlockAttestationsV2`
pub(crate) async fn attestations_v2(api: Arc<Api>, request: Request) -> Result<Reply, Problem> {
    Ok(attestations(api, request, true).await?.versioned())
}

async fn attestations(api: Arc<Api>, request: Request, versioned: bool) -> Result<Reply, Problem> {
    negotiate(&request.headers, &[Format::Json])?;
    let id: BlockId = request.param(0)?;
    let read = api.read(move |view| {
        let at = view.find_block(id)?;
        let block = view.load_block(at.root)?.decoded()?;
        let attestations = &block.message.body.attestations;
        Ok(json(versioned, at.finalized, attestations))
    });
    read.await
}

/// `publishBlock`
pub(crate) async fn publish_v1(api: Arc<Api>, request: Request) -> Result<Reply, Problem> {
    publish(api, request).await
}

/// How thoroughly a block must be verified before others see it. This node imports it first, which
/// is more than any of these asks for.
const BROADCAST_VALIDATION: [&str; 3] = ["gossip", "consensus", "consensus_and_equivocation"];

/// `publishBlockV2`
pub(crate) async fn publish_v2(api: Arc<Api>, request: Request) -> Result<Reply, Problem> {
    let version = request.headers.get(CONSENSUS_VERSION);
    let version = version.and_then(|value| value.to_str().ok());
    let known = ConsensusVersion::Phase0.as_str();
    if !version.is_some_and(|version| version.eq_ignore_ascii_case(known)) {
        let message = format!("the header Eth-Consensus-Version must be {known}");
        return Err(Problem::bad_request(message));
    }
    publish(api, request).await
}

async fn publish(api: Arc<Api>, request: Request) -> Result<Reply, Problem> {
    let level = request.query.one("broadcast_validation")?;
    if level.is_some_and(|level| !BROADCAST_VALIDATION.contains(&level)) {
        let levels = BROADCAST_VALIDATION.join(", ");
        let message = format!("broadcast_validation is none of {levels}");
        return Err(Problem::bad_request(message));
    }
    let format = body_format(&request.headers, &BOTH)?;
    let (body, place) = (request.body, request.place);
    let block = api.computations.run(move || match format {
        Format::Ssz => SignedBeaconBlock::from_ssz_bytes(&body).map_err(|error| {
            Problem::bad_request(format!("the body is no signed block in SSZ: {error:?}"))
        }),
        _ => parse_json(&body),
    });
    let block = Arc::new(block.await?);
    drop(place);
    let answer = api.context.calls.call(ApiCall::SubmitBlock(block)).await?;
    Ok(match answer {
        ApiReply::NotImported(why) => {
            tracing::warn!("a block was published, but not imported: {why}");
            Reply::empty(StatusCode::ACCEPTED)
        }
        _ => Reply::empty(StatusCode::OK),
    })
}
