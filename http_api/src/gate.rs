//! [`Gate`]: admits a few at a time to something that costs much.

use crate::problem::Problem;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Admits a few at a time, lets some more wait for a while, and turns away the rest.
pub(crate) struct Gate {
    running: Arc<Semaphore>,
    present: Arc<Semaphore>,
    patience: Duration,
}

/// A place behind the gate, given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    _running: OwnedSemaphorePermit,
    _present: OwnedSemaphorePermit,
}

impl Gate {
    pub(crate) fn new(running: usize, waiting: usize, patience: Duration) -> Gate {
        Gate {
            running: Arc::new(Semaphore::new(running)),
            present: Arc::new(Semaphore::new(running.saturating_add(waiting))),
            patience,
        }
    }

    /// Waits for a place; 503 if too many wait, or for too long.
    pub(crate) async fn enter(&self) -> Result<Place, Problem> {
        let busy = || Problem::unavailable("the node is busy with other requests; try again later");
        let present = self.present.clone().try_acquire_owned();
        let present = present.map_err(|_| busy())?;
        let running = self.running.clone().acquire_owned();
        let running = tokio::time::timeout(self.patience, running).await;
        let running = running.ok().and_then(Result::ok).ok_or_else(busy)?;
        Ok(Place {
            _running: running,
            _present: present,
        })
    }

    /// Runs it on a thread that may block. The place is held until it has ended, even if nobody
    /// waits for the result any more.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, Problem> + Send + 'static,
    ) -> Result<T, Problem> {
        let place = self.enter().await?;
        blocking(move || {
            let _place = place;
            work()
        })
        .await
    }
}

/// Runs it on a thread that may block.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Problem> + Send + 'static,
) -> Result<T, Problem> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(Problem::internal(error)),
    }
}
