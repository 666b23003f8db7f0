//! What the service checks before it accepts a container group. Nothing here changes anything.

use serde_json::Value;

use super::super::addresses;
use super::super::networks::{DELEGATE, Subnet, VirtualNetwork};
use super::super::refusal::Refusal;
use super::super::{gate::Call, regions, roles};
use super::{containers, shape};
use crate::State;

/// A body that was accepted.
#[derive(Debug)]
pub(super) struct Admitted {
    pub(super) location: String,
    pub(super) tags: Value,
    pub(super) zones: Value,
    pub(super) identity_kind: Option<String>,
    /// Ids of the user-assigned identities, as the client wrote them.
    pub(super) user_assigned: Vec<String>,
    /// The properties, without what only replies hold.
    pub(super) properties: Value,
}

/// Checks a body, in the order in which the service would.
pub(super) fn admit(state: &State, call: &Call, body: &Value) -> Result<Admitted, Refusal> {
    let name = call.param("name");
    if let Some(problem) = shape::problem(body, &shape::CONTAINER_GROUP, "") {
        return Err(Refusal::content(&problem));
    }
    let location = location(state, body)?;
    check_name(name, "container group")?;
    let mut properties = body["properties"].clone();
    if !properties.is_object() {
        return Err(Refusal::content("Required property 'properties' not found in JSON. Path ''"));
    }
    if let Some(properties) = properties.as_object_mut() {
        properties.retain(|name, value| !value.is_null() && !shape::READ_ONLY.contains(&name.as_str()));
    }
    check_choices(&properties)?;
    let (identity_kind, user_assigned) = identities(state, &body["identity"])?;
    containers::check(name, &properties, &user_assigned)?;
    check_network(state, call, &location, &properties)?;
    Ok(Admitted {
        location,
        tags: if body["tags"].is_object() { body["tags"].clone() } else { serde_json::json!({}) },
        zones: body["zones"].clone(),
        identity_kind,
        user_assigned,
        properties,
    })
}

fn location(state: &State, body: &Value) -> Result<String, Refusal> {
    let location = body["location"].as_str().filter(|location| !location.is_empty()).ok_or_else(|| {
        Refusal::new(400, "LocationRequired", "The location property is required for this definition.")
    })?;
    let location = regions::normalize(location);
    regions::require(&state.faults, &location, DELEGATE)?;
    Ok(location)
}

/// Assumed: code and text. The rule itself is documented: 1 to 63 lower case letters, digits and single hyphens.
pub(super) fn check_name(name: &str, what: &str) -> Result<(), Refusal> {
    let letters = name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    let edges = !name.starts_with('-') && !name.ends_with('-') && !name.contains("--");
    if letters && edges && (1..=63).contains(&name.len()) {
        return Ok(());
    }
    let message = format!(
        "The {what} name '{name}' is invalid. It must contain no more than 63 characters, must match the regex \
         '[a-z0-9]([-a-z0-9]*[a-z0-9])?' (for example, 'my-name'), and must not hold consecutive hyphens."
    );
    let code = if what == "container" { "InvalidContainerName" } else { "InvalidContainerGroupName" };
    Err(Refusal::new(400, code, message))
}

/// Members that take one of a few words.
fn check_choices(properties: &Value) -> Result<(), Refusal> {
    let os = properties["osType"].as_str();
    if !matches!(os, Some("Linux" | "Windows")) {
        let message = format!(
            "The 'osType' for container group '{}' is invalid. The value must be one of 'Windows,Linux'.",
            os.unwrap_or("<null>")
        );
        return Err(Refusal::new(400, "InvalidOsType", message));
    }
    for (member, choices) in [
        ("restartPolicy", &["Always", "OnFailure", "Never"][..]),
        ("sku", &["Standard", "Dedicated", "Confidential", "NotSpecified"]),
        ("priority", &["Regular", "Spot"]),
    ] {
        let Some(value) = properties[member].as_str() else { continue };
        if !choices.contains(&value) {
            let problem = format!(
                "Error converting value \"{value}\" to one of '{}'. Path 'properties.{member}'",
                choices.join(",")
            );
            return Err(Refusal::content(&problem));
        }
    }
    Ok(())
}

