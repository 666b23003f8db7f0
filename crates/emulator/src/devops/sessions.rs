//! Sessions: an agent that listens.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::Method;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use super::agents::{Agent, capabilities};
use super::job_requests::give_out;
use super::pools::{Pool, of_path};
use super::updates::Moment;
use super::wire::{Refusal, Secret};
use super::{Call, Caller, Due, endpoint, later};
use crate::Emulator;
use crate::http::{Reply, Router};

/// How long after its last poll an agent counts as online.
/// Assumed: the service says only that it is minutes; an agent that was killed must not hold its name for the four
/// minutes for which another of that name tries.
const SILENCE: Duration = Duration::from_mins(2);

/// A session.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Session {
    /// Its id.
    pub id: Uuid,
    /// The agent's pool.
    pub pool_id: u64,
    /// The agent.
    pub agent_id: u64,
    /// The machine.
    pub owner_name: String,
    /// When it last polled.
    pub last_poll: Timestamp,
    /// How many polls are held now.
    #[serde(skip)]
    pub polls: u32,
    /// How many of them are to get messages.
    #[serde(skip)]
    pub listening: u32,
    /// The key of its messages, as base64.
    pub(super) secret_key: Secret,
}

/// Adds the routes.
pub(super) fn routes(router: &mut Router) {
    endpoint(router, Method::POST, "_apis/distributedtask/pools/{pool}/sessions", open);
    endpoint(router, Method::DELETE, "_apis/distributedtask/pools/{pool}/sessions/{session}", close);
}

/// The pool of the path, in which the caller may listen.
pub(super) fn listened(call: &Call) -> Result<Pool, Refusal> {
    let pool = call.emulator.read(|state| of_path(state, &call.request))?;
    call.caller.require_listen(pool.id, &pool.name)?;
    Ok(pool)
}

/// Refuses an agent that acts for another.
fn own(caller: &Caller, agent: &Agent) -> Result<(), Refusal> {
    match caller {
        Caller::Agent { agent_id, .. } if *agent_id != agent.id => {
            let message = format!("Access denied. Agent {agent_id} may not listen for agent {}.", agent.id);
            Err(Refusal::new(403, "AccessDeniedException", message))
        }
        _ => Ok(()),
    }
}

async fn open(call: Call) -> Result<Reply, Reply> {
    let pool = listened(&call)?;
    let body = super::body(&call.request)?;
    let key = super::messages::new_session_key();
    let (session, agent) = call.emulator.change(|state| {
        let agent = named_agent(state, pool.id, &body["agent"])?;
        own(&call.caller, &agent)?;
        let session = open_session(state, &agent, &body, &key)?;
        let agent = state.devops.agents.get(&agent.id).cloned().unwrap_or(agent);
        Ok::<_, Refusal>((session, agent))
    })?;
    let agent_json = super::agents::reference(&agent, true, &call.request.base_url);
    let encryption_key = encryption_key(&agent, &key)?;
    Ok(Reply::json(
        200,
        &json!({
            "sessionId": session.id, "ownerName": session.owner_name, "agent": agent_json,
            "encryptionKey": encryption_key, "useFipsEncryption": false,
        }),
    ))
}

/// The key as the agent gets it: encrypted to its own key where it registered one.
fn encryption_key(agent: &Agent, key: &[u8]) -> Result<Value, Refusal> {
    let Some(public_key) = agent.public_key.as_ref().and_then(super::oauth::public_key) else {
        return Ok(json!({"encrypted": false, "value": STANDARD.encode(key)}));
    };
    let encrypted = public_key
        .oaep_encrypt::<sha1::Sha1>(key)
        .map_err(|error| Refusal::bad_request(format!("The agent's public key cannot encrypt: {error}")))?;
    Ok(json!({"encrypted": true, "value": STANDARD.encode(encrypted)}))
}

fn named_agent(state: &crate::State, pool_id: u64, named: &Value) -> Result<Agent, Refusal> {
    let id = named["id"].as_u64().unwrap_or_default();
    let agent = state.devops.agents.get(&id).filter(|agent| agent.pool_id == pool_id);
    agent.cloned().ok_or_else(|| {
        Refusal::new(404, "TaskAgentNotFoundException", format!("The agent with ID {id} cannot be found."))
    })
}

fn open_session(
    state: &mut crate::State,
    agent: &Agent,
    body: &Value,
    key: &[u8],
) -> Result<Session, Refusal> {
    let taken = state.devops.sessions.values().any(|session| session.agent_id == agent.id);
    if taken || state.faults.take_one("devops.session-conflict") {
        let message = format!("The agent {} already has an active session.", agent.name);
        return Err(Refusal::new(409, "TaskAgentSessionConflictException", message));
    }
    let session = Session {
        id: Uuid::new_v4(),
        pool_id: agent.pool_id,
        agent_id: agent.id,
        owner_name: body["ownerName"].as_str().unwrap_or_default().to_owned(),
        last_poll: state.now,
        polls: 0,
        listening: 0,
        secret_key: Secret(STANDARD.encode(key)),
    };
    state.devops.sessions.insert(session.id, session.clone());
    go_online(state, agent.id, body);
    state.later(silence(state), crate::schedule::Due::Devops(Due::SessionEnds { session_id: session.id }));
    give_out(state);
    Ok(session)
}

