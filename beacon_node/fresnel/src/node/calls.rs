//! The way of the API into the core.

use super::shell::Shell;
use super::waiting::Waiting;
use chain::{ApiCall, ApiError, ApiReply, Input};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use std::sync::Arc;
use tokio::sync::oneshot;

/// Hands calls to the core.
pub(crate) struct CallDesk(pub(crate) Arc<Shell>);

impl http_api::Calls for CallDesk {
    fn call(&self, call: ApiCall) -> BoxFuture<'static, Result<ApiReply, ApiError>> {
        let (sender, answer) = oneshot::channel();
        let token = self.0.waiting.add(Waiting::Call(sender));
        self.0.send(Input::Api(token, call));
        async move {
            answer
                .await
                .unwrap_or_else(|_| Err(ApiError::Unavailable("the node is shutting down".into())))
        }
        .boxed()
    }
}
