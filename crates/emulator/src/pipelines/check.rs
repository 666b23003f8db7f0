//! What a pipeline names must exist: pools and tasks. The service looks before it makes a run.

use super::message::TaskReference;
use super::model::{Action, Job, Pipeline, Pool, Step};
use crate::devops;

/// Refuses a pipeline whose pools or tasks are not there.
pub(crate) fn pools_and_tasks(state: &crate::State, pipeline: &Pipeline) -> Result<(), String> {
    for job in pipeline.stages.iter().flat_map(|stage| &stage.jobs) {
        match &job.pool {
            // Only the run knows what a variable holds.
            Pool::Named { name, .. } if !name.contains("$(") => queue_of(state, name).map(drop)?,
            Pool::Named { .. } | Pool::Hosted { .. } => {}
        }
        tasks(state, job)?;
    }
    Ok(())
}

/// The queue and the pool behind a name.
pub(crate) fn queue_of(state: &crate::State, pool: &str) -> Result<(u64, u64), String> {
    let queue = devops::queue_by_pool_name(state, pool);
    queue.map(|queue| (queue.id, queue.pool_id)).ok_or_else(|| {
        format!(
            "Could not find a pool with name {pool}. The pool does not exist or has not been authorized for use."
        )
    })
}

fn tasks(state: &crate::State, job: &Job) -> Result<(), String> {
    for step in &job.steps {
        let Action::Task { name, major } = &step.action else { continue };
        let apart = devops::task_names_apart(state, name, u64::from(*major));
        if !apart.is_empty() {
            // Assumed: the wording.
            return Err(format!(
                "The task name {name} is ambiguous. Specify one of the following identifiers to resolve the \
                 ambiguity: {}",
                apart.join(", ")
            ));
        }
        let Some(task) = task(state, name, *major) else {
            return Err(format!(
                "A task is missing. The pipeline references a task called '{name}'. This usually indicates the task \
                 isn't installed. (Task version {major}, job '{}', step '{}'.)",
                job.name, step.name
            ));
        };
        connections(state, job, step, &task)?;
    }
    Ok(())
}

/// A step names connections that are there.
fn connections(state: &crate::State, job: &Job, step: &Step, task: &TaskReference) -> Result<(), String> {
    let all = &state.pipelines.connections;
    for (input, name) in &step.inputs {
        let takes_connection = task.connection_inputs.iter().any(|known| known.eq_ignore_ascii_case(input));
        // Only the run knows what a variable holds.
        let is_plain = !name.is_empty() && !name.contains("$(");
        if takes_connection && is_plain && !all.iter().any(|connection| connection.is(name)) {
            return Err(format!(
                "The pipeline is not valid. Job {}: Step {} input {input} references service connection {name} which \
                 could not be found. The service connection does not exist, has been disabled or has not been \
                 authorized for use. For authorization details, refer to https://aka.ms/yamlauthz.",
                job.name,
                if step.name.is_empty() { &task.name } else { &step.name }
            ));
        }
    }
    Ok(())
}

/// A task of the organization.
pub(crate) fn task(state: &crate::State, name: &str, major: u32) -> Option<TaskReference> {
    let found = devops::find_task(state, name, u64::from(major))?;
    let inputs = found.manifest["inputs"].as_array().cloned().unwrap_or_default();
    let takes_connection = |input: &&serde_json::Value| {
        input["type"].as_str().is_some_and(|kind| kind.starts_with("connectedService"))
    };
    let mut connection_inputs = Vec::new();
    for input in inputs.iter().filter(takes_connection) {
        let aliases = input["aliases"].as_array().into_iter().flatten();
        let names = std::iter::once(&input["name"]).chain(aliases);
        connection_inputs.extend(names.filter_map(|name| name.as_str().map(str::to_owned)));
    }
    Some(TaskReference {
        id: found.id.to_string(),
        name: found.name.clone(),
        version: found.version_text(),
        connection_inputs,
    })
}
