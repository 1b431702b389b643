//! Who may call: host names and origins.

use crate::problem::Problem;
use std::net::IpAddr;
use warp::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, HOST, ORIGIN, VARY,
};
use warp::http::{HeaderMap, HeaderValue, StatusCode};

/// Refuses a request that was made under a name that is not this machine's. A page of a name that
/// was bound to this address afterwards counts as of the same origin in a browser, so it could
/// read everything; no such page can be called by an address or as `localhost`.
pub(crate) fn check_host(headers: &HeaderMap, allowed: &[String]) -> Result<(), Problem> {
    // HTTP/1.0 may go without; no browser does.
    let Some(host) = headers.get(HOST) else {
        return Ok(());
    };
    let host = host.to_str().unwrap_or_default();
    let name = host_name(host);
    let named = |known: &String| known == "*" || known.eq_ignore_ascii_case(name);
    if name.parse::<IpAddr>().is_ok()
        || name.eq_ignore_ascii_case("localhost")
        || allowed.iter().any(named)
    {
        return Ok(());
    }
    let message =
        "the server is not called so; if it is, start the node with --http-host and this name";
    Err(Problem::new(StatusCode::FORBIDDEN, message))
}

/// The host without its port, an IPv6 address without its brackets.
fn host_name(host: &str) -> &str {
    match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    }
}

/// The headers that let the page that asks read the answer, if it may.
pub(crate) fn cors(request: &HeaderMap, allowed: &[String]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    if allowed.is_empty() {
        return headers;
    }
    // What is answered depends on who asks, for caches on the way.
    headers.insert(VARY, HeaderValue::from_static("origin"));
    let Some(origin) = request.get(ORIGIN) else {
        return headers;
    };
    let any = allowed.iter().any(|known| known == "*");
    if !any && !allowed.iter().any(|known| known.as_bytes() == origin) {
        return headers;
    }
    let allow = match any {
        true => HeaderValue::from_static("*"),
        false => origin.clone(),
    };
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, allow);
    for (name, value) in [
        (ACCESS_CONTROL_EXPOSE_HEADERS, "eth-consensus-version"),
        (ACCESS_CONTROL_ALLOW_METHODS, "GET, HEAD, POST"),
        (
            ACCESS_CONTROL_ALLOW_HEADERS,
            "content-type, accept, eth-consensus-version",
        ),
        (ACCESS_CONTROL_MAX_AGE, "600"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_others_are_refused() {
        let allowed = vec!["Beacon.example.org".to_owned()];
        let check = |host: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(HOST, host.parse().expect("a header"));
            check_host(&headers, &allowed).is_ok()
        };
        for host in [
            "127.0.0.1",
            "192.168.1.7:5052",
            "[::1]:5052",
            "LocalHost:1",
            "beacon.example.org:5052",
        ] {
            assert!(check(host), "{host}");
        }
        for host in [
            "attacker.example",
            "127.0.0.1.attacker.example",
            "localhost.attacker.example:5052",
            "",
            "[attacker.example]",
        ] {
            assert!(!check(host), "{host}");
        }
        assert!(check_host(&HeaderMap::new(), &allowed).is_ok());
    }

    #[test]
    fn origins_are_allowed_by_option_alone() {
        let mut request = HeaderMap::new();
        request.insert(ORIGIN, HeaderValue::from_static("http://a.example"));
        assert!(cors(&request, &[]).is_empty());
        let allow = |allowed: &str| {
            let headers = cors(&request, &[allowed.to_owned()]);
            let value = headers.get(ACCESS_CONTROL_ALLOW_ORIGIN)?;
            value.to_str().ok().map(str::to_owned)
        };
        assert_eq!(allow("*").as_deref(), Some("*"));
        assert_eq!(
            allow("http://a.example").as_deref(),
            Some("http://a.example")
        );
        assert_eq!(allow("http://b.example"), None);
    }
}
