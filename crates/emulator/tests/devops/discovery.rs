//! What clients ask before anything else, and the pools, queues and projects that they find.

use std::collections::BTreeMap;

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Answer, Organization};

#[tokio::test]
async fn the_location_table_is_open_and_can_be_asked_for_by_area() {
    let contoso = Organization::start().await;
    let all = Answer::of(contoso.request(Method::OPTIONS, "_apis")).await.ok();
    let slash = Answer::of(contoso.request(Method::OPTIONS, "_apis/")).await.ok();
    assert_eq!(all.items().len(), slash.items().len());
    let area = Answer::of(contoso.request(Method::OPTIONS, "_apis/DistributedTask")).await.ok();
    assert!(!area.items().is_empty() && area.items().len() < all.items().len());
    assert!(area.items().iter().all(|location| location["area"] == "distributedtask"));
}

/// Compares with the table of a real organization, where it is at hand. It is that of one of its services, which knows
/// nothing of extensions and pipeline permissions.
#[tokio::test]
async fn locations_are_those_of_a_real_organization() {
    let recorded =
        concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/specs/devops-resource-locations.json");
    let Ok(text) = std::fs::read_to_string(recorded) else { return };
    let real: Value = serde_json::from_str(&text).expect("JSON");
    let real: BTreeMap<&str, &Value> = real["value"]
        .as_array()
        .expect("locations")
        .iter()
        .filter_map(|location| Some((location["id"].as_str()?, location)))
        .collect();
    let contoso = Organization::start().await;
    for location in Answer::of(contoso.request(Method::OPTIONS, "_apis")).await.ok().items() {
        let recorded = real.get(location["id"].as_str().expect("an id")).copied();
        let elsewhere = ["ExtensionManagement", "pipelinePermissions"]
            .contains(&location["area"].as_str().expect("an area"));
        assert_eq!(recorded, (!elsewhere).then_some(location));
    }
}

#[tokio::test]
async fn connection_data_says_who_and_where() {
    let contoso = Organization::start().await;
    let anonymous = Answer::of(contoso.request(Method::GET, "_apis/connectionData")).await;
    assert_eq!(anonymous.status, 401);
    let plain = contoso.get("_apis/connectionData?connectOptions=0&lastChangeId=-1").await.ok().body;
    assert_eq!(plain["authenticatedUser"]["providerDisplayName"], "Owner of contoso");
    assert_eq!(plain["deploymentType"], "onPremises");
    assert!(plain["locationServiceData"]["serviceDefinitions"].is_null());
    let access = &plain["locationServiceData"]["accessMappings"][0]["accessPoint"];
    assert_eq!(*access, format!("{}/", contoso.url));
    let services = contoso.get("_apis/connectionData?connectOptions=IncludeServices").await.ok().body;
    assert!(
        services["locationServiceData"]["serviceDefinitions"].as_array().is_some_and(|list| !list.is_empty())
    );
}

#[tokio::test]
async fn resource_areas_tell_clients_to_keep_their_url() {
    let contoso = Organization::start().await;
    let areas = contoso.get("_apis/ResourceAreas").await.ok().body;
    assert_eq!(areas, json!({"count": 0, "value": null}));
}

#[tokio::test]
async fn pools_are_found_by_name_and_queues_have_ids_of_their_own() {
    let contoso = Organization::start().await;
    let names = async |query: &str| -> Vec<Value> {
        let answer = contoso.get(&format!("_apis/distributedtask/pools{query}")).await.ok();
        answer.items().iter().map(|pool| pool["name"].clone()).collect()
    };
    assert_eq!(names("").await, ["Default", "Azure Pipelines", "sample-ephemeralpool"]);
    assert_eq!(names("?poolName=DEFAULT&poolType=automation").await, ["Default"]);
    assert_eq!(names("?poolName=none").await, [""; 0]);
    assert_eq!(names("?poolIds=1,3").await, ["Default", "sample-ephemeralpool"]);
    assert_eq!(names("?poolType=deployment").await, [""; 0]);

    let queues = "sample/_apis/distributedtask/queues?queueName=sample-ephemeralpool";
    let queue = contoso.get(queues).await.ok().items()[0].clone();
    assert_eq!(queue["pool"]["id"], 3);
    assert_ne!(queue["id"], 3);
    let found = async |query: &str| -> Vec<Value> {
        let answer = contoso.get(&format!("sample/_apis/distributedtask/queues?{query}")).await.ok();
        answer.items().iter().map(|queue| queue["name"].clone()).collect()
    };
    assert_eq!(found("queueNames=default,sample-EPHEMERALPOOL").await, ["Default", "sample-ephemeralpool"]);
    assert_eq!(found("poolIds=2,3").await, ["Azure Pipelines", "sample-ephemeralpool"]);
    assert_eq!(found("queueIds=16&actionFilter=use").await, ["Default"]);
    contoso.turn("devops.pool-role", json!("reader"));
    assert_eq!(found("actionFilter=use").await, [""; 0]);
    assert_eq!(found("actionFilter=none").await.len(), 3);
    let elsewhere = contoso.get("other/_apis/distributedtask/queues").await;
    assert_eq!(elsewhere.refusal(), (404, "ProjectDoesNotExistWithNameException"));
}

#[tokio::test]
async fn what_is_not_there_is_not_found() {
    let contoso = Organization::start().await;
    for (path, type_key) in [
        ("_apis/distributedtask/pools/99", "TaskAgentPoolNotFoundException"),
        ("_apis/distributedtask/pools/3/agents/99", "TaskAgentNotFoundException"),
        ("_apis/distributedtask/pools/3/jobrequests/99", "TaskAgentJobNotFoundException"),
        ("_apis/nothing/of/this", "HttpException"),
    ] {
        assert_eq!(contoso.get(path).await.refusal(), (404, type_key), "{path}");
    }
    assert_eq!(contoso.call(Method::PUT, "_apis/distributedtask/pools", Some(json!({}))).await.status, 405);
}

#[tokio::test]
async fn a_pool_can_be_made_changed_and_removed() {
    let contoso = Organization::start().await;
    let pools = "_apis/distributedtask/pools";
    let made = contoso.post(pools, json!({"name": "mine", "autoUpdate": false})).await.ok().body;
    assert_eq!((&made["name"], &made["autoUpdate"]), (&json!("mine"), &json!(false)));
    assert_eq!(
        contoso.post(pools, json!({"name": "Mine"})).await.refusal(),
        (409, "TaskAgentPoolExistsException")
    );
    let path = format!("{pools}/{}", made["id"]);
    let changed = contoso.patch(&path, json!({"autoUpdate": true})).await.ok().body;
    assert_eq!(changed["autoUpdate"], true);
    assert_eq!(contoso.delete(&path).await.status, 204);
    assert_eq!(contoso.get(&path).await.status, 404);
}
