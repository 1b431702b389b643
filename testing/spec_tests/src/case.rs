//! One case while it runs: its files, of which each must be opened, and its checks.

use crate::Setup;
use crate::archive::{file_name, read_folder};
use crate::tree::{Config, Located};
use crate::value::Value;
use anyhow::{Context, Result, anyhow, bail};
use consensus::{BeaconState, Spec};
use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Most bytes one snappy file of the vectors may unpack to.
const MAX_FILE: usize = 256 << 20;
/// Most failed checks that are spelled out.
const MAX_SHOWN: usize = 5;

/// Gives a handler its files and takes its checks.
///
/// Inputs are read with [`Case::ssz`] and [`Case::yaml`]. Everything a check compares *with* goes
/// through an `expected…` function, which changes it when the run is sabotaged: then every check
/// must fail, or it does not check anything.
pub(crate) struct Case<'a> {
    pub(crate) setup: &'a Setup,
    pub(crate) located: &'a Located,
    folder: PathBuf,
    files: BTreeSet<String>,
    opened: RefCell<BTreeSet<String>>,
    checks: Cell<usize>,
    mismatches: Cell<usize>,
    messages: RefCell<Vec<String>>,
    refusals: RefCell<Vec<&'static str>>,
}

/// How a case ended.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) passed: bool,
    /// The handler could not do its work, as opposed to a check that failed.
    pub(crate) broken: bool,
    pub(crate) messages: Vec<String>,
    /// Names of the errors that invalid input was refused with.
    pub(crate) refusals: Vec<&'static str>,
}

