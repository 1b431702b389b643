//! [`WaitingList`]: who waits for which answer of the core.

use chain::{ApiError, ApiReply, BatchResult, Token};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::mpsc;
use tokio::sync::oneshot;

/// One who waits.
#[derive(Debug)]
pub(crate) enum Waiting {
    /// A call of the API.
    Call(oneshot::Sender<Result<ApiReply, ApiError>>),
    /// The import of files.
    Batch(mpsc::Sender<(Token, BatchResult)>),
}

/// Those who wait, by token. Bounded by the lanes: what they drop is answered.
#[derive(Debug, Default)]
pub(crate) struct WaitingList {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    last: Token,
    waiting: BTreeMap<Token, Waiting>,
}

impl WaitingList {
    /// Adds one and gives the token to ask with.
    pub(crate) fn add(&self, waiting: Waiting) -> Token {
        let mut state = self.state.lock();
        state.last += 1;
        let token = state.last;
        state.waiting.insert(token, waiting);
        token
    }

    /// Whoever waits for the answer with this token; the answer is the only one.
    pub(crate) fn take(&self, token: Token) -> Option<Waiting> {
        self.state.lock().waiting.remove(&token)
    }
}
