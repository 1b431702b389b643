//! Reading a whole era file and checking everything that it says against itself.

use super::e2store::{
    self, HEAD_BYTES, Header, MAX_BLOCK_BYTES, MAX_STATE_BYTES, RecordError, Records, SIGNED_BLOCK,
    SLOT_INDEX, STATE, SlotIndex, VERSION, max_stored_bytes,
};
use super::files::{self, damaged, io_at};
use super::segment::record_crc;
use super::sidecar::{Row, Sidecar};
use crate::{DiskFile, StoreError};
use consensus::state::HistoricalBatch;
use consensus::{BeaconState, HashTreeRoot, Root, SignedBeaconBlock, Slot, Spec};
use ssz::Decode;
use std::io::Read;
use std::sync::Arc;

/// What a scan finds in an era file.
pub(super) struct Scanned {
    /// Its sidecar.
    pub(super) sidecar: Sidecar,
    /// The newest block before the era; zero for era 0 and before the genesis block.
    pub(super) before: Root,
    /// The boundary state.
    pub(super) state: BeaconState,
}

/// A block of a scan.
struct ScannedBlock {
    row: Row,
    parent: Root,
}

/// Reads an era file to its end: the records, that the blocks are a chain and those that the
/// boundary state names, the historical root, and that the indices point at them.
pub(super) fn scan(
    file: &dyn DiskFile,
    path: &str,
    spec: &Arc<Spec>,
) -> Result<Scanned, StoreError> {
    let length = file.len().map_err(io_at(path))?;
    let mut records = Records::new(files::reader(file, 0, length));
    let mut found = Found::default();
    while let Some(header) = at(path, records.next_header())? {
        found.take(&mut records, header, path, spec)?;
    }
    let Some((state_row, state)) = found.state else {
        return Err(damaged(path, "it holds no state: it is no complete era"));
    };
    let mut sidecar = Sidecar {
        era: state.slot() / spec.SLOTS_PER_HISTORICAL_ROOT,
        length,
        rest_crc: 0,
        blocks: found.blocks.iter().map(|block| block.row).collect(),
        state: state_row,
    };
    if !sidecar.is_sound() {
        return Err(damaged(path, "its state is not after its blocks"));
    }
    let before = check_blocks(path, &found.blocks, &state, spec)?;
    check_indices(path, &found.indices, &sidecar, spec)?;
    for (start, length) in sidecar.rest() {
        sidecar.rest_crc = crc_of(file, path, start, length, sidecar.rest_crc)?;
    }
    Ok(Scanned {
        sidecar,
        before,
        state,
    })
}

#[derive(Default)]
struct Found {
    blocks: Vec<ScannedBlock>,
    state: Option<(Row, BeaconState)>,
    indices: Vec<(u64, SlotIndex)>,
}

impl Found {
    fn take(
        &mut self,
        records: &mut Records<impl Read>,
        header: Header,
        path: &str,
        spec: &Arc<Spec>,
    ) -> Result<(), StoreError> {
        match (header.offset, header.kind) {
            (0, VERSION) => at(path, records.skip(header)),
            (0, _) => Err(damaged(path, "it does not start with a version record")),
            (_, VERSION) => Err(damaged(
                path,
                "it holds more than one era; cut it into files of one",
            )),
            (_, SIGNED_BLOCK) => {
                let limit = max_stored_bytes(MAX_BLOCK_BYTES);
                let stored = at(path, records.payload(header, limit))?;
                let block = at(path, decode_block(header, &stored))?;
                let block = block.map_err(|what| damaged(path, what))?;
                self.blocks.push(block);
                Ok(())
            }
            (_, STATE) if self.state.is_none() => {
                let limit = max_stored_bytes(MAX_STATE_BYTES);
                let stored = at(path, records.payload(header, limit))?;
                self.state = Some(decode_state(header, &stored, path, spec)?);
                Ok(())
            }
            (_, STATE) => Err(damaged(path, "it holds more than one state")),
            (_, SLOT_INDEX) => {
                let limit = (spec.SLOTS_PER_HISTORICAL_ROOT + 2).saturating_mul(8);
                let payload = at(path, records.payload(header, limit))?;
                let index = at(path, SlotIndex::decode(&payload, header.offset))?;
                self.indices.push((header.offset, index));
                Ok(())
            }
            _ => at(path, records.skip(header)),
        }
    }
}

