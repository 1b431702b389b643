//! Rules on single words and literals of the text.

use crate::Finding;
use crate::source::{line_of, words_at};

/// Whole words of `code` that may not be there.
pub fn forbidden_words(path: &str, code: &str, words: &[&str], why: &str) -> Vec<Finding> {
    words
        .iter()
        .flat_map(|word| {
            words_at(code, word)
                .map(move |at| Finding::at(path, line_of(code, at), format!("`{word}`: {why}")))
        })
        .collect()
}

/// Pieces of `text` that may not be there, wherever they begin and end.
pub fn forbidden_text(path: &str, text: &str, pieces: &[&str], why: &str) -> Vec<Finding> {
    pieces
        .iter()
        .flat_map(|piece| {
            text.match_indices(piece).map(move |(at, _)| {
                Finding::at(path, line_of(text, at), format!("`{piece}`: {why}"))
            })
        })
        .collect()
}

/// Floating-point types and literals in `code`.
pub fn floats(path: &str, code: &str) -> Vec<Finding> {
    let why = "consensus code has no floating-point numbers";
    let bytes = code.as_bytes();
    let literals = code.match_indices('.').filter_map(|(at, _)| {
        let digit_after = bytes.get(at + 1).is_some_and(u8::is_ascii_digit);
        let number = code[..at]
            .trim_end_matches(|c: char| c.is_ascii_alphanumeric() || c == '_')
            .len();
        let digit_before = bytes[number..at].first().is_some_and(u8::is_ascii_digit);
        // `pair.0.1` has digits around its second dot but is no number.
        let field = code[..number].ends_with('.');
        (digit_after && digit_before && !field)
            .then(|| Finding::at(path, line_of(code, at), format!("a float literal: {why}")))
    });
    let types = forbidden_words(path, code, &["f32", "f64"], why);
    types.into_iter().chain(literals).collect()
}

/// Absolute paths below `folder`, which begins and ends with a slash.
pub fn absolute_paths(path: &str, text: &str, folder: &str) -> Vec<Finding> {
    text.match_indices(folder)
        .filter(|(at, _)| {
            !text[..*at].ends_with(|c: char| c.is_alphanumeric() || "._-~}$".contains(c))
        })
        .map(|(at, _)| {
            Finding::at(
                path,
                line_of(text, at),
                format!("an absolute path below {folder}"),
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_pieces_are_found() {
        let found = forbidden_words("a", "x.unwrap()\ny.unwrap_or(1)", &["unwrap", "dbg"], "why");
        assert_eq!(found, [Finding::at("a", 1, "`unwrap`: why")]);
        let found = forbidden_text("a", "b\nuse x::y;", &["x::y"], "why");
        assert_eq!(found[0].place, "a:2");
    }

    #[test]
    fn floats_are_found() {
        assert_eq!(floats("a", "let a: f64 = 1.5 + 1_0.0 + 2.0f32;").len(), 4);
        assert!(floats("a", "0..5 + x.0.1 + a.1 + 1.max(2) + v1.0 + x.0 .1").is_empty());
    }

    #[test]
    fn absolute_paths_are_found() {
        let text = "see /x/y or 'a/x/y'\n\"/x/\"";
        let places: Vec<String> = absolute_paths("a", text, "/x/")
            .into_iter()
            .map(|f| f.place)
            .collect();
        assert_eq!(places, ["a:1", "a:2"]);
    }
}
