//! One Azure, one organization, and somebody with every right in them.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use emulator::options::{Mode, Options, RuntimeChoice};
use emulator::{Emulator, Running, State};
use serde_json::Value;

use crate::engine::{Engine, Remains};
use crate::invocation::Invocation;
use crate::life::Life;
use crate::programs::Program;
use crate::published::Judgement;

/// Longer than anything in these tests takes, however busy the machine is.
pub(crate) const PATIENCE: Duration = Duration::from_mins(4);

/// Between two looks at what tells nobody of its changes.
pub(crate) const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// Where nobody listens: the port is reserved.
const NOBODY: &str = "http://127.0.0.1:1";

/// The image of the agent: our supervisor as first process.
pub const AGENT_IMAGE: &str = "registry.test/agent:1";

/// What a new organization's pool holds: an agent that is never online, so that jobs queue.
const PLACEHOLDER: &str = "placeholder";

/// An emulator with what a test needs around it.
#[derive(Debug)]
pub struct World {
    pub(crate) running: Running,
    folder: tempfile::TempDir,
    _remains: Option<Remains>,
    _judgement: Judgement,
}

impl World {
    /// A world whose images are the agent's, and these: names, each with the shell script that it starts.
    pub async fn start_with(images: &[(&str, &str)]) -> Self {
        let folder = new_folder();
        let mut commands = vec![("agent".to_owned(), Program::Supervisor.path())];
        for (name, script) in images {
            commands.push(((*name).to_owned(), write_script(&folder.path().join(name), script)));
        }
        Self::start_in(folder, RuntimeChoice::Process, commands).await
    }

    /// A world whose container groups are containers of this engine. [`World::end`] leaves nothing of it there.
    pub async fn on(_engine: &Engine) -> Self {
        Self::start_in(new_folder(), RuntimeChoice::Docker, Vec::new()).await
    }

    async fn start_in(
        folder: tempfile::TempDir,
        runtime: RuntimeChoice,
        images: Vec<(String, PathBuf)>,
    ) -> Self {
        let options = Options {
            port: 0,
            listen: None,
            advertise: None,
            runtime,
            data: Some(folder.path().join("data")),
            state: None,
            mode: Mode::Run,
            stand_in_agent: Some(Program::StandInAgent.path()),
            docker_registry: std::env::var_os("DOCKER_REGISTRY").map(Into::into),
            azurite: std::env::var_os("AZURITE").map(Into::into),
            images,
        };
        let running = Running::start(options).await.expect("the emulator starts");
        let remains = running.emulator.runtime.network().map(Remains::of);
        let judgement = Judgement::over(&running.emulator);
        Self { running, folder, _remains: remains, _judgement: judgement }
    }

    /// Ends it, with whatever still runs in it.
    pub async fn end(self) {
        self.running.stop().await;
    }

    /// A world whose only image is the agent's.
    pub async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// A world whose agent image runs these lines of shell before it starts the supervisor: `export AZP_GRACE=1`.
    pub async fn with_agent(lines: &str) -> Self {
        let supervisor = Program::Supervisor.path();
        Self::start_with(&[("agent", &format!("{lines}\nexec '{}'", supervisor.display()))]).await
    }

    /// A world whose agent image is this script; `SUPERVISOR` in it is the supervisor's path.
    pub async fn with_agent_script(script: &str) -> Self {
        let supervisor = Program::Supervisor.path().display().to_string();
        Self::start_with(&[("agent", &script.replace("SUPERVISOR", &supervisor))]).await
    }

    /// The emulator.
    pub fn emulator(&self) -> &Emulator {
        &self.running.emulator
    }

    /// A folder of this world's own, which every user may enter.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Turns a fault on.
    pub fn fault(&self, knob: &str, value: impl Into<Value>) {
        let set = self.emulator().change(|state| state.faults.set(knob, value.into()));
        set.unwrap_or_else(|known| panic!("no knob {knob}; there are {known:?}"));
    }

