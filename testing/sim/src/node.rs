//! One whole node: core, inbox, store and what its validators wait for. Everything but the disk is
//! gone when the power is cut.

use crate::disk::SimDisk;
use crate::ledger::Ledger;
use crate::naive::Votes;
use crate::queue::Tokens;
use crate::scheme::Scheme;
use chain::{Chain, Effect, History, Inbox, Milliseconds, Snapshot, Toolbox};
use consensus::{
    AttestationData, BeaconState, CommitteeIndex, Pool, Root, SignedBeaconBlock, Slot, Spec,
    ValidatorIndex,
};
use rows::Batch;
use ssz::Decode;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use store::{Disk, Opened, Reader, Retention, Settings, Writer};

/// A node, running or not.
pub(crate) struct Node {
    /// What survives.
    pub(crate) disk: SimDisk,
    /// Which of its lives this is.
    pub(crate) life: u64,
    /// What runs.
    pub(crate) live: Option<Live>,
    /// What the disk must hold.
    pub(crate) ledger: Ledger,
    /// The votes its fork choice had when it last ran, and those it kept in an orderly stop.
    pub(crate) last_votes: Option<(Votes, Option<Votes>)>,
}

/// The running part of a node.
pub(crate) struct Live {
    /// The core.
    pub(crate) chain: Chain,
    /// What waits for the core.
    pub(crate) inbox: Inbox,
    /// The store's writer.
    pub(crate) writer: Writer,
    /// The store's reader.
    pub(crate) reader: Reader,
    /// For its jobs.
    pub(crate) tools: Toolbox,
    /// What was published last.
    pub(crate) snapshot: Arc<Snapshot>,
    /// Batches that the writer has not begun.
    pub(crate) batches: VecDeque<Batch>,
    /// What is planned for it.
    pub(crate) planned: Due,
    /// Open questions.
    pub(crate) tokens: Tokens,
    /// What the naive fork choice knows.
    pub(crate) votes: Votes,
    /// The votes when it was asked to stop.
    pub(crate) kept_votes: Option<Votes>,
    /// The slot by the clock in which it started: it forgot who was boosted.
    pub(crate) started: Slot,
    /// What its validators attested to.
    pub(crate) attested: BTreeMap<(Slot, CommitteeIndex), (AttestationData, ValidatorIndex)>,
}

/// Which events of a node are planned already: at most one of each kind waits.
#[expect(
    clippy::struct_excessive_bools,
    reason = "four events, each planned or not"
)]
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Due {
    /// The writer takes a batch.
    pub(crate) writing: bool,
    /// The writer does deferred work.
    pub(crate) stepping: bool,
    /// The inbox is drained.
    pub(crate) draining: bool,
    /// A batch of blocks is on its way.
    pub(crate) comparing: bool,
}

/// Why a node did not start.
pub(crate) enum StartFailure {
    /// The power was cut meanwhile.
    PowerCut,
    /// Something is wrong.
    Wrong(String),
}

/// Reads what is no longer in memory.
struct StoreHistory(Reader);

impl History for StoreHistory {
    fn block(&self, root: Root) -> Result<Option<Arc<SignedBeaconBlock>>, String> {
        let stored = self.0.block(root).map_err(|error| error.to_string())?;
        let decode = |ssz: Vec<u8>| SignedBeaconBlock::from_ssz_bytes(&ssz).map(Arc::new);
        let block = stored.map(|block| decode(block.ssz)).transpose();
        block.map_err(|error| format!("block {root} does not decode: {error:?}"))
    }

    fn state(&self, block_root: Root) -> Result<Option<BeaconState>, String> {
        let state = self.0.state(block_root);
        state.map_err(|error| error.to_string())
    }
}

/// The settings of every simulated store.
pub(crate) fn settings() -> Settings {
    Settings {
        retention: Retention::Archive,
        max_finalized_bytes: None,
    }
}

