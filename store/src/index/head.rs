//! The rows of the index.

use super::RootMap;
use crate::StoreError;
use consensus::{Root, Slot, Spec};
use rows::{Anchor, ChainRow, Input, Row, RowError, Split};

/// Counts changes of the store's files that older programs cannot read.
pub(crate) const SCHEMA: u32 = 1;

/// What the store is; never changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) schema: u32,
    /// The configuration's name.
    pub(crate) network: String,
    pub(crate) genesis_validators_root: Root,
    pub(crate) genesis_fork_version: [u8; 4],
    pub(crate) slots_per_epoch: u64,
    pub(crate) slots_per_era: u64,
}

impl Identity {
    pub(crate) fn of(spec: &Spec, genesis_validators_root: Root) -> Identity {
        Identity {
            schema: SCHEMA,
            network: spec.CONFIG_NAME.clone(),
            genesis_validators_root,
            genesis_fork_version: spec.GENESIS_FORK_VERSION.into(),
            slots_per_epoch: spec.SLOTS_PER_EPOCH,
            slots_per_era: spec.SLOTS_PER_HISTORICAL_ROOT,
        }
    }

    /// Refuses another schema or another network.
    pub(crate) fn check(&self, spec: &Spec) -> Result<(), StoreError> {
        if self.schema != SCHEMA {
            return Err(StoreError::Foreign(format!(
                "the data is of schema {}, this program reads schema {SCHEMA}: use the program \
                 that wrote it, or start with an empty data folder",
                self.schema
            )));
        }
        if *self != Identity::of(spec, self.genesis_validators_root) {
            return Err(StoreError::Foreign(format!(
                "the data is of network {:?} (genesis validators root {}), not of {:?}: use \
                 another data folder",
                self.network, self.genesis_validators_root, spec.CONFIG_NAME
            )));
        }
        Ok(())
    }
}

/// A block of the canonical chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) slot: Slot,
    pub(crate) root: Root,
}

/// A file of hot blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HotFileEntry {
    pub(crate) number: u64,
    /// Counts its writes: one that is behind has lost some.
    pub(crate) generation: u64,
}

/// A stored state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StateEntry {
    pub(crate) slot: Slot,
    /// Its latest block.
    pub(crate) block_root: Root,
    /// That block's slot.
    pub(crate) block_slot: Slot,
    /// Whether that block is finalized.
    pub(crate) is_final: bool,
    /// Whether it is kept for the era that ends at its slot.
    pub(crate) is_boundary: bool,
    /// Whether it was asked for as a place to replay from.
    pub(crate) is_restart: bool,
}

/// How far the store has come. A batch is there if and only if its number is not above `last_seq`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) last_seq: u64,
    pub(crate) anchor: Anchor,
    pub(crate) split: Split,
    /// The newest block that finalized history is known to have.
    pub(crate) moved: Place,
    pub(crate) chain: Option<ChainRow>,
    pub(crate) has_votes: bool,
    /// The files of hot blocks, ascending.
    pub(crate) hot_files: Vec<HotFileEntry>,
    pub(crate) states: Vec<StateEntry>,
    /// Batches whose finalized blocks are not all moved, ascending.
    pub(crate) pending: Vec<u64>,
    pub(crate) roots: RootMap,
}

impl Row for Identity {
    const KIND: u8 = 17;

    fn write(&self, out: &mut Vec<u8>) {
        out.extend(self.schema.to_le_bytes());
        out.extend(self.genesis_validators_root);
        out.extend(self.genesis_fork_version);
        out.extend(self.slots_per_epoch.to_le_bytes());
        out.extend(self.slots_per_era.to_le_bytes());
        out.extend(self.network.as_bytes());
    }

    fn read(input: &mut Input) -> Result<Identity, RowError> {
        let schema = input.u32()?;
        let genesis_validators_root = input.root()?;
        let version = input.bytes(4)?.try_into();
        Ok(Identity {
            schema,
            genesis_validators_root,
            genesis_fork_version: version.map_err(|_| RowError::CutShort)?,
            slots_per_epoch: input.u64()?,
            slots_per_era: input.u64()?,
            network: String::from_utf8(input.remaining().to_vec())
                .map_err(|_| RowError::Value("network name"))?,
        })
    }
}

impl Place {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend(self.slot.to_le_bytes());
        out.extend(self.root);
    }

    fn read(input: &mut Input) -> Result<Place, RowError> {
        Ok(Place {
            slot: input.u64()?,
            root: input.root()?,
        })
    }
}

fn put_length(out: &mut Vec<u8>, length: usize) {
    out.extend((length as u32).to_le_bytes());
}

impl StateEntry {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend(self.slot.to_le_bytes());
        out.extend(self.block_root);
        out.extend(self.block_slot.to_le_bytes());
        let flags = [self.is_final, self.is_boundary, self.is_restart];
        out.extend(flags.map(u8::from));
    }

    fn read(input: &mut Input) -> Result<StateEntry, RowError> {
        Ok(StateEntry {
            slot: input.u64()?,
            block_root: input.root()?,
            block_slot: input.u64()?,
            is_final: input.bool()?,
            is_boundary: input.bool()?,
            is_restart: input.bool()?,
        })
    }
}

impl Row for Head {
    const KIND: u8 = 18;

    fn write(&self, out: &mut Vec<u8>) {
        out.extend(self.last_seq.to_le_bytes());
        self.anchor.write(out);
        self.split.write(out);
        self.moved.write(out);
        self.chain.write(out);
        out.push(u8::from(self.has_votes));
        put_length(out, self.hot_files.len());
        for file in &self.hot_files {
            out.extend(file.number.to_le_bytes());
            out.extend(file.generation.to_le_bytes());
        }
        put_length(out, self.states.len());
        for state in &self.states {
            state.write(out);
        }
        put_length(out, self.pending.len());
        for seq in &self.pending {
            out.extend(seq.to_le_bytes());
        }
        self.roots.write(out);
    }

    fn read(input: &mut Input) -> Result<Head, RowError> {
        Ok(Head {
            last_seq: input.u64()?,
            anchor: Anchor::read(input)?,
            split: Split::read(input)?,
            moved: Place::read(input)?,
            chain: Option::read(input)?,
            has_votes: input.bool()?,
            hot_files: input.list(16, |input| {
                Ok(HotFileEntry {
                    number: input.u64()?,
                    generation: input.u64()?,
                })
            })?,
            states: input.list(51, StateEntry::read)?,
            pending: input.list(8, Input::u64)?,
            roots: RootMap::read(input)?,
        })
    }
}

/// Blocks that became final with one batch, in order of slots.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pending(pub(super) Vec<Place>);

impl Row for Pending {
    const KIND: u8 = 19;

    fn write(&self, out: &mut Vec<u8>) {
        put_length(out, self.0.len());
        for place in &self.0 {
            place.write(out);
        }
    }

    fn read(input: &mut Input) -> Result<Pending, RowError> {
        input.list(40, Place::read).map(Pending)
    }
}

/// A dump of the votes, compressed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PackedVotes(pub(super) Vec<u8>);

impl Row for PackedVotes {
    const KIND: u8 = 20;

    fn write(&self, out: &mut Vec<u8>) {
        out.extend(&self.0);
    }

    fn read(input: &mut Input) -> Result<PackedVotes, RowError> {
        Ok(PackedVotes(input.remaining().to_vec()))
    }
}
