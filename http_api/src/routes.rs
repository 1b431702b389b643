//! The route table, and the way of a request through it.

use crate::api::Api;
use crate::endpoints::*;
use crate::origin::{check_host, cors};
use crate::problem::Problem;
use crate::query::{Query, percent_decode};
use crate::reply::Reply;
use crate::request::{Request, read_body};
use bytes::{Buf, Bytes};
use futures_util::Stream;
use futures_util::future::BoxFuture;
use std::sync::Arc;
use warp::http::header::ALLOW;
use warp::http::{HeaderMap, HeaderValue, Method, StatusCode};
use warp::reply::Response;

/// Answers a request.
#[derive(Clone, Copy)]
enum Handler {
    /// From memory.
    Now(fn(&Api, &Request) -> Result<Reply, Problem>),
    /// With waiting.
    Later(fn(Arc<Api>, Request) -> BoxFuture<'static, Result<Reply, Problem>>),
}

/// What an endpoint is called for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verb {
    Get,
    Post,
}

/// An endpoint and where it is. Parts of the path in braces stand for names.
pub(crate) struct Route {
    pub(crate) verb: Verb,
    pub(crate) path: &'static str,
    handler: Handler,
}

macro_rules! handler {
    (now $function:path) => {
        Handler::Now($function)
    };
    (later $function:path) => {
        Handler::Later(|api, request| Box::pin($function(api, request)))
    };
}

macro_rules! routes {
    ($($verb:ident $path:literal => $when:ident $function:path;)*) => {
        /// Every endpoint.
        pub(crate) const ROUTES: &[Route] = &[$(Route {
            verb: Verb::$verb,
            path: $path,
            handler: handler!($when $function),
        }),*];
    };
}

routes! {
    Get "/eth/v1/node/version" => now node::version;
    Get "/eth/v1/node/health" => now node::health;
    Get "/eth/v1/node/syncing" => now node::syncing;
    Get "/eth/v1/node/identity" => now node::identity;
    Get "/eth/v1/config/spec" => now config::spec;
    Get "/eth/v1/config/fork_schedule" => now config::fork_schedule;
    Get "/eth/v1/config/deposit_contract" => now config::deposit_contract;
    Get "/eth/v1/beacon/genesis" => now states::genesis;
    Get "/eth/v1/beacon/states/{state_id}/root" => later states::root;
    Get "/eth/v1/beacon/states/{state_id}/fork" => later states::fork;
    Get "/eth/v1/beacon/states/{state_id}/finality_checkpoints" => later states::finality_checkpoints;
    Get "/eth/v1/beacon/states/{state_id}/validators" => later validators::validators;
    Post "/eth/v1/beacon/states/{state_id}/validators" => later validators::post_validators;
    Get "/eth/v1/beacon/states/{state_id}/validators/{validator_id}" => later validators::validator;
    Get "/eth/v1/beacon/states/{state_id}/validator_balances" => later validators::balances;
    Post "/eth/v1/beacon/states/{state_id}/validator_balances" => later validators::post_balances;
    Get "/eth/v1/beacon/states/{state_id}/committees" => later committees::committees;
    Get "/eth/v1/beacon/headers" => later headers::headers;
    Get "/eth/v1/beacon/headers/{block_id}" => later headers::header;
    Get "/eth/v1/beacon/blocks/{block_id}" => later blocks::block_v1;
    Get "/eth/v2/beacon/blocks/{block_id}" => later blocks::block_v2;
    Get "/eth/v1/beacon/blocks/{block_id}/root" => later blocks::root;
    Get "/eth/v1/beacon/blocks/{block_id}/attestations" => later blocks::attestations_v1;
    Get "/eth/v2/beacon/blocks/{block_id}/attestations" => later blocks::attestations_v2;
    Post "/eth/v1/beacon/blocks" => later blocks::publish_v1;
    Post "/eth/v2/beacon/blocks" => later blocks::publish_v2;
    Get "/eth/v1/debug/beacon/states/{state_id}" => later debug::state_v1;
    Get "/eth/v2/debug/beacon/states/{state_id}" => later debug::state_v2;
    Get "/eth/v1/debug/beacon/heads" => now debug::heads_v1;
    Get "/eth/v2/debug/beacon/heads" => now debug::heads_v2;
    Get "/eth/v1/debug/fork_choice" => later debug::fork_choice;
    Get "/eth/v1/events" => now events::events;
}

