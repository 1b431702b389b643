//! Wall-clock and CPU time of a piece of work, and the memory of this process.

use std::fs;
use std::hint::black_box;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

/// What one row measured: medians, in the unit of the row.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// By the wall clock: milliseconds, unless the row's name says otherwise.
    pub wall: f64,
    /// The same by CPU time, all threads added up.
    pub cpu: f64,
    /// How many runs the medians are of.
    pub runs: usize,
}

impl Sample {
    /// A quantity that is no time.
    pub fn quantity(value: f64) -> Sample {
        Sample {
            wall: value,
            cpu: value,
            runs: 1,
        }
    }

    /// The medians of several samples.
    pub fn medians(samples: &[Sample]) -> Sample {
        Sample {
            wall: median(samples.iter().map(|sample| sample.wall).collect()),
            cpu: median(samples.iter().map(|sample| sample.cpu).collect()),
            runs: samples.iter().map(|sample| sample.runs).sum(),
        }
    }

    /// The same run in another unit.
    #[must_use]
    pub fn map(self, convert: impl Fn(f64) -> f64) -> Sample {
        Sample {
            wall: convert(self.wall),
            cpu: convert(self.cpu),
            runs: self.runs,
        }
    }
}

/// Milliseconds of `work`, once to warm up and then `runs` times. What `setup` does before each
/// run and dropping what `work` returns are not counted.
pub fn measure<S, T>(
    runs: usize,
    mut setup: impl FnMut() -> Result<S>,
    mut work: impl FnMut(S) -> Result<T>,
) -> Result<Sample> {
    let mut samples = Vec::with_capacity(runs);
    for run in 0..=runs {
        let input = black_box(setup()?);
        let (sample, output) = once(|| work(input))?;
        drop(output);
        if run > 0 {
            samples.push(sample);
        }
    }
    Ok(Sample::medians(&samples))
}

/// Milliseconds of `work`, the one time it is done, and what it returned.
pub fn once<T>(work: impl FnOnce() -> Result<T>) -> Result<(Sample, T)> {
    let cpu_before = cpu_time()?;
    let start = Instant::now();
    let output = black_box(work()?);
    let wall = start.elapsed();
    let cpu = cpu_time()?.saturating_sub(cpu_before);
    let sample = Sample {
        wall: wall.as_secs_f64() * 1e3,
        cpu: cpu.as_secs_f64() * 1e3,
        runs: 1,
    };
    Ok((sample, output))
}

/// Milliseconds of one call of `work`, which is too short to be measured alone.
pub fn measure_short(runs: usize, mut work: impl FnMut()) -> Result<Sample> {
    let mut calls: u32 = 1;
    loop {
        let start = Instant::now();
        (0..calls).for_each(|_| work());
        if start.elapsed() > Duration::from_millis(20) {
            break;
        }
        calls *= 2;
    }
    let all = measure(
        runs,
        || Ok(()),
        |()| {
            (0..calls).for_each(|_| work());
            Ok(())
        },
    )?;
    Ok(all.map(|time| time / f64::from(calls)))
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => f64::NAN,
        len if len % 2 == 1 => values[len / 2],
        len => f64::midpoint(values[len / 2 - 1], values[len / 2]),
    }
}

/// Time on a CPU of all threads of this process.
fn cpu_time() -> Result<Duration> {
    // The kernel brings a running thread's account up to date when the thread is rescheduled.
    std::thread::yield_now();
    let mut total = Duration::ZERO;
    for task in fs::read_dir("/proc/self/task").context("CPU time needs Linux's /proc")? {
        let text = fs::read_to_string(task?.path().join("schedstat"))?;
        let nanoseconds = text.split_whitespace().next();
        let nanoseconds = nanoseconds.context("/proc/self/task/*/schedstat is empty")?;
        total += Duration::from_nanos(nanoseconds.parse()?);
    }
    Ok(total)
}

/// Resident set of this process, MiB.
pub fn resident_mib() -> Result<f64> {
    resident_mib_of(std::process::id())
}

/// Resident set of a process, MiB.
pub fn resident_mib_of(process: u32) -> Result<f64> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib: f64 = line
        .and_then(|line| line.split_whitespace().next())
        .context("the status of the process has no VmRSS")?
        .parse()?;
    Ok(kib / 1024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians() {
        assert!((median(vec![3.0, 1.0, 2.0]) - 2.0).abs() < 1e-9);
        assert!((median(vec![4.0, 1.0, 2.0, 3.0]) - 2.5).abs() < 1e-9);
    }

    #[test]
    fn setup_runs_before_every_run_and_the_warm_up() {
        let (mut setups, mut works) = (0, 0);
        let sample = measure(
            5,
            || {
                setups += 1;
                Ok(setups)
            },
            |setup| {
                works += 1;
                assert_eq!(setup, works);
                Ok(())
            },
        );
        assert_eq!(sample.unwrap().runs, 5);
        assert_eq!(works, 6);
    }

    #[test]
    fn this_process_has_used_cpu_and_memory() {
        (0..10_000_000).for_each(|i| {
            black_box(i);
        });
        assert!(cpu_time().unwrap() > Duration::ZERO);
        assert!(resident_mib().unwrap() > 0.0);
    }
}
