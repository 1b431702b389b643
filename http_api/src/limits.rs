//! [`Limits`].

use std::time::Duration;

/// What the server allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Most connections at once; more wait unaccepted.
    pub connections: usize,
    /// Longest time for a request's header to arrive, and for a connection to be idle.
    pub header_timeout: Duration,
    /// Longest time for a request's body to arrive.
    pub body_timeout: Duration,
    /// Longest time for which a client may take nothing of an answer.
    pub stall_timeout: Duration,
    /// Longest body of a request, bytes.
    pub body_bytes: usize,
    /// Most event streams at once.
    pub event_streams: usize,
    /// Longest silence on an event stream: then a comment is sent.
    pub event_silence: Duration,
    /// Reads of the store at once.
    pub reads: usize,
    /// Computations over the registry at once.
    pub computations: usize,
    /// Answers that are in memory as a whole while they are sent, or hold as much, at once: states in
    /// SSZ, committees, the fork choice.
    pub large_answers: usize,
    /// Bodies of requests beyond 256 KiB at once.
    pub large_bodies: usize,
    /// Answers at once from states that the chain does not hold itself.
    pub old_states: usize,
    /// Of these states, how many are made at once.
    pub replays: usize,
    /// Requests that may wait for each of these, beside those that run.
    pub waiting: usize,
    /// Longest wait for any of these.
    pub patience: Duration,
    /// States made again that are kept.
    pub kept_states: usize,
    /// Longest wait for open requests when the server ends.
    pub grace: Duration,
    /// Host names by which the server may be called, beside `localhost` and addresses; `*` allows
    /// all. A page whose name was bound to this machine's address must not read from it.
    pub hosts: Vec<String>,
    /// Origins whose pages may read answers; `*` allows all.
    pub origins: Vec<String>,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            connections: 512,
            header_timeout: Duration::from_secs(20),
            body_timeout: Duration::from_secs(30),
            stall_timeout: Duration::from_secs(30),
            body_bytes: 16 << 20,
            event_streams: 64,
            event_silence: Duration::from_secs(15),
            reads: 4,
            computations: 2,
            large_answers: 4,
            large_bodies: 4,
            old_states: 4,
            replays: 1,
            waiting: 64,
            patience: Duration::from_secs(20),
            kept_states: 4,
            grace: Duration::from_secs(3),
            hosts: Vec::new(),
            origins: Vec::new(),
        }
    }
}
