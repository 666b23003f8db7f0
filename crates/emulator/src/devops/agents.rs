//! Agents: registered, changed, removed, and listed.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use hyper::Method;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::demands::{Capabilities, Demand, all_met};
use super::job_requests::{finish_job, give_out};
use super::pools::{managed, visible};
use super::wire::{Refusal, collection, time};
use super::{Call, endpoint, later};
use crate::http::{Reply, Request, Router};
use crate::journal::Event;
use crate::world::ORGANIZATION;

/// The public half of an agent's key, as the wire has it: base64 of the numbers, the most significant byte first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublicKeyText {
    /// The exponent.
    pub exponent: String,
    /// The modulus.
    pub modulus: String,
}

/// A message that waits for an agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum AgentMessage {
    /// A job.
    Job {
        /// Its request.
        request_id: u64,
    },
    /// Anything else.
    Plain {
        /// Its `messageType`.
        kind: String,
        /// Its body.
        body: Value,
    },
}

/// A registered agent.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Agent {
    /// Its id.
    pub id: u64,
    /// Its pool.
    pub pool_id: u64,
    /// Its name, unique in the pool.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its operating system.
    pub os_description: String,
    /// Whether it may get jobs.
    pub enabled: bool,
    /// How many jobs it may have at a time.
    pub max_parallelism: u64,
    /// When it was registered.
    pub created_on: Timestamp,
    /// Whether it has a live session.
    pub online: bool,
    /// When that changed.
    pub status_changed_on: Timestamp,
    /// Its key; one without a key goes on with the credentials of who registered it.
    pub public_key: Option<PublicKeyText>,
    /// As whom it asks for tokens.
    pub client_id: Uuid,
    /// What it says it can do.
    pub system_capabilities: Capabilities,
    /// What people say it can do.
    pub user_capabilities: Capabilities,
    /// Whether it said that its job was its last.
    pub shutting_down: bool,
    /// Messages that it has not deleted, the oldest first.
    pub messages: VecDeque<(u64, AgentMessage)>,
    /// The job it did last.
    pub last_completed: Option<u64>,
    /// How far its update of itself is.
    pub update_state: Option<String>,
    next_message_id: u64,
}

impl Agent {
    /// What it can do. Assumed: the service answers for name and version from the record when the agent did not say.
    pub fn capabilities(&self) -> Capabilities {
        let mut capabilities = self.system_capabilities.clone();
        capabilities.extend(self.user_capabilities.clone());
        capabilities.entry("Agent.Name".to_owned()).or_insert_with(|| self.name.clone());
        capabilities.entry("Agent.Version".to_owned()).or_insert_with(|| self.version.clone());
        capabilities
    }

    /// Puts a message behind those that wait.
    pub(super) fn put_message(&mut self, message: AgentMessage) {
        self.next_message_id += 1;
        self.messages.push_back((self.next_message_id, message));
    }

    /// The first message that the agent has not seen; else the first that it has seen and not deleted.
    pub(super) fn message_after(&self, last_seen: u64) -> Option<&(u64, AgentMessage)> {
        self.messages.iter().find(|(id, _)| *id > last_seen).or_else(|| self.messages.front())
    }

    pub(super) fn drop_messages(&mut self, drop: impl Fn(&AgentMessage) -> bool) {
        self.messages.retain(|(_, message)| !drop(message));
    }
}

/// An agent to be registered.
#[derive(Clone, Debug, Default)]
pub struct NewAgent {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its operating system.
    pub os_description: String,
    /// Its key.
    pub public_key: Option<PublicKeyText>,
    /// How many jobs it may have at a time; 0 is taken as 1.
    pub max_parallelism: u64,
    /// Whether it may get jobs.
    pub enabled: bool,
    /// What it says it can do.
    pub system_capabilities: Capabilities,
    /// What people say it can do.
    pub user_capabilities: Capabilities,
}

/// Registers an agent and returns it; refuses a name that the pool has already.
pub fn register_agent(state: &mut crate::State, pool_id: u64, new: NewAgent) -> Result<Agent, Refusal> {
    let pool = state.devops.pools.get(&pool_id).ok_or_else(|| {
        Refusal::new(404, "TaskAgentPoolNotFoundException", format!("Agent pool {pool_id} not found."))
    })?;
    let mut others = state.devops.agents.values();
    if others.any(|agent| agent.pool_id == pool_id && agent.name.eq_ignore_ascii_case(&new.name)) {
        let message = format!("Pool {} already contains an agent with name {}.", pool.name, new.name);
        return Err(Refusal::new(409, "TaskAgentExistsException", message));
    }
    state.devops.last_agent_id += 1;
    let agent = made(state.devops.last_agent_id, pool_id, new, state.now);
    state.devops.agents.insert(agent.id, agent.clone());
    state.note(&agent.name, Event::AgentRegistered);
    Ok(agent)
}

