//! [`Api`]: what all endpoints share.

use crate::context::Context;
use crate::gate::{Gate, Place};
use crate::limits::Limits;
use crate::lookup::View;
use crate::problem::Problem;
use crate::replay::Replays;
use api_types::StateId;
use consensus::BeaconState;
use std::sync::Arc;
use tokio::sync::{Semaphore, watch};

/// The context with the gates before everything that costs much.
pub(crate) struct Api {
    pub(crate) context: Context,
    pub(crate) limits: Limits,
    /// Before work over the registry.
    pub(crate) computations: Gate,
    /// Before answers that are in memory as a whole while they are sent.
    pub(crate) large_answers: Gate,
    /// Before bodies of requests beyond the usual length.
    pub(crate) large_bodies: Gate,
    /// One permit for each event stream.
    pub(crate) event_streams: Arc<Semaphore>,
    /// True when the server ends.
    pub(crate) closing: watch::Receiver<bool>,
    reads: Gate,
    /// Before answers from states that are not shared with the chain's own.
    old_states: Gate,
    replays: Replays,
}

/// A state that was asked for.
pub(crate) struct FoundState {
    pub(crate) state: BeaconState,
    /// Whether it can never change.
    pub(crate) finalized: bool,
    /// Held as long as the state, if nobody else holds that.
    pub(crate) place: Option<Place>,
}

impl Api {
    pub(crate) fn new(context: Context, limits: Limits, closing: watch::Receiver<bool>) -> Api {
        let patience = limits.patience;
        let gate = |running| Gate::new(running, limits.waiting, patience);
        let replays = Gate::new(limits.replays, limits.old_states, patience);
        Api {
            computations: gate(limits.computations),
            large_answers: gate(limits.large_answers),
            large_bodies: gate(limits.large_bodies),
            old_states: gate(limits.old_states),
            reads: gate(limits.reads),
            replays: Replays::new(replays, limits.kept_states, context.verifier.clone()),
            event_streams: Arc::new(Semaphore::new(limits.event_streams)),
            closing,
            context,
            limits,
        }
    }

    /// The chain as it is now.
    pub(crate) fn view(&self) -> View {
        View {
            snapshot: self.context.snapshots.load_full(),
            archive: self.context.archive.clone(),
        }
    }

    /// Reads from snapshot and archive, on a thread that may block.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&View) -> Result<T, Problem> + Send + 'static,
    ) -> Result<T, Problem> {
        let view = self.view();
        self.reads.run(move || read(&view)).await
    }

    /// The state of that name, made again if it is not in memory.
    pub(crate) async fn state(&self, id: StateId) -> Result<FoundState, Problem> {
        let view = self.view();
        if id == StateId::Head {
            let state = view.snapshot.head.state.clone();
            let finalized = view.find_state(id)?.finalized;
            return Ok(FoundState {
                state,
                finalized,
                place: None,
            });
        }
        let found = self.reads.run(move || {
            let at = view.find_state(id)?;
            Ok((view.hot_state(&at), at, view))
        });
        let (hot, at, view) = found.await?;
        let (state, place) = match hot {
            Some(state) => (state, None),
            None => {
                let place = self.old_states.enter().await?;
                (self.replays.state(view, at).await?, Some(place))
            }
        };
        Ok(FoundState {
            state,
            finalized: at.finalized,
            place,
        })
    }
}