    /// Turns it off.
    pub fn mend(&self, knob: &str) {
        self.emulator().change(|state| state.faults.clear(Some(knob)));
    }

    /// Waits until the emulator's state shows something.
    pub async fn wait_for<T>(&self, what: &str, look: impl FnMut(&mut State) -> Option<T>) -> T {
        let found = self.emulator().wait_for(PATIENCE, look).await;
        found.unwrap_or_else(|| panic!("waited in vain for {what}"))
    }

    /// A setting that the emulator wrote for clients.
    pub fn setting(&self, key: &str) -> String {
        let settings = emulator::world::settings(self.emulator());
        settings.into_iter().find(|(name, _)| *name == key).expect("a setting of that name").1
    }

    /// Resource id of the resource group.
    pub fn resource_group(&self) -> String {
        let (subscription, group) =
            (self.setting("AZURE_SUBSCRIPTION_ID"), self.setting("AZURE_RESOURCE_GROUP"));
        format!("/subscriptions/{subscription}/resourceGroups/{group}")
    }

    /// The program `hostile-job`, where every user may run it.
    pub fn hostile_job(&self) -> PathBuf {
        let copy = self.folder().join("hostile-job");
        std::fs::copy(Program::HostileJob.path(), &copy).expect("a copy of hostile-job");
        copy
    }

    /// `ephemeral-agents` and these words, with the credentials of somebody who may do everything.
    pub fn command(&self, words: &[&str]) -> Invocation {
        let mut environment = BTreeMap::from([("PATH".to_owned(), "/usr/bin:/bin".to_owned())]);
        for name in ["AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET", "AZURE_DEVOPS_EXT_PAT"] {
            environment.insert(name.to_owned(), self.setting(name));
        }
        Invocation::new(words, environment)
            .and("cloud", &self.setting("EMULATOR_URL"))
            .and("ca-file", &self.setting("EMULATOR_CA_FILE"))
            .and("subscription", &self.setting("AZURE_SUBSCRIPTION_ID"))
            .and("resource-group", &self.setting("AZURE_RESOURCE_GROUP"))
    }

    /// A program that others wrote, with the emulator's settings in its environment and trust in its certificates.
    /// What it would ask of the rest of the world goes to a proxy that is not there.
    pub fn client(&self, program: &Path, words: &[&str]) -> Invocation {
        let settings = emulator::world::settings(self.emulator()).into_iter();
        let mut environment: BTreeMap<_, _> =
            settings.map(|(name, value)| (name.to_owned(), value)).collect();
        for name in ["REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS"] {
            environment.insert(name.to_owned(), self.setting("EMULATOR_CA_FILE"));
        }
        environment.insert("HTTPS_PROXY".to_owned(), NOBODY.to_owned());
        environment.insert("NO_PROXY".to_owned(), "localhost,127.0.0.1".to_owned());
        environment.insert("PATH".to_owned(), std::env::var("PATH").unwrap_or_default());
        environment.insert("HOME".to_owned(), self.folder().display().to_string());
        // Python leaves what it made of a script beside it.
        environment.insert("PYTHONDONTWRITEBYTECODE".to_owned(), "1".to_owned());
        Invocation::foreign(program, words, environment)
    }

    /// `provision` with everything that it needs to succeed.
    pub fn provision(&self) -> Invocation {
        self.with_all_it_needs("provision")
    }

    /// `doctor` of the same, which prints what it finds for people.
    pub fn doctor(&self) -> Invocation {
        self.with_all_it_needs("doctor")
    }

    fn with_all_it_needs(&self, command: &str) -> Invocation {
        self.command(&[command])
            .and("organization-url", &self.setting("AZURE_DEVOPS_ORG_URL"))
            .and("agent-pool", &self.setting("AZURE_DEVOPS_POOL"))
            .and("image", AGENT_IMAGE)
            .and("agent-ca-file", &self.setting("EMULATOR_CA_FILE"))
    }

    /// `provision` that does not wait until the agent is online; for agents that never are.
    pub fn provision_unseen(&self) -> Invocation {
        self.provision().with("timeout-agent-online", "0")
    }

