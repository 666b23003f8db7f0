//! A started program: how it ended, and how to make it end.

use std::{fmt, time::Duration};

use tokio::{sync::watch, time};

use crate::platform;

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// By itself, with this code.
    Code(i32),
    /// Killed by the signal of this number. On Windows: 9, killed by us; 2, by a console event that it did not handle.
    Signal(i32),
}

impl Exit {
    /// Ended by itself with code 0.
    pub fn is_success(self) -> bool {
        self == Self::Code(0)
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "exit code {code}"),
            Self::Signal(number) => write!(f, "killed by signal {number}"),
        }
    }
}

/// What Windows gives as the exit code of a process that a console event has ended: `STATUS_CONTROL_C_EXIT`.
#[cfg(any(windows, test))]
const ENDED_BY_CONSOLE: i32 = 0xc000_013a_u32.cast_signed();

#[cfg(any(windows, test))]
impl Exit {
    /// Windows has no signals, and a process that we killed has the exit code 0: in the words of the systems that have.
    pub(crate) fn of_windows(code: i32, killed: bool) -> Self {
        match code {
            _ if killed => Self::Signal(9),
            ENDED_BY_CONSOLE => Self::Signal(2),
            code => Self::Code(code),
        }
    }
}

/// What a process can be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// As Ctrl-C does: SIGINT; on Windows Ctrl-Break.
    Interrupt,
    /// The usual request to end: SIGTERM; on Windows Ctrl-Break too.
    Terminate,
    /// Ends it at once: SIGKILL; on Windows with everything that came from it.
    Kill,
}

/// Who is meant by a signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// The process alone. For programs that look after their own children.
    Process,
    /// Its process group. On Windows always that.
    Group,
}

/// A process we started. Clones speak of the same process.
#[derive(Debug, Clone)]
pub struct Child {
    id: u32,
    exit: watch::Receiver<Option<Exit>>,
}

impl Child {
    /// Watches over a process that was just started: its exit is collected the moment it happens, whether or not
    /// anybody is waiting for it, so that no zombie keeps `/proc/<id>` alive.
    pub(crate) fn watch(mut started: tokio::process::Child) -> Self {
        let id = started.id().expect("a process that nobody has waited for has an id");
        let (publish, exit) = watch::channel(None);
        tokio::spawn(async move {
            let ended = started.wait().await;
            let ended = ended.map_or(Exit::Code(-1), |status| platform::exit_of(id, status));
            platform::reaper::forget(id);
            publish.send_replace(Some(ended));
        });
        Self { id, exit }
    }

    /// The process id; also the id of its process group.
    pub fn id(&self) -> u32 {
        self.id
    }

    /// How it ended, if it has.
    pub fn exit(&self) -> Option<Exit> {
        *self.exit.borrow()
    }

    /// Waits until it ends. Any number of callers get the same answer, now or later.
    pub async fn wait(&self) -> Exit {
        let mut exit = self.exit.clone();
        let ended = exit.wait_for(Option::is_some).await.ok().and_then(|ended| *ended);
        ended.unwrap_or(Exit::Code(-1))
    }

    /// Sends a signal. Nobody is signalled when the process itself is gone; what it left behind is the matter of
    /// [`Child::kill_tree`].
    pub fn signal(&self, signal: Signal, reach: Reach) {
        if self.exit().is_none() {
            platform::signal(self.id, signal, reach);
        }
    }

    /// Kills the process and everything that descends from it, also what moved to a process group of its own, and what
    /// is left of its process group if the process itself has ended.
    pub fn kill_tree(&self) {
        platform::tree::kill_tree(self.id);
    }

    /// Ends it: `signal` first, then after `grace` the whole tree is killed. Whatever remains of the tree when the
    /// process has ended in time is killed too.
    pub async fn stop(&self, signal: Signal, reach: Reach, grace: Duration) -> Exit {
        self.signal(signal, reach);
        let ended = time::timeout(grace, self.wait()).await;
        self.kill_tree();
        match ended {
            Ok(exit) => exit,
            Err(_) => self.wait().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Exit;

    #[test]
    fn on_windows_a_kill_and_a_console_event_are_told_from_exit_codes() {
        let cases = [
            (0, false, Exit::Code(0)),
            (4, false, Exit::Code(4)),
            (-1, false, Exit::Code(-1)),
            (-1_073_741_510, false, Exit::Signal(2)),
            (0, true, Exit::Signal(9)),
            (-1_073_741_510, true, Exit::Signal(9)),
        ];
        for (code, killed, expected) in cases {
            assert_eq!(Exit::of_windows(code, killed), expected, "{code} {killed}");
        }
    }
}
