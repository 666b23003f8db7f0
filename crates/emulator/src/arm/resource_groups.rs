//! Resource groups.

use std::time::Duration;

use hyper::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use super::gate::{Call, on};
use super::operations::{self, Status};
use super::refusal::Refusal;
use super::{Due, networks, pages, regions, resources, roles};
use crate::http::{Reply, Request, Router};

/// A resource group.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ResourceGroup {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Where its own record lies.
    pub location: String,
    /// Its tags.
    pub tags: Value,
    /// The operation that deletes it.
    pub deletion: Option<Uuid>,
}

pub(super) fn routes(router: &mut Router) {
    let all = "/subscriptions/{subscription}/resourceGroups";
    let one = "/subscriptions/{subscription}/resourceGroups/{group}";
    on(router, Method::GET, all, "Microsoft.Resources/subscriptions/resourceGroups/read", list);
    on(router, Method::GET, one, "Microsoft.Resources/subscriptions/resourceGroups/read", get);
    on(router, Method::HEAD, one, "Microsoft.Resources/subscriptions/resourceGroups/read", head);
    on(router, Method::PUT, one, "Microsoft.Resources/subscriptions/resourceGroups/write", put);
    on(router, Method::PATCH, one, "Microsoft.Resources/subscriptions/resourceGroups/write", patch);
    on(router, Method::DELETE, one, "Microsoft.Resources/subscriptions/resourceGroups/delete", delete);
}

fn show(group: &ResourceGroup) -> Value {
    let state = if group.deletion.is_some() { "Deleting" } else { "Succeeded" };
    json!({
        "id": group.id, "name": group.name, "type": "Microsoft.Resources/resourceGroups",
        "location": group.location, "tags": group.tags, "properties": {"provisioningState": state},
    })
}

fn list(state: &mut crate::State, call: &Call) -> Result<Reply, Refusal> {
    let filter = call.request.query.get("$filter").unwrap_or_default();
    let groups = state.arm.resource_groups.iter().filter(|group| resources::has_tag(&group.tags, filter));
    Ok(pages::page(state, call, groups.map(show).collect()))
}

fn get(state: &mut crate::State, call: &Call) -> Result<Reply, Refusal> {
    let group = state.arm.resource_group(call.param("group"));
    group
        .map(|group| Reply::json(200, &show(group)))
        .ok_or_else(|| Refusal::group_not_found(call.param("group")))
}

fn head(state: &mut crate::State, call: &Call) -> Result<Reply, Refusal> {
    Ok(Reply::status(if state.arm.resource_group(call.param("group")).is_some() { 204 } else { 404 }))
}

fn put(state: &mut crate::State, call: &Call) -> Result<Reply, Refusal> {
    let (body, name) = (call.body()?, call.param("group"));
    let location = body["location"].as_str().ok_or_else(|| {
        Refusal::new(400, "LocationRequired", "The location property is required for this definition.")
    })?;
    let location = regions::normalize(location);
    if !regions::is_known(&location) {
        let message = format!("The provided location '{location}' is not available for resource group.");
        return Err(Refusal::new(400, "LocationNotAvailableForResourceGroup", message));
    }
    let tags = if body["tags"].is_object() { body["tags"].clone() } else { json!({}) };
    if let Some(group) = state.arm.resource_group_mut(name) {
        if group.location != location {
            let message = format!(
                "Invalid resource group location '{location}'. The Resource group already exists in location '{}'.",
                group.location
            );
            return Err(Refusal::new(409, "InvalidResourceGroupLocation", message));
        }
        group.tags = tags;
        return Ok(Reply::json(200, &show(group)));
    }
    let id = format!("{}/resourceGroups/{name}", call.subscription());
    let group = ResourceGroup { id, name: name.to_owned(), location, tags, deletion: None };
    let shown = show(&group);
    state.arm.resource_groups.push(group);
    Ok(Reply::json(201, &shown))
}

fn patch(state: &mut crate::State, call: &Call) -> Result<Reply, Refusal> {
    let body = call.body()?;
    let group = state.arm.resource_group_mut(call.param("group"));
    let group = group.ok_or_else(|| Refusal::group_not_found(call.param("group")))?;
    if body["tags"].is_object() {
        group.tags = body["tags"].clone();
    }
    Ok(Reply::json(200, &show(group)))
}

/// Takes a moment, and everything within goes along.
fn delete(state: &mut crate::State, call: &Call) -> Result<Reply, Refusal> {
    let name = call.param("group");
    let group = state.arm.resource_group(name).ok_or_else(|| Refusal::group_not_found(name))?;
    let id = group.id.clone();
    let operation = match group.deletion {
        Some(operation) => operation,
        None => operations::begin(state, &id),
    };
    if let Some(group) = state.arm.resource_group_mut(name) {
        group.deletion = Some(operation);
    }
    state.later(Duration::from_millis(200), crate::schedule::Due::Arm(Due::DeleteResourceGroup { id }));
    Ok(Reply::status(202)
        .header("location", &operations::result_url(call, operation))
        .header("retry-after", "1"))
}

/// Nothing is made or changed in a group that is being deleted.
pub(super) fn refuse_deleted(arm: &super::State, request: &Request) -> Result<(), Refusal> {
    let is_write = matches!(request.method, Method::PUT | Method::PATCH | Method::POST);
    let group =
        arm.resource_group(request.param("group")).filter(|group| is_write && group.deletion.is_some());
    let Some(group) = group else { return Ok(()) };
    let message = format!(
        "The resource group '{}' is in deprovisioning state and cannot perform this operation.",
        group.name
    );
    Err(Refusal::new(409, "ResourceGroupBeingDeleted", message))
}

/// The end of a deletion. What is used from without stays, and the group with it.
pub(super) fn finish_deletion(state: &mut crate::State, id: &str) {
    let Some(group) = state.arm.resource_groups.iter_mut().find(|group| group.id == id) else { return };
    let (name, operation) = (group.name.clone(), group.deletion.take());
    let within = format!("{}/", id.to_ascii_lowercase());
    let is_within = |key: &&String| key.starts_with(&within);
    let mut keys: Vec<String> = state.arm.container_groups.keys().filter(is_within).cloned().collect();
    let blocked = networks::used_from_without(state, &within);
    let arm = &state.arm;
    let others = arm.networks.keys().chain(arm.user_assigned_identities.keys()).chain(arm.resources.keys());
    keys.extend(others.filter(is_within).filter(|key| !blocked.contains(key)).cloned());
    for key in keys {
        super::remove(state, &key);
    }
    let error = (!blocked.is_empty()).then(|| still_used(&name, &blocked));
    if error.is_none() {
        state.arm.resource_groups.retain(|group| group.id != id);
        roles::forget(state, id);
    }
    if let Some(operation) = operation {
        let status = if error.is_none() { Status::Succeeded } else { Status::Failed };
        operations::end(state, operation, status, error);
    }
}

/// Code and text of a deletion that went wrong.
fn still_used(group: &str, blocked: &[String]) -> (String, String) {
    let message = format!(
        "Deletion of resource group '{group}' failed as resources with identifiers '{}' could not be deleted. The \
         provisioning state of the resource group will be rolled back.",
        blocked.join(",")
    );
    ("ResourceGroupDeletionBlocked".to_owned(), message)
}
