//! Where there is no room: what may stand in, and what is kept of an agent that failed.

use serde_json::json;
use system_tests::World;

use crate::support::clean_up;

#[tokio::test]
async fn another_region_has_room() {
    let world = World::start().await;
    world.fault("arm.capacity", json!("westeurope"));
    let provision = world.provision().and("fallback-location", "North Europe").and("fallback-size", "0.5:1");
    let printed = provision.run().await;
    let agent = printed.agent_name();
    assert!(
        printed.said().contains("no room in westeurope with 1 CPU and 1 GB; trying westeurope with 0.5 CPU")
    );
    let placed = world.emulator().read(|state| {
        state
            .arm
            .container_groups
            .values()
            .map(|group| (group.name.clone(), group.location.clone()))
            .collect::<Vec<_>>()
    });
    assert_eq!(placed, [(agent.to_owned(), "northeurope".to_owned())]);
    assert_eq!(world.agents(), [agent], "the tries before left nothing");
    let taken_down = world.command(&["deprovision", agent]);
    let taken_down = taken_down.and("organization-url", &world.setting("AZURE_DEVOPS_ORG_URL")).run().await;
    assert_eq!(taken_down.code, Some(0), "{}", taken_down.said());
    world.nothing_left().await;
}

/// The region accepts the group and gives it up later.
#[tokio::test]
async fn another_region_has_room_where_the_first_says_so_late() {
    let world = World::start().await;
    world.fault("arm.capacity", json!({"region": "westeurope", "late": true}));
    let printed = world.provision().and("fallback-location", "northeurope").run().await;
    let agent = printed.agent_name();
    assert_eq!((world.agents(), world.groups()), (vec![agent.to_owned()], vec![agent.to_owned()]));
    let run = world.job(agent, "true").await;
    assert_eq!(world.result(run).await, "succeeded");
    world.nothing_left().await;
}

#[tokio::test]
async fn no_region_has_room() {
    let world = World::start().await;
    world.fault("arm.capacity", true);
    let printed =
        world.provision().and("fallback-location", "northeurope").and("keep-on-error", "").run().await;
    printed.has_row("no-capacity-anywhere");
    world.nothing_left().await;
}

#[tokio::test]
async fn fallbacks_that_can_never_be_tried() {
    let world = World::start().await;
    let in_network =
        world.provision().and("vnet-name", "sampleprivatenetwork").and("subnet-name", "azure-devops-agents");
    in_network.and("fallback-location", "northeurope").run().await.has_row("setting-fallback-location");
    world.provision().and("fallback-size", "99:1").run().await.has_row("setting-fallback-size");
    let named = world.provision().and("fallback-zone", "2").and("name", "mine");
    named.run().await.has_row("setting-name-and-fallback");
    world.nothing_left().await;
}

#[tokio::test]
async fn what_failed_is_kept_for_as_long_as_was_asked() {
    let world = World::start_with(&[("sleeps", "exec sleep 600")]).await;
    let provision =
        world.provision().with("image", "registry.test/sleeps:1").and("timeout-agent-online", "1");
    let printed = provision.and("keep-on-error", "").and("keep-for", "7200").run().await;
    printed.has_row("kept");
    assert_eq!((world.agents().len(), world.groups().len()), (1, 1), "kept for a look");
    let names = world.agents();
    let (enabled, expires) = world.emulator().read(|state| {
        let agent = state.devops.agents.values().find(|agent| names.contains(&agent.name));
        let group = state.arm.container_groups.values().next().expect("a group");
        (agent.expect("an agent").enabled, group.tags["expires-at"].as_str().expect("a tag").to_owned())
    });
    assert!(!enabled, "it gets no job");
    let now = world.emulator().now();
    let expires: jiff::Timestamp = expires.parse().expect("a time");
    let left = expires.duration_since(now).as_secs();
    assert!((7000..=7200).contains(&left), "{left}");
    clean_up(&world, &printed).await;
}
