//! Sessions and messages.

use emulator::devops::State;
use reqwest::Method;
use serde_json::json;
use uuid::Uuid;

use crate::support::{Agent, Organization};

fn held_polls(state: &State, agent: &Agent) -> u32 {
    let id = agent.session_id.parse::<Uuid>().expect("an id");
    state.sessions.get(&id).map_or(0, |session| session.polls)
}

#[tokio::test]
async fn a_poll_is_held_for_fifty_seconds() {
    let contoso = Organization::start().await;
    let agent = contoso.listening("one").await;
    let (answer, ()) = tokio::join!(agent.poll(&contoso), async {
        contoso.until(|state| held_polls(&state.devops, &agent) == 1).await;
        contoso.step(49).await;
        assert_eq!(contoso.running.emulator.read(|state| held_polls(&state.devops, &agent)), 1);
        contoso.step(1).await;
    });
    assert_eq!((answer.status.as_u16(), answer.bytes.len()), (202, 0));
}

#[tokio::test]
async fn a_poll_is_answered_the_moment_a_job_is_there() {
    let contoso = Organization::start().await;
    let agent = contoso.listening("one").await;
    let (answer, job) = tokio::join!(agent.poll(&contoso), async {
        contoso.until(|state| held_polls(&state.devops, &agent) == 1).await;
        contoso.queue(&[])
    });
    assert_eq!(agent.decrypt(&answer.ok().body)["requestId"], job.request_id);
}

/// The official agent's keep-alive poll throws its reply away, and looks like the first poll of its main loop.
#[tokio::test]
async fn the_poll_beside_the_main_one_is_given_no_job() {
    let contoso = Organization::start().await;
    let agent = contoso.listening("one").await;
    let until_held = async |count| contoso.until(|state| held_polls(&state.devops, &agent) == count).await;
    let main = async {
        let answer = agent.poll(&contoso).await.ok();
        contoso.step(50).await;
        answer
    };
    let keep_alive = async {
        until_held(1).await;
        agent.poll(&contoso).await
    };
    let (main, keep_alive, ()) = tokio::join!(main, keep_alive, async {
        until_held(2).await;
        contoso.queue(&[]);
    });
    assert_eq!(main.body["messageType"], "PipelineAgentJobRequest");
    assert_eq!(keep_alive.status, 202);
}

#[tokio::test]
async fn a_message_comes_again_until_it_is_deleted_whatever_was_seen() {
    let contoso = Organization::start().await;
    let agent = contoso.listening("one").await;
    contoso.queue(&[]);
    let first = agent.poll(&contoso).await.ok().body;
    let seen = format!("{}&lastMessageId={}", agent.messages(), first["messageId"]);
    let again = contoso.call_as(&agent.token, Method::GET, &seen, None).await.ok().body;
    assert_eq!(again["messageId"], first["messageId"]);
}

#[tokio::test]
async fn a_job_that_was_not_fetched_waits_for_the_agents_next_session() {
    let contoso = Organization::start().await;
    let mut agent = contoso.listening("one").await;
    let job = contoso.queue(&[]);
    agent.close_session(&contoso).await.ok();
    agent.open_session(&contoso).await.ok();
    assert_eq!(agent.take_job(&contoso).await["requestId"], job.request_id);
}

#[tokio::test]
async fn an_agent_has_one_session_until_it_is_silent() {
    let contoso = Organization::start().await;
    let mut agent = contoso.listening("one").await;
    let status = async || contoso.get(&agent.path()).await.ok().body["status"].clone();
    assert_eq!(status().await, "online");
    contoso.step(119).await;
    assert_eq!(status().await, "online");
    let mut other = Agent { token: agent.token.clone(), ..contoso.register("two").await };
    other.id = agent.id;
    assert_eq!(other.open_session(&contoso).await.refusal(), (409, "TaskAgentSessionConflictException"));
    contoso.step(2).await;
    assert_eq!(status().await, "offline");
    assert_eq!(agent.poll(&contoso).await.refusal(), (403, "TaskAgentSessionExpiredException"));
    agent.open_session(&contoso).await.ok();
}

#[tokio::test]
async fn a_session_may_be_refused_although_there_is_none() {
    let contoso = Organization::start().await;
    let mut agent = contoso.register("one").await;
    agent.ask_for_token(&contoso).await;
    contoso.turn("devops.session-conflict", json!(1));
    assert_eq!(agent.open_session(&contoso).await.refusal(), (409, "TaskAgentSessionConflictException"));
    agent.open_session(&contoso).await.ok();
}

#[tokio::test]
async fn an_agent_that_polls_is_not_silent() {
    let contoso = Organization::start().await;
    contoso.turn("devops.poll-seconds", json!(100_000));
    let agent = contoso.listening("one").await;
    let (answer, ()) = tokio::join!(agent.poll(&contoso), async {
        contoso.until(|state| held_polls(&state.devops, &agent) == 1).await;
        contoso.step(3600).await;
        contoso.queue(&[]);
    });
    answer.ok();
}

#[tokio::test]
async fn a_removed_agent_learns_it_from_its_poll() {
    let contoso = Organization::start().await;
    let agent = contoso.listening("one").await;
    let (answer, ()) = tokio::join!(agent.poll(&contoso), async {
        contoso.until(|state| held_polls(&state.devops, &agent) == 1).await;
        contoso.delete(&agent.path()).await.ok();
    });
    assert_eq!(answer.refusal(), (401, "TaskAgentAccessTokenExpiredException"));
    assert_eq!(agent.poll(&contoso).await.refusal(), (401, "TaskAgentAccessTokenExpiredException"));
}

#[tokio::test]
async fn an_old_agent_is_told_to_update() {
    let contoso = Organization::start().await;
    contoso.turn("devops.agent-refresh", json!("4.276.0"));
    let agent = contoso.listening("one").await;
    let message = agent.poll(&contoso).await.ok().body;
    assert_eq!(message["messageType"], "AgentRefresh");
    let expected = json!({"agentId": agent.id, "timeout": "00:10:00", "targetVersion": "4.276.0"});
    assert_eq!(agent.decrypt(&message), expected);
}

#[tokio::test]
async fn an_agent_does_not_listen_for_another() {
    let contoso = Organization::start().await;
    let (agent, mut other) = (contoso.listening("one").await, contoso.register("two").await);
    other.token.clone_from(&agent.token);
    assert_eq!(other.open_session(&contoso).await.refusal(), (403, "AccessDeniedException"));
    let elsewhere = "_apis/distributedtask/pools/1/sessions";
    let answer = contoso.call_as(&agent.token, Method::POST, elsewhere, Some(json!({}))).await;
    assert_eq!(answer.refusal(), (403, "AccessDeniedException"));
}
