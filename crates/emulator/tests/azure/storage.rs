//! Microsoft.Storage: accounts, their keys, their containers, and whom network rules let through. What really stores
//! blobs is Azurite, where `AZURITE` says which.

use emulator::options::Options;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Azure, container_group, options, read, script, with_program};

const KIND: &str = "providers/Microsoft.Storage/storageAccounts";

fn path(azure: &Azure, name: &str) -> String {
    format!("{}/{KIND}/{name}", azure.resource_group())
}

fn body() -> Value {
    json!({"location": "westeurope", "sku": {"name": "Standard_LRS"}, "kind": "StorageV2", "properties": {}})
}

/// An account that is there; gives where its blobs are.
async fn made(azure: &Azure, name: &str) -> String {
    let accepted = azure.put(&path(azure, name), &body()).await;
    assert_eq!(accepted.status, 202, "{accepted:?}");
    let location = accepted.header("location").to_owned();
    let account = azure.wait_until(&location, |account| account["name"].is_string()).await;
    account["properties"]["primaryEndpoints"]["blob"].as_str().expect("an endpoint").to_owned()
}

fn subnet(azure: &Azure) -> String {
    let networks = format!("{}/providers/Microsoft.Network/virtualNetworks", azure.resource_group());
    format!("{networks}/sampleprivatenetwork/subnets/azure-devops-agents")
}

/// Gives the agents' subnet its service endpoint.
async fn with_endpoint(azure: &Azure) {
    let mut body = azure.get(&subnet(azure)).await.body;
    body["properties"]["serviceEndpoints"] = json!([{"service": "Microsoft.Storage"}]);
    assert_eq!(azure.put(&subnet(azure), &body).await.status, 200);
    azure.step(1).await;
}

/// Whether the store behind answered, and not the account before it.
fn is_of_azurite(answer: &crate::support::Answer) -> bool {
    answer.header("server").starts_with("Azurite")
}

async fn restrict(azure: &Azure, name: &str, rules: &Value) -> crate::support::Answer {
    let acls = json!({"properties": {"networkAcls": {
        "bypass": "AzureServices", "defaultAction": "Deny", "virtualNetworkRules": rules, "ipRules": [],
    }}});
    azure.call(Method::PATCH, &path(azure, name), Some(&acls)).await
}

#[tokio::test]
async fn an_account_has_keys_and_containers_that_azurite_keeps() {
    let Some(_) = with_program("AZURITE") else { return };
    let azure = Azure::start(options()).await;
    let blobs = made(&azure, "contosoblobs").await;
    let keys =
        azure.call(Method::POST, &format!("{}/listKeys", path(&azure, "contosoblobs")), None).await.body;
    assert_eq!((&keys["keys"][0]["keyName"], &keys["keys"][1]["keyName"]), (&json!("key1"), &json!("key2")));
    let container = format!("{}/blobServices/default/containers/test", path(&azure, "contosoblobs"));
    assert_eq!(azure.get(&container).await.code(), "ContainerNotFound");
    assert_eq!(azure.put(&container, &json!({})).await.status, 201);
    assert_eq!(azure.put(&container, &json!({})).await.status, 200);
    assert_eq!(azure.get(&container).await.body["name"], "test");
    let all = azure.get(container.trim_end_matches("/test")).await.body;
    assert_eq!(all["value"][0]["name"], "test");
    let bad = azure.put(&container.replace("/test", "/Te--st"), &json!({})).await;
    assert_eq!(bad.code(), "InvalidResourceName");
    let unsigned = read(azure.http.get(format!("{blobs}test?restype=container"))).await;
    assert!(is_of_azurite(&unsigned) && !unsigned.status.is_success(), "it wants a key: {unsigned:?}");
    assert_eq!(azure.delete(&container).await.status, 200);
    assert_eq!(azure.delete(&container).await.status, 204);

    let again = azure.put(&path(&azure, "contosoblobs"), &body()).await;
    assert_eq!(again.status, 200);
    assert_eq!(again.body["properties"]["primaryEndpoints"]["blob"], json!(blobs));
    assert_eq!(
        azure.get(&format!("{}/{KIND}", azure.subscription())).await.body["value"][0]["kind"],
        "StorageV2"
    );
    assert_eq!(azure.delete(&path(&azure, "contosoblobs")).await.status, 200);
    assert_eq!(azure.delete(&path(&azure, "contosoblobs")).await.status, 204);
    azure.running.stop().await;
}

