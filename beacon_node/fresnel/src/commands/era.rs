//! `fresnel era`: finalized history as era files.

use crate::cli::{self, Cli, Command, NetworkArgs, OptionalNetworkArgs};
use crate::datadir::DataDir;
use crate::input::Network;
use crate::node;
use crate::output;
use crate::progress::{Goal, Progress};
use anyhow::{Context, bail};
use clap::{Args, Parser, Subcommand, ValueEnum};
use consensus::Root;
use std::ffi::{OsStr, OsString};
use std::fs::{self, Permissions};
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use store::finalized::{EraFile, FinalizedStore};

/// The folder of finalized history in a data folder.
const FINALIZED: &str = "finalized";
/// Bytes copied at once.
const PIECE: usize = 1 << 20;

/// What to do with era files.
#[derive(Subcommand)]
pub(crate) enum Era {
    /// Copy the complete eras of a data folder, checked, while a node may run on it
    Export(Export),
    /// Import era files into a data folder, with full verification
    Import(Import),
    /// Check era files: their records, that they are a chain, their roots and indices
    Verify(Verify),
}

#[derive(Args)]
pub(crate) struct Export {
    /// The folder of the node's data
    #[arg(long, value_name = "DIR")]
    datadir: PathBuf,
    /// The folder to copy to; files that are there already stay as they are
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

#[derive(Args)]
pub(crate) struct Import {
    #[command(flatten)]
    network: NetworkArgs,
    /// The folder of the node's data; made if it does not exist
    #[arg(long, value_name = "DIR")]
    datadir: PathBuf,
    /// The genesis state, for an empty data folder, if era 0 is not among the files
    #[arg(long, value_name = "FILE")]
    genesis_state: Option<PathBuf>,
    /// What is verified of every block
    #[arg(long, value_name = "WHAT", default_value = "signatures")]
    verify: Depth,
    /// Era files, and folders of them
    #[arg(value_name = "PATH", required = true, num_args = 1..)]
    files: Vec<PathBuf>,
}

#[derive(Args)]
pub(crate) struct Verify {
    #[command(flatten)]
    network: OptionalNetworkArgs,
    /// Era files, and folders of them
    #[arg(value_name = "PATH", required = true, num_args = 1..)]
    files: Vec<PathBuf>,
}

/// What is verified of an imported block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Depth {
    /// Everything
    Signatures,
    /// Its transition and its state root, but no signatures
    Roots,
}

/// Runs the command.
pub(crate) fn run(command: &Era) -> anyhow::Result<()> {
    match command {
        Era::Export(args) => export(args),
        Era::Import(args) => import(args),
        Era::Verify(args) => verify(args),
    }
}

/// A file and the number of its era.
struct Numbered {
    era: u64,
    path: PathBuf,
    /// Its length, bytes.
    length: u64,
}

/// The files that the paths name and the era files in the folders they name, by number.
fn collect(paths: &[PathBuf], network: &Network) -> anyhow::Result<Vec<Numbered>> {
    let mut files = Vec::new();
    for path in paths {
        match path.is_dir() {
            true => files.extend(era_files_in(path)?),
            false => files.push(path.clone()),
        }
    }
    let mut numbered = Vec::with_capacity(files.len());
    for path in files {
        let era = EraFile::number_of(&path, &network.spec)?;
        let length = fs::metadata(&path).map_or(0, |metadata| metadata.len());
        numbered.push(Numbered { era, path, length });
    }
    numbered.sort_by_key(|file| file.era);
    if let Some(pair) = numbered.windows(2).find(|pair| pair[0].era == pair[1].era) {
        bail!(
            "{}: it is of era {}, and so is {}; name one of them",
            pair[1].path.display(),
            pair[1].era,
            pair[0].path.display()
        );
    }
    Ok(numbered)
}

fn era_files_in(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let name = folder.display();
    let entries = fs::read_dir(folder)
        .and_then(Iterator::collect::<std::io::Result<Vec<_>>>)
        .with_context(|| format!("{name}: the folder cannot be read"))?;
    let paths = entries.into_iter().map(|entry| entry.path());
    let mut files: Vec<_> = paths
        .filter(|path| path.extension() == Some(OsStr::new("era")))
        .collect();
    if files.is_empty() {
        bail!("{name}: the folder holds no .era file; check the path");
    }
    files.sort();
    Ok(files)
}

/// The chain through several era files, of which consecutive ones must fit.
#[derive(Default)]
struct Chain {
    /// Number of the era before, its last block, and the historical roots that its state knows.
    before: Option<(u64, Option<Root>, Vec<Root>)>,
}

