//! Containers that the platform starts again, whatever their policy says.

use nix::sys::signal::Signal;
use system_tests::World;

/// Runs nothing, and takes down once more what was to be gone.
#[tokio::test]
async fn after_a_crash_in_the_job_nothing_runs_again() {
    let world = World::start().await;
    world.fault("arm.restart-after-exit", 1);
    world.fault("devops.lock-seconds", 5);
    let provisioned = world.provision().run().await;
    let agent = provisioned.agent_name();
    world.job(agent, "echo begun; sleep 8640").await;
    let second = world.job(agent, "echo second").await;
    world.process(agent, "sleep 8640").await;
    world.signal(agent, Signal::SIGKILL).await;
    let life = world.life(agent).await;
    life.has_row("used-before");
    assert_eq!(life.count("starting the agent"), 1);
    assert_eq!(life.outcome()["agent"], "removed", "once the lock on the job has lapsed");
    assert_eq!(world.jobs_of(agent), ["abandoned"]);
    assert!(!world.job_log(second).contains("second"));
    world.nothing_left().await;
}

/// An agent that nobody has started yet is started: the restart came too early to do harm.
#[tokio::test]
async fn a_crash_before_the_agent_ran_does_no_harm() {
    let lines = r#"[ -e "$AZP_HOME/crashed" ] || { touch "$AZP_HOME/crashed"; exit 1; }"#;
    let world = World::with_agent(lines).await;
    world.fault("arm.restart-after-exit", 1);
    let provisioned = world.provision().run().await;
    let agent = provisioned.agent_name();
    let run = world.job(agent, "echo done").await;
    assert_eq!(world.result(run).await, "succeeded");
    world.life(agent).await.has_row("job-finished");
    world.nothing_left().await;
}

/// Without the right to take itself down it only says so, as often as it is started.
#[tokio::test]
async fn after_its_job_it_refuses_to_run_another() {
    let world = World::start().await;
    world.fault("arm.restart-after-exit", 1);
    let provisioned = world.provision().with("take-down", "outside").run().await;
    let agent = provisioned.agent_name();
    let run = world.job(agent, "echo done").await;
    assert_eq!(world.result(run).await, "succeeded");
    world.says(agent, "agent-supervisor: used-before").await;
    world.says(agent, r#""outcome":"used-before""#).await;
    let outcomes = world.life(agent).await.outcomes();
    let names: Vec<_> = outcomes.iter().filter_map(|outcome| outcome["outcome"].as_str()).collect();
    assert_eq!(names, ["job-finished", "used-before"]);
    assert_eq!(world.jobs_of(agent), ["succeeded"]);
    assert_eq!(world.deprovision(agent).run().await.code, Some(0));
    world.nothing_left().await;
}
