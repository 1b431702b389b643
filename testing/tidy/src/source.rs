//! A light scanner of Rust text: tells code from comments and literals, and production code from
//! test code, without parsing. Byte offsets and line numbers survive: what is left out becomes
//! spaces.

/// One text in two layers of the same length: its code and its comments. String and character
/// literals are in neither.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layers {
    /// The code alone.
    pub code: String,
    /// The comments alone, with their slashes.
    pub comments: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Code,
    Comment,
    Literal,
}

impl Layers {
    /// Separates the layers of a Rust text.
    pub fn of(text: &str) -> Layers {
        let bytes = text.as_bytes();
        let mut code = Vec::with_capacity(bytes.len());
        let mut comments = Vec::with_capacity(bytes.len());
        let mut at = 0;
        while at < bytes.len() {
            let (kind, len) = piece(bytes, at);
            let end = (at + len).min(bytes.len());
            for &byte in &bytes[at..end] {
                let keep = |wanted: Kind| {
                    if byte == b'\n' || kind == wanted {
                        byte
                    } else {
                        b' '
                    }
                };
                code.push(keep(Kind::Code));
                comments.push(keep(Kind::Comment));
            }
            at = end;
        }
        Layers {
            code: String::from_utf8_lossy(&code).into_owned(),
            comments: String::from_utf8_lossy(&comments).into_owned(),
        }
    }
}

/// The kind and length of the piece that begins at `at`; single bytes of code are one piece each.
fn piece(bytes: &[u8], at: usize) -> (Kind, usize) {
    let rest = &bytes[at..];
    match rest {
        [b'/', b'/', ..] => {
            let end = rest.iter().position(|&byte| byte == b'\n');
            (Kind::Comment, end.unwrap_or(rest.len()))
        }
        [b'/', b'*', ..] => (Kind::Comment, block_comment(rest)),
        [b'"', ..] => (Kind::Literal, quoted(rest, b'"')),
        [b'\'', b'\\', ..] => (Kind::Literal, quoted(rest, b'\'')),
        [b'\'', first, ..] => match rest.get(1 + utf8_len(*first)) {
            Some(b'\'') => (Kind::Literal, 2 + utf8_len(*first)),
            _ => (Kind::Code, 1),
        },
        [b'r', ..] if starts_word(bytes, at) => match raw_string(rest) {
            Some(len) => (Kind::Literal, len),
            None => (Kind::Code, 1),
        },
        _ => (Kind::Code, 1),
    }
}

/// Whether no name runs into `at`; the `b` and `c` of `br""` and `cr""` do not count.
fn starts_word(bytes: &[u8], at: usize) -> bool {
    match at.checked_sub(1).map(|before| bytes[before]) {
        Some(b'b' | b'c') => at < 2 || !is_name_byte(bytes[at - 2]),
        Some(byte) => !is_name_byte(byte),
        None => true,
    }
}

fn block_comment(rest: &[u8]) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while at < rest.len() {
        match &rest[at..] {
            [b'/', b'*', ..] => {
                depth += 1;
                at += 2;
            }
            [b'*', b'/', ..] => {
                depth -= 1;
                at += 2;
                if depth == 0 {
                    return at;
                }
            }
            _ => at += 1,
        }
    }
    rest.len()
}

fn quoted(rest: &[u8], quote: u8) -> usize {
    let mut at = 1;
    while at < rest.len() {
        match rest[at] {
            b'\\' => at += 2,
            byte if byte == quote => return at + 1,
            _ => at += 1,
        }
    }
    rest.len()
}

fn raw_string(rest: &[u8]) -> Option<usize> {
    let hashes = rest[1..].iter().take_while(|&&byte| byte == b'#').count();
    if rest.get(1 + hashes) != Some(&b'"') {
        return None;
    }
    let mut closing = vec![b'"'];
    closing.resize(1 + hashes, b'#');
    let body = 2 + hashes;
    let end = rest[body..]
        .windows(closing.len())
        .position(|window| window == closing);
    Some(end.map_or(rest.len(), |end| body + end + closing.len()))
}

fn utf8_len(first: u8) -> usize {
    match first {
        0xf0.. => 4,
        0xe0.. => 3,
        0xc0.. => 2,
        _ => 1,
    }
}

fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// The code of a file without its `#[cfg(test)]` items.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Production {
    /// What is compiled outside of tests.
    pub code: String,
    /// The modules declared as `#[cfg(test)] mod name;`: their files are tests.
    pub test_modules: Vec<String>,
}

impl Production {
    /// Blanks the test items of `code`, a [`Layers::code`].
    pub fn of(code: &str) -> Production {
        let mut left = code.as_bytes().to_vec();
        let mut test_modules = Vec::new();
        for attribute in ["#[cfg(test)]", "#[cfg(all(test,"] {
            for (start, _) in code.match_indices(attribute) {
                let end = item_end(code.as_bytes(), start + attribute.len());
                let item = &code[start..end];
                if item.ends_with(';')
                    && let Some(name) = names_after(item, "mod").next()
                {
                    test_modules.push(name.to_owned());
                }
                for byte in &mut left[start..end] {
                    if *byte != b'\n' {
                        *byte = b' ';
                    }
                }
            }
        }
        Production {
            code: String::from_utf8_lossy(&left).into_owned(),
            test_modules,
        }
    }
}