/// The names in a path, if it is of this pattern.
fn matched(pattern: &str, path: &str) -> Option<Vec<String>> {
    let mut params = Vec::new();
    let mut parts = path.split('/');
    for wanted in pattern.split('/') {
        let part = parts.next()?;
        match wanted.starts_with('{') {
            true if part.is_empty() => return None,
            true => params.push(percent_decode(part).ok()?),
            false if wanted != part => return None,
            false => {}
        }
    }
    parts.next().is_none().then_some(params)
}

/// A request as warp hands it over.
pub(crate) struct Incoming<S> {
    pub(crate) method: Method,
    /// As it came, not decoded.
    pub(crate) path: String,
    pub(crate) raw_query: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: S,
}

/// Answers any request.
pub(crate) async fn answer<S, B, E>(api: Arc<Api>, incoming: Incoming<S>) -> Response
where
    S: Stream<Item = Result<B, E>> + Send,
    B: Buf,
{
    let cors = cors(&incoming.headers, &api.limits.origins);
    let reply = handle(api, incoming).await;
    let mut reply = reply.unwrap_or_else(Problem::into_reply);
    reply.headers.extend(cors);
    reply.into_response()
}

pub(crate) async fn handle<S, B, E>(api: Arc<Api>, incoming: Incoming<S>) -> Result<Reply, Problem>
where
    S: Stream<Item = Result<B, E>> + Send,
    B: Buf,
{
    check_host(&incoming.headers, &api.limits.hosts)?;
    let path = incoming.path.as_str();
    let found = ROUTES.iter();
    let found = found.filter_map(|route| Some((route, matched(route.path, path)?)));
    let found: Vec<_> = found.collect();
    if found.is_empty() {
        return Err(Problem::not_found("there is no such endpoint"));
    }
    let verb = match incoming.method {
        Method::GET | Method::HEAD => Some(Verb::Get),
        Method::POST => Some(Verb::Post),
        Method::OPTIONS => return Ok(options(&found)),
        _ => None,
    };
    let verbs = methods(&found);
    let wanted = found
        .into_iter()
        .find(|(route, _)| Some(route.verb) == verb);
    let (route, params) = wanted.ok_or_else(|| Problem::method_not_allowed(verbs))?;
    let query = Query::parse(&incoming.raw_query)?;
    let (body, place) = match route.verb {
        Verb::Get => (Bytes::new(), None),
        Verb::Post => read_body(&api, &incoming.headers, incoming.body).await?,
    };
    let request = Request {
        headers: incoming.headers,
        query,
        params,
        body,
        place,
    };
    match route.handler {
        Handler::Now(handler) => handler(&api, &request),
        Handler::Later(handler) => handler(api, request).await,
    }
}

/// The methods of a path, as in the header `Allow`.
fn methods(found: &[(&Route, Vec<String>)]) -> String {
    let has = |verb| found.iter().any(|(route, _)| route.verb == verb);
    let methods = [(Verb::Get, "GET, HEAD"), (Verb::Post, "POST")];
    let methods = methods.into_iter().filter(|(verb, _)| has(*verb));
    methods.map(|(_, name)| name).collect::<Vec<_>>().join(", ")
}

fn options(found: &[(&Route, Vec<String>)]) -> Reply {
    let mut reply = Reply::empty(StatusCode::NO_CONTENT);
    if let Ok(methods) = HeaderValue::from_str(&methods(found)) {
        reply.headers.insert(ALLOW, methods);
    }
    reply
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_whole_paths() {
        let pattern = "/eth/v1/beacon/states/{state_id}/validators/{validator_id}";
        let path = "/eth/v1/beacon/states/head/validators/0x%30";
        assert_eq!(
            matched(pattern, path),
            Some(vec!["head".into(), "0x0".into()])
        );
        for other in [
            "/eth/v1/beacon/states/head/validators",
            "/eth/v1/beacon/states/head/validators/",
            "/eth/v1/beacon/states//validators/1",
            "/eth/v1/beacon/states/head/validators/1/",
            "/eth/v1/beacon/states/head/validators/%zz",
            "//eth/v1/beacon/states/head/validators/1",
        ] {
            assert_eq!(matched(pattern, other), None, "{other}");
        }
    }

    #[test]
    fn no_two_routes_are_the_same() {
        for (at, route) in ROUTES.iter().enumerate() {
            let same = |other: &&Route| other.verb == route.verb && other.path == route.path;
            assert!(
                !ROUTES[at + 1..].iter().any(|other| same(&other)),
                "{}",
                route.path
            );
        }
    }
}
