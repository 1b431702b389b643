//! `fresnel replay`

use super::{pool, tell_unknown_keys, verifier};
use crate::cli::Replay;
use crate::import::{Importer, Refusal};
use crate::input::{self, BlockFile, BlockReader, End, Found, Limits, Network};
use crate::output;
use crate::progress::{Goal, Progress, duration};
use anyhow::anyhow;
use consensus::Slot;
use std::fmt::Display;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Instant;

/// Verifies a chain and reports where it ends.
pub(crate) fn run(args: &Replay) -> anyhow::Result<()> {
    let started = Instant::now();
    let network = Network::of(&args.network)?;
    tell_unknown_keys(&network);
    if let Some(post) = &args.post {
        output::check_writable(post)?;
    }
    let files = input::collect(&args.blocks)?;
    let mut importer = start(args, &network)?;
    let limits = Limits {
        last_slot: args.until.unwrap_or(Slot::MAX),
        phase0_end: network.phase0_end(),
    };
    import_files(&mut importer, &files, limits)?;
    report(&mut importer, started)?;
    if let Some(post) = &args.post {
        let (_, state) = importer
            .head()
            .map_err(|refusal| anyhow!(clause(&refusal)))?;
        output::write_state(post, state)?;
    }
    Ok(())
}

fn start(args: &Replay, network: &Network) -> anyhow::Result<Importer> {
    let pool = pool();
    let genesis = input::read_state(&args.genesis_state, &network.spec)?;
    genesis.warm_roots(&pool);
    let root = genesis.hash_tree_root();
    network.check_genesis(&args.genesis_state, &genesis, root)?;
    if !args.no_signatures {
        genesis.warm_keys(&pool);
    }
    Importer::new(genesis, verifier(&pool)?, !args.no_signatures).map_err(|refusal| {
        anyhow!(
            "{}: no chain can start from this genesis state: {}",
            args.genesis_state.display(),
            clause(&refusal)
        )
    })
}

fn import_files(
    importer: &mut Importer,
    files: &[BlockFile],
    limits: Limits,
) -> anyhow::Result<()> {
    let read = Arc::new(AtomicU64::new(0));
    let mut progress = Progress::new(match limits.last_slot {
        Slot::MAX => Goal::Bytes {
            total: files.iter().map(|file| file.length).sum(),
            read: read.clone(),
        },
        slot => Goal::Slot(slot),
    });
    let slots_per_epoch = importer.store().spec().SLOTS_PER_EPOCH;
    let mut epoch = 0;
    for file in files {
        let mut reader = BlockReader::open(&file.path, limits, read.clone())?;
        for found in reader.by_ref() {
            let found = found?;
            let result = importer.import(&found.block);
            let counts = importer.counts();
            result.map_err(|refusal| refused(&found, &refusal, counts.blocks))?;
            if counts.highest_slot / slots_per_epoch > epoch {
                epoch = counts.highest_slot / slots_per_epoch;
                let head = importer.head();
                head.map_err(|refusal| refused(&found, &refusal, counts.blocks))?;
            }
            progress.update(counts.highest_slot, counts.blocks);
        }
        tell_end(file, reader.end(), limits);
    }
    progress.finish();
    Ok(())
}

/// Says why a file was not read to its end, or that it may be cut short.
fn tell_end(file: &BlockFile, end: End, limits: Limits) {
    let path = file.path.display();
    match end {
        End::Whole | End::LastSlot => {}
        End::WithoutIndex => eprintln!(
            "info: {path}: the file has no slot index at its end: it is no complete era, blocks may be missing"
        ),
        End::Phase0 => eprintln!(
            "info: {path}: the network leaves phase 0 at slot {}: blocks from there on are left out",
            limits.phase0_end
        ),
    }
}

fn refused(found: &Found, refusal: &Refusal, verified: u64) -> anyhow::Error {
    anyhow!(
        "{}: {}; {verified} blocks before it were imported",
        found.place,
        clause(refusal)
    )
}

/// Why a block was refused and what to do, as a clause.
fn clause(refusal: &Refusal) -> String {
    match refusal {
        Refusal::UnknownParent(parent) => format!(
            "its parent {parent} is missing; give the parent's file too, and check that the genesis state is of the same chain"
        ),
        Refusal::StateDropped(root) => format!(
            "the state after block {root} has been dropped to save memory; replay that branch by itself"
        ),
        Refusal::Gap(slots) => format!(
            "it is {slots} slots after its parent, more than any chain has without a block; the file is damaged, get it again"
        ),
        Refusal::NotGenesis => {
            "it is not the block of the genesis state; give the genesis state of the same chain"
                .into()
        }
        Refusal::Finalized(slot) => format!(
            "it is not after the finalized slot {slot}: it is either known already or of a branch that lost; leave it out"
        ),
        Refusal::Transition(error) => invalid(error.name(), error),
        Refusal::ForkChoice(error) => invalid(error.name(), error),
    }
}

/// A violated assertion by its name.
pub(super) fn invalid(name: &str, error: impl Display) -> String {
    format!("invalid, {name}: {error}")
}

fn report(importer: &mut Importer, started: Instant) -> anyhow::Result<()> {
    let counts = importer.counts();
    let (head, state) = importer
        .head()
        .map_err(|refusal| anyhow!(clause(&refusal)))?;
    let (head_slot, state_root) = (state.latest_block_header().slot, state.hash_tree_root());
    let justified = importer.store().justified_checkpoint();
    let finalized = importer.store().finalized_checkpoint();
    let elapsed = started.elapsed();
    let seconds = elapsed.as_secs_f64();
    println!("head        slot {head_slot}  {head}");
    println!("justified   epoch {}  {}", justified.epoch, justified.root);
    println!("finalized   epoch {}  {}", finalized.epoch, finalized.root);
    println!("state root  {state_root}");
    println!(
        "imported    {} blocks up to slot {}, {} known already; {} attestations, {} not counted by fork choice; {} deposits, {} exits, {} slashings",
        counts.blocks,
        counts.highest_slot,
        counts.known,
        counts.attestations,
        counts.not_counted,
        counts.deposits,
        counts.exits,
        counts.slashings
    );
    println!(
        "time        {}: {:.1} slots/s, {:.1} blocks/s",
        duration(elapsed),
        counts.highest_slot as f64 / seconds,
        counts.blocks as f64 / seconds
    );
    Ok(())
}
