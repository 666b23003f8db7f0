//! Inside a container: its processes, which are this machine's, and things to hold a job up by.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;

use crate::World;
use crate::world::{LOOK_AGAIN, PATIENCE};

/// How long a process that was killed may take to be gone: it has to be given the processor once more.
const DYING: Duration = Duration::from_secs(10);

/// A process, as `/proc` shows it.
#[derive(Clone, Debug)]
struct Process {
    id: u32,
    parent: u32,
    command: String,
}

impl World {
    /// The first process of an agent's container: the supervisor.
    pub async fn supervisor(&self, agent: &str) -> u32 {
        self.wait_for("the start of a container", |state| {
            let mut groups = state.arm.container_groups.values();
            let group = groups.find(|group| group.name == agent)?;
            let container = group.containers.first()?.name.clone();
            self.emulator().runtime.first_process(group.key, &container)
        })
        .await
    }

    /// The process in an agent's container whose command line holds this, once it runs.
    pub async fn process(&self, agent: &str, command: &str) -> u32 {
        let supervisor = self.supervisor(agent).await;
        let runs = async {
            loop {
                let all = descendants(supervisor);
                if let Some(found) = all.iter().find(|process| process.command.contains(command)) {
                    return found.id;
                }
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        };
        let found = tokio::time::timeout(PATIENCE, runs).await;
        found.unwrap_or_else(|_| panic!("no {command} among {:?}", descendants(supervisor)))
    }

    /// Keeps an agent's container group from being deleted, so that what its supervisor ends is not ended with it.
    pub fn hold_groups(&self) {
        self.fault(
            "http.unavailable",
            json!({"path": "/containerGroups/", "method": "DELETE", "count": 1000}),
        );
    }

    /// Lets container groups be deleted again.
    pub fn release_groups(&self) {
        self.mend("http.unavailable");
    }

    /// Sends a signal to the first process of an agent's container, as the platform does.
    pub async fn signal(&self, agent: &str, to_send: Signal) {
        signal(self.supervisor(agent).await, to_send);
    }

    /// Sends a signal again and again until the container has printed this: signals that come at once count as one.
    pub async fn insist(&self, agent: &str, to_send: Signal, text: &str) {
        let supervisor = self.supervisor(agent).await;
        while !self.container_output(agent).contains(text) && is_alive(supervisor) {
            signal(supervisor, to_send);
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        self.says(agent, text).await;
    }

    /// A gate that holds up every shell that runs its [`Gate::wait`], until it is opened.
    pub fn gate(&self, name: &str) -> Gate {
        let path = self.folder().join(name);
        let made = Command::new("mkfifo").args(["-m", "666"]).arg(&path).status().expect("mkfifo");
        assert!(made.success());
        Gate { path }
    }
}

/// See [`World::gate`].
#[derive(Clone, Debug)]
pub struct Gate {
    path: PathBuf,
}

impl Gate {
    /// The shell command that waits.
    pub fn wait(&self) -> String {
        format!("read _ < '{}'", self.path.display())
    }

    /// Opens the gate for one who waits, or comes yet.
    pub async fn open(&self) {
        let opened = tokio::time::timeout(PATIENCE, tokio::fs::write(&self.path, "\n")).await;
        opened.expect("somebody waits at the gate").expect("the gate opens");
    }
}

/// Sends a signal to a process.
pub fn signal(process: u32, signal: Signal) {
    kill(Pid::from_raw(process.cast_signed()), signal).expect("the process runs");
}

/// Kills a process; `false` where it was over already.
pub fn kill_process(process: u32) -> bool {
    is_alive(process) && kill(Pid::from_raw(process.cast_signed()), Signal::SIGKILL).is_ok()
}

/// Waits for the end of a process that was killed.
pub async fn has_ended(process: u32) {
    let ended = tokio::time::timeout(DYING, end_of(process)).await;
    assert!(ended.is_ok(), "process {process} runs on");
}

/// Waits for the end of a process. Only its parent would be told, so this looks again and again.
pub async fn end_of(process: u32) {
    while is_alive(process) {
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

/// Watches a process to its end, and gives the most memory that it ever had, in bytes.
pub async fn most_memory(process: u32) -> u64 {
    let mut most = 0;
    while is_alive(process) {
        let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
        let kibibytes = line.trim().trim_end_matches(" kB").parse::<u64>().unwrap_or_default();
        most = most.max(kibibytes << 10);
        tokio::time::sleep(LOOK_AGAIN).await;
    }
    most
}

/// The process below another whose command line holds this, if it runs.
pub fn descendant(root: u32, command: &str) -> Option<u32> {
    descendants(root).into_iter().find(|process| process.command.contains(command)).map(|process| process.id)
}

/// Whether a process runs. One that has ended and waits to be collected does not.
pub fn is_alive(process: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
}

fn descendants(root: u32) -> Vec<Process> {
    let all: Vec<Process> = std::fs::read_dir("/proc")
        .expect("/proc")
        .flatten()
        .filter_map(|entry| read(&entry.path()))
        .collect();
    let mut found: Vec<Process> = Vec::new();
    let mut parents = vec![root];
    while let Some(parent) = parents.pop() {
        let children = all.iter().filter(|process| process.parent == parent);
        parents.extend(children.clone().map(|child| child.id));
        found.extend(children.cloned());
    }
    found
}

fn read(folder: &Path) -> Option<Process> {
    let id = folder.file_name()?.to_str()?.parse().ok()?;
    let stat = std::fs::read_to_string(folder.join("stat")).ok()?;
    let parent = stat.rsplit_once(") ")?.1.split(' ').nth(1)?.parse().ok()?;
    let command = std::fs::read(folder.join("cmdline")).ok()?;
    let command = String::from_utf8_lossy(&command).replace('\0', " ");
    Some(Process { id, parent, command })
}
