//! What is given as a secret never comes back.

use reqwest::Method;
use serde_json::json;

use crate::support::{Azure, container_group, options};

const PLANTED: &str = "cGxhbnRlZC1zZWNyZXQ=";

#[tokio::test]
async fn secure_values_never_come_back() {
    let azure = Azure::start(options()).await;
    let mut body = container_group(
        "agent",
        &json!({
            "imageRegistryCredentials": [{"server": "s", "username": "u", "password": PLANTED}],
            "volumes": [
                {"name": "secrets", "secret": {"file": PLANTED}},
                {"name": "share", "azureFile": {"shareName": "s", "storageAccountName": "a", "storageAccountKey": PLANTED}},
            ],
            "diagnostics": {"logAnalytics": {"workspaceId": "w", "workspaceKey": PLANTED}},
            "extensions": [{"name": "e", "properties": {"extensionType": "t", "protectedSettings": {"k": PLANTED}}}],
        }),
    );
    body["properties"]["containers"][0]["properties"]["environmentVariables"] =
        json!([{"name": "TOKEN", "secureValue": PLANTED}, {"name": "PLAIN", "value": "seen"}]);
    let path = azure.group("secretive");
    let accepted = azure.put(&path, &body).await;
    assert_eq!(accepted.status, 201, "{accepted:?}");
    let again = azure.get(&path).await;
    let all = azure.get(azure.group("").trim_end_matches('/')).await;
    let state = azure.call(Method::GET, "/emulator/state", None).await;
    for answer in [&accepted, &again, &all, &state] {
        assert!(answer.status.is_success());
        assert!(!answer.body.to_string().contains(PLANTED), "{:#}", answer.body);
    }
    let variables = &again.body["properties"]["containers"][0]["properties"]["environmentVariables"];
    assert_eq!(*variables, json!([{"name": "TOKEN"}, {"name": "PLAIN", "value": "seen"}]));
    assert_eq!(again.body["properties"]["volumes"][0], json!({"name": "secrets", "secret": {}}));
    let debug = azure.running.emulator.read(|state| format!("{state:?}"));
    assert!(!debug.contains(PLANTED));
}
