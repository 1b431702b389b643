//! The API over a made chain.

mod fixture;
mod handlers;
mod history;
mod openapi;
mod server;

use crate::api::Api;
use crate::problem::Problem;
use crate::reply::{Body, Reply};
use crate::routes::{Incoming, handle};
use bytes::Bytes;
use futures_util::stream;
use serde_json::Value;
use std::convert::Infallible;
use std::sync::Arc;
use warp::http::{HeaderMap, HeaderName, Method};

/// An answer that was read to its end.
struct Answer {
    status: u16,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Answer {
    fn of(reply: Reply) -> Answer {
        let body = match reply.body {
            Body::Whole(bytes) => bytes.to_vec(),
            Body::Parts(parts) => parts.flatten().collect(),
            Body::Events(_) => Vec::new(),
        };
        Answer {
            status: reply.status.as_u16(),
            headers: reply.headers,
            body,
        }
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&self.body)))
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

async fn call(
    api: &Arc<Api>,
    method: Method,
    target: &str,
    headers: &[(&'static str, &str)],
    body: &[u8],
) -> Answer {
    let (path, raw_query) = target.split_once('?').unwrap_or((target, ""));
    let headers = headers.iter().map(|(name, value)| {
        let value = value.parse().expect("a header's value");
        (HeaderName::from_static(name), value)
    });
    let incoming = Incoming {
        method,
        path: path.into(),
        raw_query: raw_query.into(),
        headers: headers.collect(),
        body: stream::iter([Ok::<_, Infallible>(Bytes::copy_from_slice(body))]),
    };
    let reply = handle(api.clone(), incoming).await;
    Answer::of(reply.unwrap_or_else(Problem::into_reply))
}

async fn get(api: &Arc<Api>, target: &str) -> Answer {
    call(api, Method::GET, target, &[], b"").await
}

/// The JSON of a GET that must succeed.
async fn get_json(api: &Arc<Api>, target: &str) -> Value {
    let answer = get(api, target).await;
    assert_eq!(
        answer.status,
        200,
        "{target}: {}",
        String::from_utf8_lossy(&answer.body)
    );
    answer.json()
}

/// Status and sentence of a GET that must fail.
async fn get_error(api: &Arc<Api>, target: &str) -> (u16, String) {
    let answer = get(api, target).await;
    let json = answer.json();
    assert_eq!(json["code"], answer.status, "{target}: {json}");
    let message = json["message"].as_str().expect("a sentence");
    (answer.status, message.to_owned())
}
