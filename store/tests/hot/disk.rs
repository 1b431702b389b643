//! The real disk: who holds it, and who may read it.

use std::os::unix::fs::PermissionsExt;
use store::{Disk, OpenMode, RealDisk, StoreError};

#[test]
fn a_second_holder_is_told_of_the_first() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a/b");
    let first = RealDisk::open(&path, "the first program").unwrap();
    match RealDisk::open(&path, "another") {
        Err(error @ StoreError::Locked { .. }) => {
            let text = error.to_string();
            let holder = format!("process {} (the first program)", std::process::id());
            assert!(text.contains(&holder), "{text}");
        }
        other => panic!("{:?}", other.map(|_| ())),
    }
    drop(first);
    RealDisk::open(&path, "another").unwrap();
}

#[test]
fn only_the_owner_reads() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("data");
    let disk = RealDisk::open(&path, "test").unwrap();
    disk.create_folder("hot").unwrap();
    disk.open("hot/0", OpenMode::WriteOrCreate).unwrap();
    let mode = |name: &str| {
        let metadata = std::fs::metadata(path.join(name)).unwrap();
        metadata.permissions().mode() & 0o777
    };
    assert_eq!([mode(""), mode("hot")], [0o700; 2]);
    assert_eq!([mode("lock"), mode("hot/0")], [0o600; 2]);
}

#[test]
fn files_are_what_the_trait_says() {
    let folder = tempfile::tempdir().unwrap();
    let disk = RealDisk::open(folder.path(), "test").unwrap();
    let kind = |error: std::io::Error| error.kind();
    let missing = disk.open("x", OpenMode::Write).map(drop).map_err(kind);
    assert_eq!(missing, Err(std::io::ErrorKind::NotFound));
    assert_eq!(disk.list("nowhere").unwrap(), Vec::<String>::new());
    let file = disk.open("x", OpenMode::WriteOrCreate).unwrap();
    file.write_at(3, b"abc").unwrap();
    assert_eq!(file.len().unwrap(), 6);
    let mut bytes = [1; 6];
    file.read_at(0, &mut bytes).unwrap();
    assert_eq!(&bytes, b"\0\0\0abc");
    let beyond = file.read_at(1, &mut bytes).map_err(kind);
    assert_eq!(beyond, Err(std::io::ErrorKind::UnexpectedEof));
    file.set_len(4).unwrap();
    file.sync().unwrap();
    disk.rename("x", "y").unwrap();
    disk.sync_folder("").unwrap();
    let map = disk.map("y").unwrap().unwrap();
    assert_eq!(map.as_ref(), b"\0\0\0a");
    let read_only = disk.open("y", OpenMode::Read).unwrap();
    assert!(read_only.write_at(0, b"z").is_err());
    disk.remove("y").unwrap();
    assert!(!disk.list("").unwrap().contains(&"y".to_owned()));
}
