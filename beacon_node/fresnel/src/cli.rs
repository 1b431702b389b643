//! The command line.

use crate::commands::Era;
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::sync::LazyLock;
use store::Retention;

static VERSION: LazyLock<String> = LazyLock::new(|| {
    format!(
        "{}\nsha256: {}",
        env!("CARGO_PKG_VERSION"),
        kernels::implementation()
    )
});

/// An Ethereum phase-0 beacon node.
#[derive(Parser)]
#[command(name = "fresnel", version = VERSION.as_str(), arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Run a beacon node
    Node(Node),
    /// Look into a node's data folder
    #[command(subcommand)]
    Db(Db),
    /// Finalized history as era files
    #[command(subcommand)]
    Era(Era),
    /// Verify a chain of blocks from genesis on, with fork choice
    Replay(Replay),
    /// Run the consensus specification's test vectors
    SpecTest(SpecTest),
    /// Tools around states and blocks
    #[command(subcommand)]
    Debug(Debug),
}

/// Which network's rules apply.
#[derive(Args, Clone, Debug)]
#[group(required = true, multiple = false)]
pub(crate) struct NetworkArgs {
    /// A built-in network: mainnet or minimal
    #[arg(long, value_name = "NAME")]
    pub(crate) network: Option<String>,
    /// A folder with a network's config.yaml
    #[arg(long, value_name = "DIR")]
    pub(crate) network_dir: Option<PathBuf>,
}

/// Which network's rules apply; mainnet's where it hardly matters.
#[derive(Args, Clone, Debug)]
#[group(multiple = false)]
pub(crate) struct OptionalNetworkArgs {
    /// A built-in network: mainnet (the default) or minimal
    #[arg(long, value_name = "NAME")]
    pub(crate) network: Option<String>,
    /// A folder with a network's config.yaml
    #[arg(long, value_name = "DIR")]
    pub(crate) network_dir: Option<PathBuf>,
}

#[derive(Args)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "each is a switch of the command line"
)]
pub(crate) struct Node {
    #[command(flatten)]
    pub(crate) network: NetworkArgs,
    /// The folder of the node's data; made if it does not exist
    #[arg(long, value_name = "DIR")]
    pub(crate) datadir: PathBuf,
    /// The genesis state, for an empty data folder: .ssz or .json, plain, gzipped or zipped
    #[arg(long, value_name = "FILE", conflicts_with = "interop_genesis")]
    pub(crate) genesis_state: Option<PathBuf>,
    /// Start a test network of so many validators with well-known keys
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) interop_genesis: Option<u64>,
    /// Genesis time of the test network, Unix seconds [default: now]
    #[arg(long, value_name = "T", requires = "interop_genesis")]
    pub(crate) genesis_time: Option<u64>,
    /// Import blocks from these files and folders, in any form that replay reads
    #[arg(long, value_name = "PATH", num_args = 1..)]
    pub(crate) import: Vec<PathBuf>,
    /// Stop after the import and say where the chain ends
    #[arg(long, requires = "import")]
    pub(crate) exit_after_import: bool,
    /// Address of the REST API
    #[arg(long, value_name = "IP", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    pub(crate) http_address: IpAddr,
    /// Port of the REST API; 0 takes a free one
    #[arg(long, value_name = "PORT", default_value_t = 5052)]
    pub(crate) http_port: u16,
    /// A host name by which the REST API may be called, beside localhost and addresses; * for any
    #[arg(long, value_name = "NAME", num_args = 1.., value_parser = host_name)]
    pub(crate) http_host: Vec<String>,
    /// An origin whose web pages may read the REST API, as in `https://page.example`; * for any
    #[arg(long, value_name = "ORIGIN", num_args = 1.., value_parser = origin)]
    pub(crate) http_allow_origin: Vec<String>,
    /// Serve no REST API
    #[arg(long)]
    pub(crate) no_http: bool,
    /// Address of the metrics
    #[arg(long, value_name = "IP", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    pub(crate) metrics_address: IpAddr,
    /// Port of the metrics; 0 takes a free one
    #[arg(long, value_name = "PORT", default_value_t = 8008)]
    pub(crate) metrics_port: u16,
    /// Serve no metrics
    #[arg(long)]
    pub(crate) no_metrics: bool,
    /// Finalized blocks to keep: archive for all, or a number of epochs
    #[arg(long, value_name = "HOW", default_value = "archive", value_parser = retention)]
    pub(crate) retention: Retention,
    /// Most GiB of finalized blocks; the oldest eras go, but for those that peers may ask for
    #[arg(long, value_name = "GIB", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) retention_gib: Option<u32>,
    /// Worker threads [default: one for each core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) threads: Option<u16>,
    /// Form of the log, on standard error
    #[arg(long, value_name = "FORM", default_value = "pretty")]
    pub(crate) log_format: LogFormat,
    /// What is logged: error, warn, info, debug, trace, or a filter as in chain=debug,info
    #[arg(long, value_name = "LEVEL", default_value = "info")]
    pub(crate) log_level: String,
    /// Blocks come from files whose signatures are not to be verified; no option of a node
    #[arg(skip)]
    pub(crate) trusts_signatures: bool,
}

