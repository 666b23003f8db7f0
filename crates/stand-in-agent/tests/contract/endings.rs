//! How `run` ends, and what a supervisor sees of it.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;

use crate::support::agent::{Agent, lay_out, text};
use crate::support::server::Server;
use crate::support::world::{Call, job, script};

#[tokio::test]
async fn not_configured_is_1() {
    let server = Server::start().await;
    let output = Agent::install(&server).run(&["run", "--once"]).await;
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output).contains("Not configured"));
}

#[tokio::test]
async fn version_and_help() {
    let server = Server::start().await;
    let agent = Agent::install(&server);
    assert_eq!(text(&agent.run(&["--version"]).await), "4.275.0\n");
    assert!(
        text(&agent.run(&["--help", "--surplus"]).await)
            .starts_with("Unrecognized command-line input arguments: '--surplus'")
    );
}

#[tokio::test]
async fn three_files_are_enough_to_run() {
    let server = Server::start().await;
    let configured = Agent::configured(&server).await;
    let handed_over = Agent::install(&server);
    for file in [".agent", ".credentials", ".credentials_rsaparams"] {
        std::fs::copy(configured.root.join(file), handed_over.root.join(file)).unwrap();
    }
    server.world.send("PipelineAgentJobRequest", job(&server.url, &json!([script("one", "true", "")])));
    let output = handed_over.run(&["run", "--once"]).await;
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    assert!(text(&output).contains("completed with result: Succeeded"));
}

#[tokio::test]
async fn an_agent_the_server_forgot_is_refused_a_session() {
    let server = Server::start().await;
    let agent = Agent::configured(&server).await;
    let other = Agent::install(&server);
    other.configure(&["--replace"]).await;
    let output = agent.run(&["run", "--once"]).await;
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    assert!(text(&output).contains("invalid_client"));
}

/// Sends a signal once the job is under way; the exit code.
async fn signalled(signal: Signal, misbehaviour: &str) -> (Option<i32>, String, Server) {
    let server = Server::start().await;
    let agent = Agent::configured(&server).await.with("STAND_IN_MISBEHAVE", misbehaviour);
    let steps = json!([script("long", "echo under way; sleep 600", "")]);
    server.world.send("PipelineAgentJobRequest", job(&server.url, &steps));
    let child = agent.start(&["run", "--once"]);
    let pid = Pid::from_raw(child.id().unwrap().try_into().unwrap());
    let under_way = |call: &Call| call.text().contains("\"under way\"");
    server.world.until(|world| world.calls_of("POST", "/feed").iter().any(under_way)).await;
    kill(pid, signal).unwrap();
    let output = child.wait_with_output().await.unwrap();
    (output.status.code(), text(&output), server)
}

#[tokio::test]
async fn interrupt_cancels_the_job_and_closes_the_session() {
    let (code, lines, server) = signalled(Signal::SIGINT, "").await;
    assert_eq!(code, Some(0), "{lines}");
    assert!(lines.contains("Exiting...") && lines.contains("completed with result: Canceled"), "{lines}");
    assert_eq!(server.world.calls_of("DELETE", "/sessions/").len(), 1);
    assert_eq!(server.world.calls_of("POST", "/events").last().unwrap().json()["result"], "canceled");
}

#[tokio::test]
async fn terminate_does_the_same_with_another_code() {
    let (code, lines, server) = signalled(Signal::SIGTERM, "").await;
    assert_eq!(code, Some(143), "{lines}");
    assert_eq!(server.world.calls_of("DELETE", "/sessions/").len(), 1);
}

#[tokio::test]
async fn the_newer_agent_dies_of_terminate_and_leaves_its_session() {
    let (code, lines, server) = signalled(Signal::SIGTERM, "die-on-sigterm").await;
    assert_eq!(code, None, "{lines}");
    assert!(server.world.calls_of("DELETE", "/sessions/").is_empty());
    // The worker notices that it is alone and ends the job.
    server.world.until(|world| !world.calls_of("POST", "/events").is_empty()).await;
}

#[tokio::test]
async fn exit_codes_on_demand() {
    for (misbehaviour, with_job, code) in
        [("exit:2", false, 2), ("exit-before-job:4", false, 4), ("exit-after-job:4", true, 4)]
    {
        let server = Server::start().await;
        let agent = Agent::configured(&server).await.with("STAND_IN_MISBEHAVE", misbehaviour);
        if with_job {
            server
                .world
                .send("PipelineAgentJobRequest", job(&server.url, &json!([script("one", "true", "")])));
        }
        let output = agent.run(&["run", "--once"]).await;
        assert_eq!(output.status.code(), Some(code), "{misbehaviour}: {}", text(&output));
    }
}

#[tokio::test]
async fn a_closed_or_odd_output_does_not_keep_it_from_its_job() {
    let server = Server::start().await;
    let agent =
        Agent::configured(&server).await.with("STAND_IN_MISBEHAVE", "long-lines,crlf,localised,close-stdout");
    server.world.send("PipelineAgentJobRequest", job(&server.url, &json!([script("one", "true", "")])));
    let output = agent.run(&["run", "--once"]).await;
    assert_eq!(output.status.code(), Some(0));
    let lines = text(&output);
    assert!(lines.ends_with("Z: Es wird auf Aufträge gewartet\r\n"), "{lines}");
    assert!(lines.lines().any(|line| line.len() >= 100_000));
}

