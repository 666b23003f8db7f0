//! Times that are over, in a real container: to come online, to get a job, to live, to exit.

use system_tests::{Engine, Invocation, World};

/// Lets one agent live to its end, and checks that its reason is the row's and that nothing of it is left, also on the
/// engine. `script` is the job that it gets, if it gets one.
async fn ends_as(engine: &Engine, world: World, provision: Invocation, script: Option<&str>, row: &str) {
    let provisioned = provision.and("timeout-agent-online", "0").run().await;
    let agent = provisioned.agent_name();
    if let Some(script) = script {
        world.job(agent, script).await;
    }
    world.life(agent).await.has_row(row);
    world.nothing_left().await;
    world.end().await;
    assert!(engine.try_container_of(agent).is_none(), "its container is gone");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_job_comes() {
    let Some(engine) = Engine::prepared() else { return };
    let world = World::on(&engine).await;
    let provision = world.provision().with("image", engine.agent_image()).with("idle-timeout", "1");
    ends_as(&engine, world, provision, None, "no-job").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_never_comes_online() {
    let Some(engine) = Engine::prepared() else { return };
    let image = engine.image_with("short-start", "ENV AZP_START_TIMEOUT=15");
    let world = World::on(&engine).await;
    world.fault("http.unavailable", serde_json::json!({"path": "/sessions", "count": 1000}));
    let provision = world.provision().with("image", &image);
    ends_as(&engine, world, provision, None, "not-online").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn its_longest_life_is_over_in_a_job() {
    let Some(engine) = Engine::prepared() else { return };
    let world = World::on(&engine).await;
    let provision = world.provision().with("image", engine.agent_image());
    let provision = provision.with("max-lifetime", "15").with("idle-timeout", "15");
    ends_as(&engine, world, provision, Some("echo begun; tail -f /dev/null"), "lifetime-over-job").await;
}

/// Known defect of the agent, azure-pipelines-agent#5563.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_hangs_after_its_job() {
    let Some(engine) = Engine::prepared() else { return };
    let world = World::on(&engine).await;
    world.fault("compute.misbehave", "hang-after-job");
    let provision = world.provision().with("image", engine.agent_image());
    ends_as(&engine, world, provision, Some("echo done"), "job-finished-hung").await;
}
