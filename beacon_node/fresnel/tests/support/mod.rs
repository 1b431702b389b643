//! Running the program, and chains to run it on.

#![allow(
    dead_code,
    reason = "each test file is a program of its own and uses a part of this"
)]

pub(crate) mod node;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What a run of the program came to.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Run {
    /// The run, which must have succeeded.
    pub(crate) fn ok(self) -> Run {
        assert_eq!(self.code, 0, "{self:?}");
        self
    }

    /// The one sentence by which the program refused something.
    pub(crate) fn refusal(&self) -> &str {
        assert_eq!(self.code, 1, "{self:?}");
        assert_eq!(self.stdout, "", "{self:?}");
        let mut lines = self
            .stderr
            .lines()
            .filter(|line| !line.starts_with("info: "));
        let sentence = lines.next().and_then(|line| line.strip_prefix("error: "));
        assert_eq!(lines.next(), None, "more than one line: {self:?}");
        sentence.unwrap_or_else(|| panic!("no sentence: {self:?}"))
    }

    /// The rest of the line of the report that starts with `label`.
    pub(crate) fn line(&self, label: &str) -> &str {
        let line = self
            .stdout
            .lines()
            .find_map(|line| line.strip_prefix(label));
        line.unwrap_or_else(|| panic!("no line '{label}': {self:?}"))
            .trim()
    }

    /// All of the report but the time it took.
    pub(crate) fn report(&self) -> String {
        let lines = self
            .stdout
            .lines()
            .filter(|line| !line.starts_with("time "));
        lines.collect::<Vec<_>>().join("\n")
    }
}

/// Runs the program.
pub(crate) fn fresnel<A: AsRef<std::ffi::OsStr>>(args: impl IntoIterator<Item = A>) -> Run {
    let output = Command::new(env!("CARGO_BIN_EXE_fresnel"))
        .args(args)
        .output()
        .expect("the program starts");
    Run {
        code: output.status.code().expect("not ended by a signal"),
        stdout: String::from_utf8(output.stdout).expect("text"),
        stderr: String::from_utf8(output.stderr).expect("text"),
    }
}

/// `fresnel replay` of a folder with `config.yaml` and `genesis.ssz`, and blocks from `blocks`.
pub(crate) fn replay_with(folder: &Path, blocks: &[&Path], options: &[&str]) -> Run {
    let genesis = folder.join("genesis.ssz");
    let mut args: Vec<&str> = vec!["replay", "--network-dir", text(folder)];
    args.extend(["--genesis-state", text(&genesis), "--blocks"]);
    args.extend(blocks.iter().map(|path| text(path)));
    args.extend(options);
    fresnel(args)
}

/// `fresnel replay` of a folder that holds everything.
pub(crate) fn replay(folder: &Path) -> Run {
    replay_with(folder, &[folder], &[])
}

pub(crate) fn text(path: &Path) -> &str {
    path.to_str().expect("a path of text")
}

/// Makes a chain on the minimal preset in a new folder below `parent`.
pub(crate) fn make_chain(parent: &Path, name: &str, options: &[&str]) -> PathBuf {
    let out = parent.join(name);
    let mut args = vec![
        "debug",
        "make-chain",
        "--network",
        "minimal",
        "--out",
        text(&out),
    ];
    args.extend(options);
    fresnel(args).ok();
    out
}

/// The block files of a made chain, by slot.
pub(crate) fn block_files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| text(path.file_name().unwrap().as_ref()).starts_with("block_"));
    files.sort();
    files
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

pub(crate) fn zip(name: &str, bytes: &[u8]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default();
    writer.start_file(name, options).unwrap();
    writer.write_all(bytes).unwrap();
    writer.finish().unwrap().into_inner()
}

/// Blocks, each after its length as four big-endian bytes.
pub(crate) fn length_prefixed(blocks: &[Vec<u8>]) -> Vec<u8> {
    let mut file = Vec::new();
    for block in blocks {
        file.extend((block.len() as u32).to_be_bytes());
        file.extend(block);
    }
    file
}

/// An era file: version, blocks, a slot index of that many bytes.
pub(crate) fn era(blocks: &[Vec<u8>]) -> Vec<u8> {
    let mut file = Vec::new();
    let mut record = |kind: &[u8; 2], payload: &[u8]| {
        file.extend(kind);
        file.extend((payload.len() as u32).to_le_bytes());
        file.extend([0, 0]);
        file.extend(payload);
    };
    record(b"e2", &[]);
    for block in blocks {
        let mut encoder = snap::write::FrameEncoder::new(Vec::new());
        encoder.write_all(block).unwrap();
        record(&[1, 0], &encoder.into_inner().unwrap());
    }
    record(b"i2", &[0; 24]);
    file
}
