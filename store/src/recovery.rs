//! Opening a store, and putting right what a crash left.

use crate::finalized::{BlockId, FinalizedStore};
use crate::hot::{HotBlocks, HotFile};
use crate::index::{Head, Index, IndexChanges, Place, StateEntry};
use crate::paths::{FINALIZED, HOT, INDEX, NEW_INDEX, damaged, remove};
use crate::shared::{Published, Shared};
use crate::state_files;
use crate::writer::{Move, note_generation};
use crate::{Disk, Opened, Reader, Settings, StoreError, Writer};
use consensus::{Root, Spec};
use parking_lot::RwLock;
use rows::{BlockRow, HotRow, Recovered, StoredState};
use std::collections::{BTreeMap, HashSet, VecDeque};
use std::sync::Arc;

/// Opens a store, reconciling what a crash left. `None` if there is none, or one whose creation was
/// interrupted.
///
/// # Errors
/// [`StoreError::Foreign`] for the data of another network, [`StoreError::Damaged`] for files that
/// are not what was written.
pub fn open(
    disk: &Arc<dyn Disk>,
    spec: &Arc<Spec>,
    settings: &Settings,
) -> Result<Option<Opened>, StoreError> {
    let Some(index) = Index::open(&**disk)? else {
        let hot = disk.list(HOT).map_err(crate::paths::io_at(HOT))?;
        return match hot.is_empty() {
            true => Ok(None),
            false => Err(damaged(INDEX, "it is missing, but there are blocks")),
        };
    };
    remove(&**disk, NEW_INDEX)?;
    let identity = index.identity(spec)?;
    let mut head = index.head()?;
    let (hot, rows) = open_hot(disk, &mut head)?;
    state_files::reconcile(&**disk, &head.states)?;
    let finalized = FinalizedStore::open_up_to(disk, spec, head.moved.slot)?;
    let shared = Arc::new(Shared {
        disk: disk.clone(),
        spec: spec.clone(),
        identity,
        hot: RwLock::new(hot),
        index,
        finalized: finalized.reader(),
        published: RwLock::new(Published {
            head: Arc::new(head.clone()),
            pending: BTreeMap::new(),
        }),
    });
    let mut writer = Writer {
        shared: shared.clone(),
        settings: settings.clone(),
        finalized,
        head,
        moves: VecDeque::new(),
        garbage: VecDeque::new(),
        doomed: Vec::new(),
        may_retire: true,
        failed: false,
    };
    let hot = writer.sort_out(rows)?;
    writer.reconcile()?;
    let reader = Reader::new(shared);
    let recovered = recover(&writer, &reader, hot)?;
    Ok(Some(Opened {
        writer,
        reader,
        recovered,
    }))
}

/// Opens the files of hot blocks and removes the rows of batches that are not there as a whole.
fn open_hot(
    disk: &Arc<dyn Disk>,
    head: &mut Head,
) -> Result<(HotBlocks, Vec<BlockRow>), StoreError> {
    let mut hot = HotBlocks::default();
    let mut rows: Vec<BlockRow> = Vec::new();
    for entry in head.hot_files.clone() {
        let (file, found) = HotFile::open(&**disk, entry.number, entry.generation)?;
        let (whole, torn): (Vec<HotRow>, Vec<HotRow>) =
            found.into_iter().partition(|row| row.seq <= head.last_seq);
        if !torn.is_empty() {
            let torn: Vec<Root> = torn.iter().map(|row| row.row.root).collect();
            file.write(&[], &torn, true)?;
        }
        note_generation(head, entry.number, file.generation());
        rows.extend(whole.iter().map(|row| row.row));
        hot.files.insert(entry.number, Arc::new(file));
    }
    hot.remove_others(&**disk)?;
    Ok((hot, rows))
}

impl Writer {
    /// Tells the rows of hot blocks from those that are to be moved and from those that are old;
    /// gives the first, parents first.
    fn sort_out(&mut self, mut rows: Vec<BlockRow>) -> Result<Vec<BlockRow>, StoreError> {
        for seq in self.head.pending.clone() {
            let blocks = self.shared.index.pending(seq)?;
            let blocks = blocks.into_iter();
            self.moves.push_back(Move {
                seq,
                blocks: blocks
                    .skip_while(|place| place.slot <= self.head.moved.slot)
                    .collect(),
            });
        }
        let split = self.head.split;
        // A block between the split's and the start of its checkpoint's epoch leaves the checkpoint
        // out, though it may descend from the block.
        let start = split.checkpoint.epoch;
        let start = start.saturating_mul(self.shared.spec.SLOTS_PER_EPOCH);
        let floor = split.slot.max(start);
        rows.sort_by_key(|row| (row.slot, row.root));
        let mut hot = self.shared.hot.write();
        let mut published = self.shared.published.write();
        let mut there: HashSet<Root> = rows.iter().map(|row| row.root).collect();
        for place in self.moves.iter().flat_map(|it| &it.blocks) {
            if !there.remove(&place.root) {
                return Err(StoreError::Missing {
                    slot: place.slot,
                    root: place.root,
                });
            }
            published.pending.insert(place.slot, place.root);
            hot.slots.insert(place.root, place.slot);
        }
        let mut descends: HashSet<Root> = HashSet::from([split.checkpoint.root]);
        let mut kept = Vec::new();
        for row in rows {
            let (slot, root) = (row.slot, row.root);
            if slot > floor && descends.contains(&row.parent_root) {
                descends.insert(root);
                hot.slots.insert(root, slot);
                kept.push(row);
            } else if published.pending.get(&slot) != Some(&root) {
                self.garbage.push_back(Place { slot, root });
            }
        }
        Ok(kept)
    }

