//! `fresnel db info` and `fresnel db verify`

use crate::cli::DataFolder;
use crate::datadir::DataDir;
use anyhow::bail;
use indicatif::{ProgressBar, ProgressStyle};
use std::io::IsTerminal;
use store::{Progress, Reader, Retention, Settings, StoreInfo};

/// Nothing is removed while a folder is looked at.
const SETTINGS: Settings = Settings {
    retention: Retention::Archive,
    max_finalized_bytes: None,
};

/// Bytes of a MiB.
const MIB: f64 = 1_048_576.0;

/// Shows what a data folder holds.
pub(crate) fn info(args: &DataFolder) -> anyhow::Result<()> {
    let reader = open(args)?;
    print(&reader.info()?);
    Ok(())
}

/// Reads everything in a data folder, and fails if anything is damaged.
pub(crate) fn verify(args: &DataFolder) -> anyhow::Result<()> {
    let reader = open(args)?;
    let mut display = Display::new();
    let damage = reader.verify(|progress| display.update(progress));
    display.finish();
    let info = reader.info()?;
    if damage.is_empty() {
        println!(
            "all is well: {} hot blocks, finalized history up to slot {}, {} stored states, {} eras",
            info.hot_blocks,
            info.moved_slot,
            info.states.len(),
            info.eras.len()
        );
        return Ok(());
    }
    for error in &damage {
        println!("{error}");
    }
    bail!(
        "{}: {} places are damaged; keep a copy of the folder, then import the blocks again into a new one",
        args.datadir.display(),
        damage.len()
    )
}

fn open(args: &DataFolder) -> anyhow::Result<Reader> {
    let (datadir, network) = DataDir::take(&args.datadir)?;
    match datadir.open(&network, &SETTINGS)? {
        Some(opened) => Ok(opened.reader),
        None => bail!(
            "{}: the data folder is empty; start a node on it first",
            args.datadir.display()
        ),
    }
}

fn print(info: &StoreInfo) {
    let (anchor, split) = (info.anchor, info.split);
    println!("network     {} (schema {})", info.network, info.schema);
    println!("validators  {} at genesis", info.genesis_validators_root);
    println!("anchor      slot {}  {}", anchor.slot, anchor.root);
    println!(
        "history     blocks from slot {}, states from slot {}",
        anchor.oldest_block_slot, anchor.oldest_state_slot
    );
    println!(
        "finalized   epoch {}, slot {}  {}",
        split.checkpoint.epoch, split.slot, split.checkpoint.root
    );
    println!("moved       up to slot {}", info.moved_slot);
    println!(
        "hot         {} blocks in {} files, last batch {}",
        info.hot_blocks, info.hot_files, info.last_seq
    );
    println!("eras        {}", ranges(&info.eras));
    let slots = info.states.iter().map(|(slot, _)| slot.to_string());
    println!(
        "states      at slots {}",
        slots.collect::<Vec<_>>().join(", ")
    );
    let bytes = [
        ("finalized", info.finalized_bytes),
        ("hot", info.hot_bytes),
        ("states", info.state_bytes),
        ("index", info.index_bytes),
    ];
    let sizes = bytes.map(|(name, bytes)| format!("{name} {:.1} MiB", bytes as f64 / MIB));
    println!("size        {}", sizes.join(", "));
}

/// Ascending numbers as ranges.
fn ranges(numbers: &[u64]) -> String {
    let runs: Vec<_> = numbers
        .chunk_by(|a, b| a + 1 == *b)
        .filter_map(|run| match (run.first()?, run.last()?) {
            (first, last) if first == last => Some(first.to_string()),
            (first, last) => Some(format!("{first} to {last}")),
        })
        .collect();
    match runs.is_empty() {
        true => "none".into(),
        false => runs.join(", "),
    }
}

/// Shows how far the verification is: a bar on a terminal, a line for each part elsewhere.
struct Display {
    bar: Option<ProgressBar>,
    part: &'static str,
}

impl Display {
    fn new() -> Display {
        let bar = std::io::stderr().is_terminal().then(|| {
            let style = ProgressStyle::with_template(
                "{bar:30} {percent:>3}%  {msg}  {per_sec}  about {eta} left",
            );
            ProgressBar::new(1).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
        });
        Display { bar, part: "" }
    }

    fn update(&mut self, progress: Progress) {
        let begins = self.part != progress.part;
        self.part = progress.part;
        match &self.bar {
            Some(bar) => {
                if begins {
                    bar.reset();
                    bar.set_message(progress.part);
                }
                bar.set_length(progress.total);
                bar.set_position(progress.done);
            }
            None if begins => eprintln!("reading {}: {}", progress.part, progress.total),
            None => {}
        }
    }

    fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_shown_as_ranges() {
        assert_eq!(ranges(&[]), "none");
        assert_eq!(ranges(&[7]), "7");
        assert_eq!(ranges(&[0, 1, 2, 5, 7, 8]), "0 to 2, 5, 7 to 8");
    }
}
