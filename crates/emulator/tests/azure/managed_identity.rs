//! Managed identity: who gets a token from inside a container group.

use emulator::options::Options;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Answer, Azure, container_group, options, read, script};

/// An emulator with a running group that has these identities and prints where it is to ask for tokens.
async fn with_identities(identity: Value) -> (Azure, String, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let text = "echo $AZURE_POD_IDENTITY_AUTHORITY_HOST; sleep 600";
    let images = vec![("agent".to_owned(), script(folder.path(), "agent", text))];
    let azure = Azure::start(Options { images, ..options() }).await;
    for name in ["first", "second"] {
        let path = identity_path(&azure, name);
        assert_eq!(azure.put(&path, &json!({"location": "westeurope"})).await.status, 201);
    }
    let text = identity.to_string().replace("{base}", &identity_path(&azure, ""));
    let mut body = container_group("agent", &json!({}));
    body["identity"] = serde_json::from_str(&text).unwrap();
    let accepted = azure.put(&azure.group("with-identity"), &body).await;
    assert_eq!(accepted.status, 201, "{accepted:?}");
    azure.step(1).await;
    let logs = format!("{}/containers/agent/logs", azure.group("with-identity"));
    let printed = |answer: &Value| answer["content"].as_str().is_some_and(|text| text.contains('\n'));
    azure
        .wait_until(&azure.group("with-identity"), |group| {
            group["properties"]["containers"][0]["properties"]["instanceView"]["currentState"]["state"]
                == "Running"
        })
        .await;
    let host = loop {
        let answer = azure.get(&logs).await.body;
        if printed(&answer) {
            break answer["content"].as_str().unwrap().trim().to_owned();
        }
    };
    (azure, host, folder)
}

fn identity_path(azure: &Azure, name: &str) -> String {
    format!("{}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/{name}", azure.resource_group())
}

async fn ask(azure: &Azure, host: &str, more: &str) -> Answer {
    let resource = "https%3A%2F%2Fmanagement.azure.com%2F";
    let url =
        format!("{host}/metadata/identity/oauth2/token?api-version=2018-02-01&resource={resource}{more}");
    read(azure.http.get(url).header("Metadata", "true")).await
}

#[tokio::test]
async fn a_group_gets_a_token_that_resource_manager_takes() {
    let (azure, host, _folder) = with_identities(json!({"type": "SystemAssigned"})).await;
    let answer = ask(&azure, &host, "").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.body["expires_in"], "28799");
    assert!(answer.body["expires_on"].is_string() && answer.body["not_before"].is_string());
    let token = answer.body["access_token"].as_str().unwrap();
    let refused = azure.call_as(token, Method::GET, &azure.group("with-identity"), None).await;
    assert_eq!(refused.code(), "AuthorizationFailed", "it has no role yet");

    let principal = azure.get(&azure.group("with-identity")).await.body["identity"]["principalId"].clone();
    let role = "acdd72a7-3385-48ef-bd42-f606fba81ae7";
    let assignment = format!(
        "{}/providers/Microsoft.Authorization/roleAssignments/11111111-2222-3333-4444-555555555555",
        azure.resource_group()
    );
    let body = json!({"properties": {
        "roleDefinitionId": format!("/providers/Microsoft.Authorization/roleDefinitions/{role}"),
        "principalId": principal,
    }});
    assert_eq!(azure.put(&assignment, &body).await.status, 201);
    let allowed = azure.call_as(token, Method::GET, &azure.group("with-identity"), None).await;
    assert_eq!(allowed.status, 200);
    azure.running.stop().await;
}

#[tokio::test]
async fn with_several_identities_one_must_be_named() {
    let identity = json!({
        "type": "UserAssigned", "userAssignedIdentities": {"{base}first": {}, "{base}second": {}},
    });
    let (azure, host, _folder) = with_identities(identity).await;
    let unnamed = ask(&azure, &host, "").await;
    assert_eq!((unnamed.status.as_u16(), &unnamed.body["error"]), (400, &json!("invalid_request")));
    let client_id = azure.get(&identity_path(&azure, "second")).await.body["properties"]["clientId"].clone();
    let named = ask(&azure, &host, &format!("&client_id={}", client_id.as_str().unwrap())).await;
    assert_eq!(named.body["client_id"], client_id);
    let by_resource = ask(&azure, &host, &format!("&msi_res_id={}", identity_path(&azure, "first"))).await;
    assert_eq!(by_resource.status, 200);
    let wrong = ask(&azure, &host, "&client_id=00000000-0000-0000-0000-000000000000").await;
    assert_eq!(wrong.body["error_description"], "Identity not found");
    azure.running.stop().await;
}

#[tokio::test]
async fn the_endpoint_wants_its_header_and_may_be_late() {
    let (azure, host, _folder) = with_identities(json!({"type": "SystemAssigned"})).await;
    let url = format!(
        "{host}/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https%3A%2F%2Fmanagement.azure.com"
    );
    let bare = read(azure.http.get(&url)).await;
    assert_eq!(bare.body["error_description"], "Required metadata header not specified");
    let stranger = url.replacen("/identity/", "/identity/x", 1);
    assert_eq!(read(azure.http.get(stranger)).await.status, 400);

    azure.fault("entra.identity-late-seconds", json!(60)).await;
    let late = azure.http.get(&url).header("Metadata", "true").send().await;
    assert!(late.is_err(), "the connection is closed");
    azure.step(61).await;
    assert_eq!(ask(&azure, &host, "").await.status, 200);
    azure.running.stop().await;
}

/// An identity that pulls images must not give a token to what runs in the containers.
#[tokio::test]
async fn an_identity_is_closed_to_code_where_the_group_says_so() {
    let identity = json!({
        "type": "UserAssigned", "userAssignedIdentities": {"{base}first": {}, "{base}second": {}},
    });
    let (azure, host, _folder) = with_identities(identity).await;
    let acls = json!({"defaultAccess": "System", "acls": [
        {"identity": identity_path(&azure, "second"), "access": "User"},
    ]});
    azure.running.emulator.change(|state| {
        let group = state.arm.container_groups.values_mut().next().expect("the group");
        group.properties["identityAcls"] = acls;
    });
    let first = ask(&azure, &host, &format!("&msi_res_id={}", identity_path(&azure, "first"))).await;
    assert_eq!(first.body["error_description"], "Identity not found");
    assert_eq!(ask(&azure, &host, "").await.status, 200, "the only one that is open");
    azure.running.stop().await;
}
