//! Azure: subscription, provider, resource group, rights, quota, and what was chosen.

use serde_json::json;
use system_tests::World;

use crate::support::{checks, doctor, has_state, in_network, is_ok, says};

#[tokio::test]
async fn the_subscription() {
    let world = World::start().await;
    is_ok(&doctor(&world), "subscription", "emulated is enabled.").await;
    let other = doctor(&world).with("subscription", "00000000-1111-2222-3333-444444444444");
    says("doctor-subscription-unknown", &other).await;
    world.fault("arm.subscription-state", "Warned");
    says("doctor-subscription-disabled", &doctor(&world)).await;
    says("subscription-disabled", &world.provision()).await;
}

#[tokio::test]
async fn the_provider_and_its_regions() {
    let world = World::start().await;
    is_ok(&doctor(&world), "provider", "is registered for container groups").await;
    let kind = "Microsoft.ContainerInstance/containerGroups";
    world.fault("arm.not-offered", json!({"type": kind, "region": "westeurope"}));
    says("doctor-region", &doctor(&world)).await;
    let elsewhere = doctor(&world).and("fallback-location", "northeurope");
    has_state(&elsewhere, "provider", "warning", "There are no container groups in westeurope.").await;
    world.emulator().change(|state| {
        state.arm.unregistered_providers.push("Microsoft.ContainerInstance".to_owned());
    });
    says("doctor-provider", &doctor(&world)).await;
}

#[tokio::test]
async fn the_resource_group_and_the_quota() {
    let world = World::start().await;
    is_ok(&doctor(&world), "resource-group", "is in westeurope").await;
    is_ok(&doctor(&world), "quota", "There is room in westeurope with 1 CPU and 1 GB.").await;
    says("resource-group-unknown", &doctor(&world).with("resource-group", "nowhere")).await;
    world.fault("arm.quota", json!({"ContainerGroups": 0}));
    says("quota-groups", &doctor(&world)).await;
    world.fault("http.not-json", json!({"path": "westeurope/usages", "count": 9}));
    has_state(&doctor(&world), "quota", "warning", "could not be checked beforehand").await;
}

#[tokio::test]
async fn the_quota_of_whoever_has_the_least_role() {
    let world = World::start().await;
    let group = world.resource_group();
    world.emulator().change(|state| {
        state.arm.role_assignments.iter_mut().for_each(|assignment| assignment.scope.clone_from(&group));
    });
    has_state(&doctor(&world), "quota", "not-checked", "You may not read it in westeurope, and need not.")
        .await;
}

#[tokio::test]
async fn the_rights() {
    let world = World::start().await;
    let identity = world.identity("jobs", &[]);
    let all = in_network(&world).and("identity", &identity).and("take-down", "outside");
    let found = checks(&all, "rights").await;
    let fine = ["the resource group ephemeral-agents-sample", "the subnet", "the identity jobs"];
    assert_eq!(found.len(), fine.len(), "{found:?}");
    for ((state, what), words) in found.iter().zip(fine) {
        assert!(state == "ok" && what.contains(words), "{found:?}");
    }
    world.only_role("Reader");
    let said = says("doctor-rights-group", &all).await;
    said.has_row("doctor-rights-subnet");
    said.has_row("doctor-rights-identity");
    world.fault("http.not-json", json!({"path": "Microsoft.Authorization/permissions", "count": 9}));
    let unknown = checks(&doctor(&world), "rights").await;
    assert!(
        unknown[0].0 == "warning" && unknown[0].1.contains("Could not see what you may do"),
        "{unknown:?}"
    );
}

#[tokio::test]
async fn a_chosen_name_and_what_a_job_could_read() {
    let world = World::start().await;
    world.emulator().change(|state| {
        let pool = emulator::devops::pool_by_name(state, emulator::world::POOL).expect("the pool").id;
        let new = emulator::devops::NewAgent {
            name: "mine".to_owned(),
            version: "4.0.0".to_owned(),
            ..emulator::devops::NewAgent::default()
        };
        emulator::devops::register_agent(state, pool, new).expect("registered");
    });
    says("doctor-name", &doctor(&world).and("name", "mine")).await;
    let windows = doctor(&world).and("os-type", "windows").and("take-down", "secrets");
    says("doctor-exposure", &windows).await;
}
