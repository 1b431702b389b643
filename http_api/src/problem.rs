//! [`Problem`]: an answer that is an error.

use crate::reply::Reply;
use api_types::{ErrorMessage, IndexedFailure, InvalidId};
use chain::ApiError;
use std::fmt::Display;
use store::StoreError;
use warp::http::header::{ALLOW, CONNECTION, RETRY_AFTER};
use warp::http::{HeaderValue, StatusCode};

/// Seconds after which a client that was turned away may try again.
const RETRY_SECONDS: u64 = 2;

/// Why a request is not answered: a status and a sentence.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{status}: {message}")]
pub(crate) struct Problem {
    pub(crate) status: StatusCode,
    pub(crate) message: String,
    pub(crate) failures: Vec<IndexedFailure>,
    /// The methods that the path has.
    allow: Option<String>,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, message: impl Display) -> Problem {
        Problem {
            status,
            message: message.to_string(),
            failures: Vec::new(),
            allow: None,
        }
    }

    pub(crate) fn bad_request(message: impl Display) -> Problem {
        Problem::new(StatusCode::BAD_REQUEST, message)
    }

    pub(crate) fn not_found(message: impl Display) -> Problem {
        Problem::new(StatusCode::NOT_FOUND, message)
    }

    pub(crate) fn unavailable(message: impl Display) -> Problem {
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, message)
    }

    /// A fault of this node: logged, as nobody expects it.
    pub(crate) fn internal(message: impl Display) -> Problem {
        tracing::error!("a request failed: {message}");
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, message)
    }

    pub(crate) fn method_not_allowed(allow: String) -> Problem {
        let message = format!("this path takes {allow}");
        Problem {
            allow: Some(allow),
            ..Problem::new(StatusCode::METHOD_NOT_ALLOWED, message)
        }
    }

    pub(crate) fn into_reply(self) -> Reply {
        let body = ErrorMessage {
            code: self.status.as_u16(),
            message: self.message,
            failures: self.failures,
        };
        let mut reply = Reply::json(&body);
        reply.status = self.status;
        let headers = &mut reply.headers;
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(RETRY_AFTER, HeaderValue::from(RETRY_SECONDS));
        }
        if let Some(allow) = self.allow.and_then(|allow| allow.try_into().ok()) {
            headers.insert(ALLOW, allow);
        }
        let body_unread = [StatusCode::PAYLOAD_TOO_LARGE, StatusCode::REQUEST_TIMEOUT];
        if body_unread.contains(&self.status) {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        reply
    }
}

impl From<InvalidId> for Problem {
    fn from(error: InvalidId) -> Problem {
        Problem::bad_request(error)
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Problem {
        Problem::internal(error)
    }
}

impl From<ApiError> for Problem {
    fn from(error: ApiError) -> Problem {
        let problem = match &error {
            ApiError::Invalid(_) | ApiError::InvalidItems(_) => Problem::bad_request(&error),
            ApiError::Unavailable(_) => Problem::unavailable(&error),
        };
        let ApiError::InvalidItems(items) = error else {
            return problem;
        };
        let failures = items.into_iter();
        Problem {
            failures: failures
                .map(|(index, message)| IndexedFailure { index, message })
                .collect(),
            ..problem
        }
    }
}