impl Chain {
    fn take(&mut self, file: &EraFile) -> anyhow::Result<()> {
        let era = file.era();
        let roots: Vec<Root> = file.state().historical_roots().iter().collect();
        let mut last = file.last().map(|id| id.root);
        if let Some((number, before, known)) = &self.before
            && era == number + 1
        {
            let continues = !roots.is_empty() && roots.starts_with(known);
            if !continues || *number > 0 && before.is_some_and(|root| root != file.before()) {
                bail!(
                    "{}: it does not continue the chain of era {number}; get both files from one place",
                    file.path()
                );
            }
            last = last.or(*before);
        }
        self.before = Some((era, last, roots));
        Ok(())
    }
}

/// Progress over files by their bytes.
struct Work {
    read: Arc<AtomicU64>,
    progress: Progress,
    blocks: u64,
}

impl Work {
    fn new(files: &[Numbered]) -> Work {
        let read = Arc::new(AtomicU64::new(0));
        let total = files.iter().map(|file| file.length).sum();
        let goal = Goal::Bytes {
            total,
            read: read.clone(),
        };
        Work {
            read,
            progress: Progress::new(goal),
            blocks: 0,
        }
    }

    fn done(&mut self, file: &EraFile) {
        self.read.fetch_add(file.bytes(), Ordering::Relaxed);
        self.blocks += file.block_count() as u64;
        self.progress.update(file.slots().end, self.blocks);
    }
}

fn verify(args: &Verify) -> anyhow::Result<()> {
    let network = Network::or_mainnet(&args.network)?;
    let files = collect(&args.files, &network)?;
    let mut work = Work::new(&files);
    let mut chain = Chain::default();
    let (files, later): (Vec<_>, Vec<_>) = files.iter().partition(|file| is_phase0(file, &network));
    for Numbered { path, .. } in &later {
        let path = path.display();
        eprintln!("info: {path}: its state is not of phase 0: it is left out");
    }
    for Numbered { path, .. } in &files {
        let file = EraFile::open(path, &network.spec)?;
        chain.take(&file)?;
        work.done(&file);
        crate::progress::beside_bar(|| tell(&file));
    }
    work.progress.finish();
    println!("{} files, {} blocks: sound", files.len(), work.blocks);
    Ok(())
}

/// One line on a sound file.
fn tell(file: &EraFile) {
    let slots = file.slots();
    let blocks = match file.block_count() {
        0 => "no blocks".to_owned(),
        count => format!(
            "{count} blocks of slots {} to {}",
            slots.start,
            slots.end - 1
        ),
    };
    println!(
        "{}: era {}, {blocks}, state root {}",
        file.path(),
        file.era(),
        file.state_root()
    );
    let name = file.name();
    if Path::new(file.path()).file_name() != Some(OsStr::new(&name)) {
        println!("  its name by convention is {name}");
    }
}

fn export(args: &Export) -> anyhow::Result<()> {
    let network = Network::load(&args.datadir)
        .with_context(|| format!("{}: no data folder", args.datadir.display()))?;
    let files = collect(&[args.datadir.join(FINALIZED)], &network)?;
    fs::create_dir_all(&args.out)
        .with_context(|| format!("{}: cannot be made", args.out.display()))?;
    let mut work = Work::new(&files);
    let mut chain = Chain::default();
    let mut copied = 0;
    for Numbered { path, length, .. } in &files {
        let name = path.file_name().unwrap_or_default();
        let target = args.out.join(name);
        // A name is there only when the whole file is.
        if fs::metadata(&target).is_ok_and(|metadata| metadata.len() == *length) {
            work.read.fetch_add(*length, Ordering::Relaxed);
            continue;
        }
        let file = EraFile::open(path, &network.spec)?;
        chain.take(&file)?;
        copy(path, &target)?;
        copied += 1;
        work.done(&file);
    }
    work.progress.finish();
    println!(
        "{}: {} eras, {copied} of them new",
        args.out.display(),
        files.len()
    );
    Ok(())
}

/// Copies a file under another name beside its place and then moves it there.
fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    let write = || {
        let mut source = fs::File::open(from)?;
        // For anybody whom the user's mask allows: what is exported is public.
        let mut target = tempfile::Builder::new()
            .permissions(Permissions::from_mode(0o666))
            .tempfile_in(output::folder_of(to))?;
        let mut buffer = vec![0; PIECE];
        loop {
            let length = source.read(&mut buffer)?;
            if length == 0 {
                break;
            }
            target.write_all(&buffer[..length])?;
        }
        target.as_file().sync_all()?;
        target.persist(to)?;
        std::io::Result::Ok(())
    };
    write().with_context(|| format!("{}: cannot be copied to {}", from.display(), to.display()))
}

