//! `docker stop`: what a container gets when a machine is taken away.

use system_tests::{Engine, World};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stopped_while_idle_it_unregisters_and_is_gone_within_the_grace() {
    let Some(engine) = Engine::prepared() else { return };
    let world = World::on(&engine).await;
    let provisioned = world.provision().with("image", engine.agent_image()).run().await;
    let agent = provisioned.agent_name();
    engine.try_docker(&["stop", "--time", "30", &engine.container_of(agent)]);
    world.life(agent).await.has_row("stopped");
    world.nothing_left().await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stopped_during_a_job_the_job_is_cancelled_and_its_result_arrives() {
    let Some(engine) = Engine::prepared() else { return };
    let world = World::on(&engine).await;
    let provisioned = world.provision().with("image", engine.agent_image()).run().await;
    let agent = provisioned.agent_name();
    let run = world.job(agent, "trap 'exit 1' INT TERM; tail -f /dev/null & wait").await;
    world.job_begins(agent).await;
    engine.try_docker(&["stop", "--time", "60", &engine.container_of(agent)]);
    assert_eq!(world.result(run).await, "canceled", "{}", world.container_output(agent));
    world.life(agent).await.has_row("job-stopped");
    world.nothing_left().await;
    world.end().await;
}
