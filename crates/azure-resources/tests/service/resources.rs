//! Resources by id: what is sent, and how long is waited.

use azure_http::HttpError;
use azure_resources::resources::{
    Found, Lock, Place, Provider, ResourceGroupId, ResourceKind, Resources, network,
};
use serde_json::json as value;

use super::support::{Received, Reply, Server, json, with};
use super::{lines, manager, refusal, start};

const ADDRESS: &str = "/subscriptions/s/resourceGroups/rg/providers/Microsoft.Network/publicIPAddresses/ip";

fn group() -> ResourceGroupId {
    ResourceGroupId::new("s", "rg")
}

fn address() -> azure_resources::resources::Resource {
    let place = Place { location: "westeurope".to_owned(), tags: [("a".to_owned(), "b".to_owned())].into() };
    network::public_ip_address(&group(), "ip", &place)
}

fn resources(server: &Server) -> Resources {
    Resources::new(manager(server), "s")
}

/// Accepts, and says how it goes below `/operations`: running, then `end`.
fn operation(header: &'static str, end: &'static str) -> impl FnMut(&Received) -> Reply + Send + 'static {
    let mut asked = 0;
    move |request| {
        if request.line.contains("/operations/1") {
            asked += 1;
            return match (asked, header) {
                (1, "location") => with(202, &["retry-after: 0"], ""),
                (1, _) => with(
                    200,
                    &["content-type: application/json", "retry-after: 0"],
                    r#"{"status":"InProgress"}"#,
                ),
                _ => json(200, end),
            };
        }
        if request.line.starts_with("GET") {
            return json(
                200,
                &value!({"id": ADDRESS, "properties": {"provisioningState": "Succeeded"}}).to_string(),
            );
        }
        let operation = format!("{header}: https://{}/operations/1?t=x", request.header("host"));
        with(202, &["content-type: application/json", "retry-after: 0", &operation], "{}")
    }
}

