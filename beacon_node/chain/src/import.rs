//! The transitions of blocks, as jobs: what a block leaves behind, with everything verified.

use crate::Toolbox;
use crate::job::Timings;
use crate::state_source::{Advanced, Failure, LONG_GAP, StateSource, advance_before};
use consensus::helpers::*;
use consensus::transition::{
    SignatureMode, Signatures, process_block, process_slots, state_transition,
    verify_block_signature,
};
use consensus::*;
use fork_choice::BlockFacts;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// How the proposer's signature of a block is to be verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ProposerCheck {
    /// It has been, and the proposer is the right one.
    Done,
    /// Before anything else.
    First,
    /// Together with the others of the block: of a batch most are good.
    Bulk,
}

/// Blocks to be imported, each the parent of the next.
#[derive(Clone, Debug)]
pub(crate) struct Blocks {
    /// State of the first one's parent, which may be advanced.
    pub(crate) parent: StateSource,
    pub(crate) blocks: Vec<(Root, Arc<SignedBeaconBlock>)>,
    /// How the first one's proposer is checked; those of the others in bulk.
    pub(crate) proposer: ProposerCheck,
    /// States at the checkpoints of other branches that the blocks' attestations name.
    pub(crate) targets: Vec<(Checkpoint, StateSource)>,
    /// The justified block's state, if there are attester slashings to be judged by it.
    pub(crate) justified: Option<StateSource>,
}

/// A block that is good, and what it leaves behind.
#[derive(Clone, Debug)]
pub(crate) struct Imported {
    pub(crate) root: Root,
    pub(crate) block: Arc<SignedBeaconBlock>,
    pub(crate) facts: BlockFacts,
    pub(crate) state: BeaconState,
    /// States at the starts of epochs between the parent and the block.
    pub(crate) checkpoints: Vec<(Checkpoint, BeaconState)>,
    /// The votes in it, those that the fork choice may count.
    pub(crate) votes: Vec<(AttestationData, Vec<ValidatorIndex>)>,
    pub(crate) slashings: Vec<AttesterSlashing>,
    pub(crate) timings: Timings,
}

/// Verifies that the slot's proposer signed the block; gives the parent's state at the block's slot.
/// The signature comes first: without it the slot's number is anybody's.
pub(crate) fn check_proposer(
    parent: StateSource,
    block: &SignedBeaconBlock,
    tools: &Toolbox,
) -> Result<Advanced, Failure> {
    let state = parent.resolve(tools)?;
    verify_proposer(&state, block, &*tools.verifier)?;
    let message = &block.message;
    let mut advanced = advance_before(state, message.parent_root, message.slot)?;
    if advanced.state.slot() < message.slot {
        process_slots(&mut advanced.state, message.slot)?;
    }
    let expected = get_beacon_proposer_index(&advanced.state)?;
    if message.proposer_index != expected {
        return Err(Failure::Invalid(Error::ProposerIndexMismatch {
            block: message.proposer_index,
            expected,
        }));
    }
    Ok(advanced)
}

/// [`verify_block_signature`]: whatever is wrong there, the root is not to blame.
fn verify_proposer(
    state: &BeaconState,
    block: &SignedBeaconBlock,
    verifier: &dyn Verifier,
) -> Result<(), Failure> {
    verify_block_signature(state, block, verifier).map_err(Failure::Unsigned)
}

/// Imports blocks up to the first one that is wrong.
pub(crate) fn run(work: Blocks, tools: &Toolbox) -> (Vec<Imported>, Option<Failure>) {
    let begun = (tools.stopwatch)();
    let mut imported: Vec<Imported> = Vec::with_capacity(work.blocks.len());
    let mut state = match work.parent.resolve(tools) {
        Ok(state) => state,
        Err(failure) => return (imported, Some(failure)),
    };
    let mut others = Others::new(work.targets, work.justified);
    let mut proposer = work.proposer;
    let mut waited = (tools.stopwatch)().saturating_sub(begun);
    for (root, block) in work.blocks {
        let result = import(state, root, block, proposer, &mut others, tools);
        match result {
            Ok(mut block) => {
                block.timings.advance += waited;
                state = block.state.clone();
                imported.push(block);
            }
            Err(failure) => return (imported, Some(failure)),
        }
        proposer = ProposerCheck::Bulk;
        waited = 0;
    }
    (imported, None)
}

