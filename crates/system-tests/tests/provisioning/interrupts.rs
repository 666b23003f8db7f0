//! Ctrl-C, and how a pipeline cancels, at every stage.

use nix::sys::signal::Signal;
use serde_json::json;
use system_tests::{Started, World};

use crate::support::{clean_up, held};

/// Interrupts it, and checks what it says and that nothing is left.
async fn interrupted(world: &World, started: Started, signal: Signal, row: &str) {
    started.signal(signal);
    started.end().await.has_row(row);
    world.mend("http.hold");
    world.nothing_left().await;
}

#[tokio::test]
async fn during_preflight() {
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let world = World::start().await;
        world.fault("http.hold", json!({"path": "pools", "method": "GET"}));
        let started = world.provision().start();
        held(&world).await;
        interrupted(&world, started, signal, "interrupted-early").await;
    }
}

#[tokio::test]
async fn while_registering() {
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let world = World::start().await;
        world.fault("http.hold", json!({"path": "/agents", "method": "POST"}));
        let started = world.provision().start();
        held(&world).await;
        assert_eq!(world.agents().len(), 1);
        interrupted(&world, started, signal, "interrupted").await;
    }
}

#[tokio::test]
async fn while_creating() {
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let world = World::start().await;
        world.fault("http.hold", json!({"path": "containerGroups", "method": "PUT"}));
        let started = world.provision().start();
        held(&world).await;
        assert_eq!((world.agents().len(), world.groups().len()), (1, 1));
        interrupted(&world, started, signal, "interrupted").await;
    }
}

/// A container group that is deleted while it is created may be created all the same.
#[tokio::test]
async fn while_a_group_is_created_that_comes_into_being_all_the_same() {
    let world = World::start_with(&[SLEEPS]).await;
    world.fault("arm.delete-while-creating-leaks", true);
    world.fault("arm.provisioning-seconds", 3);
    let mut started = world.provision().with("image", "registry.test/sleeps:1").start();
    started.until("container group Creating").await;
    interrupted(&world, started, Signal::SIGINT, "interrupted").await;
}

const SLEEPS: (&str, &str) = ("sleeps", "exec sleep 600");

#[tokio::test]
async fn while_waiting() {
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let world = World::start_with(&[SLEEPS]).await;
        let mut started = world.provision().with("image", "registry.test/sleeps:1").start();
        started.until("container Running").await;
        interrupted(&world, started, signal, "interrupted").await;
    }
}

#[tokio::test]
async fn a_second_time_while_it_is_taken_down() {
    let world = World::start_with(&[SLEEPS]).await;
    let mut started = world.provision().with("image", "registry.test/sleeps:1").start();
    started.until("container Running").await;
    world.fault("http.hold", json!({"path": "/agents/", "method": "PATCH"}));
    started.signal(Signal::SIGINT);
    held(&world).await;
    started.signal(Signal::SIGINT);
    let printed = started.end().await;
    printed.has_row("interrupted-twice");
    assert_eq!((world.agents().len(), world.groups().len()), (1, 1), "left, as it says");
    world.mend("http.hold");
    clean_up(&world, &printed).await;
}

/// The second signal comes while the answer is still waited for. It is another one, since two of a kind may arrive as
/// one.
#[tokio::test]
async fn a_second_time_before_it_is_taken_down() {
    let world = World::start().await;
    world.fault("http.hold", json!({"path": "containerGroups", "method": "PUT"}));
    let started = world.provision().start();
    held(&world).await;
    started.signal(Signal::SIGINT);
    started.signal(Signal::SIGTERM);
    let printed = started.end().await;
    printed.has_row("interrupted-twice");
    world.mend("http.hold");
    clean_up(&world, &printed).await;
}

#[tokio::test]
async fn while_its_agent_runs_a_job_by_now() {
    let world = World::start_with(&[SLEEPS]).await;
    let mut started = world.provision().with("image", "registry.test/sleeps:1").start();
    started.until("container Running").await;
    world.fault("devops.remove-busy", 9);
    started.signal(Signal::SIGINT);
    let printed = started.end().await;
    printed.has_row("interrupted-job-runs");
    assert_eq!((world.agents().len(), world.groups().len()), (1, 1), "a job is not cut off");
    world.mend("devops.remove-busy");
    clean_up(&world, &printed).await;
}

/// Where the container registers the agent itself, it may do so until it is gone.
#[tokio::test]
async fn while_the_container_registers_the_agent() {
    let world = World::start_with(&[SLEEPS]).await;
    let provision = world.provision().with("image", "registry.test/sleeps:1").and("registration", "token");
    let mut started = provision.start();
    started.until("container Running").await;
    world.fault("http.hold", json!({"path": "containerGroups/", "method": "DELETE"}));
    started.signal(Signal::SIGINT);
    started.until("taking down").await;
    held(&world).await;
    let name =
        started.said().lines().find_map(|line| line.strip_prefix("taking down ")).expect("said").to_owned();
    crate::support::register(&world, &name);
    world.mend("http.hold");
    started.end().await.has_row("interrupted");
    world.nothing_left().await;
}
