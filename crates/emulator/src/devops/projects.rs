//! The organization's project, and its owner.

use hyper::Method;
use serde_json::{Value, json};
use uuid::{Uuid, uuid};

use super::wire::{Refusal, collection};
use super::{Call, endpoint};
use crate::http::{Reply, Router};
use crate::world::{ORGANIZATION, PROJECT};

/// Who made everything, and whose the personal access token is.
pub(super) const OWNER_ID: Uuid = uuid!("3f7a1c52-6b0e-4f7e-9d53-0c2f8a1be001");
/// That person's name.
pub(super) const OWNER_NAME: &str = "Owner of contoso";

/// The owner as other things refer to them.
pub(crate) fn owner(base: &str) -> Value {
    json!({
        "id": OWNER_ID, "displayName": OWNER_NAME, "uniqueName": "owner@contoso.example",
        "url": format!("{base}/{ORGANIZATION}/_apis/Identities/{OWNER_ID}"), "descriptor": format!("aad.{OWNER_ID}"),
    })
}

/// Adds the routes.
pub(super) fn routes(router: &mut Router) {
    endpoint(router, Method::GET, "_apis/projects", list);
    endpoint(router, Method::GET, "_apis/projects/{project}", get);
}

fn shown(state: &crate::State, base: &str) -> Value {
    let id = state.devops.project_id;
    json!({
        "id": id, "name": PROJECT, "url": format!("{base}/{ORGANIZATION}/_apis/projects/{id}"),
        "state": "wellFormed", "revision": 1, "visibility": "private",
    })
}

/// Whether a name or id in a path is that of the project.
fn is_project(state: &crate::State, name: &str) -> bool {
    name.eq_ignore_ascii_case(PROJECT) || name.eq_ignore_ascii_case(&state.devops.project_id.to_string())
}

/// Refuses a path that names a project which is not there.
pub(super) fn check(call: &Call) -> Result<(), Refusal> {
    let name = call.request.param("project");
    if name.is_empty() || call.emulator.read(|state| is_project(state, name)) {
        return Ok(());
    }
    Err(missing(name))
}

fn missing(name: &str) -> Refusal {
    if name.parse::<Uuid>().is_ok() {
        let message = format!(
            "VS800075: The project with id '{name}' does not exist, or you do not have permission to access it."
        );
        return Refusal::new(404, "ProjectDoesNotExistException", message);
    }
    let message = format!(
        "TF200016: The following project does not exist: {name}. Verify that the name of the project is correct and \
         that the project exists on the specified Azure DevOps Server."
    );
    Refusal::new(404, "ProjectDoesNotExistWithNameException", message)
}

async fn list(call: Call) -> Result<Reply, Reply> {
    let project = call.emulator.read(|state| shown(state, &call.request.base_url));
    Ok(Reply::json(200, &collection(&[project])))
}

async fn get(call: Call) -> Result<Reply, Reply> {
    check(&call)?;
    Ok(Reply::json(200, &call.emulator.read(|state| shown(state, &call.request.base_url))))
}
