//! Collecting orphans without stealing anybody's exit status.

use std::{
    collections::BTreeSet,
    io,
    sync::{Mutex, MutexGuard, PoisonError},
};

use nix::{
    sys::{
        prctl,
        wait::{Id, WaitPidFlag, WaitStatus, waitid, waitpid},
    },
    unistd::Pid,
};
use tokio::{
    signal::unix::{SignalKind, signal},
    task::JoinHandle,
};

/// The processes we started and whose exit somebody will collect. Held locked while one is started, so that the reaper
/// never sees a child of ours that is not in here.
static STARTED: Mutex<BTreeSet<u32>> = Mutex::new(BTreeSet::new());

fn started() -> MutexGuard<'static, BTreeSet<u32>> {
    STARTED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Starts a command and notes its id.
pub(crate) fn spawn_known(command: &mut tokio::process::Command) -> io::Result<tokio::process::Child> {
    let mut started = started();
    let child = command.spawn()?;
    started.extend(child.id());
    Ok(child)
}

/// The exit of a process we started has been collected.
pub(crate) fn forget(id: u32) {
    started().remove(&id);
    // Its zombie may have stood before orphans in the kernel's list and hidden them.
    if SUBREAPER.load(std::sync::atomic::Ordering::Relaxed) {
        collect();
    }
}

static SUBREAPER: std::sync::atomic::AtomicBool = std::sync::atomic::AtomicBool::new(false);

/// Makes this process the parent of everything its descendants leave behind, and collects what of it ends.
///
/// The first process of a container is that parent anyway; elsewhere it becomes one (a *child subreaper*), so that
/// [`crate::kill_descendants`] finds orphans too. Programs that start processes by other means than [`crate::Command`]
/// must not use it: their exits would be collected as well.
#[derive(Debug)]
pub struct Reaper {
    task: JoinHandle<()>,
}

impl Reaper {
    /// Starts collecting, within a tokio runtime with I/O enabled.
    pub fn start() -> io::Result<Self> {
        prctl::set_child_subreaper(true)?;
        SUBREAPER.store(true, std::sync::atomic::Ordering::Relaxed);
        let mut child_ended = signal(SignalKind::child())?;
        collect();
        let task = tokio::spawn(async move {
            while child_ended.recv().await.is_some() {
                collect();
            }
        });
        Ok(Self { task })
    }
}

impl Drop for Reaper {
    fn drop(&mut self) {
        SUBREAPER.store(false, std::sync::atomic::Ordering::Relaxed);
        self.task.abort();
    }
}

/// Collects every ended process that we did not start ourselves.
fn collect() {
    let started = started();
    while let Some(ended) = first_ended() {
        if u32::try_from(ended.as_raw()).is_ok_and(|id| started.contains(&id)) {
            // Whoever waits for it collects it, and then calls us again.
            break;
        }
        if waitpid(ended, Some(WaitPidFlag::WNOHANG)).is_err() {
            break;
        }
    }
}

/// A child that has ended, left uncollected.
fn first_ended() -> Option<Pid> {
    let look_only = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
    match waitid(Id::All, look_only) {
        Ok(WaitStatus::Exited(pid, _) | WaitStatus::Signaled(pid, ..)) => Some(pid),
        Ok(_) | Err(_) => None,
    }
}
