//! Making and opening finalized history, and undoing what was sealed too early.

use super::e2store::STATE;
use super::files::{self, damaged, io_at};
use super::growing::{self, Growing};
use super::names::{self, Kind};
use super::reader::SealedFile;
use super::scan::{self, VERSION_RECORD};
use super::segment::{Segment, record};
use super::sidecar::{Row, Sidecar};
use super::{BlockId, FinalizedStore, genesis_block, id_of, new_store};
use crate::{Disk, OpenMode, StoreError};
use consensus::{BeaconState, Root, Slot, Spec};
use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Writes era 0: the genesis state alone.
pub(super) fn write_era_zero(disk: &dyn Disk, genesis: &BeaconState) -> Result<(), StoreError> {
    let refused = || StoreError::Misuse("the genesis state is of no genesis, or too long".into());
    let spec = genesis.spec();
    let ssz = genesis.as_ssz_bytes();
    let stored = super::e2store::compress(&ssz);
    let state = record(STATE, &stored).ok_or_else(refused)?;
    let row = Row {
        slot: genesis.slot(),
        root: genesis.hash_tree_root(),
        offset: VERSION_RECORD.len() as u64,
        stored: stored.len() as u32,
        ssz: u32::try_from(ssz.len()).map_err(|_| refused())?,
        crc: crc32c::crc32c(&state),
    };
    if row.slot != consensus::GENESIS_SLOT {
        return Err(refused());
    }
    let mut bytes = [&VERSION_RECORD[..], &state].concat();
    let indices = scan::indices(bytes.len() as u64, 0, &[], &row, spec).ok_or_else(refused)?;
    bytes.extend(&indices);
    let rest = [&VERSION_RECORD[..], &indices].concat();
    let sidecar = Sidecar {
        era: 0,
        length: bytes.len() as u64,
        rest_crc: crc32c::crc32c(&rest),
        blocks: Vec::new(),
        state: row,
    };
    let root = genesis.genesis_validators_root();
    let name = names::era_name(spec, 0, root);
    files::write_whole(disk, &names::sidecar_name(&name), &sidecar.encode())?;
    files::write_whole(disk, &name, &bytes)?;
    files::sync_folder(disk)
}

/// Opens finalized history and repairs what a crash left.
/// `acknowledged` is a slot up to which nothing may be missing.
pub(super) fn open(
    disk: &Arc<dyn Disk>,
    spec: &Arc<Spec>,
    acknowledged: Slot,
) -> Result<FinalizedStore, StoreError> {
    let sealed = list(&**disk, spec)?;
    let newest = *sealed.keys().next_back().unwrap_or(&0);
    let before = newest_block(&**disk, spec, &sealed)?;
    let parent = parent_of(newest + 1, before);
    let growing = Growing::open(&**disk, spec, newest + 1, parent, acknowledged)?;
    let empty = growing.rows.is_empty();
    let mut store = new_store(disk, spec, sealed, growing, before);
    if newest == 0 && empty {
        let genesis = store.reader.era_state(0)?;
        let genesis = genesis.expect("era 0 has been listed");
        let (root, ssz) = genesis_block(&genesis.state);
        store.append(consensus::GENESIS_SLOT, root, &ssz)?;
        store.sync()?;
    }
    Ok(store)
}

/// The parent that the first block of an era must have, if it is known.
pub(super) fn parent_of(era: u64, before: Option<BlockId>) -> Option<Root> {
    match era {
        1 => Some(Root::ZERO),
        _ => before.map(|id| id.root),
    }
}

/// The newest block in the sealed eras.
fn newest_block(
    disk: &dyn Disk,
    spec: &Arc<Spec>,
    sealed: &BTreeMap<u64, SealedFile>,
) -> Result<Option<BlockId>, StoreError> {
    for (era, file) in sealed.range(1..).rev() {
        let segment = Segment::open(disk, spec, &file.name, *era, false, &Mutex::default())?;
        if let Some(row) = segment.sidecar().blocks.last() {
            return Ok(Some(id_of(row)));
        }
    }
    Ok(None)
}

