//! Runs under their older name: builds. Here too they are started; here they are cancelled, and their timeline is read.

use std::collections::BTreeMap;

use hyper::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{check_may_run, check_project, no_definition, project, project_url, run, runs};
use crate::devops::{Call, Refusal, collection, endpoint, time, without_nulls};
use crate::http::{Query, Reply, Router};
use crate::pipelines::execution;
use crate::pipelines::run::{Outcome, Phase, Run, Shade};

/// Adds the routes.
pub(super) fn routes(router: &mut Router) {
    endpoint(router, Method::GET, "{project}/_apis/build/builds", list);
    endpoint(router, Method::POST, "{project}/_apis/build/builds", queue);
    endpoint(router, Method::GET, "{project}/_apis/build/builds/{build}", get);
    endpoint(router, Method::PATCH, "{project}/_apis/build/builds/{build}", update);
    endpoint(router, Method::GET, "{project}/_apis/build/builds/{build}/timeline", timeline);
    endpoint(router, Method::GET, "{project}/_apis/build/builds/{build}/artifacts", artifacts);
}

fn status(run: &Run) -> &'static str {
    match run.phase {
        Phase::Completed(_) => "completed",
        _ if run.cancel_requested => "cancelling",
        _ => "inProgress",
    }
}

fn result(run: &Run) -> Option<&'static str> {
    run.phase.outcome().map(|outcome| match outcome {
        Outcome::Succeeded | Outcome::Skipped => "succeeded",
        Outcome::SucceededWithIssues => "partiallySucceeded",
        Outcome::Canceled => "canceled",
        Outcome::Failed | Outcome::Abandoned => "failed",
    })
}

fn shown(state: &crate::State, run: &Run, base: &str) -> Value {
    let url = format!("{}/build/Builds/{}", project_url(base), run.id);
    without_nulls(json!({
        "id": run.id, "buildNumber": run.number, "status": status(run), "result": result(run),
        "queueTime": time(run.created), "startTime": time(run.created), "finishTime": run.finished.map(time),
        "url": url, "uri": format!("vstfs:///Build/Build/{}", run.id), "reason": "manual", "priority": "normal",
        "sourceBranch": "refs/heads/main", "project": project(state, base),
        "definition": {
            "id": run.pipeline_id, "name": run.pipeline_name, "path": "\\", "type": "build", "revision": 1,
            "url": format!("{}/build/Definitions/{}?revision=1", project_url(base), run.pipeline_id),
        },
        "orchestrationPlan": {"planId": run.plan_id}, "plans": [{"planId": run.plan_id}],
        "logs": {"id": 0, "type": "Container", "url": format!("{url}/logs")},
        "_links": {"self": {"href": url}, "timeline": {"href": format!("{url}/Timeline")}},
    }))
}

/// Which builds a list is about.
struct Filter {
    definitions: Option<Vec<u64>>,
    builds: Option<Vec<u64>>,
    number: Option<String>,
    statuses: Option<Vec<&'static str>>,
    results: Option<Vec<&'static str>>,
}

impl Filter {
    fn of(query: &Query) -> Self {
        let text = |name: &str| query.get(name).filter(|text| !text.is_empty());
        let numbers = |name: &str| -> Option<Vec<u64>> {
            Some(text(name)?.split(',').filter_map(|id| id.trim().parse().ok()).collect())
        };
        Self {
            definitions: numbers("definitions"),
            builds: numbers("buildIds"),
            number: text("buildNumber").map(str::to_owned),
            statuses: text("statusFilter").map(|wanted| flags(wanted, &STATUSES)),
            results: text("resultFilter").map(|wanted| flags(wanted, &RESULTS)),
        }
    }

    fn takes(&self, run: &Run) -> bool {
        let is_in = |ids: &Option<Vec<u64>>, id| ids.as_ref().is_none_or(|ids| ids.contains(&id));
        is_in(&self.definitions, run.pipeline_id)
            && is_in(&self.builds, run.id)
            && self.number.as_ref().is_none_or(|number| run.number.eq_ignore_ascii_case(number))
            && self.statuses.as_ref().is_none_or(|wanted| wanted.contains(&status(run)))
            && self.results.as_ref().is_none_or(|wanted| result(run).is_some_and(|own| wanted.contains(&own)))
    }
}

/// The states of builds, with the bits that stand for them.
const STATUSES: [(&str, u64); 5] =
    [("inProgress", 1), ("completed", 2), ("cancelling", 4), ("postponed", 8), ("notStarted", 32)];
/// The same for their results.
const RESULTS: [(&str, u64); 4] =
    [("succeeded", 2), ("partiallySucceeded", 4), ("failed", 8), ("canceled", 32)];

