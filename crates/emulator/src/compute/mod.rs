//! Runs container groups: as Docker containers, or as processes.
//!
//! What is to be done is decided in [`crate::arm`]; this does it and reports. Each group has a worker of its own, so
//! that what is asked of a group is done in the order in which it was asked, and one group never waits for another.

mod callers;
mod docker;
mod kept_output;
mod log_buffer;
mod process;
mod specification;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use serde_json::Value;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use uuid::Uuid;

use kept_output::KeptOutput;
use log_buffer::LogBuffer;
pub(crate) use specification::{
    ContainerSpecification, GroupNetwork, GroupSpecification, JoinedNetwork, Login, Mount, RegistryLogin,
    Volume,
};

use crate::arm::container_groups::{self, Report};
use crate::faults::{Faults, Knob};
use crate::options::{Options, RuntimeChoice};
use crate::{Emulator, arm};

/// Faults of what runs container groups.
pub const KNOBS: &[Knob] = &[Knob {
    name: "compute.misbehave",
    meaning: "how stand-in agents in container groups misbehave (STAND_IN_MISBEHAVE): words, or {what a group's name begins with: words}",
}];

/// The variable by which a stand-in agent is told to misbehave.
const MISBEHAVE: &str = "STAND_IN_MISBEHAVE";

/// Something to do for a container group.
#[derive(Debug, Clone)]
pub enum Command {
    /// Make it ready to run: fetch images, make volumes.
    Prepare {
        /// Which group.
        key: Uuid,
    },
    /// Take up what still runs of it, after a restart of the emulator.
    Adopt {
        /// Which group.
        key: Uuid,
    },
    /// Start one of its containers, for the first time or again.
    Run {
        /// Which group.
        key: Uuid,
        /// Which container.
        container: String,
    },
    /// End it and leave nothing of it.
    Remove {
        /// Which group.
        key: Uuid,
    },
}

impl Command {
    fn key(&self) -> Uuid {
        match self {
            Self::Prepare { key } | Self::Adopt { key } | Self::Run { key, .. } | Self::Remove { key } => {
                *key
            }
        }
    }
}

/// What runs container groups.
#[derive(Debug)]
pub struct Runtime {
    engine: Engine,
    workers: Mutex<BTreeMap<Uuid, Worker>>,
    logs: Mutex<BTreeMap<(Uuid, String), LogBuffer>>,
    /// First processes of containers, where groups run as processes.
    processes: Mutex<BTreeMap<(Uuid, String), u32>>,
    kept: KeptOutput,
    /// Counts the lines that were printed.
    lines: watch::Sender<u64>,
}

/// The kinds there are.
#[derive(Debug)]
enum Engine {
    Docker(docker::Engine),
    Process(process::Processes),
}

#[derive(Debug)]
struct Worker {
    commands: mpsc::UnboundedSender<Command>,
    task: JoinHandle<()>,
}

impl Runtime {
    /// The one that the options and the machine allow. `Err` says what is missing.
    pub(crate) async fn choose(options: &Options, data: &Path) -> Result<Self, String> {
        let processes = || process::Processes::new(options).map(Engine::Process);
        let home = options.state.as_deref().unwrap_or(data);
        let engine = match options.runtime {
            RuntimeChoice::Process => processes()?,
            RuntimeChoice::Docker => Engine::Docker(docker::Engine::connect(home, data).await?),
            RuntimeChoice::Auto => match docker::Engine::connect(home, data).await {
                Ok(docker) => Engine::Docker(docker),
                Err(reason) => {
                    tracing::info!("{reason}");
                    processes()?
                }
            },
        };
        let kept = KeptOutput::new(data);
        Ok(Self {
            engine,
            workers: Mutex::default(),
            logs: Mutex::default(),
            processes: Mutex::default(),
            kept,
            lines: watch::channel(0).0,
        })
    }

    /// Where to listen so that containers reach us.
    pub(crate) fn listen_address(&self) -> IpAddr {
        match &self.engine {
            Engine::Docker(_) => Ipv4Addr::UNSPECIFIED.into(),
            Engine::Process(_) => Ipv4Addr::LOCALHOST.into(),
        }
    }