/// The kind of identity and the user-assigned ones, which must exist.
fn identities(state: &State, identity: &Value) -> Result<(Option<String>, Vec<String>), Refusal> {
    let Some(kind) = identity["type"].as_str().filter(|kind| !kind.eq_ignore_ascii_case("None")) else {
        return Ok((None, Vec::new()));
    };
    let parts: Vec<&str> = kind.split(',').map(str::trim).collect();
    if !parts.iter().all(|part| ["SystemAssigned", "UserAssigned"].contains(part)) {
        let message = format!("The identity type '{kind}' is not supported.");
        return Err(Refusal::new(400, "InvalidIdentityType", message));
    }
    let named: Vec<String> = identity["userAssignedIdentities"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(id, _)| id.clone())
        .collect();
    let missing =
        named.iter().find(|id| !state.arm.user_assigned_identities.contains_key(&id.to_ascii_lowercase()));
    if let Some(missing) = missing {
        // Assumed: the code. The text is Resource Manager's for an identity that is not there.
        let message = format!(
            "The Identity operation for resource failed with error 'Failed to perform resource identity operation. \
             Resource '{missing}' was not found.'."
        );
        return Err(Refusal::new(400, "FailedIdentityOperation", message));
    }
    if parts.contains(&"UserAssigned") && named.is_empty() {
        let message = "The user-assigned identities are not specified for the identity type 'UserAssigned'.";
        return Err(Refusal::new(400, "InvalidIdentityType", message));
    }
    Ok((Some(kind.to_owned()), named))
}

fn check_network(state: &State, call: &Call, location: &str, properties: &Value) -> Result<(), Refusal> {
    let name = call.param("name");
    let subnets: Vec<&str> = properties["subnetIds"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|subnet| subnet["id"].as_str().unwrap_or_default())
        .collect();
    let address = properties["ipAddress"]["type"].as_str();
    let spot = properties["priority"].as_str() == Some("Spot");
    if spot && (address.is_some() || !subnets.is_empty()) {
        let message = format!(
            "Spot priority container group '{name}' does not support inbound connectivity: no IP address and no \
             virtual network."
        );
        return Err(Refusal::new(
            400,
            "SpotPriorityContainerGroupNotSupportedForInboundConnectivity",
            message,
        ));
    }
    // `subnetIds` came with 2021-07-01; before, the service does not see them.
    let sees_subnets = call.request.query.get("api-version").is_some_and(|version| version >= "2021-07-01");
    if address == Some("Private") && (subnets.is_empty() || !sees_subnets) {
        // Assumed: the code; only the text is known.
        let message = format!(
            "IP Address type in container group '{name}' is invalid. Private IP address is only supported when network \
             profile is defined."
        );
        return Err(Refusal::new(400, "InvalidIPAddressType", message));
    }
    if address == Some("Public") && !subnets.is_empty() {
        let message = format!(
            "IP Address type in container group '{name}' is invalid. Public IP address is not supported in a virtual \
             network."
        );
        return Err(Refusal::new(400, "InvalidIPAddressType", message));
    }
    subnets.iter().try_for_each(|id| check_subnet(state, call, location, id))
}

