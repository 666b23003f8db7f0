//! How the agent's own program can end, and what that does not mean.

use nix::sys::signal::Signal;
use system_tests::{World, has_ended, signal};

/// An agent that misbehaves so before it has a job, and the row that its life ends with.
async fn ends_before_a_job(words: &str, row: &str) {
    let world = World::start().await;
    world.fault("compute.misbehave", words);
    let provisioned = world.provision_unseen().run().await;
    let agent = provisioned.agent_name();
    let life = world.life(agent).await;
    life.has_row(row);
    assert_eq!(life.outcome()["agent"], "removed");
    assert!(world.jobs_of(agent).is_empty());
    world.nothing_left().await;
}

#[tokio::test]
async fn refused_by_the_service() {
    ends_before_a_job("exit:1", "agent-refused").await;
}

#[tokio::test]
async fn crashed_before_a_job() {
    ends_before_a_job("exit:2", "agent-crashed").await;
}

#[tokio::test]
async fn ended_well_without_a_job() {
    ends_before_a_job("exit-before-job:0", "agent-removed").await;
}

#[tokio::test]
async fn removed_from_the_pool_while_idle() {
    let world = World::start().await;
    let provisioned = world.provision().run().await;
    let agent = provisioned.agent_name();
    world.emulator().change(|state| {
        let id = state.devops.agents.values().find(|known| known.name == agent).expect("registered").id;
        emulator::devops::remove_agent(state, id).expect("idle");
    });
    world.life(agent).await.has_row("agent-removed");
    world.nothing_left().await;
}

#[tokio::test]
async fn killed_before_a_job() {
    let world = World::start().await;
    let provisioned = world.provision().run().await;
    let agent = provisioned.agent_name();
    signal(world.process(agent, "Agent.Listener").await, Signal::SIGKILL);
    world.life(agent).await.has_row("agent-killed");
    world.nothing_left().await;
}

#[tokio::test]
async fn killed_in_its_job() {
    let world = World::start().await;
    // The service counts the job as running until the agent's lock on it lapses.
    world.fault("devops.lock-seconds", 5);
    let provisioned = world.provision().run().await;
    let agent = provisioned.agent_name();
    world.hold_groups();
    let run = world.job(agent, "echo begun; sleep 8601").await;
    world.job_begins(agent).await;
    let step = world.process(agent, "sleep 8601").await;
    signal(world.process(agent, "Agent.Listener").await, Signal::SIGKILL);
    let life = world.life(agent).await;
    life.has_row("agent-lost");
    has_ended(step).await;
    world.release_groups();
    assert_eq!(world.result(run).await, "failed");
    assert_eq!(world.jobs_of(agent), ["abandoned"]);
    assert_eq!(life.outcome()["agent"], "removed", "once the lock has lapsed");
    world.nothing_left().await;
}

#[tokio::test]
async fn its_worker_crashes_in_the_job() {
    let world = World::start().await;
    let provisioned = world.provision().run().await;
    let agent = provisioned.agent_name();
    world.hold_groups();
    let run = world.job(agent, "echo begun; sleep 8602").await;
    world.job_begins(agent).await;
    let step = world.process(agent, "sleep 8602").await;
    signal(world.process(agent, "Agent.Worker").await, Signal::SIGKILL);
    world.life(agent).await.has_row("job-finished");
    has_ended(step).await;
    world.release_groups();
    assert_eq!(world.result(run).await, "failed");
    assert_eq!(world.jobs_of(agent), ["failed"]);
    world.nothing_left().await;
}

/// Known defect of the agent, azure-pipelines-agent#5563.
#[tokio::test]
async fn hangs_after_its_job() {
    let world = World::start().await;
    world.fault("compute.misbehave", "hang-after-job");
    let provisioned = world.provision().run().await;
    let agent = provisioned.agent_name();
    let run = world.job(agent, "echo done").await;
    assert_eq!(world.result(run).await, "succeeded");
    world.life(agent).await.has_row("job-finished-hung");
    assert_eq!(world.jobs_of(agent), ["succeeded"]);
    world.nothing_left().await;
}
