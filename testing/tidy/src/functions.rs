//! Finds functions and their lengths.

use crate::Finding;
use crate::source::{item_end, line_of, name_at, words_at};

/// One function with a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Function<'a> {
    /// Its name.
    pub name: &'a str,
    /// The line of its `fn`, counted from 1.
    pub line: usize,
    /// Its lines, from `fn` to the closing brace.
    pub lines: usize,
    /// Whether it has a body, unlike a trait's declaration.
    pub has_body: bool,
}

/// The functions of `code`, a layer of code, in the order of their `fn`.
pub fn functions(code: &str) -> Vec<Function<'_>> {
    words_at(code, "fn")
        .filter_map(|at| {
            let name = name_at(code, at + "fn".len())?;
            let end = item_end(code.as_bytes(), at);
            let (line, last) = (line_of(code, at), line_of(code, end.saturating_sub(1)));
            Some(Function {
                name,
                line,
                lines: last + 1 - line,
                has_body: code[..end].ends_with('}'),
            })
        })
        .collect()
}

/// Functions of more than `limit` lines. `exempt` holds the names that may be longer in this file;
/// one that no longer is longer is a finding too.
pub fn too_long(path: &str, code: &str, limit: usize, exempt: &[&str]) -> Vec<Finding> {
    let long: Vec<Function<'_>> = functions(code)
        .into_iter()
        .filter(|function| function.lines > limit)
        .collect();
    let unneeded = exempt
        .iter()
        .filter(|name| !long.iter().any(|function| function.name == **name))
        .map(|name| Finding::new(path, format!("`{name}` no longer needs its exemption")));
    long.iter()
        .filter(|function| !exempt.contains(&function.name))
        .map(|function| {
            let problem = format!(
                "`{}` has {} lines, the limit is {limit}",
                function.name, function.lines
            );
            Finding::at(path, function.line, problem)
        })
        .chain(unneeded)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLE: &str = "impl A {\n    fn short(&self) -> [u8; 2] {\n        [0; 2]\n    }\n    fn long<T>(x: T)\n    where\n        T: Into<u8>,\n    {\n        if x {\n        }\n    }\n}\ntrait B {\n    fn declared(&self) -> u8;\n}\ntype F = fn(u8) -> u8;\n";

    #[test]
    fn bodies_are_measured() {
        let found: Vec<(&str, usize, usize, bool)> = functions(SAMPLE)
            .into_iter()
            .map(|function| {
                let Function {
                    name,
                    line,
                    lines,
                    has_body,
                } = function;
                (name, line, lines, has_body)
            })
            .collect();
        assert_eq!(
            found,
            [
                ("short", 2, 3, true),
                ("long", 5, 7, true),
                ("declared", 14, 1, false)
            ]
        );
    }

    #[test]
    fn long_functions_are_found_unless_exempt() {
        let findings = too_long("a.rs", SAMPLE, 6, &[]);
        assert_eq!(findings.len(), 1);
        assert_eq!(findings[0].place, "a.rs:5");
        assert!(too_long("a.rs", SAMPLE, 6, &["long"]).is_empty());
        assert!(too_long("a.rs", SAMPLE, 7, &[]).is_empty());
        assert_eq!(too_long("a.rs", SAMPLE, 6, &["long", "short"]).len(), 1);
    }
}
