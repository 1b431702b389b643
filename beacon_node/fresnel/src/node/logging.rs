//! The log: lines on standard error, beside a progress bar if there is one.

use crate::cli::LogFormat;
use crate::progress;
use anyhow::{Context, anyhow};
use std::io::{self, IsTerminal, Write};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::{EnvFilter, fmt};

/// The parts of the program whose log a bare level stands for; the rest only warns.
const OWN: [&str; 4] = ["fresnel", "http_api", "store", "chain"];

/// Starts the log of the process.
///
/// # Errors
/// If the level is neither a level nor a filter.
pub(crate) fn start(format: LogFormat, level: &str) -> anyhow::Result<()> {
    let filter = filter(level)?;
    let builder = fmt()
        .with_env_filter(filter)
        .with_writer(BesideBar)
        .with_ansi(io::stderr().is_terminal())
        .with_target(false);
    let started = match format {
        LogFormat::Pretty => builder.try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
    started.map_err(|error| anyhow!("the log cannot be started: {error}"))
}

fn filter(level: &str) -> anyhow::Result<EnvFilter> {
    let directives = match level.parse::<LevelFilter>() {
        Ok(level) => OWN
            .iter()
            .fold(LevelFilter::WARN.min(level).to_string(), |text, part| {
                format!("{text},{part}={level}")
            }),
        Err(_) => level.to_owned(),
    };
    EnvFilter::try_new(&directives).with_context(|| {
        format!("--log-level {level}: give error, warn, info, debug, trace, or a filter as in chain=debug,info")
    })
}

/// Writes whole lines to standard error, with the progress bar out of the way.
struct BesideBar;

impl<'a> MakeWriter<'a> for BesideBar {
    type Writer = Line;

    fn make_writer(&'a self) -> Line {
        Line
    }
}

struct Line;

impl Write for Line {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        progress::beside_bar(|| io::stderr().lock().write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().lock().flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_is_that_of_our_own_parts() {
        let text = filter("debug").unwrap().to_string();
        for part in ["warn", "fresnel=debug", "chain=debug"] {
            assert!(text.contains(part), "{text}");
        }
        assert!(!filter("error").unwrap().to_string().contains("warn"));
        assert!(filter("store=trace,info").is_ok());
        let refusal = filter("store=loud").unwrap_err().to_string();
        assert!(
            refusal.starts_with("--log-level store=loud: give"),
            "{refusal}"
        );
    }
}
