//! One container: making it, starting it, reading what it prints, its end.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use bollard::Docker;
use bollard::errors::Error;
use bollard::models::{ContainerCreateBody, HostConfig};
use bollard::query_parameters::{
    CreateContainerOptions, LogsOptions, RemoveContainerOptions, WaitContainerOptions,
};
use futures_util::StreamExt as _;

use super::{Engine, container_name, images};
use crate::Emulator;
use crate::arm::container_groups::Report;
use crate::compute::{ContainerSpecification, GroupSpecification, LogBuffer, report};

/// Label of every container: the group it belongs to.
const LABEL: &str = "azure-emulator.container-group";

/// Starts a container afresh: what an earlier one of the name wrote is gone, as in Azure. Gives the address under which
/// it calls the emulator.
pub(super) async fn start(
    engine: &Engine,
    group: &GroupSpecification,
    container: &ContainerSpecification,
) -> Result<Option<IpAddr>, String> {
    let in_words = |error: Error| error.to_string();
    let name = container_name(group.key, &container.name);
    let force = RemoveContainerOptions { force: true, v: true, ..RemoveContainerOptions::default() };
    match engine.docker.remove_container(&name, Some(force)).await {
        Ok(()) | Err(Error::DockerResponseServerError { status_code: 404, .. }) => {}
        Err(error) => return Err(in_words(error)),
    }
    let options = CreateContainerOptions { name: Some(name.clone()), ..CreateContainerOptions::default() };
    let leader = leader(engine, group, container).await;
    let body = create_body(engine, group, container, leader.as_deref());
    engine.docker.create_container(Some(options), body).await.map_err(in_words)?;
    if leader.is_none() {
        engine.networks.connect(&engine.docker, &name, &group.network).await?;
    }
    engine.docker.start_container(&name, None).await.map_err(in_words)?;
    let inspected = engine.docker.inspect_container(&name, None).await.map_err(in_words)?;
    let networks = inspected.network_settings.and_then(|settings| settings.networks).unwrap_or_default();
    let address = networks.get(engine.networks.service()).and_then(|network| network.ip_address.as_deref());
    Ok(address.and_then(|address| address.parse().ok()))
}

/// The container whose network this one shares: the group's first, if that runs. Init containers run alone.
async fn leader(
    engine: &Engine,
    group: &GroupSpecification,
    container: &ContainerSpecification,
) -> Option<String> {
    let first = group.containers.iter().find(|container| !container.is_init)?;
    if container.is_init || first.name == container.name {
        return None;
    }
    let name = container_name(group.key, &first.name);
    let inspected = engine.docker.inspect_container(&name, None).await.ok()?;
    inspected.state?.running.filter(|running| *running).map(|_| name)
}

fn create_body(
    engine: &Engine,
    group: &GroupSpecification,
    container: &ContainerSpecification,
    leader: Option<&str>,
) -> ContainerCreateBody {
    let dns_servers = &group.network.dns_servers;
    let network =
        leader.map_or_else(|| engine.networks.service().to_owned(), |leader| format!("container:{leader}"));
    let volumes = engine.folder.join(group.key.simple().to_string());
    let binds = container.mounts.iter().map(|mount| {
        let access = if mount.is_read_only { "ro" } else { "rw" };
        format!("{}:{}:{access}", volumes.join(&mount.volume).display(), mount.path)
    });
    #[expect(clippy::cast_possible_truncation, reason = "at most 31 cores and 240 GB were admitted")]
    let whole = |amount: f64| amount.round() as i64;
    let has_command = !container.command.is_empty();
    ContainerCreateBody {
        image: Some(images::on_engine(&container.image, &group.registry_logins)),
        // A command replaces the image's entry point and its arguments.
        entrypoint: has_command.then(|| container.command.clone()),
        cmd: has_command.then(Vec::new),
        env: Some(container.environment.iter().map(|(name, value)| format!("{name}={value}")).collect()),
        labels: Some(HashMap::from([(LABEL.to_owned(), group.key.simple().to_string())])),
        host_config: Some(HostConfig {
            network_mode: Some(network),
            dns: (leader.is_none() && !dns_servers.is_empty()).then(|| dns_servers.clone()),
            binds: Some(binds.collect()),
            nano_cpus: container.cpu.map(|cores| whole(cores * 1e9)),
            memory: container.memory_gb.map(|gigabytes| whole(gigabytes * 1e9)),
            ..HostConfig::default()
        }),
        ..ContainerCreateBody::default()
    }
}

/// Reads what a container prints, and reports its end.
pub(super) fn watch(emulator: &Arc<Emulator>, engine: &Engine, group: &GroupSpecification, container: &str) {
    let (emulator, docker, container) = (Arc::clone(emulator), engine.docker.clone(), container.to_owned());
    let (key, group) = (group.key, group.name.clone());
    tokio::spawn(async move {
        let name = container_name(key, &container);
        let options = LogsOptions { follow: true, stdout: true, stderr: true, ..LogsOptions::default() };
        let mut output = docker.logs(&name, Some(options));
        let mut rest = String::new();
        while let Some(Ok(chunk)) = output.next().await {
            rest.push_str(&String::from_utf8_lossy(&chunk.into_bytes()));
            while let Some((line, after)) = rest.split_once('\n') {
                emulator.runtime.printed(key, &group, &container, line.trim_end_matches('\r').to_owned());
                rest = after.to_owned();
            }
        }
        if !rest.is_empty() {
            emulator.runtime.printed(key, &group, &container, rest);
        }
        let Some(code) = exit_code(&docker, &name).await else { return };
        emulator.runtime.log(key, &container, LogBuffer::stop);
        report(&emulator, key, Report::Exited { container, code });
    });
}

/// Waits for the end of a container; `None` where it was removed before it ended.
async fn exit_code(docker: &Docker, name: &str) -> Option<i32> {
    let mut ends = docker.wait_container(name, None::<WaitContainerOptions>);
    let code = match ends.next().await? {
        Ok(end) => end.status_code,
        Err(Error::DockerContainerWaitError { code, .. }) => code,
        Err(error) => {
            tracing::debug!(name, "the container was not waited for: {error}");
            return None;
        }
    };
    Some(i32::try_from(code).unwrap_or(i32::MAX))
}
