//! Container groups as Docker containers, on a network of the emulator's own whose gateway is this machine: containers
//! and clients reach the emulator under the same address.
//!
//! Deviation from Azure: the containers of one group share volumes and the network, but not `localhost`.

use std::collections::HashMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bollard::Docker;
use bollard::errors::Error;
use bollard::models::{ContainerCreateBody, HostConfig, NetworkCreateRequest};
use bollard::query_parameters::{
    CreateContainerOptions, CreateImageOptions, LogsOptions, RemoveContainerOptions, WaitContainerOptions,
};
use futures_util::StreamExt as _;
use sha2::Digest as _;
use tokio::sync::mpsc;
use uuid::Uuid;

use super::specification::write_volumes;
use super::{Command, ContainerSpecification, GroupSpecification, report, specification};
use crate::Emulator;
use crate::arm::container_groups::{self, Report};

/// Label of every container: the group it belongs to.
const LABEL: &str = "azure-emulator.container-group";

/// A Docker engine and our network on it.
#[derive(Debug)]
pub(super) struct Engine {
    docker: Docker,
    network: String,
    gateway: IpAddr,
    folder: PathBuf,
}

impl Engine {
    /// Connects to the engine of `DOCKER_HOST` or the usual socket, and makes the network. `home` is the folder whose
    /// path names the network, so that a next start with the same state finds its containers on it.
    pub(super) async fn connect(home: &Path, data: &Path) -> Result<Self, String> {
        let no_answer = |error: Error| format!("no Docker engine answers: {error}");
        let docker = Docker::connect_with_defaults().map_err(no_answer)?;
        let docker = docker.negotiate_version().await.map_err(no_answer)?;
        docker.ping().await.map_err(no_answer)?;
        let digest = sha2::Sha256::digest(home.as_os_str().as_encoded_bytes());
        let id: String = digest.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
        let network = format!("azure-emulator-{id}");
        let gateway = own_network(&docker, &network)
            .await
            .map_err(|error| format!("the Docker engine gives no network {network}: {error}"))?;
        Ok(Self { docker, network, gateway, folder: data.join("groups") })
    }

    /// This machine, as containers and clients see it.
    pub(super) fn gateway(&self) -> IpAddr {
        self.gateway
    }

    /// Removes the network, once nothing is on it.
    pub(super) async fn end(&self) {
        if let Err(error) = self.docker.remove_network(&self.network).await {
            tracing::warn!("the Docker network {} is left behind: {error}", self.network);
        }
    }
}

/// The gateway of our network, which is made if it is not there.
async fn own_network(docker: &Docker, name: &str) -> Result<IpAddr, String> {
    let mut found = docker.inspect_network(name, None).await;
    if found.is_err() {
        let request = NetworkCreateRequest {
            name: name.to_owned(),
            driver: Some("bridge".to_owned()),
            ..NetworkCreateRequest::default()
        };
        docker.create_network(request).await.map_err(|error| error.to_string())?;
        found = docker.inspect_network(name, None).await;
    }
    let network = found.map_err(|error| error.to_string())?;
    let configurations = network.ipam.and_then(|ipam| ipam.config).unwrap_or_default();
    let gateway = configurations.into_iter().find_map(|configuration| configuration.gateway);
    let gateway = gateway.ok_or("it has no gateway")?;
    gateway.parse().map_err(|_| format!("its gateway {gateway} is not an address"))
}

/// Name of a container on the engine.
fn container_name(key: Uuid, container: &str) -> String {
    format!("aci-{}-{container}", key.simple())
}

/// Does what is asked of one group, until it is removed.
pub(super) async fn work(emulator: Arc<Emulator>, key: Uuid, mut commands: mpsc::UnboundedReceiver<Command>) {
    let super::Engine::Docker(engine) = &emulator.runtime.engine else { return };
    let mut group = None;
    while let Some(command) = commands.recv().await {
        match command {
            Command::Prepare { .. } => group = prepare(&emulator, engine, key).await,
            Command::Adopt { .. } => group = adopt(&emulator, engine, key).await,
            Command::Run { container, .. } => {
                if let Some(group) = &group {
                    run(&emulator, engine, group, &container).await;
                }
            }
            Command::Remove { .. } => {
                if let Some(group) = group.take() {
                    remove(engine, &group).await;
                }
                emulator.runtime.forget(key);
                return;
            }
        }
    }
}

async fn prepare(emulator: &Emulator, engine: &Engine, key: Uuid) -> Option<GroupSpecification> {
    let group = specification(emulator, key)?;
    for container in &group.containers {
        let name = container.name.clone();
        report(emulator, key, Report::Pulling { container: name.clone() });
        if let Err(error) = pull(&engine.docker, &container.image).await {
            report(emulator, key, Report::PullFailed { container: name, message: error.to_string() });
            return None;
        }
        report(emulator, key, Report::Pulled { container: name });
    }
    if let Err(error) = write_volumes(&engine.folder.join(key.simple().to_string()), &group.volumes) {
        let container = group.containers.first()?.name.clone();
        let message = format!("the volumes of the container group cannot be made: {error}");
        report(emulator, key, Report::StartFailed { container, message });
        return None;
    }
    report(emulator, key, Report::Prepared { address: None });
    Some(group)
}