/// Assumed: the codes for a subnet that is not there or in another region. That both are refused is documented.
fn check_subnet(state: &State, call: &Call, location: &str, id: &str) -> Result<(), Refusal> {
    let lower = id.to_ascii_lowercase();
    let (network, subnet) = lower.rsplit_once("/subnets/").unwrap_or((&lower, ""));
    let network = state.arm.networks.get(network);
    let found = network.and_then(|network| {
        let subnet = network.subnets.iter().find(|known| known.name.eq_ignore_ascii_case(subnet))?;
        Some((network, subnet))
    });
    let Some((network, subnet)) = found else {
        let message = format!(
            "The subnet '{id}' referenced by container group '{}' was not found.",
            call.param("name")
        );
        return Err(Refusal::new(400, "SubnetNotFound", message));
    };
    let join = "Microsoft.Network/virtualNetworks/subnets/join/action";
    if !roles::may(&state.arm, call.caller.object_id, join, id) {
        let message = format!(
            "The client '{}' has permission to perform action '{DELEGATE}/write' on the scope of the container group; \
             however, it does not have permission to perform action '{join}' on the linked scope(s) '{id}' or the \
             linked scope(s) are invalid.",
            call.caller.app_id
        );
        return Err(Refusal::new(403, "LinkedAuthorizationFailed", message));
    }
    if network.location != location {
        let message = format!(
            "The virtual network of subnet '{id}' is in '{}', and container group '{}' in '{location}'. Both must be \
             in the same region.",
            network.location,
            call.param("name")
        );
        return Err(Refusal::new(400, "InvalidVirtualNetworkLocation", message));
    }
    if !subnet.is_delegated_to(DELEGATE) {
        return Err(delegation_missing(id));
    }
    check_addresses(state, call.param("name"), network, subnet)
}

/// Assumed: that the provider passes on what the network says of a full subnet, and that a group has one address.
fn check_addresses(
    state: &State,
    group: &str,
    network: &VirtualNetwork,
    subnet: &Subnet,
) -> Result<(), Refusal> {
    let id = format!("{}/subnets/{}", network.id, subnet.name);
    let has_one =
        state.arm.container_groups.values().any(|known| {
            known.name == group && known.subnets().any(|joined| joined.eq_ignore_ascii_case(&id))
        });
    let (used, limit) = addresses::usage(state, network, subnet);
    if has_one || used < limit {
        return Ok(());
    }
    let message = format!(
        "Subnet {} with address prefix {} does not have enough capacity for 1 IP addresses.",
        subnet.name, subnet.address_prefix
    );
    Err(Refusal::new(400, "SubnetIsFull", message))
}

/// A subnet that is not, or should no longer be, delegated to container groups.
pub(in crate::arm) fn delegation_missing(subnet_id: &str) -> Refusal {
    let name = subnet_id.rsplit('/').next().unwrap_or_default();
    let message = format!(
        "Subnet {name} requires any of the following delegation(s) [{DELEGATE}] to reference service association link \
         {subnet_id}/serviceAssociationLinks/acisal."
    );
    Refusal::new(400, "SubnetMissingRequiredDelegation", message)
}

/// The cores that all containers ask for.
pub(super) fn cores(properties: &Value) -> f64 {
    let containers = properties["containers"].as_array().into_iter().flatten();
    containers.filter_map(|container| container.pointer("/properties/resources/requests/cpu")?.as_f64()).sum()
}

/// Faults and limits that stand between a good request and a container group.
pub(super) fn check_room(state: &mut State, name: &str, admitted: &Admitted) -> Result<(), Refusal> {
    let image = admitted.properties.pointer("/containers/0/properties/image").and_then(Value::as_str);
    let image = image.unwrap_or_default();
    if state.faults.take_one("arm.image-inaccessible") {
        let message = format!(
            "The image '{image}' in container group '{name}' is not accessible. Please check the image and registry \
             credential."
        );
        return Err(Refusal::new(400, "InaccessibleImage", message));
    }
    if state.faults.take_one("arm.registry-error") {
        let message =
            "An error response is received from the docker registry 'index.docker.io'. Please retry later.";
        return Err(Refusal::new(409, "RegistryErrorResponse", message));
    }
    check_platform(state, name, admitted)?;
    let fault = state.faults.get("arm.capacity");
    if fault.is_some_and(|fault| {
        lacks_capacity(fault, &admitted.location) && !fault["late"].as_bool().unwrap_or(false)
    }) {
        return Err(Refusal::new(
            409,
            "ServiceUnavailable",
            no_capacity(&admitted.location, &admitted.properties),
        ));
    }
    check_quota(state, name, admitted)
}

