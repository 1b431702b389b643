//! The readers as programs.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A program that prints what somebody else's code reads from era files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EraReader {
    /// `@ethereumjs/e2store`.
    Npm,
    /// The crate `e2store`.
    Crate,
}

impl EraReader {
    /// All of them.
    pub const ALL: [EraReader; 2] = [EraReader::Npm, EraReader::Crate];

    /// What it reads from files of eras of `slots` slots, a line each: `block` or `state`, slot,
    /// bytes of the SSZ, its SHA-256. `target` is cargo's target folder. An error is a sentence.
    ///
    /// # Errors
    /// [`ReadError::Unavailable`] if it cannot be installed here, [`ReadError::Failed`] if it
    /// does not like a file.
    pub fn read(
        self,
        target: &Path,
        slots: u64,
        files: &[PathBuf],
    ) -> Result<Vec<String>, ReadError> {
        let mut command = self.program(target).map_err(ReadError::Unavailable)?;
        command.arg(slots.to_string()).args(files);
        run(&mut command)
            .map(|text| text.lines().map(str::to_owned).collect())
            .map_err(ReadError::Failed)
    }

    /// Its command, installed if it is not there yet.
    fn program(self, target: &Path) -> Result<Command, String> {
        let installed = target.join("interop");
        create_folder(&installed)?;
        // Tests may run in several processes.
        let lock = File::create(installed.join("lock")).map_err(|error| error.to_string())?;
        lock.lock().map_err(|error| error.to_string())?;
        match self {
            EraReader::Npm => npm_program(&installed.join("node")),
            EraReader::Crate => crate_program(&installed.join("crate")),
        }
    }
}

/// Why a reader did not read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReadError {
    /// It cannot be run here: a tool or the registry is missing.
    Unavailable(String),
    /// It says that a file is wrong.
    Failed(String),
}

/// Says that a test is skipped; with `FRESNEL_REQUIRE_SHARED=1` it fails instead.
///
/// # Panics
/// If nothing may be missing.
pub fn missing(skipped: &str, why: &str) {
    let required = std::env::var_os("FRESNEL_REQUIRE_SHARED").is_some_and(|value| value == "1");
    assert!(!required, "{skipped}: {why}");
    // What `println!` writes, the test harness shows for failed tests only.
    let _ = writeln!(std::io::stdout(), "skipped: {skipped}: {why}");
}

fn sources(reader: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("readers")
        .join(reader)
}

/// The packages of the lock, in a folder of their own. A lock that was installed before is not
/// installed again.
fn npm_program(folder: &Path) -> Result<Command, String> {
    create_folder(folder)?;
    let lock = fs::read(sources("node").join("package-lock.json"));
    let lock = lock.map_err(|error| error.to_string())?;
    let stamp = folder.join("installed.json");
    for file in ["package.json", "package-lock.json", "read.mjs"] {
        fs::copy(sources("node").join(file), folder.join(file))
            .map_err(|error| format!("{file}: {error}"))?;
    }
    if fs::read(&stamp).ok().as_ref() != Some(&lock) {
        let npm = |args: &[&str]| run(Command::new("npm").current_dir(folder).args(args));
        npm(&["ci", "--ignore-scripts", "--no-audit", "--no-fund"])?;
        // The one native module that the reader uses.
        npm(&["rebuild", "snappy"])?;
        fs::write(&stamp, &lock).map_err(|error| error.to_string())?;
    }
    let mut node = Command::new("node");
    node.arg(folder.join("read.mjs"));
    Ok(node)
}

fn crate_program(target: &Path) -> Result<Command, String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    run(Command::new(cargo)
        .args(["build", "--quiet", "--locked", "--manifest-path"])
        .arg(sources("crate").join("Cargo.toml"))
        .arg("--target-dir")
        .arg(target))?;
    Ok(Command::new(target.join("debug").join("era_reader")))
}

fn create_folder(folder: &Path) -> Result<(), String> {
    fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))
}

/// What a command prints; an error is a sentence with what it complains about.
fn run(command: &mut Command) -> Result<String, String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command
        .output()
        .map_err(|error| format!("{name}: {error}"))?;
    let complaint = String::from_utf8_lossy(&output.stderr);
    match output.status.success() {
        true => String::from_utf8(output.stdout).map_err(|error| format!("{name}: {error}")),
        false => Err(format!("{name}: {}", complaint.trim())),
    }
}
