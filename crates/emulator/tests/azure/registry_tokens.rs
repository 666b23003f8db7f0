//! A registry of Azure, as who logs in to it sees it: a token of Entra ID becomes one of the registry.

use serde_json::json;

use crate::support::{Answer, Azure, options, read};

const LOGIN_SERVER: &str = "contoso.azurecr.io";

async fn with_registry() -> Azure {
    let azure = Azure::start(options()).await;
    let registry = json!({"behind": "127.0.0.1:5000", "user": "puller", "password": "planted"});
    let made = azure.put(&format!("/emulator/registries/{LOGIN_SERVER}"), &registry).await;
    assert_eq!(made.status, 200, "{made:?}");
    azure
}

async fn exchange(azure: &Azure, form: &[(&str, &str)]) -> Answer {
    let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
    let request = azure.http.post(format!("{}/oauth2/exchange", azure.url())).body(body);
    read(request.header("content-type", "application/x-www-form-urlencoded")).await
}

#[tokio::test]
async fn gives_a_token_for_one_of_entra_id() {
    let azure = with_registry().await;
    let token = azure.sign_in("https://containerregistry.azure.net").await;
    let form = [("grant_type", "access_token"), ("service", LOGIN_SERVER), ("access_token", token.as_str())];
    let given = exchange(&azure, &form).await;
    assert_eq!(given.status, 200, "{given:?}");
    assert!(given.body["refresh_token"].as_str().is_some_and(|token| token.len() > 32), "{given:?}");
}

#[tokio::test]
async fn gives_none_to_others() {
    let azure = with_registry().await;
    let token = azure.sign_in("https://storage.azure.com").await;
    for (service, token) in
        [(LOGIN_SERVER, token.as_str()), (LOGIN_SERVER, "none"), ("other.azurecr.io", "none")]
    {
        let form = [("grant_type", "access_token"), ("service", service), ("access_token", token)];
        let refused = exchange(&azure, &form).await;
        assert_eq!(refused.status, 401, "{refused:?}");
        assert_eq!(refused.body["errors"][0]["code"], "UNAUTHORIZED");
    }
}