/// One block on its parent's state.
fn import(
    parent: BeaconState,
    root: Root,
    block: Arc<SignedBeaconBlock>,
    proposer: ProposerCheck,
    others: &mut Others,
    tools: &Toolbox,
) -> Result<Imported, Failure> {
    let message = &block.message;
    let clock = Stopwatch::start(tools.stopwatch);
    let verifier = Timed::new(tools);
    let is_far = message.slot.saturating_sub(parent.slot()) > LONG_GAP;
    let mut signed = proposer == ProposerCheck::Done;
    if !signed && (is_far || proposer == ProposerCheck::First) {
        verify_proposer(&parent, &block, &verifier)?;
        signed = true;
    }
    let before = parent.clone();
    let advanced = advance_before(parent, message.parent_root, message.slot);
    let advance = clock.lap(0);
    let applied = advanced.and_then(|advanced| apply(advanced, &block, signed, &verifier));
    let Advanced { state, checkpoints } = match applied {
        Ok(applied) => applied,
        Err(failure) => {
            // Before the block is blamed: did its proposer make it?
            if !signed {
                verify_proposer(&before, &block, &verifier)?;
            }
            return Err(failure);
        }
    };
    let transition = clock.lap(advance);
    let computed = state.hash_tree_root();
    if message.state_root != computed {
        return Err(Failure::Invalid(Error::StateRootMismatch {
            block: message.state_root,
            computed,
        }));
    }
    let hashed = clock.lap(advance + transition);
    let facts = facts_of(message, &state)?;
    debug_assert_eq!(facts.root, root);
    let votes = votes_of(message, &state, others, tools);
    let slashings = others.slashings_of(message, tools);
    let signatures = verifier.spent();
    Ok(Imported {
        root,
        facts,
        state,
        checkpoints,
        votes,
        slashings,
        timings: Timings {
            blocks: 1,
            advance,
            transition: transition.saturating_sub(signatures),
            signatures,
            root: hashed,
        },
        block,
    })
}

/// The block on a state of its parent's, its root not compared yet.
fn apply(
    advanced: Advanced,
    block: &SignedBeaconBlock,
    signed: bool,
    verifier: &dyn Verifier,
) -> Result<Advanced, Failure> {
    let Advanced {
        mut state,
        checkpoints,
    } = advanced;
    let slot = block.message.slot;
    let mut signatures = Signatures::new(SignatureMode::Bulk, verifier);
    if !signed && state.slot() < slot {
        state_transition(&mut state, block, &mut signatures, false)?;
    } else {
        if !signed {
            verify_proposer(&state, block, verifier)?;
        }
        if state.slot() < slot {
            process_slots(&mut state, slot)?;
        }
        process_block(&mut state, &block.message, &mut signatures)?;
    }
    Ok(Advanced { state, checkpoints })
}

/// What the fork choice needs of a block.
pub(crate) fn facts_of(block: &BeaconBlock, state: &BeaconState) -> Result<BlockFacts, Failure> {
    BlockFacts::from_post_state(block, state).map_err(|error| match error {
        fork_choice::Error::Consensus(error) => Failure::Invalid(error),
        error => Failure::Unavailable(error.to_string()),
    })
}

/// The votes in a block: by its own state's committees where the target is on its own chain, which
/// the transition has verified; else by those of the target's state. Votes whose target is not known
/// are left out, as in the specification.
pub(crate) fn votes_of(
    block: &BeaconBlock,
    state: &BeaconState,
    others: &mut Others,
    tools: &Toolbox,
) -> Vec<(AttestationData, Vec<ValidatorIndex>)> {
    let mut votes = Vec::with_capacity(block.body.attestations.len());
    for attestation in &block.body.attestations {
        let data = attestation.data;
        let own = get_block_root(state, data.target.epoch).ok() == Some(data.target.root);
        let indices = match own {
            true => get_attesting_indices(state, &data, &attestation.aggregation_bits).ok(),
            false => others.verified_indices(attestation, tools),
        };
        if let Some(indices) = indices {
            votes.push((data, indices));
        }
    }
    votes
}

