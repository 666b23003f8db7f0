//! Container groups as processes: no isolation and no limits, but everything else a group needs. For machines without
//! Docker, and for tests.
//!
//! Each group has a folder. `AZP_HOME` and `HOME` are set to it, and since nothing can be mounted, a volume that a
//! container mounts at `/path` is found in that folder at `root/path`. An image would bring a user for the agent; here
//! `AZP_RUN_AS` names one that every machine has, so that what root's processes are told stays out of the job's reach.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::mpsc;
use uuid::Uuid;

use super::specification::write_volumes;
use super::{Command, ContainerSpecification, GroupSpecification, report, specification};
use crate::Emulator;
use crate::arm::container_groups::Report;
use crate::options::Options;

/// Who runs the agent where an image would bring a user of its own.
const AGENT_USER: &str = "nobody";

/// What processes need.
#[derive(Debug)]
pub(super) struct Processes {
    /// Which command an image starts.
    images: BTreeMap<String, PathBuf>,
    /// Where the folders of groups are. Other users must be able to enter it, as the agent is one.
    folder: tempfile::TempDir,
}

impl Processes {
    pub(super) fn new(options: &Options) -> Result<Self, String> {
        tracing::warn!("container groups run as processes: no isolation, no limits");
        let images = options.images.iter().cloned().collect();
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o711);
        let folder = tempfile::Builder::new().prefix("azure-emulator-").permissions(open).tempdir();
        let folder = folder.map_err(|error| format!("no folder for container groups: {error}"))?;
        Ok(Self { images, folder })
    }

    /// The command that an image starts. Registry, folders, tag and digest do not matter where only the last part of
    /// the name was given.
    fn image(&self, reference: &str) -> Option<&Path> {
        let names = [reference, repository(reference), base_name(reference)];
        names.iter().find_map(|name| self.images.get(*name)).map(PathBuf::as_path)
    }
}

/// A reference without tag and digest.
fn repository(reference: &str) -> &str {
    let name = reference.split_once('@').map_or(reference, |(name, _)| name);
    match name.rsplit_once(':') {
        // A colon before a slash is that of a port.
        Some((name, tag)) if !tag.contains('/') => name,
        _ => name,
    }
}

/// The last part of a repository's name.
fn base_name(reference: &str) -> &str {
    let repository = repository(reference);
    repository.rsplit_once('/').map_or(repository, |(_, name)| name)
}

/// A group that runs. Its processes end with it, in whatever way it goes.
struct Group {
    specification: GroupSpecification,
    folder: PathBuf,
    children: BTreeMap<String, process::Child>,
}

impl Drop for Group {
    fn drop(&mut self) {
        for child in self.children.values() {
            child.kill_tree();
        }
    }
}

/// Does what is asked of one group, until it is removed.
pub(super) async fn work(emulator: Arc<Emulator>, key: Uuid, mut commands: mpsc::UnboundedReceiver<Command>) {
    let super::Engine::Process(processes) = &emulator.runtime.engine else { return };
    let mut group = None;
    while let Some(command) = commands.recv().await {
        match command {
            Command::Prepare { .. } => group = prepare(&emulator, processes, key),
            Command::Run { container, .. } => {
                if let Some(group) = &mut group {
                    run(&emulator, processes, group, &container);
                }
            }
            // Processes do not outlive the emulator: there is nothing to take up.
            Command::Adopt { .. } => {}
            Command::Remove { .. } => {
                if let Some(group) = group.take() {
                    remove(group).await;
                }
                emulator.runtime.forget(key);
                return;
            }
        }
    }
}

fn prepare(emulator: &Emulator, processes: &Processes, key: Uuid) -> Option<Group> {
    let specification = specification(emulator, key)?;
    for container in &specification.containers {
        let name = container.name.clone();
        report(emulator, key, Report::Pulling { container: name.clone() });
        if processes.image(&container.image).is_none() {
            let known: Vec<&str> = processes.images.keys().map(String::as_str).collect();
            let message = format!(
                "manifest unknown: the emulator runs processes and knows the images {known:?}; name the command of \
                 another with --image NAME=COMMAND"
            );
            report(emulator, key, Report::PullFailed { container: name, message });
            return None;
        }
        report(emulator, key, Report::Pulled { container: name });
    }
    let folder = processes.folder.path().join(key.simple().to_string());
    let made = std::fs::create_dir_all(&folder)
        .and_then(|()| write_volumes(&folder.join("volumes"), &specification.volumes))
        .and_then(|()| specification.containers.iter().try_for_each(|container| mount(&folder, container)));
    let group = Group { specification, folder, children: BTreeMap::new() };
    if let Err(error) = made {
        let container = group.specification.containers.first()?.name.clone();
        let message = format!("the folder of the container group cannot be made: {error}");
        report(emulator, key, Report::StartFailed { container, message });
        return None;
    }
    report(emulator, key, Report::Prepared);
    Some(group)
}

