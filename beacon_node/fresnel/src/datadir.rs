//! The data folder of a node: its lock, its configuration and its store.

use crate::input::Network;
use crate::output;
use anyhow::{Context, bail};
use consensus::BeaconState;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use store::{Disk, Opened, RealDisk, Settings};

/// The configuration of the network, as it was when a node last ran.
const CONFIG: &str = "config.yaml";

/// Who holds the lock, for whoever is refused.
const PROGRAM: &str = concat!("fresnel ", env!("CARGO_PKG_VERSION"));

/// A data folder that no other process can use as long as its store is open.
pub(crate) struct DataDir {
    path: PathBuf,
    disk: Arc<dyn Disk>,
}

impl DataDir {
    /// Takes the folder, which is made if it does not exist.
    ///
    /// # Errors
    /// If another process has it, or it cannot be made.
    pub(crate) fn take_or_make(path: &Path) -> anyhow::Result<DataDir> {
        Ok(DataDir {
            path: path.to_owned(),
            disk: Arc::new(RealDisk::open(path, PROGRAM)?),
        })
    }

    /// Takes a folder that exists, and gives the network that its configuration names.
    ///
    /// # Errors
    /// If another process has it, or it is no data folder.
    pub(crate) fn take(path: &Path) -> anyhow::Result<(DataDir, Network)> {
        if !path.join(CONFIG).is_file() {
            bail!(
                "{}: this is no data folder of a node: it has no {CONFIG}; check --datadir",
                path.display()
            );
        }
        let network = Network::load(path)?;
        Ok((DataDir::take_or_make(path)?, network))
    }

    /// The files of the store.
    pub(crate) fn disk(&self) -> &Arc<dyn Disk> {
        &self.disk
    }

    /// Opens the store; `None` if there is none yet.
    ///
    /// # Errors
    /// If it is of another network, or damaged.
    pub(crate) fn open(
        &self,
        network: &Network,
        settings: &Settings,
    ) -> anyhow::Result<Option<Opened>> {
        let opened = store::open(&self.disk, &network.spec, settings)
            .with_context(|| self.path.display().to_string())?;
        if opened.is_some() {
            self.write_config(network)?;
        }
        Ok(opened)
    }

    /// Makes the store of a chain that starts with this genesis, and opens it.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(crate) fn create(
        &self,
        network: &Network,
        genesis: &BeaconState,
        settings: &Settings,
    ) -> anyhow::Result<Opened> {
        store::create(&self.disk, genesis, settings)
            .with_context(|| self.path.display().to_string())?;
        match self.open(network, settings)? {
            Some(opened) => Ok(opened),
            None => bail!("{}: the store just made is not there", self.path.display()),
        }
    }

    /// Tools that are given the folder alone read the rules from here.
    fn write_config(&self, network: &Network) -> anyhow::Result<()> {
        let file = self.path.join(CONFIG);
        let text = network.spec.to_yaml();
        match std::fs::read(&file) {
            Ok(bytes) if bytes == text.as_bytes() => Ok(()),
            _ => output::write_file(&file, text.as_bytes()),
        }
    }
}
