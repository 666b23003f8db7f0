//! What `reap` may not do, or cannot: each with its row in `docs/troubleshooting.md`.

use emulator::arm::{Level, Lock};
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use system_tests::World;

use crate::support::{old_pair, reaped, world};

/// Turns what keeps it from being removed off, and it goes.
async fn goes_now(world: &World) {
    reaped(world).await;
    world.nothing_left().await;
}

#[tokio::test]
async fn a_lock_on_a_container_group() {
    let world = world().await;
    let (locked, free) = (old_pair(&world, "sleeps").await, old_pair(&world, "sleeps").await);
    world.emulator().change(|state| {
        let group = state.arm.container_groups.values().find(|group| group.name == locked);
        let scope = group.expect("the group").id.clone();
        let lock = Lock { name: "keep".to_owned(), scope, level: Level::CanNotDelete, notes: Value::Null };
        state.arm.locks.push(lock);
    });
    let printed = world.reap().run().await;
    printed.has_row("reap-locked");
    assert!(printed.said().contains(&format!("- {locked}: ")), "{}", printed.said());
    assert_eq!(world.groups(), [locked], "{free} went all the same");
    world.emulator().change(|state| state.arm.locks.clear());
    goes_now(&world).await;
}

#[tokio::test]
async fn a_role_that_only_reads() {
    let world = world().await;
    old_pair(&world, "sleeps").await;
    world.only_role("Reader");
    world.reap().run().await.has_row("reap-role");
    assert_eq!((world.agents().len(), world.groups().len()), (1, 1), "the mark comes first");
    world.only_role("Contributor");
    goes_now(&world).await;
}

#[tokio::test]
async fn what_cannot_be_listed() {
    let world = world().await;
    old_pair(&world, "sleeps").await;
    world.reap().with("resource-group", "nowhere").run().await.has_row("reap-resource-group");
    world.fault("http.unavailable", json!({"path": "containerGroups", "method": "GET", "count": 1000}));
    world.reap().run().await.has_row("reap-list");
    world.mend("http.unavailable");
    let roles = world.emulator().change(|state| std::mem::take(&mut state.arm.role_assignments));
    world.reap().run().await.has_row("reap-list-role");
    world.emulator().change(|state| state.arm.role_assignments = roles);
    assert_eq!((world.agents().len(), world.groups().len()), (1, 1), "half a list removes nothing");
    goes_now(&world).await;
}

#[tokio::test]
async fn pools() {
    let world = world().await;
    old_pair(&world, "sleeps").await;
    world.reap().with("agent-pool", "nowhere").run().await.has_row("reap-pool-unknown");
    world.fault("devops.pool-role", "reader");
    world.reap().run().await.has_row("reap-pool-not-manageable");
    let dry = world.reap().and("dry-run", "").run().await;
    assert_eq!(dry.code, Some(0), "who may look may see what would go: {}", dry.said());
    world.mend("devops.pool-role");
    goes_now(&world).await;
}

#[tokio::test]
async fn a_service_that_does_not_work_just_now() {
    let world = world().await;
    old_pair(&world, "sleeps").await;
    world.fault("http.unavailable", json!({"path": "containerGroups", "method": "DELETE", "count": 1000}));
    world.reap().run().await.has_row("reap-later");
    world.mend("http.unavailable");
    goes_now(&world).await;
}

#[tokio::test]
async fn more_deletions_than_the_budget_has() {
    let world = world().await;
    old_pair(&world, "sleeps").await;
    old_pair(&world, "sleeps").await;
    world.reap().and("max-deletes-an-hour", "1").run().await.has_row("reap-budget");
    assert_eq!(world.groups().len(), 1);
    goes_now(&world).await;
}

#[tokio::test]
async fn settings() {
    let world = World::start().await;
    world.reap().and("every", "soon").run().await.has_row("reap-every");
    world.reap().and("every", "5m").and("once", "").run().await.has_row("reap-once-and-every");
    world.reap().without("agent-pool").run().await.has_row("reap-no-pool");
    let folder = world.folder().to_string_lossy().into_owned();
    world.reap().and("audit-file", &folder).run().await.has_row("reap-audit-file");
}

#[tokio::test]
async fn told_to_stop() {
    let world = world().await;
    old_pair(&world, "sleeps").await;
    world.fault("http.hold", json!({"path": "containerGroups", "method": "DELETE"}));
    let started = world.reap().start();
    world.wait_for("a reply that is held back", |state| (state.held > 0).then_some(())).await;
    started.signal(Signal::SIGTERM);
    started.signal(Signal::SIGINT);
    started.end().await.has_row("reap-interrupted");
    world.mend("http.hold");
    goes_now(&world).await;
}