/// A complete block record of a growing segment: its row and the root of the block's parent.
pub(super) fn growing_block(header: Header, stored: &[u8]) -> Option<(Row, Root)> {
    let block = decode_block(header, stored).ok()?.ok()?;
    Some((block.row, block.parent))
}

fn decode_block(
    header: Header,
    stored: &[u8],
) -> Result<Result<ScannedBlock, String>, RecordError> {
    let ssz = e2store::decompress(stored, header.offset, MAX_BLOCK_BYTES)?;
    Ok(SignedBeaconBlock::from_ssz_bytes(&ssz)
        .map(|block| ScannedBlock {
            row: Row {
                slot: block.message.slot,
                root: block.message.hash_tree_root(),
                offset: header.offset,
                stored: header.length,
                ssz: ssz.len() as u32,
                crc: record_crc(Header::encode(header.kind, header.length), stored),
            },
            parent: block.message.parent_root,
        })
        .map_err(|error| {
            let at = header.offset;
            format!("the record at byte {at} is no phase-0 block ({error:?})")
        }))
}

fn decode_state(
    header: Header,
    stored: &[u8],
    path: &str,
    spec: &Arc<Spec>,
) -> Result<(Row, BeaconState), StoreError> {
    let ssz = at(
        path,
        e2store::decompress(stored, header.offset, MAX_STATE_BYTES),
    )?;
    let state = BeaconState::from_ssz_bytes(&ssz, spec).map_err(|error| {
        let (offset, preset) = (header.offset, &spec.PRESET_BASE);
        damaged(
            path,
            format!("the record at byte {offset} is no {preset}-preset state: {error}"),
        )
    })?;
    if !state.slot().is_multiple_of(spec.SLOTS_PER_HISTORICAL_ROOT) {
        let slot = state.slot();
        return Err(damaged(
            path,
            format!("its state is of slot {slot}, at no era's end"),
        ));
    }
    let row = Row {
        slot: state.slot(),
        root: state.hash_tree_root(),
        offset: header.offset,
        stored: header.length,
        ssz: ssz.len() as u32,
        crc: record_crc(Header::encode(header.kind, header.length), stored),
    };
    Ok((row, state))
}

/// The blocks are a chain, in the era's slots, and exactly those that the state knows; the historical
/// root is that of the state's own roots. Returns the newest block before the era.
fn check_blocks(
    path: &str,
    blocks: &[ScannedBlock],
    state: &BeaconState,
    spec: &Spec,
) -> Result<Root, StoreError> {
    let slots_per_era = spec.SLOTS_PER_HISTORICAL_ROOT;
    let Some(start) = state.slot().checked_sub(slots_per_era) else {
        return match blocks.is_empty() {
            true => Ok(Root::ZERO),
            false => Err(damaged(path, "the genesis era has no blocks")),
        };
    };
    let before = match blocks.first() {
        Some(first) if first.row.slot == start => first.parent,
        _ => state.block_roots().get(0).unwrap_or_default(),
    };
    let mut latest = (None, before);
    for ScannedBlock { row, parent } in blocks {
        if Some(row.slot) <= latest.0 || *parent != latest.1 {
            let slot = row.slot;
            return Err(damaged(
                path,
                format!("the block of slot {slot} does not follow the one before it"),
            ));
        }
        latest = (Some(row.slot), row.root);
    }
    check_roots(path, blocks.iter().map(|block| block.row), state, start)?;
    let era = state.slot() / slots_per_era;
    let batch = HistoricalBatch {
        block_roots: state.block_roots().iter().collect(),
        state_roots: state.state_roots().iter().collect(),
    };
    match super::names::era_root(state, era) == Some(batch.hash_tree_root()) {
        true => Ok(before),
        false => Err(damaged(
            path,
            "the state's last historical root is not that of its block and state roots",
        )),
    }
}

