//! Each kind of leftover.

use serde_json::{Value, json};
use system_tests::World;

use crate::support::{
    ORPHAN, age, expire, old_pair, pair, provisioned, reaped, register, tag, unregister, world,
};

/// It goes, for that reason, and a second time there is nothing to do.
async fn goes(world: &World, name: &str, reason: &str) {
    let planned = world.reap().and("dry-run", "").run().await.said();
    let says = |said: &str| said.lines().any(|line| line.starts_with(name) && line.contains(reason));
    assert!(says(&planned), "{planned}");
    assert!(planned.contains("nothing was changed"), "{planned}");
    let said = reaped(world).await.said();
    assert!(says(&said), "{said}");
    assert!(said.contains("audit: ") && said.contains(&world.setting("AZURE_CLIENT_ID")), "{said}");
    world.nothing_left().await;
    let again = reaped(world).await.said();
    assert!(again.contains("Nothing is left over."), "{again}");
}

#[tokio::test]
async fn a_container_that_has_ended() {
    let world = world().await;
    let name = pair(&world, "ends").await;
    age(&world, &name);
    goes(&world, &name, "its container has ended").await;
}

#[tokio::test]
async fn a_container_whose_agent_never_came_online() {
    let world = world().await;
    let name = old_pair(&world, "sleeps").await;
    goes(&world, &name, "its container runs, and its agent has been offline for").await;
}

#[tokio::test]
async fn a_container_group_whose_agent_is_gone() {
    let world = world().await;
    let name = old_pair(&world, "sleeps").await;
    unregister(&world, &name);
    goes(&world, &name, "it has no agent in its pool").await;
}

#[tokio::test]
async fn an_agent_whose_container_group_is_gone() {
    let world = world().await;
    register(&world, ORPHAN);
    goes(&world, ORPHAN, "it has no container group").await;
}

/// It is online and healthy, and its time is over.
#[tokio::test]
async fn an_agent_whose_time_is_over() {
    let world = World::start().await;
    let made = world.provision().run().await;
    let name = made.agent_name().to_owned();
    expire(&world, &name);
    goes(&world, &name, "it expired at 2020-01-01T00:00:00Z").await;
}

/// Somebody began to take it down, and was stopped: it goes whatever its age.
#[tokio::test]
async fn what_was_begun_is_gone_on_with() {
    let world = world().await;
    let name = pair(&world, "sleeps").await;
    unregister(&world, &name);
    tag(&world, &name, "ephemeral-agents-retiring", "2020-01-01T00:00:00Z");
    goes(&world, &name, "it was to go at 2020-01-01T00:00:00Z, and is still there").await;
}

/// What is deleted while it is created may come into being all the same.
#[tokio::test]
async fn what_comes_into_being_after_it_was_deleted() {
    let world = world().await;
    world.fault("arm.delete-while-creating-leaks", true);
    world.fault("arm.provisioning-seconds", 3);
    let made = world.provision_unseen().with("image", "registry.test/sleeps:1").run().await;
    let name = made.agent_name().to_owned();
    expire(&world, &name);
    reaped(&world).await;
    provisioned(&world, &name).await;
    assert!(world.agents().is_empty(), "its agent went the first time");
    let said = reaped(&world).await.said();
    assert!(said.contains("it was to go at"), "{said}");
    world.nothing_left().await;
}

/// In two resource groups, as a program reads it; and how many requests that takes.
#[tokio::test]
async fn several_places_and_what_a_program_reads() {
    let world = world().await;
    let pair = old_pair(&world, "ends").await;
    register(&world, ORPHAN);
    world.emulator().change(|state| {
        let mut second = state.arm.resource_groups[0].clone();
        "more-agents".clone_into(&mut second.name);
        state.arm.resource_groups.push(second);
    });
    let file = world.folder().join("reaped.jsonl");
    let printed = world
        .reap()
        .and("resource-group", "more-agents")
        .and("output", "json")
        .and("audit-file", &file.to_string_lossy())
        .run()
        .await;
    assert_eq!(printed.code, Some(0), "{}", printed.said());
    let document: Value = serde_json::from_str(&printed.output.join("\n")).expect("JSON");
    let agents = document["agents"].as_array().expect("a list");
    let outcomes: Vec<_> = agents.iter().map(|agent| (&agent["name"], &agent["outcome"])).collect();
    assert_eq!(outcomes, [(&json!(ORPHAN), &json!("removed")), (&json!(pair), &json!("removed"))]);
    assert_eq!(agents[1]["log"], "its last words\n", "read before it was deleted");
    let audited = std::fs::read_to_string(&file).expect("the file");
    assert_eq!(audited.lines().count(), 2, "{audited}");
    for line in audited.lines() {
        let line: Value = serde_json::from_str(line).expect("JSON");
        assert_eq!(line["who"], format!("client {}", world.setting("AZURE_CLIENT_ID")));
        assert!(line["requestIds"].as_array().is_some_and(|ids| ids.len() >= 2), "{line}");
    }
    world.nothing_left().await;
    // A token; two lists of groups, one of agents, one look; the log and the deletion of a group, which has ended and
    // needs no mark; disabling and unregistering two agents.
    assert_eq!(document["requests"], 1 + 2 + 1 + 1 + 2 + 2 * 2);
    assert_eq!(world.asked(&["PATCH", "containerGroups"]), 0);
}