/// Puts the volumes of a container where it finds them.
fn mount(folder: &Path, container: &ContainerSpecification) -> std::io::Result<()> {
    for mount in &container.mounts {
        let place = folder.join("root").join(mount.path.trim_start_matches('/'));
        std::fs::create_dir_all(place.parent().unwrap_or(folder))?;
        if !place.exists() {
            std::os::unix::fs::symlink(folder.join("volumes").join(&mount.volume), place)?;
        }
    }
    Ok(())
}

fn run(emulator: &Arc<Emulator>, processes: &Processes, group: &mut Group, name: &str) {
    let key = group.specification.key;
    let Some(container) = group.specification.containers.iter().find(|container| container.name == name)
    else {
        return;
    };
    let Some(image) = processes.image(&container.image) else { return };
    let started = command(image, container, &group.folder).spawn();
    let (child, mut lines) = match started {
        Ok(started) => started,
        Err(error) => {
            let message = error.to_string();
            return report(emulator, key, Report::StartFailed { container: name.to_owned(), message });
        }
    };
    group.children.insert(name.to_owned(), child.clone());
    emulator.runtime.began(key, name, child.id());
    report(emulator, key, Report::Started { container: name.to_owned(), address: None });
    let (emulator, container) = (Arc::clone(emulator), name.to_owned());
    let group = group.specification.name.clone();
    tokio::spawn(async move {
        while let Some(line) = lines.next().await {
            emulator.runtime.printed(key, &group, &container, line.text);
        }
        let code = match child.wait().await {
            process::Exit::Code(code) => code,
            process::Exit::Signal(number) => 128 + number,
        };
        // The container is its processes: what the first one leaves behind ends with it.
        child.kill_tree();
        emulator.runtime.log(key, &container, super::LogBuffer::stop);
        report(&emulator, key, Report::Exited { container, code });
    });
}

/// What to start: what the group says, or else what the image says.
fn command(image: &Path, container: &ContainerSpecification, folder: &Path) -> process::Command {
    let (program, arguments) = match container.command.split_first() {
        None => (image.to_owned(), &[][..]),
        Some((program, arguments)) => {
            let program = Path::new(program);
            // The image's own program under its path in the image.
            let same = program.file_name() == image.file_name();
            (if same { image.to_owned() } else { program.to_owned() }, arguments)
        }
    };
    let path = std::env::var("PATH").unwrap_or_else(|_| "/usr/local/bin:/usr/bin:/bin".to_owned());
    let folder_text = folder.to_string_lossy().into_owned();
    process::Command::new(program)
        .arguments(arguments)
        .environment([("PATH", path), ("HOME", folder_text.clone()), ("AZP_HOME", folder_text)])
        .environment([("AZP_RUN_AS", AGENT_USER)])
        .environment(container.environment.iter().map(|(name, value)| (name, value)))
        .directory(folder)
}

async fn remove(group: Group) {
    for child in group.children.values() {
        child.kill_tree();
        child.wait().await;
    }
    if let Err(error) = tokio::fs::remove_dir_all(&group.folder).await {
        tracing::warn!("{} is left behind: {error}", group.folder.display());
    }
}

#[cfg(test)]
mod tests {
    use super::{base_name, repository};

    #[test]
    fn an_image_is_known_by_its_name() {
        for (reference, name, base) in [
            ("agent", "agent", "agent"),
            ("agent:1.0", "agent", "agent"),
            ("registry.example:5000/tools/agent", "registry.example:5000/tools/agent", "agent"),
            ("registry.example:5000/agent:2", "registry.example:5000/agent", "agent"),
            ("r.azurecr.io/agent@sha256:00", "r.azurecr.io/agent", "agent"),
            ("r.azurecr.io/agent:1@sha256:00", "r.azurecr.io/agent", "agent"),
        ] {
            assert_eq!((repository(reference), base_name(reference)), (name, base));
        }
    }
}
