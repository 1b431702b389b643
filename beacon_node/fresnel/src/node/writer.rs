//! The writer's thread: the only one that changes the store.

use super::shell::Shell;
use chain::Input;
use rows::Batch;
use std::sync::mpsc::{Receiver, Sender, TryRecvError};
use std::time::Instant;
use store::{StoreError, Writer};

/// What the writer is asked for.
#[derive(Debug)]
pub(crate) enum Order {
    /// Commit a batch and tell the core.
    Commit(Box<Batch>),
    /// Do all deferred work, then answer.
    Settle(Sender<()>),
    /// Make everything durable and end.
    Stop,
}

/// Carries out orders until it is told to stop. Deferred work of the store is done between them, a
/// bounded piece after each, and piece by piece while there are none.
///
/// # Errors
/// What the store could not do: nothing may be written after that.
pub(crate) fn run(
    shell: &Shell,
    mut writer: Writer,
    orders: &Receiver<Order>,
) -> Result<(), StoreError> {
    // An earlier run may have left work.
    let mut deferred = true;
    loop {
        match next(orders, deferred) {
            Some(Order::Commit(batch)) => commit(shell, &mut writer, &batch)?,
            Some(Order::Settle(answer)) => {
                while writer.step()? {}
                // Whoever asked may have given up.
                let _ = answer.send(());
            }
            Some(Order::Stop) => return writer.flush(),
            None => {}
        }
        deferred = writer.step()?;
    }
}

/// The next order, waiting for it only if nothing else is to be done; `None` if there is none yet.
/// Without anybody who could give one, the writer is to stop.
fn next(orders: &Receiver<Order>, deferred: bool) -> Option<Order> {
    match deferred {
        true => match orders.try_recv() {
            Ok(order) => Some(order),
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Disconnected) => Some(Order::Stop),
        },
        false => Some(orders.recv().unwrap_or(Order::Stop)),
    }
}

fn commit(shell: &Shell, writer: &mut Writer, batch: &Batch) -> Result<(), StoreError> {
    let started = Instant::now();
    writer.commit(batch)?;
    shell.meters.commit(batch, started.elapsed());
    shell.send(Input::Committed(batch.seq));
    Ok(())
}
