//! What a container group asks of the one that runs it.

use base64::Engine as _;
use serde_json::Value;

use super::ContainerGroup;
use crate::compute::{
    ContainerSpecification, GroupNetwork, GroupSpecification, Mount, RegistryLogin, Volume,
};

/// The name under which clients in a group find the managed identity endpoint.
const IDENTITY_HOST: &str = "AZURE_POD_IDENTITY_AUTHORITY_HOST";

/// Reads it out of the accepted properties. `identity_host` is where the managed identity endpoint is for this group.
pub(crate) fn specification(
    group: &ContainerGroup,
    identity_host: &str,
    network: GroupNetwork,
    registry_logins: Vec<RegistryLogin>,
) -> GroupSpecification {
    let list = |name: &str| group.properties[name].as_array().map(Vec::as_slice).unwrap_or_default();
    let host = (!group.identities.is_empty()).then_some(identity_host);
    let init = list("initContainers").iter().map(|container| (container, true));
    let containers = init.chain(list("containers").iter().map(|container| (container, false)));
    GroupSpecification {
        key: group.key,
        name: group.name.clone(),
        containers: containers
            .map(|(container, is_init)| ContainerSpecification {
                is_init,
                ..container_specification(container, host)
            })
            .collect(),
        volumes: list("volumes").iter().map(volume).collect(),
        network,
        registry_logins,
    }
}

fn container_specification(container: &Value, identity_host: Option<&str>) -> ContainerSpecification {
    let properties = &container["properties"];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut environment: Vec<(String, String)> = Vec::new();
    for variable in properties["environmentVariables"].as_array().into_iter().flatten() {
        let value = variable["secureValue"].as_str().or_else(|| variable["value"].as_str());
        environment.push((text(&variable["name"]), value.unwrap_or_default().to_owned()));
    }
    let known = environment.iter().any(|(name, _)| name == IDENTITY_HOST);
    if let (Some(host), false) = (identity_host, known) {
        environment.push((IDENTITY_HOST.to_owned(), host.to_owned()));
    }
    let mounts = properties["volumeMounts"].as_array().into_iter().flatten();
    ContainerSpecification {
        name: text(&container["name"]),
        is_init: false,
        image: text(&properties["image"]),
        command: properties["command"].as_array().into_iter().flatten().map(text).collect(),
        environment,
        cpu: properties["resources"]["requests"]["cpu"].as_f64(),
        memory_gb: properties["resources"]["requests"]["memoryInGB"].as_f64(),
        mounts: mounts
            .map(|mount| Mount {
                volume: text(&mount["name"]),
                path: text(&mount["mountPath"]),
                is_read_only: mount["readOnly"].as_bool().unwrap_or(false),
            })
            .collect(),
    }
}

/// Shares and repositories are empty folders here: the emulator has neither.
fn volume(volume: &Value) -> Volume {
    let decode = |value: &Value| {
        let text = value.as_str().unwrap_or_default();
        base64::engine::general_purpose::STANDARD.decode(text).unwrap_or_default()
    };
    let files = volume["secret"].as_object().into_iter().flatten();
    Volume {
        name: volume["name"].as_str().unwrap_or_default().to_owned(),
        secret_files: files.map(|(name, value)| (name.clone(), decode(value))).collect(),
    }
}