/// Form of the log: lines for people, or a JSON object on each line.
// Help on the values would stretch the whole help over two screens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    Pretty,
    Json,
}

fn host_name(text: &str) -> Result<String, String> {
    match text.is_empty() || text.contains([':', '/']) {
        true => Err("give a name alone, without a scheme or a port".into()),
        false => Ok(text.to_owned()),
    }
}

fn origin(text: &str) -> Result<String, String> {
    let place = text.split_once("://").map(|(_, place)| place);
    let is_origin = place.is_some_and(|place| !place.is_empty() && !place.contains('/'));
    match text == "*" || is_origin {
        true => Ok(text.to_owned()),
        false => Err("give scheme, host and port alone, as in https://page.example".into()),
    }
}

fn retention(text: &str) -> Result<Retention, String> {
    match text {
        "archive" => Ok(Retention::Archive),
        _ => text
            .parse()
            .map(Retention::Epochs)
            .map_err(|_| "give archive or a number of epochs".into()),
    }
}

#[derive(Subcommand)]
pub(crate) enum Db {
    /// Show what a data folder holds
    Info(DataFolder),
    /// Read everything in a data folder and report what is damaged
    Verify(DataFolder),
}

#[derive(Args)]
pub(crate) struct DataFolder {
    /// The folder of a node's data; no node may run on it
    #[arg(long, value_name = "DIR")]
    pub(crate) datadir: PathBuf,
}

#[derive(Args)]
pub(crate) struct Replay {
    #[command(flatten)]
    pub(crate) network: NetworkArgs,
    /// The genesis state: .ssz or .json, plain, gzipped or zipped
    #[arg(long, value_name = "FILE")]
    pub(crate) genesis_state: PathBuf,
    /// Blocks: .ssz or .json files, folders of .ssz files, e2store or era files, files of
    /// length-prefixed blocks; all of them may be gzipped
    #[arg(long, value_name = "PATH", required = true, num_args = 1..)]
    pub(crate) blocks: Vec<PathBuf>,
    /// Do not verify signatures
    #[arg(long)]
    pub(crate) no_signatures: bool,
    /// Leave out blocks after this slot
    #[arg(long, value_name = "SLOT")]
    pub(crate) until: Option<u64>,
    /// Write the state after the head block to this file (.ssz or .json)
    #[arg(long, value_name = "OUT")]
    pub(crate) post: Option<PathBuf>,
}

#[derive(Args)]
pub(crate) struct SpecTest {
    /// A tree of vectors, a folder with `tests/` in it, or a folder of .tar.zst archives
    #[arg(long, value_name = "DIR")]
    pub(crate) vectors: PathBuf,
    /// Run only the cases with this text in their path
    #[arg(long, value_name = "TEXT")]
    pub(crate) filter: Option<String>,
    /// Falsify every expected output: every case must then fail
    #[arg(long)]
    pub(crate) sabotage: bool,
}

#[derive(Subcommand)]
pub(crate) enum Debug {
    /// Apply blocks to a state, without fork choice
    Transition(Transition),
    /// Advance a state over slots without blocks
    SkipSlots(SkipSlots),
    /// Print a container or state as JSON
    Pretty(Typed),
    /// Print the hash tree root of a container or state
    Root(Typed),
    /// Print the preset and configuration in effect
    Config(NetworkArgs),
    /// Make a chain with well-known keys and real signatures
    MakeChain(MakeChain),
}

