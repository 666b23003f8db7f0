//! What Resource Manager refuses, and in which words.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Azure, container_group, options, read};

#[tokio::test]
async fn every_call_must_be_signed_in_and_name_a_version() {
    let azure = Azure::start(options()).await;
    let url = format!("{}{}", azure.url(), azure.resource_group());
    let anonymous = read(azure.http.get(format!("{url}?api-version=2024-11-01"))).await;
    assert_eq!((anonymous.status.as_u16(), anonymous.code()), (401, "AuthenticationFailed"));
    assert!(anonymous.header("www-authenticate").starts_with("Bearer authorization_uri=\"https://"));

    let devops = azure.sign_in("499b84ac-1321-427f-aa17-267ca6975798").await;
    let other = azure.call_as(&devops, Method::GET, &azure.resource_group(), None).await;
    assert_eq!((other.status.as_u16(), other.code()), (401, "InvalidAuthenticationTokenAudience"));

    let unversioned = azure.get(&format!("{}?x=y", azure.resource_group())).await;
    assert_eq!((unversioned.status.as_u16(), unversioned.code()), (400, "MissingApiVersionParameter"));
    let known = azure.get(&azure.resource_group()).await;
    assert_eq!(known.status, 200);
    assert!(!known.header("x-ms-request-id").is_empty());

    azure.step(3700).await;
    let expired = azure.get(&azure.resource_group()).await;
    assert_eq!((expired.status.as_u16(), expired.code()), (401, "ExpiredAuthenticationToken"));
}

#[tokio::test]
async fn who_has_no_role_may_do_nothing_until_one_is_assigned() {
    let azure = Azure::start(options()).await;
    let app = azure.put("/emulator/apps/guest", &json!({"secret": "guest-secret"})).await.body;
    let path = format!("/{}/oauth2/v2.0/token", azure.setting("AZURE_TENANT_ID"));
    let form = [("client_id", app["client_id"].as_str().unwrap()), ("client_secret", "guest-secret")];
    let token = azure.ask_for_token(&path, &form).await.body["access_token"].as_str().unwrap().to_owned();

    let refused = azure.call_as(&token, Method::DELETE, &azure.group("one"), None).await;
    assert_eq!((refused.status.as_u16(), refused.code()), (403, "AuthorizationFailed"));
    assert!(
        refused.message().contains("Microsoft.ContainerInstance/containerGroups/delete"),
        "{}",
        refused.message()
    );
    let none = azure.call_as(&token, Method::GET, "/subscriptions", None).await;
    assert_eq!(none.body["value"], json!([]));

    let filter =
        "api-version=2022-04-01&$filter=roleName%20eq%20'Azure%20Container%20Instances%20Contributor%20Role'";
    let definitions =
        format!("{}/providers/Microsoft.Authorization/roleDefinitions?{filter}", azure.subscription());
    let role = azure.get(&definitions).await.body["value"][0]["id"].clone();
    let assignment = format!(
        "{}/providers/Microsoft.Authorization/roleAssignments/{}",
        azure.resource_group(),
        "11111111-2222-3333-4444-555555555555"
    );
    let body = json!({"properties": {"roleDefinitionId": role, "principalId": app["object_id"]}});
    assert_eq!(azure.put(&assignment, &body).await.status, 201);
    assert_eq!(azure.call_as(&token, Method::DELETE, &azure.group("one"), None).await.status, 204);
    let elsewhere = azure.call_as(&token, Method::GET, &azure.subscription(), None).await;
    assert_eq!(elsewhere.status, 403);
}

/// What is wrong with a body that is right but for this: a JSON pointer and the value put there.
fn changed(pointer: &str, value: Value) -> Value {
    let mut body = container_group("agent", &json!({}));
    body["properties"]["volumes"] = json!([]);
    body["properties"]["subnetIds"] = json!([]);
    let (parent, name) = pointer.rsplit_once('/').expect("a pointer");
    let parent = body.pointer_mut(parent).expect("what is changed is there");
    parent[name] = value;
    body
}

