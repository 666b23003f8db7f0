//! Microsoft.ContainerRegistry: registries that are made, and who pushes and pulls where. What really stores images is
//! `docker-registry`, where `DOCKER_REGISTRY` says which.

use emulator::options::Options;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use crate::support::{Answer, Azure, options, read, with_program};

const KIND: &str = "providers/Microsoft.ContainerRegistry/registries";

fn path(azure: &Azure, name: &str) -> String {
    format!("{}/{KIND}/{name}", azure.resource_group())
}

fn body(admin: bool) -> Value {
    json!({"location": "westeurope", "sku": {"name": "Basic"}, "properties": {"adminUserEnabled": admin}})
}

/// A registry with an admin user: its login server, and the user's name and password.
async fn made(azure: &Azure, name: &str) -> (String, String, String) {
    let accepted = azure.put(&path(azure, name), &body(true)).await;
    assert_eq!(accepted.status, 201, "{accepted:?}");
    let operation = accepted.header("azure-asyncoperation").to_owned();
    let done = azure.wait_until(&operation, |operation| operation["status"] != "Pending").await;
    assert_eq!(done["status"], "Succeeded", "{done}");
    let registry = azure.get(&path(azure, name)).await.body;
    let login_server = registry["properties"]["loginServer"].as_str().expect("a login server").to_owned();
    let list = format!("{}/listCredentials", path(azure, name));
    let user = azure.call(Method::POST, &list, None).await.body;
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    (login_server, text(&user["username"]), text(&user["passwords"][1]["value"]))
}

/// A call to the registry itself.
fn at(azure: &Azure, server: &str, method: Method, path: &str) -> RequestBuilder {
    azure.http.request(method, format!("https://{server}{path}"))
}

async fn push(azure: &Azure, server: &str, user: &str, password: &str) -> Answer {
    // The digest of "layer".
    let digest = "sha256:b1cb76b6a0d9bc77eeee2dd9fda7c5f0eca47e1ea2d2c3e2ba52d1d3c1a38e4c";
    let start = at(azure, server, Method::POST, "/v2/agents/agent/blobs/uploads/");
    let started = read(start.basic_auth(user, Some(password))).await;
    if started.status != 202 {
        return started;
    }
    let place = started.header("location").to_owned();
    assert!(place.starts_with("/v2/"), "it leads back here: {place}");
    let refused = at(azure, server, Method::PUT, &format!("{place}&digest={digest}")).body("layer");
    let refused = read(refused.basic_auth(user, Some(password))).await;
    assert_eq!(refused.body["errors"][0]["code"], "DIGEST_INVALID", "the real registry checks: {refused:?}");
    started
}

async fn tags(azure: &Azure, server: &str, change: impl Fn(RequestBuilder) -> RequestBuilder) -> Answer {
    read(change(at(azure, server, Method::GET, "/v2/agents/agent/tags/list"))).await
}

#[tokio::test]
async fn images_are_pushed_by_the_admin_user_and_by_who_has_the_role() {
    let Some(_) = with_program("DOCKER_REGISTRY") else { return };
    let azure = Azure::start(options()).await;
    let (server, user, password) = made(&azure, "contoso").await;
    let anonymous = read(at(&azure, &server, Method::GET, "/v2/")).await;
    assert_eq!(anonymous.status, 401);
    let realm = format!("Bearer realm=\"https://{server}/oauth2/token\",service=\"{server}\"");
    assert_eq!(anonymous.header("www-authenticate"), realm);
    assert_eq!(push(&azure, &server, &user, "wrong").await.status, 401);
    assert_eq!(push(&azure, &server, &user, &password).await.status, 202);

    let app = azure.put("/emulator/apps/guest", &json!({"secret": "guest-secret"})).await.body;
    let guest = app["client_id"].as_str().unwrap();
    let assign = async |role: &str, id: u8| {
        let path = format!(
            "{}/providers/Microsoft.Authorization/roleAssignments/11111111-0000-0000-0000-00000000000{id}",
            path(&azure, "contoso")
        );
        let body = json!({"properties": {"roleDefinitionId": role, "principalId": app["object_id"]}});
        assert_eq!(azure.put(&path, &body).await.status, 201);
    };
    let as_guest = |request: RequestBuilder| request.basic_auth(guest, Some("guest-secret"));
    assert_eq!(tags(&azure, &server, as_guest).await.status, 401, "no role yet");
    assign("7f951dda-4ed3-4680-a7ca-43fe172d538d", 1).await;
    assert_eq!(tags(&azure, &server, as_guest).await.body["errors"][0]["code"], "NAME_UNKNOWN");
    assert_eq!(push(&azure, &server, guest, "guest-secret").await.status, 401, "AcrPull does not push");
    assign("8311e382-0749-4cb8-b61a-304f252e45ec", 2).await;
    assert_eq!(push(&azure, &server, guest, "guest-secret").await.status, 202);
    azure.running.stop().await;
}

#[tokio::test]
async fn a_new_password_takes_the_place_of_one_and_leaves_the_other() {
    let Some(_) = with_program("DOCKER_REGISTRY") else { return };
    let azure = Azure::start(options()).await;
    let (server, user, second) = made(&azure, "contoso").await;
    let renew = async |name: &str| {
        let path = format!("{}/regenerateCredential", path(&azure, "contoso"));
        azure.call(Method::POST, &path, Some(&json!({ "name": name }))).await
    };
    assert_eq!(renew("password").await.body["passwords"][1]["value"], second.as_str());
    assert_eq!(push(&azure, &server, &user, &second).await.status, 202);
    let renewed = renew("password2").await.body;
    assert_eq!(push(&azure, &server, &user, &second).await.status, 401);
    let renewed = renewed["passwords"][1]["value"].as_str().expect("a password");
    assert_eq!(push(&azure, &server, &user, renewed).await.status, 202);
    assert_eq!(renew("password3").await.code(), "InvalidRequestContent");
    azure.running.stop().await;
}

