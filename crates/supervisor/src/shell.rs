//! Doing what the machine says: processes, files, sockets, services.
//!
//! Nothing is decided here. Whatever takes time runs as a task that sends one event when it is done, so that signals
//! and deadlines are always heard.

mod prepare;

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::OsString,
    future::Future,
    net::Ipv4Addr,
    sync::Arc,
    time::Duration,
};

use process::{Child, Command, Exit, Lines, Reach, Reaper, Signal, User};
use tokio::{io::AsyncReadExt as _, net::TcpListener, sync::mpsc, time::Instant};

use crate::{
    agent_environment::agent_environment,
    agent_output::classify,
    agent_root::AgentRoot,
    azure::Azure,
    console::Console,
    diagnostics,
    machine::{Answer, Effect, Event, Machine},
    notification::{Notification, Parser},
    outcome::{group_left, last_words},
    platform::{self, StopSignals, System},
    settings::{AgentKey, Environment, Registration, Settings},
};

/// Lives one agent's life to its end.
///
/// # Errors
/// What kept it from beginning at all.
pub async fn live(settings: Settings, environment: &Environment, console: Console) -> Result<(), String> {
    let began = Instant::now();
    let mut stop = StopSignals::listen().map_err(|error| format!("signals cannot be heard ({error})"))?;
    let reaper = Reaper::start().map_err(|error| format!("orphans cannot be collected ({error})"))?;
    let (events, mut happened) = mpsc::unbounded_channel();
    let root = AgentRoot::new(&settings.home).with_lasting(settings.state.as_deref());
    let (mut machine, mut effects) = Machine::new(settings.policy(), root.is_used());
    let mut shell = Shell::new(settings, environment, console, root, events).await?;
    loop {
        for effect in effects {
            if effect == Effect::Exit {
                drop(reaper);
                return Ok(());
            }
            shell.perform(effect);
        }
        let deadline = machine.deadline().map(|deadline| began + deadline);
        let event = tokio::select! {
            biased;
            () = stop.next() => Event::StopSignal,
            Some(event) = happened.recv() => event,
            () = until(deadline) => Event::DeadlinePassed,
        };
        effects = machine.on(began.elapsed(), event);
    }
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

struct Shell {
    settings: Arc<Settings>,
    azure: Arc<Azure>,
    console: Console,
    root: AgentRoot,
    /// Who the agent runs as, if not who we are.
    user: Option<User>,
    environment: BTreeMap<OsString, OsString>,
    /// Where the agent announces its job.
    notify: String,
    events: mpsc::UnboundedSender<Event>,
    agent: Option<Child>,
    updates_before: BTreeSet<OsString>,
}

impl Shell {
    async fn new(
        settings: Settings,
        environment: &Environment,
        console: Console,
        root: AgentRoot,
        events: mpsc::UnboundedSender<Event>,
    ) -> Result<Self, String> {
        let azure = Azure::new(&settings).map_err(|error| format!("{error}. {}", error.remedy()))?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
        let listener =
            listener.map_err(|error| format!("no port for the agent's notifications ({error})"))?;
        let notify = listener.local_addr().map_err(|error| error.to_string())?.to_string();
        tokio::spawn(hear_notifications(listener, events.clone()));
        let user = agent_user(&settings, &console);
        let bundle = root.certificates();
        let bundle = settings.ca_pem.is_some().then_some(bundle.as_path());
        Ok(Self {
            environment: agent_environment(System::CURRENT, environment.plain(), user.as_ref(), bundle),
            settings: Arc::new(settings),
            azure: Arc::new(azure),
            updates_before: diagnostics::update::ended(&root.diagnostics()),
            console,
            root,
            user,
            notify,
            events,
            agent: None,
        })
    }

    fn perform(&mut self, effect: Effect) {
        match effect {
            Effect::Prepare => self.prepare(),
            Effect::Configure => self.configure(),
            Effect::StartAgent => self.start_agent(),
            Effect::AwaitUpdate => self.await_update(),
            Effect::FetchTokens => {
                let azure = Arc::clone(&self.azure);
                tokio::spawn(async move { azure.fetch_tokens().await });
            }
            Effect::Disable => {
                self.ask(|azure, key| async move { azure.disable(key).await }, Event::Disabled);
            }
            Effect::Unregister => {
                self.ask(|azure, key| async move { azure.unregister(key).await }, Event::Unregistered);
            }
            Effect::DeleteGroup => {
                let azure = Arc::clone(&self.azure);
                self.later(async move { Event::GroupDeleted(azure.delete_group().await) });
            }
            Effect::InterruptAgent => {
                self.console.say("asking the agent to stop");
                if let Some(agent) = &self.agent {
                    agent.signal(Signal::Interrupt, Reach::Process);
                }
            }
            Effect::KillAgent => process::kill_descendants(),
            Effect::ShipDiagnostics => {
                for line in diagnostics::tails(&self.root.diagnostics()) {
                    self.console.forward(&line);
                }
            }
            Effect::Report { outcome, agent, group } => {
                let [plain, record] = last_words(&outcome, &agent, group);
                self.console.say(&plain);
                self.console.forward(&record);
            }
            Effect::ReportGroupLeft(why) => {
                let [plain, record] = group_left(&why);
                self.console.say(&plain);
                self.console.forward(&record);
            }
            Effect::Warn(warning) => self.console.say(&format!("warning: {warning}")),
            Effect::Exit => {}
        }
    }

    /// Reports the event that a task ends with.
    fn later(&self, task: impl Future<Output = Event> + Send + 'static) {
        let events = self.events.clone();
        tokio::spawn(async move {
            let _ = events.send(task.await);
        });
    }

    fn tell(&self, event: Event) {
        let _ = self.events.send(event);
    }

    /// Asks the service about our agent. Where there is no agent there is nothing to do.
    fn ask<F>(&self, call: impl FnOnce(Arc<Azure>, AgentKey) -> F, event: fn(Answer) -> Event)
    where
        F: Future<Output = Answer> + Send + 'static,
    {
        let key = match &self.settings.registration {
            Registration::JustInTime(configuration) => Some(configuration.key),
            Registration::Token { .. } => self.root.registered(),
        };
        match key {
            Some(key) => {
                let answer = call(Arc::clone(&self.azure), key);
                self.later(async move { event(answer.await) });
            }
            None => self.tell(event(Answer::Done)),
        }
    }

    fn prepare(&self) {
        self.console.say("making the agent ready");
        let task = prepare::prepare(
            Arc::clone(&self.settings),
            Arc::clone(&self.azure),
            self.root.clone(),
            self.user.clone(),
            self.notify.clone(),
        );
        self.later(async move {
            match task.await {
                Ok(()) => Event::Prepared,
                Err(why) => Event::PreparationFailed(why),
            }
        });
    }

    /// The agent's own registration. The token goes through a variable that the agent takes out of its environment.
    fn configure(&mut self) {
        let Registration::Token { pool, agent, work } = &self.settings.registration else { return };
        self.console.say(&format!("registering agent {agent} in pool {pool}"));
        let arguments = [
            "configure",
            "--unattended",
            "--acceptTeeEula",
            "--auth",
            "PAT",
            "--url",
            &self.settings.organization,
            "--pool",
            pool,
            "--agent",
            agent,
            "--work",
            work,
            "--notificationsocketaddress",
            &self.notify,
        ];
        let token = self.settings.token.iter().map(|token| ("VSTS_AGENT_INPUT_TOKEN", token.expose()));
        let command = self.command().arguments(arguments).environment(token);
        self.run(&command, Event::Configured);
    }

    fn start_agent(&mut self) {
        if let Err(why) = self.root.mark_used() {
            return self.tell(Event::AgentNotStarted(why));
        }
        self.console.say("starting the agent");
        let command = self.command().arguments(["run", "--once", "--startuptype", "service"]);
        self.run(&command, Event::AgentExited);
    }

    fn command(&self) -> Command {
        Command::new(self.root.listener())
            .directory(self.root.path())
            .user(self.user.clone())
            .environment(&self.environment)
    }

    fn run(&mut self, command: &Command, ended: fn(Exit) -> Event) {
        match command.spawn() {
            Ok((child, lines)) => {
                tokio::spawn(follow(child.clone(), lines, self.console.clone(), self.events.clone(), ended));
                self.agent = Some(child);
            }
            Err(error) => self.tell(Event::AgentNotStarted(format!(
                "{error}; where the image brings no agent in AZP_HOME/agent, the organization's newest is fetched"
            ))),
        }
    }

    fn await_update(&self) {
        self.console.say("the agent updates itself and will be started again");
        let (folder, before) = (self.root.diagnostics(), self.updates_before.clone());
        self.later(async move { Event::UpdateEnded(diagnostics::update::wait(&folder, &before).await) });
    }
}

/// Who the agent runs as, if we may choose.
fn agent_user(settings: &Settings, console: &Console) -> Option<User> {
    platform::agent_user(&settings.run_as).inspect_err(|why| console.say(&format!("warning: {why}"))).ok()
}

/// Passes on what the agent prints, tells what of it has a meaning, and then that it has ended.
async fn follow(
    child: Child,
    mut lines: Lines,
    console: Console,
    events: mpsc::UnboundedSender<Event>,
    ended: fn(Exit) -> Event,
) {
    while let Some(line) = lines.next().await {
        console.forward(&line.text);
        if let Some(said) = classify(&line.text) {
            let _ = events.send(Event::Said(said));
        }
    }
    let _ = events.send(ended(child.wait().await));
}

/// Hears the agent, one connection at a time: as long as the agent holds its own, nobody else is heard.
async fn hear_notifications(listener: TcpListener, events: mpsc::UnboundedSender<Event>) {
    loop {
        let Ok((mut agent, _)) = listener.accept().await else {
            // Out of file descriptors, for instance; there may be some in a moment.
            tokio::time::sleep(Duration::from_secs(1)).await;
            continue;
        };
        let _ = events.send(Event::Notified(Notification::Listening));
        let mut parser = Parser::default();
        let mut bytes = [0; 256];
        while let Ok(count @ 1..) = agent.read(&mut bytes).await {
            for notification in parser.push(&bytes[..count]) {
                let _ = events.send(Event::Notified(notification));
            }
        }
    }
}
