//! The pipelines of Azure DevOps over HTTP, and the emulator's own endpoints that put them there.

mod builds;
mod control;
mod definitions;
mod endpoints;
mod logs;
mod runs;

pub(super) use control::{routes as control_routes, usual_file};
pub(super) use runs::begin;

use serde_json::{Value, json};

use crate::devops::{Call, Caller, Refusal};
use crate::http::Router;
use crate::world::{ORGANIZATION, PROJECT};

use super::Definition;
use super::run::Run;

/// Adds the routes that Azure DevOps has.
pub(super) fn routes(router: &mut Router) {
    definitions::routes(router);
    runs::routes(router);
    builds::routes(router);
    logs::routes(router);
    endpoints::routes(router);
}

/// Refuses a path that names a project which is not there.
fn check_project(call: &Call) -> Result<(), Refusal> {
    let name = call.request.param("project");
    let id = call.emulator.read(|state| state.devops.project_id.to_string());
    if name.eq_ignore_ascii_case(PROJECT) || name.eq_ignore_ascii_case(&id) {
        return Ok(());
    }
    let message = format!(
        "TF200016: The following project does not exist: {name}. Verify that the name of the project is correct and \
         that the project exists on the specified Azure DevOps Server."
    );
    Err(Refusal::new(404, "ProjectDoesNotExistWithNameException", message))
}

/// Refuses agents: they report to plans and have no business with runs.
fn check_may_run(call: &Call) -> Result<(), Refusal> {
    match call.caller {
        Caller::Agent { .. } => {
            let message = format!(
                "Access denied. {} needs Queue builds permissions to perform the action.",
                call.caller.name()
            );
            Err(Refusal::new(403, "AccessDeniedException", message))
        }
        Caller::Member { .. } | Caller::Job { .. } => Ok(()),
    }
}

/// A number in the path.
fn number(call: &Call, name: &str) -> Result<u64, Refusal> {
    let text = call.request.param(name);
    text.parse().map_err(|_| Refusal::bad_request(format!("The value '{text}' is not valid for {name}.")))
}

/// The pipeline that the path names.
fn definition(call: &Call, name: &str) -> Result<Definition, Refusal> {
    check_project(call)?;
    let id = number(call, name)?;
    let found = call.emulator.read(|state| state.pipelines.definitions.get(&id).cloned());
    found.ok_or_else(|| no_definition(id))
}

fn no_definition(id: u64) -> Refusal {
    Refusal::new(404, "DefinitionNotFoundException", format!("The pipeline with ID {id} does not exist."))
}

/// The run that the path names.
fn run(call: &Call, name: &str) -> Result<Run, Refusal> {
    check_project(call)?;
    let id = number(call, name)?;
    let found = call.emulator.read(|state| state.pipelines.runs.get(&id).cloned());
    found.ok_or_else(|| {
        Refusal::new(404, "BuildNotFoundException", format!("The requested build {id} could not be found."))
    })
}

/// Where the project's endpoints are.
fn project_url(base: &str) -> String {
    format!("{base}/{ORGANIZATION}/{PROJECT}/_apis")
}

/// The project as other things refer to it.
fn project(state: &crate::State, base: &str) -> Value {
    let id = state.devops.project_id;
    json!({
        "id": id, "name": PROJECT, "url": format!("{base}/{ORGANIZATION}/_apis/projects/{id}"), "state": "wellFormed",
        "revision": 1, "visibility": "private",
    })
}
