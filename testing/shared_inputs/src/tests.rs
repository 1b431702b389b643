//! Finding and unpacking, on files made here.

use super::*;

/// A new file of this name, in a folder that lives as long as the value.
fn file(name: &str, content: &[u8]) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    fs::write(&path, content).unwrap();
    (folder, path)
}

fn tar_of(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::Directory);
    header.set_size(0);
    tar.append_data(&mut header, "chain", &[][..]).unwrap();
    for (path, content) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        tar.append_data(&mut header, path, *content).unwrap();
    }
    tar.into_inner().unwrap()
}

#[test]
fn what_is_there_is_found() {
    let (folder, path) = file("a", b"");
    assert_eq!(existing(path.clone(), true), Ok(path));
    let folder = folder.path().to_path_buf();
    assert_eq!(existing(folder.clone(), false), Ok(folder));
}

#[test]
fn what_is_missing_is_named() {
    let (folder, _) = file("a", b"");
    let missing = existing(folder.path().join("b"), false).unwrap_err();
    assert!(missing.contains("name their folder in FRESNEL_SHARED"));
}

#[test]
#[should_panic(expected = "is missing: put the shared inputs beside the repository")]
fn what_is_missing_and_required_is_a_failure() {
    let (folder, _) = file("a", b"");
    let _ = existing(folder.path().join("b"), true);
}

#[test]
fn files_of_all_depths_are_listed_in_order() {
    let (folder, _) = file("a", b"");
    let deep = folder.path().join("A/deep");
    fs::create_dir_all(&deep).unwrap();
    fs::write(deep.join("b"), b"").unwrap();
    let expected = ["chains/A/deep/b", "chains/a"].map(PathBuf::from);
    assert_eq!(files_below(folder.path(), Path::new("chains")), expected);
}

#[test]
fn gzip_and_zip_are_unpacked() {
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gz.write_all(b"content").unwrap();
    let (_folder, path) = file("a.gz", &gz.finish().unwrap());
    assert_eq!(gunzip(&path), b"content");

    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default();
    for content in [&b"first"[..], b"second"] {
        let name = format!("{}.ssz", content.len());
        zip.start_file(name, options).unwrap();
        zip.write_all(content).unwrap();
    }
    let (_folder, path) = file("a.zip", zip.finish().unwrap().get_ref());
    assert_eq!(unzip(&path), b"first");
}

#[test]
fn both_kinds_of_archives_give_the_wanted_files() {
    let tar = tar_of(&[("chain/a.ssz", b"1"), ("chain/b", b"2"), ("c.ssz", b"33")]);
    let mut xz = Vec::new();
    lzma_rs::xz_compress(&mut tar.as_slice(), &mut xz).unwrap();
    let zst = zstd::encode_all(tar.as_slice(), 1).unwrap();
    for (name, packed) in [("a.tar.xz", xz), ("a.tar.zst", zst)] {
        let (folder, path) = file(name, &packed);
        let wanted = |name: &str| Path::new(name).extension().is_some_and(|it| it == "ssz");
        let expected = [
            ("chain/a.ssz".to_owned(), b"1".to_vec()),
            ("c.ssz".to_owned(), b"33".to_vec()),
        ];
        assert_eq!(archived_files(&path, wanted), expected, "{name}");
        assert_eq!(archived_files(&path, |_| true).len(), 3, "{name}");
        open_archive(&path).unpack(folder.path()).unwrap();
        assert_eq!(fs::read(folder.path().join("chain/b")).unwrap(), b"2");
    }
}

#[test]
#[should_panic(expected = "a.tar.zst: ")]
fn a_damaged_archive_is_named() {
    let (_folder, path) = file("a.tar.zst", b"no archive");
    archived_files(&path, |_| true);
}
