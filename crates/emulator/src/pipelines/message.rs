//! What an agent is told to do: the job message, made from a run. Data in, data out.

use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::connections::Connection;
use super::model::{Action, Step};
use super::run::{At, Run, Shades};
use crate::devops::{BASE_URL, JOB_TOKEN};
use crate::world::{ORGANIZATION, PROJECT};

/// The checkout that every agent brings along.
const CHECKOUT_ID: &str = "6d15af64-176c-496d-b583-fd2ae21d4df4";
/// Id of the repository `self`. Assumed: any stable id does.
const REPOSITORY_ID: &str = "8f1c9a54-2d1e-4c1b-a0a5-5e1f00000001";
/// What stands for the commit of a folder that is no git repository.
const VERSION: &str = "0000000000000000000000000000000000000000";
/// The branch that every run is of.
const BRANCH: &str = "refs/heads/main";
/// Plans from this version on end a job by an event rather than by its request.
const PLAN_VERSION: u32 = 14;

/// A task that a step names, as the organization has it.
#[derive(Clone, Debug)]
pub(crate) struct TaskReference {
    /// Its id.
    pub(crate) id: String,
    /// Its name.
    pub(crate) name: String,
    /// Its full version.
    pub(crate) version: String,
    /// Inputs that name a service connection, with their aliases.
    pub(crate) connection_inputs: Vec<String>,
}

/// What a message is made from besides the run.
pub(crate) struct Surroundings<'a> {
    /// Id of the organization.
    pub(crate) organization_id: Uuid,
    /// Id of the project.
    pub(crate) project_id: Uuid,
    /// The job's variables.
    pub(crate) variables: &'a Shades,
    /// Finds tasks that the run was checked to have.
    pub(crate) task: &'a dyn Fn(&str, u32) -> Option<TaskReference>,
    /// The project's service connections.
    pub(crate) connections: &'a [Connection],
}

/// The message for a copy of a job, without what is filled in when it is handed over.
pub(crate) fn job_message(run: &Run, at: At, around: &Surroundings<'_>) -> Value {
    let (job, copy) = (run.job(at), run.copy(at));
    let mut used: Vec<&Connection> = Vec::new();
    let steps: Vec<Value> = job
        .job
        .steps
        .iter()
        .enumerate()
        .map(|(index, step)| step_message(step, index, &job.job.steps, around, &mut used))
        .collect();
    let plan_owner = json!({"id": run.id, "name": run.number, "_links": {}});
    json!({
        "jobId": copy.job_id,
        "jobName": if copy.name.is_empty() { &job.job.name } else { &copy.name },
        "jobDisplayName": display_name(run, at),
        "plan": {
            "scopeIdentifier": around.project_id, "planType": "Build", "version": PLAN_VERSION, "planId": run.plan_id,
            "planGroup": format!("Build:{}:{}", around.project_id, run.id),
            "artifactUri": format!("vstfs:///Build/Build/{}", run.id),
            "definition": {"id": run.pipeline_id, "name": run.pipeline_name, "_links": {}}, "owner": plan_owner,
        },
        "timeline": {"id": run.timeline_id, "changeId": 1, "location": null},
        "mask": masks(around.variables),
        "variables": variables(run, at, around),
        "steps": steps,
        "resources": {
            "endpoints": endpoints(run, around, &used), "repositories": [repository(run)], "containers": [],
        },
        "workspace": {"clean": job.job.workspace_clean},
        "jobContainer": null, "jobSidecarContainers": null,
    })
}

/// What people call a copy of a job.
pub(crate) fn display_name(run: &Run, at: At) -> String {
    let (job, copy) = (&run.job(at).job, run.copy(at));
    if copy.name.is_empty() {
        job.display_name.clone()
    } else {
        format!("{} {}", job.display_name, copy.name)
    }
}

