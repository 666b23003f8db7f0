//! Unix: process groups, signals, `/proc`.

pub mod handover;
pub(crate) mod hardening;
pub(crate) mod reaper;
mod signals;
pub(crate) mod tree;
pub(crate) mod users;

use std::{
    io,
    os::unix::process::{CommandExt, ExitStatusExt},
    process::ExitStatus,
};

use nix::{
    sys::signal::{self, SigSet, SigmaskHow},
    unistd::Pid,
};

use crate::{Exit, Reach, Signal, User};

/// Starts the command in a process group of its own, with default signal dispositions and an empty signal mask, as
/// `user` if one is given.
pub(crate) fn spawn(
    command: &mut tokio::process::Command,
    user: Option<&User>,
) -> io::Result<tokio::process::Child> {
    signals::stop_ignoring()?;
    command.as_std_mut().process_group(0);
    if let Some(user) = user {
        // With a uid and no list of groups, the standard library drops all supplementary groups of the superuser.
        command.uid(user.uid).gid(user.gid);
    }
    let inherited = SigSet::empty().thread_swap_mask(SigmaskHow::SIG_SETMASK)?;
    let started = reaper::spawn_known(command);
    inherited.thread_set_mask()?;
    started
}

/// How the process ended.
pub(crate) fn exit_of(_id: u32, status: ExitStatus) -> Exit {
    match (status.code(), status.signal()) {
        (Some(code), _) => Exit::Code(code),
        (None, number) => Exit::Signal(number.unwrap_or_default()),
    }
}

/// Sends a signal. A process that has just ended is no error: that is what signals are for.
pub(crate) fn signal(id: u32, signal: Signal, reach: Reach) {
    let number = match signal {
        Signal::Interrupt => signal::Signal::SIGINT,
        Signal::Terminate => signal::Signal::SIGTERM,
        Signal::Kill => signal::Signal::SIGKILL,
    };
    let Some(pid) = pid(id) else { return };
    let _ = match reach {
        Reach::Process => signal::kill(pid, number),
        Reach::Group => signal::killpg(pid, number),
    };
}

/// The id as the system calls want it. Zero and one are never meant: to `kill` they mean everyone in our group, and
/// the first process.
fn pid(id: u32) -> Option<Pid> {
    i32::try_from(id).ok().filter(|id| *id > 1).map(Pid::from_raw)
}
