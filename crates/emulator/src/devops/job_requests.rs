//! Job requests: queued, assigned, running, finished.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use super::agents::AgentMessage;
use super::demands::{Demand, all_met};
use super::scheduler::{Candidate, Waiting, assign};
use super::wire::{Reference, Secret, time_span};
use super::{Due, later};
use crate::journal::Event;

/// How long an agent holds a job without renewing.
const LOCK: Duration = Duration::from_mins(10);
/// How long past the time-out of a cancellation the service waits for the agent to report.
/// Assumed: the agent itself kills the job one minute after the time-out, and the service gives it that minute.
const CANCEL_GRACE: Duration = Duration::from_mins(1);
/// The demand that the service adds to each job.
/// Assumed: the version differs by what the job's tasks need; this one is what most real requests show.
const VERSION_DEMAND: &str = "Agent.Version -gtVersion 2.182.1";

/// A job for the agents of a pool.
#[derive(Clone, Debug)]
pub struct NewJobRequest {
    /// The pool.
    pub pool_id: u64,
    /// The queue through which the project uses it.
    pub queue_id: u64,
    /// The plan, known by [`super::create_plan`].
    pub plan_id: Uuid,
    /// The job in the plan.
    pub job_id: Uuid,
    /// Its name.
    pub job_name: String,
    /// What it demands of an agent, as written.
    pub demands: Vec<String>,
    /// The pipeline.
    pub definition: Reference,
    /// The run.
    pub owner: Reference,
    /// The `AgentJobRequestMessage` without `messageType`, `requestId` and `lockedUntil`, which are filled in at
    /// delivery. In any of its texts [`super::BASE_URL`] becomes the URL by which the agent knows the emulator, and
    /// [`super::JOB_TOKEN`] the access token of the job.
    pub message: Value,
}

/// No registered agent of the pool can do the job: the service refuses to queue it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoAgent {
    /// The service's text.
    pub message: String,
}

/// The agent that has a request, as it was when it got it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ReservedAgent {
    /// Its id.
    pub id: u64,
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its operating system.
    pub os_description: String,
}

/// A job request.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct JobRequest {
    /// Its id.
    pub id: u64,
    /// The pool.
    pub pool_id: u64,
    /// The queue.
    pub queue_id: u64,
    /// The plan.
    pub plan_id: Uuid,
    /// The project.
    pub scope: Uuid,
    /// The job in the plan.
    pub job_id: Uuid,
    /// Its name.
    pub job_name: String,
    /// What it demands, with what the service adds.
    pub demands: Vec<String>,
    /// The pipeline.
    pub definition: Reference,
    /// The run.
    pub owner: Reference,
    /// When it was queued.
    pub queue_time: Timestamp,
    /// When it got an agent.
    pub assign_time: Option<Timestamp>,
    /// When the agent first renewed its lock, which is when it runs.
    pub receive_time: Option<Timestamp>,
    /// When it ended.
    pub finish_time: Option<Timestamp>,
    /// Until when the agent holds it.
    pub locked_until: Option<Timestamp>,
    /// How it ended: `succeeded`, `succeededWithIssues`, `failed`, `canceled`, `skipped`, `abandoned`.
    pub result: Option<String>,
    /// Who has it.
    pub agent: Option<ReservedAgent>,
    /// Whether it is to be cancelled.
    pub cancelling: bool,
    pub(crate) secret_message: Secret,
}

impl JobRequest {
    /// Whether it waits for an agent.
    pub fn is_waiting(&self) -> bool {
        self.assign_time.is_none() && self.finish_time.is_none()
    }

    /// Whether an agent works on it.
    pub fn is_running(&self) -> bool {
        self.receive_time.is_some() && self.finish_time.is_none()
    }

    /// Whether this agent has it, finished or not.
    pub fn is_of(&self, agent_id: u64) -> bool {
        self.agent.as_ref().is_some_and(|agent| agent.id == agent_id)
    }

    pub(crate) fn parsed_demands(&self) -> Vec<Demand> {
        self.demands.iter().map(|demand| Demand::parse(demand)).collect()
    }
}

