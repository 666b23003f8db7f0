//! Agents that the service tells to update themselves.

use serde_json::json;
use system_tests::World;

const NEWER: &str = "4.276.0";
const STARTED: &str = "agent-supervisor: starting the agent";

#[tokio::test]
async fn defect_10_an_update_before_the_job_is_followed_by_one_job() {
    let world = World::start().await;
    world.fault("devops.agent-refresh", NEWER);
    let provisioned = world.provision().run().await;
    let agent = provisioned.agent_name();
    let first = world.job(agent, "echo first by $AGENT_VERSION").await;
    let second = world.job(agent, "echo second").await;
    assert_eq!(world.result(first).await, "succeeded", "{}", world.container_output(agent));
    let life = world.life(agent).await;
    life.has_row("job-finished");
    assert_eq!(life.count(STARTED), 2, "before and after the update");
    assert_eq!(world.jobs_of(agent), ["succeeded"], "one job, although another waited");
    assert!(world.job_log(first).contains("first by 4.276.0"), "{}", world.job_log(first));
    assert!(!world.job_log(second).contains("second"));
    world.nothing_left().await;
}

/// The update waits for the job, and the exit code asks for another start then: that would be a second job.
#[tokio::test]
async fn defect_10_an_update_during_the_job_is_not_followed_by_another() {
    let world = World::start().await;
    world.fault("devops.agent-refresh", json!({"version": NEWER, "during-job": true}));
    let gate = world.gate("gate");
    let provisioned = world.provision().run().await;
    let agent = provisioned.agent_name();
    let run = world.job(agent, &gate.wait()).await;
    let second = world.job(agent, "echo second").await;
    world
        .wait_for("the update to wait for the job", |state| {
            let agent = state.devops.agents.values().find(|known| known.name == agent)?;
            agent.update_state.as_ref()?.starts_with("Waiting for current job").then_some(())
        })
        .await;
    gate.open().await;
    assert_eq!(world.result(run).await, "succeeded");
    let life = world.life(agent).await;
    life.has_row("job-finished");
    assert_eq!(life.count("Agent will exit shortly for update"), 1, "{}", life.output);
    assert_eq!(life.count(STARTED), 1);
    assert_eq!(world.jobs_of(agent), ["succeeded"]);
    assert!(!world.job_log(second).contains("second"));
    world.nothing_left().await;
}

async fn fails_to_update(lines: &str, words: &str, row: &str) {
    let world = World::with_agent(lines).await;
    world.fault("compute.misbehave", words);
    let provisioned = world.provision_unseen().run().await;
    let agent = provisioned.agent_name();
    world.life(agent).await.has_row(row);
    assert!(world.jobs_of(agent).is_empty());
    world.nothing_left().await;
}

#[tokio::test]
async fn an_update_that_fails() {
    fails_to_update("", "exit-before-job:4,update-fails", "update-failed").await;
}

#[tokio::test]
async fn an_update_that_never_ends() {
    fails_to_update("export AZP_START_TIMEOUT=15", "exit-before-job:4,update-hangs", "update-hung").await;
}

/// Exit code 3 is that of an agent without `--once`; nothing says that only 4 can come.
#[tokio::test]
async fn an_update_with_the_other_exit_code() {
    let world = World::start().await;
    world.fault("compute.misbehave", "exit-before-job:3");
    let provisioned = world.provision().run().await;
    let agent = provisioned.agent_name();
    let run = world.job(agent, "echo once").await;
    assert_eq!(world.result(run).await, "succeeded");
    let life = world.life(agent).await;
    life.has_row("job-finished");
    assert_eq!(life.count(STARTED), 2);
    world.nothing_left().await;
}
