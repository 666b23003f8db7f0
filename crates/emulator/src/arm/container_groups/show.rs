//! What clients get to see of a container group: what they sent, without what is secret, and how it is.

use serde_json::{Map, Value, json};

use super::{ContainerGroup, ContainerState, Ended, Event, Phase, ProvisioningState};

/// Members of which only the name comes back, or nothing at all.
const WRITE_ONLY: &[&str] =
    &["secureValue", "password", "storageAccountKey", "workspaceKey", "protectedSettings"];

/// A container group as JSON. Lists leave the instance view out.
pub(super) fn container_group(group: &ContainerGroup, tenant: &str, with_instance_view: bool) -> Value {
    let mut properties = group.properties.clone();
    blank(&mut properties);
    properties["provisioningState"] = json!(group.provisioning_state);
    for (name, value) in
        [("sku", json!("Standard")), ("initContainers", json!([])), ("restartPolicy", json!("Always"))]
    {
        if properties[name].is_null() {
            properties[name] = value;
        }
    }
    properties["isCreatedFromStandbyPool"] = Value::from(false);
    properties["provisioningTimeoutInSeconds"] = Value::from(1800);
    if let (Some(address), true) = (group.address, properties["ipAddress"].is_object()) {
        properties["ipAddress"]["ip"] = Value::from(address.to_string());
        if let Some(label) = properties["ipAddress"]["dnsNameLabel"].as_str() {
            let name = format!("{label}.{}.azurecontainer.io", group.location);
            properties["ipAddress"]["fqdn"] = Value::from(name);
        }
    }
    // What is to run before has no ports.
    for (list, lists) in [
        ("initContainers", &["environmentVariables"][..]),
        ("containers", &["ports", "environmentVariables"]),
    ] {
        for container in properties[list].as_array_mut().into_iter().flatten() {
            complete_container(group, (container, lists), with_instance_view);
        }
    }
    if with_instance_view {
        properties["instanceView"] = json!({"events": events(&group.events), "state": state(group)});
    }
    let mut shown = json!({
        "id": group.id, "name": group.name, "type": "Microsoft.ContainerInstance/containerGroups",
        "location": group.location, "tags": group.tags, "properties": properties,
    });
    if group.zones.is_array() {
        shown["zones"] = group.zones.clone();
    }
    if let Some(kind) = &group.identity_kind {
        shown["identity"] = identity(group, kind, tenant);
    }
    shown
}

fn identity(group: &ContainerGroup, kind: &str, tenant: &str) -> Value {
    let mut shown = json!({"type": kind});
    let mut assigned = Map::new();
    for identity in &group.identities {
        if identity.is_system_assigned {
            shown["principalId"] = json!(identity.principal_id);
            shown["tenantId"] = Value::from(tenant);
        } else {
            let ids = json!({"principalId": identity.principal_id, "clientId": identity.client_id});
            assigned.insert(identity.resource_id.clone(), ids);
        }
    }
    if !assigned.is_empty() {
        shown["userAssignedIdentities"] = Value::Object(assigned);
    }
    shown
}

/// Takes out what is never shown again.
fn blank(value: &mut Value) {
    match value {
        Value::Object(object) => {
            object.retain(|name, _| !WRITE_ONLY.contains(&name.as_str()));
            for (name, value) in object {
                // The files of a secret volume: even their names stay hidden.
                if name == "secret" {
                    *value = json!({});
                } else {
                    blank(value);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(blank),
        _ => {}
    }
}

fn complete_container(
    group: &ContainerGroup,
    (container, lists): (&mut Value, &[&str]),
    with_instance_view: bool,
) {
    let name = container["name"].as_str().unwrap_or_default().to_owned();
    let properties = &mut container["properties"];
    for list in lists {
        if properties[*list].is_null() {
            properties[*list] = json!([]);
        }
    }
    let state = group.containers.iter().find(|state| state.name == name);
    if let (Some(state), true) = (state, with_instance_view) {
        properties["instanceView"] = instance_view(state);
    }
}

fn instance_view(container: &ContainerState) -> Value {
    let mut view = json!({
        "restartCount": container.restarts,
        "currentState": phase(&container.phase),
        "events": events(&container.events),
    });
    if let Some(previous) = &container.previous {
        view["previousState"] = ended(previous);
    }
    view
}

fn phase(phase: &Phase) -> Value {
    match phase {
        Phase::Waiting { reason } => json!({"state": "Waiting", "detailStatus": reason}),
        Phase::Running { since } => {
            json!({"state": "Running", "startTime": since.to_string(), "detailStatus": ""})
        }
        Phase::Terminated(how) => ended(how),
    }
}

fn ended(how: &Ended) -> Value {
    json!({
        "state": "Terminated", "startTime": how.started.to_string(), "exitCode": how.exit_code,
        "finishTime": how.finished.to_string(),
        "detailStatus": if how.exit_code == 0 { "Completed" } else { "Error" },
    })
}

/// Events as the service lists them: not in the order in which they happened.
pub(super) fn events(events: &[Event]) -> Value {
    let mut shown: Vec<Value> = events
        .iter()
        .map(|event| {
            json!({
                "count": event.count, "firstTimestamp": event.first.to_string(),
                "lastTimestamp": event.last.to_string(), "name": event.name, "message": event.message,
                "type": event.kind,
            })
        })
        .collect();
    shown.sort_by_key(|event| event["name"].as_str().map(str::to_owned));
    Value::from(shown)
}

/// `instanceView.state` of a group.
pub(super) fn state(group: &ContainerGroup) -> &'static str {
    if group.is_stopped {
        return "Stopped";
    }
    match group.provisioning_state {
        ProvisioningState::Pending | ProvisioningState::Creating => return "Pending",
        ProvisioningState::Failed => return "Failed",
        ProvisioningState::Succeeded | ProvisioningState::Deleting => {}
    }
    if group.text("restartPolicy") == "Always" || group.text("restartPolicy").is_empty() {
        return "Running";
    }
    let codes: Vec<Option<i32>> = group
        .containers
        .iter()
        .filter(|container| !container.is_init)
        .map(|container| match &container.phase {
            Phase::Terminated(how) => Some(how.exit_code),
            Phase::Waiting { .. } | Phase::Running { .. } => None,
        })
        .collect();
    let init_failed = group
        .containers
        .iter()
        .filter(|container| container.is_init)
        .any(|container| matches!(&container.phase, Phase::Terminated(how) if how.exit_code != 0));
    match (init_failed, codes.iter().all(Option::is_some), codes.iter().all(|code| *code == Some(0))) {
        (true, _, _) | (_, true, false) => "Failed",
        (_, true, true) => "Succeeded",
        (_, false, _) => "Running",
    }
}
