//! [`Reply`]: an answer on its way to warp.

use api_types::{ConsensusVersion, Envelope};
use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use serde::Serialize;
use std::convert::Infallible;
use std::pin::Pin;
use warp::Reply as _;
use warp::http::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE};
use warp::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use warp::reply::Response;

/// Names the fork of a body.
pub(crate) const CONSENSUS_VERSION: HeaderName = HeaderName::from_static("eth-consensus-version");
/// The type of JSON bodies.
pub(crate) const JSON: &str = "application/json";
/// The type of SSZ bodies.
pub(crate) const SSZ: &str = "application/octet-stream";
/// The type of event streams.
pub(crate) const EVENT_STREAM: &str = "text/event-stream";
/// Keeps reverse proxies from holding events back.
const X_ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");
/// A long answer in memory is handed out in such parts, bytes.
const PART_BYTES: usize = 256 << 10;

/// The parts of a body, made while they are sent.
pub(crate) type Parts = Box<dyn Iterator<Item = Bytes> + Send + Sync>;

/// A body.
pub(crate) enum Body {
    /// Whole.
    Whole(Bytes),
    /// In parts; an empty part is nothing.
    Parts(Parts),
    /// Events until they end.
    Events(Pin<Box<dyn Stream<Item = Bytes> + Send + Sync>>),
}

/// An answer.
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Body,
}

impl Reply {
    fn new(kind: &'static str, body: Body) -> Reply {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        Reply {
            status: StatusCode::OK,
            headers,
            body,
        }
    }

    /// A status without a body.
    pub(crate) fn empty(status: StatusCode) -> Reply {
        Reply {
            status,
            headers: HeaderMap::new(),
            body: Body::Whole(Bytes::new()),
        }
    }

    /// A body in JSON.
    pub(crate) fn json(body: &impl Serialize) -> Reply {
        Reply::new(JSON, Body::Whole(json(body).into()))
    }

    /// `{"data": …}`
    pub(crate) fn data(data: impl Serialize) -> Reply {
        Reply::json(&Envelope::plain(data))
    }

    /// JSON that is made while it is sent; `held` is let go when all is sent.
    pub(crate) fn json_pieces(
        pieces: impl Iterator<Item = Vec<u8>> + Send + Sync + 'static,
        held: impl Send + Sync + 'static,
    ) -> Reply {
        let parts = pieces.map(move |piece| {
            let _keep = &held;
            Bytes::from(piece)
        });
        Reply::new(JSON, Body::Parts(Box::new(parts)))
    }

    /// A body in SSZ.
    pub(crate) fn ssz(bytes: Vec<u8>) -> Reply {
        Reply::new(SSZ, Body::Whole(bytes.into()))
    }

    /// A long body of that type; `held` is let go when all is sent.
    pub(crate) fn long(
        kind: &'static str,
        bytes: Vec<u8>,
        held: impl Send + Sync + 'static,
    ) -> Reply {
        let length = HeaderValue::from(bytes.len());
        let mut rest = Bytes::from(bytes);
        let parts = std::iter::from_fn(move || {
            let _keep = &held;
            let part = rest.split_to(rest.len().min(PART_BYTES));
            (!part.is_empty()).then_some(part)
        });
        let mut reply = Reply::new(kind, Body::Parts(Box::new(parts)));
        reply.headers.insert(CONTENT_LENGTH, length);
        reply
    }

    /// A stream of events.
    pub(crate) fn events(events: impl Stream<Item = Bytes> + Send + Sync + 'static) -> Reply {
        let mut reply = Reply::new(EVENT_STREAM, Body::Events(Box::pin(events)));
        let headers = &mut reply.headers;
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        headers.insert(X_ACCEL_BUFFERING, HeaderValue::from_static("no"));
        reply
    }

    /// With the header that names the fork.
    pub(crate) fn versioned(mut self) -> Reply {
        let version = HeaderValue::from_static(ConsensusVersion::Phase0.as_str());
        self.headers.insert(CONSENSUS_VERSION, version);
        self
    }

    pub(crate) fn into_response(self) -> Response {
        let mut response = match self.body {
            Body::Whole(bytes) => Response::new(bytes.into()),
            Body::Parts(parts) => warp::reply::stream(paced(parts)).into_response(),
            Body::Events(events) => {
                warp::reply::stream(events.map(Ok::<_, Infallible>)).into_response()
            }
        };
        *response.status_mut() = self.status;
        *response.headers_mut() = self.headers;
        response
    }
}

/// A value in JSON. The types of the API always have that form.
pub(crate) fn json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).unwrap_or_default()
}

/// The parts, with a chance for other tasks before each.
fn paced(parts: Parts) -> impl Stream<Item = Result<Bytes, Infallible>> + Send + Sync {
    stream::unfold(parts, |mut parts| async move {
        loop {
            tokio::task::yield_now().await;
            let part = parts.next()?;
            if !part.is_empty() {
                return Some((Ok(part), parts));
            }
        }
    })
}
