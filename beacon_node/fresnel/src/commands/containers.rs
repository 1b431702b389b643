//! `fresnel debug pretty` and `fresnel debug root`

use super::tell_unknown_keys;
use crate::cli::Typed;
use crate::input::{self, Content, Network};
use anyhow::{anyhow, bail};
use consensus::state::HistoricalBatch;
use consensus::*;
use serde::Serialize;
use serde::de::DeserializeOwned;
use ssz::Decode;
use std::io::{ErrorKind, Write};
use std::path::Path;

/// What to print of a value.
#[derive(Clone, Copy)]
enum Show {
    Json,
    Root,
}

/// Prints a value as JSON.
pub(crate) fn pretty(args: &Typed) -> anyhow::Result<()> {
    show(args, Show::Json)
}

/// Prints a value's hash tree root.
pub(crate) fn root(args: &Typed) -> anyhow::Result<()> {
    show(args, Show::Root)
}

/// Runs `one` for the container of that name, which has the same form on every network.
macro_rules! containers {
    ($name:expr, $path:expr, $how:expr; $($type:ident)*) => {
        match $name {
            $(stringify!($type) => show_container::<$type>($path, $how),)*
            name => bail!(
                "there is no type '{name}': choose one of BeaconState, HistoricalBatch, {}",
                [$(stringify!($type)),*].join(", ")
            ),
        }
    };
}

fn show(args: &Typed, how: Show) -> anyhow::Result<()> {
    let path = &args.file;
    match args.type_name.as_str() {
        "BeaconState" => {
            let network = Network::or_mainnet(&args.network)?;
            tell_unknown_keys(&network);
            let state = input::read_state(path, &network.spec)?;
            match how {
                Show::Json => print_json(&state.to_json()),
                Show::Root => print(format!("{}\n", state.hash_tree_root()).as_bytes()),
            }
        }
        "HistoricalBatch" => {
            let network = Network::or_mainnet(&args.network)?;
            tell_unknown_keys(&network);
            let batch = match input::read_content(path)? {
                Content::Json(text) => input::parse_json::<HistoricalBatch>(path, &text)?,
                Content::Ssz(bytes) => HistoricalBatch::from_ssz_bytes(&bytes, &network.spec)
                    .map_err(|error| undecodable(path, "HistoricalBatch", &error.to_string()))?,
            };
            show_value(&batch, how)
        }
        name => containers!(name, path, how;
            Fork ForkData Checkpoint Validator AttestationData IndexedAttestation
            PendingAttestation Eth1Data DepositMessage DepositData BeaconBlockHeader SigningData
            ProposerSlashing AttesterSlashing Attestation Deposit VoluntaryExit BeaconBlockBody
            BeaconBlock SignedVoluntaryExit SignedBeaconBlock SignedBeaconBlockHeader Eth1Block
            AggregateAndProof SignedAggregateAndProof
        ),
    }
}

fn show_container<T>(path: &Path, how: Show) -> anyhow::Result<()>
where
    T: Decode + DeserializeOwned + Serialize + HashTreeRoot,
{
    let value = match input::read_content(path)? {
        Content::Json(text) => input::parse_json::<T>(path, &text)?,
        Content::Ssz(bytes) => T::from_ssz_bytes(&bytes).map_err(|error| {
            let name = std::any::type_name::<T>();
            let name = name.rsplit("::").next().unwrap_or(name);
            undecodable(path, name, &format!("{error:?}"))
        })?,
    };
    show_value(&value, how)
}

fn undecodable(path: &Path, name: &str, reason: &str) -> anyhow::Error {
    anyhow!(
        "{}: this is no {name} in SSZ ({reason}); check --type and the file",
        path.display()
    )
}

fn show_value(value: &(impl Serialize + HashTreeRoot), how: Show) -> anyhow::Result<()> {
    match how {
        Show::Json => print_json(value),
        Show::Root => print(format!("{}\n", value.hash_tree_root()).as_bytes()),
    }
}

fn print_json(value: &impl Serialize) -> anyhow::Result<()> {
    let mut text = serde_json::to_vec_pretty(value)?;
    text.push(b'\n');
    print(&text)
}

/// Prints. A reader that stops early, as `head` does, is no error.
fn print(text: &[u8]) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}