fn go_online(state: &mut crate::State, agent_id: u64, body: &Value) {
    let now = state.now;
    let Some(agent) = state.devops.agents.get_mut(&agent_id) else { return };
    agent.online = true;
    agent.status_changed_on = now;
    agent.shutting_down = false;
    state.journal.note(now, &agent.name, crate::journal::Event::AgentOnline);
    if let Some(capabilities) = capabilities(&body["systemCapabilities"]).filter(|given| !given.is_empty()) {
        agent.system_capabilities = capabilities;
    }
    if let Some(version) = body["agent"]["version"].as_str().filter(|version| !version.is_empty()) {
        version.clone_into(&mut agent.version);
    }
    super::updates::tell_to_update(state, agent_id, Moment::Online);
}

/// How long an agent that does not poll counts as online.
fn silence(state: &crate::State) -> Duration {
    state.faults.number("devops.silence-seconds").map_or(SILENCE, Duration::from_secs)
}

/// A session may have gone silent: if it did, it ends and its agent is offline; else look again later.
pub(super) fn session_ends(state: &mut crate::State, session_id: Uuid) {
    let Some(session) = state.devops.sessions.get_mut(&session_id) else { return };
    if session.polls > 0 {
        session.last_poll = state.now;
    }
    let last_poll = session.last_poll;
    let end = later(last_poll, silence(state));
    if end > state.now {
        state.schedule.at(end, crate::schedule::Due::Devops(Due::SessionEnds { session_id }));
    } else {
        close_session(state, session_id);
    }
}

fn close_session(state: &mut crate::State, session_id: Uuid) {
    let now = state.now;
    let Some(session) = state.devops.sessions.remove(&session_id) else { return };
    if let Some(agent) = state.devops.agents.get_mut(&session.agent_id) {
        agent.online = false;
        agent.status_changed_on = now;
    }
}

async fn close(call: Call) -> Result<Reply, Reply> {
    let pool = listened(&call)?;
    let id = call.request.param("session").parse().unwrap_or(Uuid::nil());
    call.emulator.change(|state| {
        let session = find(state, pool.id, id)?;
        if let Some(agent) = state.devops.agents.get(&session.agent_id) {
            own(&call.caller, agent)?;
        }
        close_session(state, id);
        Ok::<_, Refusal>(())
    })?;
    Ok(Reply::status(204))
}

/// The session of that id, or the refusal that makes an agent open another.
pub(super) fn find(state: &crate::State, pool_id: u64, id: Uuid) -> Result<Session, Refusal> {
    let session = state.devops.sessions.get(&id).filter(|session| session.pool_id == pool_id);
    session.cloned().ok_or_else(|| {
        Refusal::new(403, "TaskAgentSessionExpiredException", format!("The agent session {id} has expired."))
    })
}

/// A poll that is held: while there is one, its session does not go silent. Ends with the connection.
pub(super) struct HeldPoll {
    emulator: Arc<Emulator>,
    session_id: Uuid,
    is_listening: bool,
}

impl HeldPoll {
    /// `has_seen` says that it names the last message it saw, which only a poll for messages does.
    pub(super) fn begin(emulator: &Arc<Emulator>, session_id: Uuid, has_seen: bool) -> Self {
        let is_listening = emulator.change(|state| {
            let session = state.devops.sessions.get(&session_id);
            let is_listening = has_seen || session.is_none_or(|session| session.listening == 0);
            note_poll(state, session_id, 1, i32::from(is_listening));
            is_listening
        });
        Self { emulator: Arc::clone(emulator), session_id, is_listening }
    }

    /// Whether it is to get messages, rather than to be seen alive only.
    pub(super) fn is_listening(&self) -> bool {
        self.is_listening
    }
}

impl Drop for HeldPoll {
    fn drop(&mut self) {
        self.emulator.change(|state| note_poll(state, self.session_id, -1, -i32::from(self.is_listening)));
    }
}

fn note_poll(state: &mut crate::State, session_id: Uuid, more: i32, more_listening: i32) {
    let now = state.now;
    if let Some(session) = state.devops.sessions.get_mut(&session_id) {
        session.polls = session.polls.saturating_add_signed(more);
        session.listening = session.listening.saturating_add_signed(more_listening);
        session.last_poll = now;
    }
}
