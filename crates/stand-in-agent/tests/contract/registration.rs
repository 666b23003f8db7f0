//! `configure` and `remove`.

use std::os::unix::fs::PermissionsExt as _;

use serde_json::Value;

use crate::support::agent::{Agent, text};
use crate::support::server::Server;
use crate::support::world::PAT;

fn settings(agent: &Agent, name: &str) -> Value {
    serde_json::from_slice(&std::fs::read(agent.root.join(name)).unwrap()).unwrap()
}

#[tokio::test]
async fn configure_registers_and_writes_the_files() {
    let server = Server::start().await;
    let agent = Agent::install(&server);
    let output = agent.configure(&["--notificationSocketAddress", "127.0.0.1:9"]).await;
    assert!(output.status.success(), "{}", text(&output));
    assert!(text(&output).contains("Successfully added the agent"));
    assert!(text(&output).contains("Z: Settings Saved."));
    let written = settings(&agent, ".agent");
    assert_eq!((&written["AgentId"], &written["PoolId"]), (&17.into(), &3.into()));
    assert_eq!(written["NotificationSocketAddress"], "127.0.0.1:9");
    assert_eq!(settings(&agent, ".credentials")["data"]["clientId"], "client-17");
    let key = std::fs::metadata(agent.root.join(".credentials_rsaparams")).unwrap();
    assert_eq!(key.permissions().mode() & 0o777, 0o600);
}

#[tokio::test]
async fn credentials_are_sent_only_when_a_challenge_asks_for_them() {
    let server = Server::start().await;
    Agent::configured(&server).await;
    let calls = server.world.calls_of("GET", "connectionData");
    assert_eq!(calls[0].authorization, "");
    assert!(calls[1].authorization.starts_with("Basic "));
}

#[tokio::test]
async fn the_token_is_not_uploaded_as_a_capability() {
    let server = Server::start().await;
    Agent::configured(&server).await;
    let registration = &server.world.calls_of("POST", "/agents")[0];
    assert!(!registration.text().contains(PAT));
    assert_eq!(registration.json()["systemCapabilities"]["Agent.Name"], "a1");
}

#[tokio::test]
async fn configure_twice_is_refused() {
    let server = Server::start().await;
    let agent = Agent::configured(&server).await;
    let output = agent.configure(&[]).await;
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output).contains("already configured"));
}

#[tokio::test]
async fn a_name_that_is_taken_needs_replace() {
    let server = Server::start().await;
    Agent::configured(&server).await;
    let other = Agent::install(&server);
    let output = other.configure(&[]).await;
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output).contains("already contains an agent with name a1"));
    let output = other.configure(&["--replace"]).await;
    assert!(output.status.success(), "{}", text(&output));
    assert_eq!(server.world.calls_of("PUT", "/agents/17").len(), 1);
}

#[tokio::test]
async fn a_wrong_token_ends_with_1() {
    let server = Server::start().await;
    let agent = Agent::install(&server);
    let output = agent.configure(&["--token", "wrong"]).await;
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output).contains("not authorized"), "{}", text(&output));
    assert!(!agent.root.join(".agent").exists());
}

#[tokio::test]
async fn remove_unregisters_once_it_is_not_busy() {
    let server = Server::start().await;
    let agent = Agent::configured(&server).await.with("STAND_IN_MISBEHAVE", "remove-busy:1");
    let output = agent.remove().await;
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output).contains("is running a job for pool"));
    assert!(agent.root.join(".agent").exists(), "kept, to try again");
    let output = agent.remove().await;
    assert!(output.status.success(), "{}", text(&output));
    assert!(!server.world.calls_of("DELETE", "/agents/17").is_empty());
    assert!(!agent.root.join(".agent").exists() && !agent.root.join(".credentials_rsaparams").exists());
    let output = agent.remove().await;
    assert_eq!(output.status.code(), Some(0), "nothing left to remove");
}

#[tokio::test]
async fn scripts_do_the_same() {
    let server = Server::start().await;
    let agent = Agent::install(&server).with("VSTS_AGENT_INPUT_TOKEN", PAT).with("LANG", "C.UTF-8");
    let url = format!("{}/contoso", server.url);
    let arguments = ["--unattended", "--url", &url, "--auth", "pat", "--pool", "SAMPLE", "--agent", "a1"];
    let output = agent.script("config.sh", &arguments).await;
    assert!(output.status.success(), "{}", text(&output));
    assert!(std::fs::read_to_string(agent.root.join(".env")).unwrap().contains("LANG=C.UTF-8"));
    let output = agent.script("config.sh", &["remove", "--auth", "pat"]).await;
    assert!(output.status.success(), "{}", text(&output));
    assert!(!agent.root.join(".agent").exists());
}
