//! Rows about the program as a user runs it: a whole import beside `replay`, and the memory at the
//! head. They start `fresnel`, which must have been built in the same profile.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::measure::{Sample, resident_mib_of};
use crate::report::Report;

/// Longest time until a node is at the head.
const PATIENCE: Duration = Duration::from_mins(10);
/// Time between two looks at a node.
const LOOK: Duration = Duration::from_millis(20);

/// A recorded chain: a folder with `config.yaml`, one file with `genesis-state` and one with `blocks`
/// in its name.
#[derive(Clone, Debug)]
pub struct RecordedChain {
    folder: PathBuf,
    genesis: PathBuf,
    blocks: PathBuf,
}

impl RecordedChain {
    /// Looks for the files.
    pub fn open(folder: &Path) -> Result<RecordedChain> {
        let find = |part: &str| -> Result<PathBuf> {
            for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
                let path = entry?.path();
                let name = path.file_name().unwrap_or_default().to_string_lossy();
                if path.is_file() && name.contains(part) {
                    return Ok(path);
                }
            }
            bail!("{}: no file with {part} in its name", folder.display())
        };
        Ok(RecordedChain {
            genesis: find("genesis-state")?,
            blocks: find(".blocks")?,
            folder: folder.to_owned(),
        })
    }
}

/// Measures all rows.
pub fn run(chain: &RecordedChain, program: &Path, runs: usize, report: &Report) -> Result<()> {
    ensure!(
        program.is_file(),
        "{} is missing: cargo build --release -p fresnel",
        program.display()
    );
    let scratch = tempfile::tempdir()?;
    let mut head = 0;
    let [mut replays, mut imports] = [Vec::new(), Vec::new()];
    for run in 0..runs {
        // One after the other, so that both see the same machine.
        replays.push(timed(&mut replay(chain, program))?);
        let datadir = scratch.path().join(run.to_string());
        let mut import = node(chain, program, &datadir);
        imports.push(timed(import.args([
            "--exit-after-import",
            "--no-http",
            "--no-metrics",
        ]))?);
    }
    let datadir = scratch.path().join("served");
    let imported = resident_at_head(node(chain, program, &datadir), &mut head)?;
    let restarted = resident_at_head(bare_node(chain, program, &datadir), &mut head)?;
    let count = head as usize;
    let rate = |samples: &[Sample]| Sample::medians(samples).map(|ms| head as f64 / ms * 1e3);
    let (replay, import) = (rate(&replays), rate(&imports));
    let ratio = Sample::quantity(import.wall / replay.wall);
    report.plain("chain_replay_blocks_per_s", count, &replay, "whole process");
    report.plain("chain_import_blocks_per_s", count, &import, "whole process");
    report.plain("chain_import_by_replay", count, &ratio, "");
    report.plain("rss_after_import_mib", count, &imported.resident, "");
    report.plain("rss_after_restart_mib", count, &restarted.resident, "");
    report.plain(
        "restart_ms",
        count,
        &restarted.time,
        "until REST has the head",
    );
    Ok(())
}

fn replay(chain: &RecordedChain, program: &Path) -> Command {
    let mut command = Command::new(program);
    command.arg("replay").arg("--network-dir");
    command.arg(&chain.folder).arg("--genesis-state");
    command.arg(&chain.genesis).arg("--blocks");
    command.arg(&chain.blocks);
    command
}

fn bare_node(chain: &RecordedChain, program: &Path, datadir: &Path) -> Command {
    let mut command = Command::new(program);
    command.arg("node").arg("--network-dir").arg(&chain.folder);
    command.arg("--datadir").arg(datadir);
    command
}

/// A node that imports the chain.
fn node(chain: &RecordedChain, program: &Path, datadir: &Path) -> Command {
    let mut command = bare_node(chain, program, datadir);
    command.arg("--genesis-state").arg(&chain.genesis);
    command.arg("--import").arg(&chain.blocks);
    command
}

/// Milliseconds of a process from its start to its end.
fn timed(command: &mut Command) -> Result<Sample> {
    let start = Instant::now();
    let output = command.output()?;
    let wall = start.elapsed();
    let complaint = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{command:?}: {complaint}");
    Ok(Sample::quantity(wall.as_secs_f64() * 1e3))
}

/// A node at its head.
struct AtHead {
    /// MiB.
    resident: Sample,
    /// Milliseconds from the start of the process.
    time: Sample,
}

/// Stops the node at the end.
struct Stopped(Child);

impl Drop for Stopped {
    fn drop(&mut self) {
        // It may have stopped by itself; there is nothing else to be done about it.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Runs a node until its head stays the same: that of the last time, if there is one in `head`.
fn resident_at_head(mut command: Command, head: &mut u64) -> Result<AtHead> {
    let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    command.args(["--no-metrics", "--http-port", &port.to_string()]);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let start = Instant::now();
    let mut node = Stopped(command.spawn()?);
    let mut seen = (0, start);
    loop {
        ensure!(start.elapsed() < PATIENCE, "no head after ten minutes");
        if let Some(status) = node.0.try_wait()? {
            bail!("{command:?}: {status}");
        }
        let slot = head_slot(port).unwrap_or(0);
        if slot != seen.0 {
            seen = (slot, Instant::now());
        }
        let is_head = match *head {
            // Nothing imports for so long at a time.
            0 => slot > 0 && seen.1.elapsed() > Duration::from_secs(5),
            known => slot == known,
        };
        if is_head {
            *head = slot;
            return Ok(AtHead {
                resident: Sample::quantity(resident_mib_of(node.0.id())?),
                time: Sample::quantity((seen.1 - start).as_secs_f64() * 1e3),
            });
        }
        sleep(LOOK);
    }
}

/// Slot of the node's head; an error while it does not serve.
fn head_slot(port: u16) -> Result<u64> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    stream.write_all(
        b"GET /eth/v1/beacon/headers/head HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let body = answer.find('{').context("no JSON")?;
    let end = answer.rfind('}').context("no JSON")?;
    let json: Value = serde_json::from_str(&answer[body..=end])?;
    let slot = json["data"]["header"]["message"]["slot"].as_str();
    Ok(slot.context("no slot")?.parse()?)
}
