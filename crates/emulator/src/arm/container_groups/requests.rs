//! The calls on container groups.

use std::sync::Arc;
use std::time::Duration;

use hyper::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use super::super::gate::{self, Call, on};
use super::super::identities::Identity;
use super::super::operations::{self, Status};
use super::super::pages;
use super::super::refusal::Refusal;
use super::admission::{self, Admitted};
use super::{ContainerGroup, ContainerState, Phase, ProvisioningState, Step, life, show};
use crate::http::{Reply, Request, Router};
use crate::{Effect, Emulator, State, compute, journal};

const READ: &str = "Microsoft.ContainerInstance/containerGroups/read";
const WRITE: &str = "Microsoft.ContainerInstance/containerGroups/write";

pub(super) fn routes(router: &mut Router) {
    let provider = "providers/Microsoft.ContainerInstance/containerGroups";
    let of_group = format!("/subscriptions/{{subscription}}/resourceGroups/{{group}}/{provider}");
    let one = format!("{of_group}/{{name}}");
    on(router, Method::GET, &format!("/subscriptions/{{subscription}}/{provider}"), READ, list);
    on(router, Method::GET, &of_group, READ, list);
    on(router, Method::GET, &one, READ, get);
    on(router, Method::PUT, &one, WRITE, put);
    on(router, Method::PATCH, &one, WRITE, patch);
    on(router, Method::DELETE, &one, "Microsoft.ContainerInstance/containerGroups/delete", delete);
    let action = |verb| format!("{one}/{verb}");
    on(
        router,
        Method::POST,
        &action("start"),
        "Microsoft.ContainerInstance/containerGroups/start/action",
        start,
    );
    on(
        router,
        Method::POST,
        &action("stop"),
        "Microsoft.ContainerInstance/containerGroups/stop/action",
        stop,
    );
    on(
        router,
        Method::POST,
        &action("restart"),
        "Microsoft.ContainerInstance/containerGroups/restart/action",
        restart,
    );
    router.on(Method::GET, &action("containers/{container}/logs"), logs);
}

fn id(call: &Call) -> String {
    let (subscription, group, name) = (call.subscription(), call.param("group"), call.param("name"));
    format!(
        "{subscription}/resourceGroups/{group}/providers/Microsoft.ContainerInstance/containerGroups/{name}"
    )
}

fn find<'a>(state: &'a State, call: &Call) -> Result<&'a ContainerGroup, Refusal> {
    state.arm.container_groups.get(&id(call).to_ascii_lowercase()).ok_or_else(|| {
        let name = format!("Microsoft.ContainerInstance/containerGroups/{}", call.param("name"));
        Refusal::not_found(&name, call.param("group"))
    })
}

fn shown(state: &State, call: &Call, group: &ContainerGroup) -> Value {
    of_version(call, show::container_group(group, &state.world.tenant.to_string(), true))
}

/// What the version that is asked for knows of a group: standby pools came with 2024-05-01-preview.
fn of_version(call: &Call, mut shown: Value) -> Value {
    let version = call.request.query.get("api-version").unwrap_or_default();
    if version < "2024-05-01"
        && let Some(properties) = shown["properties"].as_object_mut()
    {
        properties.remove("isCreatedFromStandbyPool");
    }
    shown
}

fn get(state: &mut State, call: &Call) -> Result<Reply, Refusal> {
    Ok(Reply::json(200, &shown(state, call, find(state, call)?)))
}

/// The groups of a resource group, or of the subscription.
fn list(state: &mut State, call: &Call) -> Result<Reply, Refusal> {
    let within = pages::within(call);
    let tenant = state.world.tenant.to_string();
    let groups = life::listed(state).filter(|group| group.id.to_ascii_lowercase().starts_with(&within));
    let shown = groups.map(|group| of_version(call, show::container_group(group, &tenant, false))).collect();
    Ok(pages::page(state, call, shown))
}

/// Refuses what comes while the group is being changed.
fn require_rest(state: &mut State, call: &Call) -> Result<(), Refusal> {
    let busy = find(state, call).is_ok_and(ContainerGroup::is_transitioning);
    if !busy && !state.faults.take_one("arm.transitioning") {
        return Ok(());
    }
    let message =
        format!("The container group '{}' is still transitioning, please retry later.", call.param("name"));
    Err(Refusal::new(409, "ContainerGroupTransitioning", message))
}

