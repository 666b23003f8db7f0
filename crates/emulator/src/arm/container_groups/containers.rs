//! What the service checks about containers, volumes and registry credentials.

use std::collections::BTreeSet;

use base64::Engine as _;
use serde_json::Value;

use super::super::refusal::Refusal;
use super::admission::check_name;

/// What a group may ask for at most: cores and gigabytes.
const LARGEST: (f64, f64) = (31.0, 240.0);

/// Containers that a group may hold.
const CONTAINERS_MAX: usize = 60;

/// Checks them all. `identities` are the ids of the group's user-assigned identities.
pub(super) fn check(group: &str, properties: &Value, identities: &[String]) -> Result<(), Refusal> {
    let list = |name: &str| properties[name].as_array().map(Vec::as_slice).unwrap_or_default();
    let (containers, init_containers, volumes) =
        (list("containers"), list("initContainers"), list("volumes"));
    if containers.is_empty() {
        return Err(Refusal::content("Required property 'containers' not found in JSON. Path 'properties'"));
    }
    if containers.len() > CONTAINERS_MAX {
        let message = format!("Container group '{group}' has more than {CONTAINERS_MAX} containers.");
        return Err(Refusal::new(400, "ContainerGroupContainerLimitReached", message));
    }
    let volumes = volumes.iter().map(volume).collect::<Result<BTreeSet<&str>, Refusal>>()?;
    let mut names = BTreeSet::new();
    for container in containers.iter().chain(init_containers) {
        let name = container["name"].as_str().unwrap_or_default();
        check_name(name, "container")?;
        if !names.insert(name) {
            let message =
                format!("Container name '{name}' in container group '{group}' is used more than once.");
            return Err(Refusal::new(400, "DuplicateContainerName", message));
        }
        check_container(group, name, &container["properties"], &volumes)?;
    }
    for container in containers {
        check_resources(group, container)?;
    }
    for (index, credential) in list("imageRegistryCredentials").iter().enumerate() {
        check_credential(group, index, credential, identities)?;
    }
    Ok(())
}

fn check_container(
    group: &str,
    name: &str,
    container: &Value,
    volumes: &BTreeSet<&str>,
) -> Result<(), Refusal> {
    if container["image"].as_str().is_none_or(str::is_empty) {
        let problem = format!(
            "Required property 'image' not found in JSON. Path 'properties.containers[{name}].properties'"
        );
        return Err(Refusal::content(&problem));
    }
    for variable in container["environmentVariables"].as_array().into_iter().flatten() {
        check_variable(group, name, variable)?;
    }
    for mount in container["volumeMounts"].as_array().into_iter().flatten() {
        let volume = mount["name"].as_str().unwrap_or_default();
        if !volumes.contains(volume) {
            let message = format!(
                "The volume '{volume}' of container '{name}' in container group '{group}' is not defined."
            );
            return Err(Refusal::new(400, "VolumeNotFound", message));
        }
        let path = mount["mountPath"].as_str().unwrap_or_default();
        if !path.starts_with('/') || path.contains(':') {
            let message = format!(
                "The mount path '{path}' of container '{name}' in container group '{group}' is invalid."
            );
            return Err(Refusal::new(400, "InvalidMountPath", message));
        }
    }
    Ok(())
}

fn check_variable(group: &str, container: &str, variable: &Value) -> Result<(), Refusal> {
    let name = variable["name"].as_str().unwrap_or_default();
    let letters = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if !letters || !(1..=63).contains(&name.len()) {
        let message = format!(
            "The environment variable name '{name}' in container '{container}' of container group '{group}' is \
             invalid. It must have 1 to 63 letters, digits and underscores."
        );
        return Err(Refusal::new(400, "InvalidEnvironmentVariableName", message));
    }
    let values = ["value", "secureValue", "secureValueReference"];
    let given = values.iter().filter(|value| variable[**value].is_string()).count();
    if given > 1 {
        let message = format!(
            "The environment variable '{name}' in container '{container}' of container group '{group}' has more than \
             one of 'value', 'secureValue' and 'secureValueReference'."
        );
        return Err(Refusal::new(400, "InvalidEnvironmentVariable", message));
    }
    Ok(())
}