/// The names that directly follow each whole word `keyword` in `code`.
pub fn names_after<'a>(code: &'a str, keyword: &'a str) -> impl Iterator<Item = &'a str> {
    words_at(code, keyword).filter_map(move |at| name_at(code, at + keyword.len()))
}

/// The name after white space at `at`.
pub fn name_at(code: &str, at: usize) -> Option<&str> {
    let rest = code[at..].trim_start();
    let len = rest.bytes().take_while(|&byte| is_name_byte(byte)).count();
    let starts_as_name = rest
        .bytes()
        .next()
        .is_some_and(|byte| !byte.is_ascii_digit());
    (len > 0 && starts_as_name && rest.len() < code[at..].len()).then(|| &rest[..len])
}

/// Where `word` stands in `code` as a whole word.
pub fn words_at<'a>(code: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    let bytes = code.as_bytes();
    code.match_indices(word).filter_map(move |(at, _)| {
        let joined_before = at > 0 && is_name_byte(bytes[at - 1]);
        let joined_after = bytes
            .get(at + word.len())
            .is_some_and(|&byte| is_name_byte(byte));
        (!joined_before && !joined_after).then_some(at)
    })
}

/// Where the item that begins at `start` ends: behind its braces, or behind its semicolon.
pub fn item_end(code: &[u8], start: usize) -> usize {
    let mut nested = 0_i32;
    for at in start..code.len() {
        match code[at] {
            b'(' | b'[' => nested += 1,
            b')' | b']' => nested -= 1,
            b';' if nested <= 0 => return at + 1,
            b'{' if nested <= 0 => return braces_end(code, at),
            b'}' if nested <= 0 => return at,
            _ => {}
        }
    }
    code.len()
}

fn braces_end(code: &[u8], open: usize) -> usize {
    let mut depth = 0_usize;
    for (at, &byte) in code.iter().enumerate().skip(open) {
        match byte {
            b'{' => depth += 1,
            b'}' => {
                depth -= 1;
                if depth == 0 {
                    return at + 1;
                }
            }
            _ => {}
        }
    }
    code.len()
}

/// The line of a byte offset, counted from 1.
pub fn line_of(text: &str, at: usize) -> usize {
    1 + text[..at.min(text.len())].matches('\n').count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_chars_and_comments_are_not_code() {
        let text = r##"let a = "{ // no"; // }
let b = '{'; let c = '\''; let d = b'}'; /* { /* nested } */ { */
let e = r#"raw " { "#; let f: &'static str = br"\"; fn g<'a>(x: &'a u8) {}
let h = 'é'; let r#fn = for_r; let i = "\"{";"##;
        let layers = Layers::of(text);
        assert_eq!(layers.code.len(), text.len());
        assert_eq!(layers.code.matches('{').count(), 1);
        assert_eq!(layers.code.matches('}').count(), 1);
        assert!(layers.code.contains("&'static str"));
        assert!(layers.code.contains("fn g<'a>(x: &'a u8) {}"));
        assert!(layers.code.contains("let r#fn = for_r;"));
        assert!(layers.comments.contains("// }"));
        assert!(layers.comments.contains("/* { /* nested } */ { */"));
        assert!(!layers.comments.contains("no"));
        assert_eq!(layers.code.lines().count(), text.lines().count());
    }

    #[test]
    fn unterminated_pieces_end_with_the_text() {
        for text in [
            "\"open",
            "/* open",
            "r#\"open",
            "'\\",
            "// open",
            "'",
            "x = \"a\\",
        ] {
            assert_eq!(Layers::of(text).code.len(), text.len(), "{text}");
        }
    }

    #[test]
    fn test_items_are_not_production() {
        let code = "fn a() {}\n#[cfg(test)]\nmod tests;\n#[cfg(test)]\n#[allow(x)]\nmod more { fn b() { {} } }\nfn c() {}\n#[cfg(all(test, unix))]\nuse x::y;\nfn d() {}";
        let production = Production::of(code);
        assert_eq!(production.test_modules, ["tests"]);
        let names: Vec<&str> = names_after(&production.code, "fn").collect();
        assert_eq!(names, ["a", "c", "d"]);
        assert!(!production.code.contains("use x"));
        assert_eq!(production.code.lines().count(), code.lines().count());
    }

    #[test]
    fn words_are_whole() {
        assert_eq!(words_at("unsafe_code unsafe xunsafe", "unsafe").count(), 1);
        assert_eq!(line_of("a\nb\nc", 4), 3);
        assert_eq!(names_after("fn (x) fn a fn 1", "fn").count(), 1);
    }
}
