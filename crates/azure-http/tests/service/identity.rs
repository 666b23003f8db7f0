//! Tokens: fetched once, kept, renewed when a service refuses them, and never seen.

use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use crate::support::{Received, Reply, Server, json};
use azure_http::identity::{
    IdentityId, ServiceConnection, ServicePrincipal, TokenFile, client_certificate, client_secret, federated,
    managed_identity, service_connection, windows_container_identity,
};
use azure_http::{Auth, Cloud, Credential, Dialect, HttpError, Method, Request};
use base64::Engine as _;
use base64::engine::general_purpose::{URL_SAFE, URL_SAFE_NO_PAD};
use rcgen::{CertificateParams, KeyPair, PKCS_RSA_SHA256};
use redact::Secret;
use ring::digest::{SHA256, digest};
use ring::signature::{RSA_PSS_2048_8192_SHA256, UnparsedPublicKey};
use rsa::pkcs8::{EncodePrivateKey as _, LineEnding};

fn cloud(server: &Server) -> Cloud {
    Cloud {
        name: "test".to_owned(),
        authority: server.url("/"),
        resource_manager: server.url("/"),
        audience: server.url("/").to_string(),
    }
}

fn principal() -> ServicePrincipal {
    ServicePrincipal { tenant: "tenant-1".to_owned(), client: "client-1".to_owned() }
}

fn secret_credential(server: &Server) -> Credential {
    client_secret(&server.pipeline(), &cloud(server), principal(), Secret::new("pl4nted-client-secret"))
        .expect("a credential")
}

fn fields(received: &Received) -> std::collections::BTreeMap<String, String> {
    url::form_urlencoded::parse(received.body.as_bytes()).into_owned().collect()
}

