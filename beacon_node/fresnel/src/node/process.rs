//! What the system says of this process: read from `/proc`, absent elsewhere.

use std::fs;

/// Ticks of `/proc/self/stat` in a second, on every Linux there is.
const TICKS_PER_SECOND: f64 = 100.0;
/// Bytes of a KiB.
const KIB: u64 = 1024;

/// Processor time used, seconds.
pub(crate) fn cpu_seconds() -> Option<f64> {
    cpu_seconds_of(&fs::read_to_string("/proc/self/stat").ok()?)
}

/// The fields are counted after the program's name, which may hold anything.
fn cpu_seconds_of(stat: &str) -> Option<f64> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_ascii_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some((user + system) as f64 / TICKS_PER_SECOND)
}

/// Memory in RAM, bytes.
pub(crate) fn resident_bytes() -> Option<u64> {
    resident_bytes_of(&fs::read_to_string("/proc/self/status").ok()?)
}

fn resident_bytes_of(status: &str) -> Option<u64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.split_ascii_whitespace().next()?.parse().ok()?;
    kib.checked_mul(KIB)
}

/// Most open files.
pub(crate) fn max_fds() -> Option<u64> {
    max_fds_of(&fs::read_to_string("/proc/self/limits").ok()?)
}

fn max_fds_of(limits: &str) -> Option<u64> {
    let line = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_systems_files_are_read() {
        let stat = "12 (a) b) R 1 2 3 4 5 6 7 8 9 10 250 50 0 0 20";
        assert_eq!(cpu_seconds_of(stat), Some(3.0));
        assert_eq!(cpu_seconds_of("12 (x"), None);
        let status = "Name:\tfresnel\nVmRSS:\t   2048 kB\n";
        assert_eq!(resident_bytes_of(status), Some(2 << 20));
        let limits = "Max open files            1024                 4096                 files\n";
        assert_eq!(max_fds_of(limits), Some(1024));
        assert_eq!(max_fds_of("Max open files  unlimited"), None);
    }
}
