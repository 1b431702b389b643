//! [`Chain::start`]: the core from what the store holds.

use crate::core::{Genesis, Parts};
use crate::hot_blocks::HotBlocks;
use crate::import::{Others, votes_of};
use crate::state_source::{Failure, StateSource, advance_before, era_epochs, replay};
use crate::{Chain, Config, Effect, HotStates, Milliseconds, StartError, Toolbox};
use consensus::helpers::*;
use consensus::transition::{process_slots, unrealized_checkpoints};
use consensus::*;
use fork_choice::{BlockFacts, Checkpoints, JustifiedBalances, Restored, Store};
use rows::{BlockId, BlockRow, Recovered};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Epochs before a dump of votes whose blocks' votes are applied again: such a block may have come
/// after the dump. With finality these are all blocks; without, most are older and not replayed.
const LATE_EPOCHS: u64 = 8;

impl From<Failure> for StartError {
    fn from(failure: Failure) -> StartError {
        StartError::Inconsistent(failure.to_string())
    }
}

impl From<consensus::Error> for StartError {
    fn from(error: consensus::Error) -> StartError {
        StartError::Inconsistent(error.to_string())
    }
}

impl From<fork_choice::Error> for StartError {
    fn from(error: fork_choice::Error) -> StartError {
        StartError::Inconsistent(error.to_string())
    }
}

impl Chain {
    /// Builds the core from what the store holds, replaying what is needed for the head. Blocks that
    /// are needed for that are read one at a time; the others stay in the store. The first effect
    /// publishes a snapshot.
    pub fn start(
        config: Config,
        recovered: Recovered,
        tools: &Toolbox,
        now: Milliseconds,
    ) -> Result<(Chain, Vec<Effect>), StartError> {
        let (split_state, split_block) = split_state(&recovered, tools)?;
        let spec = split_state.spec().clone();
        let base_epoch = compute_epoch_at_slot(recovered.base.state.slot(), &spec);
        let anchor = anchor_row(&recovered, &split_state)?;
        let store = restored_store(&recovered, &anchor, &split_state, now)?;
        let genesis = Genesis {
            time: split_state.genesis_time(),
            validators_root: split_state.genesis_validators_root(),
            block_root: genesis_root(&recovered, &split_state),
        };
        let mut blocks = HotBlocks::default();
        blocks.insert(anchor, split_block, recovered.last_seq);
        for row in &recovered.hot_blocks {
            blocks.insert(*row, None, recovered.last_seq);
        }
        let mut replayer = Replayer {
            states: HotStates::new(config.hot_state_bytes),
            stored: stored_states(&recovered),
            blocks,
            last_seq: recovered.last_seq,
            finalized: Checkpoint {
                epoch: recovered.split.checkpoint.epoch,
                root: anchor.root,
            },
            store,
            tools,
        };
        replayer.keep_split(anchor.root, split_state)?;
        let first = recovered.votes.as_ref().map_or(0, |dump| dump.slot);
        let first = first.saturating_sub(LATE_EPOCHS * spec.SLOTS_PER_EPOCH);
        for row in &recovered.hot_blocks {
            if row.slot >= first {
                replayer.take_votes(row.root)?;
            }
        }
        replayer.weigh()?;
        let head = replayer.store.get_head()?;
        let head_state = replayer.state_of(head)?;
        Ok(Chain::assemble(Parts {
            config,
            genesis,
            now,
            stored_states: replayer.stored.keys().copied().collect(),
            far_state_epoch: replayer.newest_stored_epoch(),
            store: replayer.store,
            states: replayer.states,
            blocks: replayer.blocks,
            finalized: recovered.split.checkpoint,
            stored_state_epoch: base_epoch,
            head,
            head_state,
            last_seq: recovered.last_seq,
            row: recovered.chain,
        }))
    }
}

/// Reads a block that the store has named.
fn fetch(id: BlockId, tools: &Toolbox) -> Result<Arc<SignedBeaconBlock>, StartError> {
    let BlockId { slot, root } = id;
    let reason = match tools.history.block(root) {
        Ok(Some(block)) => return Ok(block),
        Ok(None) => "the store does not have it".to_owned(),
        Err(reason) => reason,
    };
    Err(StartError::Unreadable { slot, root, reason })
}

type SplitState = (BeaconState, Option<Arc<SignedBeaconBlock>>);

/// The state after the split's block: that of the base, and the finalized blocks after it, the last
/// of which is given, too.
fn split_state(recovered: &Recovered, tools: &Toolbox) -> Result<SplitState, StartError> {
    let mut state = recovered.base.state.clone();
    let mut last = None;
    for id in &recovered.finalized_blocks {
        let block = fetch(*id, tools)?;
        replay(&mut state, &block, tools)?;
        last = Some(block);
    }
    let root = match &last {
        Some(block) => block.message.hash_tree_root(),
        None => recovered.base.block_root,
    };
    let split = recovered.split.checkpoint.root;
    match root == split {
        true => Ok((state, last)),
        false => Err(StartError::Inconsistent(format!(
            "the finalized blocks end with {root}, not with {split}"
        ))),
    }
}

