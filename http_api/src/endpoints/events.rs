//! `/eth/v1/events`

use crate::accept::{Format, negotiate};
use crate::api::Api;
use crate::problem::Problem;
use crate::reply::{Reply, json};
use crate::request::Request;
use api_types::{BlockEvent, ChainReorgEvent, FinalizedCheckpointEvent, HeadEvent, Topic};
use bytes::Bytes;
use chain::Event;
use serde::Serialize;
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{OwnedSemaphorePermit, mpsc, watch};
use tokio::time::Instant;
use tokio_stream::wrappers::ReceiverStream;

/// Events that wait for a client's connection, beside those in the node's own queue.
const BUFFERED: usize = 16;

/// `eventstream`
pub(crate) fn events(api: &Api, request: &Request) -> Result<Reply, Problem> {
    negotiate(&request.headers, &[Format::Events])?;
    let topics = parse_topics(&request.query.list("topics"))?;
    let permit = api.event_streams.clone().try_acquire_owned();
    let permit = permit.map_err(|_| Problem::unavailable("too many event streams are open"))?;
    let (sender, receiver) = mpsc::channel(BUFFERED);
    let subscriber = Subscriber {
        events: api.context.events.subscribe(),
        topics,
        sender,
        closing: api.closing.clone(),
        silence: api.limits.event_silence,
        _permit: permit,
    };
    tokio::spawn(subscriber.run());
    Ok(Reply::events(ReceiverStream::new(receiver)))
}

fn parse_topics(names: &[&str]) -> Result<BTreeSet<Topic>, Problem> {
    if names.is_empty() {
        return Err(Problem::bad_request("topics is missing"));
    }
    let mut topics = BTreeSet::new();
    for name in names {
        match Topic::named(name) {
            Some(topic) => drop(topics.insert(topic)),
            None if Topic::is_silent(name) => {}
            None => {
                let name: String = name.chars().take(60).collect();
                return Err(Problem::bad_request(format!("'{name}' is no topic")));
            }
        }
    }
    Ok(topics)
}

/// Passes events on to one client.
struct Subscriber {
    events: Receiver<Event>,
    topics: BTreeSet<Topic>,
    sender: mpsc::Sender<Bytes>,
    closing: watch::Receiver<bool>,
    silence: Duration,
    _permit: OwnedSemaphorePermit,
}

impl Subscriber {
    /// Until the client goes, falls behind, or the server ends.
    async fn run(mut self) {
        let mut silent_until = Instant::now() + self.silence;
        loop {
            let text = tokio::select! {
                _ = self.closing.wait_for(|closing| *closing) => return,
                () = self.sender.closed() => return,
                () = tokio::time::sleep_until(silent_until) => Some(Bytes::from_static(b":\n\n")),
                event = self.events.recv() => match event {
                    Ok(event) => text(&self.topics, &event),
                    // Better no stream than one with a gap: the client asks again and catches up.
                    Err(RecvError::Lagged(_) | RecvError::Closed) => return,
                },
            };
            let Some(text) = text else { continue };
            silent_until = Instant::now() + self.silence;
            let sent = tokio::select! {
                _ = self.closing.wait_for(|closing| *closing) => return,
                sent = self.sender.send(text) => sent,
            };
            if sent.is_err() {
                return;
            }
        }
    }
}

/// The event as the client reads it, if it wants it.
fn text(topics: &BTreeSet<Topic>, event: &Event) -> Option<Bytes> {
    let topic = topic(event);
    if !topics.contains(&topic) {
        return None;
    }
    let mut text = format!("event: {}\ndata: ", topic.as_str()).into_bytes();
    write_data(event, &mut text);
    text.extend_from_slice(b"\n\n");
    Some(text.into())
}

fn topic(event: &Event) -> Topic {
    match event {
        Event::Head { .. } => Topic::Head,
        Event::Block { .. } => Topic::Block,
        Event::Attestation(_) => Topic::Attestation,
        Event::VoluntaryExit(_) => Topic::VoluntaryExit,
        Event::ProposerSlashing(_) => Topic::ProposerSlashing,
        Event::AttesterSlashing(_) => Topic::AttesterSlashing,
        Event::FinalizedCheckpoint { .. } => Topic::FinalizedCheckpoint,
        Event::ChainReorg { .. } => Topic::ChainReorg,
    }
}

/// JSON without spaces is one line.
fn append(text: &mut Vec<u8>, data: &impl Serialize) {
    text.extend_from_slice(&json(data));
}

fn write_data(event: &Event, text: &mut Vec<u8>) {
    let execution_optimistic = false;
    match *event {
        Event::Head {
            slot,
            block,
            state,
            epoch_transition,
            previous_duty_dependent_root,
            current_duty_dependent_root,
        } => append(
            text,
            &HeadEvent {
                slot,
                block,
                state,
                epoch_transition,
                previous_duty_dependent_root,
                current_duty_dependent_root,
                execution_optimistic,
            },
        ),
        Event::Block { slot, block } => append(
            text,
            &BlockEvent {
                slot,
                block,
                execution_optimistic,
            },
        ),
        Event::FinalizedCheckpoint {
            block,
            state,
            epoch,
        } => append(
            text,
            &FinalizedCheckpointEvent {
                block,
                state,
                epoch,
                execution_optimistic,
            },
        ),
        Event::ChainReorg { .. } => write_reorg(event, text),
        Event::Attestation(ref attestation) => append(text, attestation.as_ref()),
        Event::VoluntaryExit(ref exit) => append(text, exit.as_ref()),
        Event::ProposerSlashing(ref slashing) => append(text, slashing.as_ref()),
        Event::AttesterSlashing(ref slashing) => append(text, slashing.as_ref()),
    }
}

fn write_reorg(event: &Event, text: &mut Vec<u8>) {
    if let Event::ChainReorg {
        slot,
        depth,
        old_head_block,
        new_head_block,
        old_head_state,
        new_head_state,
        epoch,
    } = *event
    {
        append(
            text,
            &ChainReorgEvent {
                slot,
                depth,
                old_head_block,
                new_head_block,
                old_head_state,
                new_head_state,
                epoch,
                execution_optimistic: false,
            },
        );
    }
}
