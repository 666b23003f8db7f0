//! Pipelines, under both of the names that they have.

use hyper::Method;
use serde_json::{Value, json};

use super::{check_project, definition, project, project_url};
use crate::devops::{Call, collection, endpoint, time};
use crate::http::{Reply, Router};
use crate::pipelines::Definition;

/// Adds the routes.
pub(super) fn routes(router: &mut Router) {
    endpoint(router, Method::GET, "{project}/_apis/pipelines", list);
    endpoint(router, Method::GET, "{project}/_apis/pipelines/{pipeline}", get);
    endpoint(router, Method::GET, "{project}/_apis/build/definitions", list_definitions);
    endpoint(router, Method::GET, "{project}/_apis/build/definitions/{pipeline}", get_definition);
}

/// A pipeline as runs refer to it.
pub(super) fn reference(id: u64, name: &str, base: &str) -> Value {
    json!({
        "id": id, "name": name, "folder": "\\", "revision": 1,
        "url": format!("{}/pipelines/{id}?revision=1", project_url(base)),
    })
}

fn as_definition(state: &crate::State, found: &Definition, base: &str) -> Value {
    json!({
        "id": found.id, "name": found.name, "path": "\\", "type": "build", "queueStatus": "enabled", "revision": 1,
        "quality": "definition", "createdDate": time(found.created), "project": project(state, base),
        "uri": format!("vstfs:///Build/Definition/{}", found.id),
        "url": format!("{}/build/Definitions/{}?revision=1", project_url(base), found.id),
        "process": {"type": 2, "yamlFilename": format!("/{}", found.file)},
    })
}

fn all(call: &Call, show: impl Fn(&crate::State, &Definition, &str) -> Value) -> Reply {
    let name = call.request.query.get("name").filter(|name| !name.is_empty());
    let found: Vec<Value> = call.emulator.read(|state| {
        let definitions = state.pipelines.definitions.values();
        let named = definitions.filter(|found| name.is_none_or(|name| found.name.eq_ignore_ascii_case(name)));
        named.map(|found| show(state, found, &call.request.base_url)).collect()
    });
    Reply::json(200, &collection(&found))
}

async fn list(call: Call) -> Result<Reply, Reply> {
    check_project(&call)?;
    Ok(all(&call, |_, found, base| reference(found.id, &found.name, base)))
}

async fn list_definitions(call: Call) -> Result<Reply, Reply> {
    check_project(&call)?;
    Ok(all(&call, as_definition))
}

async fn get(call: Call) -> Result<Reply, Reply> {
    let found = definition(&call, "pipeline")?;
    let mut shown = reference(found.id, &found.name, &call.request.base_url);
    shown["configuration"] = json!({"type": "yaml", "path": format!("/{}", found.file)});
    Ok(Reply::json(200, &shown))
}

async fn get_definition(call: Call) -> Result<Reply, Reply> {
    let found = definition(&call, "pipeline")?;
    Ok(Reply::json(200, &call.emulator.read(|state| as_definition(state, &found, &call.request.base_url))))
}