/// The limits of every simulated core.
pub(crate) fn limits() -> chain::Config {
    chain::Config {
        // A few dozen states of a small registry: older ones are made again.
        hot_state_bytes: 4 << 20,
        max_uncommitted: 32,
        state_interval_epochs: 4,
    }
}

impl Node {
    /// A node with an empty disk.
    pub(crate) fn new() -> Node {
        Node {
            disk: SimDisk::default(),
            life: 0,
            live: None,
            ledger: Ledger::default(),
            last_votes: None,
        }
    }

    /// Whether it runs on a disk without power.
    pub(crate) fn has_lost_power(&self) -> bool {
        self.live.is_some() && self.disk.is_dead()
    }

    /// Opens the store, making it first if there is none.
    pub(crate) fn open(&self, genesis: &BeaconState) -> Result<Opened, StartFailure> {
        let disk: Arc<dyn Disk> = Arc::new(self.disk.clone());
        let spec: &Arc<Spec> = genesis.spec();
        let opened = match store::open(&disk, spec, &settings()) {
            Ok(None) => store::create(&disk, genesis, &settings())
                .and_then(|()| store::open(&disk, spec, &settings())),
            opened => opened,
        };
        match opened {
            Ok(Some(opened)) => Ok(opened),
            _ if self.disk.is_dead() => Err(StartFailure::PowerCut),
            Ok(None) => Err(StartFailure::Wrong("a store just made is not there".into())),
            Err(error) => Err(StartFailure::Wrong(format!("opening the store: {error}"))),
        }
    }

    /// Starts a core on an open store.
    pub(crate) fn start(
        opened: Opened,
        scheme: Scheme,
        votes: Votes,
        now: Milliseconds,
    ) -> Result<(Live, Vec<Effect>), StartFailure> {
        let Opened {
            writer,
            reader,
            recovered,
        } = opened;
        let tools = Toolbox {
            pool: Pool::new(1),
            verifier: scheme.verifier(),
            aggregate: scheme.aggregate(),
            stopwatch: || 0,
            history: Arc::new(StoreHistory(reader.clone())),
        };
        let started = Chain::start(limits(), recovered, &tools, now);
        let (chain, effects) =
            started.map_err(|error| StartFailure::Wrong(format!("starting the core: {error}")))?;
        let snapshot = chain.snapshot().clone();
        let live = Live {
            inbox: Inbox::default(),
            writer,
            reader,
            tools,
            started: snapshot.current_slot,
            snapshot,
            chain,
            batches: VecDeque::new(),
            planned: Due::default(),
            tokens: Tokens::default(),
            votes,
            kept_votes: None,
            attested: BTreeMap::new(),
        };
        Ok((live, effects))
    }
}

/// The votes that a core restores: the dump, then those in the blocks that are not finalized.
pub(crate) fn restored_votes(
    opened: &Opened,
    mut attesters: impl FnMut(&consensus::Attestation) -> Result<Vec<u64>, String>,
) -> Result<Votes, String> {
    let recovered = &opened.recovered;
    let history = StoreHistory(opened.reader.clone());
    let mut votes = Votes::default();
    if let Some(dump) = &recovered.votes {
        for (index, vote) in (0..).zip(&dump.latest) {
            if let Some((epoch, root)) = vote {
                votes.restore(index, *epoch, *root);
            }
        }
        for &index in &dump.equivocating {
            votes.equivocates(index);
        }
    }
    let finalized = recovered.finalized_blocks.iter().map(|id| id.root);
    for root in finalized.chain(recovered.hot_blocks.iter().map(|row| row.root)) {
        let block = history.block(root)?;
        let block = block.ok_or_else(|| format!("block {root} was recovered, but is not there"))?;
        for attestation in &block.message.body.attestations {
            votes.add(&attestation.data, attesters(attestation)?);
        }
        for slashing in &block.message.body.attester_slashings {
            votes.equivocate_all(slashing);
        }
    }
    Ok(votes)
}