fn made(id: u64, pool_id: u64, new: NewAgent, now: Timestamp) -> Agent {
    Agent {
        id,
        pool_id,
        name: new.name,
        version: new.version,
        os_description: new.os_description,
        enabled: new.enabled,
        max_parallelism: new.max_parallelism.max(1),
        created_on: now,
        online: false,
        status_changed_on: now,
        public_key: new.public_key,
        client_id: Uuid::new_v4(),
        system_capabilities: new.system_capabilities,
        user_capabilities: new.user_capabilities,
        shutting_down: false,
        messages: VecDeque::new(),
        last_completed: None,
        update_state: None,
        next_message_id: 0,
    }
}

/// Puts an agent that is never online into the sample's pool, so that jobs for it queue.
pub(super) fn add_placeholder(devops: &mut super::State, now: Timestamp) {
    let Some(pool_id) = devops.pools.keys().next_back().copied() else { return };
    devops.last_agent_id += 1;
    let new = NewAgent {
        name: "placeholder".to_owned(),
        version: super::packages::VERSION.to_owned(),
        os_description: "Linux".to_owned(),
        enabled: true,
        system_capabilities: BTreeMap::from([("Agent.OS".to_owned(), "Linux".to_owned())]),
        ..NewAgent::default()
    };
    let agent = made(devops.last_agent_id, pool_id, new, now);
    devops.agents.insert(agent.id, agent);
}

/// Removes an agent with its session. Refused while it runs a job. A job that it was given and has not begun is
/// abandoned: nobody else gets it.
pub fn remove_agent(state: &mut crate::State, agent_id: u64) -> Result<(), Refusal> {
    let busy = state.faults.take_one("devops.remove-busy")
        || state.devops.requests.values().any(|request| request.is_running() && request.is_of(agent_id));
    let Some(agent) = state.devops.agents.get(&agent_id) else { return Err(not_found(agent_id)) };
    if busy {
        let pool = state.devops.pools.get(&agent.pool_id).map_or("", |pool| pool.name.as_str());
        let message = format!("Agent \"{}\" is running a job for pool \"{pool}\".", agent.name);
        return Err(Refusal::new(400, "TaskAgentJobStillRunningException", message));
    }
    let name = agent.name.clone();
    state.devops.agents.remove(&agent_id);
    state.note(&name, Event::AgentUnregistered);
    state.devops.sessions.retain(|_, session| session.agent_id != agent_id);
    let requests = state.devops.requests.values();
    let given: Vec<u64> = requests
        .filter(|request| request.finish_time.is_none() && request.is_of(agent_id))
        .map(|request| request.id)
        .collect();
    for request_id in given {
        finish_job(state, request_id, "abandoned", false);
    }
    Ok(())
}

fn not_found(agent_id: u64) -> Refusal {
    Refusal::new(404, "TaskAgentNotFoundException", format!("The agent with ID {agent_id} cannot be found."))
}

/// Adds the routes.
pub(super) fn routes(router: &mut Router) {
    const AGENTS: &str = "_apis/distributedtask/pools/{pool}/agents";
    const AGENT: &str = "_apis/distributedtask/pools/{pool}/agents/{agent}";
    endpoint(router, Method::GET, AGENTS, list);
    endpoint(router, Method::POST, AGENTS, add);
    endpoint(router, Method::GET, AGENT, get);
    endpoint(router, Method::PUT, AGENT, replace);
    endpoint(router, Method::PATCH, AGENT, update);
    endpoint(router, Method::DELETE, AGENT, delete);
    endpoint(router, Method::PUT, &format!("{AGENT}/usercapabilities"), put_user_capabilities);
}

/// The agent of the path's pool that the path names.
pub(super) fn of_path(state: &crate::State, request: &Request, pool_id: u64) -> Result<Agent, Refusal> {
    let text = request.param("agent");
    let id = text
        .parse()
        .map_err(|_| Refusal::bad_request(format!("The value '{text}' is not valid for AgentId.")))?;
    let agent = state.devops.agents.get(&id).filter(|agent| agent.pool_id == pool_id);
    agent.cloned().ok_or_else(|| not_found(id))
}

/// How long lists do not show what changed.
fn lag(state: &crate::State) -> Duration {
    Duration::from_secs(state.faults.number("devops.agent-list-lag-seconds").unwrap_or(0))
}

/// What of an agent a client wants to see.
#[derive(Clone, Copy)]
struct Wanted {
    capabilities: bool,
    assigned: bool,
    last_completed: bool,
}

impl Wanted {
    fn of(request: &Request) -> Self {
        let query = &request.query;
        Self {
            capabilities: query.is_true("includeCapabilities"),
            assigned: query.is_true("includeAssignedRequest"),
            last_completed: query.is_true("includeLastCompletedRequest"),
        }
    }

