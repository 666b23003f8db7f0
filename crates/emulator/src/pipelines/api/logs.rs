//! Logs of a build: the list, and one as text or as JSON.

use hyper::Method;
use serde_json::{Value, json};

use super::{number, project_url, run};
use crate::devops::{Call, Refusal, collection, endpoint, time};
use crate::http::{Reply, Router};

/// Adds the routes.
pub(super) fn routes(router: &mut Router) {
    endpoint(router, Method::GET, "{project}/_apis/build/builds/{build}/logs", list);
    endpoint(router, Method::GET, "{project}/_apis/build/builds/{build}/logs/{log}", get);
}

async fn list(call: Call) -> Result<Reply, Reply> {
    let run = run(&call, "build")?;
    let url = format!("{}/build/builds/{}/logs", project_url(&call.request.base_url), run.id);
    let logs: Vec<Value> = call.emulator.read(|state| {
        let logs = state.devops.plans.get(&run.plan_id).into_iter().flat_map(|plan| plan.logs.values());
        let shown = |log: &crate::devops::Log| {
            json!({
                "id": log.id, "type": "Container", "url": format!("{url}/{}", log.id),
                "lineCount": log.text.lines().count(), "createdOn": time(log.created_on),
                "lastChangedOn": time(log.changed_on),
            })
        };
        logs.map(shown).collect()
    });
    Ok(Reply::json(200, &collection(&logs)))
}

async fn get(call: Call) -> Result<Reply, Reply> {
    let run = run(&call, "build")?;
    let id = number(&call, "log")?;
    let lines: Option<Vec<String>> = call.emulator.read(|state| {
        let lines = state.devops.plans.get(&run.plan_id)?.log_lines(id)?;
        Some(lines.into_iter().map(str::to_owned).collect())
    });
    let missing =
        || Refusal::new(404, "LogNotFoundException", format!("Log {id} of build {} does not exist.", run.id));
    let lines = wanted(&call, lines.ok_or_else(missing)?);
    if call.request.header("accept").is_some_and(|accept| accept.contains("application/json")) {
        let lines: Vec<Value> = lines.into_iter().map(Value::from).collect();
        return Ok(Reply::json(200, &collection(&lines)));
    }
    let text: String = lines.iter().flat_map(|line| [line.as_str(), "\n"]).collect();
    Ok(Reply::text(200, "text/plain; charset=utf-8", &text))
}

/// From `startLine` to `endLine`, both counted from 0 and included.
fn wanted(call: &Call, lines: Vec<String>) -> Vec<String> {
    let line = |name: &str| call.request.query.number(name).and_then(|line| usize::try_from(line).ok());
    let (start, end) = (line("startLine").unwrap_or(0), line("endLine").unwrap_or(usize::MAX));
    lines
        .into_iter()
        .enumerate()
        .filter(|(index, _)| (start..=end).contains(index))
        .map(|(_, line)| line)
        .collect()
}
