//! [`serve`]: the loop that accepts connections.

use crate::api::Api;
use crate::context::Context;
use crate::limits::Limits;
use crate::routes::{Incoming, answer};
use crate::stall::StallGuard;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use warp::Filter;
use warp::http::{HeaderMap, Method};
use warp::path::FullPath;
use warp::reply::Response;

/// The pause after the system refused to accept a connection, as when it is out of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Longest header of a request, bytes.
const HEADER_BYTES: usize = 128 << 10;

/// Serves the API on a listener until `shutdown` is ready. Then open requests have
/// [`Limits::grace`] to end; event streams end at once. Must be called within a tokio runtime with
/// timers and I/O.
pub async fn serve(
    listener: TcpListener,
    context: Context,
    limits: Limits,
    shutdown: impl Future<Output = ()>,
) {
    let (close, closing) = watch::channel(false);
    let grace = limits.grace;
    let connections = Arc::new(Semaphore::new(limits.connections));
    let api = Arc::new(Api::new(context, limits, closing));
    let graceful = GracefulShutdown::new();
    let mut shutdown = pin!(shutdown);
    loop {
        let accepted = tokio::select! {
            () = &mut shutdown => break,
            accepted = accept(&listener, &connections) => accepted,
        };
        if let Some((stream, permit)) = accepted {
            serve_connection(stream, permit, &api, &graceful);
        }
    }
    drop(listener);
    // Nobody listens if there are no event streams.
    close.send_replace(true);
    if tokio::time::timeout(grace, graceful.shutdown())
        .await
        .is_err()
    {
        tracing::warn!("API requests were still open when the server ended");
    }
}

/// The next connection, once there is room for it.
async fn accept(
    listener: &TcpListener,
    connections: &Arc<Semaphore>,
) -> Option<(TcpStream, OwnedSemaphorePermit)> {
    let permit = connections.clone().acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, _)) => Some((stream, permit)),
        Err(error) => {
            tracing::debug!("no API connection accepted: {error}");
            tokio::time::sleep(ACCEPT_PAUSE).await;
            None
        }
    }
}

/// Starts to serve a connection; the permit is given back when it has ended.
fn serve_connection(
    stream: TcpStream,
    permit: OwnedSemaphorePermit,
    api: &Arc<Api>,
    graceful: &GracefulShutdown,
) {
    // Small answers must not wait for more; without it they are merely slower.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!("no TCP_NODELAY: {error}");
    }
    let stream = StallGuard::new(stream, api.limits.stall_timeout);
    let service = TowerToHyperService::new(warp::service(filter(api.clone())));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(api.limits.header_timeout)
        .max_buf_size(HEADER_BYTES)
        .serve_connection(TokioIo::new(stream), service);
    let connection = graceful.watch(connection);
    tokio::spawn(async move {
        let _permit = permit;
        if let Err(error) = connection.await {
            tracing::debug!("an API connection ended: {error}");
        }
    });
}

/// The one filter: it takes every request as it is.
fn filter(
    api: Arc<Api>,
) -> impl Filter<Extract = (Response,), Error = warp::Rejection> + Clone + Send + Sync + 'static {
    let raw_query = warp::query::raw().or(warp::any().map(String::new)).unify();
    warp::method()
        .and(warp::path::full())
        .and(raw_query)
        .and(warp::header::headers_cloned())
        .and(warp::body::stream())
        .then(
            move |method: Method, path: FullPath, raw_query: String, headers: HeaderMap, body| {
                let incoming = Incoming {
                    method,
                    path: path.as_str().to_owned(),
                    raw_query,
                    headers,
                    body,
                };
                answer(api.clone(), incoming)
            },
        )
}