    const CAPABILITIES: Self = Self { capabilities: true, assigned: false, last_completed: false };
}

/// An agent as others refer to it.
pub(super) fn reference(agent: &Agent, online: bool, base: &str) -> Map<String, Value> {
    let (pool, id) = (agent.pool_id, agent.id);
    let own = format!("{base}/{ORGANIZATION}/_apis/distributedtask/pools/{pool}/agents/{id}");
    let page = format!("{base}/{ORGANIZATION}/_settings/agentpools?view=jobs&poolId={pool}&agentId={id}");
    let value = json!({
        "_links": {"self": {"href": own}, "web": {"href": page}}, "id": id, "name": agent.name,
        "version": agent.version, "osDescription": agent.os_description, "enabled": agent.enabled,
        "status": if online { "online" } else { "offline" }, "provisioningState": "Provisioned",
        "accessPoint": "CodexAccessMapping",
    });
    match value {
        Value::Object(object) => object,
        _ => Map::new(),
    }
}

fn shown(state: &crate::State, agent: &Agent, wanted: Wanted, base: &str) -> Value {
    // While it has not settled, a list still shows what was before the last change.
    let settled = later(agent.status_changed_on, lag(state)) <= state.now;
    let changed = agent.status_changed_on != agent.created_on;
    let mut shown = reference(agent, agent.online != (changed && !settled), base);
    let mut put = |key: &str, value: Value| drop(shown.insert(key.to_owned(), value));
    put("maxParallelism", json!(agent.max_parallelism));
    put("createdOn", json!(time(agent.created_on)));
    put("statusChangedOn", json!(time(agent.status_changed_on)));
    put("authorization", authorization(agent, base));
    put("properties", json!({}));
    if wanted.capabilities {
        put("systemCapabilities", json!(agent.system_capabilities));
        put("userCapabilities", json!(agent.user_capabilities));
    }
    if let Some(update) = &agent.update_state {
        put("pendingUpdate", json!({"currentState": update}));
    }
    let request = |id: Option<u64>| {
        let request = state.devops.requests.get(&id?)?;
        Some(super::job_request_views::shown(state, request, base, false))
    };
    let assigned = || {
        let mut requests = state.devops.requests.values();
        requests
            .find(|request| request.finish_time.is_none() && request.is_of(agent.id))
            .map(|request| request.id)
    };
    if wanted.assigned
        && let Some(request) = request(assigned())
    {
        put("assignedRequest", request);
    }
    if wanted.last_completed
        && let Some(request) = request(agent.last_completed)
    {
        put("lastCompletedRequest", request);
    }
    Value::Object(shown)
}

fn authorization(agent: &Agent, base: &str) -> Value {
    let Some(key) = &agent.public_key else { return json!({}) };
    json!({
        "clientId": agent.client_id, "authorizationUrl": super::oauth::authorization_url(base),
        "publicKey": {"exponent": key.exponent, "modulus": key.modulus},
    })
}

async fn list(call: Call) -> Result<Reply, Reply> {
    let pool = visible(&call)?;
    let (query, wanted) = (&call.request.query, Wanted::of(&call.request));
    let name = query.get("agentName").filter(|name| !name.is_empty());
    let demands: Vec<Demand> = query
        .get("demands")
        .unwrap_or("")
        .split(',')
        .filter(|text| !text.is_empty())
        .map(Demand::parse)
        .collect();
    let agents: Vec<Value> = call.emulator.read(|state| {
        let agents = state.devops.agents.values().filter(|agent| agent.pool_id == pool.id);
        agents
            .filter(|agent| name.is_none_or(|name| agent.name.eq_ignore_ascii_case(name)))
            .filter(|agent| all_met(&demands, &agent.capabilities()))
            .filter(|agent| later(agent.created_on, lag(state)) <= state.now)
            .map(|agent| shown(state, agent, wanted, &call.request.base_url))
            .collect()
    });
    Ok(Reply::json(200, &collection(&agents)))
}

async fn get(call: Call) -> Result<Reply, Reply> {
    let pool = visible(&call)?;
    let wanted = Wanted::of(&call.request);
    let shown = call.emulator.read(|state| {
        of_path(state, &call.request, pool.id)
            .map(|agent| shown(state, &agent, wanted, &call.request.base_url))
    })?;
    Ok(Reply::json(200, &shown))
}

