//! Taking down with a managed identity of the container group.

use nix::sys::signal::Signal;
use system_tests::{Invocation, World};

/// `provision` of an agent whose container group takes itself down with its own identity.
fn with_identity(world: &World) -> Invocation {
    world.provision().with("take-down", "identity").with("identity", "system")
}

/// No secret in the container at all; and the endpoint may come up after the container.
#[tokio::test]
async fn defect_06_a_managed_identity_takes_down_and_is_waited_for() {
    let world = World::start().await;
    world.fault("entra.identity-late-seconds", 6);
    let provisioned = with_identity(&world).run().await;
    let agent = provisioned.agent_name();
    world.identity_joins_organization(agent).await;
    world.identity_may_delete_groups(agent).await;
    let run = world.job(agent, "echo done").await;
    assert_eq!(world.result(run).await, "succeeded");
    let life = world.life(agent).await;
    life.has_row("job-finished");
    assert_eq!(life.outcome()["agent"], "removed");
    world.nothing_left().await;
}

/// Role assignments take minutes to act.
#[tokio::test]
async fn its_right_comes_late() {
    let world = World::start().await;
    let provisioned = with_identity(&world).run().await;
    let agent = provisioned.agent_name();
    world.identity_joins_organization(agent).await;
    let run = world.job(agent, "echo done").await;
    assert_eq!(world.result(run).await, "succeeded");
    world.life(agent).await.has_row("job-finished");
    world.is_asked(&["DELETE", "containerGroups", "403"], 1).await;
    world.identity_may_delete_groups(agent).await;
    world.nothing_left().await;
}

/// It may delete the group, and the organization does not know it.
#[tokio::test]
async fn it_is_no_member_of_the_organization() {
    let world = World::start().await;
    let provisioned = with_identity(&world).with("idle-timeout", "1").run().await;
    let agent = provisioned.agent_name();
    world.identity_may_delete_groups(agent).await;
    let life = world.life(agent).await;
    life.has_row("identity-no-member");
    assert_eq!(life.outcome()["agent"], "left");
    world.groups_gone().await;
    assert_eq!(world.deprovision(agent).run().await.code, Some(0));
    world.nothing_left().await;
}

/// The supervisor gives up on the agent after two minutes, and on the group after ten more, or when told twice.
#[tokio::test]
async fn its_endpoint_never_answers() {
    let world = World::start().await;
    world.fault("entra.identity-late-seconds", 100_000);
    let provisioned = with_identity(&world).with("idle-timeout", "1").run().await;
    let agent = provisioned.agent_name();
    let life = world.life(agent).await;
    life.has_row("identity-silent");
    assert_eq!(life.outcome()["agent"], "left");
    world.insist(agent, Signal::SIGTERM, "container-group-left").await;
    world.life(agent).await.has_row("group-left");
    assert_eq!(world.groups(), [agent]);
    let printed = world.deprovision(agent).run().await;
    assert!(printed.said().contains("taken down; no-job: no job came"), "{}", printed.said());
    world.nothing_left().await;
}
