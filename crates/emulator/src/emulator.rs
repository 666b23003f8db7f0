//! The emulator itself: its state, the one place where it changes, and the shell around it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};

use crate::certificates::{self, CertificateError};
use crate::compute::Runtime;
use crate::faults::Faults;
use crate::jwt::SigningKey;
use crate::options::{Mode, Options};
use crate::schedule::{Due, Schedule};

/// Everything the emulator knows.
#[derive(Debug, Serialize, Deserialize)]
pub struct State {
    /// The present moment. In run mode it is read from the clock at each change; in step mode it stands still.
    pub now: Timestamp,
    /// Whether time passes by itself.
    pub mode: Mode,
    /// What will happen.
    pub schedule: Schedule,
    /// What is to be done right after this change.
    #[serde(skip)]
    pub effects: Vec<Effect>,
    /// The knobs that are turned.
    pub faults: Faults,
    /// Ids and secrets that clients need.
    pub world: crate::world::World,
    /// Entra ID.
    pub entra: crate::entra::State,
    /// Resource Manager.
    pub arm: crate::arm::State,
    /// Azure DevOps.
    pub devops: crate::devops::State,
    /// Pipelines and their runs.
    pub pipelines: crate::pipelines::State,
    /// What happened to agents and container groups.
    pub journal: crate::journal::Journal,
    /// How many requests came, by method, path and status.
    pub requests: BTreeMap<String, u64>,
    /// The programs that can be started for resources.
    #[serde(skip)]
    pub programs: crate::backends::Programs,
    /// How many replies are held back now.
    #[serde(skip)]
    pub held: u64,
}

impl State {
    /// Sets an event `after` this moment.
    pub fn later(&mut self, after: Duration, due: Due) {
        let after = jiff::SignedDuration::try_from(after).unwrap_or(jiff::SignedDuration::MAX);
        let moment = self.now.checked_add(after).unwrap_or(Timestamp::MAX);
        self.schedule.at(moment, due);
    }

    /// Notes in the journal what happens now to the agent or container group of that name.
    pub fn note(&mut self, name: &str, event: crate::journal::Event) {
        self.journal.note(self.now, name, event);
    }

    /// Carries out what is due up to `now`, each event at its own moment.
    pub(crate) fn advance(&mut self, now: Timestamp) {
        while let Some((moment, due)) = self.schedule.take_due(now) {
            self.now = moment.max(self.now);
            match due {
                Due::Arm(due) => crate::arm::carry_out(self, due),
                Due::Devops(due) => crate::devops::carry_out(self, due),
                Due::Pipelines(due) => crate::pipelines::carry_out(self, due),
            }
        }
        self.now = now.max(self.now);
    }
}

/// Something to do in the world outside of the state.
#[derive(Debug)]
pub enum Effect {
    /// For what runs container groups.
    Compute(crate::compute::Command),
    /// For what stands behind registries and storage accounts.
    Backend(crate::backends::Command),
    /// For the hosted pools.
    HostedAgent(crate::pipelines::HostedAgentCommand),
}

/// The emulator.
#[derive(Debug)]
pub struct Emulator {
    /// How it was started.
    pub options: Options,
    /// `https://host:port` for those who do not come with a request: container groups, hosted agents.
    pub url: String,
    /// `http://host:port` of the managed identity endpoint, without TLS as in Azure.
    pub identity_url: String,
    /// Folder of the certificate authority and of the work of processes.
    pub data: PathBuf,
    /// Certificate of its authority, as PEM.
    pub ca_pem: String,
    /// What signs its tokens.
    pub signing_key: SigningKey,
    /// What runs container groups.
    pub runtime: Runtime,
    /// The agents of the hosted pool that run.
    pub hosted_agents: crate::pipelines::HostedAgents,
    /// What stands behind registries and storage accounts.
    pub(crate) backends: crate::backends::Backends,
    /// How it proves who it is.
    pub(crate) tls: Arc<rustls::ServerConfig>,
    /// The agent package that it serves.
    pub(crate) packages: crate::devops::Packages,
    /// Who sees every request and its reply.
    pub(crate) observer: crate::observer::Observer,
    state: Mutex<State>,
    changes: watch::Sender<u64>,
    effects: mpsc::UnboundedSender<Effect>,
}

impl Emulator {
    /// The present moment: the clock's in run mode, the state's in step mode.
    pub fn now(&self) -> Timestamp {
        self.read(|state| if state.mode == Mode::Run { Timestamp::now() } else { state.now })
    }

