//! The servers: the REST API and the metrics, on a runtime of their own.

use super::calls::CallDesk;
use super::exporter;
use super::figures::Figures;
use super::shell::Shell;
use super::signals;
use crate::cli;
use anyhow::Context as _;
use arc_swap::ArcSwap;
use consensus::Verifier;
use http_api::types::NetworkIdentity;
use http_api::{Context, Limits};
use prometheus_client::registry::Registry;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;
use store::Reader;
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tracing::info;

/// Threads of the runtime: heavy answers are computed on threads of their own.
const THREADS: usize = 2;
/// Longest wait for open requests at the end.
const GRACE: Duration = Duration::from_secs(4);

/// Sockets that listen; nothing is answered yet.
pub(crate) struct Sockets {
    api: Option<TcpListener>,
    metrics: Option<TcpListener>,
    limits: Limits,
}

impl Sockets {
    /// Takes the ports, so that one that is in use is noticed before any work is done.
    pub(crate) fn bind(args: &cli::Node) -> anyhow::Result<Sockets> {
        let api = (!args.no_http).then(|| bind(args.http_address, args.http_port, "http"));
        let metrics =
            (!args.no_metrics).then(|| bind(args.metrics_address, args.metrics_port, "metrics"));
        Ok(Sockets {
            api: api.transpose()?,
            metrics: metrics.transpose()?,
            limits: Limits {
                hosts: args.http_host.clone(),
                origins: args.http_allow_origin.clone(),
                ..Limits::default()
            },
        })
    }

    /// Starts to answer.
    pub(crate) fn serve(
        self,
        shell: &Arc<Shell>,
        store: &Reader,
        verifier: Arc<dyn Verifier>,
    ) -> anyhow::Result<Servers> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(THREADS)
            .thread_name("servers")
            .enable_all()
            .build()
            .context("the threads of the servers cannot be started")?;
        let (stop, stopped) = watch::channel(false);
        let guard = runtime.enter();
        signals::listen(shell.wake.clone()).context("signals cannot be received")?;
        let mut api = None;
        if let Some(listener) = self.api {
            let address = listener.local_addr()?;
            let context = context(shell, store, verifier);
            let mut stopped = stopped.clone();
            let shutdown = async move {
                // A sender that is gone means the same.
                let _ = stopped.wait_for(|stop| *stop).await;
            };
            let listener = tokio::net::TcpListener::from_std(listener)?;
            let served = http_api::serve(listener, context, self.limits, shutdown);
            api = Some(runtime.spawn(served));
            info!("the REST API is at http://{address}");
        }
        if let Some(listener) = self.metrics {
            let address = listener.local_addr()?;
            let mut registry = Registry::default();
            shell.meters.register(&mut registry);
            let figures = Figures::new(shell.clone(), store.clone());
            registry.register_collector(Box::new(figures));
            let listener = tokio::net::TcpListener::from_std(listener)?;
            runtime.spawn(exporter::serve(listener, Arc::new(registry)));
            info!("the metrics are at http://{address}/metrics");
        }
        drop(guard);
        Ok(Servers { runtime, stop, api })
    }
}

fn bind(address: IpAddr, port: u16, option: &str) -> anyhow::Result<TcpListener> {
    let address = SocketAddr::new(address, port);
    let listener = TcpListener::bind(address).with_context(|| {
        format!(
            "{address}: cannot listen there; choose another --{option}-port or --{option}-address, or leave it out by --no-{option}"
        )
    })?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

fn context(shell: &Arc<Shell>, store: &Reader, verifier: Arc<dyn Verifier>) -> Context {
    Context {
        snapshots: shell.snapshots.clone(),
        archive: Arc::new(store.clone()),
        events: shell.events.clone(),
        calls: Arc::new(CallDesk(shell.clone())),
        verifier,
        identity: Arc::new(ArcSwap::from_pointee(NetworkIdentity::offline())),
        version: version(),
        sync_tolerance: super::SYNC_TOLERANCE,
    }
}

/// Name and version as the API gives them.
pub(crate) fn version() -> String {
    format!(
        "Fresnel/v{}/{}-{}",
        env!("CARGO_PKG_VERSION"),
        std::env::consts::ARCH,
        std::env::consts::OS
    )
}

/// Servers that answer.
pub(crate) struct Servers {
    runtime: Runtime,
    stop: watch::Sender<bool>,
    api: Option<JoinHandle<()>>,
}

impl Servers {
    /// Lets open requests end.
    pub(crate) fn stop(&self) {
        self.stop.send_replace(true);
    }

    /// Ends everything, after a short wait for open requests.
    pub(crate) fn end(self) {
        self.stop();
        if let Some(api) = self.api {
            // A request that takes longer is cut off.
            let _ = self
                .runtime
                .block_on(async { tokio::time::timeout(GRACE, api).await });
        }
        self.runtime.shutdown_background();
    }
}
