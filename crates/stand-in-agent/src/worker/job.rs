//! One job from the message to the event that ends it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::cancel::{Cancel, Stage};
use super::child;
use super::folders::Folders;
use super::log::Log;
use super::masker::{self, Masker};
use super::message::{Endpoint, JobMessage};
use super::reporter::Reporter;
use super::script::Shell;
use super::task::{self, Task};
use super::variables::Variables;
use crate::arguments::Arguments;
use crate::capabilities;
use crate::clock;
use crate::configuration::certificates;
use crate::configuration::files::AgentSettings;
use crate::installation::Installation;
use crate::wire::models::{Issue, TaskResult, TimelineRecord, VariableValue};
use crate::wire::plans::PlanClient;
use crate::wire::transport::Transport;

/// The plan version from which an event ends the job; before it, the listener does.
const EVENTS_SINCE: i64 = 8;

/// Authorization parameters that are shown, as far as they occur here. From the official agent's source
/// (`MaskingUtil.cs`): whatever is not listed is masked, be it only a user name or a client id.
const OPEN_PARAMETERS: &[&str] = &[
    "accesstokentype",
    "audience",
    "authenticationtype",
    "authorizationtype",
    "expiresat",
    "idtoken",
    "issuedat",
    "role",
    "scope",
    "tenantid",
];

/// Addresses among the variables that an on-premises server may give under a name that is no use here.
const SERVER_ADDRESSES: &[&str] = &[
    "system.collectionUri",
    "system.oidcRequestUri",
    "system.taskDefinitionsUri",
    "system.teamFoundationCollectionUri",
    "system.teamFoundationServerUri",
];

/// A job and everything its steps share.
pub(crate) struct Job {
    pub(super) message: JobMessage,
    pub(super) installation: Installation,
    pub(super) plans: Arc<PlanClient>,
    pub(super) reporter: Arc<Reporter>,
    pub(super) masker: Masker,
    pub(super) folders: Folders,
    pub(super) cancel: Cancel,
    pub(super) variables: Variables,
    /// Folders put in front of `PATH`, the latest last.
    pub(super) path: Vec<String>,
    /// The worst result of a step so far.
    pub(super) worst: TaskResult,
    /// `step.variable`, for jobs that depend on this one.
    pub(super) outputs: BTreeMap<String, VariableValue>,
    /// Marks the processes of this job.
    pub(super) mark: String,
    record: TimelineRecord,
    sending: JoinHandle<()>,
    run_once: bool,
}

impl Job {
    /// Makes a job ready: folders, variables, secrets, the connection to its plan.
    ///
    /// # Errors
    /// The message is not a job, or this machine cannot work on it. Nobody has been told yet.
    pub(crate) fn prepare(
        installation: Installation,
        message: Value,
        run_once: bool,
        cancel: Cancel,
        pace: watch::Receiver<Option<Duration>>,
    ) -> anyhow::Result<Self> {
        let settings = AgentSettings::load(&installation.root)?;
        let mut message: JobMessage = serde_json::from_value(message)?;
        let masker = mask_secrets(&message);
        make_reachable(&mut message, &settings);
        let no_arguments = Arguments::parse([], &BTreeMap::new());
        let transport = Arc::new(Transport::new(certificates::tls(&installation, &no_arguments)?));
        let plans = Arc::new(message.plan_client(&settings, transport)?);
        let (reporter, sending) =
            Reporter::start(Arc::clone(&plans), masker.clone(), installation.diagnostics.clone());
        tokio::spawn(follow_pace(Arc::clone(&reporter), pace));
        let tools = installation.environment.get("AGENT_TOOLSDIRECTORY");
        let folders = Folders::prepare(installation.path(&settings.work_folder), tools)?;
        let variables = variables(&installation, &settings, &message, &folders);
        Ok(Self {
            record: job_record(&message, &settings),
            mark: format!("vsts_{}", uuid::Uuid::new_v4()),
            message,
            installation,
            plans,
            reporter,
            masker,
            folders,
            cancel,
            variables,
            path: Vec::new(),
            worst: TaskResult::Succeeded,
            outputs: BTreeMap::new(),
            sending,
            run_once,
        })
    }

