//! The input files: a folder of archives `n<validators>.tar.zst` or of such folders, unpacked. Or
//! no files: a generated state.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, bail, ensure};
use consensus::{BeaconState, SignedBeaconBlock, Slot, Spec};
use ssz::Decode;

use crate::generate::{Variant, generate};

/// The input state of most rows: after the last slot of epoch 2.
const STATE: &str = "state_95.ssz";
/// The state before all blocks.
const GENESIS: &str = "genesis.ssz";

/// One set of inputs.
#[derive(Clone, Debug)]
pub struct Inputs {
    /// Validators in it.
    pub validators: usize,
    /// Preset and configuration.
    pub spec: Arc<Spec>,
    /// Where it comes from.
    pub source: Source,
}

/// Where inputs come from.
#[derive(Clone, Debug)]
pub enum Source {
    /// A folder with `genesis.ssz`, `state_95.ssz` and `blocks/`.
    Folder(PathBuf),
    /// A state made up here: there are no blocks on it.
    Generated(Variant),
}

impl Inputs {
    /// The unpacked inputs in `folder`, which is named after the number of validators.
    pub fn open(folder: &Path) -> Result<Inputs> {
        let name = folder.file_name().unwrap_or_default().to_string_lossy();
        let validators = name.strip_prefix('n').and_then(|n| n.parse().ok());
        Ok(Inputs {
            validators: validators
                .with_context(|| format!("{}: not named n<validators>", folder.display()))?,
            spec: Arc::new(Spec::mainnet()),
            source: Source::Folder(folder.to_owned()),
        })
    }

    /// A generated state of so many validators.
    pub fn generated(validators: usize, variant: Variant) -> Inputs {
        Inputs {
            validators,
            spec: Arc::new(Spec::mainnet()),
            source: Source::Generated(variant),
        }
    }

    /// All inputs found in `data`, fewest validators first. Archives are unpacked once, to a
    /// cache beside the program.
    pub fn find(data: &Path) -> Result<Vec<Inputs>> {
        let mut found = Vec::new();
        let entries = fs::read_dir(data).with_context(|| format!("cannot read {}", data.display()));
        for entry in entries? {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if path.join(GENESIS).exists() {
                found.push(Inputs::open(&path)?);
            } else if let Some(name) = name.strip_suffix(".tar.zst") {
                found.push(Inputs::open(&unpack(&path, name)?)?);
            }
        }
        ensure!(
            !found.is_empty(),
            "{} holds no n<validators>.tar.zst and no unpacked inputs",
            data.display()
        );
        found.sort_by_key(|inputs| inputs.validators);
        Ok(found)
    }

    /// Whether there are blocks and a genesis state.
    pub fn has_files(&self) -> bool {
        matches!(self.source, Source::Folder(_))
    }

    /// The input state of most rows as SSZ.
    pub fn state_bytes(&self) -> Result<Vec<u8>> {
        match self.source {
            Source::Folder(_) => self.bytes(STATE),
            Source::Generated(variant) => {
                Ok(generate(self.validators, variant, &self.spec)?.as_ssz_bytes())
            }
        }
    }

    /// The state before all blocks.
    pub fn genesis(&self) -> Result<BeaconState> {
        self.decode(&self.bytes(GENESIS)?)
    }

    /// A state from SSZ.
    pub fn decode(&self, bytes: &[u8]) -> Result<BeaconState> {
        BeaconState::from_ssz_bytes(bytes, &self.spec).context("not a state of mainnet's preset")
    }

    /// The bytes of the block of a slot.
    pub fn block_bytes(&self, slot: Slot) -> Result<Vec<u8>> {
        self.bytes(&format!("blocks/{slot:06}.ssz"))
    }

    /// The block of a slot.
    pub fn block(&self, slot: Slot) -> Result<SignedBeaconBlock> {
        decode_block(&self.block_bytes(slot)?)
    }

    /// Slot of the last block; there is one in every slot from 1.
    pub fn last_slot(&self) -> Result<Slot> {
        let count = fs::read_dir(self.folder()?.join("blocks"))?.count();
        Ok(count as Slot)
    }

    /// Where the files are.
    pub fn folder(&self) -> Result<&Path> {
        match &self.source {
            Source::Folder(folder) => Ok(folder),
            Source::Generated(_) => bail!("a generated state comes without files"),
        }
    }

    fn bytes(&self, name: &str) -> Result<Vec<u8>> {
        let path = self.folder()?.join(name);
        fs::read(&path).with_context(|| format!("cannot read {}", path.display()))
    }
}

/// A block from SSZ.
pub fn decode_block(bytes: &[u8]) -> Result<SignedBeaconBlock> {
    match SignedBeaconBlock::from_ssz_bytes(bytes) {
        Ok(block) => Ok(block),
        Err(error) => bail!("not a block: {error:?}"),
    }
}

/// The folder `name` that the archive holds. The cache is named after the archive's size, so that
/// another archive is not taken for this one.
fn unpack(archive: &Path, name: &str) -> Result<PathBuf> {
    let program = std::env::current_exe()?;
    let beside = program.parent().context("the program has no folder")?;
    let size = fs::metadata(archive)?.len();
    let cache = beside.join("bench-data").join(size.to_string());
    let folder = cache.join(name);
    if folder.exists() {
        return Ok(folder);
    }
    let unfinished = beside.join(format!("bench-data.{}", std::process::id()));
    let reader = zstd::Decoder::new(File::open(archive)?)?;
    tar::Archive::new(reader)
        .unpack(&unfinished)
        .with_context(|| format!("cannot unpack {}", archive.display()))?;
    ensure!(
        unfinished.join(name).is_dir(),
        "{} holds no folder {name}",
        archive.display()
    );
    fs::create_dir_all(beside.join("bench-data"))?;
    fs::rename(&unfinished, &cache)?;
    Ok(folder)
}
