//! The pool's side of the service: agents, sessions, messages, job requests, packages.

use std::time::Duration;

use hyper::{Method, StatusCode};
use serde_json::json;
use uuid::Uuid;

use super::models::{
    Agent, AgentMessage, ConnectionData, JobRequest, NewSession, Package, Pool, Session, TaskResult, Wrapped,
};
use super::service::{Call, CallError, Service};
use crate::clock;

/// A little longer than the server holds a poll (50 s).
const POLL_TIMEOUT: Duration = Duration::from_secs(100);

/// Calls of the listener and of `configure`.
pub(crate) struct PoolClient(Service);

impl PoolClient {
    /// Speaks through this service.
    pub(crate) fn new(service: Service) -> Self {
        Self(service)
    }

    /// Who the server is.
    pub(crate) async fn connection_data(&self) -> Result<ConnectionData, CallError> {
        let call = Call::new(Method::GET, "_apis/connectionData")
            .query("connectOptions", 1)
            .query("lastChangeId", -1)
            .query("lastChangeId64", -1);
        self.0.fetch(call).await
    }

    /// Asks for the table of routes, as the official client does before it uses one; the answer is not needed here.
    pub(crate) async fn locations(&self) -> Result<(), CallError> {
        self.0.send(Call::new(Method::OPTIONS, "_apis/")).await.map(drop)
    }

    /// The state of a feature flag. Any failure means off.
    pub(crate) async fn feature_is_on(&self, name: &str) -> bool {
        let call = Call::new(Method::GET, format!("_apis/FeatureFlags/{name}"));
        let flag: Result<serde_json::Value, _> = self.0.fetch(call).await;
        flag.is_ok_and(|flag| flag["effectiveState"] == "On")
    }

    /// The pool of this name, whatever its case.
    pub(crate) async fn pool(&self, name: &str) -> Result<Option<Pool>, CallError> {
        let call = Call::new(Method::GET, "_apis/distributedtask/pools")
            .query("poolName", name)
            .query("poolType", "automation");
        let pools: Wrapped<Pool> = self.0.fetch(call).await?;
        Ok(pools.value.into_iter().find(|pool| pool.name.eq_ignore_ascii_case(name)))
    }

    /// The agent of this name in a pool.
    pub(crate) async fn agent(&self, pool: i64, name: &str) -> Result<Option<Agent>, CallError> {
        let call = Call::new(Method::GET, format!("_apis/distributedtask/pools/{pool}/agents"))
            .query("agentName", name)
            .query("includeCapabilities", false);
        let agents: Wrapped<Agent> = self.0.fetch(call).await?;
        Ok(agents.value.into_iter().find(|agent| agent.name.eq_ignore_ascii_case(name)))
    }

    /// Registers an agent.
    pub(crate) async fn add_agent(&self, pool: i64, agent: &Agent) -> Result<Agent, CallError> {
        let path = format!("_apis/distributedtask/pools/{pool}/agents");
        self.0.fetch(Call::new(Method::POST, path).json(agent)).await
    }

    /// Replaces the registration `agent.id`.
    pub(crate) async fn replace_agent(&self, pool: i64, agent: &Agent) -> Result<Agent, CallError> {
        let path = format!("_apis/distributedtask/pools/{pool}/agents/{}", agent.id);
        self.0.fetch(Call::new(Method::PUT, path).json(agent)).await
    }

    /// Unregisters an agent.
    pub(crate) async fn delete_agent(&self, pool: i64, agent: i64) -> Result<(), CallError> {
        let path = format!("_apis/distributedtask/pools/{pool}/agents/{agent}");
        self.0.send(Call::new(Method::DELETE, path)).await.map(drop)
    }

    /// Tells the pool how far a self-update is.
    pub(crate) async fn report_update(&self, pool: i64, agent: i64, state: &str) -> Result<(), CallError> {
        let path = format!("_apis/distributedtask/pools/{pool}/agents/{agent}/updates");
        self.0.send(Call::new(Method::PUT, path).query("currentState", state)).await.map(drop)
    }

    /// Opens a session.
    pub(crate) async fn open_session(
        &self,
        pool: i64,
        session: &NewSession<'_>,
    ) -> Result<Session, CallError> {
        let path = format!("_apis/distributedtask/pools/{pool}/sessions");
        self.0.fetch(Call::new(Method::POST, path).json(session)).await
    }

    /// Closes a session; the server gets 30 s.
    pub(crate) async fn close_session(&self, pool: i64, session: Uuid) -> Result<(), CallError> {
        let path = format!("_apis/distributedtask/pools/{pool}/sessions/{session}");
        self.0.send(Call::new(Method::DELETE, path).timeout(Duration::from_secs(30))).await.map(drop)
    }

    /// Waits for a message; `last` is the number of the last one seen. Without it the poll is a keep-alive.
    pub(crate) async fn message(
        &self,
        pool: i64,
        session: Uuid,
        last: Option<i64>,
    ) -> Result<Option<AgentMessage>, CallError> {
        let path = format!("_apis/distributedtask/pools/{pool}/messages");
        let call = Call::new(Method::GET, path.as_str()).query("sessionId", session).timeout(POLL_TIMEOUT);
        let call = match last {
            Some(last) => call.query("lastMessageId", last),
            None => call,
        };
        let answer = self.0.send(call).await?;
        if answer.status() != StatusCode::OK || answer.body().is_empty() {
            return Ok(None);
        }
        serde_json::from_slice(answer.body()).map_err(|error| CallError::Unreadable(path, error))
    }

    /// Says that a message was taken.
    pub(crate) async fn delete_message(
        &self,
        pool: i64,
        session: Uuid,
        message: i64,
    ) -> Result<(), CallError> {
        let path = format!("_apis/distributedtask/pools/{pool}/messages/{message}");
        self.0.send(Call::new(Method::DELETE, path).query("sessionId", session)).await.map(drop)
    }

    /// Renews the lock of a job.
    pub(crate) async fn renew_job(&self, pool: i64, request: i64) -> Result<JobRequest, CallError> {
        let call = job_request_call(pool, request).timeout(Duration::from_mins(1));
        self.0.fetch(call.json(&json!({ "requestId": request }))).await
    }

    /// Ends a job on the server, where its plan has no events (version below 8).
    pub(crate) async fn finish_job(
        &self,
        pool: i64,
        request: i64,
        result: TaskResult,
    ) -> Result<(), CallError> {
        let body = json!({ "requestId": request, "finishTime": clock::wire_stamp(), "result": result });
        self.0.send(job_request_call(pool, request).json(&body)).await.map(drop)
    }

    /// The agent packages of this platform.
    pub(crate) async fn packages(&self, platform: &str) -> Result<Vec<Package>, CallError> {
        let call = Call::new(Method::GET, "_apis/distributedtask/packages/agent")
            .query("platform", platform)
            .query("$top", 20)
            .second_version();
        let packages: Wrapped<Package> = self.0.fetch(call).await?;
        Ok(packages.value)
    }
}

fn job_request_call(pool: i64, request: i64) -> Call {
    Call::new(Method::PATCH, format!("_apis/distributedtask/pools/{pool}/jobrequests/{request}"))
        .query("lockToken", Uuid::nil())
}