#[tokio::test]
async fn what_is_created_is_followed_to_its_end_and_then_looked_at() {
    let server = start(operation("azure-asyncoperation", r#"{"status":"Succeeded"}"#)).await;
    let found = resources(&server).create(&address()).await.expect("created");
    assert_eq!(found.id(), ADDRESS);
    let version = "?api-version=2024-07-01";
    assert_eq!(
        lines(&server),
        [
            format!("PUT {ADDRESS}{version}"),
            "GET /operations/1?t=x".to_owned(),
            "GET /operations/1?t=x".to_owned(),
            format!("GET {ADDRESS}{version}"),
        ]
    );
}

/// A resource that goes through these states, one with each look; after the last it is gone.
fn states(all: &'static [&'static str]) -> impl FnMut(&Received) -> Reply + Send + 'static {
    let mut left = all.iter();
    move |request| {
        if !request.line.starts_with("GET") {
            return json(200, "{}");
        }
        match left.next() {
            Some(state) => {
                json(200, &value!({"id": ADDRESS, "properties": {"provisioningState": state}}).to_string())
            }
            None => json(404, r#"{"error":{"code":"ResourceNotFound","message":"no"}}"#),
        }
    }
}

#[tokio::test]
async fn what_somebody_began_is_waited_for_before_it_is_shown() {
    let server = start(states(&["Updating", "Succeeded"])).await;
    let found = resources(&server).get(ResourceKind::PublicIpAddress, ADDRESS).await.expect("an answer");
    assert_eq!(found.expect("it is there").body()["properties"]["provisioningState"], "Succeeded");
    let server = start(states(&["Deleting"])).await;
    assert_eq!(resources(&server).get(ResourceKind::PublicIpAddress, ADDRESS).await, Ok(None));
}

#[tokio::test]
async fn what_comes_out_failed_was_not_made() {
    let server = start(states(&["Failed"])).await;
    let error = resources(&server).create(&address()).await.unwrap_err();
    let HttpError::Service(error) = error else { panic!("{error}") };
    assert_eq!(error.message, "Resource Manager shows it as Failed.");
}

#[tokio::test]
async fn an_operation_that_fails_is_a_failure_with_its_own_code() {
    let end = r#"{"status":"Failed","error":{"code":"InUseSubnetCannotBeDeleted","message":"in use"}}"#;
    let server = start(operation("azure-asyncoperation", end)).await;
    let error = resources(&server).delete(ResourceKind::PublicIpAddress, ADDRESS).await.unwrap_err();
    let HttpError::Service(error) = error else { panic!("{error}") };
    assert_eq!(
        (error.code.as_deref(), error.message.as_str()),
        (Some("InUseSubnetCannotBeDeleted"), "in use")
    );
}

#[tokio::test]
async fn a_resource_group_is_gone_when_its_location_no_longer_says_not_yet() {
    let server = start(operation("location", "{}")).await;
    let gone = resources(&server).delete(ResourceKind::ResourceGroup, &group().id()).await;
    assert_eq!(gone, Ok(true));
    assert_eq!(lines(&server).len(), 3, "{:?}", lines(&server));
}

#[tokio::test]
async fn what_is_not_there_is_deleted_already() {
    for reply in [(204, ""), (404, r#"{"error":{"code":"ResourceNotFound","message":"no"}}"#)] {
        let server = start(move |_| json(reply.0, reply.1)).await;
        let gone = resources(&server).delete(ResourceKind::PublicIpAddress, ADDRESS).await;
        assert_eq!(gone, Ok(false), "{}", reply.0);
    }
}

#[tokio::test]
async fn an_update_sends_what_others_added_too() {
    let server = start(operation("azure-asyncoperation", r#"{"status":"Succeeded"}"#)).await;
    let found =
        Found::new(value!({ "id": ADDRESS, "etag": "W/1", "tags": { "cost": "7" }, "properties": {} }));
    resources(&server).update(&address(), &found).await.expect("updated");
    let received = server.received();
    let put = received.iter().find(|request| request.line.starts_with("PUT")).expect("a PUT");
    let body: serde_json::Value = serde_json::from_str(&put.body).expect("JSON");
    assert_eq!(body["tags"], value!({ "a": "b", "cost": "7" }));
    assert_eq!(body.get("etag"), None);
}

#[tokio::test]
async fn container_instances_let_go_of_a_subnet() {
    let server = start(|_| json(200, "{}")).await;
    let subnet = network::subnet_id(&group(), "v", "agents");
    assert_eq!(resources(&server).free_subnet(&subnet).await, Ok(true));
    assert_eq!(
        lines(&server),
        [format!(
            "DELETE {subnet}/providers/Microsoft.ContainerInstance/serviceAssociationLinks/default?api-version=2025-09-01"
        )]
    );
}

#[tokio::test]
async fn a_name_is_asked_for_before_it_is_used() {
    let server =
        start(|_| json(200, r#"{"nameAvailable":false,"reason":"AlreadyExists","message":"taken"}"#)).await;
    let place = Place { location: "westeurope".to_owned(), tags: std::collections::BTreeMap::new() };
    let registry = azure_resources::resources::registry::registry(&group(), "images", &place);
    assert_eq!(resources(&server).name_refused(&registry).await, Ok(Some("taken".to_owned())));
    let line = &lines(&server)[0];
    assert!(
        line.starts_with("POST /subscriptions/s/providers/Microsoft.ContainerRegistry/checkNameAvailability"),
        "{line}"
    );
    assert!(
        server
            .received()
            .iter()
            .any(|request| request.body.contains("Microsoft.ContainerRegistry/registries"))
    );
}

#[tokio::test]
async fn a_provider_says_where_and_a_scope_says_who_may() {
    let server = start(|request| {
        let permissions = r#"{"value":[{"actions":["*"],"notActions":["Microsoft.Authorization/*/Write"]}]}"#;
        match request.line.as_str() {
            line if line.contains("/permissions") => json(200, permissions),
            line if line.contains("Microsoft.Unknown") => refusal(404, "InvalidResourceNamespace"),
            _ => json(
                200,
                r#"{"registrationState":"Registered","resourceTypes":[{"resourceType":"containerGroups","locations":["West Europe"]}]}"#,
            ),
        }
    })
    .await;
    let resources = resources(&server);
    let provider =
        resources.provider("Microsoft.ContainerInstance", "containerGroups").await.expect("an answer");
    assert_eq!(provider, Some(Provider { registered: true, locations: vec!["West Europe".to_owned()] }));
    assert_eq!(resources.provider("Microsoft.Unknown", "x").await, Ok(None));
    let may = async |action| resources.may(Some(&group()), action).await.expect("an answer");
    assert_eq!(may("Microsoft.Authorization/roleAssignments/write").await, Some(false));
    assert_eq!(may("Microsoft.Network/virtualNetworks/write").await, Some(true));
}

#[tokio::test]
async fn locks_are_listed_with_what_they_keep_from() {
    let lock = format!("{ADDRESS}/providers/Microsoft.Authorization/locks/keep");
    let list = value!({ "value": [{ "id": lock, "properties": { "level": "CanNotDelete" } }] }).to_string();
    let server = start(move |_| json(200, &list)).await;
    assert_eq!(resources(&server).locks(&group()).await, Ok(vec![Lock { id: lock_id(), read_only: false }]));
}

fn lock_id() -> String {
    format!("{ADDRESS}/providers/Microsoft.Authorization/locks/keep")
}
