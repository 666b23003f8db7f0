//! Ctrl-C, and how a pipeline cancels, at every stage.

use nix::sys::signal::Signal;
use serde_json::json;
use system_tests::{Started, World};

use crate::support::held;

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

    let said = printed.said();
    let command =
        said.split('`').find(|part| part.starts_with("ephemeral-agents deprovision")).expect("a command");
    let words: Vec<&str> = command.split_whitespace().skip(1).map(|word| word.trim_matches('\'')).collect();
    let cleaned = world.command(&words).without("subscription").without("resource-group").run().await;
    assert_eq!(cleaned.code, Some(0), "{}", cleaned.said());
    world.nothing_left().await;
}
