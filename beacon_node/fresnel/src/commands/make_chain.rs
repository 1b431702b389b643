//! `fresnel debug make-chain`

use super::{pool, tell_unknown_keys};
use crate::cli::MakeChain;
use crate::input::Network;
use crate::output::folder_of;
use anyhow::{Context, bail};
use chain_maker::{ChainMaker, ChainOptions, Made, Totals, make_chain};
use consensus::{Checkpoint, SignedBeaconBlock, Spec};
use serde_json::{Value, json};
use ssz::Encode;
use std::path::Path;
use std::sync::Arc;

/// On built-in networks validators of a made chain may leave after so many epochs: the real ones wait
/// longer than most made chains last.
const SHORT_SHARD_COMMITTEE_PERIOD: u64 = 2;

/// Makes a chain in a new folder: all of it or nothing.
pub(crate) fn run(args: &MakeChain) -> anyhow::Result<()> {
    let network = Network::of(&args.network)?;
    tell_unknown_keys(&network);
    check_new(&args.out)?;
    let spec = Arc::new(spec_of(args, &network)?);
    let mut maker = ChainMaker::new(&spec, args.validators, args.seed, &pool())?;
    maker.set_participation(args.participation);

    let parent = folder_of(&args.out);
    let scratch = tempfile::Builder::new()
        .prefix(".fresnel-")
        .tempdir_in(parent)
        .with_context(|| format!("{}: no folder can be made there", parent.display()))?;
    let folder = scratch.path().join("chain");
    let totals = write_chain(args, &mut maker, &folder)
        .with_context(|| format!("{}: the chain cannot be made", args.out.display()))?;
    if args.out.exists() {
        std::fs::remove_dir(&args.out)
            .with_context(|| format!("{}: cannot be replaced", args.out.display()))?;
    }
    std::fs::rename(&folder, &args.out)
        .with_context(|| format!("{}: cannot be made", args.out.display()))?;
    report(args, &maker, &totals)
}

/// The network's rules, under a name that no other network has.
fn spec_of(args: &MakeChain, network: &Network) -> anyhow::Result<Spec> {
    let mut spec = Spec::clone(&network.spec);
    if args.network.network.is_some() {
        spec.CONFIG_NAME = format!("made-{}", network.name);
        if args.exits > 0 {
            spec.SHARD_COMMITTEE_PERIOD = SHORT_SHARD_COMMITTEE_PERIOD;
        }
    }
    let end = network.phase0_end();
    if args.slots >= end {
        bail!(
            "--slots {}: the network leaves phase 0 at slot {end}; give fewer slots",
            args.slots
        );
    }
    Ok(spec)
}

fn check_new(out: &Path) -> anyhow::Result<()> {
    let in_use = match std::fs::read_dir(out) {
        Ok(mut entries) => entries.next().is_some(),
        Err(_) => out.exists(),
    };
    if in_use {
        bail!("{}: exists already; name a new folder", out.display());
    }
    let parent = folder_of(out);
    if !parent.is_dir() {
        bail!(
            "{}: there is no such folder; make it first",
            parent.display()
        );
    }
    Ok(())
}

fn write_chain(args: &MakeChain, maker: &mut ChainMaker, folder: &Path) -> anyhow::Result<Totals> {
    std::fs::create_dir_all(folder)?;
    std::fs::write(folder.join("config.yaml"), maker.spec().to_yaml())?;
    std::fs::write(folder.join("genesis.ssz"), maker.genesis().as_ssz_bytes())?;
    let options = ChainOptions {
        slots: args.slots,
        every: args.every,
        empty_slots: args.empty_slots.iter().copied().collect(),
        skip_percent: args.skip_percent,
        deposits: args.deposits,
        exits: args.exits,
        slashings: args.slashings,
        forks: args.forks,
    };
    let mut blocks = Vec::new();
    let totals = make_chain(maker, &options, |made, is_on_chain| {
        let name = file_name(made);
        std::fs::write(folder.join(&name), made.block.as_ssz_bytes())?;
        blocks.push(block_json(made, is_on_chain, &name));
        anyhow::Ok(())
    })?;
    let chain = chain_json(maker, &blocks)?;
    std::fs::write(
        folder.join("chain.json"),
        serde_json::to_vec_pretty(&chain)?,
    )?;
    Ok(totals)
}

fn file_name(made: &Made) -> String {
    let SignedBeaconBlock { message, .. } = &made.block;
    let root = made.root.to_string();
    format!("block_{:06}_{}.ssz", message.slot, &root[2..10])
}

fn block_json(made: &Made, is_on_chain: bool, file: &str) -> Value {
    let block = &made.block.message;
    json!({
        "slot": block.slot,
        "block_root": made.root,
        "parent_root": block.parent_root,
        "state_root": block.state_root,
        "on_chain": is_on_chain,
        "file": file,
    })
}

fn chain_json(maker: &ChainMaker, blocks: &[Value]) -> anyhow::Result<Value> {
    let genesis = maker.genesis();
    let head = maker.post_state(maker.head())?;
    let checkpoint =
        |checkpoint: Checkpoint| json!({ "epoch": checkpoint.epoch, "root": checkpoint.root });
    Ok(json!({
        "preset": maker.spec().PRESET_BASE,
        "config_name": maker.spec().CONFIG_NAME,
        "seed": maker.seed(),
        "genesis": {
            "genesis_time": genesis.genesis_time(),
            "state_root": genesis.hash_tree_root(),
            "block_root": maker.genesis_root(),
            "genesis_validators_root": genesis.genesis_validators_root(),
        },
        "head": {
            "slot": head.slot(),
            "block_root": maker.head(),
            "state_root": head.hash_tree_root(),
            "current_justified_checkpoint": checkpoint(head.current_justified_checkpoint()),
            "finalized_checkpoint": checkpoint(head.finalized_checkpoint()),
        },
        "blocks": blocks,
    }))
}

fn report(args: &MakeChain, maker: &ChainMaker, totals: &Totals) -> anyhow::Result<()> {
    let out = args.out.display();
    let head = maker.post_state(maker.head())?;
    println!(
        "{out}: {} blocks, {} empty slots, {} blocks of side branches; {} attestations, {} deposits, {} exits, {} proposer and {} attester slashings",
        totals.blocks,
        totals.empty_slots,
        totals.side_blocks,
        totals.attestations,
        totals.deposits,
        totals.exits,
        totals.proposer_slashings,
        totals.attester_slashings
    );
    let asked = [
        ("deposits", args.deposits, totals.deposits),
        ("exits", args.exits, totals.exits),
        (
            "slashings",
            args.slashings,
            totals.proposer_slashings + totals.attester_slashings,
        ),
    ];
    for (what, asked, made) in asked {
        if made < asked {
            println!(
                "note: {made} of {asked} {what} came into a block in {} slots",
                args.slots
            );
        }
    }
    let finalized = head.finalized_checkpoint();
    println!("head        slot {}  {}", head.slot(), maker.head());
    println!("finalized   epoch {}  {}", finalized.epoch, finalized.root);
    println!("state root  {}", head.hash_tree_root());
    println!(
        "verify it: fresnel replay --network-dir {out} --genesis-state {out}/genesis.ssz --blocks {out}"
    );
    Ok(())
}