fn step_message<'a>(
    step: &Step,
    index: usize,
    all: &[Step],
    around: &Surroundings<'a>,
    used: &mut Vec<&'a Connection>,
) -> Value {
    let reference = match &step.action {
        Action::Checkout => TaskReference {
            id: CHECKOUT_ID.to_owned(),
            name: "Checkout".to_owned(),
            version: "1.0.0".to_owned(),
            connection_inputs: Vec::new(),
        },
        Action::Task { name, major } => (around.task)(name, *major).unwrap_or_else(|| TaskReference {
            id: Uuid::nil().to_string(),
            name: name.clone(),
            version: format!("{major}.0.0"),
            connection_inputs: Vec::new(),
        }),
    };
    let mut inputs = Map::new();
    for (name, value) in &step.inputs {
        let value = connection_id(&reference, name, value, around, used).unwrap_or_else(|| value.clone());
        inputs.insert(name.clone(), Value::from(value));
    }
    let environment: Map<String, Value> =
        step.environment.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
    json!({
        "type": "task", "id": Uuid::new_v4(), "name": reference_name(step, &reference.name, index, all),
        "displayName": step.display_name,
        "reference": {"id": reference.id, "name": reference.name, "version": reference.version},
        "inputs": inputs, "condition": step.condition, "enabled": step.enabled,
        "continueOnError": step.continue_on_error, "timeoutInMinutes": step.timeout_minutes,
        "retryCountOnTaskFailure": step.retries, "environment": environment, "target": null,
    })
}

/// The name by which outputs are found: the author's, or the task's and a number.
/// Assumed: the service's own names for steps without one differ only in looks.
fn reference_name(step: &Step, task: &str, index: usize, all: &[Step]) -> String {
    if !step.name.is_empty() {
        return step.name.clone();
    }
    let before =
        all[..index].iter().filter(|other| other.name.is_empty() && other.action == step.action).count();
    format!("{task}{}", before + 1)
}

/// For an input that names a service connection: the id of that connection, as tasks get it.
fn connection_id<'a>(
    reference: &TaskReference,
    input: &str,
    value: &str,
    around: &Surroundings<'a>,
    used: &mut Vec<&'a Connection>,
) -> Option<String> {
    reference.connection_inputs.iter().find(|known| known.eq_ignore_ascii_case(input))?;
    let name = super::variables::expand(value, around.variables);
    let connection = around.connections.iter().find(|connection| connection.is(&name))?;
    if !used.iter().any(|known| known.id == connection.id) {
        used.push(connection);
    }
    Some(connection.id.to_string())
}

fn endpoints(run: &Run, around: &Surroundings<'_>, used: &[&Connection]) -> Vec<Value> {
    let system = json!({
        "name": "SystemVssConnection", "url": format!("{BASE_URL}/{ORGANIZATION}/"), "type": null,
        "authorization": {"scheme": "OAuth", "parameters": {"AccessToken": JOB_TOKEN}},
        "data": {"ServerId": around.organization_id, "ServerName": ORGANIZATION, "PlanId": run.plan_id},
        "isShared": false, "isReady": true,
    });
    std::iter::once(system).chain(used.iter().map(|connection| connection.endpoint())).collect()
}

fn repository(run: &Run) -> Value {
    let url = format!("file://{}", run.repository);
    json!({
        "alias": "self", "id": REPOSITORY_ID, "type": "Git", "version": VERSION, "url": url,
        "endpoint": {"name": "SystemVssConnection"},
        "properties": {
            "url": url, "name": PROJECT, "defaultBranch": BRANCH, "ref": BRANCH,
            "versionInfo": {"author": "emulator", "message": "the folder as it is"},
        },
    })
}

/// Values that must never be shown, for the agent's masker: as texts of regular expressions.
fn masks(variables: &Shades) -> Vec<Value> {
    let hidden = variables.iter().filter(|(_, value)| value.is_hidden() && !value.reveal().is_empty());
    hidden
        .flat_map(|(name, value)| {
            [
                json!({"type": "variable", "value": name}),
                json!({"type": "regex", "value": escaped(value.reveal())}),
            ]
        })
        .collect()
}