/// Queues a job, and gives it to an agent if one is free. Returns the id of the request.
///
/// `Err` when no registered agent of a self-hosted pool meets the demands, online or not: then the service does not
/// queue the job, and the run fails with that text.
pub fn queue_job(state: &mut crate::State, new: NewJobRequest) -> Result<u64, NoAgent> {
    let mut demands = new.demands;
    if !demands.iter().any(|demand| demand.to_ascii_lowercase().starts_with("agent.version")) {
        demands.push(VERSION_DEMAND.to_owned());
    }
    refuse_without_agent(state, new.pool_id, &demands)?;
    let devops = &mut state.devops;
    devops.last_request_id += 1;
    let scope = devops.plans.get(&new.plan_id).map_or(devops.project_id, |plan| plan.scope);
    let request = JobRequest {
        id: devops.last_request_id,
        pool_id: new.pool_id,
        queue_id: new.queue_id,
        plan_id: new.plan_id,
        scope,
        job_id: new.job_id,
        job_name: new.job_name,
        demands,
        definition: new.definition,
        owner: new.owner,
        queue_time: state.now,
        assign_time: None,
        receive_time: None,
        finish_time: None,
        locked_until: None,
        result: None,
        agent: None,
        cancelling: false,
        secret_message: Secret(new.message.to_string()),
    };
    let id = request.id;
    devops.requests.insert(id, request);
    give_out(state);
    Ok(id)
}

fn refuse_without_agent(state: &crate::State, pool_id: u64, demands: &[String]) -> Result<(), NoAgent> {
    let parsed: Vec<Demand> = demands.iter().map(|demand| Demand::parse(demand)).collect();
    let pool = state.devops.pools.get(&pool_id);
    let able = || {
        let mut agents = state.devops.agents.values().filter(|agent| agent.pool_id == pool_id);
        agents.any(|agent| all_met(&parsed, &agent.capabilities()))
    };
    if pool.is_some_and(|pool| pool.is_hosted) || able() {
        return Ok(());
    }
    let name = pool.map_or_else(|| pool_id.to_string(), |pool| pool.name.clone());
    let demands = demands.join(", ");
    Err(NoAgent {
        message: format!("No agent found in pool {name} which satisfies the specified demands: {demands}"),
    })
}

/// Gives waiting requests to free agents. Called after each change that may make one of either.
pub(crate) fn give_out(state: &mut crate::State) {
    let waiting: Vec<Waiting> = state
        .devops
        .requests
        .values()
        .filter(|request| request.is_waiting())
        .map(|request| Waiting {
            id: request.id,
            pool_id: request.pool_id,
            demands: request.parsed_demands(),
        })
        .collect();
    if waiting.is_empty() {
        return;
    }
    let candidates: Vec<Candidate> =
        state.devops.agents.values().map(|agent| candidate(&state.devops, agent)).collect();
    for (request_id, agent_id) in assign(&waiting, &candidates) {
        hand_over(state, request_id, agent_id);
    }
}

fn candidate(devops: &super::State, agent: &super::Agent) -> Candidate {
    let jobs =
        devops.requests.values().filter(|request| request.finish_time.is_none() && request.is_of(agent.id));
    Candidate {
        id: agent.id,
        pool_id: agent.pool_id,
        capabilities: agent.capabilities(),
        enabled: agent.enabled,
        online: agent.online,
        shutting_down: agent.shutting_down,
        jobs: jobs.count() as u64,
        max_parallelism: agent.max_parallelism,
    }
}

fn hand_over(state: &mut crate::State, request_id: u64, agent_id: u64) {
    let locked_until = later(state.now, lock_time(state));
    let now = state.now;
    let devops = &mut state.devops;
    let (Some(request), Some(agent)) =
        (devops.requests.get_mut(&request_id), devops.agents.get_mut(&agent_id))
    else {
        return;
    };
    request.assign_time = Some(now);
    request.locked_until = Some(locked_until);
    request.agent = Some(ReservedAgent {
        id: agent.id,
        name: agent.name.clone(),
        version: agent.version.clone(),
        os_description: agent.os_description.clone(),
    });
    agent.put_message(AgentMessage::Job { request_id });
    let (plan_id, job_id, name) = (request.plan_id, request.job_id, agent.name.clone());
    state.journal.note(request.queue_time, &name, Event::JobQueued);
    state.journal.note(now, &name, Event::JobAssigned);
    state.later(lock_time(state), crate::schedule::Due::Devops(Due::LockEnds { request_id }));
    crate::pipelines::job_assigned(state, plan_id, job_id, &name);
}

