//! Being told to stop: by the platform's SIGTERM to the container, and by `stop` of the container group.

use nix::sys::signal::Signal;
use system_tests::{World, has_ended, is_alive};

#[tokio::test]
async fn defect_02_told_to_stop_while_idle() {
    let world = World::start().await;
    let provisioned = world.provision().run().await;
    let agent = provisioned.agent_name();
    world.signal(agent, Signal::SIGTERM).await;
    let life = world.life(agent).await;
    life.has_row("stopped");
    assert_eq!(life.outcome()["agent"], "removed");
    world.nothing_left().await;
}

/// Of an agent without a job nothing can be lost: it gets ten seconds.
#[tokio::test]
async fn told_to_stop_while_idle_and_the_agent_does_not_listen() {
    let world = World::start().await;
    world.fault("compute.misbehave", "ignore-sigint");
    world.hold_groups();
    let provisioned = world.provision().run().await;
    let agent = provisioned.agent_name();
    let listener = world.process(agent, "Agent.Listener").await;
    world.signal(agent, Signal::SIGTERM).await;
    world.life(agent).await.has_row("stopped");
    has_ended(listener).await;
    world.release_groups();
    world.nothing_left().await;
}

#[tokio::test]
async fn told_to_stop_while_the_agent_registers_itself() {
    let world = World::start().await;
    world.fault("compute.misbehave", "hang-configure");
    world.hold_groups();
    let provisioned = world.provision_unseen().with("registration", "token").run().await;
    let agent = provisioned.agent_name();
    world.says(agent, "Failed to replace the agent").await;
    let configuring = world.process(agent, "Agent.Listener configure").await;
    world.signal(agent, Signal::SIGTERM).await;
    world.life(agent).await.has_row("stopped");
    has_ended(configuring).await;
    world.release_groups();
    world.nothing_left().await;
}

#[tokio::test]
async fn told_to_stop_while_the_agent_updates_itself() {
    let world = World::start().await;
    world.fault("compute.misbehave", "exit-before-job:4,update-hangs");
    world.hold_groups();
    let provisioned = world.provision_unseen().run().await;
    let agent = provisioned.agent_name();
    world.says(agent, "the agent updates itself").await;
    let script = world.process(agent, "sleep 3600").await;
    world.signal(agent, Signal::SIGTERM).await;
    world.life(agent).await.has_row("stopped");
    has_ended(script).await;
    world.release_groups();
    world.nothing_left().await;
}

/// A world whose agent has begun a job that takes for ever, and the process of its step.
async fn in_its_job(lines: &str, words: &str) -> (World, String, u64, u32) {
    let world = World::with_agent(lines).await;
    world.fault("compute.misbehave", words);
    world.hold_groups();
    // Of a job that is not reported as ended the service knows when the agent's lock on it lapses.
    world.fault("devops.lock-seconds", 8);
    let provisioned = world.provision().run().await;
    let agent = provisioned.agent_name().to_owned();
    let run = world.job(&agent, "echo begun; sleep 8610").await;
    let step = world.process(&agent, "sleep 8610").await;
    (world, agent, run, step)
}

#[tokio::test]
async fn defect_02_told_to_stop_in_a_job() {
    let (world, agent, run, step) = in_its_job("", "").await;
    world.signal(&agent, Signal::SIGTERM).await;
    assert_eq!(world.result(run).await, "canceled");
    world.life(&agent).await.has_row("job-stopped");
    has_ended(step).await;
    world.release_groups();
    assert_eq!(world.jobs_of(&agent), ["canceled"], "the result reached the service");
    world.nothing_left().await;
}

#[tokio::test]
async fn told_to_stop_in_a_job_that_ends_slowly_within_its_grace() {
    let (world, agent, run, _) = in_its_job("", "slow-worker:3").await;
    world.release_groups();
    world.signal(&agent, Signal::SIGTERM).await;
    assert_eq!(world.result(run).await, "canceled");
    world.life(&agent).await.has_row("job-stopped");
    assert_eq!(world.jobs_of(&agent), ["canceled"]);
    world.nothing_left().await;
}

#[tokio::test]
async fn told_to_stop_in_a_job_that_does_not_end_within_its_grace() {
    // A worker that was told has reported the job before it dawdles.
    for (words, run_result, job_result) in
        [("ignore-sigint", "failed", "abandoned"), ("slow-worker:600", "canceled", "canceled")]
    {
        let (world, agent, run, step) = in_its_job("export AZP_GRACE=2", words).await;
        world.signal(&agent, Signal::SIGTERM).await;
        world.life(&agent).await.has_row("job-killed");
        has_ended(step).await;
        world.release_groups();
        assert_eq!(world.result(run).await, run_result, "{words}");
        assert_eq!(world.jobs_of(&agent), [job_result], "{words}");
        world.nothing_left().await;
    }
}

#[tokio::test]
async fn told_to_stop_twice_in_a_job() {
    let (world, agent, run, step) = in_its_job("", "slow-worker:600").await;
    world.signal(&agent, Signal::SIGTERM).await;
    world.says(&agent, "asking the agent to stop").await;
    world.signal(&agent, Signal::SIGTERM).await;
    world.life(&agent).await.has_row("job-killed");
    has_ended(step).await;
    world.release_groups();
    assert!(["canceled", "failed"].contains(&world.result(run).await), "as far as it had come");
    world.nothing_left().await;
}

/// Whoever signals the agent itself, such as a runtime that signals every process: the newer agent dies of it.
#[tokio::test]
async fn the_agent_is_told_to_stop_too_and_dies_of_it() {
    let (world, agent, run, step) = in_its_job("", "die-on-sigterm").await;
    let listener = world.process(&agent, "Agent.Listener").await;
    world.signal(&agent, Signal::SIGSTOP).await;
    system_tests::signal(listener, Signal::SIGTERM);
    world.signal(&agent, Signal::SIGTERM).await;
    world.signal(&agent, Signal::SIGCONT).await;
    let life = world.life(&agent).await;
    assert!(["agent-lost", "job-stopped"].contains(&life.outcome()["outcome"].as_str().unwrap_or_default()));
    has_ended(step).await;
    world.release_groups();
    assert_eq!(world.result(run).await, "failed");
    world.nothing_left().await;
}

/// `stop` ends the container at once, as far as is known; whoever stops it takes down what stays.
#[tokio::test]
async fn its_container_group_is_stopped() {
    let world = World::start().await;
    let provisioned = world.provision().run().await;
    let agent = provisioned.agent_name();
    let supervisor = world.supervisor(agent).await;
    let listener = world.process(agent, "Agent.Listener").await;
    world.emulator().change(|state| emulator::arm::stop_container_group(state, agent));
    world.wait_for("the end of the container", |_| (!is_alive(supervisor)).then_some(())).await;
    has_ended(listener).await;
    assert_eq!((world.agents(), world.groups()), (vec![agent.to_owned()], vec![agent.to_owned()]));
    let printed = world.deprovision(agent).run().await;
    assert_eq!(printed.code, Some(0), "{}", printed.said());
    assert!(printed.said().contains(&format!("{agent}: taken down")), "{}", printed.said());
    world.nothing_left().await;
}
