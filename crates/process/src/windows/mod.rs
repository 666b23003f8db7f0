//! Windows: job objects and console events.
//!
//! There is no way from safe code, and so none from here, to start a program as another user. A child gets a process
//! group of its own, so that an event can be meant for it, and a job object, which everything that descends from it is
//! a member of and cannot leave.

mod jobs;
pub(crate) mod reaper;
pub(crate) mod tree;
pub(crate) mod users;

use std::{io, process::ExitStatus};

use send_ctrlc::Interruptible;

use crate::{Exit, Reach, Signal, User};

/// `CREATE_NEW_PROCESS_GROUP`.
const NEW_PROCESS_GROUP: u32 = 0x0200;

/// Starts the command in a process group and a job object of its own.
///
/// It is put into the job object right after it was started: what it could start in between, before its own first
/// instruction, does not exist.
pub(crate) fn spawn(
    command: &mut tokio::process::Command,
    user: Option<&User>,
) -> io::Result<tokio::process::Child> {
    if let Some(user) = user {
        let name = &user.name;
        return Err(io::Error::new(
            io::ErrorKind::Unsupported,
            format!("on Windows it cannot be started as another user ({name})"),
        ));
    }
    let job = jobs::create()?;
    let mut started = command.creation_flags(NEW_PROCESS_GROUP).spawn()?;
    if let Err(error) = jobs::hold(job, &started) {
        // A process that could not be killed with all that comes from it must not run.
        let _ = started.start_kill();
        return Err(error);
    }
    Ok(started)
}

/// How the process ended.
pub(crate) fn exit_of(id: u32, status: ExitStatus) -> Exit {
    Exit::of_windows(status.code().unwrap_or(-1), jobs::was_killed(id))
}

/// Ends it with all that came from it, or asks: with Ctrl-Break, since Ctrl-C cannot be meant for one process group. It
/// reaches the whole group, so that programs which look after their own children must expect these to hear it too, as
/// the official agent does. A process that has just ended is no error.
pub(crate) fn signal(id: u32, signal: Signal, _reach: Reach) {
    match signal {
        Signal::Interrupt | Signal::Terminate => {
            let _ = ProcessGroup(id).terminate();
        }
        Signal::Kill => tree::kill_tree(id),
    }
}

/// The process group that a process leads.
struct ProcessGroup(u32);

impl Interruptible for ProcessGroup {
    fn pid(&mut self) -> io::Result<Option<u32>> {
        // Zero would mean every process of this console, us too.
        Ok(Some(self.0).filter(|id| *id > 0))
    }
}