#[tokio::test]
async fn only_the_subnet_of_a_rule_gets_through() {
    let Some(_) = with_program("AZURITE") else { return };
    let folder = tempfile::tempdir().unwrap();
    let curl = "curl --silent --insecure --output /dev/null --write-out '%{http_code} %header{server}\\n' \"$BLOBS\"; sleep 600";
    let images = vec![("agent".to_owned(), script(folder.path(), "agent", curl))];
    let azure = Azure::start(Options { images, ..options() }).await;
    let blobs = made(&azure, "contosoblobs").await;
    let url = format!("{blobs}test?restype=container");
    let rule = json!([{"id": subnet(&azure), "action": "Allow"}]);
    let early = restrict(&azure, "contosoblobs", &rule).await;
    assert_eq!((early.status.as_u16(), early.code()), (400, "NetworkAclsValidationFailure"));
    assert!(early.message().contains("SubnetsHaveNoServiceEndpointsConfigured"), "{}", early.message());
    with_endpoint(&azure).await;
    assert!(is_of_azurite(&read(azure.http.get(&url)).await), "open to all until it is restricted");
    let restricted = restrict(&azure, "contosoblobs", &rule).await;
    assert_eq!(restricted.body["properties"]["networkAcls"]["defaultAction"], "Deny", "{restricted:?}");
    let outside = read(azure.http.get(&url)).await;
    assert!(!is_of_azurite(&outside), "it does not come that far");
    assert_eq!((outside.status.as_u16(), outside.header("x-ms-error-code")), (403, "AuthorizationFailure"));
    assert!(outside.body.to_string().contains("This request is not authorized to perform this operation."));

    let ask = async |name: &str, more: Value| {
        let mut group = container_group("agent", &more);
        group["properties"]["containers"][0]["properties"]["environmentVariables"] =
            json!([{"name": "BLOBS", "value": url}]);
        assert_eq!(azure.put(&azure.group(name), &group).await.status, 201);
        azure.step(1).await;
        let logs = format!("{}/containers/agent/logs", azure.group(name));
        let printed = |log: &Value| log["content"].as_str().is_some_and(|text| text.contains('\n'));
        let log = azure.wait_until(&logs, printed).await;
        log["content"].as_str().unwrap().lines().next().unwrap().to_owned()
    };
    assert_eq!(ask("elsewhere", json!({})).await.trim(), "403", "a group that is in no network");
    let inside = json!({"subnetIds": [{"id": subnet(&azure)}]});
    let inside = ask("inside", inside).await;
    assert!(inside.contains("Azurite"), "let through to Azurite, which wants a key: {inside}");
    azure.running.stop().await;
}

#[tokio::test]
async fn names_are_checked_and_an_account_needs_azurite() {
    let azure = Azure::start(Options { azurite: None, ..options() }).await;
    azure.fault("arm.names-taken", json!("takenblobs")).await;
    let mut nameless = body();
    nameless["kind"] = json!("Blobs");
    let mut closed = body();
    closed["properties"]["networkAcls"] = json!({"defaultAction": "Never"});
    let mut bad_rule = body();
    bad_rule["properties"]["networkAcls"] = json!({"ipRules": [{"value": "x"}]});
    let mut nowhere = body();
    nowhere["properties"]["networkAcls"] = json!({"virtualNetworkRules": [{"id": "/net/subnets/x"}]});
    for (name, body, status, code) in [
        ("UPPER", &body(), 400, "AccountNameInvalid"),
        ("takenblobs", &body(), 409, "StorageAccountAlreadyTaken"),
        ("contosoblobs", &nameless, 400, "InvalidRequestPropertyValue"),
        ("contosoblobs", &closed, 400, "InvalidRequestContent"),
        ("contosoblobs", &bad_rule, 400, "NetworkAclsValidationFailure"),
        ("contosoblobs", &nowhere, 400, "NetworkAclsValidationFailure"),
        ("contosoblobs", &body(), 501, "NoAzuriteBehind"),
    ] {
        let refused = azure.put(&path(&azure, name), body).await;
        assert_eq!((refused.status.as_u16(), refused.code()), (status, code), "{name} {body}");
    }
    let check = format!("{}/providers/Microsoft.Storage/checkNameAvailability", azure.subscription());
    for (name, available, reason) in [
        ("x", false, json!("AccountNameInvalid")),
        ("takenblobs", false, json!("AlreadyExists")),
        ("contosoblobs", true, Value::Null),
    ] {
        let body = json!({"name": name, "type": "Microsoft.Storage/storageAccounts"});
        let answer = azure.call(Method::POST, &check, Some(&body)).await.body;
        assert_eq!((&answer["nameAvailable"], &answer["reason"]), (&json!(available), &reason));
    }
}
