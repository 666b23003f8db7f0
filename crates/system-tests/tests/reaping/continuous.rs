//! `reap --every`: goes on until it is told to stop.

use nix::sys::signal::Signal;
use serde_json::json;

use crate::support::{ORPHAN, old_pair, register, world};

#[tokio::test]
async fn it_removes_what_comes_and_ends_well_when_it_is_told_to() {
    let world = world().await;
    let mut started = world.reap().and("every", "1s").start();
    started.until("looking at container groups").await;
    world.is_asked(&["GET", "/agents "], 2).await;
    register(&world, ORPHAN);
    started.until("Removed 0 container groups and 1 agent.").await;
    old_pair(&world, "sleeps").await;
    started.until("Removed 1 container group and 1 agent.").await;
    world.nothing_left().await;
    started.signal(Signal::SIGTERM);
    let printed = started.end().await;
    assert_eq!(printed.code, Some(0), "{}", printed.said());
}

#[tokio::test]
async fn a_service_that_does_not_work_for_a_while_does_not_end_it() {
    let world = world().await;
    let mut started = world.reap().and("every", "1s").start();
    world.is_asked(&["GET", "/agents "], 1).await;
    world.fault("http.unavailable", json!({"path": "containerGroups", "method": "GET", "count": 1000}));
    started.until("warning: Could not list the container groups").await;
    world.mend("http.unavailable");
    register(&world, ORPHAN);
    started.until("Removed 0 container groups and 1 agent.").await;
    started.signal(Signal::SIGTERM);
    assert_eq!(started.end().await.code, Some(0));
}