/// Assumed: the text; only the code is known.
fn check_platform(state: &State, name: &str, admitted: &Admitted) -> Result<(), Refusal> {
    let asked = admitted.properties["osType"].as_str().unwrap_or_default();
    match state.faults.get("arm.image-platform").and_then(Value::as_str) {
        Some(platform) if !platform.eq_ignore_ascii_case(asked) => {
            let message = format!(
                "The OS type '{asked}' of container group '{name}' does not match the platform '{platform}' of its \
                 image."
            );
            Err(Refusal::new(400, "ImageOsTypeNotMatchContainerGroup", message))
        }
        _ => Ok(()),
    }
}

/// Whether a value of the knob `arm.capacity` is about a region.
pub(super) fn lacks_capacity(fault: &Value, location: &str) -> bool {
    let region = fault.get("region").unwrap_or(fault);
    match region {
        Value::String(region) => region.eq_ignore_ascii_case(location),
        Value::Bool(on) => *on,
        _ => fault.is_object(),
    }
}

/// The text for a region without room.
pub(super) fn no_capacity(location: &str, properties: &Value) -> String {
    let containers = properties["containers"].as_array().into_iter().flatten();
    let memory: f64 = containers
        .filter_map(|container| container.pointer("/properties/resources/requests/memoryInGB")?.as_f64())
        .sum();
    let network = if properties["subnetIds"].is_array() { " virtual network" } else { "" };
    format!(
        "The requested resource is not available in the location '{location}' at this moment. Please retry with a \
         different resource request or in another location. Resource requested: '{}' CPU '{memory}' GB memory '{}' OS{network}",
        cores(properties),
        properties["osType"].as_str().unwrap_or_default()
    )
}

fn check_quota(state: &State, name: &str, admitted: &Admitted) -> Result<(), Refusal> {
    let others = || {
        let groups = state.arm.container_groups.values();
        groups.filter(|group| group.location == admitted.location && group.name != name)
    };
    let usage = super::places::count(others());
    for (quota, used, requested) in
        [("ContainerGroups", usage.groups, 1.0), ("StandardCores", usage.cores, cores(&admitted.properties))]
    {
        let limit = super::places::limit(state, quota);
        if used + requested > limit {
            let message = format!(
                "Resource type '{DELEGATE}' container group quota '{quota}' exceeded in region '{}'. Limit: '{limit}', \
                 Usage: '{used}' Requested: '{requested}'.",
                admitted.location
            );
            return Err(Refusal::new(400, "ContainerGroupQuotaReached", message));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{check_name, lacks_capacity};

    #[test]
    fn names_are_lower_case_with_single_hyphens() {
        for (name, valid) in [
            ("agent-1", true),
            ("a", true),
            (&*"a".repeat(63), true),
            (&*"a".repeat(64), false),
            ("", false),
            ("-a", false),
            ("a-", false),
            ("a--b", false),
            ("Agent", false),
            ("a_b", false),
        ] {
            assert_eq!(check_name(name, "container group").is_ok(), valid, "{name}");
        }
    }

    #[test]
    fn the_capacity_knob_is_about_one_region_or_all() {
        for (fault, expected) in [
            (json!("westeurope"), true),
            (json!("eastus"), false),
            (json!(true), true),
            (json!(false), false),
            (json!({"region": "westeurope", "late": true}), true),
            (json!({"region": "eastus"}), false),
            (json!({"late": true}), true),
        ] {
            assert_eq!(lacks_capacity(&fault, "westeurope"), expected, "{fault}");
        }
    }
}
