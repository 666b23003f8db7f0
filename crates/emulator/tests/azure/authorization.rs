//! Microsoft.Authorization and Microsoft.ManagedIdentity: roles, who has them over what, locks, identities.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Azure, container_group, options};

const ROLE: &str = "11111111-0000-0000-0000-000000000001";

fn authorization(scope: &str) -> String {
    format!("{scope}/providers/Microsoft.Authorization")
}

/// A role that only deletes container groups, to be assigned in the resource group.
fn least_role(azure: &Azure, name: &str) -> Value {
    json!({"properties": {
        "roleName": name, "type": "CustomRole", "description": "Takes agents down",
        "assignableScopes": [azure.resource_group()],
        "permissions": [{"actions": ["Microsoft.ContainerInstance/containerGroups/delete"], "notActions": []}],
    }})
}

fn assignment(role: &str, principal: &Value) -> Value {
    let id = format!("/providers/Microsoft.Authorization/roleDefinitions/{role}");
    json!({"properties": {
        "roleDefinitionId": id, "principalId": principal, "principalType": "ServicePrincipal",
    }})
}

/// Somebody new: the object id, and a token.
async fn guest(azure: &Azure) -> (Value, String) {
    let app = azure.put("/emulator/apps/guest", &json!({"secret": "guest-secret"})).await.body;
    let path = format!("/{}/oauth2/v2.0/token", azure.setting("AZURE_TENANT_ID"));
    let form = [("client_id", app["client_id"].as_str().unwrap()), ("client_secret", "guest-secret")];
    let token = azure.ask_for_token(&path, &form).await.body["access_token"].as_str().unwrap().to_owned();
    (app["object_id"].clone(), token)
}

#[tokio::test]
async fn everybody_is_told_what_their_roles_allow_there() {
    let azure = Azure::start(options()).await;
    let path = |scope: &str| format!("{}/permissions?api-version=2022-04-01", authorization(scope));
    let allowed = azure.get(&path(&azure.subscription())).await.body;
    assert_eq!(
        allowed["value"],
        json!([
            {"actions": ["*"], "notActions": [], "dataActions": [], "notDataActions": []},
        ])
    );
    let nowhere = format!("{}/providers/Microsoft.Storage/storageAccounts/none", azure.resource_group());
    assert_eq!(azure.get(&path(&nowhere)).await.status, 404);
}

#[tokio::test]
async fn a_custom_role_is_made_found_by_its_name_and_goes_when_nobody_has_it() {
    let azure = Azure::start(options()).await;
    let scope = azure.resource_group();
    let role = format!("{}/roleDefinitions/{ROLE}", authorization(&scope));
    let made = azure.put(&role, &least_role(&azure, "Reaper")).await;
    assert_eq!((made.status.as_u16(), &made.body["properties"]["type"]), (201, &json!("CustomRole")));
    assert_eq!(azure.put(&role, &least_role(&azure, "Reaper")).await.status, 201, "it is put again");
    let filter = "api-version=2022-04-01&$filter=roleName%20eq%20'Reaper'%20and%20type%20eq%20'CustomRole'";
    let found = azure.get(&format!("{}/roleDefinitions?{filter}", authorization(&scope))).await.body;
    assert_eq!(found["value"][0]["name"], ROLE);
    assert_eq!(found["value"][0]["properties"]["assignableScopes"], json!([scope]));

    let other = role.replace(ROLE, "11111111-0000-0000-0000-000000000002");
    for (body, path, status, code) in [
        (least_role(&azure, "reaper"), other.as_str(), 409, "RoleDefinitionWithSameNameExists"),
        (least_role(&azure, "x"), &role.replace(ROLE, "x"), 400, "InvalidRoleDefinitionId"),
        (
            least_role(&azure, "x"),
            &other.replace(&scope, &azure.subscription()),
            400,
            "InvalidCreateRoleDefinitionRequest",
        ),
    ] {
        let refused = azure.put(path, &body).await;
        assert_eq!((refused.status.as_u16(), refused.code()), (status, code), "{path}");
    }
    let owner = role.replace(ROLE, "8e3af657-a8ff-443c-a75c-2fe8c4bcb635");
    assert_eq!(azure.delete(&owner).await.code(), "RoleDefinitionIsBuiltIn");

    let (principal, _) = guest(&azure).await;
    let held = format!("{}/roleAssignments/{ROLE}", authorization(&scope));
    assert_eq!(azure.put(&held, &assignment(ROLE, &principal)).await.status, 201);
    assert_eq!(azure.delete(&role).await.code(), "RoleDefinitionHasAssignments");
    assert_eq!(azure.delete(&held).await.status, 200);
    assert_eq!(azure.delete(&role).await.status, 200);
    assert_eq!(azure.delete(&role).await.status, 204);
    assert_eq!(azure.get(&role).await.code(), "RoleDefinitionDoesNotExist");
}

