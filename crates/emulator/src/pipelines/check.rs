//! What a pipeline names must exist: pools and tasks. The service looks before it makes a run.

use super::message::TaskReference;
use super::model::{Action, Job, Pipeline, Pool};
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
        if task(state, name, *major).is_none() {
            return Err(format!(
                "A task is missing. The pipeline references a task called '{name}'. This usually indicates the task \
                 isn't installed. (Task version {major}, job '{}', step '{}'.)",
                job.name, step.name
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