    /// `deprovision` of one agent.
    pub fn deprovision(&self, agent: &str) -> Invocation {
        self.command(&["deprovision", agent])
            .and("organization-url", &self.setting("AZURE_DEVOPS_ORG_URL"))
            .and("agent-pool", &self.setting("AZURE_DEVOPS_POOL"))
    }

    /// `reap` of the resource group and the pool.
    pub fn reap(&self) -> Invocation {
        self.command(&["reap"])
            .and("organization-url", &self.setting("AZURE_DEVOPS_ORG_URL"))
            .and("agent-pool", &self.setting("AZURE_DEVOPS_POOL"))
    }

    /// Names of the agents in the pool, without the placeholder.
    pub fn agents(&self) -> Vec<String> {
        self.emulator().read(agents)
    }

    /// Names of the container groups.
    pub fn groups(&self) -> Vec<String> {
        self.emulator().read(groups)
    }

    /// What the service shows of container groups: everything but what it never gives back.
    pub fn plain_parts_of_groups(&self) -> String {
        self.emulator().read(|state| {
            let groups = state.arm.container_groups.values();
            let shown = groups.map(|group| {
                let properties = without_secure_values(group.properties.clone());
                serde_json::json!({"tags": group.tags, "properties": properties})
            });
            shown.collect::<Value>().to_string()
        })
    }

    /// Waits until both services are as they were: no agent, no container group.
    pub async fn nothing_left(&self) {
        let empty = |state: &mut State| (agents(state).is_empty() && groups(state).is_empty()).then_some(());
        let found = self.emulator().wait_for(PATIENCE, empty).await;
        assert!(found.is_some(), "left: agents {:?}, container groups {:?}", self.agents(), self.groups());
    }

    /// What the container of an agent printed so far, also when its group is gone.
    pub fn container_output(&self, agent: &str) -> String {
        let logs = self.running.emulator.data.join("logs");
        let files = std::fs::read_dir(logs).into_iter().flatten().flatten();
        let of_agent =
            files.filter(|file| file.file_name().to_string_lossy().starts_with(&format!("{agent}.")));
        of_agent.map(|file| std::fs::read_to_string(file.path()).unwrap_or_default()).collect()
    }

    /// Waits until the container of an agent has printed this.
    pub async fn says(&self, agent: &str, text: &str) {
        let mut lines = self.running.emulator.runtime.output();
        let heard = async {
            while !self.container_output(agent).contains(text) {
                lines.changed().await.expect("the emulator runs");
            }
        };
        let heard = tokio::time::timeout(PATIENCE, heard).await;
        assert!(heard.is_ok(), "waited in vain for {text:?}:\n{}", self.container_output(agent));
    }