#[derive(Args)]
pub(crate) struct Transition {
    #[command(flatten)]
    pub(crate) network: NetworkArgs,
    /// The state to start from (.ssz or .json)
    #[arg(long, value_name = "FILE")]
    pub(crate) pre: PathBuf,
    /// The blocks, in order, in any form that replay reads
    #[arg(long, value_name = "PATH", required = true, num_args = 1..)]
    pub(crate) blocks: Vec<PathBuf>,
    /// Write the state after the last block to this file (.ssz or .json)
    #[arg(long, value_name = "OUT")]
    pub(crate) post: Option<PathBuf>,
    /// Do not verify signatures
    #[arg(long)]
    pub(crate) no_signatures: bool,
    /// Do not compare the blocks' state roots
    #[arg(long)]
    pub(crate) no_state_roots: bool,
}

#[derive(Args)]
pub(crate) struct SkipSlots {
    #[command(flatten)]
    pub(crate) network: NetworkArgs,
    /// The state to start from (.ssz or .json)
    #[arg(long, value_name = "FILE")]
    pub(crate) pre: PathBuf,
    #[command(flatten)]
    pub(crate) target: SkipTarget,
    /// Write the advanced state to this file (.ssz or .json)
    #[arg(long, value_name = "OUT")]
    pub(crate) post: Option<PathBuf>,
}

#[derive(Args)]
#[group(required = true, multiple = false)]
pub(crate) struct SkipTarget {
    /// Advance by so many slots
    #[arg(long, value_name = "N")]
    pub(crate) slots: Option<u64>,
    /// Advance to this slot
    #[arg(long, value_name = "SLOT")]
    pub(crate) to_slot: Option<u64>,
}

#[derive(Args)]
pub(crate) struct Typed {
    #[command(flatten)]
    pub(crate) network: OptionalNetworkArgs,
    #[arg(
        long = "type",
        value_name = "T",
        help = "The specification's name of the type, for example BeaconState or SignedBeaconBlock"
    )]
    pub(crate) type_name: String,
    /// The file: .ssz or .json, plain, gzipped or zipped
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
}

#[derive(Args)]
pub(crate) struct MakeChain {
    #[command(flatten)]
    pub(crate) network: NetworkArgs,
    /// The folder to make, with genesis.ssz, config.yaml, the blocks and chain.json
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
    /// Validators at genesis
    #[arg(long, value_name = "N", default_value_t = 64)]
    pub(crate) validators: u64,
    /// Slots of the chain
    #[arg(long, value_name = "N", default_value_t = 64)]
    pub(crate) slots: u64,
    /// Decides every random choice: the same seed makes the same bytes
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) seed: u64,
    /// Make blocks only in slots that this number divides
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) every: u64,
    /// Slots that stay without a block of the chain, separated by commas
    #[arg(long, value_name = "SLOTS", value_delimiter = ',')]
    pub(crate) empty_slots: Vec<u64>,
    /// Percent of the other slots without a block
    #[arg(long, value_name = "P", default_value_t = 0, value_parser = clap::value_parser!(u8).range(..=99))]
    pub(crate) skip_percent: u8,
    /// Percent of the validators that attest
    #[arg(long, value_name = "P", default_value_t = 100, value_parser = clap::value_parser!(u8).range(..=100))]
    pub(crate) participation: u8,
    /// Deposits after genesis, some of them top-ups or with bad signatures
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) deposits: u64,
    #[arg(
        long,
        value_name = "N",
        default_value_t = 0,
        help = "Voluntary exits (built-in networks: SHARD_COMMITTEE_PERIOD becomes 2)"
    )]
    pub(crate) exits: u64,
    /// Slashings, of proposers and attesters in turn
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) slashings: u64,
    /// Side branches, one to three blocks long
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) forks: u64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent_and_help_fits_a_screen() {
        fn check(command: clap::Command) {
            for option in ["-h", "--help"] {
                let shown = command.clone().try_get_matches_from(["fresnel", option]);
                let lines = shown.unwrap_err().to_string().lines().count();
                assert!(lines <= 40, "{}: {lines} lines", command.get_name());
            }
            command.get_subcommands().cloned().for_each(check);
        }
        Cli::command().debug_assert();
        check(Cli::command());
    }

    #[test]
    fn the_version_names_the_hash_implementation() {
        let version = Cli::command().render_version();
        assert!(version.contains("\nsha256: "), "{version}");
        assert!(version.contains(kernels::implementation()));
    }
}