/// States besides the block's own that its votes and slashings are judged by.
#[derive(Default)]
pub(crate) struct Others {
    sources: BTreeMap<Checkpoint, StateSource>,
    targets: BTreeMap<Checkpoint, Option<BeaconState>>,
    justified: Option<StateSource>,
}

impl Others {
    pub(crate) fn new(
        targets: Vec<(Checkpoint, StateSource)>,
        justified: Option<StateSource>,
    ) -> Others {
        Others {
            sources: targets.into_iter().collect(),
            targets: BTreeMap::new(),
            justified,
        }
    }

    /// `fork-choice.md#store_target_checkpoint_state`, of a target that was handed in.
    fn target_state(&mut self, target: Checkpoint, tools: &Toolbox) -> Option<&BeaconState> {
        if let Some(source) = self.sources.remove(&target) {
            let state = source.resolve(tools).and_then(|state| {
                let start = compute_start_slot_at_epoch(target.epoch, state.spec())?;
                StateSource::of(&state).resolve_at(start, tools)
            });
            self.targets.insert(target, state.ok());
        }
        self.targets.get(&target)?.as_ref()
    }

    fn verified_indices(
        &mut self,
        attestation: &Attestation,
        tools: &Toolbox,
    ) -> Option<Vec<ValidatorIndex>> {
        let state = self.target_state(attestation.data.target, tools)?;
        let indexed = get_indexed_attestation(state, attestation).ok()?;
        is_valid_indexed_attestation(state, &indexed, &*tools.verifier).ok()?;
        Some(indexed.attesting_indices.to_vec())
    }

    /// The attester slashings in a block that the fork choice is to know: both attestations are
    /// valid in the justified block's state.
    fn slashings_of(&mut self, block: &BeaconBlock, tools: &Toolbox) -> Vec<AttesterSlashing> {
        if block.body.attester_slashings.is_empty() {
            return Vec::new();
        }
        let Some(source) = self.justified.take() else {
            return Vec::new();
        };
        let Ok(state) = source.resolve(tools) else {
            return Vec::new();
        };
        let is_valid = |one: &IndexedAttestation| {
            is_valid_indexed_attestation(&state, one, &*tools.verifier).is_ok()
        };
        let slashings = block.body.attester_slashings.iter();
        let valid = slashings
            .filter(|slashing| {
                is_valid(&slashing.attestation_1) && is_valid(&slashing.attestation_2)
            })
            .cloned()
            .collect();
        self.justified = Some(StateSource::of(&state));
        valid
    }
}

/// Laps of the toolbox's stopwatch.
struct Stopwatch {
    now: fn() -> u64,
    begun: u64,
}

impl Stopwatch {
    fn start(now: fn() -> u64) -> Stopwatch {
        Stopwatch { now, begun: now() }
    }

    /// Nanoseconds since the start, without those counted before.
    fn lap(&self, before: u64) -> u64 {
        (self.now)()
            .saturating_sub(self.begun)
            .saturating_sub(before)
    }
}

/// A verifier that counts its own time.
struct Timed<'a> {
    inner: &'a dyn Verifier,
    now: fn() -> u64,
    spent: AtomicU64,
}

impl<'a> Timed<'a> {
    fn new(tools: &'a Toolbox) -> Timed<'a> {
        Timed {
            inner: &*tools.verifier,
            now: tools.stopwatch,
            spent: AtomicU64::new(0),
        }
    }

    fn spent(&self) -> u64 {
        self.spent.load(Ordering::Relaxed)
    }
}

impl Verifier for Timed<'_> {
    fn verify_sets(&self, sets: &[SignatureSet]) -> Result<(), usize> {
        let begun = (self.now)();
        let verified = self.inner.verify_sets(sets);
        let spent = (self.now)().saturating_sub(begun);
        self.spent.fetch_add(spent, Ordering::Relaxed);
        verified
    }
}
