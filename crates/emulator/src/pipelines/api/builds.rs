//! Runs under their older name: builds. Here they are cancelled, and their timeline is read.

use hyper::Method;
use serde_json::{Value, json};

use super::{check_may_run, check_project, project, project_url, run};
use crate::devops::{Call, Refusal, collection, endpoint, time, without_nulls};
use crate::http::{Reply, Router};
use crate::pipelines::execution;
use crate::pipelines::run::{Outcome, Phase, Run};

/// Adds the routes.
pub(super) fn routes(router: &mut Router) {
    endpoint(router, Method::GET, "{project}/_apis/build/builds", list);
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

fn shown(state: &crate::State, run: &Run, base: &str) -> Value {
    let result = run.phase.outcome().map(|outcome| match outcome {
        Outcome::Succeeded | Outcome::Skipped => "succeeded",
        Outcome::SucceededWithIssues => "partiallySucceeded",
        Outcome::Canceled => "canceled",
        Outcome::Failed | Outcome::Abandoned => "failed",
    });
    let url = format!("{}/build/Builds/{}", project_url(base), run.id);
    without_nulls(json!({
        "id": run.id, "buildNumber": run.number, "status": status(run), "result": result,
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

async fn list(call: Call) -> Result<Reply, Reply> {
    check_project(&call)?;
    let query = &call.request.query;
    let definitions: Option<Vec<u64>> =
        query.get("definitions").map(|ids| ids.split(',').filter_map(|id| id.trim().parse().ok()).collect());
    let wanted = query.get("statusFilter").filter(|status| !status.eq_ignore_ascii_case("all"));
    let top = query.number("$top").and_then(|top| usize::try_from(top).ok()).unwrap_or(usize::MAX);
    let builds: Vec<Value> = call.emulator.read(|state| {
        let runs = state.pipelines.runs.values().rev();
        runs.filter(|run| definitions.as_ref().is_none_or(|ids| ids.contains(&run.pipeline_id)))
            .filter(|run| wanted.is_none_or(|wanted| wanted.eq_ignore_ascii_case(status(run))))
            .take(top)
            .map(|run| shown(state, run, &call.request.base_url))
            .collect()
    });
    Ok(Reply::json(200, &collection(&builds)))
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
