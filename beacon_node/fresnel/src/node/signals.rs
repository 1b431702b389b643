//! Signals: the first asks the node to stop, the second ends the process at once.

use super::shell::Wake;
use std::sync::mpsc::Sender;

/// Listens for signals from now on. Must be called within the runtime.
///
/// # Errors
/// If the system does not allow it.
#[cfg(unix)]
pub(crate) fn listen(wake: Sender<Wake>) -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::spawn(async move {
        for count in 0.. {
            let name = tokio::select! {
                _ = terminate.recv() => "SIGTERM",
                _ = interrupt.recv() => "SIGINT",
            };
            tell(&wake, name, count);
        }
    });
    Ok(())
}

/// Listens for Ctrl-C from now on. Must be called within the runtime.
///
/// # Errors
/// None here.
#[cfg(not(unix))]
pub(crate) fn listen(wake: Sender<Wake>) -> std::io::Result<()> {
    tokio::spawn(async move {
        let mut count = 0;
        while tokio::signal::ctrl_c().await.is_ok() {
            tell(&wake, "Ctrl-C", count);
            count += 1;
        }
    });
    Ok(())
}

fn tell(wake: &Sender<Wake>, name: &'static str, earlier: u32) {
    if earlier > 0 {
        eprintln!("error: {name} again: ended at once; the data folder is as after a crash");
        std::process::exit(1);
    }
    // Without a main thread the process is ending already.
    let _ = wake.send(Wake::Signal(name));
}
