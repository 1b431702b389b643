//! `MANIFEST.csv`: how many cases the vectors are meant to hold.

use crate::tree::{Config, Group};
use anyhow::{Context, Result, anyhow};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// Reads `preset,runner,handler,cases,...` lines, if `folder` has the file.
pub(crate) fn read(folder: &Path) -> Result<Option<BTreeMap<Group, usize>>> {
    let path = folder.join("MANIFEST.csv");
    if !path.is_file() {
        return Ok(None);
    }
    let text =
        fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    parse(&text)
        .with_context(|| format!("{} is damaged: fetch it anew", path.display()))
        .map(Some)
}

fn parse(text: &str) -> Result<BTreeMap<Group, usize>> {
    let mut counts = BTreeMap::new();
    for line in text.lines().skip(1).filter(|line| !line.is_empty()) {
        let mut columns = line.split(',');
        let mut next = || columns.next().ok_or_else(|| anyhow!("short line `{line}`"));
        let config = next()?;
        let group = Group {
            config: Config::parse(config).ok_or_else(|| anyhow!("unknown preset `{config}`"))?,
            runner: next()?.to_owned(),
            handler: next()?.to_owned(),
        };
        let cases = next()?;
        let cases = cases
            .parse()
            .with_context(|| format!("`{cases}` is not a number"))?;
        counts.insert(group, cases);
    }
    Ok(counts)
}

/// The runners that the manifest does not count.
const NOT_LISTED: [&str; 2] = ["bls12-381-tests", "chains"];

/// A sentence for each group of which there are more or fewer cases than there should be.
pub(crate) fn differences(
    expected: &BTreeMap<Group, usize>,
    found: &BTreeMap<Group, usize>,
) -> Vec<String> {
    let mut lines = Vec::new();
    let mut groups: Vec<_> = expected.keys().chain(found.keys()).collect();
    groups.sort();
    groups.dedup();
    for group in groups {
        if NOT_LISTED.contains(&group.runner.as_str()) {
            continue;
        }
        let wanted = expected.get(group).copied().unwrap_or(0);
        let there = found.get(group).copied().unwrap_or(0);
        if wanted != there {
            lines.push(format!(
                "{}/{}/{}: {there} cases found, MANIFEST.csv has {wanted}",
                group.config.name(),
                group.runner,
                group.handler
            ));
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(runner: &str) -> Group {
        Group {
            config: Config::Minimal,
            runner: runner.into(),
            handler: "h".into(),
        }
    }

    #[test]
    fn missing_and_additional_cases_are_named() {
        let expected =
            parse("preset,runner,handler,cases,files,bytes\nminimal,a,h,2,,\nminimal,b,h,1,3,9\n")
                .expect("valid");
        let mut found = expected.clone();
        assert!(differences(&expected, &found).is_empty());
        found.insert(group("chains"), 5);
        assert!(differences(&expected, &found).is_empty());
        found.remove(&group("a"));
        found.insert(group("c"), 1);
        assert_eq!(
            differences(&expected, &found),
            [
                "minimal/a/h: 0 cases found, MANIFEST.csv has 2",
                "minimal/c/h: 1 cases found, MANIFEST.csv has 0"
            ]
        );
    }

    #[test]
    fn damage_is_an_error() {
        assert!(parse("header\nminimal,a,h\n").is_err());
        assert!(parse("header\nlunar,a,h,1\n").is_err());
        assert!(parse("header\nminimal,a,h,many\n").is_err());
    }
}
