//! Ctrl-C, and how a pipeline cancels: it says what is there, and another run goes on from it.

use nix::sys::signal::Signal;
use serde_json::json;
use system_tests::{Invocation, Printed, Started, World};

use crate::{is_prepared, sample};

/// Starts it with the reply to such a request held back, and interrupts it there.
async fn interrupted(world: &World, invocation: &Invocation, held: (&str, &str), signal: Signal) -> Printed {
    let (path, method) = held;
    world.fault("http.hold", json!({"path": path, "method": method}));
    let started: Started = invocation.start();
    world.wait_for("a reply that is held back", |state| (state.held > 0).then_some(())).await;
    started.signal(signal);
    let printed = started.end().await;
    world.mend("http.hold");
    printed
}

#[tokio::test]
async fn before_anything_is_made() {
    let world = World::start().await;
    let up = sample(&world, &["up"]);
    let printed = interrupted(&world, &up, ("checkNameAvailability", "POST"), Signal::SIGINT).await;
    printed.has_row("interrupted-early");
    assert_eq!(world.asked(&["PUT /subscriptions"]), 0);
    world.end().await;
}

/// In the network, whose parts take longest, and again among the roles, which come last.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn half_way_and_run_again() {
    let world = World::start().await;
    let up = sample(&world, &["up"]);
    let held = [("natGateways", Signal::SIGINT), ("virtualNetworks", Signal::SIGTERM)];
    for (path, signal) in held {
        let printed = interrupted(&world, &up, (path, "PUT"), signal).await;
        printed.has_row("sample-up-interrupted");
    }
    if is_prepared() {
        let printed = interrupted(&world, &up, ("roleAssignments", "PUT"), Signal::SIGINT).await;
        printed.has_row("sample-up-interrupted");
        let completed = up.run().await;
        assert_eq!(completed.code, Some(0), "{}", completed.said());
        let again = up.run().await;
        assert!(again.said().contains("Nothing to do"), "{}", again.said());
    }
    world.end().await;
}

/// The network alone needs nothing behind the emulator.
#[tokio::test]
async fn half_way_through_the_network_and_run_again() {
    let world = World::start().await;
    let create = sample(&world, &["network", "create"]).without("organization-url");
    let printed = interrupted(&world, &create, ("natGateways", "PUT"), Signal::SIGINT).await;
    printed.has_row("sample-up-interrupted");
    let completed = create.run().await;
    assert_eq!(completed.code, Some(0), "{}", completed.said());
    assert!(
        completed.said().contains("NAT gateway sampleprivatenetwork-nat: unchanged"),
        "{}",
        completed.said()
    );
    let again = create.run().await;
    assert!(again.said().contains("Nothing to do"), "{}", again.said());
    world.end().await;
}

#[tokio::test]
async fn half_way_down_and_run_again() {
    let world = World::start().await;
    let network = |verb| sample(&world, &["network", verb]).without("organization-url");
    let made = network("create").run().await;
    assert_eq!(made.code, Some(0), "{}", made.said());
    let printed = interrupted(&world, &network("delete"), ("natGateways", "DELETE"), Signal::SIGINT).await;
    printed.has_row("sample-down-interrupted");
    let completed = network("delete").run().await;
    assert_eq!(completed.code, Some(0), "{}", completed.said());
    let again = network("delete").run().await;
    assert!(again.said().contains("Nothing to do"), "{}", again.said());
    world.end().await;
}

/// The pool is last; all else is there by then, and it says so.
#[tokio::test]
async fn while_the_pool_is_made() {
    if !is_prepared() {
        return;
    }
    let world = World::start().await;
    let up = sample(&world, &["up"]).and("agent-pool", "new");
    let printed = interrupted(&world, &up, ("_apis/distributedtask/pools", "POST"), Signal::SIGINT).await;
    printed.has_row("sample-pool-interrupted");
    let completed = up.run().await;
    assert_eq!(completed.code, Some(0), "{}", completed.said());
    world.end().await;
}