    /// Runs it to its end and says so.
    ///
    /// # Errors
    /// The server did not learn that the job is over.
    pub(crate) async fn run(mut self) -> anyhow::Result<TaskResult> {
        if let Err(error) = self.plans.connection_data().await {
            self.installation.diagnostics.error("JobRunner", &format!("connection: {error}"));
        }
        self.record.state = "inProgress";
        self.record.start_time = Some(clock::wire_stamp());
        self.reporter.record(&self.record);
        let log = Log::new(&self.message.job_id, &self.pages(), &self.masker, &self.reporter);
        let title = self.message.job_display_name.clone();
        log.write(&format!("##[section]Starting: {title}"));
        if let Some(tasks) = self.initialize().await {
            self.run_steps(&tasks).await;
        }
        self.finalize().await;
        log.write(&format!("##[section]Finishing: {title}"));
        self.complete(&log).await
    }

    /// What the steps to come may look at.
    pub(super) fn status(&self) -> TaskResult {
        if self.cancel.stage() > Stage::Running { TaskResult::Canceled } else { self.worst }
    }

    /// Where pages lie until they are uploaded.
    pub(super) fn pages(&self) -> std::path::PathBuf {
        self.installation.path("_diag").join("pages")
    }

    /// Downloads the tasks. Nothing if that failed, which fails the job.
    async fn initialize(&mut self) -> Option<Vec<Option<Task>>> {
        let (mut record, log) = self.open_own_record("Initialize job", 1);
        log.write(&format!("Agent name: '{}'", self.variables.get("agent.name").unwrap_or_default()));
        log.write(&format!("Agent machine name: '{}'", capabilities::machine_name()));
        log.write(&format!("Current agent version: '{}'", self.installation.version));
        log.write("This is the stand-in agent, not the official one.");
        log.write("Download all required tasks.");
        let outcome = self.fetch_tasks(&log).await;
        if let Err(error) = &outcome {
            let message = format!("{error:#}");
            log.write(&format!("##[error]{message}"));
            record.issues.push(Issue { kind: "error", category: "General", message, data: BTreeMap::new() });
            record.error_count = 1;
            self.worst = TaskResult::Failed;
        }
        let result = if outcome.is_ok() { TaskResult::Succeeded } else { TaskResult::Failed };
        self.close_record(record, &log, result).await;
        outcome.ok()
    }

    async fn fetch_tasks(&self, log: &Log) -> anyhow::Result<Vec<Option<Task>>> {
        let mut tasks = Vec::with_capacity(self.message.steps.len());
        for step in &self.message.steps {
            let task = match &step.reference {
                Some(reference) if reference.id != task::CHECKOUT => {
                    log.write(&format!("Downloading task: {} ({})", reference.name, reference.version));
                    let task = Task::fetch(&self.plans, &self.folders, reference).await?;
                    if Shell::of_task(&reference.id).is_none() {
                        task.node_handler(&self.variables)?;
                    }
                    Some(task)
                }
                _ => None,
            };
            tasks.push(task);
        }
        Ok(tasks)
    }

    async fn run_steps(&mut self, tasks: &[Option<Task>]) {
        let steps = self.message.steps.clone();
        for (index, step) in steps.iter().enumerate() {
            self.reporter.record(&self.step_record(step, index + 2));
        }
        for (index, (step, task)) in steps.iter().zip(tasks).enumerate() {
            let status = self.status();
            self.variables.set("agent.jobStatus", &format!("{status:?}"), false);
            self.run_step(step, task.as_ref(), index + 2).await;
        }
    }

    async fn finalize(&mut self) {
        let (record, log) = self.open_own_record("Finalize Job", self.message.steps.len() + 2);
        log.write("Cleaning up task key");
        log.write("Start cleaning up orphan processes.");
        for process in child::end_leftovers(&self.mark) {
            log.write(&format!("Terminate orphan process: pid {process}"));
        }
        self.close_record(record, &log, TaskResult::Succeeded).await;
    }

