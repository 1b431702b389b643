//! The runner itself: what it says about trees that are not as they should be.
#![forbid(unsafe_code)]

use spec_tests::{Options, Summary, run};
use std::fs;
use std::path::Path;

/// A signing case of the published vectors: key 0x263d…, message of zeros.
const SIGN: &str = "input: {privkey: '0x263dbd792f5b1be47ed85f8938c0f29586af0d3ac7b977f21c278fe1462040e3', message: '0x0000000000000000000000000000000000000000000000000000000000000000'}\noutput: '0xb6ed936746e01f8ecf281f020953fbf1f01debd5657c4a383940b020b26507f6076334f91e2366c96e9ab279fb5158090352ea1c5b0c9274504f4f0e7053af24802e51e4568d164fe986834f41e55c8e850ce1f98458c0cfc9ab380b55285a55'\n";
const CASE: &str = "tests/general/phase0/bls/sign/bls/one";

fn write(root: &Path, path: &str, content: &str) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().expect("has a folder")).expect("made");
    fs::write(path, content).expect("written");
}

fn run_with(root: &Path, change: impl FnOnce(&mut Options)) -> (Summary, String) {
    let mut options = Options::new(root);
    options.cache = root.join("cache");
    change(&mut options);
    let mut out = Vec::new();
    let summary = run(&options, &mut out);
    (summary, String::from_utf8(out).expect("text"))
}

fn tree() -> tempfile::TempDir {
    let root = tempfile::tempdir().expect("temporary folder");
    write(root.path(), &format!("{CASE}/data.yaml"), SIGN);
    root
}

#[test]
fn a_good_case_passes_and_fails_under_sabotage() {
    let root = tree();
    let (summary, out) = run_with(root.path(), |_| {});
    assert!(summary.success(), "{out}");
    assert!(out.ends_with("\n1 passed, 0 failed\n"), "{out}");
    assert!(
        out.contains("general/bls/sign: 1 passed, 0 failed"),
        "{out}"
    );
    let (summary, out) = run_with(root.path(), |options| options.sabotage = true);
    assert!(!summary.success());
    assert!(
        summary.unnoticed.is_empty() && summary.broken.is_empty(),
        "{out}"
    );
    assert!(out.ends_with("\n0 passed, 1 failed\n"), "{out}");
}

#[test]
fn a_file_that_nobody_opens_fails_the_case() {
    let root = tree();
    write(root.path(), &format!("{CASE}/zz_more.yaml"), "surprise");
    let (summary, out) = run_with(root.path(), |_| {});
    assert_eq!(summary.failed(), 1);
    assert!(
        out.contains("files that nobody opened: zz_more.yaml"),
        "{out}"
    );
}

#[test]
fn unknown_runners_handlers_and_configs_fail() {
    let root = tree();
    write(
        root.path(),
        "tests/general/phase0/bls/knit/bls/one/data.yaml",
        SIGN,
    );
    write(
        root.path(),
        "tests/minimal/phase0/knitting/core/s/one/data.yaml",
        SIGN,
    );
    write(
        root.path(),
        "tests/lunar/phase0/bls/sign/bls/one/data.yaml",
        SIGN,
    );
    let (summary, out) = run_with(root.path(), |_| {});
    assert_eq!((summary.passed, summary.failed()), (1, 3), "{out}");
    assert!(
        out.contains("no function for runner `knitting`, handler `core`"),
        "{out}"
    );
    assert!(
        out.contains("tests/lunar is no part of the official layout"),
        "{out}"
    );
}

#[test]
fn other_forks_are_listed_and_no_failure() {
    let root = tree();
    write(
        root.path(),
        "tests/minimal/altair/knitting/core/s/one/data.yaml",
        SIGN,
    );
    let (summary, out) = run_with(root.path(), |_| {});
    assert!(summary.success(), "{out}");
    assert!(
        out.contains("out of scope (another fork): tests/minimal/altair, 1 cases"),
        "{out}"
    );
}

#[test]
fn types_of_later_forks_are_listed_and_no_failure() {
    let root = tree();
    let generic = "tests/general/phase0/ssz_generic";
    write(
        root.path(),
        &format!("{generic}/progressive_bitlist/valid/one/meta.yaml"),
        "a: 1",
    );
    write(
        root.path(),
        &format!("{generic}/containers/valid/ProgressiveBitsStruct_0/meta.yaml"),
        "a: 1",
    );
    let (summary, out) = run_with(root.path(), |_| {});
    assert!(summary.success(), "{out}");
    assert_eq!(summary.out_of_scope.len(), 2, "{out}");
}

#[test]
fn damage_is_a_failure_of_the_case_with_its_file() {
    let root = tree();
    write(
        root.path(),
        "tests/minimal/phase0/shuffling/core/s/one/mapping.yaml",
        "seed: [",
    );
    write(
        root.path(),
        "tests/minimal/phase0/sanity/slots/s/one/slots.yaml",
        "1\n",
    );
    write(
        root.path(),
        "tests/minimal/phase0/sanity/slots/s/one/pre.ssz_snappy",
        "junk",
    );
    let (summary, out) = run_with(root.path(), |_| {});
    assert_eq!((summary.passed, summary.failed()), (1, 2), "{out}");
    assert!(out.contains("mapping.yaml: invalid YAML"), "{out}");
    assert!(out.contains("pre.ssz_snappy is damaged"), "{out}");
}

#[test]
fn the_filter_chooses_by_name_and_must_choose_something() {
    let root = tree();
    write(
        root.path(),
        "tests/general/phase0/bls/sign/bls/two/data.yaml",
        SIGN,
    );
    let (summary, _) = run_with(root.path(), |options| {
        options.filter = Some("bls/two".into());
    });
    assert_eq!((summary.passed, summary.failed()), (1, 0));
    let (summary, _) = run_with(root.path(), |options| options.filter = Some("three".into()));
    assert_eq!((summary.passed, summary.failed()), (0, 1));
}

#[test]
fn no_vectors_are_a_failure_with_one_sentence() {
    let root = tempfile::tempdir().expect("temporary folder");
    let (summary, out) = run_with(root.path(), |_| {});
    assert!(!summary.success());
    assert!(out.contains("no vectors in"), "{out}");
    let (summary, out) = run_with(&root.path().join("nowhere"), |_| {});
    assert!(!summary.success());
    assert!(out.contains("is not a folder"), "{out}");
}

#[test]
fn cases_that_the_manifest_misses_fail_the_run() {
    let root = tree();
    let header = "preset,runner,handler,cases,files,bytes\n";
    write(
        root.path(),
        "MANIFEST.csv",
        &format!("{header}general,bls,sign,1,1,1\n"),
    );
    let (summary, out) = run_with(root.path(), |_| {});
    assert!(summary.success(), "{out}");
    write(
        root.path(),
        "MANIFEST.csv",
        &format!("{header}general,bls,sign,2,1,1\n"),
    );
    let (summary, out) = run_with(root.path(), |_| {});
    assert!(!summary.success());
    assert!(
        out.contains("general/bls/sign: 1 cases found, MANIFEST.csv has 2"),
        "{out}"
    );
}