/// An Entra ID whose tokens count up, and a service that accepts every token but `refused`.
async fn world(refused: &'static str) -> Server {
    let count = AtomicU64::new(0);
    Server::start(move |request| {
        if request.line == "POST /tenant-1/oauth2/v2.0/token" {
            let number = count.fetch_add(1, Ordering::Relaxed) + 1;
            return json(
                200,
                &format!(r#"{{"token_type":"Bearer","expires_in":3599,"access_token":"token-{number}"}}"#),
            );
        }
        if request.header("authorization") == format!("Bearer {refused}") {
            return json(401, r#"{"error":{"code":"ExpiredAuthenticationToken","message":"expired"}}"#);
        }
        json(200, "{}")
    })
    .await
}

fn call(server: &Server, credential: &Credential) -> Request {
    let auth = Auth::Entra { credential: credential.clone(), scope: cloud(server).scope() };
    Request::new(Method::Get, server.url("/thing"), Dialect::ResourceManager).auth(auth)
}

#[tokio::test]
async fn a_token_is_fetched_once_and_kept() {
    let server = world("none").await;
    let (pipeline, credential) = (server.pipeline(), secret_credential(&server));
    for _ in 0..3 {
        pipeline.send(call(&server, &credential)).await.expect("success");
    }
    let received = server.received();
    assert_eq!(received.len(), 4);
    let fields = fields(&received[0]);
    assert_eq!(fields["client_secret"], "pl4nted-client-secret");
    assert_eq!(fields["scope"], cloud(&server).scope());
    assert_eq!(received[1].header("authorization"), "Bearer token-1");
}

#[tokio::test]
async fn a_kept_token_that_is_refused_is_renewed_once() {
    let server = world("token-1").await;
    let (pipeline, credential) = (server.pipeline(), secret_credential(&server));
    credential.token(&cloud(&server).scope()).await.expect("token-1, for some other call");
    pipeline.send(call(&server, &credential)).await.expect("success with token-2");
    let tokens: Vec<_> = server
        .received()
        .iter()
        .filter(|request| request.line == "GET /thing")
        .map(|request| request.header("authorization").to_owned())
        .collect();
    assert_eq!(tokens, ["Bearer token-1", "Bearer token-2"]);
}

#[tokio::test]
async fn a_fresh_token_that_is_refused_is_not_renewed() {
    let server = world("token-1").await;
    let (pipeline, credential) = (server.pipeline(), secret_credential(&server));
    let error = pipeline.send(call(&server, &credential)).await.unwrap_err();
    assert!(matches!(error, HttpError::AuthenticationFailed { entra: None, .. }), "{error:?}");
    assert_eq!(server.received().len(), 2);
}

#[tokio::test]
async fn entras_reason_reaches_the_user_with_its_remedy() {
    let body = r#"{"error":"invalid_client","error_description":"AADSTS7000222: The provided client secret keys are expired. Trace ID: 1","error_codes":[7000222]}"#;
    let server = Server::start(move |_| json(401, body)).await;
    let error = secret_credential(&server).token("scope").await.unwrap_err();
    assert!(
        error.to_string().ends_with("AADSTS7000222: The provided client secret keys are expired."),
        "{error}"
    );
    assert_eq!(error.remedy(), "The client secret has expired: make a new one in the app registration.");
    assert_eq!(server.received().len(), 1, "asking again does not help");
}

#[tokio::test]
async fn a_service_connection_shows_a_new_token_each_time() {
    let count = AtomicU64::new(0);
    let server = Server::start(move |request| match request.line.as_str() {
        "POST /oidctoken?api-version=7.1&serviceConnectionId=c1" => {
            let number = count.fetch_add(1, Ordering::Relaxed) + 1;
            json(200, &format!(r#"{{"oidcToken":"pl4nted-oidc-{number}"}}"#))
        }
        // Good for so short a time that it is not kept.
        _ => json(200, r#"{"token_type":"Bearer","expires_in":60,"access_token":"token"}"#),
    })
    .await;
    let connection = ServiceConnection {
        request_uri: server.url("/oidctoken"),
        id: "c1".to_owned(),
        job_token: Secret::new("pl4nted-job-token"),
    };
    let credential = service_connection(&server.pipeline(), &cloud(&server), principal(), connection)
        .expect("a credential");
    for number in 1..=2 {
        credential.token("scope").await.expect("a token");
        let received = server.received();
        let [.., asked, exchanged] = received.as_slice() else { panic!("{received:?}") };
        assert_eq!(asked.header("authorization"), "Bearer pl4nted-job-token");
        assert_eq!(fields(exchanged)["client_assertion"], format!("pl4nted-oidc-{number}"));
    }
}

#[tokio::test]
async fn a_connection_that_the_job_may_not_use_is_said_in_the_services_words() {
    let body = r#"{"message":"The service connection c1 does not exist.","typeKey":"ServiceEndpointNotFoundException"}"#;
    let server = Server::start(move |_| json(404, body)).await;
    let connection = ServiceConnection {
        request_uri: server.url("/oidctoken"),
        id: "c1".to_owned(),
        job_token: Secret::new("pl4nted-job-token"),
    };
    let credential = service_connection(&server.pipeline(), &cloud(&server), principal(), connection)
        .expect("a credential");
    let error = credential.token("scope").await.unwrap_err();
    assert!(error.to_string().contains("The service connection c1 does not exist."), "{error}");
}

#[tokio::test]
async fn a_busy_entra_is_asked_again() {
    let mut turn = 0;
    let server = Server::start(move |_| {
        turn += 1;
        if turn == 1 {
            json(503, "{}")
        } else {
            json(200, r#"{"token_type":"Bearer","expires_in":60,"access_token":"t"}"#)
        }
    })
    .await;
    assert_eq!(secret_credential(&server).token("scope").await, Ok(Secret::new("t")));
    assert_eq!(server.received().len(), 2);
}

/// What a service connection with a certificate hands over: the private key and the certificate in one PEM.
fn certificate() -> (Secret, Vec<u8>, Vec<u8>) {
    let key = rsa::PrivateKey::new(&mut getrandom::SysRng, 2048).expect("a key");
    let key = key.to_pkcs8_pem(LineEnding::LF).expect("PKCS#8");
    let pair = KeyPair::from_pkcs8_pem_and_sign_algo(&key, &PKCS_RSA_SHA256).expect("a pair");
    let params = CertificateParams::new([]).expect("parameters");
    let certificate = params.self_signed(&pair).expect("a certificate");
    let pem = Secret::new(format!("{}\n{}", key.as_str(), certificate.pem()));
    (pem, certificate.der().to_vec(), pair.public_key_raw().to_vec())
}

#[tokio::test]
async fn a_certificate_signs_an_assertion_that_its_public_key_confirms() {
    let server = world("none").await;
    let (pem, der, public_key) = certificate();
    let credential =
        client_certificate(&server.pipeline(), &cloud(&server), principal(), &pem).expect("a credential");
    assert_eq!(credential.token("scope").await, Ok(Secret::new("token-1")));

    let assertion = fields(&server.received()[0])["client_assertion"].clone();
    let (text, signature) = assertion.rsplit_once('.').expect("three parts");
    let signature = URL_SAFE_NO_PAD.decode(signature).expect("base64url");
    UnparsedPublicKey::new(&RSA_PSS_2048_8192_SHA256, public_key)
        .verify(text.as_bytes(), &signature)
        .expect("the signature is the key's");
    let part = |position: usize| -> serde_json::Value {
        let encoded = assertion.split('.').nth(position).expect("a part");
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(encoded).expect("base64url")).expect("JSON")
    };
    assert_eq!(part(0)["alg"], "PS256");
    let thumbprint = URL_SAFE.encode(digest(&SHA256, &der));
    assert_eq!(part(0)["x5t#S256"], thumbprint.trim_end_matches('='));
    assert_eq!(part(1)["aud"], server.url("/tenant-1/oauth2/v2.0/token").to_string());
    assert_eq!((&part(1)["iss"], &part(1)["sub"]), (&"client-1".into(), &"client-1".into()));
}

#[tokio::test]
async fn a_certificate_file_that_does_not_do_says_what_is_missing() {
    let server = world("none").await;
    let (pem, ..) = certificate();
    let only_key = pem.expose().split("-----BEGIN CERTIFICATE").next().expect("the key").to_owned();
    for (pem, why) in [("", "no BEGIN CERTIFICATE"), (only_key.as_str(), "no BEGIN CERTIFICATE")] {
        let error = client_certificate(&server.pipeline(), &cloud(&server), principal(), &Secret::new(pem))
            .unwrap_err();
        assert!(error.to_string().contains(why), "{error}");
    }
}

#[tokio::test]
async fn a_federated_token_is_read_anew_each_time() {
    let server = world("none").await;
    let file = std::env::temp_dir().join(format!("federated-{}", std::process::id()));
    let credential = |path: &PathBuf| {
        federated(&server.pipeline(), &cloud(&server), principal(), TokenFile(path.clone()))
            .expect("a credential")
    };
    for token in ["first", "second"] {
        std::fs::write(&file, format!("{token}\n")).expect("written");
        credential(&file).token("scope").await.expect("a token");
    }
    let assertions: Vec<_> =
        server.received().iter().map(|request| fields(request)["client_assertion"].clone()).collect();
    assert_eq!(assertions, ["first", "second"]);
    std::fs::remove_file(&file).expect("removed");
    let error = credential(&file).token("scope").await.unwrap_err();
    assert!(error.to_string().contains("federated token file"), "{error}");
}

#[tokio::test]
async fn a_managed_identity_endpoint_that_comes_up_late_is_waited_for() {
    let mut turn = 0;
    let server = Server::plain(move |_| {
        turn += 1;
        match turn {
            1 => Reply::HangUp,
            2 => json(404, "{}"),
            3 => json(410, "{}"),
            4 => json(500, "{}"),
            _ => json(200, r#"{"access_token":"token","expires_on":"4102444800","resource":"r"}"#),
        }
    })
    .await;
    let id = IdentityId::parse("/subscriptions/s/identity");
    let credential = managed_identity(&server.pipeline(), id, server.url("/"));
    let scope = "https://management.azure.com/.default";
    assert_eq!(credential.token(scope).await, Ok(Secret::new("token")));
    let received = server.received();
    assert_eq!(received.len(), 5);
    assert_eq!(received[4].header("metadata"), "true");
    assert_eq!(
        received[4].line,
        "GET /metadata/identity/oauth2/token?api-version=2018-02-01&resource=https%3A%2F%2Fmanagement.azure.com\
         &msi_res_id=%2Fsubscriptions%2Fs%2Fidentity"
    );
}

#[tokio::test]
async fn a_windows_container_asks_with_the_header_that_it_was_given() {
    let answer = r#"{"access_token":"token","expires_on":"4102444800","resource":"r"}"#;
    let server = Server::plain(move |_| json(200, answer)).await;
    for id in ["system", "11-22"] {
        let id = IdentityId::parse(id);
        let endpoint = server.url("/metadata/token");
        let header = Secret::new("the-header");
        let credential = windows_container_identity(&server.pipeline(), id, endpoint, header);
        let scope = "https://management.azure.com/.default";
        assert_eq!(credential.token(scope).await, Ok(Secret::new("token")));
    }
    let received = server.received();
    let line = "GET /metadata/token?resource=https%3A%2F%2Fmanagement.azure.com";
    assert_eq!(received[0].line, line);
    assert_eq!(received[1].line, format!("{line}&principalId=11-22"));
    assert_eq!(received[0].header("secret"), "the-header");
}

#[tokio::test]
async fn an_identity_that_is_not_assigned_is_named_as_the_reason() {
    let server = Server::plain(|_| {
        json(400, r#"{"error":"invalid_request","error_description":"Identity not found"}"#)
    })
    .await;
    let credential = managed_identity(&server.pipeline(), IdentityId::SystemAssigned, server.url("/"));
    let error = credential.token("scope").await.unwrap_err();
    assert!(error.to_string().contains("not assigned here (Identity not found)"), "{error}");
}

#[tokio::test]
async fn a_custom_cloud_is_read_from_its_metadata_in_both_shapes() {
    let one = r#"{"name":"box","authentication":{"loginEndpoint":"https://login.example/","audiences":["https://arm.example/"]}}"#;
    for body in [one.to_owned(), format!("[{one}]")] {
        let server = Server::start(move |_| json(200, &body)).await;
        let address = server.url("/").to_string();
        let cloud = Cloud::discover(&server.pipeline(), &address).await.expect("discovered");
        assert_eq!(cloud.authority.as_str(), "https://login.example/");
        assert_eq!(cloud.scope(), "https://arm.example/.default");
        assert_eq!(server.received()[0].line, "GET /metadata/endpoints?api-version=2022-09-01");
    }
}

/// Collects everything that is logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("not poisoned").extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn no_secret_is_written_down_even_by_the_loudest_log() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing_subscriber::filter::LevelFilter::TRACE)
        .with_writer(move || writer.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);

    // A service that repeats what it was told, as some do in their messages.
    let server = Server::start(|request| {
        if request.line.contains("oauth2") {
            return json(
                200,
                r#"{"token_type":"Bearer","expires_in":3599,"access_token":"pl4nted-access-token"}"#,
            );
        }
        let told = format!("{} {}", request.header("authorization"), request.body.replace('"', ""));
        json(400, &format!(r#"{{"error":{{"code":"C","message":"I got {told}"}}}}"#))
    })
    .await;
    let (pipeline, credential) = (server.pipeline(), secret_credential(&server));
    let registry_password = Secret::new("pl4nted-registry-password");
    let request = || {
        Request::new(Method::Put, server.url("/x?sig=pl4nted-signature"), Dialect::ResourceManager)
            .json(&serde_json::json!({"password": registry_password.expose()}))
            .expect("a body")
            .hide(&registry_password)
    };
    let scope = cloud(&server).scope();
    let mut shown = String::new();
    for auth in [
        Auth::Entra { credential, scope },
        Auth::Basic(Secret::new("pl4nted-personal-access-token")),
        Auth::Bearer(Secret::new("pl4nted-job-token")),
    ] {
        let request = request().auth(auth);
        shown.extend([format!("{request:?}")]);
        let error = pipeline.send(request).await.unwrap_err();
        shown.extend([format!("{error} {error:?} {}\n", error.remedy())]);
    }
    shown.push_str(&String::from_utf8_lossy(&log.0.lock().expect("not poisoned")));
    assert!(shown.contains("I got Bearer ***"), "the service did repeat it: {shown}");
    assert!(shown.contains("PUT https://localhost"), "there is a log: {shown}");
    assert!(server.received()[0].body.contains("pl4nted"), "it was sent");
    assert!(!shown.contains("pl4nted"), "{shown}");
}
