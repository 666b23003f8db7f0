//! One job, ever, in a real container.

use system_tests::{Engine, World};

/// A container that is started again has lost what was written in it, and must know all the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_container_that_the_platform_starts_again_runs_no_second_job() {
    let Some(engine) = Engine::prepared() else { return };
    let world = World::on(&engine).await;
    world.fault("arm.restart-after-exit", 1);
    let provision = world.provision().with("image", engine.agent_image()).and("take-down", "outside");
    let provisioned = provision.run().await;
    let agent = provisioned.agent_name();
    let run = world.job(agent, "echo once").await;
    assert_eq!(world.result(run).await, "succeeded");
    world.says(agent, "used-before").await;
    let output = world.container_output(agent);
    assert_eq!(output.matches("starting the agent").count(), 1, "{output}");
    deprovision(world, agent).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_container_that_the_engine_restarts_runs_no_second_job() {
    let Some(engine) = Engine::prepared() else { return };
    let world = World::on(&engine).await;
    let provision = world.provision().with("image", engine.agent_image()).and("take-down", "outside");
    let provisioned = provision.run().await;
    let agent = provisioned.agent_name();
    let container = engine.container_of(agent);
    let run = world.job(agent, "echo once").await;
    assert_eq!(world.result(run).await, "succeeded");
    engine.docker(&["wait", &container]);
    engine.docker(&["start", "--attach", &container]);
    let printed = engine.docker(&["logs", &container]);
    assert!(printed.contains("used-before"), "{printed}");
    assert_eq!(printed.matches("starting the agent").count(), 1, "{printed}");
    deprovision(world, agent).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn orphans_are_collected_and_daemons_keep_no_container_alive() {
    let Some(engine) = Engine::prepared() else { return };
    let world = World::on(&engine).await;
    let provisioned = world.provision().with("image", engine.agent_image()).run().await;
    let agent = provisioned.agent_name();
    let container = engine.container_of(agent);
    let script = "for i in 1 2 3 4 5; do setsid sh -c 'true & exec true' & done\nsetsid sleep 9999 >/dev/null 2>&1 &\n\
                  mkfifo -m 666 /tmp/gate; read line < /tmp/gate || true";
    let run = world.job(agent, script).await;
    world.job_begins(agent).await;
    // The job waits at its gate while we count the dead that nobody has collected.
    let zombies = "[ -p /tmp/gate ] && cat /proc/[0-9]*/stat 2>/dev/null | grep -c ') Z '";
    while engine.try_inside(&container, zombies) != "0" {}
    engine.inside(&container, "echo go > /tmp/gate");
    assert_eq!(world.result(run).await, "succeeded", "{}", world.job_log(run));
    world.life(agent).await.has_row("job-finished");
    world.nothing_left().await;
    world.end().await;
    assert!(!engine.try_docker(&["inspect", &container]).status.success(), "the container is gone");
}

/// An agent with a job that runs for ever, and another job behind it that only this agent could take.
async fn two_jobs(engine: &Engine, world: &World) -> (String, u64, u64) {
    let provisioned = world.provision().with("image", engine.agent_image()).run().await;
    let agent = provisioned.agent_name().to_owned();
    let run = world.job(&agent, "mkfifo -m 666 /tmp/gate; echo begun; read line < /tmp/gate || true").await;
    world.job_begins(&agent).await;
    let second = world.job(&agent, "echo second").await;
    let container = engine.container_of(&agent);
    while engine.try_inside(&container, "[ -p /tmp/gate ] && echo there") != "there" {}
    (agent, run, second)
}

/// Its life ends so, with one job of which the service knows this result, and the other job was not touched.
async fn ends_with_one_job(world: World, agent: &str, second: u64, row: &str, result: &str) {
    let life = world.life(agent).await;
    life.has_row(row);
    assert_eq!(life.count("starting the agent"), 1, "{}", life.output);
    assert_eq!(life.count("Running job"), 1, "{}", life.output);
    assert_eq!(world.jobs_of(agent), [result]);
    assert!(!world.job_log(second).contains("second"));
    world.nothing_left().await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_that_is_killed_in_its_job_runs_no_second_job() {
    let Some(engine) = Engine::prepared() else { return };
    let world = World::on(&engine).await;
    // The service counts the job as running until the agent's lock on it lapses.
    world.fault("devops.lock-seconds", 5);
    let (agent, _, second) = two_jobs(&engine, &world).await;
    engine.kill(&engine.container_of(&agent), "[A]gent.Listener run");
    ends_with_one_job(world, &agent, second, "agent-lost", "abandoned").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_whose_worker_is_killed_runs_no_second_job() {
    let Some(engine) = Engine::prepared() else { return };
    let world = World::on(&engine).await;
    let (agent, run, second) = two_jobs(&engine, &world).await;
    engine.kill(&engine.container_of(&agent), "[A]gent.Worker");
    assert_eq!(world.result(run).await, "failed");
    ends_with_one_job(world, &agent, second, "job-finished", "failed").await;
}

/// The update waits for the job, and the agent's exit code 4 asks for another start then: that would be a second job.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_update_during_the_job_is_not_followed_by_a_second_job() {
    let Some(engine) = Engine::prepared() else { return };
    let world = World::on(&engine).await;
    world.fault("devops.agent-refresh", serde_json::json!({"version": "4.276.0", "during-job": true}));
    let (agent, run, second) = two_jobs(&engine, &world).await;
    world
        .wait_for("the update to wait for the job", |state| {
            let agent = state.devops.agents.values().find(|known| known.name == agent)?;
            agent.update_state.as_ref()?.starts_with("Waiting for current job").then_some(())
        })
        .await;
    engine.inside(&engine.container_of(&agent), "echo go > /tmp/gate");
    assert_eq!(world.result(run).await, "succeeded");
    world.says(&agent, "Agent will exit shortly for update").await;
    ends_with_one_job(world, &agent, second, "job-finished", "succeeded").await;
}

/// The service overlooks that the agent is about to go, and sends it another job, which nobody takes up.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_job_message_is_not_taken() {
    let Some(engine) = Engine::prepared() else { return };
    let world = World::on(&engine).await;
    world.fault("devops.second-job", 10);
    let provision = world.provision().with("image", engine.agent_image()).and("take-down", "outside");
    let provisioned = provision.run().await;
    let agent = provisioned.agent_name();
    let run = world.job(agent, "echo first").await;
    let second = world.job(agent, "echo second").await;
    assert_eq!(world.result(run).await, "succeeded");
    let life = world.life(agent).await;
    life.has_row("outside");
    assert_eq!(life.count("Running job"), 1, "{}", life.output);
    let printed = world.deprovision(agent).run().await;
    assert_eq!(printed.code, Some(0), "{}", printed.said());
    assert_eq!(world.jobs_of(agent), ["succeeded", "abandoned"], "it was sent to this agent");
    assert!(!world.job_log(second).contains("second"));
    world.nothing_left().await;
    world.end().await;
}

async fn deprovision(world: World, agent: &str) {
    let printed = world.deprovision(agent).run().await;
    assert_eq!(printed.code, Some(0), "{}", printed.said());
    world.nothing_left().await;
    world.end().await;
}