/// Era files are checked in themselves and against each other, then their blocks go the way of all
/// blocks through the core, and at last the files take the place of the segments made from them.
fn import(args: &Import) -> anyhow::Result<()> {
    let network = Network::of(&args.network)?;
    let mut files = collect(&args.files, &network)?;
    let slots = network.spec.SLOTS_PER_HISTORICAL_ROOT;
    files.retain(|file| {
        let ended = file.era > 0 && (file.era - 1).saturating_mul(slots) >= network.phase0_end();
        if ended {
            let path = file.path.display();
            eprintln!("info: {path}: the network has left phase 0 before it: it is left out");
        }
        !ended
    });
    let genesis = match &args.genesis_state {
        Some(file) => Some(file.clone()),
        None => files
            .first()
            .filter(|file| file.era == 0)
            .map(|file| file.path.clone()),
    };
    let known = args.datadir.join(FINALIZED);
    files.retain(|file| {
        let name = file.path.file_name().unwrap_or_default();
        let there = fs::metadata(known.join(name));
        file.era > 0 && !there.is_ok_and(|there| there.len() == file.length)
    });
    if genesis.is_none() && !known.is_dir() {
        bail!(
            "{}: the data folder is empty; name the file of era 0 too, or give the network's genesis by --genesis-state FILE",
            args.datadir.display()
        );
    }
    check(&files, &network)?;
    if files.is_empty() && known.is_dir() {
        println!("all of them are there already");
        return Ok(());
    }
    node::run(&node_of(args, &files, genesis.filter(|_| !known.is_dir()))?)?;
    keep(args, &network, &files)
}

/// The node that imports the files and ends.
fn node_of(
    args: &Import,
    files: &[Numbered],
    genesis: Option<PathBuf>,
) -> anyhow::Result<cli::Node> {
    let mut line: Vec<OsString> = ["fresnel", "node", "--no-http", "--no-metrics"]
        .map(OsString::from)
        .into();
    let mut option = |name: &str, value: &OsStr| line.extend([name.into(), value.to_owned()]);
    option("--datadir", args.datadir.as_os_str());
    if let Some(name) = &args.network.network {
        option("--network", OsStr::new(name));
    }
    if let Some(folder) = &args.network.network_dir {
        option("--network-dir", folder.as_os_str());
    }
    if let Some(genesis) = &genesis {
        option("--genesis-state", genesis.as_os_str());
    }
    for file in files {
        option("--import", file.path.as_os_str());
    }
    match Cli::try_parse_from(line)?.command {
        // The option itself wants something to import, and era 0 alone is only a genesis.
        Command::Node(node) => Ok(cli::Node {
            exit_after_import: true,
            trusts_signatures: args.verify == Depth::Roots,
            ..node
        }),
        _ => bail!("the command line of the import is not a node's"),
    }
}

/// Checks the files before anything is imported. One whose state is of a later fork is left to the
/// import of its blocks.
fn check(files: &[Numbered], network: &Network) -> anyhow::Result<()> {
    let mut work = Work::new(files);
    let mut chain = Chain::default();
    for file in files.iter().filter(|file| is_phase0(file, network)) {
        let file = EraFile::open(&file.path, &network.spec)?;
        chain.take(&file)?;
        work.done(&file);
    }
    work.progress.finish();
    Ok(())
}

/// Whether the boundary state of a file is of phase 0.
fn is_phase0(file: &Numbered, network: &Network) -> bool {
    let slots = network.spec.SLOTS_PER_HISTORICAL_ROOT;
    file.era.saturating_mul(slots) < network.phase0_end()
}

/// Puts the files in the place of the segments that were made from their blocks. Of eras that are
/// not final yet there is none: they are sealed when later blocks finalize them.
fn keep(args: &Import, network: &Network, files: &[Numbered]) -> anyhow::Result<()> {
    let datadir = DataDir::take_or_make(&args.datadir)?;
    let mut store = FinalizedStore::open(datadir.disk(), &network.spec)?;
    let newest = store.reader().newest_era();
    let mut replaced = 0;
    for file in files.iter().filter(|file| file.era <= newest) {
        let file = EraFile::open(&file.path, &network.spec)?;
        replaced += u64::from(store.keep(&file)?);
    }
    println!(
        "{}: complete up to era {newest}; {replaced} files were kept in the form they had",
        args.datadir.display()
    );
    let later = files.iter().filter(|file| file.era > newest).count();
    if later > 0 {
        println!(
            "{later} more are imported, but not final by their own blocks: they are sealed when later blocks finalize them"
        );
    }
    Ok(())
}
