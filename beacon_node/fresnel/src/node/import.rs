//! The import of files into a running node: blocks go to the core in batches, with full
//! verification; what the data folder has already is not sent again.

use super::shell::Shell;
use super::waiting::Waiting;
use crate::input::{BlockFile, BlockReader, End, Found, Limits, Place};
use crate::progress::{Goal, Lines, Progress};
use anyhow::anyhow;
use chain::{BatchError, BatchResult, Input, Snapshot, Token};
use consensus::{BeaconBlock, HashTreeRoot, Root, SignedBeaconBlock, Slot};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::mpsc::{Receiver, Sender, channel};
use store::Reader;
use tracing::{debug, info};

/// Blocks of a batch.
const BATCH: usize = 64;
/// Batches that the core has at once: one under verification, one that waits.
const IN_FLIGHT: usize = 2;

/// What an import came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    /// Blocks imported.
    pub(crate) imported: u64,
    /// Blocks that were there already.
    pub(crate) known: u64,
    /// Blocks of branches that had lost before.
    pub(crate) left_out: u64,
    /// Highest slot of an imported or known block.
    pub(crate) highest_slot: Slot,
}

/// A batch that the core has.
struct Flight {
    token: Token,
    blocks: Vec<(Place, Arc<SignedBeaconBlock>)>,
}

/// An import under way.
struct Import<'a> {
    shell: &'a Shell,
    store: &'a Reader,
    /// The core when the import began: what it knew then is not sent to it.
    start: Arc<Snapshot>,
    /// No block after this slot was known.
    known_until: Slot,
    batch: Vec<(Place, Arc<SignedBeaconBlock>)>,
    /// Root of the last block of `batch`.
    batch_tip: Root,
    flights: VecDeque<Flight>,
    results: Receiver<(Token, BatchResult)>,
    answer: Sender<(Token, BatchResult)>,
    /// Answers that came before their turn.
    early: BTreeMap<Token, BatchResult>,
    /// Blocks that were left out: so are their descendants.
    lost: BTreeSet<Root>,
    progress: Progress,
    totals: Totals,
}

/// Imports the blocks of the files, which are in order of slots.
///
/// # Errors
/// The first block that is refused, or a file that cannot be read.
pub(crate) fn run(
    shell: &Shell,
    store: &Reader,
    files: &[BlockFile],
    phase0_end: Slot,
) -> anyhow::Result<Totals> {
    let limits = Limits {
        last_slot: Slot::MAX,
        phase0_end,
    };
    let read = Arc::new(AtomicU64::new(0));
    let bytes = files.iter().map(|file| file.length).sum();
    info!("importing {} files, {bytes} bytes", files.len());
    let goal = Goal::Bytes {
        total: bytes,
        read: read.clone(),
    };
    let mut import = Import::new(shell, store, Progress::with_lines(goal, Lines::Logged));
    for file in files {
        let mut reader = BlockReader::open(&file.path, limits, read.clone())?;
        for found in reader.by_ref() {
            import.take(found?)?;
        }
        tell_end(file, reader.end(), phase0_end);
    }
    import.send_batch();
    while !import.flights.is_empty() {
        import.land()?;
    }
    import.progress.finish();
    let totals = import.totals;
    info!(
        "imported {} blocks up to slot {}, {} known already",
        totals.imported, totals.highest_slot, totals.known
    );
    if totals.left_out > 0 {
        info!(
            "{} blocks are not on the finalized chain and were left out",
            totals.left_out
        );
    }
    Ok(totals)
}

