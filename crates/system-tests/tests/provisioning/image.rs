//! The image and its registry.

use serde_json::json;
use system_tests::World;

use crate::support::fails_as;

#[tokio::test]
async fn an_image_that_the_service_cannot_read() {
    let world = World::start().await;
    world.fault("arm.image-inaccessible", 9);
    fails_as(&world, "image-inaccessible", &world.provision()).await;
}

#[tokio::test]
async fn a_registry_that_answers_with_an_error() {
    let world = World::start().await;
    world.fault("arm.registry-error", 9);
    fails_as(&world, "registry-error", &world.provision()).await;
}

#[tokio::test]
async fn an_image_that_is_not_there() {
    let world = World::start().await;
    fails_as(&world, "image-not-found", &world.provision().with("image", "registry.test/other:1")).await;
}

#[tokio::test]
async fn a_registry_that_does_not_give_it() {
    let world = World::start().await;
    for (row, text) in [
        ("image-not-found", "manifest for registry.test/agent:1 not found: manifest unknown"),
        (
            "registry-unauthorized",
            "unauthorized: authentication required, visit https://aka.ms/acr/authorization",
        ),
        ("registry-unauthorized", "unexpected status from HEAD request: 403 Forbidden"),
        ("registry-rate-limit", "toomanyrequests: You have reached your pull rate limit."),
        ("registry-unreachable", "dial tcp 10.0.0.4:443: i/o timeout"),
        ("registry-unreachable", "lookup registry.test: no such host"),
        ("image-not-pulled", "something new"),
    ] {
        world.fault("arm.pull-fails", text);
        fails_as(&world, row, &world.provision()).await;
    }
}

/// Such events stand in the history of many a group that runs.
#[tokio::test]
async fn a_pull_that_works_after_all_is_no_failure() {
    let world = World::start().await;
    let text = "unauthorized: authentication required";
    world.fault("arm.pull-fails", json!({"message": text, "recovers": true}));
    let fine = world.provision().run().await;
    assert_eq!(fine.code, Some(0), "{}", fine.said());
    let warned = world.emulator().read(|state| {
        let groups = state.arm.container_groups.values();
        groups
            .flat_map(|group| &group.containers)
            .flat_map(|container| &container.events)
            .any(|event| event.name == "BackOff")
    });
    assert!(warned, "the events were there");
}

#[tokio::test]
async fn an_image_for_another_system() {
    let world = World::start().await;
    world.fault("arm.image-platform", "windows");
    fails_as(&world, "image-platform", &world.provision()).await;
}

#[tokio::test]
async fn an_image_for_another_processor() {
    let script = "echo 'exec /usr/local/bin/agent-supervisor: exec format error' >&2\nexit 1";
    let world = World::start_with(&[("arm64", script)]).await;
    fails_as(&world, "image-architecture", &world.provision().with("image", "registry.test/arm64:1")).await;
}
