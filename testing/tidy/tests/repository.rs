//! Applies every rule to the repository.
#![forbid(unsafe_code)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use tidy::crates::{LAYERS, Member, NOT_IN_PURE, PURE, UNSAFE};
use tidy::repository::{RustFile, TextFile, root, rust_files, text_files};
use tidy::spec_functions::SPEC_FUNCTIONS;
use tidy::waivers::{LONG_FILES, LONG_FUNCTIONS, SPEC_WAIVERS};
use tidy::{Finding, bans, crates, functions, spec, structure, words};

/// Longest file, in lines.
const FILE_LINES: usize = 600;
/// Longest function outside of tests, in lines.
const FUNCTION_LINES: usize = 70;
/// Where the pool of threads lives: nothing else starts parallel work.
const POOL: &str = "consensus/src/pool.rs";

fn files() -> Vec<TextFile> {
    text_files(&root()).expect("the repository can be read")
}

fn rust() -> Vec<RustFile> {
    rust_files(&files())
}

fn members() -> Vec<Member> {
    crates::members(&root()).expect("cargo tells the workspace's crates")
}

/// The files below one of the folders.
fn below<'a>(files: &'a [RustFile], folders: &'a [&str]) -> impl Iterator<Item = &'a RustFile> {
    files.iter().filter(move |file| {
        folders
            .iter()
            .filter_map(|folder| file.path.strip_prefix(folder))
            .any(|rest| rest.starts_with('/'))
    })
}

#[track_caller]
fn assert_none(findings: impl IntoIterator<Item = Finding>) {
    let lines: Vec<String> = findings.into_iter().map(|f| f.to_string()).collect();
    let count = lines.len();
    assert!(lines.is_empty(), "{count} findings:\n{}", lines.join("\n"));
}

#[test]
fn the_scan_sees_the_repository() {
    let rust = rust();
    for expected in ["consensus/src/lib.rs", "testing/tidy/src/lib.rs"] {
        let found = rust.iter().find(|file| file.path == expected);
        assert!(
            found.is_some_and(|file| !file.production.is_empty()),
            "{expected}"
        );
    }
}

#[test]
fn crates_use_each_other_one_way() {
    assert_none(crates::wrong_uses(&members(), LAYERS));
}

#[test]
fn pure_crates_are_built_from_pure_crates() {
    for member in members().iter().filter(|m| PURE.contains(&&*m.folder)) {
        let tree = crates::linked_packages(&root(), &member.name).expect("cargo tree runs");
        assert!(tree.contains(&member.name), "{tree:?}");
        assert_none(crates::forbidden_packages(
            &member.folder,
            &tree,
            &NOT_IN_PURE,
        ));
    }
}

#[test]
fn crates_forbid_unsafe_code() {
    let rust = rust();
    let is_safe = |path: &str| {
        let mut allowed = UNSAFE.iter().map(|folder| format!("{folder}/"));
        !allowed.any(|folder| path.starts_with(&folder))
    };
    let roots: BTreeSet<String> = members().into_iter().flat_map(|m| m.roots).collect();
    let safe_roots = roots.iter().filter(|path| is_safe(path));
    assert_none(safe_roots.filter_map(|path| {
        let text = fs::read_to_string(root().join(path)).unwrap_or_default();
        structure::forbids_unsafe(path, &text)
    }));
    // Integration tests, benches and examples are roots of their own: they may choose to forbid,
    // and may not use it either way.
    assert_none(
        rust.iter()
            .filter(|file| is_safe(&file.path))
            .flat_map(|file| {
                words::forbidden_words(
                    &file.path,
                    &file.layers.code,
                    &["unsafe"],
                    "not in this crate",
                )
            }),
    );
}

#[test]
fn files_are_short() {
    let rust = rust();
    let long: Vec<Finding> = rust
        .iter()
        .filter_map(|file| structure::file_length(&file.path, &file.text, FILE_LINES))
        .collect();
    let exempt = |finding: &Finding| LONG_FILES.iter().any(|(path, _)| *path == finding.place);
    let unneeded = LONG_FILES
        .iter()
        .filter(|(path, _)| !long.iter().any(|finding| finding.place == *path))
        .map(|(path, _)| Finding::new(*path, "no longer needs its exemption"));
    assert_none(long.iter().filter(|f| !exempt(f)).cloned().chain(unneeded));
}

#[test]
fn functions_are_short() {
    let rust = rust();
    let findings = rust.iter().flat_map(|file| {
        let exempt: Vec<&str> = LONG_FUNCTIONS
            .iter()
            .filter(|(path, _, _)| *path == file.path)
            .map(|(_, name, _)| *name)
            .collect();
        functions::too_long(&file.path, &file.production, FUNCTION_LINES, &exempt)
    });
    let gone = LONG_FUNCTIONS
        .iter()
        .filter(|(path, _, _)| !rust.iter().any(|file| file.path == *path))
        .map(|(path, _, _)| Finding::new(*path, "an exemption for no file"));
    assert_none(findings.chain(gone));
}

#[test]
fn modules_are_documented() {
    assert_none(rust().iter().flat_map(|file| {
        let inline =
            structure::inline_module_docs(&file.path, &file.production, &file.layers.comments);
        let head = structure::module_doc(&file.path, &file.text);
        head.into_iter().chain(inline)
    }));
}

#[test]
fn spec_functions_have_one_home() {
    let rust = rust();
    let mut defined: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for file in rust.iter().filter(|f| !f.path.starts_with("testing/")) {
        for function in functions::functions(&file.production) {
            if function.has_body {
                let place = format!("{}:{}", file.path, function.line);
                defined
                    .entry(function.name.to_owned())
                    .or_default()
                    .push(place);
            }
        }
    }
    let names = SPEC_FUNCTIONS.iter().flat_map(|(_, names)| names.iter());
    assert_none(spec::not_once(names.copied(), &defined, SPEC_WAIVERS));
}

