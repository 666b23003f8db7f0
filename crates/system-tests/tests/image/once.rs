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

async fn deprovision(world: World, agent: &str) {
    let printed = world.deprovision(agent).run().await;
    assert_eq!(printed.code, Some(0), "{}", printed.said());
    world.nothing_left().await;
    world.end().await;
}