/// Reads the body of a registration.
fn new_agent(body: &Value) -> Result<NewAgent, Refusal> {
    let text = |key: &str| body[key].as_str().unwrap_or_default().trim().to_owned();
    let name = text("name");
    if name.is_empty() || name.len() > 255 || name.contains(['"', '/', ':', '<', '>', '\\', '|']) {
        // Assumed: these are the characters that the service's pages refuse in the names of most things.
        return Err(Refusal::bad_request(format!("The agent name '{name}' is not valid.")));
    }
    let key = &body["authorization"]["publicKey"];
    let public_key = match (key["exponent"].as_str(), key["modulus"].as_str()) {
        (Some(exponent), Some(modulus)) => {
            let key = PublicKeyText { exponent: exponent.to_owned(), modulus: modulus.to_owned() };
            super::oauth::public_key(&key).ok_or_else(|| {
                Refusal::bad_request("The public key of the agent is not an RSA key of at least 2048 bits.")
            })?;
            Some(key)
        }
        _ => None,
    };
    Ok(NewAgent {
        name,
        version: text("version"),
        os_description: text("osDescription"),
        public_key,
        max_parallelism: body["maxParallelism"].as_u64().unwrap_or(1),
        enabled: body["enabled"].as_bool().unwrap_or(true),
        system_capabilities: capabilities(&body["systemCapabilities"]).unwrap_or_default(),
        user_capabilities: capabilities(&body["userCapabilities"]).unwrap_or_default(),
    })
}

/// Reads capabilities; `None` when they are not given.
pub(super) fn capabilities(value: &Value) -> Option<Capabilities> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    Some(value.as_object()?.iter().map(|(name, value)| (name.clone(), text(value))).collect())
}

async fn add(call: Call) -> Result<Reply, Reply> {
    let pool = managed(&call)?;
    let new = new_agent(&super::body(&call.request)?)?;
    let base = &call.request.base_url;
    let shown = call.emulator.change(|state| {
        let agent = register_agent(state, pool.id, new)?;
        Ok::<_, Refusal>(shown_with_capabilities(state, &agent, base))
    })?;
    Ok(Reply::json(200, &shown))
}

/// An agent as the reply to a change of it shows it.
pub(super) fn shown_with_capabilities(state: &crate::State, agent: &Agent, base: &str) -> Value {
    shown(state, agent, Wanted::CAPABILITIES, base)
}

async fn replace(call: Call) -> Result<Reply, Reply> {
    let pool = managed(&call)?;
    let new = new_agent(&super::body(&call.request)?)?;
    let base = &call.request.base_url;
    let shown = call.emulator.change(|state| {
        let old = of_path(state, &call.request, pool.id)?;
        let messages = VecDeque::new();
        let agent = Agent {
            messages,
            next_message_id: old.next_message_id,
            last_completed: old.last_completed,
            created_on: old.created_on,
            ..made(old.id, pool.id, new, state.now)
        };
        state.devops.sessions.retain(|_, session| session.agent_id != agent.id);
        state.devops.agents.insert(agent.id, agent.clone());
        Ok::<_, Refusal>(shown_with_capabilities(state, &agent, base))
    })?;
    Ok(Reply::json(200, &shown))
}

async fn update(call: Call) -> Result<Reply, Reply> {
    let body = super::body(&call.request)?;
    changed(&call, &body)
}

/// The body is the capabilities alone.
async fn put_user_capabilities(call: Call) -> Result<Reply, Reply> {
    let body = super::body(&call.request)?;
    if !body.is_object() {
        return Err(Refusal::bad_request("Value cannot be null. Parameter name: userCapabilities").into());
    }
    changed(&call, &json!({"userCapabilities": body}))
}

/// Changes the agent of the path by what the body says of it.
fn changed(call: &Call, body: &Value) -> Result<Reply, Reply> {
    let pool = managed(call)?;
    let base = &call.request.base_url;
    let shown = call.emulator.change(|state| {
        let found = of_path(state, &call.request, pool.id)?;
        if body["id"].as_u64().is_some_and(|id| id != found.id) {
            return Err(Refusal::bad_request("The id in the body is not that of the agent in the path."));
        }
        if let Some(agent) = state.devops.agents.get_mut(&found.id) {
            change(agent, body);
        }
        give_out(state);
        let agent = of_path(state, &call.request, pool.id)?;
        Ok(shown_with_capabilities(state, &agent, base))
    })?;
    Ok(Reply::json(200, &shown))
}

fn change(agent: &mut Agent, body: &Value) {
    if let Some(enabled) = body["enabled"].as_bool() {
        agent.enabled = enabled;
    }
    if let Some(most) = body["maxParallelism"].as_u64() {
        agent.max_parallelism = most.max(1);
    }
    if let Some(capabilities) = capabilities(&body["userCapabilities"]) {
        agent.user_capabilities = capabilities;
    }
}

async fn delete(call: Call) -> Result<Reply, Reply> {
    let pool = managed(&call)?;
    call.emulator.change(|state| {
        let agent = of_path(state, &call.request, pool.id)?;
        remove_agent(state, agent.id)
    })?;
    Ok(Reply::status(204))
}