#[tokio::test]
async fn an_assignment_is_put_twice_and_another_of_the_same_is_refused() {
    let azure = Azure::start(options()).await;
    let (principal, _) = guest(&azure).await;
    let reader = "acdd72a7-3385-48ef-bd42-f606fba81ae7";
    let all = format!("{}/roleAssignments", authorization(&azure.resource_group()));
    let one = format!("{all}/{ROLE}");
    let body = assignment(reader, &principal);
    azure.fault("arm.principal-not-found", json!(1)).await;
    let early = azure.put(&one, &body).await;
    assert_eq!((early.status.as_u16(), early.code()), (400, "PrincipalNotFound"));
    assert!(early.message().contains("replication delay"), "{}", early.message());
    assert_eq!(azure.put(&one, &body).await.status, 201);
    assert_eq!(azure.put(&one, &body).await.status, 200);
    assert_eq!(azure.get(&one).await.body["properties"]["principalId"], principal);

    let second = format!("{all}/11111111-0000-0000-0000-000000000009");
    let owner = assignment("8e3af657-a8ff-443c-a75c-2fe8c4bcb635", &principal);
    let mut user = body.clone();
    user["properties"]["principalType"] = json!("User");
    let nowhere = format!("{}/roleAssignments/{ROLE}", authorization(&azure.group("absent")));
    for (path, body, status, code) in [
        (&second, &body, 409, "RoleAssignmentExists"),
        (&one, &owner, 409, "RoleAssignmentUpdateNotPermitted"),
        (&second, &user, 400, "UnmatchedPrincipalType"),
        (&format!("{all}/x"), &body, 400, "InvalidRoleAssignmentId"),
        (&nowhere, &body, 404, "ResourceNotFound"),
    ] {
        let refused = azure.put(path, body).await;
        assert_eq!((refused.status.as_u16(), refused.code()), (status, code), "{path} {body}");
    }
    let filter = format!("api-version=2022-04-01&$filter=principalId%20eq%20{principal}").replace('"', "'");
    let listed = azure.get(&format!("{all}?{filter}")).await.body;
    assert_eq!(listed["value"].as_array().unwrap().len(), 1);
    assert_eq!(azure.delete(&one).await.status, 200);
    assert_eq!(azure.delete(&one).await.status, 204);
    assert_eq!(azure.get(&one).await.code(), "RoleAssignmentNotFound");
}

#[tokio::test]
async fn a_role_over_a_resource_reaches_what_is_within_it_and_goes_with_it() {
    let azure = Azure::start(options()).await;
    let (principal, token) = guest(&azure).await;
    let network = format!(
        "{}/providers/Microsoft.Network/virtualNetworks/sampleprivatenetwork",
        azure.resource_group()
    );
    let subnet = format!("{network}/subnets/azure-devops-agents");
    let contributor = assignment("4d97b98b-1d4f-4787-a291-c67834d212e7", &principal);
    let over_subnet = format!("{}/roleAssignments/{ROLE}", authorization(&subnet));
    assert_eq!(azure.put(&over_subnet, &contributor).await.status, 201);
    assert_eq!(azure.call_as(&token, Method::GET, &subnet, None).await.status, 200);
    assert_eq!(azure.call_as(&token, Method::GET, &network, None).await.code(), "AuthorizationFailed");
    azure.delete(&over_subnet).await;
    assert_eq!(azure.call_as(&token, Method::GET, &subnet, None).await.code(), "AuthorizationFailed");

    let over_network = format!("{}/roleAssignments/{ROLE}", authorization(&network));
    assert_eq!(azure.put(&over_network, &contributor).await.status, 201);
    assert_eq!(azure.call_as(&token, Method::GET, &subnet, None).await.status, 200);
    let foreign = azure.call_as(&token, Method::PUT, &over_network, Some(&contributor)).await;
    assert!(foreign.message().contains("Microsoft.Authorization/roleAssignments/write"), "{foreign:?}");
    assert_eq!(azure.delete(&network).await.status, 202);
    azure.step(1).await;
    assert_eq!(azure.get(&over_network).await.code(), "RoleAssignmentNotFound");
}

