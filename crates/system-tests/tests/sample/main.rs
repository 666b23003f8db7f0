//! `ephemeral-agents sample` against Azure as the emulator has it: made, used, made again, and removed.
//!
//! `AZURITE` and `DOCKER_REGISTRY` name what stands behind storage accounts and registries; `cargo xtask test` does.

mod interrupts;
mod refusals;
mod story;

use system_tests::{Invocation, World};

/// Whether there is what the sample's storage account and registry need.
fn is_prepared() -> bool {
    ["AZURITE", "DOCKER_REGISTRY"].iter().all(|name| std::env::var_os(name).is_some())
}

/// A command of the sample, as somebody with every right.
fn sample(world: &World, words: &[&str]) -> Invocation {
    let words = [&["sample"], words].concat();
    world
        .command(&words)
        .without("resource-group")
        .and("location", "westeurope")
        .and("organization-url", &world.setting("AZURE_DEVOPS_ORG_URL"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn up_gives_a_network_that_agents_run_in_and_down_takes_everything_back() {
    if !is_prepared() {
        return;
    }
    let world = World::start().await;
    let before = world.plain_parts_of_groups();
    let up = sample(&world, &["up"]).run().await;
    assert_eq!(up.code, Some(0), "{}", up.said());
    assert!(up.said().contains("storage account ephemeralsamplestorage: created"), "{}", up.said());
    let again = sample(&world, &["up"]).run().await;
    assert!(again.said().contains("Nothing to do"), "{}", again.said());

    let in_network = |command: Invocation| {
        command
            .and("vnet-resource-group", "ephemeral-agents-sample-vnet")
            .and("vnet-name", "sampleprivatenetwork")
            .and("subnet-name", "azure-devops-agents")
    };
    let looked = in_network(world.doctor()).with("image", "127.0.0.1:9/agent:1").run().await;
    let said = looked.said();
    assert_eq!(looked.code, Some(0), "{said}");
    assert!(said.contains("The subnet has a way out, and its rules let the agent through."), "{said}");

    // As docs/getting-started.md has it; nobody has pushed the image.
    let server = world
        .emulator()
        .read(|state| state.arm.registries.last().expect("its registry").login_server.clone());
    let identity = |name: &str| {
        format!(
            "{}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/{name}",
            world.resource_group()
        )
    };
    let looked = in_network(world.doctor())
        .with("image", &format!("{server}/agent:1"))
        .and("registry-identity", &identity("ephemeral-agents-pull"))
        .and("identity", &identity("ephemeral-agents-take-down"))
        .run()
        .await;
    let said = looked.said();
    for part in [
        "ephemeral-agents-pull may pull the image.",
        "ephemeral-agents-take-down may delete its container group.",
        "The registry has no image",
        "0 warnings, 1 failed.",
    ] {
        assert!(said.contains(part), "{part} in {said}");
    }

    let provisioned = in_network(world.provision()).run().await;
    assert_eq!(provisioned.code, Some(0), "{}", provisioned.said());
    assert!(!provisioned.said().contains("NAT gateway"), "it has a way out: {}", provisioned.said());
    let refused = sample(&world, &["down"]).run().await;
    assert_ne!(refused.code, Some(0), "agents are in the network: {}", refused.said());
    let run = world.job(provisioned.agent_name(), "echo done").await;
    assert_eq!(world.result(run).await, "succeeded");
    world.nothing_left().await;

    let down = sample(&world, &["down"]).run().await;
    assert_eq!(down.code, Some(0), "{}", down.said());
    assert!(down.said().contains("virtual network sampleprivatenetwork: deleted"), "{}", down.said());
    let twice = sample(&world, &["down"]).run().await;
    assert_eq!(twice.code, Some(0), "{}", twice.said());
    assert!(!twice.said().contains(": deleted"), "nothing was there any more: {}", twice.said());
    assert_eq!(world.plain_parts_of_groups(), before);
    world.end().await;
}

#[tokio::test]
async fn a_dry_run_makes_nothing() {
    let world = World::start().await;
    let printed = sample(&world, &["up", "--dry-run"]).run().await;
    assert_eq!(printed.code, Some(0), "{}", printed.said());
    assert!(
        printed.said().contains("virtual network sampleprivatenetwork: would create"),
        "{}",
        printed.said()
    );
    assert_eq!(world.asked(&["PUT "]), 0);
    world.end().await;
}
