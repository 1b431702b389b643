//! Maps show the file, and a read that fails under one names it.

use segment_map::{EXIT_CODE, SegmentMap};
use std::fs::{self, File};
use std::path::Path;
use std::process::Command;

/// Tells the test that it is the process to be ended.
const CHILD: &str = "SEGMENT_MAP_TEST_FILE";

#[test]
fn a_map_shows_the_file_and_outlives_its_name() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("segment");
    let bytes: Vec<u8> = (0..20_000u32).map(|at| at as u8).collect();
    fs::write(&path, &bytes).expect("written");
    let maps: Vec<_> = (0..300)
        .map(|_| SegmentMap::open(&path).expect("mapped"))
        .collect();
    fs::remove_file(&path).expect("removed");
    assert!(maps.iter().all(|map| map.as_ref() == bytes));
    assert!(SegmentMap::open(&path).is_err());

    fs::write(&path, b"").expect("written");
    let empty = SegmentMap::open(&path).expect("mapped");
    assert!(empty.as_ref().is_empty());
}

#[test]
fn a_failing_read_names_the_file_and_marks_it() {
    if let Some(path) = std::env::var_os(CHILD) {
        read_beyond_the_end(Path::new(&path));
    }
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("some.era");
    fs::write(&path, vec![7; 40_000]).expect("written");
    let child = Command::new(std::env::current_exe().expect("this test"))
        .args([
            "--exact",
            "a_failing_read_names_the_file_and_marks_it",
            "--nocapture",
        ])
        .env(CHILD, &path)
        .output()
        .expect("it runs");
    assert_eq!(child.status.code(), Some(EXIT_CODE), "{child:?}");
    let said = String::from_utf8_lossy(&child.stderr);
    assert!(said.contains(&*path.to_string_lossy()), "{said}");
    assert!(said.contains("fresnel db verify"), "{said}");
    assert!(folder.path().join("some.era.suspect").is_file());
}

fn read_beyond_the_end(path: &Path) -> ! {
    let other = SegmentMap::open(path).expect("mapped");
    let map = SegmentMap::open(path).expect("mapped");
    drop(other);
    let file = File::options().write(true).open(path).expect("opened");
    file.set_len(100).expect("cut");
    let sum: u64 = map.as_ref().iter().map(|byte| u64::from(*byte)).sum();
    panic!("the bytes beyond the end were read: {sum}");
}
