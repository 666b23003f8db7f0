//! Images from real registries: open, with a password, of Azure with a managed identity; and refused.

use system_tests::{Engine, Invocation, Registry, World};

const PASSWORD: &str = "planted-password";

/// Asks for a token of whatever identity the container group has.
const ASK: &str = "echo asked; curl --silent --header Metadata:true \
                   \"$AZURE_POD_IDENTITY_AUTHORITY_HOST/metadata/identity/oauth2/token?api-version=2018-02-01&\
                   resource=https://management.azure.com/\" || true";

/// One job on an agent whose image comes from there, which gets no token.
async fn one_job(world: &World, invocation: Invocation) {
    let provisioned = invocation.run().await;
    let agent = provisioned.agent_name();
    let run = world.job(agent, ASK).await;
    assert_eq!(world.result(run).await, "succeeded", "{}", world.container_output(agent));
    let log = world.job_log(run);
    assert!(log.contains("asked") && !log.contains("access_token"), "{log}");
    world.life(agent).await.has_row("job-finished");
    world.nothing_left().await;
}

/// Provisions what cannot be pulled, and checks what is said of it.
async fn refused(world: &World, invocation: Invocation, row: &str) -> String {
    let printed = invocation.run().await;
    printed.has_row(row);
    world.nothing_left().await;
    printed.said()
}

async fn open(engine: &Engine, registry: &Registry) {
    let world = World::on(engine).await;
    one_job(&world, world.provision().with("image", &registry.image("agents/agent:1"))).await;
    world.end().await;
}

async fn with_a_password(engine: &Engine, registry: &Registry) {
    let world = World::on(engine).await;
    let anonymous = world.provision().with("image", &registry.image("agents/agent:1"));
    refused(&world, anonymous.clone(), "registry-unauthorized").await;
    let login = anonymous.and("registry-user", "puller").env("EPHEMERAL_AGENTS_REGISTRY_PASSWORD", PASSWORD);
    one_job(&world, login.clone()).await;
    let wrong = login.clone().env("EPHEMERAL_AGENTS_REGISTRY_PASSWORD", "wrong");
    refused(&world, wrong, "registry-unauthorized").await;
    refused(&world, login.with("image", &registry.image("agents/agent:2")), "image-not-found").await;
    world.end().await;
}

/// A registry of Azure knows identities and their roles. Behind it stands the one with a password, which only the
/// emulator knows here.
async fn with_an_identity(engine: &Engine, registry: &Registry) {
    let world = World::on(engine).await;
    let (behind, user, password) = (registry.server().to_owned(), "puller".to_owned(), PASSWORD.to_owned());
    let id = world
        .emulator()
        .change(|state| emulator::arm::add_registry(state, "contoso.azurecr.io", behind, user, password));
    let identity = world.identity("puller", &[]);
    let anonymous = world.provision().with("image", "contoso.azurecr.io/agents/agent:1");
    let pulls = anonymous.clone().and("registry-identity", &identity);
    refused(&world, anonymous, "registry-unauthorized").await;
    let said = refused(&world, pulls.clone(), "registry-unauthorized").await;
    assert!(said.contains("visit https://aka.ms/acr/authorization"), "{said}");
    world.assign(&identity, "AcrPull", &id);
    one_job(&world, pulls.clone()).await;
    refused(&world, pulls.with("image", "contoso.azurecr.io/agents/agent:2"), "image-not-found").await;
    world.end().await;
}

/// In one test, since compressing what is pushed takes much longer than all the rest.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn images_come_from_registries_that_let_us_in_and_from_no_others() {
    let Some(engine) = Engine::prepared() else { return };
    let registry = engine.registry();
    engine.push(engine.agent_image(), &registry, "agents/agent:1");
    let closed = registry.closed("puller", PASSWORD);
    tokio::join!(
        open(&engine, &registry),
        with_a_password(&engine, &closed),
        with_an_identity(&engine, &closed)
    );
}
