//! Everything around container groups: endpoints of the cloud, resource groups, networks, updates of groups.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Azure, VERSION, container_group, options, read};

#[tokio::test]
async fn the_endpoints_of_the_cloud_lead_back_here() {
    let azure = Azure::start(options()).await;
    let url = format!("{}/metadata/endpoints?api-version=2022-09-01", azure.url());
    let endpoints = read(azure.http.get(url)).await.body;
    let here = json!(format!("{}/", azure.url()));
    assert_eq!(endpoints["resourceManager"], here);
    assert_eq!(endpoints["authentication"]["loginEndpoint"], here);
    assert_eq!(endpoints["authentication"]["audiences"], json!([here]));
    assert_eq!(endpoints["microsoftGraphResourceId"], format!("{}/graph", azure.url()));
}

#[tokio::test]
async fn resource_groups_are_made_found_and_deleted_with_what_is_in_them() {
    let azure = Azure::start(options()).await;
    // The Azure CLI writes it in the lower case.
    let path = format!("{}/resourcegroups/other", azure.subscription());
    assert_eq!(azure.put(&path, &json!({"location": "West Europe"})).await.status, 201);
    assert_eq!(azure.put(&path, &json!({"location": "westeurope", "tags": {"a": "b"}})).await.status, 200);
    assert_eq!(azure.put(&path, &json!({"location": "eastus"})).await.code(), "InvalidResourceGroupLocation");
    assert_eq!(azure.call(Method::HEAD, &path, None).await.status, 204);
    let inside = format!("{path}/providers/Microsoft.ContainerInstance/containerGroups/inside");
    assert_eq!(azure.put(&inside, &container_group("agent", &json!({}))).await.status, 201);

    let accepted = azure.delete(&path).await;
    assert_eq!(accepted.status, 202);
    let location = accepted.header("location").to_owned();
    assert_eq!(azure.get(&location).await.status, 202);
    azure.step(1).await;
    assert_eq!(azure.get(&location).await.status, 200);
    assert_eq!(azure.call(Method::HEAD, &path, None).await.status, 404);
    let all = format!("{}/providers/Microsoft.ContainerInstance/containerGroups", azure.subscription());
    assert_eq!(azure.get(&all).await.body["value"], json!([]));
}

#[tokio::test]
async fn lists_hold_what_their_filter_asks_for() {
    let azure = Azure::start(options()).await;
    let subscription = azure.subscription();
    let tagged = json!({"location": "westeurope", "tags": {"team": "platform"}});
    assert_eq!(azure.put(&format!("{subscription}/resourceGroups/other"), &tagged).await.status, 201);
    for (path, filter, expected) in [
        ("resourceGroups", "tagName eq 'team'", vec!["other"]),
        ("resourceGroups", "tagName eq 'TEAM' and tagValue eq 'platform'", vec!["other"]),
        ("resourceGroups", "tagName eq 'team' and tagValue eq 'another'", vec![]),
        ("resources", "resourceGroup eq 'EPHEMERAL-agents-sample'", vec!["sampleprivatenetwork"]),
        ("resources", "resourceGroup eq 'other'", vec![]),
        ("resources", "name eq 'sampleprivatenetwork'", vec!["sampleprivatenetwork"]),
        ("resources", "tagName eq 'team'", vec![]),
    ] {
        let listed = azure.get(&format!("{subscription}/{path}?{VERSION}&$filter={filter}")).await.body;
        let names: Vec<&str> =
            listed["value"].as_array().unwrap().iter().map(|shown| shown["name"].as_str().unwrap()).collect();
        assert_eq!(names, expected, "{filter}");
    }
}

#[tokio::test]
async fn the_sample_network_is_there() {
    let azure = Azure::start(options()).await;
    let path = format!(
        "{}/providers/Microsoft.Network/virtualNetworks/sampleprivatenetwork/subnets/azure-devops-agents",
        azure.resource_group()
    );
    let subnet = azure.get(&path).await.body;
    assert_eq!(subnet["properties"]["addressPrefix"], "10.10.254.0/23");
    assert_eq!(
        subnet["properties"]["delegations"][0]["properties"]["serviceName"],
        "Microsoft.ContainerInstance/containerGroups"
    );
}

#[tokio::test]
async fn an_update_keeps_what_cannot_change_and_tags_do_not_restart() {
    let azure = Azure::start(options()).await;
    let path = azure.group("updated");
    let body = container_group("agent", &json!({}));
    azure.put(&path, &body).await;
    assert_eq!(azure.put(&path, &body).await.code(), "ContainerGroupTransitioning");
    azure.fault("arm.container-exits", json!(0)).await;
    azure.step(1).await;
    let settled = |group: &Value| group["properties"]["provisioningState"] == "Failed";
    azure.wait_until(&path, settled).await;

    let mut other_size = body.clone();
    other_size["properties"]["containers"][0]["properties"]["resources"]["requests"]["cpu"] = json!(2);
    let refused = azure.put(&path, &other_size).await;
    assert_eq!((refused.status.as_u16(), refused.code()), (400, "InvalidContainerGroupUpdate"));
    let mut other_region = body.clone();
    other_region["location"] = json!("eastus");
    assert_eq!(azure.put(&path, &other_region).await.code(), "InvalidResourceLocation");

    let mut tagged = body.clone();
    tagged["tags"] = json!({"new": "tag"});
    let same = azure.put(&path, &tagged).await;
    assert_eq!((same.status.as_u16(), same.header("azure-asyncoperation")), (200, ""));
    let patched = azure.call(Method::PATCH, &path, Some(&json!({"tags": {"newer": "tag"}}))).await;
    assert_eq!(patched.body["tags"], json!({"newer": "tag"}));

    let mut other_image = body.clone();
    other_image["properties"]["containers"][0]["properties"]["image"] = json!("agent:2");
    let updated = azure.put(&path, &other_image).await;
    assert_eq!(
        (updated.status.as_u16(), &updated.body["properties"]["provisioningState"]),
        (200, &json!("Pending"))
    );
}
