//! How lives end when nothing goes wrong.

use system_tests::World;

#[tokio::test]
async fn one_job() {
    let world = World::start().await;
    let provisioned = world.provision().run().await;
    let agent = provisioned.agent_name();
    let run = world.job(agent, "echo hello from $(id -un)").await;
    assert_eq!(world.result(run).await, "succeeded", "{}", world.container_output(agent));
    assert!(world.job_log(run).contains("hello from"), "{}", world.job_log(run));
    let life = world.life(agent).await;
    life.has_row("job-finished");
    let outcome = life.outcome();
    assert_eq!((&outcome["agent"], &outcome["containerGroup"]), (&"removed".into(), &"deleting".into()));
    assert_eq!(world.jobs_of(agent), ["succeeded"]);
    world.nothing_left().await;
}

#[tokio::test]
async fn a_job_that_fails() {
    let world = World::start().await;
    let provisioned = world.provision().run().await;
    let agent = provisioned.agent_name();
    let run = world.job(agent, "exit 3").await;
    assert_eq!(world.result(run).await, "failed");
    world.life(agent).await.has_row("job-finished");
    assert_eq!(world.jobs_of(agent), ["failed"]);
    world.nothing_left().await;
}