fn check_resources(group: &str, container: &Value) -> Result<(), Refusal> {
    let name = container["name"].as_str().unwrap_or_default();
    let requests = &container["properties"]["resources"]["requests"];
    let (Some(cpu), Some(memory)) = (requests["cpu"].as_f64(), requests["memoryInGB"].as_f64()) else {
        let message = format!(
            "The resource requests are not specified in container '{name}' of contain group '{group}'. Both memory and \
             CPU requests are required since API version '2017-07-01-preview'."
        );
        return Err(Refusal::new(400, "ResourceRequestsNotSpecified", message));
    };
    if cpu <= 0.0 || memory <= 0.0 || cpu > LARGEST.0 || memory > LARGEST.1 {
        // Assumed: code and text; the limits are documented.
        let message = format!(
            "The requested resource '{cpu}' CPU '{memory}' GB memory in container '{name}' of container group '{group}' \
             is not supported. The limits are '{}' CPU '{}' GB memory.",
            LARGEST.0, LARGEST.1
        );
        return Err(Refusal::new(400, "InvalidResourceRequests", message));
    }
    Ok(())
}

/// Checks a volume, and gives its name.
fn volume(volume: &Value) -> Result<&str, Refusal> {
    let name = volume["name"].as_str().unwrap_or_default();
    let letters = name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    if !letters || !(5..=63).contains(&name.len()) {
        let message = format!(
            "The volume name '{name}' is invalid. It must have 5 to 63 lower case letters, digits and hyphens."
        );
        return Err(Refusal::new(400, "InvalidVolumeName", message));
    }
    let kinds = ["azureFile", "emptyDir", "secret", "secretReference", "gitRepo"];
    if kinds.iter().filter(|kind| !volume[**kind].is_null()).count() != 1 {
        let message = format!("The volume '{name}' must have exactly one of '{}'.", kinds.join(", "));
        return Err(Refusal::new(400, "InvalidVolume", message));
    }
    let decodes = |value: &Value| {
        let text = value.as_str().unwrap_or_default();
        base64::engine::general_purpose::STANDARD.decode(text).is_ok()
    };
    let undecodable = volume["secret"].as_object().into_iter().flatten().find(|(_, value)| !decodes(value));
    if let Some((key, _)) = undecodable {
        let message = format!("The secret volume '{name}' has a value that is not base64: '{key}'.");
        return Err(Refusal::new(400, "InvalidSecretVolume", message));
    }
    Ok(name)
}

fn check_credential(
    group: &str,
    index: usize,
    credential: &Value,
    identities: &[String],
) -> Result<(), Refusal> {
    if credential["server"].as_str().is_none_or(str::is_empty) {
        let problem = format!(
            "Required property 'server' not found in JSON. Path 'properties.imageRegistryCredentials[{index}]'"
        );
        return Err(Refusal::content(&problem));
    }
    let by_name = credential["username"].is_string();
    match credential["identity"].as_str() {
        // The service spells its code like this.
        Some(_) if by_name => Err(Refusal::new(
            400,
            "AmbiguousImageResitryCredentialType",
            format!(
                "The 'imageRegistryCredentials' of container group '{group}' is ambiguous. Please set exactly one of \
                 username or identity."
            ),
        )),
        Some(identity) if !identities.iter().any(|id| id.eq_ignore_ascii_case(identity)) => {
            Err(Refusal::new(
                400,
                "InvalidImageRegistryIdentity",
                format!(
                    "The identity in the 'imageRegistryCredentials' of container group '{group}' not found in container \
                 group identity list."
                ),
            ))
        }
        None if !by_name => Err(Refusal::content(&format!(
            "Required property 'username' not found in JSON. Path 'properties.imageRegistryCredentials[{index}]'"
        ))),
        _ => Ok(()),
    }
}
