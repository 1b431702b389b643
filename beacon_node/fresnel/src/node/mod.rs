//! The node: threads around the chain's core. One thread owns the core and carries out its effects,
//! one owns the store, some work off jobs, one is the clock; servers have a runtime of their own.

mod calls;
mod clock;
mod exporter;
mod figures;
mod history;
mod import;
mod logging;
mod mailbox;
mod meters;
mod process;
mod servers;
mod shell;
mod signals;
mod start;
mod status;
mod trusting;
mod waiting;
mod weak_subjectivity;
mod workers;
mod writer;

use crate::cli;
use crate::input::{self, BlockFile, Network};
use crate::progress::duration;
use anyhow::Context;
use chain::{Input, Snapshot};
use clock::Timetable;
use consensus::Slot;
use servers::Sockets;
use shell::{Shell, Wake};
use start::Started;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::thread::JoinHandle;
use std::time::Instant;
use store::Reader;
use tracing::{info, warn};
use weak_subjectivity::{Age, Trust, judge};
use writer::Order;

/// From how many slots behind the clock on the node counts as syncing.
const SYNC_TOLERANCE: u64 = 8;

/// Runs a node until it is asked to stop, or has imported what it was to import.
///
/// # Errors
/// A sentence for the user.
pub(crate) fn run(args: &cli::Node) -> anyhow::Result<()> {
    let begun = Instant::now();
    logging::start(args.log_format, &args.log_level)?;
    let network = Network::of(&args.network)?;
    greet(args, &network);
    let files = match args.import.is_empty() {
        true => Vec::new(),
        false => input::collect(&args.import)?,
    };
    let sockets = Sockets::bind(args)?;
    let threads = args.threads.map_or_else(
        || std::thread::available_parallelism().map_or(1, usize::from),
        usize::from,
    );
    let started = start::start(args, &network, threads)?;
    let snapshot = started.chain.snapshot().clone();
    tell_start(&snapshot, begun);
    check_age(args, &snapshot)?;

    let (wake, woken) = channel();
    let (orders, order_queue) = channel();
    let shell = Arc::new(Shell::new(snapshot, threads, orders, wake));
    let reader = started.reader.clone();
    let verifier = started.tools.verifier.clone();
    let threads = spawn_threads(&shell, started, order_queue)
        .context("the system does not allow more threads")?;
    let servers = sockets.serve(&shell, &reader, verifier)?;
    // Era 0 alone is a genesis and no blocks: the import of nothing ends the node all the same.
    if !files.is_empty() || args.exit_after_import {
        spawn_import(&shell, reader, files, network.phase0_end(), args)
            .context("the system does not allow more threads")?;
    }
    let ended = wait(args, &shell, &woken);
    servers.stop();
    let ended = ended.and_then(|ended| finish(&shell, threads, &woken).map(|()| ended));
    servers.end();
    report(ended?, &shell.snapshots.load(), begun)
}

/// How a node came to its end.
struct Ended {
    /// What the import came to, if the node was to end after it.
    imported: Option<import::Totals>,
    /// Why the import failed.
    failure: Option<anyhow::Error>,
}

fn greet(args: &cli::Node, network: &Network) {
    let spec = &network.spec;
    info!(
        "{}, network {} ({} preset), data folder {}",
        servers::version(),
        spec.CONFIG_NAME,
        spec.PRESET_BASE,
        args.datadir.display()
    );
    if !network.unknown_keys.is_empty() {
        info!(
            "{}: {} keys are not of phase 0 and not used: {}",
            network.name,
            network.unknown_keys.len(),
            network.unknown_keys.join(", ")
        );
    }
    if network.phase0_end() != Slot::MAX {
        status::phase_ends(spec.ALTAIR_FORK_EPOCH, spec);
    }
}

fn tell_start(snapshot: &Snapshot, begun: Instant) {
    let now = clock::now() / 1000;
    info!(
        "head {} of slot {}, finalized epoch {}, {} validators; found in {}",
        status::Short(snapshot.head.root),
        snapshot.head.slot,
        snapshot.finalized.epoch,
        snapshot.head.state.validators().len(),
        duration(begun.elapsed())
    );
    if let Some(left) = snapshot.genesis_time.checked_sub(now)
        && left > 0
    {
        let left = std::time::Duration::from_secs(left);
        info!("genesis is in {}", duration(left));
    }
}

/// There are no peers yet: whoever imports files trusts them, and an old folder is only warned of.
fn check_age(args: &cli::Node, snapshot: &Snapshot) -> anyhow::Result<()> {
    let network = match (&args.network.network, &args.network.network_dir) {
        (_, Some(folder)) => format!("--network-dir {}", folder.display()),
        (name, None) => format!("--network {}", name.as_deref().unwrap_or("mainnet")),
    };
    let remedy = format!(
        "fresnel node {network} --datadir {} --import PATH",
        args.datadir.display()
    );
    let connected = false;
    match judge(&Age::of(snapshot)?, connected, &remedy) {
        Trust::Fresh => {}
        // Who imports does what the warning advises.
        Trust::Warn(_) if !args.import.is_empty() => {}
        Trust::Warn(sentence) => warn!("{sentence}"),
        Trust::Refuse(sentence) => anyhow::bail!(sentence),
    }
    Ok(())
}

