//! [`Query`]: the part of a URL after `?`.

use crate::problem::Problem;
use api_types::parse_number;

/// Names and values in order. A name may come several times, and a list may be one value with
/// commas: both forms are in use. Names that an endpoint does not know are ignored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    pub(crate) fn parse(raw: &str) -> Result<Query, Problem> {
        let pairs = raw.split('&').filter(|pair| !pair.is_empty());
        let pairs = pairs.map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let decode = |text: &str| percent_decode(&text.replace('+', " "));
            Ok((decode(name)?, decode(value)?))
        });
        pairs.collect::<Result<_, Problem>>().map(Query)
    }

    /// The value of a name that may come once at most.
    pub(crate) fn one(&self, name: &str) -> Result<Option<&str>, Problem> {
        let mut values = self.0.iter().filter(|(known, _)| known == name);
        let first = values.next().map(|(_, value)| value.as_str());
        match values.next() {
            None => Ok(first),
            Some(_) => Err(Problem::bad_request(format!("{name} is given twice"))),
        }
    }

    /// A number; `None` if the name is absent.
    pub(crate) fn number(&self, name: &str) -> Result<Option<u64>, Problem> {
        let Some(text) = self.one(name)? else {
            return Ok(None);
        };
        let number = parse_number(text);
        let wrong = || Problem::bad_request(format!("{name} is no number of 64 bits"));
        number.ok_or_else(wrong).map(Some)
    }

    /// All values of a name: repeated, with commas, or both.
    pub(crate) fn list(&self, name: &str) -> Vec<&str> {
        self.0
            .iter()
            .filter(|(known, _)| known == name || known.strip_suffix("[]") == Some(name))
            .flat_map(|(_, value)| value.split(','))
            .map(str::trim)
            .filter(|value| !value.is_empty())
            .collect()
    }
}

/// Replaces `%xx`; refuses what is not UTF-8 then.
pub(crate) fn percent_decode(text: &str) -> Result<String, Problem> {
    let wrong = || Problem::bad_request("the URL is not percent-encoded UTF-8");
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let (digits, after) = rest.split_at_checked(2).ok_or_else(wrong)?;
        let digit = |byte: u8| (byte as char).to_digit(16).ok_or_else(wrong);
        bytes.push((digit(digits[0])? * 16 + digit(digits[1])?) as u8);
        rest = after;
    }
    String::from_utf8(bytes).map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_repeated_or_have_commas() {
        let query = Query::parse("id=1,2&x=y&id=3&id=&id[]=4&slot=7&id=%30%78,+5").expect("valid");
        assert_eq!(query.list("id"), ["1", "2", "3", "4", "0x", "5"]);
        assert_eq!(query.number("slot"), Ok(Some(7)));
        assert_eq!(query.number("epoch"), Ok(None));
        assert_eq!(query.one("x"), Ok(Some("y")));
        assert!(query.one("id").is_err());
        assert!(query.number("x").is_err());
    }

    #[test]
    fn bad_encodings_are_refused() {
        for raw in ["id=%", "id=%4", "id=%zz", "id=%ff", "%=1"] {
            assert!(Query::parse(raw).is_err(), "{raw}");
        }
        assert_eq!(Query::parse("&&"), Ok(Query::default()));
    }
}
