//! Messages for agents: held polls, encrypted bodies, delivery again until deleted.

use std::time::Duration;

use aes::Aes256;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cbc::cipher::block_padding::Pkcs7;
use cbc::cipher::{BlockModeEncrypt as _, KeyIvInit as _};
use hyper::Method;
use rand::Rng as _;
use serde_json::{Value, json};
use uuid::Uuid;

use super::agents::AgentMessage;
use super::sessions::{HeldPoll, Session, find, listened};
use super::wire::{Refusal, time};
use super::{BASE_URL, Call, JOB_TOKEN, endpoint, issue_job_token};
use crate::http::{Reply, Router};

/// How long a poll is held.
const POLL: Duration = Duration::from_secs(50);

/// Adds the routes.
pub(super) fn routes(router: &mut Router) {
    endpoint(router, Method::GET, "_apis/distributedtask/pools/{pool}/messages", poll);
    endpoint(router, Method::DELETE, "_apis/distributedtask/pools/{pool}/messages/{message}", delete);
}

/// A key for the messages of a session.
pub(super) fn new_session_key() -> [u8; 32] {
    let mut key = [0; 32];
    rand::rng().fill_bytes(&mut key);
    key
}

fn session_of(call: &Call) -> Result<Session, Refusal> {
    let pool = listened(call)?;
    let id = call.request.query.get("sessionId").and_then(|id| id.parse().ok()).unwrap_or(Uuid::nil());
    let session = call.emulator.read(|state| find(state, pool.id, id))?;
    match call.caller {
        super::Caller::Agent { agent_id, .. } if agent_id != session.agent_id => {
            let message = format!("Access denied. Agent {agent_id} may not use the session of another.");
            Err(Refusal::new(403, "AccessDeniedException", message))
        }
        _ => Ok(session),
    }
}

/// What a poll finds.
enum Found {
    Message(u64, AgentMessage),
    SessionGone,
}

/// Holds the poll until there is a message.
///
/// The official agent sends a second poll beside its main one to be seen alive, and ignores its reply: it gets no
/// message. Neither has a `lastMessageId` until the first message came; until then the second is the one that comes
/// while another is held. A message comes again until it is deleted, so one that was wrongly kept back is not lost.
async fn poll(call: Call) -> Result<Reply, Reply> {
    let session = session_of(&call)?;
    let last = call.request.query.number("lastMessageId");
    let held = HeldPoll::begin(&call.emulator, session.id, last.is_some());
    let patience = call.emulator.read(|state| state.faults.number("devops.poll-seconds"));
    let patience = patience.map_or(POLL, Duration::from_secs);
    let found = call.emulator.wait_for(patience, |state| {
        if !state.devops.sessions.contains_key(&session.id) {
            return Some(Found::SessionGone);
        }
        let agent = state.devops.agents.get(&session.agent_id).filter(|_| held.is_listening())?;
        let (id, message) = agent.message_after(last.unwrap_or_default())?;
        Some(Found::Message(*id, message.clone()))
    });
    match found.await {
        None => Ok(Reply::status(202)),
        Some(Found::Message(id, message)) => Ok(Reply::json(200, &delivered(&call, &session, id, &message)?)),
        Some(Found::SessionGone) => {
            find_agent(&call, &session)?;
            let message = format!("The agent session {} has expired.", session.id);
            Err(Refusal::new(403, "TaskAgentSessionExpiredException", message).into())
        }
    }
}

/// Refuses when the agent itself is gone: it must not open another session.
fn find_agent(call: &Call, session: &Session) -> Result<(), Refusal> {
    if call.emulator.read(|state| state.devops.agents.contains_key(&session.agent_id)) {
        return Ok(());
    }
    let message = "The agent's access token is no longer valid: its registration was removed.";
    Err(Refusal::new(401, "TaskAgentAccessTokenExpiredException", message))
}

fn delivered(call: &Call, session: &Session, id: u64, message: &AgentMessage) -> Result<Value, Refusal> {
    let (kind, body) = match message {
        AgentMessage::Plain { kind, body } => (kind.as_str(), body.to_string()),
        AgentMessage::Job { request_id } => ("PipelineAgentJobRequest", job_body(call, *request_id)?),
    };
    let key = STANDARD.decode(&session.secret_key.0).unwrap_or_default();
    let mut iv = [0; 16];
    rand::rng().fill_bytes(&mut iv);
    let encrypted = cbc::Encryptor::<Aes256>::new_from_slices(&key, &iv)
        .map_err(|_| Refusal::new(500, "CryptographicException", "The session has no key."))?
        .encrypt_padded_vec::<Pkcs7>(body.as_bytes());
    Ok(json!({
        "messageId": id, "messageType": kind, "iv": STANDARD.encode(iv), "body": STANDARD.encode(encrypted),
    }))
}

/// The message of a job, with what is known only now filled in.
fn job_body(call: &Call, request_id: u64) -> Result<String, Refusal> {
    let request = call.emulator.read(|state| state.devops.requests.get(&request_id).cloned());
    let request = request.ok_or_else(|| super::job_request_views::not_found(request_id))?;
    let mut message: Value = serde_json::from_str(&request.secret_message.0).map_err(|error| {
        Refusal::new(500, "JsonException", format!("The job's message is damaged: {error}"))
    })?;
    let token = issue_job_token(&call.emulator, request.plan_id, request.job_id);
    fill_in(&mut message, &call.request.base_url, &token);
    message["messageType"] = json!("PipelineAgentJobRequest");
    message["requestId"] = json!(request.id);
    message["lockedUntil"] = json!(request.locked_until.map(time));
    Ok(message.to_string())
}

fn fill_in(value: &mut Value, base: &str, token: &str) {
    match value {
        Value::String(text) if text.contains('{') => {
            *text = text.replace(BASE_URL, base).replace(JOB_TOKEN, token);
        }
        Value::Array(items) => items.iter_mut().for_each(|item| fill_in(item, base, token)),
        Value::Object(members) => members.values_mut().for_each(|member| fill_in(member, base, token)),
        _ => {}
    }
}

async fn delete(call: Call) -> Result<Reply, Reply> {
    let session = session_of(&call)?;
    let id: u64 = call.request.param("message").parse().unwrap_or_default();
    call.emulator.change(|state| {
        if let Some(agent) = state.devops.agents.get_mut(&session.agent_id) {
            agent.messages.retain(|(other, _)| *other != id);
        }
    });
    Ok(Reply::status(204))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    #[test]
    fn what_is_known_only_at_delivery_is_filled_in_everywhere() {
        let mut message =
            json!({"url": "{emulator-url}/contoso/", "list": [{"token": "{job-token}"}], "n": 1});
        super::fill_in(&mut message, "https://here:1", "abc");
        assert_eq!(message, json!({"url": "https://here:1/contoso/", "list": [{"token": "abc"}], "n": 1}));
    }
}
