//! How lives end.

use system_tests::World;

#[tokio::test]
async fn one_job() {
    let world = World::start().await;
    let provisioned = world.provision().run().await;
    let agent = provisioned.agent_name();
    let run = world.job(agent, "echo hello from $(id -un)").await;
    assert_eq!(world.result(run).await, "succeeded", "{}", world.container_output(agent));
    assert!(world.job_log(run).contains("hello from"), "{}", world.job_log(run));
    world.life(agent).await.has_row("job-finished");
    world.nothing_left().await;
}

#[tokio::test]
async fn no_job_comes() {
    let world = World::start().await;
    let provisioned = world.provision().with("idle-timeout", "1").run().await;
    world.life(provisioned.agent_name()).await.has_row("no-job");
    world.nothing_left().await;
}