impl<'a> Case<'a> {
    pub(crate) fn open(setup: &'a Setup, located: &'a Located) -> Result<Case<'a>> {
        let mut files = BTreeSet::new();
        let folder = if located.path.is_dir() {
            list_files(&located.path, "", &mut files)?;
            located.path.clone()
        } else {
            files.insert(file_name(&located.path)?);
            located.path.parent().unwrap_or(Path::new(".")).to_owned()
        };
        Ok(Case {
            setup,
            located,
            folder,
            files,
            opened: RefCell::default(),
            checks: Cell::new(0),
            mismatches: Cell::new(0),
            messages: RefCell::default(),
            refusals: RefCell::default(),
        })
    }

    /// The last folder of the case's path.
    pub(crate) fn short_name(&self) -> &str {
        self.located.name.rsplit('/').next().unwrap_or_default()
    }

    /// The folder around the case.
    pub(crate) fn suite(&self) -> &str {
        self.located.name.rsplit('/').nth(1).unwrap_or_default()
    }

    /// Preset and configuration of the case.
    pub(crate) fn spec(&self) -> Result<&'a Arc<Spec>> {
        match self.located.group.config {
            Config::Mainnet => Ok(&self.setup.mainnet),
            Config::Minimal => Ok(&self.setup.minimal),
            Config::General => bail!("cases below `general` have no preset"),
        }
    }

    /// Whether the case has the file.
    pub(crate) fn has(&self, file: &str) -> bool {
        self.files.contains(file)
    }

    /// The names of the files, with the folder they are in.
    pub(crate) fn files(&self) -> &BTreeSet<String> {
        &self.files
    }

    /// The files that have not been opened yet.
    pub(crate) fn unopened(&self) -> Vec<String> {
        let opened = self.opened.borrow();
        self.files.difference(&opened).cloned().collect()
    }

    /// The bytes of a file.
    pub(crate) fn read(&self, file: &str) -> Result<Vec<u8>> {
        if !self.has(file) {
            bail!("file {file} is missing");
        }
        self.opened.borrow_mut().insert(file.to_owned());
        fs::read(self.folder.join(file)).with_context(|| format!("cannot read {file}"))
    }

    /// The SSZ bytes in `<name>.ssz_snappy`.
    pub(crate) fn ssz(&self, name: &str) -> Result<Vec<u8>> {
        let file = format!("{name}.ssz_snappy");
        let packed = self.read(&file)?;
        let length =
            snap::raw::decompress_len(&packed).with_context(|| format!("{file} is damaged"))?;
        if length > MAX_FILE {
            bail!("{file} unpacks to {length} bytes, more than {MAX_FILE}");
        }
        snap::raw::Decoder::new()
            .decompress_vec(&packed)
            .with_context(|| format!("{file} is damaged"))
    }

    /// The state in `<name>.ssz_snappy`.
    pub(crate) fn state(&self, name: &str) -> Result<BeaconState> {
        BeaconState::from_ssz_bytes(&self.ssz(name)?, self.spec()?)
            .map_err(|error| anyhow!("{name} does not decode: {error}"))
    }

    /// The SSZ value in `<name>.ssz_snappy`.
    pub(crate) fn decode<T: ssz::Decode>(&self, name: &str) -> Result<T> {
        T::from_ssz_bytes(&self.ssz(name)?)
            .map_err(|error| anyhow!("{name} does not decode: {error:?}"))
    }

    /// The YAML document in `file`.
    pub(crate) fn yaml(&self, file: &str) -> Result<Value> {
        let text =
            String::from_utf8(self.read(file)?).with_context(|| format!("{file} is not text"))?;
        Value::parse(&text).with_context(|| file.to_owned())
    }

    /// `meta.yaml`, empty if there is none.
    pub(crate) fn meta(&self) -> Result<Value> {
        if self.has("meta.yaml") {
            self.yaml("meta.yaml")
        } else {
            Ok(Value::Map(Vec::new()))
        }
    }

    /// SSZ bytes to compare with.
    pub(crate) fn expected_ssz(&self, name: &str) -> Result<Vec<u8>> {
        self.ssz(name).map(|bytes| self.expected_bytes(bytes))
    }

    /// Bytes to compare with.
    pub(crate) fn expected_bytes(&self, mut bytes: Vec<u8>) -> Vec<u8> {
        if self.setup.sabotage {
            match bytes.last_mut() {
                Some(last) => *last ^= 1,
                None => bytes.push(0),
            }
        }
        bytes
    }

    /// A document to compare with.
    pub(crate) fn expected_yaml(&self, file: &str) -> Result<Value> {
        self.yaml(file).map(|value| self.expected(&value))
    }

    /// A part of a document to compare with.
    pub(crate) fn expected(&self, value: &Value) -> Value {
        if self.setup.sabotage {
            value.flipped()
        } else {
            value.clone()
        }
    }

    /// A truth to compare with.
    pub(crate) fn expected_truth(&self, truth: bool) -> bool {
        truth ^ self.setup.sabotage
    }

    /// Notes whether one expectation holds.
    pub(crate) fn check(&self, holds: bool, message: impl FnOnce() -> String) {
        self.checks.set(self.checks.get() + 1);
        let worth_telling = holds == self.setup.sabotage;
        if !holds {
            self.mismatches.set(self.mismatches.get() + 1);
        }
        let mut messages = self.messages.borrow_mut();
        if worth_telling && messages.len() < MAX_SHOWN {
            messages.push(message());
        }
    }

    /// Checks that two values of a document agree, leaf by leaf.
    pub(crate) fn check_value(&self, what: &str, actual: &Value, expected: &Value) {
        match (actual, expected) {
            (Value::List(ours), Value::List(theirs)) if ours.len() == theirs.len() => {
                for (index, (ours, theirs)) in ours.iter().zip(theirs).enumerate() {
                    self.check_value(&format!("{what}[{index}]"), ours, theirs);
                }
            }
            (Value::Map(ours), Value::Map(theirs)) if ours.len() == theirs.len() => {
                for (key, theirs) in theirs {
                    match actual.get(key) {
                        Some(ours) => self.check_value(&format!("{what}.{key}"), ours, theirs),
                        None => self.check(false, || format!("{what}.{key} is missing")),
                    }
                }
            }
            _ => self.check(actual == expected, || {
                format!("{what} is {}, expected {}", shown(actual), shown(expected))
            }),
        }
    }

    /// Checks that bytes agree.
    pub(crate) fn check_bytes(&self, what: &str, actual: &[u8], expected: &[u8]) {
        self.check(actual == expected, || {
            let at = actual
                .iter()
                .zip(expected)
                .take_while(|(a, b)| a == b)
                .count();
            format!(
                "{what}: {} bytes, expected {}, first difference at byte {at}",
                actual.len(),
                expected.len()
            )
        });
    }

    /// Checks that something succeeds exactly if it should, and remembers the error's name.
    pub(crate) fn check_accepted(&self, what: &str, should: bool, refusal: Option<&'static str>) {
        let expected = self.expected_truth(should);
        if let Some(name) = refusal {
            self.refusals.borrow_mut().push(name);
        }
        self.check(refusal.is_none() == expected, || match refusal {
            Some(name) => format!("{what} is refused with {name}"),
            None => format!("{what} is accepted"),
        });
    }

    /// Remembers why a message was refused, if it was.
    pub(crate) fn note_refusal(&self, reason: Option<&'static str>) {
        self.refusals.borrow_mut().extend(reason);
    }

    /// Ends the case: all checks and all files count.
    pub(crate) fn finish(self, result: Result<()>) -> Outcome {
        let unopened = self.unopened();
        let mut messages = self.messages.into_inner();
        let (checks, mismatches) = (self.checks.get(), self.mismatches.get());
        let mut broken = false;
        if let Err(error) = result {
            broken = true;
            messages.push(format!("{error:#}"));
        }
        if !unopened.is_empty() {
            broken = true;
            messages.push(format!("files that nobody opened: {}", unopened.join(", ")));
        }
        if checks == 0 {
            broken = true;
            messages.push("nothing was checked".into());
        }
        let passed = if self.setup.sabotage {
            !broken && mismatches < checks
        } else {
            !broken && mismatches == 0
        };
        Outcome {
            passed,
            broken,
            messages,
            refusals: self.refusals.into_inner(),
        }
    }
}

fn shown(value: &Value) -> String {
    let mut text = match value {
        Value::Scalar(text) => text.clone(),
        other => format!("{other:?}"),
    };
    if let Some((cut, _)) = text.char_indices().nth(200) {
        text.truncate(cut);
        text.push('…');
    }
    text
}

fn list_files(folder: &Path, prefix: &str, files: &mut BTreeSet<String>) -> Result<()> {
    for path in read_folder(folder)? {
        let name = format!("{prefix}{}", file_name(&path)?);
        if path.is_dir() {
            list_files(&path, &format!("{name}/"), files)?;
        } else {
            files.insert(name);
        }
    }
    Ok(())
}
