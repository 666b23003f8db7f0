//! The faults of Resource Manager: off until turned, and then as the services have them.

use serde_json::{Value, json};

use crate::support::{Azure, container_group, options, script};

async fn azure() -> (Azure, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let images = vec![("agent".to_owned(), script(folder.path(), "agent", "sleep 600"))];
    (Azure::start(emulator::options::Options { images, ..options() }).await, folder)
}

fn body() -> Value {
    container_group("agent", &json!({}))
}

#[tokio::test]
async fn refusals_can_be_asked_for() {
    let (azure, _folder) = azure().await;
    for (knob, value, status, code) in [
        ("arm.capacity", json!("westeurope"), 409, "ServiceUnavailable"),
        ("arm.quota", json!({"StandardCores": 0}), 400, "ContainerGroupQuotaReached"),
        ("arm.quota", json!({"ContainerGroups": 0}), 400, "ContainerGroupQuotaReached"),
        ("arm.image-inaccessible", json!(1), 400, "InaccessibleImage"),
        ("arm.registry-error", json!(1), 409, "RegistryErrorResponse"),
        ("arm.transitioning", json!(1), 409, "ContainerGroupTransitioning"),
    ] {
        azure.fault(knob, value.clone()).await;
        let answer = azure.put(&azure.group("refused"), &body()).await;
        assert_eq!((answer.status.as_u16(), answer.code()), (status, code), "{knob} {value}");
        azure.delete(&format!("/emulator/faults/{knob}")).await;
    }
    assert_eq!(azure.put(&azure.group("refused"), &body()).await.status, 201);
}

#[tokio::test]
async fn a_region_can_run_out_of_room_late() {
    let (azure, _folder) = azure().await;
    azure.fault("arm.capacity", json!({"region": "westeurope", "late": true})).await;
    let accepted = azure.put(&azure.group("late"), &body()).await;
    assert_eq!(accepted.status, 201);
    azure.step(1).await;
    let operation = azure.get(accepted.header("azure-asyncoperation")).await.body;
    assert_eq!(
        (&operation["status"], &operation["error"]["code"]),
        (&json!("Failed"), &json!("ServiceUnavailable"))
    );
    let events = &azure.get(&azure.group("late")).await.body["properties"]["instanceView"]["events"];
    assert_eq!(events[0]["name"], "InsufficientCapacity.");
}

#[tokio::test]
async fn usages_count_groups_and_cores() {
    let (azure, _folder) = azure().await;
    azure.put(&azure.group("counted"), &body()).await;
    let path = format!(
        "{}/providers/Microsoft.ContainerInstance/locations/West%20Europe/usages",
        azure.subscription()
    );
    let usages = azure.get(&path).await.body;
    let of = |name: &str| {
        let lines = usages["value"].as_array().unwrap();
        let line = lines.iter().find(|line| line["name"]["value"] == name).unwrap();
        (line["currentValue"].as_f64().unwrap(), line["limit"].as_f64().unwrap())
    };
    assert_eq!((of("ContainerGroups"), of("StandardCores")), ((1.0, 100.0), (1.0, 100.0)));
}

#[tokio::test]
async fn provisioning_can_hang() {
    let (azure, _folder) = azure().await;
    azure.fault("arm.provisioning-stuck", json!(true)).await;
    azure.put(&azure.group("stuck"), &body()).await;
    azure.step(3000).await;
    let group = azure.get(&azure.group("stuck")).await.body;
    assert_eq!(group["properties"]["provisioningState"], "Creating");
}

#[tokio::test]
async fn containers_can_be_made_to_end_at_once() {
    let (azure, _folder) = azure().await;
    azure.fault("arm.container-exits", json!(42)).await;
    azure.put(&azure.group("ending"), &body()).await;
    azure.step(1).await;
    let group = azure
        .wait_until(&azure.group("ending"), |group| group["properties"]["instanceView"]["state"] == "Failed")
        .await;
    let view = &group["properties"]["containers"][0]["properties"]["instanceView"];
    assert_eq!(view["currentState"]["exitCode"], 42);
}

#[tokio::test]
async fn the_platform_can_restart_what_should_not_be_restarted() {
    let (azure, _folder) = azure().await;
    azure.fault("arm.container-exits", json!(0)).await;
    azure.fault("arm.restart-after-exit", json!(1)).await;
    azure.put(&azure.group("restarted"), &body()).await;
    azure.step(1).await;
    let path = azure.group("restarted");
    let count = |group: &Value| {
        group["properties"]["containers"][0]["properties"]["instanceView"]["restartCount"].as_u64()
    };
    azure.wait_until(&path, |group| count(group) == Some(1)).await;
    azure.step(1).await;
    azure.wait_until(&path, |group| group["properties"]["instanceView"]["state"] == "Succeeded").await;
}

#[tokio::test]
async fn lists_can_lag_behind() {
    let (azure, _folder) = azure().await;
    azure.fault("arm.list-lag-seconds", json!(30)).await;
    let (path, list) = (azure.group("lagging"), azure.group(""));
    let list = list.trim_end_matches('/');
    azure.put(&path, &body()).await;
    let names = async || azure.get(list).await.body["value"].as_array().unwrap().len();
    assert_eq!(names().await, 0, "new, and not yet listed");
    azure.step(31).await;
    assert_eq!(names().await, 1);
    azure.delete(&path).await;
    assert_eq!(names().await, 1, "gone, and still listed");
    azure.step(31).await;
    assert_eq!(names().await, 0);
}

#[tokio::test]
async fn a_group_deleted_while_it_is_created_can_come_to_be_all_the_same() {
    let (azure, _folder) = azure().await;
    azure.fault("arm.delete-while-creating-leaks", json!(true)).await;
    let path = azure.group("leaked");
    azure.put(&path, &body()).await;
    assert_eq!(azure.delete(&path).await.status, 200);
    azure.step(1).await;
    azure.wait_until(&path, |group| group["properties"]["provisioningState"] == "Succeeded").await;
    assert_eq!(azure.delete(&path).await.status, 200);
    assert_eq!(azure.get(&path).await.status, 404);
    azure.running.stop().await;
}

#[tokio::test]
async fn a_deletion_can_take_its_time() {
    let (azure, _folder) = azure().await;
    azure.fault("arm.delete-seconds", json!(20)).await;
    let path = azure.group("slow");
    azure.put(&path, &body()).await;
    let accepted = azure.delete(&path).await;
    assert_eq!(accepted.status, 202);
    assert_eq!(azure.delete(&path).await.code(), "ContainerGroupTransitioning");
    azure.step(21).await;
    assert_eq!(azure.get(accepted.header("azure-asyncoperation")).await.body["status"], "Succeeded");
    assert_eq!(azure.get(&path).await.status, 404);
}
