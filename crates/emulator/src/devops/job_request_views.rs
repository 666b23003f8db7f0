//! Job requests as clients see and change them.

use hyper::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use super::agents::reference;
use super::demands::all_met;
use super::job_requests::{JobRequest, finish_job, renew};
use super::plan_events::result_name;
use super::pools::visible;
use super::sessions::listened;
use super::wire::{Refusal, collection, time, without_nulls};
use super::{Call, Caller, endpoint};
use crate::http::{Query, Reply, Router};

/// No list is longer, whatever it asks for (KEDA's issue 6819).
const LONGEST: usize = 200;

/// Adds the routes.
pub(super) fn routes(router: &mut Router) {
    const REQUESTS: &str = "_apis/distributedtask/pools/{pool}/jobrequests";
    const REQUEST: &str = "_apis/distributedtask/pools/{pool}/jobrequests/{request}";
    endpoint(router, Method::GET, REQUESTS, list);
    endpoint(router, Method::GET, REQUEST, get);
    endpoint(router, Method::PATCH, REQUEST, update);
    endpoint(router, Method::DELETE, REQUEST, delete);
    endpoint(
        router,
        Method::GET,
        "{project}/_apis/distributedtask/queues/{queue}/agentrequests",
        list_of_queue,
    );
}

/// A request as clients see it; with `matched` also which agents could do it.
pub(super) fn shown(state: &crate::State, request: &JobRequest, base: &str, matched: bool) -> Value {
    let moment = |moment: Option<jiff::Timestamp>| moment.map(time);
    let mut shown = without_nulls(json!({
        "requestId": request.id, "queueTime": time(request.queue_time), "assignTime": moment(request.assign_time),
        "receiveTime": moment(request.receive_time), "finishTime": moment(request.finish_time),
        "lockedUntil": moment(request.locked_until), "result": request.result,
        "serviceOwner": super::discovery::SERVICE_OWNER, "hostId": state.devops.organization_id,
        "scopeId": request.scope, "planType": "Build", "planId": request.plan_id,
        "planGroup": format!("Build:{}:{}", request.scope, request.owner.id), "jobId": request.job_id,
        "jobName": request.job_name, "demands": request.demands, "reservedAgent": reserved(state, request, base),
        "definition": request.definition.json(), "owner": request.owner.json(),
        "data": {"ParallelismTag": "Private", "IsScheduledKey": "False"}, "poolId": request.pool_id,
        "queueId": request.queue_id, "orchestrationId": format!("{}.{}", request.plan_id, request.job_name),
        "priority": 0, "userDelayed": false, "agentDelays": [],
    }));
    if matched && request.finish_time.is_none() {
        let demands = request.parsed_demands();
        let agents = || state.devops.agents.values().filter(|agent| agent.pool_id == request.pool_id);
        let able: Vec<Value> = agents()
            .filter(|agent| all_met(&demands, &agent.capabilities()))
            .map(|agent| Value::Object(reference(agent, agent.online, base)))
            .collect();
        shown["matchesAllAgentsInPool"] = json!(able.len() == agents().count());
        shown["matchedAgents"] = Value::Array(able);
    }
    shown
}

fn reserved(state: &crate::State, request: &JobRequest, base: &str) -> Option<Value> {
    let reserved = request.agent.as_ref()?;
    if let Some(agent) = state.devops.agents.get(&reserved.id) {
        return Some(Value::Object(reference(agent, agent.online, base)));
    }
    Some(json!({
        "id": reserved.id, "name": reserved.name, "version": reserved.version,
        "osDescription": reserved.os_description, "enabled": true, "status": "offline",
        "provisioningState": "Deprovisioned",
    }))
}

pub(super) fn not_found(id: impl std::fmt::Display) -> Refusal {
    Refusal::new(404, "TaskAgentJobNotFoundException", format!("The job request {id} cannot be found."))
}

fn of_path(state: &crate::State, call: &Call, pool_id: u64) -> Result<JobRequest, Refusal> {
    let text = call.request.param("request");
    let id = text.parse::<u64>().map_err(|_| not_found(text))?;
    let found = state.devops.requests.get(&id).filter(|request| request.pool_id == pool_id);
    found.cloned().ok_or_else(|| not_found(id))
}

/// Which requests a list is about.
struct Filter {
    agents: Option<Vec<u64>>,
    plan: Option<Uuid>,
    job: Option<Uuid>,
}

