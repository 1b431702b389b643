//! Which network's rules apply.

use crate::cli::{NetworkArgs, OptionalNetworkArgs};
use anyhow::{Context, bail};
use consensus::helpers::compute_start_slot_at_epoch;
use consensus::spec::MAINNET_GENESIS_STATE_ROOT;
use consensus::{BeaconState, Root, Slot, Spec};
use std::path::Path;
use std::sync::Arc;

/// Root of mainnet's registry at genesis, which names mainnet in every signature.
const MAINNET_GENESIS_VALIDATORS_ROOT: [u8; 32] = [
    0x4b, 0x36, 0x3d, 0xb9, 0x4e, 0x28, 0x61, 0x20, 0xd7, 0x6e, 0xb9, 0x05, 0x34, 0x0f, 0xdd, 0x4e,
    0x54, 0xbf, 0xe9, 0xf0, 0x6b, 0xf3, 0x3f, 0xf6, 0xcf, 0x5a, 0xd2, 0x7f, 0x51, 0x1b, 0xfe, 0x95,
];

/// A network's rules and where they come from.
pub(crate) struct Network {
    /// The built-in name or the configuration's file.
    pub(crate) name: String,
    /// The rules.
    pub(crate) spec: Arc<Spec>,
    /// Keys of the configuration that phase 0 does not have.
    pub(crate) unknown_keys: Vec<String>,
    /// Keys of phase 0 that the configuration does not have.
    pub(crate) defaulted_keys: Vec<&'static str>,
    /// Whether this is a network of which the genesis is known.
    is_mainnet: bool,
}

impl Network {
    /// The network that the command line names.
    pub(crate) fn of(args: &NetworkArgs) -> anyhow::Result<Network> {
        match (&args.network, &args.network_dir) {
            (_, Some(folder)) => Network::load(folder),
            (Some(name), None) => Network::built_in(name),
            // Clap demands one of them.
            (None, None) => bail!("name a network: --network NAME or --network-dir DIR"),
        }
    }

    /// The same; mainnet if none is named.
    pub(crate) fn or_mainnet(args: &OptionalNetworkArgs) -> anyhow::Result<Network> {
        match (&args.network, &args.network_dir) {
            (_, Some(folder)) => Network::load(folder),
            (name, None) => Network::built_in(name.as_deref().unwrap_or("mainnet")),
        }
    }

    fn built_in(name: &str) -> anyhow::Result<Network> {
        let Some(spec) = Spec::built_in(name) else {
            bail!(
                "there is no built-in network '{name}': choose mainnet or minimal, or give a folder with a config.yaml by --network-dir"
            );
        };
        Ok(Network {
            name: name.to_owned(),
            spec: Arc::new(spec),
            unknown_keys: Vec::new(),
            defaulted_keys: Vec::new(),
            is_mainnet: name == "mainnet",
        })
    }

    /// The network of the folder's config.yaml.
    pub(crate) fn load(folder: &Path) -> anyhow::Result<Network> {
        let file = folder.join("config.yaml");
        let name = file.display().to_string();
        let text = std::fs::read(&file).with_context(|| {
            format!("{name}: cannot be read; --network-dir needs a folder with a config.yaml")
        })?;
        let Ok(text) = String::from_utf8(text) else {
            bail!("{name}: this is not text; give the network's config.yaml");
        };
        let loaded = Spec::from_yaml(&text).with_context(|| name.clone())?;
        Ok(Network {
            name,
            spec: Arc::new(loaded.spec),
            unknown_keys: loaded.unknown,
            defaulted_keys: loaded.defaulted,
            is_mainnet: false,
        })
    }

    /// The first slot that is not of phase 0.
    pub(crate) fn phase0_end(&self) -> Slot {
        compute_start_slot_at_epoch(self.spec.ALTAIR_FORK_EPOCH, &self.spec).unwrap_or(Slot::MAX)
    }

    /// Refuses a state that is not the network's genesis, as far as it is known, or no genesis at
    /// all. Takes the state's root.
    pub(crate) fn check_genesis(
        &self,
        file: &Path,
        genesis: &BeaconState,
        root: Root,
    ) -> anyhow::Result<()> {
        let file = file.display();
        if genesis.slot() != consensus::GENESIS_SLOT {
            bail!(
                "{file}: this state is of slot {}, not of genesis; give the genesis state of the network",
                genesis.slot()
            );
        }
        let claimed = genesis.genesis_validators_root();
        let expected = Root::from(MAINNET_GENESIS_STATE_ROOT);
        if self.is_mainnet && root != expected {
            bail!(
                "{file}: this is not mainnet's genesis state: its root is {root}, mainnet's is {expected}; get mainnet's genesis.ssz, or name another network"
            );
        }
        if self.is_mainnet && claimed != Root::from(MAINNET_GENESIS_VALIDATORS_ROOT) {
            bail!(
                "{file}: the genesis validators root is {claimed}, mainnet's is {}",
                Root::from(MAINNET_GENESIS_VALIDATORS_ROOT)
            );
        }
        let computed = genesis.compute_validators_root();
        if computed != claimed {
            bail!(
                "{file}: the root of its validators is {computed}, but it claims {claimed}; the file is damaged or no genesis state, get it again"
            );
        }
        Ok(())
    }
}