#[tokio::test]
async fn a_token_of_entra_id_is_exchanged_for_one_of_the_registry() {
    let Some(_) = with_program("DOCKER_REGISTRY") else { return };
    let azure = Azure::start(options()).await;
    let (server, user, password) = made(&azure, "contoso").await;
    let form = async |path: &str, fields: &[(&str, &str)]| {
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        read(at(&azure, &server, Method::POST, path).body(body)).await
    };
    let entra = azure.sign_in("https://containerregistry.azure.net").await;
    let exchange = [("grant_type", "access_token"), ("service", &server), ("access_token", &entra)];
    let refresh =
        form("/oauth2/exchange", &exchange).await.body["refresh_token"].as_str().unwrap().to_owned();
    let scope = "repository:agents/agent:pull";
    let fields = [
        ("grant_type", "refresh_token"),
        ("service", &server),
        ("scope", scope),
        ("refresh_token", &refresh),
    ];
    let access = form("/oauth2/token", &fields).await.body["access_token"].as_str().unwrap().to_owned();
    let found = tags(&azure, &server, |request| request.bearer_auth(&access)).await;
    assert_eq!(found.body["errors"][0]["code"], "NAME_UNKNOWN", "it is let in: {found:?}");
    let zeros = "00000000-0000-0000-0000-000000000000";
    assert_eq!(push(&azure, &server, zeros, &refresh).await.status, 202);
    // Docker's way: a token for a user and a password.
    let basic = at(&azure, &server, Method::GET, &format!("/oauth2/token?service={server}&scope={scope}"));
    let given = read(basic.basic_auth(&user, Some(&password))).await;
    assert_eq!(given.status, 200);
    let none = read(at(&azure, &server, Method::GET, "/oauth2/token")).await;
    assert_eq!(none.body["errors"][0]["code"], "UNAUTHORIZED");
    azure.running.stop().await;
}

#[tokio::test]
async fn a_registry_is_changed_listed_and_deleted() {
    let Some(_) = with_program("DOCKER_REGISTRY") else { return };
    let azure = Azure::start(options()).await;
    let (server, user, password) = made(&azure, "contoso").await;
    let again = azure.put(&path(&azure, "contoso"), &body(false)).await;
    assert_eq!((again.status.as_u16(), &again.body["properties"]["loginServer"]), (200, &json!(server)));
    let closed =
        azure.call(Method::POST, &format!("{}/listCredentials", path(&azure, "contoso")), None).await;
    assert_eq!((closed.status.as_u16(), closed.code()), (400, "UnAuthorizedForCredentialOperations"));
    assert_eq!(push(&azure, &server, &user, &password).await.status, 401, "the admin user is out");
    let enabled = json!({"properties": {"adminUserEnabled": true}, "tags": {"a": "b"}});
    let patched = azure.call(Method::PATCH, &path(&azure, "contoso"), Some(&enabled)).await;
    assert_eq!(patched.body["tags"], json!({"a": "b"}));
    assert_eq!(push(&azure, &server, &user, &password).await.status, 202);
    let listed = azure.get(&format!("{}/{KIND}", azure.subscription())).await.body;
    assert_eq!(listed["value"][0]["properties"]["loginServer"], json!(server));
    assert_eq!(azure.delete(&path(&azure, "contoso")).await.status, 202);
    azure.step(1).await;
    assert_eq!(azure.get(&path(&azure, "contoso")).await.status, 404);
    assert_eq!(azure.delete(&path(&azure, "contoso")).await.status, 204);
    azure.running.stop().await;
}

#[tokio::test]
async fn names_and_skus_are_checked_and_a_registry_needs_a_program() {
    let azure = Azure::start(Options { docker_registry: None, ..options() }).await;
    azure.fault("arm.names-taken", json!(["taken0"])).await;
    let mut basic = body(false);
    basic["sku"]["name"] = json!("Classic");
    for (name, body, status, code) in [
        ("four", &body(false), 400, "InvalidResourceName"),
        ("with-hyphen", &body(false), 400, "InvalidResourceName"),
        ("taken0", &body(false), 409, "AlreadyInUse"),
        ("contoso", &basic, 400, "RegistrySkuNotSupported"),
        ("contoso", &body(false), 501, "NoRegistryBehind"),
    ] {
        let refused = azure.put(&path(&azure, name), body).await;
        assert_eq!((refused.status.as_u16(), refused.code()), (status, code), "{name}");
    }
    let check =
        format!("{}/providers/Microsoft.ContainerRegistry/checkNameAvailability", azure.subscription());
    for (name, available, reason) in [
        ("x", false, json!("Invalid")),
        ("TAKEN0", false, json!("AlreadyExists")),
        ("contoso", true, Value::Null),
    ] {
        let body = json!({"name": name, "type": "Microsoft.ContainerRegistry/registries"});
        let answer = azure.call(Method::POST, &check, Some(&body)).await.body;
        assert_eq!((&answer["nameAvailable"], &answer["reason"]), (&json!(available), &reason));
    }
    let failing = std::path::PathBuf::from("/bin/false");
    let azure = Azure::start(Options { docker_registry: Some(failing), ..options() }).await;
    let accepted = azure.put(&path(&azure, "contoso"), &body(false)).await;
    let operation = accepted.header("azure-asyncoperation").to_owned();
    let done = azure.wait_until(&operation, |operation| operation["status"] != "Pending").await;
    assert_eq!(done["error"]["code"], "BackendNotStarted", "{done}");
}