/// What the fork choice knows of the split's block.
fn anchor_row(recovered: &Recovered, state: &BeaconState) -> Result<BlockRow, StartError> {
    let split = &recovered.split;
    let header = state.latest_block_header();
    if header.slot != split.slot {
        return Err(StartError::Inconsistent(format!(
            "the finalized block is of slot {}, its state's latest block of slot {}",
            split.slot, header.slot
        )));
    }
    let epoch = compute_epoch_at_slot(split.slot, state.spec());
    let start = compute_start_slot_at_epoch(epoch, state.spec())?;
    let target_root = match start < split.slot {
        true => get_block_root_at_slot(state, start).unwrap_or(split.checkpoint.root),
        false => split.checkpoint.root,
    };
    let (unrealized_justified, unrealized_finalized) = match split.slot {
        GENESIS_SLOT => (split.checkpoint, split.checkpoint),
        _ => unrealized_checkpoints(state)?,
    };
    Ok(BlockRow {
        slot: split.slot,
        root: split.checkpoint.root,
        parent_root: header.parent_root,
        state_root: split.state_root,
        target_root,
        justified: state.current_justified_checkpoint(),
        finalized: state.finalized_checkpoint(),
        unrealized_justified,
        unrealized_finalized,
        validator_count: state.validators().len() as u64,
        timely: true,
    })
}

fn facts_of(row: &BlockRow) -> BlockFacts {
    BlockFacts {
        slot: row.slot,
        root: row.root,
        parent_root: row.parent_root,
        state_root: row.state_root,
        justified_checkpoint: row.justified,
        finalized_checkpoint: row.finalized,
        unrealized_justified_checkpoint: row.unrealized_justified,
        unrealized_finalized_checkpoint: row.unrealized_finalized,
        validator_count: row.validator_count as usize,
    }
}

fn restored_store(
    recovered: &Recovered,
    anchor: &BlockRow,
    state: &BeaconState,
    now: Milliseconds,
) -> Result<Store, StartError> {
    let hot_blocks = recovered.hot_blocks.iter();
    let mut store = Store::restore(&Restored {
        spec: state.spec().clone(),
        genesis_time: state.genesis_time(),
        time: now / 1_000,
        finalized: recovered.split.checkpoint,
        anchor: facts_of(anchor),
        anchor_target: anchor.target_root,
        blocks: hot_blocks.map(|row| (facts_of(row), row.timely)).collect(),
        checkpoints: recovered.chain.map(|row| Checkpoints {
            justified: row.justified,
            finalized: row.finalized,
            unrealized_justified: row.unrealized_justified,
            unrealized_finalized: row.unrealized_finalized,
        }),
    })?;
    if let Some(dump) = &recovered.votes {
        store.restore_votes(&dump.latest, &dump.equivocating);
    }
    Ok(store)
}

/// Root of the genesis block, as far as it can be known.
fn genesis_root(recovered: &Recovered, state: &BeaconState) -> Root {
    match recovered.anchor.slot {
        GENESIS_SLOT => recovered.anchor.root,
        _ => get_block_root_at_slot(state, GENESIS_SLOT).unwrap_or_default(),
    }
}

/// The blocks of the tree whose post-states are stored.
fn stored_states(recovered: &Recovered) -> BTreeMap<Root, Slot> {
    let hot = recovered.hot_blocks.iter().map(|row| row.root);
    let hot: BTreeSet<Root> = hot.collect();
    let stored = recovered.hot_states.iter();
    let stored = stored.filter(|id| hot.contains(&id.root));
    stored.map(|id| (id.root, id.slot)).collect()
}

/// Makes the states of hot blocks again.
struct Replayer<'a> {
    store: Store,
    states: HotStates,
    /// Blocks whose post-states are stored, with their slots.
    stored: BTreeMap<Root, Slot>,
    /// All blocks of the tree; in memory are those that were needed, the last ones at least.
    blocks: HotBlocks,
    /// Number of the last batch: the store has all of them.
    last_seq: u64,
    finalized: Checkpoint,
    tools: &'a Toolbox,
}