impl<'a> Import<'a> {
    fn new(shell: &'a Shell, store: &'a Reader, progress: Progress) -> Import<'a> {
        let start = shell.snapshots.load_full();
        let known_until = start.blocks.values().map(|entry| entry.row.slot).max();
        let (answer, results) = channel();
        Import {
            shell,
            store,
            known_until: known_until.unwrap_or_default(),
            start,
            batch: Vec::with_capacity(BATCH),
            batch_tip: Root::ZERO,
            flights: VecDeque::with_capacity(IN_FLIGHT),
            results,
            answer,
            early: BTreeMap::new(),
            lost: BTreeSet::new(),
            progress,
            totals: Totals::default(),
        }
    }

    /// Takes the next block of a file.
    fn take(&mut self, found: Found) -> anyhow::Result<()> {
        let block = found.block;
        let root = block.message.hash_tree_root();
        if self.skips(&block.message, root)? {
            return Ok(());
        }
        // The core takes consecutive blocks of one chain.
        if !self.batch.is_empty() && block.message.parent_root != self.batch_tip {
            self.send_batch();
        }
        self.batch.push((found.place, Arc::new(block)));
        self.batch_tip = root;
        if self.batch.len() == BATCH {
            self.send_batch();
        }
        while self.flights.len() >= IN_FLIGHT {
            self.land()?;
        }
        Ok(())
    }

    /// Whether a block was there when the import began, or could not be any more.
    fn skips(&mut self, block: &BeaconBlock, root: Root) -> anyhow::Result<bool> {
        if block.slot > self.known_until {
            return Ok(false);
        }
        let split = self.store.split();
        if self.start.blocks.contains_key(&root)
            || (block.slot <= split.slot && self.store.finalized_root(block.slot)? == Some(root))
        {
            self.totals.known += 1;
            self.advance_to(block.slot);
            return Ok(true);
        }
        if block.slot > split.slot {
            return Ok(false);
        }
        // A genesis block of another chain is refused below as what it is.
        if block.slot == consensus::GENESIS_SLOT {
            return Err(anyhow!(
                "{root} is not the genesis block of the data folder's chain; name the blocks of the same chain, or another --datadir"
            ));
        }
        self.totals.left_out += 1;
        self.lost.insert(root);
        Ok(true)
    }

    fn advance_to(&mut self, slot: Slot) {
        let totals = &mut self.totals;
        totals.highest_slot = totals.highest_slot.max(slot);
        self.progress
            .update(totals.highest_slot, totals.imported + totals.known);
    }

    fn send_batch(&mut self) {
        if !self.batch.is_empty() {
            let blocks = std::mem::replace(&mut self.batch, Vec::with_capacity(BATCH));
            let flight = self.launch(blocks);
            self.flights.push_back(flight);
        }
    }

    fn launch(&self, blocks: Vec<(Place, Arc<SignedBeaconBlock>)>) -> Flight {
        let token = self.shell.waiting.add(Waiting::Batch(self.answer.clone()));
        let inputs = blocks.iter().map(|(_, block)| block.clone()).collect();
        self.shell.send(Input::Batch(token, inputs));
        Flight { token, blocks }
    }

    /// Waits for the oldest batch.
    fn land(&mut self) -> anyhow::Result<()> {
        let Some(flight) = self.flights.pop_front() else {
            return Ok(());
        };
        let result = self.result_of(flight.token)?;
        self.totals.imported += result.imported as u64;
        if let Some((_, block)) = flight.blocks[..result.imported].last() {
            let slot = block.message.slot;
            debug!("imported {} blocks up to slot {slot}", result.imported);
            self.advance_to(slot);
        }
        match result.error {
            None => Ok(()),
            Some(error) => self.refused(&flight, result.imported, &error),
        }
    }

    fn result_of(&mut self, token: Token) -> anyhow::Result<BatchResult> {
        loop {
            if let Some(result) = self.early.remove(&token) {
                return Ok(result);
            }
            let (answered, result) = self.results.recv()?;
            self.early.insert(answered, result);
        }
    }

    /// A batch was stopped at a block. One that lost against the finalized chain is left out.
    fn refused(&mut self, flight: &Flight, at: usize, error: &BatchError) -> anyhow::Result<()> {
        let Some((place, _)) = flight.blocks.get(at) else {
            return Err(anyhow!("a batch was refused: {error}"));
        };
        let lost = match error {
            BatchError::Finalized(_) => true,
            BatchError::UnknownParent(parent) => self.lost.contains(parent),
            _ => false,
        };
        if lost {
            debug!("{place}: {error}: left out with its descendants");
            // What follows in the batch descends from it.
            let rest = &flight.blocks[at..];
            self.totals.left_out += rest.len() as u64;
            let roots = rest.iter().map(|(_, block)| block.message.hash_tree_root());
            self.lost.extend(roots);
            return Ok(());
        }
        Err(anyhow!(
            "{place}: {}; {} blocks before it were imported",
            clause(error),
            self.totals.imported
        ))
    }
}

/// Why a block was refused and what to do, as a clause.
fn clause(error: &BatchError) -> String {
    match error {
        BatchError::UnknownParent(parent) => format!(
            "its parent {parent} is missing; give the parent's file too, and check that the data folder is of the same chain"
        ),
        BatchError::Future => {
            "its slot has not begun; check the clock of this machine and the genesis time".into()
        }
        error => error.to_string(),
    }
}

/// Says why a file was not read to its end, or that it may be cut short.
fn tell_end(file: &BlockFile, end: End, phase0_end: Slot) {
    let path = file.path.display();
    match end {
        End::Whole | End::LastSlot => {}
        End::WithoutIndex => info!(
            "{path}: the file has no slot index at its end: it is no complete era, blocks may be missing"
        ),
        End::Phase0 => info!(
            "{path}: the network leaves phase 0 at slot {phase0_end}: blocks from there on are left out"
        ),
    }
}
