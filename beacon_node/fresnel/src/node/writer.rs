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
    Commit(Batch),
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
        let order = match next(orders, deferred) {
            Next::Order(order) => Some(order),
            Next::Idle => None,
            Next::Ended => Some(Order::Stop),
        };
        match order {
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

enum Next {
    Order(Order),
    Idle,
    Ended,
}

/// The next order; waits for it only if nothing else is to be done.
fn next(orders: &Receiver<Order>, deferred: bool) -> Next {
    match deferred {
        true => match orders.try_recv() {
            Ok(order) => Next::Order(order),
            Err(TryRecvError::Empty) => Next::Idle,
            Err(TryRecvError::Disconnected) => Next::Ended,
        },
        false => orders.recv().map_or(Next::Ended, Next::Order),
    }
}

fn commit(shell: &Shell, writer: &mut Writer, batch: &Batch) -> Result<(), StoreError> {
    let started = Instant::now();
    writer.commit(batch)?;
    shell.meters.commit(batch, started.elapsed());
    shell.send(Input::Committed(batch.seq));
    Ok(())
}
