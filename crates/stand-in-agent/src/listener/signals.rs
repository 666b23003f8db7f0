//! SIGINT and SIGTERM.

use anyhow::bail;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::misbehaviour::Misbehaviour;

/// What we were told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// SIGINT: end in an orderly way, however long the worker takes.
    Interrupt,
    /// SIGTERM: the same within 30 s, as .NET 8 grants.
    Terminate,
}

/// The signals the listener handles.
pub(crate) struct Signals {
    interrupt: Option<Signal>,
    terminate: Option<Signal>,
    ignored: Vec<Signal>,
}

impl Signals {
    /// Starts to catch them. A signal that cannot be caught keeps its default: it ends the process.
    pub(crate) fn new(misbehaviour: &Misbehaviour) -> Self {
        let mut signals = Self { interrupt: None, terminate: None, ignored: Vec::new() };
        let caught = signal(SignalKind::interrupt()).ok();
        if misbehaviour.has("ignore-sigint") {
            signals.ignored.extend(caught);
        } else {
            signals.interrupt = caught;
        }
        if misbehaviour.has("die-on-sigterm") {
            return signals;
        }
        let caught = signal(SignalKind::terminate()).ok();
        if misbehaviour.has("ignore-sigterm") {
            signals.ignored.extend(caught);
        } else {
            signals.terminate = caught;
        }
        signals
    }

    /// Waits for one. May be dropped and called again.
    pub(crate) async fn next(&mut self) -> Stop {
        tokio::select! {
            () = wait(self.interrupt.as_mut()) => Stop::Interrupt,
            () = wait(self.terminate.as_mut()) => Stop::Terminate,
        }
    }
}

async fn wait(signal: Option<&mut Signal>) {
    match signal {
        Some(signal) => {
            signal.recv().await;
        }
        None => std::future::pending().await,
    }
}

/// Runs `configure` or `remove`, which Ctrl-C ends at once with exit code 1.
///
/// # Errors
/// Those of the work, or that it was interrupted.
pub(crate) async fn unless_interrupted(work: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    let mut interrupt = signal(SignalKind::interrupt()).ok();
    tokio::select! {
        outcome = work => outcome,
        () = wait(interrupt.as_mut()) => bail!("Exiting..."),
    }
}
