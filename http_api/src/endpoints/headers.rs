//! `/eth/v1/beacon/headers`

use crate::accept::{Format, negotiate};
use crate::api::Api;
use crate::lookup::{BlockAt, View};
use crate::problem::Problem;
use crate::reply::Reply;
use crate::request::Request;
use api_types::{BlockId, Envelope, HeaderData, parse_hex};
use consensus::*;
use std::sync::Arc;
use warp::http::StatusCode;

/// `getBlockHeader`
pub(crate) async fn header(api: Arc<Api>, request: Request) -> Result<Reply, Problem> {
    negotiate(&request.headers, &[Format::Json])?;
    let id: BlockId = request.param(0)?;
    let found = api.read(move |view| {
        let block = view.find_block(id)?;
        let data = header_data(view, block)?;
        Ok(Envelope::of_chain(block.finalized, data))
    });
    Ok(Reply::json(&found.await?))
}

/// `getBlockHeaders`: of a slot, of a parent's children, or of the head's slot.
pub(crate) async fn headers(api: Arc<Api>, request: Request) -> Result<Reply, Problem> {
    negotiate(&request.headers, &[Format::Json])?;
    let slot = request.query.number("slot")?;
    let parent = request.query.one("parent_root")?;
    let parent = parent.map(|text| {
        let root = parse_hex::<32>(text).map(Root::from);
        root.ok_or_else(|| Problem::bad_request("parent_root is no 32 bytes in hex with 0x"))
    });
    let parent = parent.transpose()?;
    let found = api.read(move |view| {
        let blocks = match (slot, parent) {
            (slot, Some(parent)) => {
                let mut children = children_of(view, parent)?;
                children.retain(|child| slot.is_none_or(|slot| slot == child.slot));
                children
            }
            (slot, None) => blocks_of_slot(view, slot.unwrap_or(view.snapshot.head.slot))?,
        };
        let finalized = !blocks.is_empty() && blocks.iter().all(|block| block.finalized);
        let data = blocks.into_iter().map(|block| header_data(view, block));
        let data = data.collect::<Result<Vec<_>, _>>()?;
        Ok(Envelope::of_chain(finalized, data))
    });
    Ok(Reply::json(&found.await?))
}

fn header_data(view: &View, at: BlockAt) -> Result<HeaderData, Problem> {
    let block = view.load_block(at.root)?.decoded()?;
    Ok(HeaderData {
        root: at.root,
        canonical: at.canonical,
        header: SignedBeaconBlockHeader {
            message: block.message.header(),
            signature: block.signature,
        },
    })
}

/// The canonical block of a slot first, then those of other branches.
fn blocks_of_slot(view: &View, slot: Slot) -> Result<Vec<BlockAt>, Problem> {
    if slot > view.snapshot.head.slot {
        return hot_blocks(view, |entry| entry.row.slot == slot);
    }
    let canonical = view.canonical_root(slot)?;
    let canonical = canonical.map(|root| view.find_block(BlockId::Root(root)));
    let mut blocks: Vec<BlockAt> = canonical.transpose()?.into_iter().collect();
    let others = hot_blocks(view, |entry| entry.row.slot == slot)?;
    blocks.extend(others.into_iter().filter(|other| !other.canonical));
    Ok(blocks)
}

fn hot_blocks(
    view: &View,
    wanted: impl Fn(&chain::HotEntry) -> bool,
) -> Result<Vec<BlockAt>, Problem> {
    let entries = view.snapshot.blocks.iter();
    let roots = entries
        .filter(|(_, entry)| wanted(entry))
        .map(|(root, _)| *root);
    roots
        .map(|root| view.find_block(BlockId::Root(root)))
        .collect()
}

/// The known children of a block; of finalized blocks, only the canonical child is kept.
fn children_of(view: &View, parent: Root) -> Result<Vec<BlockAt>, Problem> {
    let mut children = hot_blocks(view, |entry| entry.row.parent_root == parent)?;
    let parent = match view.find_block(BlockId::Root(parent)) {
        Ok(parent) => parent,
        Err(problem) if problem.status == StatusCode::NOT_FOUND => return Ok(children),
        Err(problem) => return Err(problem),
    };
    let known = children.iter().any(|child| child.canonical);
    if known || !parent.canonical || view.snapshot.blocks.contains_key(&parent.root) {
        return Ok(children);
    }
    for slot in parent.slot.saturating_add(1)..=view.snapshot.head.slot {
        if let Some(root) = view.canonical_root(slot)? {
            children.push(view.find_block(BlockId::Root(root))?);
            break;
        }
    }
    Ok(children)
}