#[test]
fn the_list_of_spec_functions_is_the_specs() {
    let Some(folder) =
        shared_inputs::path("spec/phase0", "the comparison of the spec's function names")
    else {
        return;
    };
    for (file, text) in markdown_files(&folder) {
        let listed = SPEC_FUNCTIONS.iter().find(|(name, _)| *name == file);
        let listed = listed.map_or(&[][..], |(_, names)| names);
        assert_eq!(listed, spec::defined_functions(&text), "{file}");
    }
}

#[test]
fn spec_anchors_exist() {
    let Some(phase0) = shared_inputs::path("spec/phase0", "the check of the spec's anchors") else {
        return;
    };
    let Some(ssz) = shared_inputs::path("spec/ssz", "the check of the spec's anchors") else {
        return;
    };
    let headings: BTreeMap<String, BTreeSet<String>> = [phase0, ssz]
        .iter()
        .flat_map(|folder| markdown_files(folder))
        .map(|(file, text)| (file, spec::heading_anchors(&text)))
        .collect();
    let rust = rust();
    let judged = || {
        // The scanner's own samples are no anchors of the spec.
        rust.iter().filter(|f| !f.path.starts_with("testing/tidy/"))
    };
    let used: usize = judged()
        .map(|file| spec::anchor_uses(&file.layers.comments).len())
        .sum();
    assert!(used > 0, "no anchor was seen");
    assert_none(
        judged()
            .flat_map(|file| spec::dangling_anchors(&file.path, &file.layers.comments, &headings)),
    );
}

#[test]
fn the_spec_is_pinned_once() {
    let pinned = fs::read_to_string(root().join("consensus/SPEC")).expect("consensus/SPEC");
    let tag = pinned.trim_end().strip_prefix("ethereum/consensus-specs v");
    assert!(
        tag.is_some_and(|tag| tag.split('.').all(|part| part.parse::<u32>().is_ok())),
        "consensus/SPEC holds {pinned:?}"
    );
    let address = ["github.com/ethereum", "/consensus-specs"].concat();
    assert_none(rust().iter().flat_map(|file| {
        let why = "comments name anchors; the tag stands in consensus/SPEC";
        words::forbidden_text(&file.path, &file.layers.comments, &[&address], why)
    }));
}

fn markdown_files(folder: &Path) -> Vec<(String, String)> {
    let files = text_files(folder).expect("the specification can be read");
    let markdown = files.into_iter().filter(|file| file.has_extension("md"));
    markdown.map(|file| (file.path, file.text)).collect()
}

#[test]
fn the_bans_are_in_effect() {
    let existing = members();
    let configurations: Vec<(String, String)> = existing
        .iter()
        .filter(|member| PURE.contains(&&*member.folder))
        .map(|member| {
            let path = format!("{}/clippy.toml", member.folder);
            let text = fs::read_to_string(root().join(&path)).unwrap_or_default();
            (path, text)
        })
        .collect();
    assert!(!configurations.is_empty());
    let missing = configurations
        .iter()
        .flat_map(|(path, text)| bans::missing_bans(path, text));
    let unchecked = existing.iter().filter_map(|member| {
        let path = format!("{}/Cargo.toml", member.folder);
        let text = fs::read_to_string(root().join(&path)).unwrap_or_default();
        bans::inherits_lints(&path, &text)
    });
    assert_none(
        missing
            .chain(bans::differing(&configurations))
            .chain(unchecked),
    );
    let rust = rust();
    assert_none(below(&rust, &PURE).flat_map(|file| {
        let why = "the bans of clippy.toml hold in all production code of this crate";
        let lints = [
            "disallowed_types",
            "disallowed_methods",
            "disallowed_macros",
        ];
        words::forbidden_words(&file.path, &file.production, &lints, why)
    }));
}

#[test]
fn parallel_work_goes_through_the_pool() {
    let rust = rust();
    assert_none(
        below(&rust, &PURE)
            .filter(|f| f.path != POOL)
            .flat_map(|f| {
                let why = "parallel work goes through the pool that is handed in";
                words::forbidden_words(&f.path, &f.production, &["rayon"], why)
            }),
    );
}

#[test]
fn the_specification_has_no_floats() {
    let rust = rust();
    assert_none(
        below(&rust, &["consensus", "fork_choice"])
            .flat_map(|file| words::floats(&file.path, &file.production)),
    );
}

#[test]
fn nothing_is_unfinished() {
    assert_none(rust().iter().flat_map(|file| {
        let macros = words::forbidden_words(
            &file.path,
            &file.production,
            &["todo", "unimplemented", "dbg"],
            "unfinished code",
        );
        let notes = words::forbidden_words(
            &file.path,
            &file.layers.comments,
            &["TODO", "FIXME", "XXX"],
            "unfinished code: an issue is the place for it",
        );
        macros.into_iter().chain(notes)
    }));
}

#[test]
fn the_specification_does_not_unwrap() {
    let rust = rust();
    assert_none(
        below(&rust, &["consensus", "fork_choice"]).flat_map(|file| {
            let why = "return a named error, or `expect` with the invariant that holds";
            words::forbidden_text(&file.path, &file.production, &[".unwrap()"], why)
        }),
    );
}

#[test]
fn no_file_names_a_machines_folder() {
    let folder = ["/wo", "rk/"].concat();
    assert_none(
        files()
            .iter()
            .flat_map(|file| words::absolute_paths(&file.path, &file.text, &folder)),
    );
}