/// An image that is here is not fetched again.
async fn pull(docker: &Docker, image: &str) -> Result<(), Error> {
    if docker.inspect_image(image).await.is_ok() {
        return Ok(());
    }
    let from_image = if image.contains('@') || image.rsplit('/').next().is_some_and(|name| name.contains(':'))
    {
        image.to_owned()
    } else {
        format!("{image}:latest")
    };
    let options = CreateImageOptions { from_image: Some(from_image), ..CreateImageOptions::default() };
    let mut progress = docker.create_image(Some(options), None, None);
    while let Some(step) = progress.next().await {
        step?;
    }
    Ok(())
}

async fn run(emulator: &Arc<Emulator>, engine: &Engine, group: &GroupSpecification, name: &str) {
    let Some(container) = group.containers.iter().find(|container| container.name == name) else { return };
    match start(engine, group, container).await {
        Ok(address) => {
            report(emulator, group.key, Report::Started { container: name.to_owned(), address });
            watch(emulator, engine, group, name);
        }
        Err(error) => {
            let message = error.to_string();
            report(emulator, group.key, Report::StartFailed { container: name.to_owned(), message });
        }
    }
}

/// Starts a container afresh: what an earlier one of the name wrote is gone, as in Azure.
async fn start(
    engine: &Engine,
    group: &GroupSpecification,
    container: &ContainerSpecification,
) -> Result<Option<IpAddr>, Error> {
    let name = container_name(group.key, &container.name);
    let force = RemoveContainerOptions { force: true, v: true, ..RemoveContainerOptions::default() };
    match engine.docker.remove_container(&name, Some(force)).await {
        Ok(()) | Err(Error::DockerResponseServerError { status_code: 404, .. }) => {}
        Err(error) => return Err(error),
    }
    let options = CreateContainerOptions { name: Some(name.clone()), ..CreateContainerOptions::default() };
    engine.docker.create_container(Some(options), create_body(engine, group, container)).await?;
    engine.docker.start_container(&name, None).await?;
    let inspected = engine.docker.inspect_container(&name, None).await?;
    let networks = inspected.network_settings.and_then(|settings| settings.networks).unwrap_or_default();
    let address = networks.get(&engine.network).and_then(|network| network.ip_address.as_deref());
    Ok(address.and_then(|address| address.parse().ok()))
}

fn create_body(
    engine: &Engine,
    group: &GroupSpecification,
    container: &ContainerSpecification,
) -> ContainerCreateBody {
    let volumes = engine.folder.join(group.key.simple().to_string());
    let binds = container.mounts.iter().map(|mount| {
        let access = if mount.is_read_only { "ro" } else { "rw" };
        format!("{}:{}:{access}", volumes.join(&mount.volume).display(), mount.path)
    });
    #[expect(clippy::cast_possible_truncation, reason = "at most 31 cores and 240 GB were admitted")]
    let whole = |amount: f64| amount.round() as i64;
    let has_command = !container.command.is_empty();
    ContainerCreateBody {
        image: Some(container.image.clone()),
        // A command replaces the image's entry point and its arguments.
        entrypoint: has_command.then(|| container.command.clone()),
        cmd: has_command.then(Vec::new),
        env: Some(container.environment.iter().map(|(name, value)| format!("{name}={value}")).collect()),
        labels: Some(HashMap::from([(LABEL.to_owned(), group.key.simple().to_string())])),
        host_config: Some(HostConfig {
            network_mode: Some(engine.network.clone()),
            binds: Some(binds.collect()),
            nano_cpus: container.cpu.map(|cores| whole(cores * 1e9)),
            memory: container.memory_gb.map(|gigabytes| whole(gigabytes * 1e9)),
            ..HostConfig::default()
        }),
        ..ContainerCreateBody::default()
    }
}

/// Reads what a container prints, and reports its end.
fn watch(emulator: &Arc<Emulator>, engine: &Engine, group: &GroupSpecification, container: &str) {
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
        emulator.runtime.log(key, &container, super::LogBuffer::stop);
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

/// Takes up the containers of a group after a restart of the emulator.
async fn adopt(emulator: &Arc<Emulator>, engine: &Engine, key: Uuid) -> Option<GroupSpecification> {
    let group = specification(emulator, key)?;
    for container in &group.containers {
        let name = container_name(key, &container.name);
        if engine.docker.inspect_container(&name, None).await.is_ok() {
            watch(emulator, engine, &group, &container.name);
        } else {
            emulator.change(|state| container_groups::interrupted(state, key));
        }
    }
    Some(group)
}

async fn remove(engine: &Engine, group: &GroupSpecification) {
    for container in &group.containers {
        let force = RemoveContainerOptions { force: true, v: true, ..RemoveContainerOptions::default() };
        let name = container_name(group.key, &container.name);
        match engine.docker.remove_container(&name, Some(force)).await {
            Ok(()) | Err(Error::DockerResponseServerError { status_code: 404, .. }) => {}
            Err(error) => tracing::warn!("the container {name} is left behind: {error}"),
        }
    }
    let folder = engine.folder.join(group.key.simple().to_string());
    match tokio::fs::remove_dir_all(&folder).await {
        Ok(()) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => tracing::warn!("{} is left behind: {error}", folder.display()),
    }
}
