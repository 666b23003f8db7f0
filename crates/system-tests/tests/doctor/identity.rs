//! The identities of the container group.

use system_tests::{Invocation, World};

use crate::support::{doctor, has_state, is_ok, says};

const TAKE_DOWN: [&str; 2] = [
    "Microsoft.ContainerInstance/containerGroups/read",
    "Microsoft.ContainerInstance/containerGroups/delete",
];

fn takes_down(world: &World, identity: &str) -> Invocation {
    doctor(world).and("identity", identity).and("take-down", "identity")
}

#[tokio::test]
async fn the_identity_that_takes_down() {
    let world = World::start().await;
    is_ok(&doctor(&world), "identity", "None is wanted.").await;
    let good = world.identity("good", &TAKE_DOWN);
    is_ok(&takes_down(&world, &good), "identity", "good may delete its container group.").await;
    let poor = world.identity("poor", &TAKE_DOWN[..1]);
    says("doctor-identity-cannot-delete", &takes_down(&world, &poor)).await;
    let rich = world.identity("rich", &["Microsoft.ContainerInstance/*"]);
    says("doctor-identity-may-more", &takes_down(&world, &rich)).await;
    says("doctor-identity-missing", &takes_down(&world, &good.replace("good", "nobody"))).await;
    says("doctor-identity-of-its-own", &takes_down(&world, "system")).await;
    let jobs = doctor(&world).and("identity", &poor).and("take-down", "outside");
    is_ok(&jobs, "identity", "poor is there, for jobs.").await;
}

#[tokio::test]
async fn what_an_identity_may_do_and_nobody_may_see() {
    let world = World::start().await;
    let good = world.identity("good", &TAKE_DOWN);
    let hidden = serde_json::json!({"path": "roleAssignments", "count": 9});
    world.fault("http.not-json", hidden);
    has_state(&takes_down(&world, &good), "identity", "warning", "Could not see what good may do").await;
}

#[tokio::test]
async fn the_identity_that_pulls() {
    let world = World::start().await;
    let puller = world.identity("puller", &[]);
    let pulls = doctor(&world).with("image", "localhost:9/agent:1").and("registry-identity", &puller);
    has_state(&pulls, "identity", "not-checked", "what it may do in the registry is not known").await;
    let id = world.azure_registry("localhost:9");
    says("doctor-identity-cannot-pull", &pulls).await;
    world.assign(&puller, "AcrPull", &id);
    is_ok(&pulls, "identity", "puller may pull the image.").await;
    // It is the identity that pulls; that this machine cannot look is no failure.
    has_state(&pulls, "image", "warning", "as yourself").await;
}