impl Replayer<'_> {
    fn keep_split(&mut self, root: Root, state: BeaconState) -> Result<(), StartError> {
        let epoch = get_current_epoch(&state);
        if compute_start_slot_at_epoch(epoch, state.spec())? == state.slot() {
            let checkpoint = Checkpoint { epoch, root };
            self.states.insert_checkpoint(checkpoint, state.clone());
        }
        self.states.insert(root, state);
        Ok(())
    }

    fn newest_stored_epoch(&self) -> Epoch {
        let newest = self.stored.values().max().copied().unwrap_or(0);
        compute_epoch_at_slot(newest, self.store.spec())
    }

    fn row(&self, root: Root) -> Result<BlockRow, StartError> {
        let entry = self.blocks.get(root);
        let row = entry.map(|entry| entry.row);
        row.ok_or_else(|| StartError::Inconsistent(format!("block {root} is missing")))
    }

    /// A block of the tree, which stays in memory while there is room.
    fn block(&mut self, root: Root) -> Result<Arc<SignedBeaconBlock>, StartError> {
        let entry = self.blocks.get(root);
        if let Some(block) = entry.and_then(|entry| entry.block.clone()) {
            return Ok(block);
        }
        let row = self.row(root)?;
        let slot = row.slot;
        let block = fetch(BlockId { slot, root }, self.tools)?;
        self.blocks.insert(row, Some(block.clone()), self.last_seq);
        self.blocks.fit(self.last_seq);
        Ok(block)
    }

    /// The stored post-state of a block. One that cannot be read is made from an earlier one, and not
    /// relied on again.
    fn stored_state(&mut self, root: Root) -> Option<BeaconState> {
        let slot = *self.stored.get(&root)?;
        let state = self.tools.history.state(root).ok().flatten();
        let state = state.filter(|state| state.slot() == slot);
        if state.is_none() {
            self.stored.remove(&root);
        }
        state
    }

    /// The post-state of a block of the tree.
    fn state_of(&mut self, root: Root) -> Result<BeaconState, StartError> {
        let mut path = Vec::new();
        let mut at = root;
        let mut state = loop {
            if let Some(state) = self.states.get(at) {
                break state.clone();
            }
            if let Some(state) = self.stored_state(at) {
                self.states.insert_read(at, state.clone());
                break state;
            }
            path.push(at);
            at = self.row(at)?.parent_root;
        };
        for root in path.into_iter().rev() {
            let row = self.row(root)?;
            let block = self.block(root)?;
            let advanced = advance_before(state, row.parent_root, row.slot)?;
            for (checkpoint, state) in advanced.checkpoints {
                self.states.insert_checkpoint(checkpoint, state);
            }
            state = advanced.state;
            replay(&mut state, &block, self.tools)?;
            self.states.insert(root, state.clone());
            self.fit(root);
        }
        Ok(state)
    }

    fn fit(&mut self, root: Root) {
        let justified = self.store.justified_checkpoint().root;
        let pinned = BTreeSet::from([self.finalized.root, justified, root]);
        let era = era_epochs(self.store.spec());
        let boundary = (self.finalized.epoch / era + 1) * era;
        self.states
            .fit(&pinned, |checkpoint| checkpoint.epoch == boundary);
    }

    /// Applies the votes and slashings in a block again.
    fn take_votes(&mut self, root: Root) -> Result<(), StartError> {
        let state = self.state_of(root)?;
        let block = self.block(root)?;
        let message = &block.message;
        let mut targets = BTreeMap::new();
        for attestation in &message.body.attestations {
            let target = attestation.data.target;
            let own = self.store.get_checkpoint_block(root, target.epoch);
            let is_foreign = own.is_ok_and(|own| own != target.root);
            if is_foreign
                && self.store.contains_block(target.root)
                && !targets.contains_key(&target)
            {
                let state = self.state_of(target.root)?;
                targets.insert(target, StateSource::of(&state));
            }
        }
        let mut others = Others::new(targets.into_iter().collect(), None);
        for (data, indices) in votes_of(message, &state, &mut others, self.tools) {
            // Refused now as it was then.
            let _ = self.store.on_attestation(&data, &indices, true);
        }
        for slashing in &message.body.attester_slashings {
            let _ = self.store.on_attester_slashing(slashing);
        }
        Ok(())
    }

    /// Weighs the votes by the justified checkpoint's state, and has the state at hand by which they
    /// are weighed from the next epoch on.
    fn weigh(&mut self) -> Result<(), StartError> {
        self.checkpoint_state(self.store.unrealized_justified_checkpoint())?;
        if let Some(checkpoint) = self.store.justified_balances_needed() {
            let state = self.checkpoint_state(checkpoint)?;
            let balances = JustifiedBalances::from_state(&state)?;
            self.store.set_justified_balances(checkpoint, balances)?;
        }
        Ok(())
    }

    fn checkpoint_state(&mut self, checkpoint: Checkpoint) -> Result<BeaconState, StartError> {
        if let Some(state) = self.states.checkpoint(checkpoint) {
            return Ok(state.clone());
        }
        let mut state = self.state_of(checkpoint.root)?;
        let start = compute_start_slot_at_epoch(checkpoint.epoch, state.spec())?;
        if state.slot() < start {
            process_slots(&mut state, start)?;
        }
        self.states.insert_checkpoint(checkpoint, state.clone());
        Ok(state)
    }
}