/// A package of version 4.276.0.
fn packaged() -> Vec<u8> {
    let package = tempfile::tempdir().unwrap();
    lay_out(package.path());
    std::fs::write(package.path().join("bin/version"), "4.276.0").unwrap();
    let mut archive =
        tar::Builder::new(flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast()));
    archive.append_dir_all(".", package.path()).unwrap();
    archive.into_inner().unwrap().finish().unwrap()
}

#[tokio::test]
async fn an_update_ends_with_4_and_run_sh_starts_the_new_version() {
    let server = Server::start().await;
    let agent = Agent::configured(&server).await;
    server.world.add_package("4.276.0", packaged());
    server.world.send("AgentRefresh", json!({"agentId": 17, "targetVersion": "4.276.0"}));
    let then_a_job = async {
        // The first listener is gone when its session is deleted; the job is for the second.
        server.world.until(|world| !world.calls_of("DELETE", "/sessions/").is_empty()).await;
        server.world.send("PipelineAgentJobRequest", job(&server.url, &json!([script("one", "true", "")])));
    };
    let (output, ()) = tokio::join!(agent.script("run.sh", &["--once"]), then_a_job);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    let sessions = server.world.calls_of("POST", "/sessions");
    let version = |call: &Call| call.json()["agent"]["version"].as_str().unwrap().to_owned();
    assert_eq!(version(sessions.last().unwrap()), "4.276.0", "{}", text(&output));
    assert!(
        agent
            .names_in("_diag")
            .iter()
            .any(|name| name.starts_with("SelfUpdate-") && name.ends_with(".log.succeed"))
    );
    assert!(agent.root.join("bin.4.275.0/Agent.Listener").exists() && agent.root.join("bin").is_symlink());
}

#[tokio::test]
async fn an_update_during_the_job_ends_with_4_after_it() {
    let server = Server::start().await;
    let agent = Agent::configured(&server).await;
    server.world.add_package("4.276.0", packaged());
    let gate = tempfile::tempdir().unwrap();
    let pipe = gate.path().join("go");
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let waits = script("waits", &format!("echo under way; read -r _ < {}", pipe.display()), "");
    server.world.send("PipelineAgentJobRequest", job(&server.url, &json!([waits])));
    let update = async {
        let world = &server.world;
        let under_way = |call: &Call| call.text().contains("\"under way\"");
        world.until(|world| world.calls_of("POST", "/feed").iter().any(under_way)).await;
        world.send("AgentRefresh", json!({"agentId": 17, "targetVersion": "4.276.0"}));
        let waiting = |call: &Call| call.query.contains("Waiting");
        world.until(|world| world.calls_of("PUT", "/updates").iter().any(waiting)).await;
        tokio::task::spawn_blocking(move || std::fs::write(pipe, "go\n").unwrap()).await.unwrap();
    };
    let (output, ()) = tokio::join!(agent.run(&["run", "--once"]), update);
    assert_eq!(output.status.code(), Some(4), "{}", text(&output));
    assert!(text(&output).contains("completed with result: Succeeded"));
}

#[tokio::test]
async fn updates_can_be_switched_off() {
    let server = Server::start().await;
    let agent = Agent::configured(&server).await;
    std::fs::write(agent.root.join(".env"), "agent.disableupdate=1\n").unwrap();
    server.world.send("AgentRefresh", json!({"agentId": 17, "targetVersion": "4.276.0"}));
    server.world.send("PipelineAgentJobRequest", job(&server.url, &json!([script("one", "true", "")])));
    let output = agent.run(&["run", "--once"]).await;
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    assert!(server.world.calls_of("PUT", "/updates").is_empty());
}

#[tokio::test]
async fn once_takes_one_job_and_leaves_the_second() {
    let server = Server::start().await;
    let agent = Agent::configured(&server).await;
    for name in ["first", "second"] {
        server.world.send("PipelineAgentJobRequest", job(&server.url, &json!([script(name, "true", "")])));
    }
    let output = agent.run(&["run", "--once"]).await;
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    assert_eq!(server.world.record("first")["result"], "succeeded");
    assert_eq!(server.world.record("second"), json!({}));
    assert!(server.world.calls_of("DELETE", "/messages/2").is_empty(), "left for another agent");
}

#[tokio::test]
async fn a_job_whose_worker_dies_fails() {
    let server = Server::start().await;
    let agent = Agent::configured(&server).await;
    // The step's shell is a child of the worker.
    let steps = json!([script("kills", "kill -KILL $PPID", "")]);
    server.world.send("PipelineAgentJobRequest", job(&server.url, &steps));
    let output = agent.run(&["run", "--once"]).await;
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    assert!(text(&output).contains("completed with result: Failed"));
    let event = server.world.calls_of("POST", "/events").last().unwrap().json();
    assert_eq!((&event["result"], &event["agentShuttingDown"]), (&json!("failed"), &json!(true)));
}

#[tokio::test]
async fn a_missing_key_is_said() {
    let server = Server::start().await;
    let agent = Agent::configured(&server).await;
    std::fs::remove_file(agent.root.join(".credentials_rsaparams")).unwrap();
    let output = agent.run(&["run", "--once"]).await;
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    assert!(text(&output).contains(".credentials_rsaparams is missing"));
}
