//! `run`: wait for jobs and give each to a worker.
//!
//! The loop here only decides who is served next: a message, the end of the job, the end of an update, or a signal.

pub(crate) mod job;
mod notification;
mod session;
pub(crate) mod signals;
mod update;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tokio::time::MissedTickBehavior;

use crate::arguments::Arguments;
use crate::configuration::{certificates, files};
use crate::exit;
use crate::installation::Installation;
use crate::wire::models::{AgentRefresh, JobCancellation};
use crate::wire::pools::PoolClient;
use crate::wire::service::Service;
use crate::wire::transport::Transport;
use files::AgentSettings;
use job::{Dispatcher, RunningJob};
use notification::Notifier;
use session::{Message, SessionEnd, Sessions};
use signals::{Signals, Stop};
use update::{Update, Updater};

/// How often the second poll says that the agent is alive.
const KEEP_ALIVE: Duration = Duration::from_secs(30);

/// What .NET 8 grants after SIGTERM.
const TERMINATION_PATIENCE: Duration = Duration::from_secs(30);

/// Listens until it is told to stop, the agent is gone, an update is due, or (`--once`) one job is done.
/// Returns the exit code.
pub(crate) async fn run(installation: Installation, arguments: &Arguments) -> u8 {
    let misbehaviour = &installation.misbehaviour;
    if misbehaviour.has("long-lines") {
        installation.console.babble();
    }
    misbehaviour.leave_orphan();
    if let Some(code) = misbehaviour.exit_code("exit") {
        return code;
    }
    if !AgentSettings::exist(&installation.root) {
        installation.console.say("Not configured. Run config.(sh/cmd) to configure the agent.");
        return exit::TERMINATED;
    }
    let mut signals = Signals::new(misbehaviour);
    let connecting = Listener::connect(installation.clone(), arguments);
    let connected = tokio::select! {
        connected = connecting => connected,
        stop = signals.next() => {
            installation.console.say("Exiting...");
            return code_of(stop);
        }
    };
    match connected {
        Ok(mut listener) => listener.listen(&mut signals).await,
        Err(end) => code_at(&installation, end),
    }
}

/// The exit code of an agent that was stopped.
fn code_of(stop: Stop) -> u8 {
    match stop {
        Stop::Interrupt => exit::SUCCESS,
        Stop::Terminate => exit::TERMINATED_BY_SIGNAL,
    }
}

/// The exit code of an agent whose session came to an end, told to the user.
fn code_at(installation: &Installation, end: SessionEnd) -> u8 {
    let (text, code) = match end {
        SessionEnd::Unregistered => ("The agent is not registered any more.".to_owned(), exit::SUCCESS),
        SessionEnd::Refused(text) => (text, exit::TERMINATED),
        SessionEnd::Broken(text) => (format!("An error occurred: {text}"), exit::RETRYABLE),
    };
    installation.console.say(&text);
    installation.diagnostics.error("Agent", &text);
    code
}

struct Listener {
    installation: Installation,
    once: bool,
    sessions: Arc<Sessions>,
    dispatcher: Dispatcher,
    updater: Updater,
    job: Option<RunningJob>,
    /// A job was taken: under `--once` there is no second.
    job_taken: bool,
    update: Update,
}

impl Listener {
    async fn connect(installation: Installation, arguments: &Arguments) -> Result<Self, SessionEnd> {
        let refused = |error: anyhow::Error| SessionEnd::Refused(format!("{error:#}"));
        installation.console.say("Scanning for tool capabilities.");
        installation.console.say("Connecting to the server.");
        let settings = AgentSettings::load(&installation.root).map_err(refused)?;
        let (credential, key) = files::load_credential(&installation.root, &settings).map_err(refused)?;
        let tls = certificates::tls(&installation, arguments).map_err(refused)?;
        let transport = Arc::new(Transport::new(tls));
        let server = settings.server().map_err(refused)?;
        let client = Arc::new(PoolClient::new(Service::new(Arc::clone(&transport), server, credential)));
        greet(&installation, &client).await;
        let sessions =
            Sessions::open(installation.clone(), settings.clone(), Arc::clone(&client), key).await?;
        let address = settings.notification_socket_address.as_deref();
        let notifier = Arc::new(Notifier::connect(address, installation.diagnostics.clone()).await);
        let once = arguments.flag("once");
        Ok(Self {
            dispatcher: Dispatcher {
                installation: installation.clone(),
                settings: settings.clone(),
                client: Arc::clone(&client),
                transport: Arc::clone(&transport),
                notifier,
                once,
            },
            updater: Updater {
                installation: installation.clone(),
                settings,
                client: Arc::clone(&client),
                transport,
            },
            once,
            sessions: Arc::new(sessions),
            job: None,
            job_taken: false,
            update: Update::default(),
            installation,
        })
    }

