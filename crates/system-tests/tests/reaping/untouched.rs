//! What `reap` leaves alone.

use serde_json::json;
use system_tests::World;

use crate::support::{ORPHAN, change_tags, expire, old_pair, pair, reaped, register, tag, unregister, world};

/// Nothing of it is removed, or even changed.
async fn stays(world: &World) {
    let before = (world.agents(), world.groups());
    let said = reaped(world).await.said();
    assert!(said.contains("Nothing is left over."), "{said}");
    assert_eq!((world.agents(), world.groups()), before);
    for changing in ["DELETE", "PATCH"] {
        assert_eq!(world.asked(&[changing, "containerGroups"]), 0, "{changing}");
        assert_eq!(world.asked(&[changing, "/agents/"]), 0, "{changing}");
    }
}

#[tokio::test]
async fn somebody_elses_container_group_and_the_agent_of_its_name() {
    let world = world().await;
    let name = old_pair(&world, "sleeps").await;
    change_tags(&world, &name, |tags| *tags = json!({}));
    stays(&world).await;
    change_tags(&world, &name, |tags| *tags = json!({"managed-by": "terraform"}));
    stays(&world).await;
}

#[tokio::test]
async fn another_pools_and_another_organizations() {
    let world = world().await;
    let (pool, organization) = (old_pair(&world, "sleeps").await, old_pair(&world, "sleeps").await);
    tag(&world, &pool, "ephemeral-agents-pool", "public");
    tag(&world, &organization, "ephemeral-agents-organization", "https://dev.azure.com/fabrikam");
    expire(&world, &pool);
    expire(&world, &organization);
    stays(&world).await;
}

/// The emulator's own placeholder is there too.
#[tokio::test]
async fn peoples_agents_and_placeholders() {
    let world = world().await;
    for name in ["build-machine", "placeholder-2", "Agent7-20200101000000-yypnqa"] {
        register(&world, name);
    }
    stays(&world).await;
}

#[tokio::test]
async fn what_was_just_made() {
    let world = world().await;
    pair(&world, "ends").await;
    let lone = pair(&world, "sleeps").await;
    unregister(&world, &lone);
    stays(&world).await;
}

#[tokio::test]
async fn what_is_kept_for_a_look() {
    let world = world().await;
    let kept = world
        .provision()
        .with("image", "registry.test/ends:1")
        .and("keep-on-error", "")
        .and("keep-for", "7200")
        .run()
        .await;
    assert_eq!(kept.code, Some(1), "{}", kept.said());
    let [name] = world.groups().try_into().expect("one container group");
    crate::support::age(&world, &name);
    let patches = world.asked(&["PATCH", "containerGroups"]);
    let said = reaped(&world).await.said();
    assert!(said.contains("Nothing is left over."), "{said}");
    assert_eq!(world.asked(&["PATCH", "containerGroups"]), patches);
    for key in ["ephemeral-agents-kept-until", "expires-at"] {
        tag(&world, &name, key, "2020-01-01T00:00:00Z");
    }
    reaped(&world).await;
    world.nothing_left().await;
}

/// It goes when its job is over.
#[tokio::test]
async fn an_agent_that_runs_a_job() {
    let world = World::start().await;
    let made = world.provision().and("take-down", "outside").run().await;
    let name = made.agent_name().to_owned();
    let gate = world.gate("job");
    let run = world.job(&name, &gate.wait()).await;
    world.job_begins(&name).await;
    expire(&world, &name);
    stays(&world).await;
    gate.open().await;
    assert_eq!(world.result(run).await, "succeeded");
    world.life(&name).await;
    reaped(&world).await;
    world.nothing_left().await;
}

/// The service knows of a job that its list did not show: that is no failure, and the next pass finds it free.
#[tokio::test]
async fn an_agent_that_gets_a_job_in_between() {
    let world = world().await;
    let name = old_pair(&world, "sleeps").await;
    world.fault("devops.remove-busy", 1);
    let said = reaped(&world).await.said();
    assert!(said.contains("waits for its job"), "{said}");
    assert_eq!((world.agents(), world.groups()), (vec![name.clone()], vec![name]));
    reaped(&world).await;
    world.nothing_left().await;
}

#[tokio::test]
async fn everything_in_a_dry_run() {
    let world = world().await;
    let name = old_pair(&world, "sleeps").await;
    register(&world, ORPHAN);
    let before = world.plain_parts_of_groups();
    let printed = world.reap().and("dry-run", "").run().await;
    let said = printed.said();
    assert_eq!(printed.code, Some(0), "{said}");
    for part in [&name, ORPHAN, "Would remove 1 container group and 2 agents; nothing was changed."] {
        assert!(said.contains(part), "{part} in {said}");
    }
    assert_eq!(world.plain_parts_of_groups(), before);
    for changing in ["DELETE", "PATCH"] {
        assert_eq!(world.asked(&[changing, ""]), 0, "{changing}");
    }
    reaped(&world).await;
    world.nothing_left().await;
}