/// A text as a regular expression that matches nothing else.
fn escaped(text: &str) -> String {
    text.chars()
        .flat_map(|c| [Some('\\').filter(|_| r"\*+?|{}[]()^$.#".contains(c)), Some(c)])
        .flatten()
        .collect()
}

fn variables(run: &Run, at: At, around: &Surroundings<'_>) -> Map<String, Value> {
    let mut all = Map::new();
    for (name, value) in system_variables(run, at, around) {
        all.insert(name, json!({"value": value, "isReadOnly": true}));
    }
    for (name, value) in around.variables {
        let read_only = run.read_only.iter().any(|known| known.eq_ignore_ascii_case(name));
        let mut shown = json!({"value": value.reveal()});
        if value.is_hidden() {
            shown["isSecret"] = Value::Bool(true);
        }
        if read_only {
            shown["isReadOnly"] = Value::Bool(true);
        }
        all.insert(name.clone(), shown);
    }
    all
}

/// The variables that a job needs from the service.
fn system_variables(run: &Run, at: At, around: &Surroundings<'_>) -> Vec<(String, String)> {
    let (stage, job, copy) = (&run.stages[at.stage], run.job(at), run.copy(at));
    let collection = format!("{BASE_URL}/{ORGANIZATION}/");
    let plan =
        format!("{collection}{}/_apis/distributedtask/hubs/Build/plans/{}", around.project_id, run.plan_id);
    let mut all: Vec<(String, String)> = Vec::new();
    let mut add = |name: &str, value: &dyn std::fmt::Display| all.push((name.to_owned(), value.to_string()));
    add("system", &"build");
    add("system.hosttype", &"build");
    add("system.servertype", &"OnPremises");
    add("system.culture", &"en-US");
    add("system.collectionId", &around.organization_id);
    add("system.collectionUri", &collection);
    add("system.teamFoundationCollectionUri", &collection);
    add("system.teamFoundationServerUri", &collection);
    add("system.taskDefinitionsUri", &collection);
    add("system.teamProject", &PROJECT);
    add("system.teamProjectId", &around.project_id);
    add("system.definitionId", &run.pipeline_id);
    add("system.definitionName", &run.pipeline_name);
    add("system.planId", &run.plan_id);
    add("system.timelineId", &run.timeline_id);
    add("system.jobId", &copy.job_id);
    add("system.jobName", &(if copy.name.is_empty() { &job.job.name } else { &copy.name }));
    add("system.jobDisplayName", &display_name(run, at));
    add("system.jobIdentifier", &run.identifier(at));
    add("system.jobAttempt", &1);
    add("system.jobTimeout", &job.job.timeout_minutes);
    add("system.phaseName", &job.job.name);
    add("system.phaseAttempt", &1);
    add("system.stageName", &stage.name);
    add("system.stageDisplayName", &stage.display_name);
    add("system.stageAttempt", &1);
    // What the service sends for every organization by now.
    add("agent.taskRestrictionsEnforcementMode", &"Enabled");
    add("system.enableAccessToken", &"SecretVariable");
    add("system.oidcRequestUri", &format!("{plan}/jobs/{}/oidctoken", copy.job_id));
    add("system.parallelExecutionType", &(if copy.name.is_empty() { "None" } else { "MultiConfiguration" }));
    if let Some(environment) = &job.job.environment {
        add("environment.name", environment);
    }
    all
}

