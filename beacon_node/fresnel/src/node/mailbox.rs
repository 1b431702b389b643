//! [`Mailbox`]: how everything reaches the core's thread.

use super::clock::now;
use chain::{Inbox, Input, Lane, LaneFigures};
use parking_lot::{Condvar, Mutex};

/// The lanes in front of the core, and who waits at them.
#[derive(Default)]
pub(crate) struct Mailbox {
    inbox: Mutex<Inbox>,
    filled: Condvar,
}

impl Mailbox {
    /// Leaves an input for the core. Gives back what the lanes have no room for: whoever waits for
    /// an answer to it has to be told.
    #[must_use]
    pub(crate) fn send(&self, input: Input) -> Vec<Input> {
        let dropped = self.inbox.lock().push(input, now());
        self.filled.notify_one();
        dropped
    }

    /// The next input, waiting for one.
    pub(crate) fn next(&self) -> Input {
        let mut inbox = self.inbox.lock();
        loop {
            if let Some(input) = inbox.pop(now()) {
                return input;
            }
            self.filled.wait(&mut inbox);
        }
    }

    /// What a lane has seen.
    pub(crate) fn figures(&self, lane: Lane) -> LaneFigures {
        self.inbox.lock().figures(lane)
    }
}