/// Threads that end before the program goes on: they hold the store.
struct Threads {
    writer: JoinHandle<()>,
    /// The workers and the core.
    others: Vec<JoinHandle<()>>,
}

/// Starts the threads.
fn spawn_threads(
    shell: &Arc<Shell>,
    started: Started,
    orders: Receiver<Order>,
) -> std::io::Result<Threads> {
    let Started {
        chain,
        effects,
        tools,
        writer,
        ..
    } = started;
    let snapshot = chain.snapshot();
    let timetable = Timetable::new(snapshot.genesis_time, &snapshot.spec);
    let writer = shell.spawn("writer", move |shell| {
        writer::run(shell, writer, &orders).context("the store cannot be written")
    })?;
    let mut others = Vec::new();
    for _ in 0..shell.queues.threads() {
        let tools = tools.clone();
        others.push(shell.spawn("worker", move |shell| {
            workers::run(shell, &tools);
            Ok(())
        })?);
    }
    others.push(shell.spawn("core", move |shell| shell.run_core(chain, effects))?);
    shell.spawn("clock", move |shell| {
        clock::run(shell, timetable);
        Ok(())
    })?;
    Ok(Threads { writer, others })
}

fn spawn_import(
    shell: &Arc<Shell>,
    reader: Reader,
    files: Vec<BlockFile>,
    phase0_end: Slot,
    args: &cli::Node,
) -> std::io::Result<()> {
    let settle = args.exit_after_import;
    let import = move |shell: &Shell| {
        let mut totals = import::run(shell, &reader, &files, phase0_end);
        // Whoever is told that it has ended may open the store again.
        drop(reader);
        if settle && totals.is_ok() {
            // Eras that are complete are sealed before the program ends.
            let (answer, settled) = channel();
            if shell.orders.send(Order::Settle(answer)).is_err() || settled.recv().is_err() {
                totals = Err(anyhow::anyhow!("the store cannot be written"));
            }
        }
        // Without a main thread the process is ending already.
        let _ = shell.wake.send(Wake::Imported(totals));
        Ok(())
    };
    shell.spawn("import", import).map(drop)
}

/// Waits until the node is to stop, and lets the core stop.
fn wait(args: &cli::Node, shell: &Shell, woken: &Receiver<Wake>) -> anyhow::Result<Ended> {
    let mut ended = Ended {
        imported: None,
        failure: None,
    };
    loop {
        match woken.recv()? {
            Wake::Signal(name) => {
                info!("{name}: stopping");
                shell.send(Input::Shutdown);
            }
            Wake::Imported(Ok(totals)) if args.exit_after_import => {
                ended.imported = Some(totals);
                shell.send(Input::Shutdown);
            }
            Wake::Imported(Ok(_)) => {}
            Wake::Imported(Err(error)) => {
                ended.failure = Some(error);
                shell.send(Input::Shutdown);
            }
            Wake::Stopped => return Ok(ended),
            Wake::Failed(error) => return Err(error),
        }
    }
}

/// Lets the writer make everything durable, and the others end what they do.
fn finish(shell: &Shell, threads: Threads, woken: &Receiver<Wake>) -> anyhow::Result<()> {
    shell.alarm.stop();
    shell.queues.stop();
    // A writer that has ended early has said why.
    let _ = shell.orders.send(Order::Stop);
    let _ = threads.writer.join();
    for thread in threads.others {
        // One that has panicked has told.
        let _ = thread.join();
    }
    for wake in woken.try_iter() {
        if let Wake::Failed(error) = wake {
            return Err(error);
        }
    }
    info!("stopped: everything is on disk");
    Ok(())
}

fn report(ended: Ended, snapshot: &Snapshot, begun: Instant) -> anyhow::Result<()> {
    if let Some(error) = ended.failure {
        return Err(error);
    }
    let Some(totals) = ended.imported else {
        return Ok(());
    };
    let (head, justified, finalized) = (&snapshot.head, snapshot.justified, snapshot.finalized);
    println!("head        slot {}  {}", head.slot, head.root);
    println!("justified   epoch {}  {}", justified.epoch, justified.root);
    println!("finalized   epoch {}  {}", finalized.epoch, finalized.root);
    println!("state root  {}", head.state_root);
    println!(
        "imported    {} blocks up to slot {}, {} known already",
        totals.imported, totals.highest_slot, totals.known
    );
    let elapsed = begun.elapsed();
    println!(
        "time        {}: {:.1} blocks/s",
        duration(elapsed),
        totals.imported as f64 / elapsed.as_secs_f64()
    );
    Ok(())
}