/// The complete segments; what else is in the folder and of no use is removed.
fn list(disk: &dyn Disk, spec: &Spec) -> Result<BTreeMap<u64, SealedFile>, StoreError> {
    let found = disk.list(names::FOLDER).map_err(io_at(names::FOLDER))?;
    let found: BTreeSet<String> = found.into_iter().collect();
    let mut sealed = BTreeMap::new();
    for name in &found {
        if let Kind::Era(era) = names::kind(name) {
            if !names::is_possible(era, spec) {
                return Err(damaged(
                    &names::path(name),
                    "there is no era of this number",
                ));
            }
            let file = sealed_file(disk, name, found.contains(&names::suspect_name(name)))?;
            if let Some(other) = sealed.insert(era, file) {
                let what = format!("{} is of the same era; remove the wrong one", other.name);
                return Err(damaged(&names::path(name), what));
            }
        }
    }
    check_complete(&sealed)?;
    check_growing(&found, &sealed)?;
    let newest = *sealed.keys().next_back().unwrap_or(&0);
    for name in &found {
        let useless = match names::kind(name) {
            Kind::Temporary => true,
            Kind::EraSidecar(segment) | Kind::Suspect(segment) => !found.contains(&segment),
            Kind::Growing(era) | Kind::GrowingSidecar(era) => era != newest + 1,
            Kind::Era(_) | Kind::Other => false,
        };
        if useless {
            files::remove(disk, name)?;
        }
    }
    Ok(sealed)
}

fn sealed_file(disk: &dyn Disk, name: &str, suspect: bool) -> Result<SealedFile, StoreError> {
    let path = names::path(name);
    let segment = files::open(disk, &path, OpenMode::Read)?;
    let mut bytes = segment.len().map_err(io_at(&path))?;
    // A missing sidecar is made again when the segment is read.
    let sidecar = names::path(&names::sidecar_name(name));
    if let Ok(file) = disk.open(&sidecar, OpenMode::Read) {
        bytes += file.len().map_err(io_at(&sidecar))?;
    }
    Ok(SealedFile {
        name: name.to_owned(),
        bytes,
        suspect,
    })
}

/// A growing segment is of the era after the newest complete one. No crash leaves any other: of what
/// is there, something was taken away or put in.
fn check_growing(
    found: &BTreeSet<String>,
    sealed: &BTreeMap<u64, SealedFile>,
) -> Result<(), StoreError> {
    let newest = *sealed.keys().next_back().unwrap_or(&0);
    for name in found {
        let Kind::Growing(era) = names::kind(name) else {
            continue;
        };
        if era > newest + 1 {
            return Err(missing(newest + 1));
        }
        if era <= newest {
            let what = format!(
                "era {era} grows here, but files up to era {newest} were put into this folder: take \
                 those from era {era} on out again, and import them with `fresnel era import`"
            );
            return Err(damaged(names::FOLDER, what));
        }
    }
    Ok(())
}

/// Era 0 is there, and of the others a run without a gap.
fn check_complete(sealed: &BTreeMap<u64, SealedFile>) -> Result<(), StoreError> {
    if !sealed.contains_key(&0) {
        return Err(missing(0));
    }
    let mut eras = sealed.range(1..).map(|(era, _)| *era);
    let mut next = eras.next();
    while let Some(era) = next {
        next = eras.next();
        if next.is_some_and(|next| next != era + 1) {
            return Err(missing(era + 1));
        }
    }
    Ok(())
}

fn missing(era: u64) -> StoreError {
    damaged(
        names::FOLDER,
        format!("the file of era {era} is missing; put it back"),
    )
}

/// Makes the newest sealed era grow again, in place of the growing one.
pub(super) fn unseal_newest(store: &mut FinalizedStore) -> Result<(), StoreError> {
    let shared = store.reader.shared.clone();
    let (disk, spec) = (&*shared.disk, &shared.spec);
    let era = store.growing.era - 1;
    let Some(segment) = store.reader.segment(era)? else {
        return Err(missing(era));
    };
    let Some(file) = shared.published.read().sealed.get(&era).cloned() else {
        return Err(missing(era));
    };
    // A row vouches for its record: the rows go first.
    files::remove(disk, &names::growing_sidecar_name(era + 1))?;
    files::sync_folder(disk)?;
    files::remove(disk, &names::growing_name(era + 1))?;
    // Never two that grow.
    files::sync_folder(disk)?;
    let rows = growing::encode_rows(era, &segment.sidecar().blocks);
    files::write_whole(disk, &names::growing_sidecar_name(era), &rows)?;
    let (from, to) = (
        names::path(&file.name),
        names::path(&names::growing_name(era)),
    );
    disk.rename(&from, &to).map_err(io_at(&from))?;
    files::sync_folder(disk)?;
    files::remove(disk, &names::sidecar_name(&file.name))?;
    files::remove(disk, &names::suspect_name(&file.name))?;
    shared.open.lock().retain(|(other, _)| *other != era);
    shared.published.write().sealed.remove(&era);
    drop(segment);
    store.before = newest_block(disk, spec, &shared.published.read().sealed)?;
    store.growing = Growing::open(disk, spec, era, parent_of(era, store.before), 0)?;
    Ok(())
}
