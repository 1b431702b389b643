//! Rules on the shape of files: their length, their documentation, and unsafe code.

use crate::Finding;
use crate::source::{line_of, name_at, words_at};

/// A file of more than `limit` lines.
pub fn file_length(path: &str, text: &str, limit: usize) -> Option<Finding> {
    let lines = text.lines().count();
    (lines > limit).then(|| Finding::new(path, format!("{lines} lines, the limit is {limit}")))
}

/// A module without a `//!` at its head. Only comments and attributes may come before it.
pub fn module_doc(path: &str, text: &str) -> Option<Finding> {
    let documented = text
        .lines()
        .map(str::trim)
        .take_while(|line| line.is_empty() || line.starts_with("//") || line.starts_with("#!["))
        .any(|line| line.starts_with("//!"));
    (!documented).then(|| Finding::at(path, 1, "no `//!` says what this module is for"))
}

/// Modules with a body that nothing documents, neither a `///` or attribute with one above nor a
/// `//!` inside. `code` and `comments` are the layers of one text.
pub fn inline_module_docs(path: &str, code: &str, comments: &str) -> Vec<Finding> {
    words_at(code, "mod")
        .filter_map(|at| {
            let name = name_at(code, at + "mod".len())?;
            let after_name = code[at..].find(name)? + at + name.len();
            let inside = code[after_name..].trim_start().strip_prefix('{')?;
            let open = code.len() - inside.len();
            let first_inside = comments[open..]
                .lines()
                .map(str::trim)
                .take(2)
                .find(|line| !line.is_empty());
            let documented_inside = first_inside.is_some_and(|line| line.starts_with("//!"));
            let above = comments[..line_start(code, at)]
                .lines()
                .rev()
                .zip(code[..line_start(code, at)].lines().rev())
                .take_while(|(comment, code)| {
                    comment.trim().starts_with("///") || code.trim().starts_with("#[")
                })
                .any(|(comment, _)| comment.trim().starts_with("///"));
            (!above && !documented_inside).then(|| {
                Finding::at(
                    path,
                    line_of(code, at),
                    format!("module `{name}` has no doc"),
                )
            })
        })
        .collect()
}

fn line_start(text: &str, at: usize) -> usize {
    text[..at].rfind('\n').map_or(0, |end| end + 1)
}

/// A crate root that does not forbid unsafe code.
pub fn forbids_unsafe(path: &str, code: &str) -> Option<Finding> {
    (!code.contains("#![forbid(unsafe_code)]"))
        .then(|| Finding::new(path, "a crate root without `#![forbid(unsafe_code)]`"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Layers;

    #[test]
    fn long_files_are_found() {
        assert!(file_length("a", "1\n2\n3\n", 3).is_none());
        assert!(file_length("a", "1\n2\n3\n4", 3).is_some());
    }

    #[test]
    fn undocumented_files_are_found() {
        assert!(module_doc("a", "// x\n#![forbid(a)]\n\n//! Doc.\n").is_none());
        assert!(module_doc("a", "use a;\n//! Late.\n").is_some());
        assert!(module_doc("a", "/// Of the item.\nfn a() {}").is_some());
        assert!(module_doc("a", "").is_some());
    }

    #[test]
    fn undocumented_inline_modules_are_found() {
        let findings = |text: &str| {
            let layers = Layers::of(text);
            inline_module_docs("a", &layers.code, &layers.comments)
        };
        assert!(findings("/// Doc.\n#[x]\npub mod a {\n    fn b() {}\n}").is_empty());
        assert!(findings("pub mod a {\n    //! Doc.\n}").is_empty());
        assert!(findings("mod a;\nuse x::mod_b;").is_empty());
        assert_eq!(
            findings("\nfn a() {}\nmod b {\n    fn c() {}\n}")[0].place,
            "a:3"
        );
        assert_eq!(
            findings("/// Of a.\nfn a() {}\nmod b { fn c() {} }").len(),
            1
        );
    }

    #[test]
    fn unsafe_roots_are_found() {
        assert!(forbids_unsafe("a", "#![forbid(unsafe_code)]\n").is_none());
        assert!(forbids_unsafe("a", "#![deny(unsafe_code)]\n").is_some());
    }
}