    async fn complete(mut self, log: &Log) -> anyhow::Result<TaskResult> {
        let result = self.status();
        self.record.log = log.upload(&self.plans).await;
        self.record.state = "completed";
        self.record.result = Some(result);
        self.record.finish_time = Some(clock::wire_stamp());
        self.reporter.record(&self.record);
        self.reporter.finish(self.sending).await;
        if self.message.plan.version >= EVENTS_SINCE {
            let JobMessage { job_id, request_id, .. } = &self.message;
            self.plans.complete_job(job_id, *request_id, result, &self.outputs, self.run_once).await?;
        }
        Ok(result)
    }

    /// A record for what the agent does itself.
    fn open_own_record(&self, name: &str, order: usize) -> (TimelineRecord, Log) {
        let record = TimelineRecord {
            id: uuid::Uuid::new_v4().to_string(),
            parent_id: Some(self.message.job_id.clone()),
            kind: "Task",
            name: name.to_owned(),
            state: "inProgress",
            start_time: Some(clock::wire_stamp()),
            worker_name: self.record.worker_name.clone(),
            order: Some(order),
            ..TimelineRecord::default()
        };
        self.reporter.record(&record);
        let log = Log::new(&record.id, &self.pages(), &self.masker, &self.reporter);
        log.write(&format!("##[section]Starting: {name}"));
        (record, log)
    }

    /// Ends a record: its log is uploaded first.
    pub(super) async fn close_record(&self, mut record: TimelineRecord, log: &Log, result: TaskResult) {
        log.write(&format!("##[section]Finishing: {}", record.name));
        record.log = log.upload(&self.plans).await;
        record.state = "completed";
        record.result = Some(result);
        record.finish_time = Some(clock::wire_stamp());
        self.reporter.record(&record);
    }
}

fn job_record(message: &JobMessage, settings: &AgentSettings) -> TimelineRecord {
    TimelineRecord {
        id: message.job_id.clone(),
        kind: "Job",
        name: message.job_display_name.clone(),
        ref_name: Some(message.job_name.clone()).filter(|name| !name.is_empty()),
        state: "pending",
        worker_name: Some(settings.agent_name.clone()),
        ..TimelineRecord::default()
    }
}

/// Everything the message says is secret.
fn mask_secrets(message: &JobMessage) -> Masker {
    let masker = Masker::default();
    let variables = Variables::from_message(&message.variables);
    variables.secret().for_each(|(_, value)| masker.add(&value));
    for hint in &message.mask {
        match hint.kind.as_str() {
            "variable" => masker.add(&variables.get(&hint.value).unwrap_or_default()),
            _ => masker.add(&masker::literal_of(&hint.value)),
        }
    }
    for authorization in
        message.resources.endpoints.iter().filter_map(|endpoint| endpoint.authorization.as_ref())
    {
        for (name, value) in &authorization.parameters {
            let is_open = OPEN_PARAMETERS.iter().any(|open| open.eq_ignore_ascii_case(name));
            if !is_open && let Some(value) = value {
                masker.add(value);
            }
        }
    }
    message.resources.secure_files.iter().for_each(|file| masker.add(&file.ticket));
    masker
}

/// Replaces addresses of the server that may be unreachable from here.
fn make_reachable(message: &mut JobMessage, settings: &AgentSettings) {
    let reachable = |url: &str| settings.reachable(url).map_or_else(|_| url.to_owned(), String::from);
    let is_server = |endpoint: &&mut Endpoint| endpoint.name == super::message::SYSTEM_CONNECTION;
    for endpoint in message.resources.endpoints.iter_mut().filter(is_server) {
        endpoint.url = reachable(&endpoint.url);
    }
    for (name, variable) in &mut message.variables {
        let is_address = SERVER_ADDRESSES.iter().any(|address| address.eq_ignore_ascii_case(name));
        if let Some(value) = variable.value.as_mut().filter(|_| is_address) {
            *value = reachable(value);
        }
    }
    for repository in &mut message.resources.repositories {
        // A folder of this machine stays what it is.
        let location = repository.location().filter(|url| url.starts_with("http")).map(reachable);
        repository.url = location.or_else(|| repository.location().map(str::to_owned));
    }
}