impl Filter {
    fn of(query: &Query) -> Self {
        let numbers = |text: &str| text.split(',').filter_map(|id| id.trim().parse().ok()).collect();
        let id = |name: &str| query.get(name).and_then(|id| id.parse().ok());
        let agents = query.get("agentIds").or_else(|| query.get("agentId")).map(numbers);
        Self { agents, plan: id("planId"), job: id("jobId") }
    }

    fn takes(&self, request: &JobRequest) -> bool {
        let of_agent = |agents: &Vec<u64>| agents.iter().any(|agent| request.is_of(*agent));
        self.agents.as_ref().is_none_or(of_agent)
            && self.plan.is_none_or(|plan| request.plan_id == plan)
            && self.job.is_none_or(|job| request.job_id == job)
    }
}

async fn list(call: Call) -> Result<Reply, Reply> {
    let pool = visible(&call)?;
    Ok(page(&call, |request| request.pool_id == pool.id))
}

async fn list_of_queue(call: Call) -> Result<Reply, Reply> {
    let queue = super::queues::of_path(&call)?;
    Ok(page(&call, |request| request.queue_id == queue.id))
}

/// A page of the requests that are wanted, the newest first.
fn page(call: &Call, is_here: impl Fn(&JobRequest) -> bool) -> Reply {
    let query = &call.request.query;
    let filter = Filter::of(query);
    let completed = query.number("completedRequestCount");
    let top = query.number("$top").map(|top| usize::try_from(top).unwrap_or(LONGEST).clamp(1, LONGEST));
    let before = query.number("continuationToken").unwrap_or(u64::MAX);
    call.emulator.read(|state| {
        let newest_first = state.devops.requests.range(..before).rev().map(|(_, request)| request);
        let mut finished = 0;
        let mut found = newest_first
            .filter(|request| is_here(request) && filter.takes(request))
            .filter(|request| {
                finished += u64::from(request.finish_time.is_some());
                request.finish_time.is_none() || completed.is_none_or(|most| finished <= most)
            })
            .peekable();
        let page: Vec<&JobRequest> = found.by_ref().take(top.unwrap_or(LONGEST)).collect();
        let shown: Vec<Value> =
            page.iter().map(|request| shown(state, request, &call.request.base_url, top.is_none())).collect();
        let reply = Reply::json(200, &collection(&shown));
        match (top, page.last(), found.peek()) {
            (Some(_), Some(last), Some(_)) => reply.header("x-ms-continuationtoken", &last.id.to_string()),
            _ => reply,
        }
    })
}

async fn get(call: Call) -> Result<Reply, Reply> {
    let pool = visible(&call)?;
    let shown = call.emulator.read(|state| {
        of_path(state, &call, pool.id).map(|request| shown(state, &request, &call.request.base_url, true))
    })?;
    Ok(Reply::json(200, &shown))
}

/// The request of the path, which the caller may work on: its agent, or who manages the pool.
fn worked_on(state: &crate::State, call: &Call, pool_id: u64) -> Result<JobRequest, Refusal> {
    let request = of_path(state, call, pool_id)?;
    match call.caller {
        Caller::Agent { agent_id, .. } if !request.is_of(agent_id) => Err(not_found(request.id)),
        _ => Ok(request),
    }
}

/// Renews the lock, or ends the request when the body has a result.
async fn update(call: Call) -> Result<Reply, Reply> {
    let pool = listened(&call)?;
    let body = super::body(&call.request)?;
    let shown = call.emulator.change(|state| {
        let request = worked_on(state, &call, pool.id)?;
        if let Some(result) = result_name(&body["result"]) {
            finish_job(state, request.id, result, false);
        } else if renew(state, request.id).is_none() {
            let message = format!("The lock of job request {} has lapsed, or nobody has it.", request.id);
            return Err(Refusal::new(403, "TaskAgentJobTokenExpiredException", message));
        }
        of_path(state, &call, pool.id).map(|request| shown(state, &request, &call.request.base_url, false))
    })?;
    Ok(Reply::json(200, &shown))
}

async fn delete(call: Call) -> Result<Reply, Reply> {
    let pool = listened(&call)?;
    let query = &call.request.query;
    let result = result_name(&json!(query.get("result").unwrap_or("canceled"))).unwrap_or("canceled");
    call.emulator.change(|state| {
        let request = worked_on(state, &call, pool.id)?;
        finish_job(state, request.id, result, query.is_true("agentShuttingDown"));
        Ok::<_, Refusal>(())
    })?;
    Ok(Reply::status(204))
}