/// The names that a client means, by names or by their bits; `all` are all of them.
fn flags(text: &str, known: &[(&'static str, u64)]) -> Vec<&'static str> {
    let bits = text.parse::<u64>().unwrap_or(0);
    let means = |name: &str| text.split(',').any(|part| part.trim().eq_ignore_ascii_case(name));
    let meant = known.iter().filter(|(name, bit)| bits & bit != 0 || means(name) || means("all"));
    meant.map(|(name, _)| *name).collect()
}

async fn list(call: Call) -> Result<Reply, Reply> {
    check_project(&call)?;
    let query = &call.request.query;
    let filter = Filter::of(query);
    let top = query.number("$top").and_then(|top| usize::try_from(top).ok()).unwrap_or(usize::MAX);
    let builds: Vec<Value> = call.emulator.read(|state| {
        let runs = state.pipelines.runs.values().rev().filter(|run| filter.takes(run));
        runs.take(top).map(|run| shown(state, run, &call.request.base_url)).collect()
    });
    Ok(Reply::json(200, &collection(&builds)))
}

/// What starts a build. What the service knows besides is ignored where it changes nothing here.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct NewBuild {
    definition: OfDefinition,
    /// Variables, as JSON in a text.
    parameters: Option<String>,
    template_parameters: Option<BTreeMap<String, Value>>,
}

#[derive(Deserialize)]
struct OfDefinition {
    id: u64,
}

async fn queue(call: Call) -> Result<Reply, Reply> {
    check_project(&call)?;
    check_may_run(&call)?;
    let problem = |error| Refusal::bad_request(format!("The body is not as expected: {error}"));
    let new: NewBuild = call.request.json().map_err(problem)?;
    let id = new.definition.id;
    let found = call.emulator.read(|state| state.pipelines.definitions.get(&id).cloned());
    let found = found.ok_or_else(|| no_definition(id))?;
    let variables: BTreeMap<String, String> = match new.parameters.as_deref().unwrap_or_default() {
        "" => BTreeMap::new(),
        text => serde_json::from_str(text).map_err(problem)?,
    };
    let variables = variables.into_iter().map(|(name, value)| (name, Shade::open(value))).collect();
    let parameters = new.template_parameters.unwrap_or_default();
    let run_id = runs::begin(&call.emulator, found, parameters, variables).await.map_err(runs::invalid)?;
    Ok(Reply::json(
        200,
        &call.emulator.read(|state| {
            state.pipelines.runs.get(&run_id).map(|run| shown(state, run, &call.request.base_url))
        }),
    ))
}

async fn get(call: Call) -> Result<Reply, Reply> {
    let run = run(&call, "build")?;
    Ok(Reply::json(200, &call.emulator.read(|state| shown(state, &run, &call.request.base_url))))
}

async fn update(call: Call) -> Result<Reply, Reply> {
    let found = run(&call, "build")?;
    check_may_run(&call)?;
    let body: Value = call
        .request
        .json()
        .map_err(|error| Refusal::bad_request(format!("The body is not JSON: {error}")))?;
    // 4 is the number of `cancelling`, which some clients send.
    if !body["status"].as_str().is_some_and(|status| status.eq_ignore_ascii_case("cancelling"))
        && body["status"] != 4
    {
        return Err(
            Refusal::bad_request("Of a build only the status can be changed here, to cancelling.").into()
        );
    }
    call.emulator.change(|state| execution::cancel_run(state, found.id));
    get(call).await
}

async fn timeline(call: Call) -> Result<Reply, Reply> {
    let run = run(&call, "build")?;
    let logs = format!("{}/build/builds/{}/logs", project_url(&call.request.base_url), run.id);
    let shown = call.emulator.read(|state| {
        let timeline = state.devops.plans.get(&run.plan_id)?.timelines.get(&run.timeline_id)?;
        let records: Vec<Value> = timeline.records.iter().map(|record| record_shown(record, &logs)).collect();
        Some(json!({"id": run.timeline_id, "changeId": timeline.change_id, "records": records}))
    });
    Ok(Reply::json(200, &shown))
}

/// A record as builds show it: without variables, and with the way to its log.
fn record_shown(record: &crate::devops::Record, logs: &str) -> Value {
    let mut shown = record.clone();
    shown.remove("variables");
    if let Some(id) = shown.get("log").and_then(|log| log["id"].as_u64()) {
        shown.insert("log".to_owned(), json!({"id": id, "type": "Container", "url": format!("{logs}/{id}")}));
    }
    Value::Object(shown)
}

/// There are none: steps that publish are not emulated.
async fn artifacts(call: Call) -> Result<Reply, Reply> {
    run(&call, "build")?;
    Ok(Reply::json(200, &collection(&[])))
}
