//! Runs of a pipeline: starting one, and looking at it.

use std::collections::BTreeMap;

use hyper::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{check_may_run, definition, definitions, project_url, run};
use crate::Emulator;
use crate::devops::{Call, Refusal, collection, endpoint, time, without_nulls};
use crate::http::{Reply, Router};
use crate::pipelines::expression::Value as Parameter;
use crate::pipelines::run::{Outcome, Phase, Run, Shade, Shades};
use crate::pipelines::yaml::{self, Given};
use crate::pipelines::{Definition, execution};

/// Adds the routes.
pub(super) fn routes(router: &mut Router) {
    endpoint(router, Method::POST, "{project}/_apis/pipelines/{pipeline}/runs", start);
    endpoint(router, Method::GET, "{project}/_apis/pipelines/{pipeline}/runs", list);
    endpoint(router, Method::GET, "{project}/_apis/pipelines/{pipeline}/runs/{run}", get);
}

/// What starts a run. What the service knows besides is ignored where it changes nothing here.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct RunParameters {
    variables: BTreeMap<String, GivenVariable>,
    template_parameters: BTreeMap<String, Value>,
    stages_to_skip: Vec<String>,
    preview_run: bool,
    yaml_override: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct GivenVariable {
    #[serde(default)]
    value: String,
    #[serde(default)]
    is_secret: bool,
}

impl RunParameters {
    fn check(&self) -> Result<(), Refusal> {
        let unknown = [
            (!self.stages_to_skip.is_empty(), "stagesToSkip"),
            (self.preview_run, "previewRun"),
            (self.yaml_override.as_ref().is_some_and(|text| !text.is_empty()), "yamlOverride"),
        ];
        match unknown.iter().find(|(given, _)| *given) {
            Some((_, name)) => Err(Refusal::bad_request(format!("{name} is not emulated."))),
            None => Ok(()),
        }
    }
}

async fn start(call: Call) -> Result<Reply, Reply> {
    let found = definition(&call, "pipeline")?;
    check_may_run(&call)?;
    let parameters: RunParameters = match call.request.body.as_slice() {
        [] => RunParameters::default(),
        _ => call
            .request
            .json()
            .map_err(|error| Refusal::bad_request(format!("The body is not as expected: {error}")))?,
    };
    parameters.check()?;
    let variables: Shades = parameters
        .variables
        .into_iter()
        .map(|(name, given)| {
            (name, if given.is_secret { Shade::hidden(given.value) } else { Shade::open(given.value) })
        })
        .collect();
    let run_id =
        begin(&call.emulator, found, parameters.template_parameters, variables).await.map_err(invalid)?;
    let run = call.emulator.read(|state| state.pipelines.runs.get(&run_id).cloned());
    Ok(Reply::json(200, &run.map(|run| shown(&run, &call.request.base_url))))
}

/// Starts a run of a pipeline, and gives its id; `Err` says what is wrong with the pipeline.
pub(in crate::pipelines) async fn begin(
    emulator: &Emulator,
    definition: Definition,
    parameters: BTreeMap<String, Value>,
    variables: Shades,
) -> Result<u64, String> {
    let id = definition.id;
    let given = variables.clone();
    let pipeline = tokio::task::spawn_blocking(move || read(&definition, parameters, &given)).await;
    let pipeline = pipeline.unwrap_or_else(|error| Err(error.to_string()))?;
    emulator.change(|state| execution::start_run(state, id, &pipeline, variables))
}

pub(super) fn invalid(problem: String) -> Refusal {
    Refusal::new(400, "PipelineValidationException", problem)
}

/// Reads the pipeline of a definition for a run. Reads files of templates.
fn read(
    definition: &Definition,
    parameters: BTreeMap<String, Value>,
    variables: &Shades,
) -> Result<crate::pipelines::model::Pipeline, String> {
    let open = definition.variables.iter().chain(variables).filter(|(_, value)| !value.is_hidden());
    let given = Given {
        parameters: parameters.into_iter().map(|(name, value)| (name, parameter(value))).collect(),
        variables: open.map(|(name, value)| (name.clone(), value.reveal().to_owned())).collect(),
    };
    let root = std::path::Path::new(&definition.repository);
    let source = |path: &str| {
        std::fs::read_to_string(root.join(path))
            .map_err(|error| format!("File /{path} not found in the repository: {error}"))
    };
    yaml::read_pipeline(&definition.file, &definition.yaml, &given, &source)
        .map_err(|refusal| refusal.to_string())
}

/// A parameter's value: the service takes texts, and clients send JSON of other kinds too.
fn parameter(value: Value) -> Parameter {
    match value {
        Value::Null => Parameter::Null,
        Value::Bool(value) => Parameter::Boolean(value),
        Value::Number(number) => Parameter::Text(number.to_string()),
        Value::String(text) => Parameter::Text(text),
        Value::Array(items) => Parameter::List(items.into_iter().map(parameter).collect()),
        Value::Object(members) => {
            Parameter::Object(members.into_iter().map(|(name, value)| (name, parameter(value))).collect())
        }
    }
}

/// A run as this part of the service shows it.
fn shown(run: &Run, base: &str) -> Value {
    let state = match run.phase {
        Phase::Completed(_) => "completed",
        _ if run.cancel_requested => "canceling",
        _ => "inProgress",
    };
    // Assumed: this part of the service knows no partial success.
    let result = run.phase.outcome().map(|outcome| match outcome {
        Outcome::Succeeded | Outcome::SucceededWithIssues | Outcome::Skipped => "succeeded",
        Outcome::Canceled => "canceled",
        Outcome::Failed | Outcome::Abandoned => "failed",
    });
    let url = format!("{}/pipelines/{}/runs/{}", project_url(base), run.pipeline_id, run.id);
    without_nulls(json!({
        "id": run.id, "name": run.number, "state": state, "result": result, "createdDate": time(run.created),
        "finishedDate": run.finished.map(time), "url": url,
        "pipeline": definitions::reference(run.pipeline_id, &run.pipeline_name, base),
        "_links": {"self": {"href": url}},
    }))
}

async fn list(call: Call) -> Result<Reply, Reply> {
    let found = definition(&call, "pipeline")?;
    let runs: Vec<Value> = call.emulator.read(|state| {
        let runs = state.pipelines.runs.values().rev().filter(|run| run.pipeline_id == found.id);
        runs.map(|run| shown(run, &call.request.base_url)).collect()
    });
    Ok(Reply::json(200, &collection(&runs)))
}

async fn get(call: Call) -> Result<Reply, Reply> {
    definition(&call, "pipeline")?;
    Ok(Reply::json(200, &shown(&run(&call, "run")?, &call.request.base_url)))
}
