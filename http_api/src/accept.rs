//! Content negotiation.

use crate::problem::Problem;
use crate::reply::{EVENT_STREAM, JSON, SSZ};
use warp::http::header::{ACCEPT, CONTENT_TYPE};
use warp::http::{HeaderMap, StatusCode};

/// The form of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Json,
    Ssz,
    Events,
}

impl Format {
    fn media_type(self) -> &'static str {
        match self {
            Format::Json => JSON,
            Format::Ssz => SSZ,
            Format::Events => EVENT_STREAM,
        }
    }
}

/// How well an entry of `Accept` suits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Suits {
    /// In thousandths.
    quality: u16,
    /// Entries before others.
    earlier: std::cmp::Reverse<usize>,
}

/// Which of the offered forms the client wants most; 406 if none. Without `Accept`, or where the
/// client is indifferent, the first one.
pub(crate) fn negotiate(headers: &HeaderMap, offered: &[Format]) -> Result<Format, Problem> {
    let entries = headers.get_all(ACCEPT).iter();
    let entries: Vec<&str> = entries
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .filter(|entry| !entry.is_empty())
        .collect();
    if entries.is_empty() && !headers.contains_key(ACCEPT) {
        return Ok(offered[0]);
    }
    let mut best: Option<(Suits, Format)> = None;
    for &format in offered {
        let Some(suits) = suits(&entries, format.media_type()) else {
            continue;
        };
        if suits.quality > 0 && best.is_none_or(|(known, _)| suits > known) {
            best = Some((suits, format));
        }
    }
    let types: Vec<_> = offered.iter().map(|format| format.media_type()).collect();
    let message = format!("this endpoint answers in {} only", types.join(" and "));
    best.map(|(_, format)| format)
        .ok_or_else(|| Problem::new(StatusCode::NOT_ACCEPTABLE, message))
}

/// What the most specific entry for a type says.
fn suits(entries: &[&str], media_type: &str) -> Option<Suits> {
    let group = media_type.split('/').next().unwrap_or_default();
    let matching = entries.iter().enumerate().filter_map(|(place, entry)| {
        let mut parts = entry.split(';').map(str::trim);
        let range = parts.next()?.to_ascii_lowercase();
        let specific = match range.as_str() {
            exact if exact == media_type => 2,
            "*/*" => 0,
            wide => (wide.strip_suffix("/*") == Some(group)).then_some(1)?,
        };
        let quality = parts.find_map(|part| {
            let (name, value) = part.split_once('=')?;
            name.trim().eq_ignore_ascii_case("q").then(|| value.trim())
        });
        let quality = match quality {
            None => 1000,
            Some(text) => thousandths(text)?,
        };
        let earlier = std::cmp::Reverse(place);
        Some((specific, Suits { quality, earlier }))
    });
    matching.max_by_key(|found| *found).map(|(_, suits)| suits)
}

/// `0` to `1` with up to three digits after the point.
fn thousandths(text: &str) -> Option<u16> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = fraction.len() <= 3 && fraction.bytes().all(|byte| byte.is_ascii_digit());
    let value = match whole {
        "0" if digits => format!("{fraction:0<3}").parse().ok()?,
        "1" if digits && fraction.bytes().all(|byte| byte == b'0') => 1000,
        _ => return None,
    };
    Some(value)
}

/// The form of a request's body, JSON if it does not say; 415 if it is none of those taken.
pub(crate) fn body_format(headers: &HeaderMap, taken: &[Format]) -> Result<Format, Problem> {
    let Some(value) = headers.get(CONTENT_TYPE) else {
        return Ok(taken[0]);
    };
    let text = value.to_str().unwrap_or_default();
    let kind = text.split(';').next().unwrap_or_default().trim();
    let found = taken
        .iter()
        .find(|format| kind.eq_ignore_ascii_case(format.media_type()));
    let types: Vec<_> = taken.iter().map(|format| format.media_type()).collect();
    let message = format!("the body must be {}", types.join(" or "));
    found
        .copied()
        .ok_or_else(|| Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, message))
}

#[cfg(test)]
mod tests {
    use super::*;
    use Format::{Json, Ssz};

    fn wanted(accept: &str) -> Result<Format, u16> {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, accept.parse().expect("a header"));
        negotiate(&headers, &[Json, Ssz]).map_err(|problem| problem.status.as_u16())
    }

    #[test]
    fn the_best_form_wins() {
        assert_eq!(negotiate(&HeaderMap::new(), &[Json, Ssz]), Ok(Json));
        for (accept, format) in [
            ("*/*", Json),
            ("application/*", Json),
            ("application/json", Json),
            ("application/octet-stream", Ssz),
            (
                "APPLICATION/Octet-Stream; q=1.0,application/json;q=0.9",
                Ssz,
            ),
            (
                "application/json;q=0.9, application/octet-stream;q=0.901",
                Ssz,
            ),
            ("application/octet-stream;q=0.5, application/json", Json),
            ("application/octet-stream, application/json", Ssz),
            ("application/json, application/octet-stream", Json),
            ("application/json;q=0, */*", Ssz),
            ("text/html, */*;q=0.1", Json),
            ("*/*;q=0.1, application/octet-stream;q=0.2", Ssz),
        ] {
            assert_eq!(wanted(accept), Ok(format), "{accept}");
        }
    }

    #[test]
    fn nothing_that_suits_is_406() {
        for accept in [
            "text/html",
            "application/json;q=0",
            "image/*",
            "*/*;q=0.0",
            "application/json;q=2",
            "application/json;q=x",
            ",",
        ] {
            assert_eq!(wanted(accept), Err(406), "{accept}");
        }
    }

    #[test]
    fn bodies_have_a_type() {
        let of = |kind: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_TYPE, kind.parse().expect("a header"));
            body_format(&headers, &[Json, Ssz]).map_err(|problem| problem.status.as_u16())
        };
        assert_eq!(of("application/json; charset=utf-8"), Ok(Json));
        assert_eq!(of("application/octet-stream"), Ok(Ssz));
        assert_eq!(of("text/plain"), Err(415));
        assert_eq!(of(""), Err(415));
        assert_eq!(body_format(&HeaderMap::new(), &[Json]), Ok(Json));
    }
}
