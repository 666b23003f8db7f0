//! A name that somebody else has: it is never taken over.

use serde_json::json;
use system_tests::World;

use crate::support::{held, register};

/// A container group of that name, made by somebody else: ours, without our tags.
async fn foreign_group(world: &World, name: &str) {
    let made = world.provision().with("name", name).with("timeout-agent-online", "0").run().await;
    assert_eq!(made.code, Some(0), "{}", made.said());
    world.emulator().change(|state| {
        let group = state.arm.container_groups.values_mut().find(|group| group.name == name);
        group.expect("made").tags = json!({});
        state.devops.agents.retain(|_, agent| agent.name != name);
    });
}

#[tokio::test]
async fn defect_05_an_agent_of_that_name() {
    let world = World::start().await;
    register(&world, "mine");
    world.provision().with("name", "mine").run().await.has_row("name-of-an-agent");
    assert_eq!((world.agents(), world.groups()), (vec!["mine".to_owned()], vec![]));
}

#[tokio::test]
async fn defect_05_a_container_group_of_that_name() {
    let world = World::start().await;
    foreign_group(&world, "mine").await;
    world.provision().with("name", "mine").run().await.has_row("name-of-a-group");
    assert_eq!((world.agents(), world.groups()), (vec![], vec!["mine".to_owned()]));
}

/// The last answers of preflight are held back while it comes into being.
#[tokio::test]
async fn defect_05_an_agent_that_came_between_preflight_and_registration() {
    let world = World::start().await;
    world.fault("http.hold", json!({"path": "westeurope/usages"}));
    let started = world.provision().with("name", "mine").start();
    held(&world).await;
    world
        .wait_for("the look for agents", |state| {
            (crate::support::requests(state, "GET", "/agents") > 0).then_some(())
        })
        .await;
    register(&world, "mine");
    world.mend("http.hold");
    started.end().await.has_row("name-taken-by-an-agent");
    assert_eq!((world.agents(), world.groups()), (vec!["mine".to_owned()], vec![]));
}

#[tokio::test]
async fn defect_05_a_container_group_that_came_between_preflight_and_creation() {
    let world = World::start().await;
    foreign_group(&world, "mine").await;
    let taken = world.emulator().change(|state| std::mem::take(&mut state.arm.container_groups));
    world.fault("http.hold", json!({"path": "/agents", "method": "POST"}));
    let started = world.provision().with("name", "mine").start();
    held(&world).await;
    world.emulator().change(|state| state.arm.container_groups = taken);
    world.mend("http.hold");
    started.end().await.has_row("name-taken-by-a-group");
    assert_eq!((world.agents(), world.groups()), (vec![], vec!["mine".to_owned()]));
    let tags = world.emulator().read(|state| {
        state.arm.container_groups.values().map(|group| group.tags.clone()).collect::<Vec<_>>()
    });
    assert_eq!(tags, [json!({})], "what exists is never replaced");
}