    /// Compares the end of finalized history with the head. Blocks beyond it were appended right
    /// before a crash, and nothing but their own checksums vouches for them: they are cut off, and
    /// moved again from their rows, which are still there.
    fn reconcile(&mut self) -> Result<(), StoreError> {
        let (last, known) = (self.finalized.last(), self.head.moved);
        let known = BlockId {
            slot: known.slot,
            root: known.root,
        };
        if last.slot < known.slot || last.slot == known.slot && last.root != known.root {
            let what = format!(
                "it ends with the block of slot {}, but had that of slot {}",
                last.slot, known.slot
            );
            return Err(damaged(FINALIZED, what));
        }
        if last.slot > known.slot {
            self.finalized.truncate_after(known.slot)?;
        }
        if self.shared.finalized.root(known.slot)? != Some(known.root)
            && known.slot >= self.shared.finalized.oldest_block_slot()
        {
            let what = format!("the block of slot {} is another one", known.slot);
            return Err(damaged(FINALIZED, what));
        }
        let newest = self.shared.finalized.newest_era();
        let slots = self.shared.spec.SLOTS_PER_HISTORICAL_ROOT;
        for entry in &mut self.head.states {
            entry.is_boundary &= entry.slot / slots > newest;
        }
        let oldest = self.shared.finalized.oldest_block_slot();
        let anchor = &mut self.head.anchor;
        if oldest > anchor.oldest_block_slot {
            anchor.oldest_block_slot = oldest;
            anchor.oldest_state_slot = oldest + slots;
        }
        self.retain_states()?;
        self.write_head(IndexChanges::default(), true)
    }
}

/// What the core starts from.
fn recover(
    writer: &Writer,
    reader: &Reader,
    hot_blocks: Vec<BlockRow>,
) -> Result<Recovered, StoreError> {
    let head = &writer.head;
    let shared = &writer.shared;
    let (base, finalized_blocks) = base(shared, head, reader)?;
    let hot_states = head.states.iter();
    let hot_states = hot_states.filter(|it| !it.is_final && it.slot == it.block_slot);
    let hot_states = hot_states.map(|it| BlockId {
        slot: it.slot,
        root: it.block_root,
    });
    Ok(Recovered {
        anchor: head.anchor,
        split: head.split,
        base,
        finalized_blocks,
        hot_states: hot_states.collect(),
        hot_blocks,
        chain: head.chain,
        votes: shared.index.votes(head)?,
        last_seq: head.last_seq,
    })
}

/// The newest finalized state from which the finalized blocks after it can be applied, and these.
fn base(
    shared: &Shared,
    head: &Head,
    reader: &Reader,
) -> Result<(StoredState, Vec<BlockId>), StoreError> {
    let slots = shared.spec.SLOTS_PER_HISTORICAL_ROOT;
    let mut entries: Vec<&StateEntry> = head.states.iter().filter(|it| it.is_final).collect();
    let mut eras = shared.finalized.eras();
    loop {
        let entry = entries.last().map(|entry| entry.slot);
        let era = eras.last().map(|era| era * slots);
        let stored = match (entry, era) {
            (Some(entry), era) if era.is_none_or(|era| era <= entry) => {
                let entry = entries.pop().expect("it was looked at");
                Some(state_files::read(&*shared.disk, entry, &shared.spec)?)
            }
            (_, Some(_)) => {
                let era = eras.pop().expect("it was looked at");
                shared.finalized.era_state(era)?
            }
            (_, None) => return Err(damaged(FINALIZED, "there is no state to start from")),
        };
        if let Some(stored) = stored
            && let Some(blocks) = blocks_after(&stored, head, reader)?
        {
            return Ok((stored, blocks));
        }
    }
}

/// The finalized blocks after a state; `None` if it is past the first of them.
fn blocks_after(
    stored: &StoredState,
    head: &Head,
    reader: &Reader,
) -> Result<Option<Vec<BlockId>>, StoreError> {
    let from = stored.state.latest_block_header().slot;
    let split = head.split;
    if from > split.slot || reader.finalized_root(from)? != Some(stored.block_root) {
        return Ok(None);
    }
    let ids = reader.finalized_ids(from + 1..split.slot + 1)?;
    let is_past = match ids.first() {
        Some(next) => stored.state.slot() > next.slot,
        // The split's block is to have its own state, not a later one.
        None => stored.state.slot() > split.slot,
    };
    Ok((!is_past).then_some(ids))
}
