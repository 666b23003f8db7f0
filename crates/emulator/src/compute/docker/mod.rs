//! Container groups as Docker containers. Containers and clients reach the emulator under the same address.
//!
//! Deviation from Azure: the containers of a group share the network of the first of them, which they lose when that
//! one ends.

mod containers;
mod images;
mod networks;

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bollard::Docker;
use bollard::errors::Error;
use bollard::query_parameters::RemoveContainerOptions;
use tokio::sync::mpsc;
use uuid::Uuid;

use self::networks::Networks;
use super::specification::write_volumes;
use super::{Command, GroupSpecification, report, specification};
use crate::Emulator;
use crate::arm::container_groups::{self, Report};

/// A Docker engine and our networks on it.
#[derive(Debug)]
pub(super) struct Engine {
    docker: Docker,
    networks: Networks,
    folder: PathBuf,
}

impl Engine {
    /// Connects to the engine of `DOCKER_HOST` or the usual socket, and makes the networks. `home` is the folder whose
    /// path names them, so that a next start with the same state finds its containers on it.
    pub(super) async fn connect(home: &Path, data: &Path) -> Result<Self, String> {
        let no_answer = |error: Error| format!("no Docker engine answers: {error}");
        let docker = Docker::connect_with_defaults().map_err(no_answer)?;
        let docker = docker.negotiate_version().await.map_err(no_answer)?;
        docker.ping().await.map_err(no_answer)?;
        let prefix = format!("azure-emulator-{}", networks::short(home.as_os_str().as_encoded_bytes()));
        let networks = Networks::make(&docker, prefix).await?;
        Ok(Self { docker, networks, folder: data.join("groups") })
    }

    /// This machine, as containers and clients see it.
    pub(super) fn gateway(&self) -> IpAddr {
        self.networks.gateway()
    }

    /// The network that every container of this emulator is on; the names of the others begin with its name.
    pub(super) fn network(&self) -> &str {
        self.networks.service()
    }

    /// Removes the networks, once nothing is on them.
    pub(super) async fn end(&self) {
        self.networks.end(&self.docker).await;
    }
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
        if let Err(message) = images::pull(&engine.docker, &container.image, &group.registry_logins).await {
            report(emulator, key, Report::PullFailed { container: name, message });
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
    report(emulator, key, Report::Prepared);
    Some(group)
}

async fn run(emulator: &Arc<Emulator>, engine: &Engine, group: &GroupSpecification, name: &str) {
    let Some(container) = group.containers.iter().find(|container| container.name == name) else { return };
    match containers::start(engine, group, container).await {
        Ok(address) => {
            report(emulator, group.key, Report::Started { container: name.to_owned(), address });
            containers::watch(emulator, engine, group, name);
        }
        Err(message) => {
            report(emulator, group.key, Report::StartFailed { container: name.to_owned(), message });
        }
    }
}

/// Takes up the containers of a group after a restart of the emulator.
async fn adopt(emulator: &Arc<Emulator>, engine: &Engine, key: Uuid) -> Option<GroupSpecification> {
    let group = specification(emulator, key)?;
    for container in &group.containers {
        let name = container_name(key, &container.name);
        if engine.docker.inspect_container(&name, None).await.is_ok() {
            containers::watch(emulator, engine, &group, &container.name);
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
