//! Files of states: a head of 24 bytes, then the SSZ in one zstd frame.
//!
//! The head: "FRSTATE" and the version (u8), the length of the SSZ (u64), a CRC-32C over the path and
//! all bytes but its own (u32), zeros (4 bytes). Numbers are little-endian. A file appears under its
//! name only when it is whole.

use crate::finalized::e2store::MAX_STATE_BYTES;
use crate::index::StateEntry;
use crate::paths::{STATES, damaged, io_at, remove, state_file};
use crate::{Disk, OpenMode, StoreError};
use consensus::{BeaconState, HashTreeRoot, Root, Spec};
use rows::StoredState;
use std::collections::BTreeSet;
use std::io::Read;
use std::sync::Arc;

const MAGIC: [u8; 8] = *b"FRSTATE\x01";
const HEAD: usize = 24;

impl StateEntry {
    pub(crate) fn path(&self) -> String {
        format!("{STATES}/{}", state_file(self.slot, self.block_root))
    }
}

/// Root of the latest block applied to a state.
pub(crate) fn latest_block_root(state: &BeaconState) -> Root {
    let mut header = *state.latest_block_header();
    if header.state_root.is_zero() {
        header.state_root = state.hash_tree_root();
    }
    header.hash_tree_root()
}

/// Writes a state's file and makes it survive a power cut.
pub(crate) fn write(
    disk: &dyn Disk,
    entry: &StateEntry,
    state: &BeaconState,
) -> Result<(), StoreError> {
    let path = entry.path();
    let ssz = state.as_ssz_bytes();
    let mut bytes = MAGIC.to_vec();
    bytes.extend((ssz.len() as u64).to_le_bytes());
    bytes.extend([0; 8]);
    let packed = zstd::bulk::compress(&ssz, 1).map_err(io_at(&path))?;
    drop(ssz);
    bytes.extend(packed);
    let crc = checksum(&path, &bytes);
    bytes[16..20].copy_from_slice(&crc.to_le_bytes());
    let temporary = format!("{path}.tmp");
    let write = || {
        let file = disk.open(&temporary, OpenMode::WriteOrCreate)?;
        file.set_len(0)?;
        file.write_at(0, &bytes)?;
        file.sync()?;
        disk.rename(&temporary, &path)?;
        disk.sync_folder(STATES)
    };
    write().map_err(io_at(&path))
}

fn checksum(path: &str, bytes: &[u8]) -> u32 {
    let crc = crc32c::crc32c(path.as_bytes());
    let crc = crc32c::crc32c_append(crc, &bytes[..16]);
    crc32c::crc32c_append(crc, &bytes[20..])
}

/// Reads a state's file.
pub(crate) fn read(
    disk: &dyn Disk,
    entry: &StateEntry,
    spec: &Arc<Spec>,
) -> Result<StoredState, StoreError> {
    let path = entry.path();
    let file = disk.open(&path, OpenMode::Read).map_err(io_at(&path))?;
    let length = file.len().map_err(io_at(&path))?;
    if length < HEAD as u64 || length > MAX_STATE_BYTES {
        return Err(damaged(&path, format!("it has {length} bytes")));
    }
    let mut bytes = vec![0; length as usize];
    file.read_at(0, &mut bytes).map_err(io_at(&path))?;
    let crc = u32::from_le_bytes(bytes[16..20].try_into().expect("4 bytes"));
    if checksum(&path, &bytes) != crc {
        return Err(damaged(&path, "it does not match its checksum"));
    }
    let length = u64::from_le_bytes(bytes[8..16].try_into().expect("8 bytes"));
    if bytes[..8] != MAGIC || length > MAX_STATE_BYTES {
        return Err(damaged(&path, "it is of another version"));
    }
    let mut ssz = Vec::with_capacity(length as usize);
    let decoder = zstd::Decoder::new(&bytes[HEAD..]).map_err(io_at(&path))?;
    let read = decoder.take(length + 1).read_to_end(&mut ssz);
    read.map_err(|error| damaged(&path, error))?;
    drop(bytes);
    let state = BeaconState::from_ssz_bytes(&ssz, spec).map_err(|error| damaged(&path, error))?;
    if ssz.len() as u64 != length || state.slot() != entry.slot {
        return Err(damaged(&path, "it holds another state"));
    }
    Ok(StoredState {
        block_root: entry.block_root,
        state,
    })
}

/// Removes the files in the folder that are of no entry; an entry without a file is damage.
pub(crate) fn reconcile(disk: &dyn Disk, entries: &[StateEntry]) -> Result<(), StoreError> {
    let names = disk.list(STATES).map_err(io_at(STATES))?;
    let names = names.into_iter().map(|name| format!("{STATES}/{name}"));
    let mut others: BTreeSet<String> = names.collect();
    for entry in entries {
        let path = entry.path();
        if !others.remove(&path) {
            return Err(damaged(&path, "it is missing"));
        }
    }
    for path in others {
        remove(disk, &path)?;
    }
    Ok(())
}
