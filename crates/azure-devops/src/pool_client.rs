//! One agent pool: its agents and what waits for them.

use std::time::Duration;

use azure_http::{HttpError, Method};
use lifecycle::{Agent, AgentName, AgentPool, AgentStatus, JobRequest, PoolError, Removal, Timestamp};
use serde_json::json;

use crate::organization::if_there;
use crate::outcome::{is_job_running, is_name_taken, pool_error};
use crate::registration::{AgentRegistration, RegisteredAgent};
use crate::wire::{self, Authorization, NewTaskAgent, TaskAgent, TaskAgentJobRequest};
use crate::{Organization, Pool};

/// How often an agent that has to be there is looked for (assumed: lists lag behind by seconds, not minutes).
const LOOKS_FOR_OURS: u32 = 15;
/// Between two looks.
const BETWEEN_LOOKS: Duration = Duration::from_secs(1);

/// An agent pool and who manages it. Its own methods fail with [`HttpError`], which has a remedy; as
/// [`lifecycle::AgentPool`] it fails with the port's words.
#[derive(Clone, Debug)]
pub struct PoolClient {
    organization: Organization,
    pool: Pool,
}

impl PoolClient {
    /// `pool` of `organization`.
    pub fn new(organization: Organization, pool: Pool) -> Self {
        Self { organization, pool }
    }

    /// The organization.
    pub fn organization(&self) -> &Organization {
        &self.organization
    }

    /// The pool.
    pub fn pool(&self) -> &Pool {
        &self.pool
    }

    /// Every agent, with the job request it holds.
    pub async fn list_agents(&self) -> Result<Vec<Agent>, HttpError> {
        let request = self.request(Method::Get, &["agents"]).query("includeAssignedRequest", "true");
        let agents: Vec<TaskAgent> = self.organization.list(request).await?;
        Ok(agents.into_iter().map(agent).collect())
    }

    /// The agent of exactly that name, if it is there.
    pub async fn agent_by_name(&self, name: &str) -> Result<Option<Agent>, HttpError> {
        Ok(self.find(name).await?.map(agent))
    }

    /// The agent with that id, if it is there, with the job request it holds.
    pub async fn agent(&self, id: u64) -> Result<Option<Agent>, HttpError> {
        let request =
            self.request(Method::Get, &["agents", &id.to_string()]).query("includeAssignedRequest", "true");
        let found = if_there(self.organization.send(request).await)?;
        found.map(|response| response.json().map(agent)).transpose()
    }

    /// Registers an agent. The one call that is not repeatable: after a lost reply the name is looked up, and what is
    /// found is taken only if it carries our key.
    ///
    /// # Errors
    /// A 409 where an agent of that name exists: it is never replaced.
    pub async fn register_agent(
        &self,
        name: &AgentName,
        registration: &AgentRegistration,
    ) -> Result<RegisteredAgent, HttpError> {
        match self.post(name, registration).await {
            Ok(agent) => self.registered(agent),
            Err(error) if is_worth_a_look(&error) => match self.find(name.as_str()).await {
                Ok(Some(found)) if has_key(&found, registration) => self.registered(found),
                Ok(None) => self.register_again(name, registration, error).await,
                Ok(Some(_)) | Err(_) => Err(error),
            },
            Err(error) => Err(error),
        }
    }

    /// The second time, after the first try failed (`first`) and no agent was found. A service in trouble gets a
    /// moment. That the name is taken then means most often that the first was heard after all, and lists do not show
    /// it yet.
    async fn register_again(
        &self,
        name: &AgentName,
        registration: &AgentRegistration,
        first: HttpError,
    ) -> Result<RegisteredAgent, HttpError> {
        if first.service().is_some() {
            tokio::time::sleep(BETWEEN_LOOKS).await;
        }
        let taken = match self.post(name, registration).await {
            Ok(agent) => return self.registered(agent),
            Err(error) if is_name_taken(&error) => error,
            Err(error) => return Err(error),
        };
        for _ in 0..LOOKS_FOR_OURS {
            match self.find(name.as_str()).await {
                Ok(Some(found)) if has_key(&found, registration) => return self.registered(found),
                Ok(Some(_)) => return Err(taken),
                Ok(None) => tokio::time::sleep(BETWEEN_LOOKS).await,
                Err(_) => return Err(first),
            }
        }
        Err(first)
    }

    /// Takes the agent out of rotation. Absent counts as done.
    pub async fn disable_agent(&self, id: u64) -> Result<(), HttpError> {
        let body = json!({"id": id, "enabled": false});
        let request = self.request(Method::Patch, &["agents", &id.to_string()]).json(&body)?;
        if_there(self.organization.send(request).await).map(drop)
    }

    /// Removes the agent, unless it runs a job.
    pub async fn remove_agent(&self, id: u64) -> Result<Removal, HttpError> {
        let request = self.request(Method::Delete, &["agents", &id.to_string()]);
        match if_there(self.organization.send(request).await) {
            Ok(Some(_)) => Ok(Removal::Removed),
            Ok(None) => Ok(Removal::AlreadyGone),
            Err(error) if is_job_running(&error) => Ok(Removal::JobRunning),
            Err(error) => Err(error),
        }
    }