fn put(state: &mut State, call: &Call) -> Result<Reply, Refusal> {
    let body = call.body()?;
    require_rest(state, call)?;
    let admitted = admission::admit(state, call, &body)?;
    let existing = find(state, call).ok().cloned();
    if let Some(existing) = &existing {
        require_updatable(existing, &admitted)?;
        if existing.properties == admitted.properties {
            return Ok(retag(state, call, admitted.tags));
        }
    }
    admission::check_room(state, call.param("name"), &admitted)?;
    let id = id(call);
    let operation = operations::begin(state, &id);
    if let Some(existing) = &existing {
        state.effects.push(Effect::Compute(compute::Command::Remove { key: existing.key }));
    }
    let status = if existing.is_some() { 200 } else { 201 };
    let group = build(state, call, admitted, existing, operation);
    let (key, location, view) = (group.key, group.location.clone(), shown(state, call, &group));
    state.arm.container_groups.insert(id.to_ascii_lowercase(), group);
    state.note(call.param("name"), journal::Event::GroupCreated);
    life::provision(state, key);
    let url = operations::url(call, &location, operation);
    Ok(Reply::json(status, &view).header("azure-asyncoperation", &url))
}

/// What cannot be changed in place. Assumed: the code; the rule is documented.
fn require_updatable(existing: &ContainerGroup, admitted: &Admitted) -> Result<(), Refusal> {
    let (name, location) = (&existing.name, &admitted.location);
    if existing.location != *location {
        let message = format!(
            "The resource '{name}' already exists in location '{}' in resource group '{}'. A resource with the same \
             name cannot be created in location '{location}'. Please select a new resource name.",
            existing.location, existing.resource_group
        );
        return Err(Refusal::new(409, "InvalidResourceLocation", message));
    }
    let resources = |properties: &Value| -> Vec<Value> {
        let containers = properties["containers"].as_array().into_iter().flatten();
        containers.map(|container| container["properties"]["resources"].clone()).collect()
    };
    let fixed = ["osType", "restartPolicy", "subnetIds"];
    let changed = fixed.iter().any(|member| existing.properties[*member] != admitted.properties[*member]);
    if changed || resources(&existing.properties) != resources(&admitted.properties) {
        let message = format!(
            "The updates on container group '{name}' are invalid. If you are going to update the os type, restart \
             policy, network profile, CPU, memory or GPU resources for a container group, you must delete it first \
             and then create a new one."
        );
        return Err(Refusal::new(400, "InvalidContainerGroupUpdate", message));
    }
    Ok(())
}

fn retag(state: &mut State, call: &Call, tags: Value) -> Reply {
    if let Some(group) = state.arm.container_groups.get_mut(&id(call).to_ascii_lowercase()) {
        group.tags = tags;
    }
    find(state, call)
        .map_or_else(|_| Reply::status(404), |group| Reply::json(200, &shown(state, call, group)))
}

fn build(
    state: &State,
    call: &Call,
    admitted: Admitted,
    existing: Option<ContainerGroup>,
    operation: Uuid,
) -> ContainerGroup {
    let names = |list: &str, is_init: bool| -> Vec<ContainerState> {
        let containers = admitted.properties[list].as_array().into_iter().flatten();
        containers
            .map(|container| ContainerState {
                name: container["name"].as_str().unwrap_or_default().to_owned(),
                is_init,
                phase: Phase::Waiting { reason: String::new() },
                previous: None,
                restarts: 0,
                events: Vec::new(),
            })
            .collect()
    };
    let containers = [names("initContainers", true), names("containers", false)].concat();
    let id = id(call);
    let known = existing.map(|group| group.identities).unwrap_or_default();
    ContainerGroup {
        identities: identities(state, &id, &admitted, &known),
        id,
        name: call.param("name").to_owned(),
        resource_group: call.param("group").to_owned(),
        location: admitted.location,
        tags: admitted.tags,
        zones: admitted.zones,
        identity_kind: admitted.identity_kind,
        identity_token: Uuid::new_v4().simple().to_string(),
        properties: admitted.properties,
        key: Uuid::new_v4(),
        provisioning_state: ProvisioningState::Pending,
        operation,
        created: state.now,
        started: None,
        address: None,
        service_address: None,
        is_stopped: false,
        containers,
        events: Vec::new(),
    }
}

/// The identities of a group; its system-assigned one stays the same over updates.
fn identities(state: &State, id: &str, admitted: &Admitted, known: &[Identity]) -> Vec<Identity> {
    let assigned = admitted.user_assigned.iter().filter_map(|id| {
        let resource = state.arm.user_assigned_identities.get(&id.to_ascii_lowercase())?;
        Some(Identity { resource_id: id.clone(), ..resource.identity.clone() })
    });
    let mut identities: Vec<Identity> = assigned.collect();
    if admitted.identity_kind.as_deref().is_some_and(|kind| kind.contains("SystemAssigned")) {
        let kept = known.iter().find(|identity| identity.is_system_assigned).cloned();
        identities.push(kept.unwrap_or_else(|| Identity::new(id, true)));
    }
    identities
}

