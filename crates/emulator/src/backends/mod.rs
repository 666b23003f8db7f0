//! Real services behind the emulator's own: a registry behind each of Azure's registries, Azurite behind each storage
//! account. Each is a child process that only the emulator talks to; in front of it the emulator listens, with its own
//! certificate, and lets in whom Azure would.
//!
//! | module | part |
//! |---|---|
//! | `programs` | starts them |
//! | `front` | listens in front of them |

mod front;
mod programs;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use uuid::Uuid;

pub(crate) use front::{Address, Verdict, ask};
pub(crate) use programs::{NO_AZURITE, NO_REGISTRY};

use crate::{Emulator, arm};

/// Something to do for a resource with a service behind it.
#[derive(Clone, Debug)]
pub enum Command {
    /// Start it, or again after a restart of the emulator.
    Open {
        /// The resource's id.
        id: String,
        /// The operation that is done when it answers.
        operation: Option<Uuid>,
    },
    /// End it, and remove what it holds.
    Close {
        /// The resource's id.
        id: String,
    },
}

/// What stands behind a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A registry for images.
    Registry,
    /// A store for blobs.
    Storage,
}

/// What is to be opened.
pub(crate) struct Plan {
    pub(crate) kind: Kind,
    /// Name of the resource.
    pub(crate) name: String,
    /// The port it had before, or 0.
    pub(crate) port: u16,
    /// What it is told that nobody else may see.
    pub(crate) environment: Vec<(String, String)>,
}

/// Programs that are started for resources, where they are known.
#[derive(Clone, Debug, Default)]
pub struct Programs {
    /// `docker-registry`.
    pub docker_registry: Option<PathBuf>,
    /// Azurite: its script for blobs, or the program `azurite-blob`.
    pub azurite: Option<PathBuf>,
}

/// The services that run.
#[derive(Debug)]
pub struct Backends {
    commands: mpsc::UnboundedSender<Command>,
    addresses: Mutex<BTreeMap<String, Address>>,
}

impl Backends {
    /// None yet, and what is asked of them.
    pub(crate) fn new() -> (Self, mpsc::UnboundedReceiver<Command>) {
        let (commands, received) = mpsc::unbounded_channel();
        (Self { commands, addresses: Mutex::default() }, received)
    }

    /// Has something done.
    pub(crate) fn carry_out(&self, command: Command) {
        // The worker lives as long as the emulator.
        let _ = self.commands.send(command);
    }

    /// Where the service behind a resource is.
    pub(crate) fn address(&self, id: &str) -> Option<Address> {
        let addresses = self.addresses.lock().unwrap_or_else(PoisonError::into_inner);
        addresses.get(&id.to_ascii_lowercase()).cloned()
    }
}

/// A service that runs. It ends with this.
struct Opened {
    child: process::Child,
    tasks: [AbortHandle; 2],
    folder: PathBuf,
    address: Address,
}

impl Drop for Opened {
    fn drop(&mut self) {
        self.tasks.iter().for_each(AbortHandle::abort);
        self.child.kill_tree();
        if let Address::Socket(path) = &self.address {
            // The program removes it only where it ends in peace.
            let _ = std::fs::remove_file(path);
        }
    }
}

/// Does what is asked, one after the other, until the emulator goes.
pub(crate) async fn work(emulator: Arc<Emulator>, mut commands: mpsc::UnboundedReceiver<Command>) {
    let mut opened = BTreeMap::new();
    while let Some(command) = commands.recv().await {
        match command {
            Command::Open { id, operation } => {
                let outcome = match arm::backend_plan(&emulator, &id) {
                    Some(plan) => open(&emulator, &id, plan).await,
                    None => continue,
                };
                let outcome = outcome.map(|(service, port)| {
                    opened.insert(id.to_ascii_lowercase(), service);
                    port
                });
                let host = emulator.url.trim_start_matches("https://");
                let host = host.rsplit_once(':').map_or(host, |(host, _)| host);
                emulator.change(|state| arm::backend_opened(state, &id, host, outcome, operation));
            }
            Command::Close { id } => {
                let Some(service) = opened.remove(&id.to_ascii_lowercase()) else { continue };
                service.child.kill_tree();
                service.child.wait().await;
                let removed = tokio::fs::remove_dir_all(&service.folder).await;
                if let Err(error) = removed {
                    tracing::warn!("{} is left behind: {error}", service.folder.display());
                }
                let mut addresses =
                    emulator.backends.addresses.lock().unwrap_or_else(PoisonError::into_inner);
                addresses.remove(&id.to_ascii_lowercase());
            }
        }
    }
}

/// Starts a service and listens in front of it; gives the port.
async fn open(emulator: &Arc<Emulator>, id: &str, plan: Plan) -> Result<(Opened, u16), String> {
    let home = emulator.options.state.as_deref().unwrap_or(&emulator.data);
    let folder = home.join("backends").join(format!("{:?}-{}", plan.kind, plan.name));
    tokio::fs::create_dir_all(&folder).await.map_err(|error| format!("{}: {error}", folder.display()))?;
    let listener = listen(emulator, plan.kind, plan.port).await?;
    let port = listener.local_addr().map_err(|error| error.to_string())?.port();
    let (child, lines, address) = programs::start(&emulator.options.programs(), &plan, &folder).await?;
    let mut addresses = emulator.backends.addresses.lock().unwrap_or_else(PoisonError::into_inner);
    addresses.insert(id.to_ascii_lowercase(), address.clone());
    let door = front::Door {
        emulator: Arc::clone(emulator),
        kind: plan.kind,
        id: id.to_owned(),
        address: address.clone(),
    };
    let listening = tokio::spawn(front::serve(door, listener)).abort_handle();
    let reading = tokio::spawn(programs::log(plan.name, lines)).abort_handle();
    Ok((Opened { child, tasks: [listening, reading], folder, address }, port))
}

/// A registry is reached by the Docker engine of this machine alone, which trusts a registry on loopback; a storage
/// account by whoever reaches the emulator.
async fn listen(emulator: &Emulator, kind: Kind, port: u16) -> Result<TcpListener, String> {
    let address = match kind {
        Kind::Registry => std::net::Ipv4Addr::LOCALHOST.into(),
        Kind::Storage => emulator.options.listen.unwrap_or_else(|| emulator.runtime.listen_address()),
    };
    match TcpListener::bind((address, port)).await {
        Ok(listener) => Ok(listener),
        Err(error) => Err(format!("cannot listen on {address}:{port}: {error}")),
    }
}

/// After a start with kept state: opens again what was open.
pub(crate) fn resume(emulator: &Emulator) {
    for id in emulator.read(arm::backends) {
        emulator.backends.carry_out(Command::Open { id, operation: None });
    }
}
