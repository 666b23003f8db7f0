//! What happens next in a run: a function from the run to one action. Carrying it out is somebody else's matter.
//!
//! ```text
//! stage and job:  Pending ── all it depends on has ended ──┬── condition holds ── Running ── all its parts ended ── Completed
//!                                                          └── else ────────────────────────────────── Completed(Skipped)
//! ```

use super::conditions;
use super::run::{At, JobRun, Outcome, Phase, Run, StageRun};

/// A step of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// The stage begins.
    StartStage(usize),
    /// The stage is over, run or not. The text says what was wrong with its condition.
    EndStage(usize, Outcome, Option<String>),
    /// The job begins: its copies may now be queued.
    StartJob(usize, usize),
    /// The job is over, run or not. The text says what was wrong with its condition.
    EndJob(usize, usize, Outcome, Option<String>),
    /// The copy of a job goes to its pool.
    StartCopy(At),
    /// The copy will not run.
    EndCopy(At, Outcome),
    /// All is over.
    EndRun(Outcome),
}

/// The next action, or none while everything waits for jobs that run.
pub(crate) fn next(run: &Run) -> Option<Action> {
    if run.phase.outcome().is_some() {
        return None;
    }
    for (index, stage) in run.stages.iter().enumerate() {
        let action = match stage.phase {
            Phase::Pending => begin_stage(run, index),
            Phase::Running => within_stage(run, index, stage),
            Phase::Completed(_) => None,
        };
        if action.is_some() {
            return action;
        }
    }
    let outcomes: Option<Vec<Outcome>> = run.stages.iter().map(|stage| stage.phase.outcome()).collect();
    let outcome = Outcome::of_all(outcomes?);
    Some(Action::EndRun(match outcome {
        _ if run.cancel_requested => Outcome::Canceled,
        // Assumed: a run in which nothing had to be done has succeeded.
        Outcome::Skipped => Outcome::Succeeded,
        outcome => outcome,
    }))
}

/// Changes the run as the action says.
pub(crate) fn apply(run: &mut Run, action: &Action) {
    match action {
        Action::StartStage(stage) => run.stages[*stage].phase = Phase::Running,
        Action::EndStage(stage, outcome, _) => {
            let stage = &mut run.stages[*stage];
            stage.phase = Phase::Completed(*outcome);
            stage.jobs.iter_mut().for_each(|job| end_with(job, *outcome));
        }
        Action::StartJob(stage, job) => run.stages[*stage].jobs[*job].phase = Phase::Running,
        Action::EndJob(stage, job, outcome, _) => {
            let job = &mut run.stages[*stage].jobs[*job];
            job.phase = Phase::Completed(*outcome);
            end_with(job, *outcome);
        }
        Action::StartCopy(at) => run.copy_mut(*at).phase = Phase::Running,
        Action::EndCopy(at, outcome) => run.copy_mut(*at).phase = Phase::Completed(*outcome),
        Action::EndRun(outcome) => run.phase = Phase::Completed(*outcome),
    }
}

/// What belongs to something that is over without having run is over too.
fn end_with(job: &mut JobRun, outcome: Outcome) {
    if job.phase.outcome().is_none() {
        job.phase = Phase::Completed(outcome);
    }
    for copy in &mut job.copies {
        if copy.phase == Phase::Pending {
            copy.phase = Phase::Completed(outcome);
        }
    }
}

fn begin_stage(run: &Run, index: usize) -> Option<Action> {
    let stage = &run.stages[index];
    let ended = |name: &String| {
        run.stages
            .iter()
            .any(|other| other.name.eq_ignore_ascii_case(name) && other.phase.outcome().is_some())
    };
    if !stage.depends_on.iter().all(ended) {
        return None;
    }
    Some(match conditions::stage_may_run(run, index) {
        Ok(true) => Action::StartStage(index),
        Ok(false) => Action::EndStage(index, not_run(run), None),
        Err(error) => Action::EndStage(index, Outcome::Failed, Some(error.to_string())),
    })
}

/// Assumed: what had not begun when the run was cancelled counts as cancelled, not as skipped.
fn not_run(run: &Run) -> Outcome {
    if run.cancel_requested { Outcome::Canceled } else { Outcome::Skipped }
}

fn within_stage(run: &Run, index: usize, stage: &StageRun) -> Option<Action> {
    for (position, job) in stage.jobs.iter().enumerate() {
        let action = match job.phase {
            Phase::Pending => begin_job(run, index, position),
            Phase::Running => within_job(run, index, position),
            Phase::Completed(_) => None,
        };
        if action.is_some() {
            return action;
        }
    }
    let outcomes: Option<Vec<Outcome>> = stage.jobs.iter().map(|job| job.phase.outcome()).collect();
    Some(Action::EndStage(index, Outcome::of_all(outcomes?), None))
}

fn begin_job(run: &Run, stage: usize, index: usize) -> Option<Action> {
    let siblings = &run.stages[stage].jobs;
    let ended = |name: &String| {
        siblings
            .iter()
            .any(|other| other.job.name.eq_ignore_ascii_case(name) && other.phase.outcome().is_some())
    };
    if !siblings[index].job.depends_on.iter().all(ended) {
        return None;
    }
    Some(match conditions::job_may_run(run, stage, index) {
        Ok(true) => Action::StartJob(stage, index),
        Ok(false) => Action::EndJob(stage, index, not_run(run), None),
        Err(error) => Action::EndJob(stage, index, Outcome::Failed, Some(error.to_string())),
    })
}

fn within_job(run: &Run, stage: usize, index: usize) -> Option<Action> {
    let job = &run.stages[stage].jobs[index];
    let outcomes: Option<Vec<Outcome>> = job.copies.iter().map(|copy| copy.phase.outcome()).collect();
    if let Some(outcomes) = outcomes {
        let outcome = match Outcome::of_all(outcomes) {
            Outcome::Failed if job.job.continue_on_error => Outcome::SucceededWithIssues,
            outcome => outcome,
        };
        return Some(Action::EndJob(stage, index, outcome, None));
    }
    let running = job.copies.iter().filter(|copy| copy.phase == Phase::Running).count();
    let most = usize::try_from(job.job.parallel_max).unwrap_or(usize::MAX);
    if most > 0 && running >= most {
        return None;
    }
    let copy = job.copies.iter().position(|copy| copy.phase == Phase::Pending)?;
    let at = At { stage, job: index, copy };
    // The job began before the run was cancelled, and this copy of it did not.
    let begins = !run.cancel_requested || conditions::job_may_run(run, stage, index).unwrap_or(false);
    Some(if begins { Action::StartCopy(at) } else { Action::EndCopy(at, Outcome::Canceled) })
}

#[cfg(test)]
pub(crate) mod tests;
