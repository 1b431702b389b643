//! Rules that tie the code to the specification: its function names and its anchors.

use std::collections::{BTreeMap, BTreeSet};

use crate::Finding;
use crate::source::line_of;

/// The functions defined at top level in the Python blocks of a specification file.
pub fn defined_functions(markdown: &str) -> Vec<String> {
    let mut in_python = false;
    let mut names = Vec::new();
    for line in markdown.lines() {
        if line.trim_start().starts_with("```") {
            in_python = line.trim() == "```python";
        } else if in_python
            && let Some(rest) = line.strip_prefix("def ")
            && let Some((name, _)) = rest.split_once('(')
        {
            names.push(name.to_owned());
        }
    }
    names.sort();
    names
}

/// Names of the specification that are not defined exactly once, and waivers that are not needed.
/// `defined` holds the places of each function of the production code.
pub fn not_once<'a>(
    names: impl IntoIterator<Item = &'a str>,
    defined: &BTreeMap<String, Vec<String>>,
    waivers: &[(&str, &str)],
) -> Vec<Finding> {
    let names: BTreeSet<&str> = names.into_iter().collect();
    let mut findings = Vec::new();
    for name in &names {
        let places = defined.get(*name).map_or(&[][..], Vec::as_slice);
        let waived = waivers.iter().any(|(waiver, _)| waiver == name);
        match (places, waived) {
            ([_], false) | ([] | [_, _, ..], true) => {}
            ([_], true) => findings.push(Finding::new(*name, "no longer needs its waiver")),
            ([], false) => findings.push(Finding::new(*name, "a spec function without a home")),
            (several, false) => {
                let problem = format!("a spec function with several homes: {}", several.join(", "));
                findings.push(Finding::new(*name, problem));
            }
        }
    }
    for (waiver, _) in waivers {
        if !names.contains(waiver) {
            findings.push(Finding::new(*waiver, "a waiver for no spec function"));
        }
    }
    findings
}

/// The anchors of a Markdown file's headings, made as GitHub makes them.
pub fn heading_anchors(markdown: &str) -> BTreeSet<String> {
    let mut anchors = BTreeSet::new();
    let mut in_block = false;
    for line in markdown.lines() {
        if line.trim_start().starts_with("```") {
            in_block = !in_block;
        }
        let text = line.trim_start_matches('#');
        if in_block || text.len() == line.len() || !text.starts_with(' ') {
            continue;
        }
        let slug = slug(text.trim());
        let repeated = (1..).map(|count| format!("{slug}-{count}"));
        let free = std::iter::once(slug.clone())
            .chain(repeated)
            .find(|anchor| !anchors.contains(anchor));
        anchors.extend(free);
    }
    anchors
}

fn slug(heading: &str) -> String {
    heading
        .chars()
        .filter(|&c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'))
        .map(|c| {
            if c == ' ' {
                '-'
            } else {
                c.to_ascii_lowercase()
            }
        })
        .collect()
}

/// One `file.md#anchor` of a comment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnchorUse<'a> {
    /// The line, counted from 1.
    pub line: usize,
    /// The file, without a folder.
    pub file: &'a str,
    /// What follows the `#`.
    pub anchor: &'a str,
}

/// The anchors that `comments` names.
pub fn anchor_uses(comments: &str) -> Vec<AnchorUse<'_>> {
    let is_name = |c: char| c.is_alphanumeric() || c == '-' || c == '_';
    comments
        .match_indices(".md#")
        .map(|(at, separator)| {
            let start = comments[..at].trim_end_matches(is_name).len();
            let after = at + separator.len();
            let rest = &comments[after..];
            let len = rest.len() - rest.trim_start_matches(is_name).len();
            AnchorUse {
                line: line_of(comments, at),
                file: &comments[start..at + ".md".len()],
                anchor: &comments[after..after + len],
            }
        })
        .collect()
}

/// Anchors in `comments` that no heading has. `headings` holds each file's anchors.
pub fn dangling_anchors(
    path: &str,
    comments: &str,
    headings: &BTreeMap<String, BTreeSet<String>>,
) -> Vec<Finding> {
    anchor_uses(comments)
        .into_iter()
        .filter(|used| {
            !headings
                .get(used.file)
                .is_some_and(|anchors| anchors.contains(used.anchor))
        })
        .map(|used| {
            let problem = format!("the spec has no {}#{}", used.file, used.anchor);
            Finding::at(path, used.line, problem)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLE: &str = "# Phase 0 -- The `Beacon` Chain\n## Misc\n### `get_x`\n```python\ndef get_x(state: State) -> int:\n    def inner(y):\n# Comment\n```\n## Misc\ndef prose(x)\n#no heading\n";

    #[test]
    fn functions_are_read_from_python_blocks() {
        assert_eq!(defined_functions(SAMPLE), ["get_x"]);
    }

    #[test]
    fn anchors_are_made_as_github_does() {
        let anchors: Vec<String> = heading_anchors(SAMPLE).into_iter().collect();
        assert_eq!(
            anchors,
            ["get_x", "misc", "misc-1", "phase-0----the-beacon-chain"]
        );
    }

    #[test]
    fn dangling_anchors_are_found() {
        let headings = BTreeMap::from([("a.md".to_owned(), heading_anchors(SAMPLE))]);
        let comments = "/// `a.md#get_x`\n/// spec/a.md#misc, `a.md#get_y`\n/// b.md#misc";
        let findings = dangling_anchors("x.rs", comments, &headings);
        let places: Vec<&str> = findings.iter().map(|f| f.place.as_str()).collect();
        assert_eq!(places, ["x.rs:2", "x.rs:3"]);
        assert!(findings[0].problem.contains("a.md#get_y"));
    }

    #[test]
    fn functions_have_one_home() {
        let places = |places: &[&str]| places.iter().map(|place| (*place).to_owned()).collect();
        let defined = BTreeMap::from([
            ("once".to_owned(), places(&["a.rs:1"])),
            ("twice".to_owned(), places(&["a.rs:1", "b.rs:1"])),
        ]);
        let findings = |names: &[&'static str], waivers: &[(&str, &str)]| {
            let found = not_once(names.iter().copied(), &defined, waivers);
            found.into_iter().map(|f| f.place).collect::<Vec<_>>()
        };
        assert!(findings(&["once"], &[]).is_empty());
        assert_eq!(
            findings(&["once", "twice", "never"], &[]),
            ["never", "twice"]
        );
        assert!(findings(&["twice", "never"], &[("twice", "r"), ("never", "r")]).is_empty());
        assert_eq!(findings(&["once"], &[("once", "r")]), ["once"]);
        assert_eq!(findings(&["once"], &[("other", "r")]), ["other"]);
    }
}