#[tokio::test]
async fn each_mistake_in_a_container_group_has_its_code() {
    let azure = Azure::start(options()).await;
    let container = "/properties/containers/0/properties";
    let duplicate = container_group("agent", &json!({}))["properties"]["containers"][0].clone();
    let variable = |value| json!([value]);
    for (pointer, value, code) in [
        ("/location", Value::Null, "LocationRequired"),
        ("/location", json!("atlantis"), "LocationNotAvailableForResourceType"),
        ("/properties/ttl", json!(5), "InvalidRequestContent"),
        ("/properties/osType", Value::Null, "InvalidOsType"),
        ("/properties/osType", json!("linux"), "InvalidOsType"),
        ("/properties/restartPolicy", json!("Sometimes"), "InvalidRequestContent"),
        ("/properties/containers", json!([]), "InvalidRequestContent"),
        ("/properties/containers/0/name", json!("Agent"), "InvalidContainerName"),
        ("/properties/containers", json!([duplicate.clone(), duplicate]), "DuplicateContainerName"),
        (&format!("{container}/resources"), json!({}), "ResourceRequestsNotSpecified"),
        (&format!("{container}/resources"), json!({"requests": {"cpu": 1}}), "ResourceRequestsNotSpecified"),
        (
            &format!("{container}/resources"),
            json!({"requests": {"cpu": 32, "memoryInGB": 1}}),
            "InvalidResourceRequests",
        ),
        (&format!("{container}/image"), Value::Null, "InvalidRequestContent"),
        (
            &format!("{container}/environmentVariables"),
            variable(json!({"name": "A-B", "value": "x"})),
            "InvalidEnvironmentVariableName",
        ),
        (
            &format!("{container}/environmentVariables"),
            variable(json!({"name": "A", "value": "x", "secureValue": "y"})),
            "InvalidEnvironmentVariable",
        ),
        (
            &format!("{container}/volumeMounts"),
            json!([{"name": "missing", "mountPath": "/mnt"}]),
            "VolumeNotFound",
        ),
        ("/properties/volumes", json!([{"name": "files"}]), "InvalidVolume"),
        (
            "/properties/imageRegistryCredentials",
            json!([{"username": "u", "password": "p"}]),
            "InvalidRequestContent",
        ),
        (
            "/properties/imageRegistryCredentials",
            json!([{"server": "s", "username": "u", "identity": "/x"}]),
            "AmbiguousImageResitryCredentialType",
        ),
        (
            "/properties/imageRegistryCredentials",
            json!([{"server": "s", "identity": "/x"}]),
            "InvalidImageRegistryIdentity",
        ),
        ("/properties/ipAddress", json!({"type": "Private", "ports": []}), "InvalidIPAddressType"),
        ("/properties/subnetIds", json!([{"id": "/subscriptions/x/subnets/y"}]), "SubnetNotFound"),
    ] {
        let answer = azure.put(&azure.group("wrong"), &changed(pointer, value.clone())).await;
        assert_eq!(
            (answer.status.as_u16(), answer.code()),
            (400, code),
            "{pointer} {value}: {}",
            answer.message()
        );
    }
    let named = azure.put(&azure.group("Wrong_Name"), &container_group("agent", &json!({}))).await;
    assert_eq!(named.code(), "InvalidContainerGroupName");
    let listed = azure.get(azure.group("").trim_end_matches('/')).await;
    assert_eq!(listed.body["value"], json!([]), "nothing was created");
}

#[tokio::test]
async fn a_subnet_must_be_delegated_and_in_the_same_region() {
    let azure = Azure::start(options()).await;
    let networks = format!("{}/providers/Microsoft.Network/virtualNetworks", azure.resource_group());
    let network = |location: &str, delegations: Value| {
        json!({
            "location": location,
            "properties": {
                "addressSpace": {"addressPrefixes": ["10.0.0.0/16"]},
                "subnets": [{"name": "s", "properties": {"addressPrefix": "10.0.1.0/24", "delegations": delegations}}],
            },
        })
    };
    let delegated =
        json!([{"name": "0", "properties": {"serviceName": "Microsoft.ContainerInstance/containerGroups"}}]);
    azure.put(&format!("{networks}/plain"), &network("westeurope", json!([]))).await;
    azure.put(&format!("{networks}/far"), &network("eastus", delegated)).await;
    let sample = format!("{networks}/sampleprivatenetwork/subnets/azure-devops-agents");
    for (subnet, code) in [
        (format!("{networks}/plain/subnets/s"), "SubnetMissingRequiredDelegation"),
        (format!("{networks}/far/subnets/s"), "InvalidVirtualNetworkLocation"),
        (format!("{networks}/plain/subnets/none"), "SubnetNotFound"),
        (sample.to_uppercase(), ""),
    ] {
        let body = container_group("agent", &json!({"subnetIds": [{"id": subnet}]}));
        let answer = azure.put(&azure.group("in-a-network"), &body).await;
        assert_eq!(answer.code(), code, "{subnet}");
    }
    let used = azure.get(&sample).await;
    assert_eq!(used.body["properties"]["serviceAssociationLinks"][0]["name"], "acisal");
    assert_eq!(azure.delete(&sample).await.code(), "InUseSubnetCannotBeDeleted");
}

#[tokio::test]
async fn what_is_not_there_is_said_in_the_words_of_the_service() {
    let azure = Azure::start(options()).await;
    let elsewhere = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/x";
    let group = format!("{}/resourceGroups/none", azure.subscription());
    let in_group = format!("{group}/providers/Microsoft.ContainerInstance/containerGroups/x");
    for (method, path, status, code) in [
        (Method::GET, elsewhere, 404, "SubscriptionNotFound"),
        (Method::GET, group.as_str(), 404, "ResourceGroupNotFound"),
        (Method::PUT, &in_group, 404, "ResourceGroupNotFound"),
        (Method::GET, &azure.group("none"), 404, "ResourceNotFound"),
        (Method::GET, "/subscriptions/x/providers/Microsoft.Unknown/things", 404, "InvalidResourceType"),
        (Method::PUT, "/subscriptions", 405, "HttpMethodNotSupported"),
    ] {
        let answer = azure.call(method, path, Some(&container_group("agent", &json!({})))).await;
        assert_eq!((answer.status.as_u16(), answer.code()), (status, code), "{path}");
    }
}

#[tokio::test]
async fn a_provider_must_be_registered() {
    let azure = Azure::start(options()).await;
    let provider = format!("{}/providers/Microsoft.ContainerInstance", azure.subscription());
    azure.call(Method::POST, &format!("{provider}/unregister"), None).await;
    assert_eq!(azure.get(&provider).await.body["registrationState"], "NotRegistered");
    let body = container_group("agent", &json!({}));
    let refused = azure.put(&azure.group("early"), &body).await;
    assert_eq!((refused.status.as_u16(), refused.code()), (409, "MissingSubscriptionRegistration"));
    azure.call(Method::POST, &format!("{provider}/register"), None).await;
    assert_eq!(azure.put(&azure.group("early"), &body).await.status, 201);
}