    /// The host name or address that both clients and containers reach.
    pub(crate) fn advertised_host(&self) -> String {
        match &self.engine {
            Engine::Docker(docker) => docker.gateway().to_string(),
            Engine::Process(_) => "localhost".to_owned(),
        }
    }

    /// More addresses that the server's certificate must hold.
    pub(crate) fn addresses(&self) -> Vec<IpAddr> {
        match &self.engine {
            Engine::Docker(docker) => vec![docker.gateway()],
            Engine::Process(_) => Vec::new(),
        }
    }

    /// The Docker network that all containers are on, where groups run as containers; the names of the others begin
    /// with its name.
    pub fn network(&self) -> Option<&str> {
        match &self.engine {
            Engine::Docker(docker) => Some(docker.network()),
            Engine::Process(_) => None,
        }
    }

    /// How container groups run, for the reader of the start message.
    pub fn describe(&self) -> &str {
        match &self.engine {
            Engine::Docker(_) => "as Docker containers",
            Engine::Process(_) => "as processes: no isolation, no limits",
        }
    }

    /// What a container printed: the last `tail` lines or all that is kept, each with its time if that is wanted.
    pub fn logs(&self, key: Uuid, container: &str, tail: Option<usize>, timestamps: bool) -> String {
        let logs = self.logs.lock().unwrap_or_else(PoisonError::into_inner);
        logs.get(&(key, container.to_owned())).map(|log| log.text(tail, timestamps)).unwrap_or_default()
    }

    fn log(&self, key: Uuid, container: &str, change: impl FnOnce(&mut LogBuffer)) {
        let mut logs = self.logs.lock().unwrap_or_else(PoisonError::into_inner);
        change(logs.entry((key, container.to_owned())).or_default());
    }

    /// Takes in a line that a container printed: for the service's log, which goes with the group, and for the file
    /// in which people find it afterwards.
    fn printed(&self, key: Uuid, group: &str, container: &str, line: String) {
        self.kept.keep(group, container, &line);
        self.log(key, container, |log| log.push(Timestamp::now(), line));
        self.lines.send_modify(|count| *count += 1);
    }

    /// For those who wait until a container prints something.
    pub fn output(&self) -> watch::Receiver<u64> {
        self.lines.subscribe()
    }

    /// The id of a container's first process, where groups run as processes. It may have ended.
    pub fn first_process(&self, key: Uuid, container: &str) -> Option<u32> {
        let processes = self.processes.lock().unwrap_or_else(PoisonError::into_inner);
        processes.get(&(key, container.to_owned())).copied()
    }

    /// The group that calls from an address of this machine, where groups run as processes: the one whose first
    /// process, or a process that descends from it, holds the other end.
    pub(crate) fn group_at(&self, peer: SocketAddr) -> Option<Uuid> {
        if !matches!(self.engine, Engine::Process(_)) || !peer.ip().is_loopback() {
            return None;
        }
        let processes = self.processes.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let group = |id: u32| processes.iter().find(|(_, first)| **first == id).map(|((key, _), _)| *key);
        let ancestors = |id| std::iter::successors(Some(id), |id| callers::parent_of(*id));
        callers::processes_at(peer).into_iter().find_map(|id| ancestors(id).find_map(group))
    }

    fn began(&self, key: Uuid, container: &str, process: u32) {
        let mut processes = self.processes.lock().unwrap_or_else(PoisonError::into_inner);
        processes.insert((key, container.to_owned()), process);
    }

    fn forget(&self, key: Uuid) {
        self.logs.lock().unwrap_or_else(PoisonError::into_inner).retain(|(of, _), _| *of != key);
        self.processes.lock().unwrap_or_else(PoisonError::into_inner).retain(|(of, _), _| *of != key);
        self.workers.lock().unwrap_or_else(PoisonError::into_inner).remove(&key);
    }

