//! Images from real registries: open, with a password, and refused.

use system_tests::{Engine, World};

/// One job on an agent whose image comes from there.
async fn one_job(world: &World, invocation: system_tests::Invocation) {
    let provisioned = invocation.run().await;
    let agent = provisioned.agent_name();
    let run = world.job(agent, "echo hello").await;
    assert_eq!(world.result(run).await, "succeeded", "{}", world.container_output(agent));
    world.life(agent).await.has_row("job-finished");
    world.nothing_left().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_image_from_an_open_registry() {
    let Some(engine) = Engine::prepared() else { return };
    let registry = engine.registry(None);
    let image = engine.push(engine.agent_image(), &registry, "agents/agent:1");
    let world = World::on(&engine).await;
    one_job(&world, world.provision().with("image", &image)).await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_image_from_a_registry_with_a_password() {
    let Some(engine) = Engine::prepared() else { return };
    let registry = engine.registry(Some(("puller", "planted-password")));
    let image = engine.push(engine.agent_image(), &registry, "agents/agent:1");
    let world = World::on(&engine).await;
    let login = world
        .provision()
        .with("image", &image)
        .and("registry-user", "puller")
        .env("EPHEMERAL_AGENTS_REGISTRY_PASSWORD", "planted-password");
    one_job(&world, login.clone()).await;

    let wrong = login.clone().env("EPHEMERAL_AGENTS_REGISTRY_PASSWORD", "wrong").run().await;
    wrong.has_row("registry-unauthorized");
    world.nothing_left().await;
    login
        .with("image", &format!("{}/agents/agent:2", registry.server()))
        .run()
        .await
        .has_row("image-not-found");
    world.nothing_left().await;
    world.end().await;
}