#[tokio::test]
async fn what_is_locked_is_not_deleted_nor_what_holds_it() {
    let azure = Azure::start(options()).await;
    let identity = format!(
        "{}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/reaper",
        azure.resource_group()
    );
    assert_eq!(azure.put(&identity, &json!({"location": "westeurope"})).await.status, 201);
    let lock = format!("{}/locks/keep", authorization(&identity));
    let bad = azure.put(&lock, &json!({"properties": {"level": "Never"}})).await;
    assert_eq!(bad.code(), "InvalidRequestContent");
    let body = json!({"properties": {"level": "CanNotDelete", "notes": "Keep it"}});
    assert_eq!(azure.put(&lock, &body).await.status, 201);
    assert_eq!(azure.put(&lock, &body).await.status, 200);
    assert_eq!(azure.get(&lock).await.body["properties"], body["properties"]);
    for path in [&identity, &azure.resource_group()] {
        let refused = azure.delete(path).await;
        assert_eq!((refused.status.as_u16(), refused.code()), (409, "ScopeLocked"), "{path}");
        assert!(refused.message().contains(&format!("are locked: '{identity}'")), "{}", refused.message());
    }
    let again = azure.put(&identity, &json!({"location": "westeurope", "tags": {"a": "b"}})).await;
    assert_eq!(again.status, 200, "a lock against deletion lets changes through");
    azure.put(&lock, &json!({"properties": {"level": "ReadOnly"}})).await;
    assert_eq!(azure.put(&identity, &json!({"location": "westeurope"})).await.code(), "ScopeLocked");
    let listed = azure.get(&format!("{}/locks", authorization(&azure.resource_group()))).await.body;
    assert_eq!(listed["value"][0]["name"], "keep");
    assert_eq!(azure.delete(&lock).await.status, 200);
    assert_eq!(azure.delete(&lock).await.status, 204);
    assert_eq!(azure.get(&lock).await.code(), "LockNotFound");
    assert_eq!(azure.delete(&identity).await.status, 200);
}

#[tokio::test]
async fn identities_keep_their_principal_and_are_listed() {
    let azure = Azure::start(options()).await;
    let kind = "providers/Microsoft.ManagedIdentity/userAssignedIdentities";
    let path = |name: &str| format!("{}/{kind}/{name}", azure.resource_group());
    let body = json!({"location": "westeurope"});
    let made = azure.put(&path("reaper"), &body).await;
    let again = azure.put(&path("Reaper"), &body).await;
    assert_eq!((made.status.as_u16(), again.status.as_u16()), (201, 200));
    assert_eq!(made.body["properties"], again.body["properties"]);
    let tagged = azure.call(Method::PATCH, &path("reaper"), Some(&json!({"tags": {"a": "b"}}))).await;
    assert_eq!(tagged.body["tags"], json!({"a": "b"}));
    for (name, body, status, code) in [
        ("x", &body, 400, "InvalidResourceName"),
        ("other", &json!({}), 400, "LocationRequired"),
        ("other", &json!({"location": "atlantis"}), 400, "LocationNotAvailableForResourceType"),
        ("reaper", &json!({"location": "eastus"}), 409, "InvalidResourceLocation"),
    ] {
        let refused = azure.put(&path(name), body).await;
        assert_eq!((refused.status.as_u16(), refused.code()), (status, code), "{name} {body}");
    }
    let all = azure.get(&format!("{}/{kind}", azure.subscription())).await.body;
    assert_eq!(all["value"].as_array().unwrap().len(), 1);
    assert_eq!(azure.delete(&path("reaper")).await.status, 200);
    assert_eq!(azure.delete(&path("reaper")).await.status, 204);
    assert_eq!(azure.get(&path("reaper")).await.code(), "ResourceNotFound");
}

#[tokio::test]
async fn a_group_that_something_outside_uses_is_not_deleted_until_that_is_gone() {
    let azure = Azure::start(options()).await;
    let other = format!("{}/resourceGroups/agents", azure.subscription());
    azure.put(&other, &json!({"location": "westeurope"})).await;
    let inside = format!("{other}/providers/Microsoft.ContainerInstance/containerGroups/agent");
    let subnet = format!(
        "{}/providers/Microsoft.Network/virtualNetworks/sampleprivatenetwork/subnets/azure-devops-agents",
        azure.resource_group()
    );
    let body = container_group("agent", &json!({"subnetIds": [{ "id": subnet }]}));
    assert_eq!(azure.put(&inside, &body).await.status, 201);
    let asked = azure.delete(&azure.resource_group()).await;
    let new = azure.put(&azure.group("new"), &container_group("agent", &json!({}))).await;
    assert_eq!((new.status.as_u16(), new.code()), (409, "ResourceGroupBeingDeleted"));
    azure.step(1).await;
    let outcome = azure.get(asked.header("location")).await;
    assert_eq!((outcome.status.as_u16(), outcome.code()), (409, "ResourceGroupDeletionBlocked"));
    assert!(outcome.message().contains("sampleprivatenetwork"), "{}", outcome.message());
    let group = azure.get(&azure.resource_group()).await.body;
    assert_eq!(group["properties"]["provisioningState"], "Succeeded");

    azure.delete(&inside).await;
    azure.delete(&azure.resource_group()).await;
    azure.step(1).await;
    assert_eq!(azure.get(&azure.resource_group()).await.code(), "ResourceGroupNotFound");
    let left = azure.get(&format!("{}/resources", azure.subscription())).await.body;
    assert_eq!(left["value"], json!([]));
}
