//! Looking at an image in a registry that asks for a token, as those of Azure and Docker Hub do.

use azure_http::HttpError;
use azure_resources::{ImageInfo, ImageName, Platform, RegistryAccess, look_at_image};
use redact::Secret;

use crate::support::{Received, Reply, Server, json, with};

const MANIFEST: &str = r#"{
    "config": {"digest": "sha256:c", "size": 10},
    "layers": [{"digest": "sha256:l", "size": 100}, {"digest": "sha256:m", "size": 200}]
}"#;

/// The user and the right password, as a client shows them.
const RIGHT: &str = "Basic dXNlcjpwbDRudGVkLXBhc3N3b3Jk";

/// A registry whose realm is itself.
async fn start() -> Server {
    Server::start(|request| match request.line.split(['?', ' ']).nth(1).unwrap_or_default() {
        "/token" if request.header("authorization") == RIGHT => json(200, r#"{"token":"pl4nted-token"}"#),
        "/token" => json(401, r#"{"errors":[{"code":"UNAUTHORIZED","message":"not pl4nted-other"}]}"#),
        _ if request.header("authorization") != "Bearer pl4nted-token" => challenge(request),
        "/v2/team/agent/manifests/1" => json(200, MANIFEST),
        "/v2/team/agent/blobs/sha256:c" => json(200, r#"{"os":"linux","architecture":"arm64"}"#),
        _ => json(404, r#"{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}"#),
    })
    .await
}

fn challenge(request: &Received) -> Reply {
    let host = request.header("host");
    let header = format!("www-authenticate: Bearer realm=\"https://{host}/token\",service=\"{host}\"");
    with(401, &[&header, "content-type: application/json"], r#"{"errors":[{"code":"UNAUTHORIZED"}]}"#)
}

async fn look(server: &Server, image: &str, password: &str) -> Result<Option<ImageInfo>, HttpError> {
    let url = server.url("/");
    let host = format!("{}:{}", url.host_str().expect("a host"), url.port().expect("a port"));
    let name = ImageName::parse(&format!("{host}/team/{image}"));
    let access =
        RegistryAccess::Password { user: "user".to_owned(), password: Secret::new(password.to_owned()) };
    let wanted = Platform { os: "linux".to_owned(), architecture: "arm64".to_owned() };
    look_at_image(&server.pipeline(), (&name, &access), &wanted).await
}

#[tokio::test]
async fn a_token_is_asked_for_once_and_shown_from_then_on() {
    let server = start().await;
    let found = look(&server, "agent:1", "pl4nted-password").await.expect("an answer").expect("an image");
    assert_eq!(found.bytes, Some(310));
    assert_eq!(found.platforms.iter().map(ToString::to_string).collect::<Vec<_>>(), ["linux/arm64"]);
    let lines: Vec<_> = server.received().iter().map(|request| request.line.clone()).collect();
    assert_eq!(lines.len(), 4, "{lines:?}");
    assert!(lines[1].contains("scope=repository%3Ateam%2Fagent%3Apull"), "{lines:?}");
    assert_eq!(look(&server, "agent:2", "pl4nted-password").await, Ok(None));
}

#[tokio::test]
async fn a_wrong_password_is_refused_in_the_registrys_words() {
    let server = start().await;
    let error = look(&server, "agent:1", "pl4nted-other").await.unwrap_err();
    let text = format!("{error}");
    assert!(text.contains("does not accept the credential"), "{text}");
    assert!(!text.contains("pl4nted"), "{text}");
}