    /// Ends all that runs.
    pub(crate) async fn end_everything(&self) {
        let workers = std::mem::take(&mut *self.workers.lock().unwrap_or_else(PoisonError::into_inner));
        for (key, worker) in workers {
            // A worker that is gone has nothing left to end.
            let _ = worker.commands.send(Command::Remove { key });
            let _ = worker.task.await;
        }
        if let Engine::Docker(docker) = &self.engine {
            docker.end().await;
        }
    }
}

/// Starts doing it; what comes of it arrives as changes of the state.
pub(crate) fn carry_out(emulator: &Arc<Emulator>, command: Command) {
    let mut workers = emulator.runtime.workers.lock().unwrap_or_else(PoisonError::into_inner);
    let key = command.key();
    let worker = workers.entry(key).or_insert_with(|| {
        let (commands, received) = mpsc::unbounded_channel();
        let task = match &emulator.runtime.engine {
            Engine::Docker(_) => tokio::spawn(docker::work(Arc::clone(emulator), key, received)),
            Engine::Process(_) => tokio::spawn(process::work(Arc::clone(emulator), key, received)),
        };
        Worker { commands, task }
    });
    // A worker ends only after the removal of its group, and nothing is asked of the group after that.
    let _ = worker.commands.send(command);
}

/// Brings a report into the state.
fn report(emulator: &Emulator, key: Uuid, report: Report) {
    emulator.change(|state| container_groups::observe(state, key, report));
}

/// What to run for a group, if it is still there.
fn specification(emulator: &Emulator, key: Uuid) -> Option<GroupSpecification> {
    emulator.read(|state| {
        let group = state.arm.container_groups.values().find(|group| group.key == key)?;
        let host = match &emulator.runtime.engine {
            // Containers have an address each, by which they are known.
            Engine::Docker(_) => emulator.identity_url.clone(),
            // Processes share our address, so the path says which group asks.
            Engine::Process(_) => format!("{}/identity/{}", emulator.identity_url, group.identity_token),
        };
        let network = arm::network_of(state, group);
        let logins = arm::logins(state, group);
        let mut specification = container_groups::specification(group, &host, network, logins);
        if let Some(words) = misbehaviour(&state.faults, &group.name) {
            for container in &mut specification.containers {
                container.environment.push((MISBEHAVE.to_owned(), words.clone()));
            }
        }
        Some(specification)
    })
}

/// What the knob says for the group of that name.
fn misbehaviour(faults: &Faults, name: &str) -> Option<String> {
    match faults.get("compute.misbehave")? {
        Value::String(words) => Some(words.clone()),
        Value::Object(by_prefix) => by_prefix
            .iter()
            .find(|(prefix, _)| name.starts_with(prefix.as_str()))
            .and_then(|(_, words)| words.as_str().map(str::to_owned)),
        _ => None,
    }
}

/// After a start with kept state: takes up what still runs, and reports what does not.
pub(crate) fn resume(emulator: &Arc<Emulator>) {
    let keys: Vec<Uuid> =
        emulator.read(|state| state.arm.container_groups.values().map(|group| group.key).collect());
    for key in keys {
        match &emulator.runtime.engine {
            Engine::Docker(_) => carry_out(emulator, Command::Adopt { key }),
            // Processes end with the emulator that started them: what they print and how they end goes through it.
            Engine::Process(_) => emulator.change(|state| arm::container_groups::interrupted(state, key)),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::misbehaviour;
    use crate::faults::Faults;

    #[test]
    fn who_misbehaves_is_chosen_by_name() {
        let mut faults = Faults::default();
        assert_eq!(misbehaviour(&faults, "agent-1"), None);
        faults.set("compute.misbehave", json!({"bad": "crlf", "worse": "exit:1"})).expect("a knob");
        assert_eq!(misbehaviour(&faults, "worse-1"), Some("exit:1".to_owned()));
        assert_eq!(misbehaviour(&faults, "agent-1"), None);
        faults.set("compute.misbehave", json!("orphan")).expect("a knob");
        assert_eq!(misbehaviour(&faults, "agent-1"), Some("orphan".to_owned()));
    }
}
