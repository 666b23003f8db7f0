//! What a run itself writes into its timeline: records of stages, jobs and their copies.

use serde_json::{Value, json};

use super::message::display_name;
use super::run::{At, Outcome, Phase, Run};
use crate::devops::{put_record, time};

/// Writes the records of a whole run as it stands, from its stages down. Members that an agent wrote stay.
pub(crate) fn write_all(state: &mut crate::State, run: &Run) {
    for (index, stage) in run.stages.iter().enumerate() {
        let record = json!({
            "id": stage.record_id, "type": "Stage", "name": stage.display_name, "refName": stage.name,
            "identifier": stage.name, "order": index + 1, "attempt": 1, "state": wire_state(stage.phase),
        });
        write(state, run, record);
        for (order, job) in stage.jobs.iter().enumerate() {
            let record = json!({
                "id": job.record_id, "parentId": stage.record_id, "type": "Phase", "name": job.job.display_name,
                "refName": job.job.name, "identifier": format!("{}.{}", stage.name, job.job.name), "order": order + 1,
                "attempt": 1, "state": wire_state(job.phase),
            });
            write(state, run, record);
        }
    }
}

/// Writes the record of a copy of a job that goes to its pool.
pub(crate) fn write_queued(state: &mut crate::State, run: &Run, at: At, queue_id: u64) {
    let record = json!({
        "id": run.copy(at).job_id, "parentId": run.job(at).record_id, "type": "Job", "name": display_name(run, at),
        "refName": run.job(at).job.name, "identifier": run.identifier(at), "order": at.copy + 1, "attempt": 1,
        "state": "pending", "queueId": queue_id,
    });
    write(state, run, record);
}

/// Writes that something of a run has begun.
pub(crate) fn write_begun(state: &mut crate::State, run: &Run, record_id: uuid::Uuid) {
    let record = json!({"id": record_id, "state": "inProgress", "startTime": time(state.now)});
    write(state, run, record);
}

/// Writes that something of a run is over, and what was wrong.
pub(crate) fn write_over(
    state: &mut crate::State,
    run: &Run,
    record_id: uuid::Uuid,
    outcome: Outcome,
    problem: Option<&str>,
) {
    let mut record = json!({
        "id": record_id, "state": "completed", "result": outcome.wire(), "finishTime": time(state.now),
        "percentComplete": 100,
    });
    if let Some(problem) = problem {
        record["errorCount"] = json!(1);
        record["issues"] = json!([{"type": "error", "category": "General", "message": problem}]);
    }
    write(state, run, record);
}

fn write(state: &mut crate::State, run: &Run, record: Value) {
    put_record(state, run.plan_id, record);
}

fn wire_state(phase: Phase) -> &'static str {
    match phase {
        Phase::Pending => "pending",
        Phase::Running => "inProgress",
        Phase::Completed(_) => "completed",
    }
}