    async fn listen(&mut self, signals: &mut Signals) -> u8 {
        self.installation.console.stamped("Listening for Jobs");
        if self.installation.misbehaviour.has("close-stdout") {
            self.installation.console.close();
        }
        if let Some(code) = self.misbehave_before_job().await {
            return code;
        }
        let sessions = Arc::clone(&self.sessions);
        let mut poll = Box::pin(sessions.next_message());
        let mut alive = tokio::time::interval_at(tokio::time::Instant::now() + KEEP_ALIVE, KEEP_ALIVE);
        alive.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                message = &mut poll => {
                    match message {
                        Ok(message) => self.take(message).await,
                        Err(end) => return self.abandon(end).await,
                    }
                    poll.set(sessions.next_message());
                }
                _ = alive.tick() => {
                    let sessions = Arc::clone(&self.sessions);
                    tokio::spawn(async move { sessions.keep_alive().await });
                }
                () = RunningJob::end(&mut self.job) => {
                    if let Some(code) = self.after_job().await {
                        return code;
                    }
                }
                () = self.update.prepared() => {
                    if self.job.is_none() && let Some(code) = self.finish_update().await {
                        return code;
                    }
                }
                stop = signals.next() => return self.shut_down(stop).await,
            }
        }
    }

    async fn take(&mut self, message: Message) {
        let handled = match message.kind.as_str() {
            "PipelineAgentJobRequest" => self.take_job(&message).await,
            "JobCancellation" => self.cancel_job(&message.text),
            "AgentRefresh" => self.start_update(&message.text),
            "JobMetadataUpdate" => self.change_pace(&message.text),
            other => {
                self.installation.diagnostics.info("Agent", &format!("message of unknown type {other}"));
                Ok(true)
            }
        };
        match handled {
            Ok(true) => self.sessions.delete_message(message.id).await,
            Ok(false) => {}
            Err(error) => {
                let text = format!("message {} ({}): {error:#}", message.id, message.kind);
                self.installation.diagnostics.error("Agent", &text);
                self.sessions.delete_message(message.id).await;
            }
        }
    }

    /// Whether the message is dealt with. One that is left is delivered again, to this agent or the next.
    async fn take_job(&mut self, message: &Message) -> anyhow::Result<bool> {
        let surplus = self.once && self.job_taken;
        if surplus || self.update.is_under_way() || self.job.is_some() {
            self.installation.diagnostics.info("Agent", "a job arrived that is left for later");
            return Ok(false);
        }
        let body = serde_json::from_str(&message.text).context("the job message is not JSON")?;
        let (job, dispatched) = self.dispatcher.start(body)?;
        self.job = Some(job);
        self.job_taken = true;
        // The lock is renewed before the message goes: a crash in between must not lose the job.
        drop(dispatched.await);
        Ok(true)
    }

    fn cancel_job(&self, text: &str) -> anyhow::Result<bool> {
        let cancellation: JobCancellation = serde_json::from_str(text).context("not a cancellation")?;
        if let Some(job) = self.job.as_ref().filter(|job| job.id == cancellation.job_id) {
            job.cancel(&cancellation.timeout);
        }
        Ok(true)
    }

    fn change_pace(&self, text: &str) -> anyhow::Result<bool> {
        let update: serde_json::Value = serde_json::from_str(text).context("not a metadata update")?;
        if let (Some(job), Some(pace)) = (&self.job, update["postLinesFrequencyMillis"].as_u64()) {
            job.change_pace(pace);
        }
        Ok(true)
    }

    fn start_update(&mut self, text: &str) -> anyhow::Result<bool> {
        let refresh: AgentRefresh = serde_json::from_str(text).context("not a refresh")?;
        // Documented nowhere, read in the official source: a variable of this name, from `.env`, with any value.
        let disabled = self.installation.environment.get("agent.disableupdate").is_some();
        if !disabled && !self.update.is_under_way() {
            self.update = self.updater.start(refresh.target_version);
        }
        Ok(true)
    }

    async fn after_job(&mut self) -> Option<u8> {
        if let Some(code) = self.finish_update().await {
            return Some(code);
        }
        if !self.once {
            return None;
        }
        self.sessions.close().await;
        if self.installation.misbehaviour.has("hang-after-job") {
            std::future::pending::<()>().await;
        }
        Some(self.installation.misbehaviour.exit_code("exit-after-job").unwrap_or(exit::SUCCESS))
    }

    /// Ends the listener if an update is ready to take its place.
    async fn finish_update(&mut self) -> Option<u8> {
        let script = self.update.take_script()?;
        self.sessions.close().await;
        self.updater.launch(&script);
        Some(if self.once { exit::ONCE_UPDATING } else { exit::UPDATING })
    }

    async fn misbehave_before_job(&self) -> Option<u8> {
        let misbehaviour = &self.installation.misbehaviour;
        let code = misbehaviour.exit_code("exit-before-job")?;
        if !misbehaviour.once_more("exit-before-job", 1) {
            return None;
        }
        self.sessions.close().await;
        if code == exit::UPDATING || code == exit::ONCE_UPDATING {
            misbehaviour.leave_update_script();
        }
        Some(code)
    }

    /// The session is over: so is the agent, once its job has ended.
    async fn abandon(&mut self, end: SessionEnd) -> u8 {
        self.stop_job().await;
        code_at(&self.installation, end)
    }

    async fn shut_down(&mut self, stop: Stop) -> u8 {
        self.installation.console.say("Exiting...");
        let ending = async {
            self.stop_job().await;
            self.sessions.close().await;
        };
        match stop {
            Stop::Interrupt => ending.await,
            // Whatever is not done by then is left to the server.
            Stop::Terminate => drop(tokio::time::timeout(TERMINATION_PATIENCE, ending).await),
        }
        code_of(stop)
    }

    async fn stop_job(&mut self) {
        if let Some(job) = &self.job {
            job.shut_down();
            RunningJob::end(&mut self.job).await;
        }
    }
}

/// What the official agent asks before it opens a session: a feature flag, and three connections.
async fn greet(installation: &Installation, client: &PoolClient) {
    client.feature_is_on("DistributedTask.Agent.EnableDiagnostics").await;
    for purpose in ["generic", "queue", "job"] {
        if let Err(error) = client.connection_data().await {
            // Opening the session meets the same failure, and knows what to do about it.
            installation.diagnostics.error("Agent", &format!("{purpose} connection: {error}"));
            return;
        }
    }
}
