//! Progress of long work: a bar on a terminal, plain lines elsewhere.

use indicatif::{ProgressBar, ProgressStyle};
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::fmt::Write;
use std::io::IsTerminal;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Rates and the time left are those of the last half minute: a chain's cost changes as it goes on.
const WINDOW: Duration = Duration::from_secs(30);
/// Time between two plain lines.
const LINE_INTERVAL: Duration = Duration::from_secs(5);
/// Time between two redraws, and two samples.
const SAMPLE_INTERVAL: Duration = Duration::from_millis(200);

/// The bar that is on the screen.
static BAR: Mutex<Option<ProgressBar>> = Mutex::new(None);

/// Writes something to the terminal with the bar, if there is one, out of its way.
pub(crate) fn beside_bar<T>(write: impl FnOnce() -> T) -> T {
    let bar = BAR.lock().clone();
    match bar {
        Some(bar) => bar.suspend(write),
        None => write(),
    }
}

/// What the part done is measured by.
pub(crate) enum Goal {
    /// Bytes of input, and a count of those read.
    Bytes { total: u64, read: Arc<AtomicU64> },
    /// The slot to reach.
    Slot(u64),
}

/// Where plain lines go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lines {
    /// To standard error.
    Plain,
    /// To the log.
    Logged,
}

/// How far the work was at some time.
#[derive(Clone, Copy)]
struct Sample {
    at: Instant,
    slot: u64,
    blocks: u64,
    done: f64,
}

/// Progress over slots and blocks.
pub(crate) struct Progress {
    goal: Goal,
    lines: Lines,
    bar: Option<ProgressBar>,
    samples: VecDeque<Sample>,
    last_line: Instant,
}

impl Progress {
    /// Starts the clock; plain lines go to standard error.
    pub(crate) fn new(goal: Goal) -> Progress {
        Progress::with_lines(goal, Lines::Plain)
    }

    /// Starts the clock.
    pub(crate) fn with_lines(goal: Goal, lines: Lines) -> Progress {
        let bar = std::io::stderr().is_terminal().then(|| {
            let style = ProgressStyle::with_template("{bar:30} {percent:>3}%  {msg}");
            ProgressBar::new(1).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
        });
        (*BAR.lock()).clone_from(&bar);
        let now = Instant::now();
        Progress {
            goal,
            lines,
            bar,
            samples: VecDeque::from([Sample {
                at: now,
                slot: 0,
                blocks: 0,
                done: 0.0,
            }]),
            last_line: now,
        }
    }

    /// Takes note of where the work is.
    pub(crate) fn update(&mut self, slot: u64, blocks: u64) {
        let now = Instant::now();
        let last = self.samples.back().map_or(now, |sample| sample.at);
        if now - last < SAMPLE_INTERVAL {
            return;
        }
        let (part, whole) = match &self.goal {
            Goal::Bytes { total, read } => (read.load(Ordering::Relaxed), *total),
            Goal::Slot(goal) => (slot, *goal),
        };
        let whole = whole.max(1);
        let part = part.min(whole);
        let done = part as f64 / whole as f64;
        self.samples.push_back(Sample {
            at: now,
            slot,
            blocks,
            done,
        });
        while self.samples.len() > 2 && now - self.samples[1].at > WINDOW {
            self.samples.pop_front();
        }
        let text = describe(self.samples[0], self.samples[self.samples.len() - 1]);
        if let Some(bar) = &self.bar {
            bar.set_length(whole);
            bar.set_position(part);
            bar.set_message(text);
        } else if now - self.last_line >= LINE_INTERVAL {
            self.last_line = now;
            match self.lines {
                Lines::Plain => eprintln!("{:>3.0}%  {text}", done * 100.0),
                Lines::Logged => tracing::info!("{:.0}%, {text}", done * 100.0),
            }
        }
    }

    /// Removes the bar.
    pub(crate) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
            *BAR.lock() = None;
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.finish();
    }
}

fn describe(from: Sample, to: Sample) -> String {
    let seconds = (to.at - from.at).as_secs_f64().max(1e-9);
    let rate = |from: u64, to: u64| to.saturating_sub(from) as f64 / seconds;
    let mut text = format!(
        "slot {}  {:.1} slots/s  {:.1} blocks/s",
        to.slot,
        rate(from.slot, to.slot),
        rate(from.blocks, to.blocks),
    );
    let gained = to.done - from.done;
    if gained > 0.0 && seconds >= 1.0 {
        let left = (1.0 - to.done) / gained * seconds;
        let left = Duration::try_from_secs_f64(left).unwrap_or(Duration::MAX);
        // Writing to a string does not fail.
        let _ = write!(text, "  about {} left", duration(left));
    }
    text
}

/// A time in words, in two units at most, rounded up to seconds.
pub(crate) fn duration(time: Duration) -> String {
    let seconds = time
        .as_secs()
        .saturating_add(u64::from(time.subsec_nanos() > 0));
    match seconds {
        0..=59 => format!("{seconds} s"),
        60..=3599 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_and_time_left_come_from_the_window() {
        let at = Instant::now();
        let from = Sample {
            at,
            slot: 100,
            blocks: 90,
            done: 0.25,
        };
        let to = Sample {
            at: at + Duration::from_secs(10),
            slot: 600,
            blocks: 490,
            done: 0.5,
        };
        let text = describe(from, to);
        assert_eq!(
            text,
            "slot 600  50.0 slots/s  40.0 blocks/s  about 20 s left"
        );
        assert!(!describe(from, Sample { done: 0.25, ..to }).contains("left"));
    }

    #[test]
    fn durations_have_two_units() {
        let of = |milliseconds| duration(Duration::from_millis(milliseconds));
        assert_eq!(of(58_001), "59 s");
        assert_eq!(of(61_000), "1 min 1 s");
        assert_eq!(of(7_260_000), "2 h 1 min");
    }
}