    /// Every job request that is not finished. Finished ones are not asked for: with some history the list is slow
    /// and cut off.
    pub async fn list_job_requests(&self) -> Result<Vec<JobRequest>, HttpError> {
        let request = self.request(Method::Get, &["jobrequests"]).query("completedRequestCount", "0");
        let requests: Vec<TaskAgentJobRequest> = self.organization.list(request).await?;
        Ok(requests.into_iter().map(job_request).filter(|request| request.result.is_none()).collect())
    }

    fn request(&self, method: Method, segments: &[&str]) -> azure_http::Request {
        let id = self.pool.id.to_string();
        self.organization.distributed_task(method, &[&["pools", id.as_str()], segments].concat())
    }

    async fn post(&self, name: &AgentName, registration: &AgentRegistration) -> Result<TaskAgent, HttpError> {
        let body = NewTaskAgent {
            name: name.as_str(),
            version: &registration.version,
            os_description: &registration.os_description,
            max_parallelism: 1,
            provisioning_state: "Provisioned",
            enabled: true,
            authorization: Authorization {
                public_key: Some(registration.key.public_key()),
                ..Authorization::default()
            },
            system_capabilities: json!(registration.capabilities(name.as_str())),
        };
        let request = self.request(Method::Post, &["agents"]).json(&body)?;
        self.organization.send(request).await?.json()
    }

    async fn find(&self, name: &str) -> Result<Option<TaskAgent>, HttpError> {
        let request = self
            .request(Method::Get, &["agents"])
            .query("agentName", name)
            .query("includeAssignedRequest", "true");
        let agents: Vec<TaskAgent> = self.organization.list(request).await?;
        Ok(agents.into_iter().find(|agent| agent.name.eq_ignore_ascii_case(name)))
    }

    fn registered(&self, agent: TaskAgent) -> Result<RegisteredAgent, HttpError> {
        let Authorization { client_id, token_url, .. } = agent.authorization.unwrap_or_default();
        let (Some(client_id), Some(authorization_url)) = (client_id, token_url) else {
            return Err(HttpError::Unreadable {
                host: self.organization.url(),
                detail: "it registered the agent without giving it an identity (authorizationUrl)".to_owned(),
            });
        };
        Ok(RegisteredAgent {
            id: agent.id,
            name: agent.name,
            pool_id: self.pool.id,
            pool_name: self.pool.name.clone(),
            client_id,
            authorization_url,
        })
    }
}

/// Whether the agent may be there all the same, or come at a second try: nobody knows, or the service was away.
fn is_worth_a_look(error: &HttpError) -> bool {
    error.outcome_unknown() || error.service().is_some_and(|service| service.status == 503)
}

fn has_key(agent: &TaskAgent, registration: &AgentRegistration) -> bool {
    let theirs = agent.authorization.as_ref().and_then(|authorization| authorization.public_key.as_ref());
    theirs.is_some_and(|key| *key == registration.key.public_key())
}

fn agent(agent: TaskAgent) -> Agent {
    let online = agent.status.is_some_and(|status| status.eq_ignore_ascii_case("online"));
    Agent {
        id: agent.id,
        name: agent.name,
        enabled: agent.enabled.unwrap_or(true),
        status: if online { AgentStatus::Online } else { AgentStatus::Offline },
        assigned_request: agent.assigned_request.map(|request| request.request_id),
        // Assumed: it moves when the agent goes online or offline, and at no other time.
        status_since: agent.status_changed_on.and_then(|text| Timestamp::parse(&text)),
    }
}

fn job_request(request: wire::TaskAgentJobRequest) -> JobRequest {
    JobRequest {
        id: request.request_id,
        demands: request.demands,
        reserved_agent: request.reserved_agent.map(|agent| agent.id),
        result: request.result,
    }
}

impl AgentPool for PoolClient {
    type Registration = AgentRegistration;
    type Registered = RegisteredAgent;

    async fn agents(&self) -> Result<Vec<Agent>, PoolError> {
        self.list_agents().await.map_err(|error| pool_error(&error))
    }

    async fn job_requests(&self) -> Result<Vec<JobRequest>, PoolError> {
        self.list_job_requests().await.map_err(|error| pool_error(&error))
    }

    async fn register(
        &self,
        name: &AgentName,
        registration: &AgentRegistration,
    ) -> Result<RegisteredAgent, PoolError> {
        self.register_agent(name, registration).await.map_err(|error| {
            if is_name_taken(&error) { PoolError::NameTaken(name.clone()) } else { pool_error(&error) }
        })
    }

    async fn disable(&self, agent_id: u64) -> Result<(), PoolError> {
        self.disable_agent(agent_id).await.map_err(|error| pool_error(&error))
    }

    async fn remove(&self, agent_id: u64) -> Result<Removal, PoolError> {
        self.remove_agent(agent_id).await.map_err(|error| pool_error(&error))
    }
}
