//! `/eth/v1/debug` and `/eth/v2/debug`

use crate::accept::{Format, negotiate};
use crate::api::Api;
use crate::problem::Problem;
use crate::reply::{JSON, Reply, SSZ, json};
use crate::request::Request;
use api_types::state_pieces::state_pieces;
use api_types::{
    ChainHead, ForkChoice, ForkChoiceExtra, ForkChoiceNode, ForkChoiceNodeExtra, Validity,
};
use chain::{HotEntry, Snapshot};
use consensus::{Gwei, Root};
use std::sync::Arc;

/// `getState`
pub(crate) async fn state_v1(api: Arc<Api>, request: Request) -> Result<Reply, Problem> {
    state(api, request).await
}

/// `getStateV2`
pub(crate) async fn state_v2(api: Arc<Api>, request: Request) -> Result<Reply, Problem> {
    state(api, request).await
}

async fn state(api: Arc<Api>, request: Request) -> Result<Reply, Problem> {
    let format = negotiate(&request.headers, &[Format::Json, Format::Ssz])?;
    let found = api.state(request.param(0)?).await?;
    let reply = match format {
        Format::Ssz => {
            let places = (found.place, api.large_answers.enter().await?);
            let encode = move || Ok(found.state.as_ssz_bytes());
            Reply::long(SSZ, api.computations.run(encode).await?, places)
        }
        _ => Reply::json_pieces(state_pieces(found.state, found.finalized), found.place),
    };
    Ok(reply.versioned())
}

/// `getDebugChainHeads`
pub(crate) fn heads_v1(api: &Api, request: &Request) -> Result<Reply, Problem> {
    heads(api, request, None)
}

/// `getDebugChainHeadsV2`
pub(crate) fn heads_v2(api: &Api, request: &Request) -> Result<Reply, Problem> {
    heads(api, request, Some(false))
}

fn heads(
    api: &Api,
    request: &Request,
    execution_optimistic: Option<bool>,
) -> Result<Reply, Problem> {
    negotiate(&request.headers, &[Format::Json])?;
    let snapshot = api.context.snapshots.load();
    let heads = snapshot.tips.iter().filter_map(|root| {
        let slot = snapshot.blocks.get(root)?.row.slot;
        Some(ChainHead {
            root: *root,
            slot,
            execution_optimistic,
        })
    });
    Ok(Reply::data(heads.collect::<Vec<_>>()))
}

/// `getDebugForkChoice`: the checkpoints of the store, which may be newer than those of any state.
pub(crate) async fn fork_choice(api: Arc<Api>, request: Request) -> Result<Reply, Problem> {
    negotiate(&request.headers, &[Format::Json])?;
    // Without finality for long, as many nodes as blocks since.
    let place = api.large_answers.enter().await?;
    let view = api.view();
    let written = move || {
        let snapshot = &view.snapshot;
        let nodes = snapshot.weights.iter();
        let nodes = nodes.filter_map(|(root, weight)| {
            let entry = snapshot.blocks.get(root)?;
            Some(node(snapshot, root, entry, *weight))
        });
        Ok(json(&ForkChoice {
            justified_checkpoint: snapshot.justified,
            finalized_checkpoint: snapshot.finalized,
            fork_choice_nodes: nodes.collect(),
            extra_data: ForkChoiceExtra {
                head_root: snapshot.head.root,
                unrealized_justified_checkpoint: snapshot.unrealized_justified,
                unrealized_finalized_checkpoint: snapshot.unrealized_finalized,
                proposer_boost_root: snapshot.proposer_boost_root,
            },
        }))
    };
    Ok(Reply::long(
        JSON,
        api.computations.run(written).await?,
        place,
    ))
}

fn node(snapshot: &Snapshot, root: &Root, entry: &HotEntry, weight: Gwei) -> ForkChoiceNode {
    let row = &entry.row;
    ForkChoiceNode {
        slot: row.slot,
        block_root: row.root,
        parent_root: row.parent_root,
        justified_epoch: row.justified.epoch,
        finalized_epoch: row.finalized.epoch,
        weight,
        validity: Validity::Valid,
        execution_block_hash: Root::ZERO,
        extra_data: ForkChoiceNodeExtra {
            state_root: row.state_root,
            target_root: row.target_root,
            justified_root: row.justified.root,
            finalized_root: row.finalized.root,
            unrealized_justified: row.unrealized_justified,
            unrealized_finalized: row.unrealized_finalized,
            timely: row.timely,
            canonical: snapshot.canonical.get(&row.slot) == Some(root),
        },
    }
}
