//! Prints what the crate `e2store` reads from an era file: a line for every block and state with its
//! slot, the number of its SSZ bytes and their SHA-256. Arguments: slots of an era, files.
#![forbid(unsafe_code)]

use anyhow::{Context, Result, ensure};
use e2store::e2store::memory::E2StoreMemory;
use e2store::e2store::types::{Entry, VersionEntry};
use e2store::entry_types::{COMPRESSED_BEACON_STATE, COMPRESSED_SIGNED_BEACON_BLOCK, SLOT_INDEX};
use e2store::era::{SlotIndexBlockEntry, SlotIndexStateEntry};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::io::Read;

/// Slots of an era for which the crate has a type of block index.
const MAINNET_SLOTS: usize = e2store::era::SLOTS_PER_HISTORICAL_ROOT;

fn main() -> Result<()> {
    let mut args = std::env::args().skip(1);
    let slots = args.next().context("the slots of an era come first")?;
    let slots = slots.parse()?;
    for path in args {
        let bytes = std::fs::read(&path).with_context(|| path.clone())?;
        print(&bytes, slots).with_context(|| path.clone())?;
    }
    Ok(())
}

/// A record and where it starts.
struct Placed<'a> {
    at: i64,
    entry: &'a Entry,
}

fn print(bytes: &[u8], slots: usize) -> Result<()> {
    let file = E2StoreMemory::deserialize(bytes)?;
    let mut at = 0;
    let mut records: Vec<Placed> = Vec::new();
    for entry in &file.entries {
        records.push(Placed { at, entry });
        at += entry.length() as i64;
    }
    let [version, blocks @ .., state, state_index] = &records[..] else {
        anyhow::bail!("fewer records than every era has");
    };
    VersionEntry::try_from(version.entry)?;
    let index = SlotIndexStateEntry::try_from(state_index.entry)?;
    let state_slot = index.slot_index.starting_slot;
    // An era with blocks has their index between the state and the state's index.
    let state = match (blocks, state_slot) {
        ([], 0) => state,
        ([blocks @ .., before_index], 1..) => {
            print_blocks(blocks, state, slots)?;
            before_index
        }
        _ => anyhow::bail!("other records than an era of slot {state_slot} has"),
    };
    print_ssz("state", state_slot, state.entry, COMPRESSED_BEACON_STATE)
}

/// Prints the blocks that the index names, each of which must be one of the records.
fn print_blocks(blocks: &[Placed], index: &Placed, slots: usize) -> Result<()> {
    let (first_slot, offsets) = block_index(index.entry, slots)?;
    let by_offset: BTreeMap<i64, &Entry> = blocks
        .iter()
        .map(|block| (block.at - index.at, block.entry))
        .collect();
    let mut found = 0;
    for (slot, offset) in (first_slot..).zip(offsets) {
        if offset != 0 {
            let entry = by_offset.get(&offset);
            let entry = entry.with_context(|| format!("slot {slot}: no record at {offset}"))?;
            print_ssz("block", slot, entry, COMPRESSED_SIGNED_BEACON_BLOCK)?;
            found += 1;
        }
    }
    ensure!(
        found == blocks.len(),
        "{found} of {} blocks are indexed",
        blocks.len()
    );
    Ok(())
}

/// First slot and offsets. The crate's own type knows mainnet's number of slots only.
fn block_index(entry: &Entry, slots: usize) -> Result<(u64, Vec<i64>)> {
    if slots == MAINNET_SLOTS {
        let index = SlotIndexBlockEntry::try_from(entry)?.slot_index;
        ensure!(index.count == slots as u64, "a count of {}", index.count);
        return Ok((index.starting_slot, index.indices.to_vec()));
    }
    ensure!(entry.header.type_ == SLOT_INDEX, "no slot index");
    let (words, rest) = entry.value.as_chunks::<8>();
    let [start, offsets @ .., count] = words else {
        anyhow::bail!("a slot index of {} bytes", entry.value.len());
    };
    ensure!(
        rest.is_empty() && offsets.len() == slots,
        "another number of slots"
    );
    ensure!(u64::from_le_bytes(*count) == slots as u64, "another count");
    let offsets = offsets
        .iter()
        .map(|word| i64::from_le_bytes(*word))
        .collect();
    Ok((u64::from_le_bytes(*start), offsets))
}

fn print_ssz(what: &str, slot: u64, entry: &Entry, kind: u16) -> Result<()> {
    ensure!(
        entry.header.type_ == kind,
        "{what} {slot}: a record of another type"
    );
    let mut ssz = Vec::new();
    snap::read::FrameDecoder::new(&entry.value[..]).read_to_end(&mut ssz)?;
    let digest = Sha256::digest(&ssz);
    println!("{what} {slot} {} {digest:x}", ssz.len());
    Ok(())
}