/// The variables of the build, which are known before any job.
pub(crate) fn build_variables(run: &Run) -> Vec<(String, String)> {
    let pairs: [(&str, String); 15] = [
        ("build.buildId", run.id.to_string()),
        ("build.buildNumber", run.number.clone()),
        ("build.buildUri", format!("vstfs:///Build/Build/{}", run.id)),
        ("build.containerId", run.id.to_string()),
        ("build.definitionName", run.pipeline_name.clone()),
        ("build.definitionVersion", "1".to_owned()),
        ("build.reason", "Manual".to_owned()),
        ("build.queuedBy", "Owner of contoso".to_owned()),
        ("build.requestedFor", "Owner of contoso".to_owned()),
        ("build.repository.id", REPOSITORY_ID.to_owned()),
        ("build.repository.name", PROJECT.to_owned()),
        ("build.repository.provider", "TfsGit".to_owned()),
        ("build.sourceBranch", BRANCH.to_owned()),
        ("build.sourceBranchName", "main".to_owned()),
        ("build.sourceVersion", VERSION.to_owned()),
    ];
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use uuid::Uuid;

    use super::{Surroundings, TaskReference, job_message};
    use crate::pipelines::connections::{Connection, NewConnection};
    use crate::pipelines::engine::tests::run_of;
    use crate::pipelines::run::{At, Shade};

    fn task(name: &str, major: u32) -> TaskReference {
        let connection_inputs = vec!["azureSubscription".to_owned()];
        TaskReference {
            id: format!("id-of-{name}"),
            name: name.to_owned(),
            version: format!("{major}.1.0"),
            connection_inputs,
        }
    }

    /// The message for the only job of a pipeline.
    fn message(text: &str, secret: &str) -> Value {
        let new: NewConnection = serde_json::from_value(json!({
            "type": "azurerm", "url": "https://management.example/", "scheme": "ServicePrincipal",
            "parameters": {"serviceprincipalkey": "k"}, "data": {"subscriptionId": "s"},
        }))
        .expect("a connection");
        let around = Surroundings {
            organization_id: Uuid::nil(),
            project_id: Uuid::nil(),
            variables: &vec![
                ("color".to_owned(), Shade::open("red")),
                ("key".to_owned(), Shade::hidden(secret)),
            ],
            task: &|name, major| Some(task(name, major)),
            connections: &[Connection::new(Uuid::nil(), "azure", new)],
        };
        job_message(&run_of(text), At { stage: 0, job: 0, copy: 0 }, &around)
    }

    /// Ids that are made anew each time become one word.
    fn steady(message: &Value) -> String {
        let text = serde_json::to_string_pretty(message).expect("JSON");
        let steady = |word: &str| {
            if word.parse::<Uuid>().is_ok_and(|id| !id.is_nil()) { "ID".to_owned() } else { word.to_owned() }
        };
        let parts: Vec<String> =
            text.split('"').map(|part| part.split('/').map(steady).collect::<Vec<_>>().join("/")).collect();
        parts.join("\"")
    }

    #[test]
    fn an_agent_gets_everything_it_needs() {
        let text = "
jobs:
- job: provision
  displayName: Provision an agent
  steps:
  - script: echo $(color)
    name: greet
    env: {KEY: $(key)}
  - task: AzureContainerAgentCreate@1
    inputs: {azureSubscription: azure, agentPool: p}
    condition: always()
";
        insta::assert_snapshot!(steady(&message(text, "a.b")));
    }

    #[test]
    fn a_connection_comes_only_with_the_task_that_names_it() {
        let with = message("steps: [{task: T@1, inputs: {azureSubscription: AZURE}}]", "s");
        let endpoints = with["resources"]["endpoints"].as_array().expect("endpoints");
        assert_eq!(endpoints[1]["authorization"]["parameters"]["serviceprincipalkey"], "k");
        assert_eq!(with["steps"][1]["inputs"]["azureSubscription"], Uuid::nil().to_string());
        let without = message("steps: [{task: T@1, inputs: {other: azure}}]", "s");
        assert_eq!(without["resources"]["endpoints"].as_array().map(Vec::len), Some(1));
    }

    #[test]
    fn a_secret_is_masked_as_a_text_and_marked() {
        let message = message("steps: [{script: x}]", "a.b");
        assert_eq!(
            message["mask"],
            json!([{"type": "variable", "value": "key"}, {"type": "regex", "value": r"a\.b"}])
        );
        assert_eq!(message["variables"]["key"], json!({"value": "a.b", "isSecret": true}));
    }
}