pub(crate) fn lock_time(state: &crate::State) -> Duration {
    state.faults.number("devops.lock-seconds").map_or(LOCK, Duration::from_secs)
}

/// Renews the lock: the agent works on the job. `None` when there is no such unfinished request of an agent.
pub(crate) fn renew(state: &mut crate::State, request_id: u64) -> Option<()> {
    let (now, until) = (state.now, later(state.now, lock_time(state)));
    let request = state.devops.requests.get_mut(&request_id)?;
    if request.finish_time.is_some() || request.agent.is_none() {
        return None;
    }
    request.locked_until = Some(until);
    let agent = request.agent.as_ref()?.clone();
    if request.receive_time.replace(request.receive_time.unwrap_or(now)).is_none() {
        state.note(&agent.name, Event::JobStarted);
        super::updates::tell_to_update(state, agent.id, super::updates::Moment::JobBegins);
    }
    Some(())
}

/// Ends a request, tells the run, and gives the agent another job unless it said that it stops. Does nothing when the
/// request has ended already.
pub fn finish_job(state: &mut crate::State, request_id: u64, result: &str, agent_shutting_down: bool) {
    let now = state.now;
    let overlooked = agent_shutting_down && state.faults.take_one("devops.second-job");
    let devops = &mut state.devops;
    let Some(request) = devops.requests.get_mut(&request_id).filter(|request| request.finish_time.is_none())
    else {
        return;
    };
    request.finish_time = Some(now);
    request.result = Some(result.to_owned());
    let (plan_id, job_id) = (request.plan_id, request.job_id);
    if let Some(agent) = &request.agent {
        state.journal.note(now, &agent.name, Event::JobFinished);
    }
    if let Some(agent) = request.agent.as_ref().and_then(|agent| devops.agents.get_mut(&agent.id)) {
        agent.shutting_down |= agent_shutting_down && !overlooked;
        agent.last_completed = Some(request_id);
        agent.drop_messages(
            |message| matches!(message, AgentMessage::Job { request_id: id } if *id == request_id),
        );
    }
    crate::pipelines::job_finished(state, plan_id, job_id, result);
    give_out(state);
}

/// Cancels a request: at once while nobody has it, else through its agent, which gets `timeout` to end the job.
pub fn cancel_job(state: &mut crate::State, request_id: u64, timeout: Duration) {
    let devops = &mut state.devops;
    let Some(request) = devops.requests.get_mut(&request_id).filter(|request| request.finish_time.is_none())
    else {
        return;
    };
    request.cancelling = true;
    let body = json!({"jobId": request.job_id, "timeout": time_span(timeout)});
    match request.agent.as_ref().and_then(|agent| devops.agents.get_mut(&agent.id)) {
        Some(agent) => {
            agent.put_message(AgentMessage::Plain { kind: "JobCancellation".to_owned(), body });
            let end = crate::schedule::Due::Devops(Due::CancelEnds { request_id });
            state.later(timeout.saturating_add(CANCEL_GRACE), end);
        }
        None => finish_job(state, request_id, "canceled", false),
    }
}

/// The end of a lock: if it was renewed look again later, else the job is abandoned.
pub(crate) fn lock_ends(state: &mut crate::State, request_id: u64) {
    let Some(request) =
        state.devops.requests.get(&request_id).filter(|request| request.finish_time.is_none())
    else {
        return;
    };
    match request.locked_until {
        Some(until) if until > state.now => {
            state.schedule.at(until, crate::schedule::Due::Devops(Due::LockEnds { request_id }));
        }
        _ => finish_job(state, request_id, "abandoned", false),
    }
}