/// The rows are exactly the blocks that a state knows in the slots from `start` up to its own.
pub(super) fn check_roots(
    path: &str,
    rows: impl Iterator<Item = Row>,
    state: &BeaconState,
    start: Slot,
) -> Result<(), StoreError> {
    let roots = state.block_roots();
    let count = roots.len();
    let mut rows = rows.peekable();
    // Slots before the first block all have the root of the newest block before the era.
    let mut latest = roots.get(0);
    for slot in start..state.slot() {
        let known = roots.get(slot as usize % count);
        if let Some(row) = rows.next_if(|row| row.slot == slot) {
            latest = Some(row.root);
        }
        if known != latest {
            return Err(damaged(
                path,
                format!("the boundary state knows another block at slot {slot}"),
            ));
        }
    }
    match rows.next() {
        None => Ok(()),
        Some(row) => Err(damaged(
            path,
            format!("the block of slot {} is not of this era", row.slot),
        )),
    }
}

fn check_indices(
    path: &str,
    indices: &[(u64, SlotIndex)],
    sidecar: &Sidecar,
    spec: &Spec,
) -> Result<(), StoreError> {
    let wrong = || damaged(path, "its slot indices do not point at its records");
    let expected = match indices {
        [state] if sidecar.era == 0 => [None, Some(state)],
        [blocks, state] if sidecar.era > 0 => [Some(blocks), Some(state)],
        _ => {
            return Err(damaged(
                path,
                "it has not the slot indices of an era at its end",
            ));
        }
    };
    let slots = spec.SLOTS_PER_HISTORICAL_ROOT;
    for (found, is_state) in expected.into_iter().zip([false, true]) {
        let Some((at, found)) = found else { continue };
        let index = match is_state {
            true => index_of(
                *at,
                sidecar.state.slot,
                1,
                std::slice::from_ref(&sidecar.state),
            ),
            false => index_of(*at, (sidecar.era - 1) * slots, slots, &sidecar.blocks),
        };
        if index.as_ref() != Some(found) {
            return Err(wrong());
        }
    }
    Ok(())
}

/// The index whose record starts at `at`.
fn index_of(at: u64, start_slot: Slot, slots: u64, rows: &[Row]) -> Option<SlotIndex> {
    let at = i64::try_from(at).ok()?;
    let mut offsets = vec![0; slots as usize];
    for row in rows {
        let entry = offsets.get_mut(row.slot.checked_sub(start_slot)? as usize)?;
        *entry = i64::try_from(row.offset).ok()?.checked_sub(at)?;
    }
    Some(SlotIndex {
        start_slot,
        offsets,
    })
}

/// The indices of a complete era whose state's record ends at `at`.
pub(super) fn indices(
    at: u64,
    era: u64,
    blocks: &[Row],
    state: &Row,
    spec: &Spec,
) -> Option<Vec<u8>> {
    let slots = spec.SLOTS_PER_HISTORICAL_ROOT;
    let mut bytes = match era {
        0 => Vec::new(),
        _ => index_of(at, (era - 1).checked_mul(slots)?, slots, blocks)?.encode(),
    };
    let at = at.checked_add(bytes.len() as u64)?;
    bytes.extend(index_of(at, state.slot, 1, std::slice::from_ref(state))?.encode());
    Some(bytes)
}

/// Continues a CRC-32C over a part of a file.
pub(super) fn crc_of(
    file: &dyn DiskFile,
    path: &str,
    start: u64,
    length: u64,
    crc: u32,
) -> Result<u32, StoreError> {
    let mut crc = crc;
    let mut buffer = vec![0; (64 * 1024).min(length as usize)];
    let (mut at, end) = (start, start + length);
    while at < end {
        let part = (end - at).min(buffer.len() as u64) as usize;
        file.read_at(at, &mut buffer[..part]).map_err(io_at(path))?;
        crc = crc32c::crc32c_append(crc, &buffer[..part]);
        at += part as u64;
    }
    Ok(crc)
}

/// Names the file of a record that cannot be read.
fn at<T>(path: &str, result: Result<T, RecordError>) -> Result<T, StoreError> {
    result.map_err(|error| match error {
        RecordError::Io(source) => io_at(path)(source),
        error => damaged(path, error),
    })
}

/// The record of a version.
pub(super) const VERSION_RECORD: [u8; HEAD_BYTES as usize] = [b'e', b'2', 0, 0, 0, 0, 0, 0];