    /// The life of an agent's container, once it is over.
    pub async fn life(&self, agent: &str) -> Life {
        self.says(agent, r#""event":"outcome""#).await;
        Life { output: self.container_output(agent) }
    }

    /// Starts a run of a pipeline, and gives its id.
    pub async fn run(&self, yaml: &str) -> u64 {
        let started = emulator::pipelines::start(self.emulator(), "test", yaml).await;
        started.unwrap_or_else(|problem| panic!("no run: {problem}"))
    }

    /// Registers a pipeline of this name, which others may run.
    pub fn define(&self, name: &str, yaml: &str) {
        emulator::pipelines::define(self.emulator(), name, yaml);
    }

    /// Starts a run of one job for this agent, whose only step is a script.
    pub async fn job(&self, agent: &str, script: &str) -> u64 {
        self.run(&one_job(agent, script)).await
    }

    /// Waits until the agent has begun its job.
    pub async fn job_begins(&self, agent: &str) {
        self.wait_for("the beginning of a job", |state| {
            let agent = state.devops.agents.values().find(|known| known.name == agent)?.id;
            let mut requests = state.devops.requests.values();
            requests.any(|request| request.is_of(agent) && request.is_running()).then_some(())
        })
        .await;
    }

    /// How the jobs ended that this agent was ever given; `running` if one has not.
    pub fn jobs_of(&self, agent: &str) -> Vec<String> {
        self.emulator().read(|state| {
            let requests = state.devops.requests.values();
            let of_agent =
                requests.filter(|request| request.agent.as_ref().is_some_and(|has| has.name == agent));
            of_agent.map(|request| request.result.clone().unwrap_or_else(|| "running".to_owned())).collect()
        })
    }

    /// How often requests were made whose `METHOD path status` holds all of these, in this order.
    pub fn asked(&self, parts: &[&str]) -> u64 {
        self.emulator().read(|state| asked(state, parts))
    }

    /// Waits until such requests were made that often. The emulator counts them without telling, so this looks again.
    pub async fn is_asked(&self, parts: &[&str], times: u64) {
        let made = async {
            while self.asked(parts) < times {
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        };
        let made = tokio::time::timeout(PATIENCE, made).await;
        assert!(made.is_ok(), "waited in vain for requests with {parts:?}");
    }

    /// Waits until no container group is left.
    pub async fn groups_gone(&self) {
        self.wait_for("the end of the container groups", |state| groups(state).is_empty().then_some(()))
            .await;
    }

    /// All that the steps of a run wrote to their logs.
    pub fn job_log(&self, run: u64) -> String {
        self.emulator().read(|state| {
            let plan = state.pipelines.plan(run).and_then(|plan| state.devops.plans.get(&plan));
            plan.into_iter().flat_map(|plan| plan.logs.values()).map(|log| log.text.as_str()).collect()
        })
    }

    /// Waits for the end of a run, and says how it ended.
    pub async fn result(&self, run: u64) -> &'static str {
        self.wait_for("the end of a run", |state| state.pipelines.result(run)).await
    }
}

fn agents(state: &State) -> Vec<String> {
    let agents = state.devops.agents.values().filter(|agent| agent.pool_id == pool_id(state));
    agents.map(|agent| agent.name.clone()).filter(|name| name != PLACEHOLDER).collect()
}

fn pool_id(state: &State) -> u64 {
    let pool = state.devops.pools.values().find(|pool| pool.name == emulator::world::POOL);
    pool.expect("the pool").id
}

fn asked(state: &State, parts: &[&str]) -> u64 {
    let holds = |request: &str| {
        parts.iter().try_fold(request, |rest, part| rest.split_once(part).map(|(_, rest)| rest)).is_some()
    };
    state.requests.iter().filter(|(request, _)| holds(request)).map(|(_, count)| *count).sum()
}

fn groups(state: &State) -> Vec<String> {
    state.arm.container_groups.values().map(|group| group.name.clone()).collect()
}

/// A pipeline of one job for this agent, whose only step is a script.
pub fn one_job(agent: &str, script: &str) -> String {
    let indented: String = script.lines().flat_map(|line| ["      ", line, "\n"]).collect();
    let pool = emulator::world::POOL;
    format!(
        "pool:\n  name: {pool}\n  demands: Agent.Name -equals {agent}\nsteps:\n- checkout: none\n\
         - script: |\n{indented}"
    )
}

/// A folder that every user may enter.
fn new_folder() -> tempfile::TempDir {
    let open = std::fs::Permissions::from_mode(0o755);
    tempfile::Builder::new().prefix("world-").permissions(open).tempdir().expect("a folder")
}

/// Writes a shell script that everybody may run.
fn write_script(path: &Path, text: &str) -> PathBuf {
    std::fs::write(path, format!("#!/bin/sh\n{text}\n")).expect("a script");
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).expect("its mode");
    path.to_owned()
}

fn without_secure_values(mut value: Value) -> Value {
    fn strip(value: &mut Value) {
        match value {
            Value::Object(object) => {
                object.retain(|key, _| !["secureValue", "password", "workspaceKey"].contains(&key.as_str()));
                object.values_mut().for_each(strip);
            }
            Value::Array(array) => array.iter_mut().for_each(strip),
            _ => {}
        }
    }
    strip(&mut value);
    value
}
