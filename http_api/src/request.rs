//! [`Request`]: what an endpoint is handed.

use crate::accept::{Format, body_format};
use crate::api::Api;
use crate::gate::Place;
use crate::problem::Problem;
use crate::query::Query;
use api_types::InvalidId;
use bytes::{Buf, BufMut, Bytes, BytesMut};
use futures_util::{Stream, StreamExt};
use serde::de::DeserializeOwned;
use std::pin::pin;
use std::str::FromStr;
use warp::http::header::CONTENT_LENGTH;
use warp::http::{HeaderMap, StatusCode};

/// Longest body that needs no place among the large ones, bytes.
const USUAL_BYTES: usize = 256 << 10;

/// A request whose route is known.
#[derive(Debug, Default)]
pub(crate) struct Request {
    pub(crate) headers: HeaderMap,
    pub(crate) query: Query,
    /// The parts of the path that stand for the route's names, in order, decoded.
    pub(crate) params: Vec<String>,
    pub(crate) body: Bytes,
    /// Held as long as a large body.
    pub(crate) place: Option<Place>,
}

impl Request {
    /// A name in the path. Routes are matched with all their names, so `at` is always there.
    pub(crate) fn param<T: FromStr<Err = InvalidId>>(&self, at: usize) -> Result<T, Problem> {
        let text = self.params.get(at).map_or("", String::as_str);
        Ok(text.parse()?)
    }

    /// The body, which must be JSON.
    pub(crate) fn json<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        body_format(&self.headers, &[Format::Json])?;
        parse_json(&self.body)
    }
}

/// A value in JSON, without anything after it.
pub(crate) fn parse_json<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    let wrong = |error| Problem::bad_request(format!("the body is not what is expected: {error}"));
    serde_json::from_slice(body).map_err(wrong)
}

/// The whole body, and its place among the large ones if it is one of those.
pub(crate) async fn read_body<S, B, E>(
    api: &Api,
    headers: &HeaderMap,
    body: S,
) -> Result<(Bytes, Option<Place>), Problem>
where
    S: Stream<Item = Result<B, E>>,
    B: Buf,
{
    let limit = api.limits.body_bytes;
    let too_long = || {
        let message = format!("the body is longer than {limit} bytes");
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, message)
    };
    let announced = headers
        .get(CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok());
    let announced = announced.and_then(|text| text.parse::<usize>().ok());
    if announced.is_some_and(|length| length > limit) {
        return Err(too_long());
    }
    let read = async {
        let mut bytes = BytesMut::new();
        let mut place = None;
        let mut body = pin!(body);
        while let Some(part) = body.next().await {
            let part = part.map_err(|_| Problem::bad_request("the body is cut off"))?;
            if bytes.len() + part.remaining() > limit {
                return Err(too_long());
            }
            if place.is_none() && bytes.len() + part.remaining() > USUAL_BYTES {
                place = Some(api.large_bodies.enter().await?);
            }
            bytes.put(part);
        }
        Ok((bytes.freeze(), place))
    };
    let late = |_| {
        Problem::new(
            StatusCode::REQUEST_TIMEOUT,
            "the body took too long to arrive",
        )
    };
    tokio::time::timeout(api.limits.body_timeout, read)
        .await
        .map_err(late)?
}