fn patch(state: &mut State, call: &Call) -> Result<Reply, Refusal> {
    let body = call.body()?;
    let tags = find(state, call)?.tags.clone();
    Ok(retag(state, call, if body["tags"].is_object() { body["tags"].clone() } else { tags }))
}

fn delete(state: &mut State, call: &Call) -> Result<Reply, Refusal> {
    let Ok(group) = find(state, call) else { return Ok(Reply::status(204)) };
    let (key, location, view) = (group.key, group.location.clone(), shown(state, call, group));
    let creating =
        matches!(group.provisioning_state, ProvisioningState::Pending | ProvisioningState::Creating);
    if group.provisioning_state == ProvisioningState::Deleting || state.faults.take_one("arm.transitioning") {
        let message = format!(
            "The container group '{}' is still transitioning, please retry later.",
            call.param("name")
        );
        return Err(Refusal::new(409, "ContainerGroupTransitioning", message));
    }
    if creating && state.faults.is_on("arm.delete-while-creating-leaks") {
        return Ok(Reply::json(200, &view));
    }
    let id = id(call);
    state.note(call.param("name"), journal::Event::GroupDeleteAsked);
    let Some(seconds) = state.faults.number("arm.delete-seconds") else {
        life::remove(state, &id.to_ascii_lowercase());
        return Ok(Reply::json(200, &view));
    };
    let operation = operations::begin(state, &id);
    if let Some(group) = state.arm.container_groups.get_mut(&id.to_ascii_lowercase()) {
        group.provisioning_state = ProvisioningState::Deleting;
    }
    life::later(state, Duration::from_secs(seconds), key, Step::Delete { operation });
    let url = operations::url(call, &location, operation);
    Ok(Reply::json(202, &view).header("azure-asyncoperation", &url).header("retry-after", "1"))
}

/// Assumed: starting what runs does nothing. What is terminated has to be stopped first, as the documentation says.
fn start(state: &mut State, call: &Call) -> Result<Reply, Refusal> {
    let group = find(state, call)?;
    let (key, location, stopped) = (group.key, group.location.clone(), group.is_stopped);
    let ended = show::state(group) != "Running";
    if !stopped && !ended {
        return Ok(Reply::status(204));
    }
    if !stopped {
        let message = format!(
            "The container group '{}' is still transitioning, please retry later.",
            call.param("name")
        );
        return Err(Refusal::new(409, "ContainerGroupTransitioning", message));
    }
    require_rest(state, call)?;
    let operation = operations::begin(state, &id(call));
    life::restart(state, key, operation);
    let url = operations::url(call, &location, operation);
    Ok(Reply::status(202)
        .header("azure-asyncoperation", &url)
        .header("location", &url)
        .header("retry-after", "1"))
}

fn stop(state: &mut State, call: &Call) -> Result<Reply, Refusal> {
    let key = find(state, call)?.key;
    require_rest(state, call)?;
    life::stop(state, key);
    Ok(Reply::status(204))
}

fn restart(state: &mut State, call: &Call) -> Result<Reply, Refusal> {
    let key = find(state, call)?.key;
    require_rest(state, call)?;
    life::stop(state, key);
    let operation = operations::begin(state, &id(call));
    life::restart(state, key, operation);
    operations::end(state, operation, Status::Succeeded, None);
    Ok(Reply::status(204))
}

async fn logs(emulator: Arc<Emulator>, request: Request) -> Result<Reply, Reply> {
    let correlation = request.header("x-ms-correlation-request-id").map(str::to_owned);
    let found = gate::admit(
        &emulator,
        request,
        "Microsoft.ContainerInstance/containerGroups/containers/logs/read",
        true,
    )
    .and_then(|call| read_logs(&emulator, &call));
    Ok(gate::finish(found.unwrap_or_else(|refusal| gate::refuse(&emulator, &refusal)), correlation))
}

fn read_logs(emulator: &Emulator, call: &Call) -> Result<Reply, Refusal> {
    let name = call.param("container");
    let (key, started) = emulator.read(|state| {
        let group = find(state, call)?;
        let container =
            group.containers.iter().find(|container| container.name == name).ok_or_else(|| {
                let message =
                    format!("The container '{name}' is not found in container group '{}'.", group.name);
                Refusal::new(404, "ContainerNotFound", message)
            })?;
        let waits = matches!(&container.phase, Phase::Waiting { .. }) && container.previous.is_none();
        Ok((group.key, !waits))
    })?;
    if !started {
        // Assumed: the status; only the code is known.
        let message = format!("The log of container '{name}' is not available.");
        return Err(Refusal::new(404, "ContainerLogNotAvailable", message));
    }
    let tail = call.request.query.number("tail").and_then(|lines| usize::try_from(lines).ok());
    let content = emulator.runtime.logs(key, name, tail, call.request.query.is_true("timestamps"));
    Ok(Reply::json(200, &json!({"content": content})))
}
