//! What the task refuses before it asks anything, each with its row in docs/troubleshooting.md.

use system_tests::{Invocation, World};

/// Runs what is refused, checks its row, and that nothing was created.
async fn refused(world: &World, invocation: Invocation, row: &str) {
    let printed = invocation.run().await;
    printed.has_row(row);
    let said = printed.said();
    assert!(said.contains("##vso[task.logissue type=error]"), "an error on the run's page: {said}");
    assert!(!said.contains("--"), "no options of a command line: {said}");
    assert_eq!(world.asked(&["PUT", "containerGroups"]), 0);
    assert_eq!(world.asked(&["POST", "/agents"]), 0);
}

#[tokio::test]
async fn inputs() {
    let world = World::start().await;
    refused(&world, world.task(&[("CPU", "many")]), "task-input").await;
    refused(&world, world.task(&[("subnetName", "alone")]), "task-inputs-together").await;
    refused(&world, world.task(&[("agentPool", "")]), "task-input-missing").await;
    refused(&world, world.task(&[("azureDevOpsToken", "$(poolToken)")]), "task-macro").await;
}

#[tokio::test]
async fn connections() {
    let world = World::start().await;
    let task = world.task(&[]);
    let key = "ENDPOINT_AUTH_PARAMETER_azure_SERVICEPRINCIPALKEY";
    refused(&world, task.clone().env(key, ""), "task-connection-part").await;
    let scheme = "ENDPOINT_AUTH_SCHEME_azure";
    refused(&world, task.clone().env(scheme, "PublishProfile"), "task-connection-scheme").await;
    refused(&world, task.env(scheme, ""), "task-connection-absent").await;
}

/// A registry of Azure that does not know who asks: nothing is created without its password.
#[tokio::test]
async fn a_registry_that_gives_no_token() {
    let world = World::start().await;
    let server = world.setting("EMULATOR_URL").trim_start_matches("https://").to_owned();
    let task = world
        .task(&[("containerRegistry", "registry"), ("imageName", "agent:1")])
        .env("ENDPOINT_DATA_registry_REGISTRYTYPE", "ACR")
        .env("ENDPOINT_AUTH_SCHEME_registry", "ManagedServiceIdentity")
        .env("ENDPOINT_AUTH_PARAMETER_registry_LOGINSERVER", &server);
    let identity = world.identity("of-the-machine", &[]);
    world.machine_has(&identity);
    let task = task.env("AZURE_POD_IDENTITY_AUTHORITY_HOST", &world.machine_identity_endpoint());
    refused(&world, task, "task-registry-login").await;
}

#[tokio::test]
async fn one_of_several_agents() {
    let world = World::start_with(&[("broken", "exit 3")]).await;
    let printed = world.task(&[("agentCount", "2"), ("imageName", "registry.test/broken:1")]).run().await;
    printed.has_row("task-one-of-several");
    world.nothing_left().await;
}
