//! Quota and room.

use serde_json::json;
use system_tests::World;

use crate::support::fails_as;

#[tokio::test]
async fn the_quota_is_reached() {
    let world = World::start().await;
    world.fault("arm.quota", json!({"ContainerGroups": 0}));
    fails_as(&world, "quota-groups", &world.provision()).await;
    world.fault("arm.quota", json!({"StandardCores": 3}));
    fails_as(&world, "quota-cores", &world.provision().with("cpu", "4")).await;
}

#[tokio::test]
async fn the_quota_is_reached_and_could_not_be_read_before() {
    let world = World::start().await;
    world.fault("http.not-json", json!({"path": "westeurope/usages"}));
    world.fault("arm.quota", 0);
    fails_as(&world, "quota-at-creation", &world.provision()).await;
}

#[tokio::test]
async fn the_region_has_no_room() {
    let world = World::start().await;
    world.fault("arm.capacity", true);
    fails_as(&world, "no-capacity", &world.provision()).await;
}

#[tokio::test]
async fn the_region_has_no_room_after_all() {
    let world = World::start().await;
    world.fault("arm.capacity", json!({"late": true}));
    fails_as(&world, "no-capacity-late", &world.provision()).await;
}
