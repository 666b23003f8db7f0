//! The container group is there, and its agent does not come online.

use system_tests::{Invocation, World};

use crate::support::{fails_as, in_network};

/// A world with an image that runs this script, and `provision` of it.
async fn with_script(script: &str) -> (World, Invocation) {
    let world = World::start_with(&[("script", script)]).await;
    let invocation = world.provision().with("image", "registry.test/script:1");
    (world, invocation)
}

#[tokio::test]
async fn a_group_that_stays_in_creation() {
    let world = World::start().await;
    world.fault("arm.provisioning-stuck", true);
    let mut started = world.provision().with("timeout-agent-online", "2").start();
    started.until("container group Pending").await;
    // Deleting it is refused for a while too; that is waited for.
    world.fault("arm.transitioning", 2);
    started.end().await.has_row("group-stuck");
    world.nothing_left().await;
    let left = world.emulator().read(|state| state.faults.is_on("arm.transitioning"));
    assert!(!left, "the deletion was refused twice");
}

#[tokio::test]
async fn a_group_that_takes_longer_than_is_waited_for() {
    let world = World::start().await;
    world.fault("arm.provisioning-seconds", 60);
    fails_as(&world, "group-stuck", &world.provision().with("timeout-agent-online", "2")).await;
}

#[tokio::test]
async fn a_container_that_ends_without_a_word() {
    let world = World::start().await;
    world.fault("arm.container-exits", 3);
    fails_as(&world, "container-exits-silently", &world.provision()).await;
}

#[tokio::test]
async fn defect_11_a_container_that_ends_with_a_word() {
    let (world, provision) = with_script("echo 'cannot find my way' >&2\nexit 3").await;
    fails_as(&world, "container-exits", &provision).await;
}

#[tokio::test]
async fn containers_that_end_in_ways_that_are_known() {
    let world = World::start().await;
    for (row, code) in
        [("container-killed", 137), ("container-start-command", 127), ("container-maintenance", 7147)]
    {
        world.fault("arm.container-exits", code);
        fails_as(&world, row, &world.provision()).await;
    }
}

#[tokio::test]
async fn an_agent_that_is_never_online() {
    let (world, provision) = with_script("exec sleep 600").await;
    fails_as(&world, "agent-never-online", &provision.with("timeout-agent-online", "2")).await;
}

#[tokio::test]
async fn defect_11_containers_that_say_why() {
    for (row, line) in [
        ("container-cannot-resolve", "curl: (6) Could not resolve host: dev.azure.com"),
        ("container-does-not-trust", "SSL certificate problem: unable to get local issuer certificate"),
        ("container-is-refused", "VS30063: You are not authorized to access https://dev.azure.com."),
        ("container-cannot-connect", "connect to dev.azure.com port 443 failed: Connection timed out"),
    ] {
        let (world, provision) = with_script(&format!("echo '{line}' >&2\nexit 1")).await;
        fails_as(&world, row, &provision).await;
    }
}

/// In a virtual network other things help.
#[tokio::test]
async fn containers_that_say_why_in_a_network() {
    for (row, line) in [
        ("network-cannot-resolve", "curl: (6) Could not resolve host: dev.azure.com"),
        ("network-cannot-connect", "connect to dev.azure.com port 443 failed: Connection timed out"),
    ] {
        let world = World::start_with(&[("script", &format!("echo '{line}' >&2\nexit 1"))]).await;
        fails_as(&world, row, &in_network(&world).with("image", "registry.test/script:1")).await;
    }
}

#[tokio::test]
async fn a_container_group_that_somebody_deletes() {
    let (world, provision) = with_script("exec sleep 600").await;
    world.fault("arm.delete-seconds", 2);
    let mut started = provision.start();
    started.until("container Running").await;
    let name = world.groups().pop().expect("a group");
    let somebody = world
        .command(&["deprovision", &name])
        .and("organization-url", &world.setting("AZURE_DEVOPS_ORG_URL"))
        .and("agent-pool", &world.setting("AZURE_DEVOPS_POOL"));
    let (somebody, provisioned) = tokio::join!(somebody.run(), started.end());
    assert_eq!(somebody.code, Some(0), "{}", somebody.said());
    provisioned.has_row("group-gone");
    world.nothing_left().await;
}

/// A container that takes itself down does not take the reason with it: it stays until whoever waits has read it.
#[tokio::test]
async fn the_supervisor_gives_up_and_says_why() {
    let world = World::start().await;
    world.fault("devops.package-missing", true);
    fails_as(&world, "supervisor-gives-up", &world.provision()).await;
}

#[tokio::test]
async fn somebody_removes_the_agent_before_it_is_online() {
    let (world, invocation) = with_script("exec sleep 600").await;
    let mut started = invocation.start();
    started.until("container Running").await;
    world.emulator().change(|state| {
        let agent = state.devops.agents.values().find(|agent| agent.name.starts_with("agent-"));
        let id = agent.expect("an agent").id;
        emulator::devops::remove_agent(state, id).expect("removed");
    });
    started.end().await.has_row("agent-gone");
    world.nothing_left().await;
}
