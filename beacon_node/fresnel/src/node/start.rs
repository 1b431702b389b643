//! From files to a chain: the store of the data folder, a genesis if it is empty, the core.

use super::clock::{now, stopwatch};
use super::history::StoredHistory;
use super::trusting::Trusting;
use crate::cli;
use crate::datadir::DataDir;
use crate::input::{self, Network};
use anyhow::{Context, anyhow};
use chain::{Chain, Config, Effect, Toolbox};
use consensus::genesis::interop_genesis;
use consensus::{BeaconState, Bls, Hash32, Pool, bls};
use std::sync::Arc;
use store::{Opened, Reader, Settings, Writer};
use tracing::info;

/// Most bytes of states in memory.
const HOT_STATE_BYTES: u64 = 512 << 20;
/// Batches that the writer may lag.
const MAX_UNCOMMITTED: u64 = 64;
/// Finalized epochs between two stored states: what is replayed at most at a start, beside the
/// blocks that are not finalized.
const STATE_INTERVAL_EPOCHS: u64 = 8;
/// The eth1 block that test networks of well-known keys name, as in other clients.
const INTEROP_ETH1_BLOCK: u8 = 0x42;

/// Everything that the node's threads start with.
pub(crate) struct Started {
    pub(crate) chain: Chain,
    pub(crate) effects: Vec<Effect>,
    pub(crate) tools: Toolbox,
    pub(crate) writer: Writer,
    pub(crate) reader: Reader,
}

/// Opens the data folder, or fills it, and builds the core.
///
/// # Errors
/// A sentence for the user.
pub(crate) fn start(
    args: &cli::Node,
    network: &Network,
    threads: usize,
) -> anyhow::Result<Started> {
    let pool = Pool::new(threads);
    let datadir = DataDir::take_or_make(&args.datadir)?;
    let opened = open(args, network, &datadir, &pool)?;
    let Opened {
        writer,
        reader,
        recovered,
    } = opened;
    recovered.base.state.warm_roots(&pool);
    recovered.base.state.warm_keys(&pool);
    let tools = toolbox(pool, reader.clone(), args.trusts_signatures)?;
    let config = Config {
        hot_state_bytes: HOT_STATE_BYTES,
        max_uncommitted: MAX_UNCOMMITTED,
        state_interval_epochs: STATE_INTERVAL_EPOCHS,
    };
    let (chain, effects) = Chain::start(config, recovered, &tools, now())
        .with_context(|| args.datadir.display().to_string())?;
    Ok(Started {
        chain,
        effects,
        tools,
        writer,
        reader,
    })
}

fn open(
    args: &cli::Node,
    network: &Network,
    datadir: &DataDir,
    pool: &Pool,
) -> anyhow::Result<Opened> {
    let settings = Settings {
        retention: args.retention,
        max_finalized_bytes: args.retention_gib.map(|gib| u64::from(gib) << 30),
    };
    if let Some(opened) = datadir.open(network, &settings)? {
        if args.genesis_state.is_some() || args.interop_genesis.is_some() {
            info!("the data folder has its genesis: none is made or read");
        }
        return Ok(opened);
    }
    let genesis = genesis(args, network, pool)?;
    datadir.create(network, &genesis, &settings)
}

fn genesis(args: &cli::Node, network: &Network, pool: &Pool) -> anyhow::Result<BeaconState> {
    if let Some(validators) = args.interop_genesis {
        let time = args.genesis_time.unwrap_or_else(|| now() / 1000);
        info!("making the genesis of {validators} validators with well-known keys at {time}");
        let block = Hash32::repeat_byte(INTEROP_ETH1_BLOCK);
        return interop_genesis(validators, time, block, &network.spec, pool)
            .context("--interop-genesis: no genesis can be made");
    }
    let Some(file) = &args.genesis_state else {
        return Err(anyhow!(
            "{}: the data folder is empty; give the network's genesis by --genesis-state FILE, or make a test network by --interop-genesis N",
            args.datadir.display()
        ));
    };
    let genesis = input::read_state(file, &network.spec)?;
    genesis.warm_roots(pool);
    network.check_genesis(file, &genesis, genesis.hash_tree_root())?;
    Ok(genesis)
}

fn toolbox(pool: Pool, reader: Reader, trusts_signatures: bool) -> anyhow::Result<Toolbox> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).context("the system gives no random numbers")?;
    let bls = Bls::new(pool.clone(), seed);
    Ok(Toolbox {
        verifier: match trusts_signatures {
            true => Arc::new(Trusting(bls)),
            false => Arc::new(bls),
        },
        pool,
        aggregate: bls::aggregate,
        stopwatch,
        history: Arc::new(StoredHistory(reader)),
    })
}
