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
use rows::{BlockRow, HotBlock, Recovered, StoredState};
use std::collections::{BTreeMap, BTreeSet};

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
    /// Builds the core from what the store holds, replaying what is needed for the head. The first
    /// effect publishes a snapshot.
    pub fn start(
        config: Config,
        recovered: Recovered,
        tools: &Toolbox,
        now: Milliseconds,
    ) -> Result<(Chain, Vec<Effect>), StartError> {
        let split_state = split_state(&recovered, tools)?;
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
        let finalized_block = recovered.finalized_blocks.last().cloned();
        blocks.insert(anchor, finalized_block, recovered.last_seq);
        for hot in &recovered.hot_blocks {
            blocks.insert(hot.row, Some(hot.block.clone()), recovered.last_seq);
        }
        let mut replayer = Replayer {
            states: HotStates::new(config.hot_state_bytes),
            stored: stored_states(recovered.hot_states, &recovered.hot_blocks),
            blocks: by_root(&recovered.hot_blocks),
            finalized: anchor.root,
            store,
            tools,
        };
        replayer.keep_split(anchor.root, split_state)?;
        let first = recovered.votes.as_ref().map_or(0, |dump| dump.slot);
        let first = first.saturating_sub(LATE_EPOCHS * spec.SLOTS_PER_EPOCH);
        for hot in &recovered.hot_blocks {
            if hot.row.slot >= first {
                replayer.take_votes(hot)?;
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
            blocks,
            finalized: recovered.split.checkpoint,
            stored_state_epoch: base_epoch,
            head,
            head_state,
            last_seq: recovered.last_seq,
            row: recovered.chain,
        }))
    }
}

/// The state after the split's block: that of the base, and the finalized blocks after it.
fn split_state(recovered: &Recovered, tools: &Toolbox) -> Result<BeaconState, StartError> {
    let mut state = recovered.base.state.clone();
    let mut root = recovered.base.block_root;
    for block in &recovered.finalized_blocks {
        replay(&mut state, block, tools)?;
        root = block.message.hash_tree_root();
    }
    let split = recovered.split.checkpoint.root;
    match root == split {
        true => Ok(state),
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
        blocks: hot_blocks
            .map(|hot| (facts_of(&hot.row), hot.row.timely))
            .collect(),
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

fn by_root(hot_blocks: &[HotBlock]) -> BTreeMap<Root, HotBlock> {
    let blocks = hot_blocks.iter();
    blocks.map(|hot| (hot.row.root, hot.clone())).collect()
}

/// The stored post-states of blocks of the tree.
fn stored_states(states: Vec<StoredState>, hot_blocks: &[HotBlock]) -> BTreeMap<Root, BeaconState> {
    let slots: BTreeMap<Root, Slot> = hot_blocks
        .iter()
        .map(|hot| (hot.row.root, hot.row.slot))
        .collect();
    states
        .into_iter()
        .filter(|stored| slots.get(&stored.block_root) == Some(&stored.state.slot()))
        .map(|stored| (stored.block_root, stored.state))
        .collect()
}

/// Makes the states of hot blocks again.
struct Replayer<'a> {
    store: Store,
    states: HotStates,
    stored: BTreeMap<Root, BeaconState>,
    blocks: BTreeMap<Root, HotBlock>,
    finalized: Root,
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
        let epochs = self.stored.values().map(get_current_epoch);
        epochs.max().unwrap_or(0)
    }

    /// The post-state of a block of the tree.
    fn state_of(&mut self, root: Root) -> Result<BeaconState, StartError> {
        let mut path = Vec::new();
        let mut at = root;
        let mut state = loop {
            if let Some(state) = self.states.get(at).or_else(|| self.stored.get(&at)) {
                break state.clone();
            }
            let Some(hot) = self.blocks.get(&at) else {
                return Err(StartError::Inconsistent(format!("block {at} is missing")));
            };
            path.push(at);
            at = hot.row.parent_root;
        };
        for root in path.into_iter().rev() {
            let hot = self.blocks[&root].clone();
            let slot = hot.row.slot;
            let advanced = advance_before(state, hot.row.parent_root, slot)?;
            for (checkpoint, state) in advanced.checkpoints {
                self.states.insert_checkpoint(checkpoint, state);
            }
            state = advanced.state;
            replay(&mut state, &hot.block, self.tools)?;
            self.states.insert(root, state.clone());
            self.fit(root);
        }
        Ok(state)
    }

    fn fit(&mut self, root: Root) {
        let justified = self.store.justified_checkpoint().root;
        let pinned = BTreeSet::from([self.finalized, justified, root]);
        let era_epochs = era_epochs(self.store.spec());
        self.states
            .fit(&pinned, |checkpoint| checkpoint.epoch % era_epochs == 0);
    }

    /// Applies the votes and slashings in a block again.
    fn take_votes(&mut self, hot: &HotBlock) -> Result<(), StartError> {
        let message = &hot.block.message;
        let mut targets = BTreeMap::new();
        for attestation in &message.body.attestations {
            let target = attestation.data.target;
            let own = self.store.get_checkpoint_block(hot.row.root, target.epoch);
            let is_foreign = own.is_ok_and(|own| own != target.root);
            if is_foreign
                && self.store.contains_block(target.root)
                && !targets.contains_key(&target)
            {
                let state = self.state_of(target.root)?;
                targets.insert(target, StateSource::of(&state));
            }
        }
        let state = self.state_of(hot.row.root)?;
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