fn variables(
    installation: &Installation,
    settings: &AgentSettings,
    message: &JobMessage,
    folders: &Folders,
) -> Variables {
    let mut variables = Variables::from_message(&message.variables);
    folders.name_in(&mut variables);
    let root = installation.root.to_string_lossy();
    for (name, value) in [
        ("TF_BUILD", "True".to_owned()),
        ("agent.id", settings.agent_id.to_string()),
        ("agent.name", settings.agent_name.clone()),
        ("agent.machineName", capabilities::machine_name()),
        ("agent.version", installation.version.clone()),
        ("agent.os", "Linux".to_owned()),
        ("agent.osArchitecture", capabilities::architecture().to_owned()),
        ("agent.homeDirectory", root.to_string()),
        ("agent.rootDirectory", folders.work.to_string_lossy().into_owned()),
        ("agent.serverOMDirectory", installation.path("externals/vstsom").to_string_lossy().into_owned()),
        ("agent.jobName", message.job_display_name.clone()),
    ] {
        variables.set(name, &value, false);
    }
    let connection = message.system_connection().ok();
    if let Some(token) = connection.and_then(Endpoint::access_token) {
        variables.set("system.accessToken", token, true);
    }
    variables
}

async fn follow_pace(reporter: Arc<Reporter>, mut pace: watch::Receiver<Option<Duration>>) {
    while pace.changed().await.is_ok() {
        if let Some(pace) = *pace.borrow_and_update() {
            reporter.change_pace(pace);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message() -> JobMessage {
        serde_json::from_value(serde_json::json!({
            "requestId": 9, "jobId": "j", "jobDisplayName": "Job",
            "plan": {"scopeIdentifier": "s", "planType": "Build", "planId": "p", "version": 14},
            "timeline": {"id": "t"},
            "mask": [{"type": "regex", "value": "hint\\.ed"}, {"type": "variable", "value": "open"}],
            "variables": {
                "pass": {"value": "hunter2", "isSecret": true},
                "open": {"value": "named"},
                "System.CollectionUri": {"value": "https://inside:1/contoso/"},
            },
            "resources": {
                "endpoints": [
                    {"name": "SystemVssConnection", "url": "https://inside:1/contoso/",
                     "authorization": {"scheme": "OAuth", "parameters": {"AccessToken": "job-token"}}},
                    {"id": "e", "name": "arm", "url": "https://management.example/",
                     "authorization": {"scheme": "x", "parameters": {
                        "tenantid": "tenant", "serviceprincipalid": "client", "serviceprincipalkey": "key!"}}},
                ],
                "repositories": [{"alias": "self", "properties": {"url": "https://inside:1/contoso/_git/r"}}],
                "secureFiles": [{"id": "f", "name": "cert.pem", "ticket": "once-only"}],
            },
        }))
        .unwrap()
    }

    #[test]
    fn everything_secret_is_masked() {
        let masked =
            mask_secrets(&message()).mask("hunter2 hint.ed named job-token key! client once-only tenant");
        assert_eq!(masked, "*** *** *** *** *** *** *** tenant");
    }

    #[test]
    fn addresses_of_the_server_become_reachable() {
        let mut message = message();
        let settings =
            AgentSettings { server_url: "https://outside:8443/contoso".into(), ..AgentSettings::default() };
        make_reachable(&mut message, &settings);
        assert_eq!(message.resources.endpoints[0].url, "https://outside:8443/contoso/");
        assert_eq!(message.resources.endpoints[1].url, "https://management.example/");
        let uri = &message.variables["System.CollectionUri"];
        assert_eq!(uri.value.as_deref(), Some("https://outside:8443/contoso/"));
        assert_eq!(message.resources.repositories[0].location(), Some("https://outside:8443/contoso/_git/r"));
    }
}
