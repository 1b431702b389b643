//! [`Shell`]: what the node's threads share, and how the core's effects are carried out.

use super::clock::{self, Alarm, Moment};
use super::mailbox::Mailbox;
use super::meters::{Meters, input_name};
use super::status;
use super::waiting::{Waiting, WaitingList};
use super::workers::Queues;
use super::writer::Order;
use anyhow::anyhow;
use arc_swap::ArcSwap;
use chain::{
    ApiError, ApiReply, BatchError, BatchResult, Chain, Effect, Event, Input, Notice, Snapshot,
};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::thread::JoinHandle;
use std::time::Instant;
use tokio::sync::broadcast;

/// Events that a slow subscriber may lag behind.
const EVENT_BACKLOG: usize = 1_024;

/// Why the main thread is woken.
#[derive(Debug)]
pub(crate) enum Wake {
    /// A signal asks the node to stop.
    Signal(&'static str),
    /// The import of files has ended.
    Imported(anyhow::Result<super::import::Totals>),
    /// The core has stopped: all its batches are with the writer.
    Stopped,
    /// A thread could not go on.
    Failed(anyhow::Error),
}

/// What the threads of a node share.
pub(crate) struct Shell {
    pub(crate) mailbox: Mailbox,
    pub(crate) alarm: Alarm,
    pub(crate) queues: Queues,
    pub(crate) meters: Meters,
    pub(crate) waiting: WaitingList,
    pub(crate) snapshots: Arc<ArcSwap<Snapshot>>,
    pub(crate) events: broadcast::Sender<Event>,
    pub(crate) orders: Sender<Order>,
    pub(crate) wake: Sender<Wake>,
}

impl Shell {
    pub(crate) fn new(
        snapshot: Arc<Snapshot>,
        threads: usize,
        orders: Sender<Order>,
        wake: Sender<Wake>,
    ) -> Shell {
        Shell {
            mailbox: Mailbox::default(),
            alarm: Alarm::default(),
            queues: Queues::new(threads),
            meters: Meters::default(),
            waiting: WaitingList::default(),
            snapshots: Arc::new(ArcSwap::new(snapshot)),
            events: broadcast::Sender::new(EVENT_BACKLOG),
            orders,
            wake,
        }
    }

    /// Starts a thread. If it fails or panics, the main thread is told and ends the process.
    pub(crate) fn spawn(
        self: &Arc<Shell>,
        name: &'static str,
        work: impl FnOnce(&Shell) -> anyhow::Result<()> + Send + 'static,
    ) -> std::io::Result<JoinHandle<()>> {
        let shell = self.clone();
        std::thread::Builder::new()
            .name(name.into())
            .spawn(move || {
                let failure = match catch_unwind(AssertUnwindSafe(|| work(&shell))) {
                    Ok(Ok(())) => return,
                    Ok(Err(error)) => error,
                    Err(_) => anyhow!(
                        "the {name} thread panicked (see above): this is a bug of Fresnel; the data folder is as after a crash, start the node again"
                    ),
                };
                // No main thread: the process is ending already.
                let _ = shell.wake.send(Wake::Failed(failure));
            })
    }

    /// Leaves an input for the core; whoever waits for an answer to one that was dropped is told.
    pub(crate) fn send(&self, input: Input) {
        for dropped in self.mailbox.send(input) {
            self.refuse(&dropped);
        }
    }

    fn refuse(&self, dropped: &Input) {
        match dropped {
            Input::Api(token, _) => {
                let busy = "the node is overloaded, try again in a moment".to_owned();
                self.reply(*token, Err(ApiError::Unavailable(busy)));
            }
            Input::Batch(token, _) => self.batch_done(
                *token,
                BatchResult {
                    imported: 0,
                    error: Some(BatchError::Limit("too many blocks wait".into())),
                },
            ),
            _ => {}
        }
    }

    fn reply(&self, token: u64, reply: Result<ApiReply, ApiError>) {
        if let Some(Waiting::Call(sender)) = self.waiting.take(token) {
            // The client may have gone.
            let _ = sender.send(reply);
        }
    }

    fn batch_done(&self, token: u64, result: BatchResult) {
        if let Some(Waiting::Batch(sender)) = self.waiting.take(token) {
            // The import may have been given up.
            let _ = sender.send((token, result));
        }
    }

    /// The core's thread: takes inputs, carries out effects in order, until the core has stopped.
    pub(crate) fn run_core(
        &self,
        mut chain: Chain,
        mut effects: Vec<Effect>,
    ) -> anyhow::Result<()> {
        loop {
            for effect in effects.drain(..) {
                match effect {
                    Effect::Stopped => {
                        let _ = self.wake.send(Wake::Stopped);
                        return Ok(());
                    }
                    effect => self.carry_out(effect)?,
                }
            }
            let input = self.mailbox.next();
            let kind = input_name(&input);
            let started = Instant::now();
            if input.is_judged_by_the_clock() {
                chain.apply(Input::Tick(clock::now()), &mut effects);
            }
            chain.apply(input, &mut effects);
            self.meters.applied(kind, started.elapsed());
        }
    }

    fn carry_out(&self, effect: Effect) -> anyhow::Result<()> {
        match effect {
            Effect::Run(job) => self.queues.push(job.class, job),
            Effect::Commit(batch) => {
                if self.orders.send(Order::Commit(Box::new(batch))).is_err() {
                    anyhow::bail!("the writer has ended before the core");
                }
            }
            Effect::Publish(snapshot) => self.snapshots.store(snapshot),
            Effect::Event(event) => {
                status::on_event(&event);
                // Nobody may be listening.
                let _ = self.events.send(event);
            }
            Effect::Reply(token, reply) => self.reply(token, reply),
            Effect::BatchDone(token, result) => self.batch_done(token, result),
            Effect::Notice(notice) => self.notice(&notice),
            Effect::WakeAt(time) => self.alarm.set(time),
            // There are no peers to answer, to send to or to ask; the end is the caller's.
            Effect::Verdict(..)
            | Effect::Broadcast(_)
            | Effect::RequestBlock(_)
            | Effect::Stopped => {}
        }
        Ok(())
    }

    fn notice(&self, notice: &Notice) {
        status::on_notice(notice, &self.snapshots.load().spec);
    }

    /// A moment of the clock has come: tells how the node is doing, once in a slot.
    pub(crate) fn on_moment(&self, moment: Moment) {
        if let Moment::AggregateDue(slot) = moment {
            status::slot_line(slot, &self.snapshots.load());
        }
    }
}
