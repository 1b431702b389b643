//! The program `fresnel` as a user runs it.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The program, built from this repository.
#[derive(Clone, Debug)]
pub struct Fresnel {
    program: PathBuf,
}

impl Fresnel {
    /// Builds it in cargo's target folder, in the profile that this crate was built with.
    ///
    /// # Panics
    /// If it does not compile.
    pub fn built(target: &Path) -> Fresnel {
        let (profile, folder) = match cfg!(debug_assertions) {
            true => ("dev", "debug"),
            false => ("release", "release"),
        };
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut build = Command::new(cargo);
        build
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .args(["build", "--quiet", "--package", "fresnel", "--profile"])
            .args([profile, "--target-dir"])
            .arg(target);
        output(&mut build);
        Fresnel {
            program: target.join(folder).join("fresnel"),
        }
    }

    /// Runs it; what it printed.
    ///
    /// # Panics
    /// If it fails, with what it said.
    pub fn run<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> String {
        output(Command::new(&self.program).args(args))
    }
}

fn output(command: &mut Command) -> String {
    let output = command.output();
    let output = output.unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(
        output.status.success(),
        "{command:?}: {}\n{}{}",
        output.status,
        text(&output.stdout),
        text(&output.stderr)
    );
    text(&output.stdout)
}
