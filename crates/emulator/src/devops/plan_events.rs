//! Events that a job sends to its plan; the one that says that it is done ends it.

use hyper::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use super::job_requests::finish_job;
use super::plan_views::{PLAN, plan_of};
use super::wire::Refusal;
use super::{Call, endpoint, put_record};
use crate::http::{Reply, Router};

/// Results in the order of their numbers.
const RESULTS: [&str; 6] = ["succeeded", "succeededWithIssues", "failed", "canceled", "skipped", "abandoned"];

/// The name of a result that comes as name or as number.
pub(super) fn result_name(value: &Value) -> Option<&'static str> {
    match value {
        Value::Number(number) => RESULTS.get(usize::try_from(number.as_u64()?).ok()?).copied(),
        Value::String(name) => RESULTS.into_iter().find(|known| known.eq_ignore_ascii_case(name)),
        _ => None,
    }
}

/// Adds the route.
pub(super) fn routes(router: &mut Router) {
    endpoint(router, Method::POST, &format!("{PLAN}/events"), post);
}

async fn post(call: Call) -> Result<Reply, Reply> {
    let plan_id = plan_of(&call)?;
    call.caller.require_plan(plan_id)?;
    let event = super::body(&call.request)?;
    if event["name"].as_str() != Some("JobCompleted") {
        // What has begun is known from the lock and the records.
        return Ok(Reply::status(204));
    }
    let job_id = event["jobId"].as_str().and_then(|id| id.parse::<Uuid>().ok()).unwrap_or(Uuid::nil());
    let result = result_name(&event["result"])
        .ok_or_else(|| Refusal::bad_request(format!("{} is not the result of a job.", event["result"])))?;
    let shutting_down = event["agentShuttingDown"].as_bool().unwrap_or(false);
    call.emulator.change(|state| {
        let mut requests = state.devops.requests.values();
        let request = requests.find(|request| request.plan_id == plan_id && request.job_id == job_id);
        let id = request.map(|request| request.id).ok_or_else(|| {
            let message = format!("The job {job_id} of plan {plan_id} cannot be found.");
            Refusal::new(404, "TaskAgentJobNotFoundException", message)
        })?;
        if let Some(outputs) = event["outputs"].as_object().filter(|outputs| !outputs.is_empty()) {
            put_record(state, plan_id, json!({"id": job_id, "variables": outputs}));
        }
        finish_job(state, id, result, shutting_down);
        Ok::<_, Refusal>(())
    })?;
    Ok(Reply::status(204))
}

#[cfg(test)]
mod tests {
    use super::result_name;
    use serde_json::json;

    #[test]
    fn a_result_comes_as_name_or_number() {
        assert_eq!(result_name(&json!("Succeeded")), Some("succeeded"));
        assert_eq!(result_name(&json!(3)), Some("canceled"));
        assert_eq!(result_name(&json!(9)), None);
        assert_eq!(result_name(&json!("well")), None);
    }
}
