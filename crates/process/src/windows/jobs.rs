//! The job objects of the processes we started: closing one kills everything in it.

use std::{
    io,
    sync::{Mutex, MutexGuard, PoisonError},
};

use win32job::{Job, JobError};

/// A process that we started.
struct Started {
    id: u32,
    /// Until it is killed. It outlives the process: what the process left behind is in it.
    job: Option<Job>,
}

/// Those started in the life of this program: an agent's few. When this program ends its handles are closed, and with
/// them all that is left of its children.
static STARTED: Mutex<Vec<Started>> = Mutex::new(Vec::new());

fn started() -> MutexGuard<'static, Vec<Started>> {
    STARTED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A job object that kills what is in it when it is closed.
pub(super) fn create() -> io::Result<Job> {
    let make = || {
        let job = Job::create()?;
        let mut limits = job.query_extended_limit_info()?;
        limits.limit_kill_on_job_close();
        job.set_extended_limit_info(&limits)?;
        Ok(job)
    };
    make().map_err(|error: JobError| io::Error::other(error))
}

/// Puts a process into `job`, and keeps that.
pub(super) fn hold(job: Job, process: &tokio::process::Child) -> io::Result<()> {
    let (Some(id), Some(handle)) = (process.id(), process.raw_handle()) else {
        // It has ended already, and nothing came from it.
        return Ok(());
    };
    job.assign_process(handle as isize).map_err(io::Error::other)?;
    let mut started = started();
    // The system gives the number of a process that is gone to another.
    started.retain(|known| known.id != id || known.job.is_some());
    started.push(Started { id, job: Some(job) });
    Ok(())
}

/// Kills everything in the job objects of the processes that `which` says yes to.
pub(super) fn kill(which: impl Fn(u32) -> bool) {
    for process in started().iter_mut().filter(|process| which(process.id)) {
        process.job = None;
    }
}

/// Whether the process that last had this id was killed by us.
pub(super) fn was_killed(id: u32) -> bool {
    started().iter().rev().find(|process| process.id == id).is_some_and(|process| process.job.is_none())
}