    /// Looks at the state.
    pub fn read<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        look(&self.lock())
    }

    /// Changes the state: brings time up to the present, carries out what is due, then `change`; hands the effects
    /// on, and wakes everybody who waits for a change.
    pub fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let (result, effects) = {
            let mut state = self.lock();
            if state.mode == Mode::Run {
                state.advance(Timestamp::now());
            }
            let result = change(&mut state);
            (result, std::mem::take(&mut state.effects))
        };
        for effect in effects {
            // The receiver lives as long as the emulator.
            let _ = self.effects.send(effect);
        }
        self.changes.send_modify(|count| *count += 1);
        result
    }

    /// For those who wait until something changes: look, wait, look again.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Waits until `look` finds something, or until `patience` of the emulator's time is over (`None`).
    pub async fn wait_for<T>(
        &self,
        patience: Duration,
        mut look: impl FnMut(&mut State) -> Option<T>,
    ) -> Option<T> {
        let mut changes = self.changes();
        let start = self.read(|state| state.now);
        loop {
            changes.borrow_and_update();
            if let Some(found) = self.quietly(&mut look) {
                return Some(found);
            }
            let passed = self.read(|state| state.now.duration_since(start)).unsigned_abs();
            let step = self.read(|state| state.mode) == Mode::Step;
            if passed >= patience {
                return None;
            }
            if step {
                let _ = changes.changed().await;
            } else if tokio::time::timeout(patience.saturating_sub(passed), changes.changed()).await.is_err()
            {
                return self.quietly(&mut look);
            }
        }
    }

    /// Tries `look`, which may change the state when it finds something; others are woken only then.
    fn quietly<T>(&self, look: &mut impl FnMut(&mut State) -> Option<T>) -> Option<T> {
        let found = {
            let mut state = self.lock();
            if state.mode == Mode::Run {
                state.advance(Timestamp::now());
            }
            look(&mut state)
        };
        if found.is_some() {
            self.change(|_| ());
        }
        found
    }

    /// Lets somebody see every request and its reply from now on; the first who asks stays.
    pub fn observe(&self, see: impl Fn(&crate::observer::Exchange<'_>) + Send + Sync + 'static) {
        self.observer.set(see);
    }

    pub(crate) fn note_request(&self, method: &hyper::Method, path: &str, status: u16) {
        tracing::debug!(%method, path, status, "request");
        if !path.starts_with("/emulator/") {
            *self.lock().requests.entry(format!("{method} {path} {status}")).or_default() += 1;
            self.changes.send_modify(|count| *count += 1);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic in one request must not take the emulator down with it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An emulator that runs. It goes when this goes.
#[derive(Debug)]
pub struct Running {
    /// The emulator.
    pub emulator: Arc<Emulator>,
    tasks: tokio::task::JoinSet<()>,
    /// Removes itself from the disk with the emulator.
    _temporary: Option<tempfile::TempDir>,
}

/// Why the emulator did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The port is taken, or may not be used.
    #[error(
        "cannot listen on {address}: {error}; choose another with --port, or --port 0 for any that is free"
    )]
    Listen {
        /// Where.
        address: String,
        /// What the system says.
        error: std::io::Error,
    },
    /// A folder cannot be used.
    #[error("cannot use {}: {error}", .path.display())]
    Folder {
        /// Which.
        path: PathBuf,
        /// What the system says.
        error: std::io::Error,
    },
    /// The kept state cannot be read.
    #[error("the state in {} is not the emulator's ({error}); move it away to start anew", .path.display())]
    State {
        /// Where.
        path: PathBuf,
        /// What is wrong with it.
        error: String,
    },
    /// No certificate.
    #[error("{0}")]
    Certificate(#[from] CertificateError),
    /// Nothing to run container groups with.
    #[error("{0}")]
    Runtime(String),
}

impl Running {
    /// Starts an emulator: listens, takes up kept state or makes a new world, and writes what clients need.
    pub async fn start(options: Options) -> Result<Self, StartError> {
        let temporary = match options.data {
            Some(_) => None,
            None => Some(
                tempfile::tempdir().map_err(|error| folder_error(Path::new("a temporary folder"), error))?,
            ),
        };
        let data = match (&options.data, &temporary) {
            (Some(data), _) => std::path::absolute(data).map_err(|error| folder_error(data, error))?,
            (None, Some(folder)) => folder.path().to_owned(),
            (None, None) => std::env::temp_dir(),
        };
        std::fs::create_dir_all(&data).map_err(|error| folder_error(&data, error))?;
        let runtime = Runtime::choose(&options, &data).await.map_err(StartError::Runtime)?;
        let listen = options.listen.unwrap_or_else(|| runtime.listen_address());
        let (listener, port) = bind(listen, options.port).await?;
        let (identity_listener, identity_port) = bind(listen, 0).await?;
        let host = options.advertise.clone().unwrap_or_else(|| runtime.advertised_host());
        let url = format!("https://{host}:{port}");
        let identity =
            certificates::server_identity(&data, &certificates::hosts(&host, &runtime.addresses()))?;
        let (state, signing_key) = crate::world::load_or_make(&options, &data)?;
        let (changes, _) = watch::channel(0);
        let (effects, received) = mpsc::unbounded_channel();
        let (backends, backend_commands) = crate::backends::Backends::new();
        let tls = Arc::new(identity.tls);
        let emulator = Arc::new(Emulator {
            options,
            url,
            identity_url: format!("http://{host}:{identity_port}"),
            data,
            ca_pem: identity.ca_pem,
            signing_key,
            runtime,
            hosted_agents: crate::pipelines::HostedAgents::default(),
            packages: crate::devops::Packages::default(),
            backends,
            observer: crate::observer::Observer::default(),
            tls: Arc::clone(&tls),
            state: Mutex::new(state),
            changes,
            effects,
        });
        crate::world::write_settings(&emulator)?;
        let mut tasks = tokio::task::JoinSet::new();
        tasks.spawn(crate::http::serve(Arc::clone(&emulator), listener, tls));
        tasks.spawn(crate::http::serve_identity(Arc::clone(&emulator), identity_listener));
        tasks.spawn(drive_time(Arc::clone(&emulator)));
        tasks.spawn(crate::backends::work(Arc::clone(&emulator), backend_commands));
        tasks.spawn(carry_out_effects(Arc::clone(&emulator), received));
        if let Some(folder) = emulator.options.state.clone() {
            tasks.spawn(keep_state(Arc::clone(&emulator), folder));
        }
        crate::compute::resume(&emulator);
        crate::pipelines::resume(&emulator);
        crate::backends::resume(&emulator);
        Ok(Self { emulator, tasks, _temporary: temporary })
    }

    /// Ends it: what it runs is ended too, unless its state is kept for a next start.
    pub async fn stop(mut self) {
        if self.emulator.options.state.is_none() {
            self.emulator.runtime.end_everything().await;
            crate::pipelines::end_hosted_agents(&self.emulator).await;
        }
        self.tasks.shutdown().await;
    }
}

async fn bind(address: std::net::IpAddr, port: u16) -> Result<(TcpListener, u16), StartError> {
    let refused = |error| StartError::Listen { address: format!("{address}:{port}"), error };
    let listener = TcpListener::bind((address, port)).await.map_err(refused)?;
    let port = listener.local_addr().map_err(refused)?.port();
    Ok((listener, port))
}

fn folder_error(path: &Path, error: std::io::Error) -> StartError {
    StartError::Folder { path: path.to_owned(), error }
}

/// In run mode: sleeps until the next event is due, and looks again whenever something changed.
async fn drive_time(emulator: Arc<Emulator>) {
    let mut changes = emulator.changes();
    loop {
        changes.borrow_and_update();
        let next = emulator.read(|state| match state.mode {
            Mode::Run => state.schedule.next_moment(),
            Mode::Step => None,
        });
        let Some(next) = next else {
            if changes.changed().await.is_err() {
                return;
            }
            continue;
        };
        let wait = next.duration_since(Timestamp::now());
        if wait.is_positive() {
            // Whichever comes first; both mean looking again.
            let _ = tokio::time::timeout(wait.unsigned_abs(), changes.changed()).await;
        } else {
            emulator.change(|_| ());
        }
    }
}

async fn carry_out_effects(emulator: Arc<Emulator>, mut effects: mpsc::UnboundedReceiver<Effect>) {
    while let Some(effect) = effects.recv().await {
        match effect {
            Effect::Compute(command) => crate::compute::carry_out(&emulator, command),
            Effect::Backend(command) => emulator.backends.carry_out(command),
            Effect::HostedAgent(command) => crate::pipelines::carry_out_hosted(&emulator, command),
        }
    }
}

/// Writes the state after each change. Changes that come while it writes are taken together.
async fn keep_state(emulator: Arc<Emulator>, folder: PathBuf) {
    let mut changes = emulator.changes();
    loop {
        changes.borrow_and_update();
        let text = emulator.read(serde_json::to_vec);
        let written = match text {
            Ok(text) => crate::world::replace_file(&folder, &text).await,
            Err(error) => Err(error.into()),
        };
        if let Err(error) = written {
            tracing::error!("the state was not kept: {error}");
        }
        if changes.changed().await.is_err() {
            return;
        }
    }
}
