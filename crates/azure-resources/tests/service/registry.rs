//! Logging in to a registry in Azure with somebody's token.

use azure_http::HttpError;
use azure_http::identity::{ServicePrincipal, client_secret};
use azure_resources::registry_token;
use redact::Secret;

use crate::support::{Reply, Server, json};

async fn start(reply: fn() -> Reply) -> Server {
    Server::start(move |request| match request.line.as_str() {
        "POST /oauth2/exchange" => reply(),
        _ => json(200, r#"{"token_type":"Bearer","expires_in":3599,"access_token":"pl4nted-entra"}"#),
    })
    .await
}

async fn ask(server: &Server) -> Result<Secret, HttpError> {
    let url = server.url("/");
    let host = format!("{}:{}", url.host_str().expect("a host"), url.port().expect("a port"));
    let principal = ServicePrincipal { tenant: "tenant".to_owned(), client: "client".to_owned() };
    let pipeline = server.pipeline();
    let credential =
        client_secret(&pipeline, &crate::cloud(server), principal, Secret::new("s")).expect("a credential");
    registry_token(&pipeline, &credential, &host, Some("tenant")).await
}

#[tokio::test]
async fn a_token_of_entra_becomes_one_of_the_registry() {
    let server = start(|| json(200, r#"{"refresh_token":"pl4nted-refresh"}"#)).await;
    assert_eq!(ask(&server).await.expect("a token").expose(), "pl4nted-refresh");
    let received = server.received();
    let scope = url::form_urlencoded::parse(received[0].body.as_bytes())
        .find(|(name, _)| name == "scope")
        .map(|(_, value)| value.into_owned());
    assert_eq!(scope.as_deref(), Some("https://containerregistry.azure.net/.default"));
    let exchange = &received[1].body;
    for part in ["grant_type=access_token", "tenant=tenant", "access_token=pl4nted-entra"] {
        assert!(exchange.contains(part), "{exchange}");
    }
}

#[tokio::test]
async fn a_refusal_is_in_the_registrys_words_and_shows_no_token() {
    let server = start(|| {
        json(
            401,
            r#"{"errors":[{"code":"UNAUTHORIZED","message":"authentication required: pl4nted-entra"}]}"#,
        )
    })
    .await;
    let error = ask(&server).await.unwrap_err();
    let text = format!("{error}\n{}", error.remedy());
    assert!(text.contains("authentication required"), "{text}");
    assert!(!text.contains("pl4nted"), "{text}");
}
