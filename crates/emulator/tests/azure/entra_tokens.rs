//! The token endpoints: who gets a token, and what the others are told.

use crate::support::{Azure, options};
use base64::Engine as _;
use base64::engine::general_purpose::{URL_SAFE, URL_SAFE_NO_PAD};
use jiff::Timestamp;
use reqwest::Method;
use rsa::pkcs8::{EncodePrivateKey as _, LineEnding};
use rsa::signature::{RandomizedSigner as _, SignatureEncoding as _};
use serde_json::{Value, json};
use sha1::Digest as _;

#[tokio::test]
async fn the_right_secret_gets_a_token_for_what_was_asked() {
    let azure = Azure::start(options()).await;
    let tenant = azure.setting("AZURE_TENANT_ID");
    let discovery = azure.get(&format!("/{tenant}/v2.0/.well-known/openid-configuration")).await;
    let endpoint = discovery.body["token_endpoint"].as_str().unwrap().to_owned();
    assert_eq!(endpoint, format!("{}/{tenant}/oauth2/v2.0/token", azure.url()));

    let second = azure.ask_for_token(endpoint.strip_prefix(azure.url()).unwrap(), &[]).await;
    assert_eq!((second.status.as_u16(), &second.body["expires_in"]), (200, &json!(3599)));
    let claims = claims(second.body["access_token"].as_str().unwrap());
    assert_eq!(claims["aud"], format!("{}/", azure.url()));
    assert_eq!(claims["tid"], json!(tenant));
    assert_eq!(claims["appid"], json!(azure.setting("AZURE_CLIENT_ID")));

    let first = azure
        .ask_for_token(&format!("/{tenant}/oauth2/token"), &[("resource", "https://management.azure.com/")])
        .await;
    assert_eq!((first.status.as_u16(), &first.body["expires_in"]), (200, &json!("3599")));

    let keys = azure.get(discovery.body["jwks_uri"].as_str().unwrap()).await;
    assert_eq!(keys.body["keys"][0]["kty"], "RSA");
}

#[tokio::test]
async fn each_mistake_has_its_number() {
    let azure = Azure::start(options()).await;
    let register = |body: Value| {
        let azure = &azure;
        async move {
            azure.put("/emulator/apps/other", &body).await.body["client_id"].as_str().unwrap().to_owned()
        }
    };
    let expired = register(json!({"secret": "old", "secret_expired": true})).await;
    let tenant = azure.setting("AZURE_TENANT_ID");
    let path = format!("/{tenant}/oauth2/v2.0/token");
    let unknown = "00000000-0000-0000-0000-000000000001";
    let assertion = ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer");
    for (path, change, status, error, code) in [
        (path.as_str(), vec![("client_secret", "wrong")], 401, "invalid_client", 7_000_215),
        (&path, vec![("client_id", &expired), ("client_secret", "old")], 401, "invalid_client", 7_000_222),
        (&path, vec![("client_secret", "")], 401, "invalid_client", 7_000_216),
        (&path, vec![("client_id", unknown)], 400, "unauthorized_client", 700_016),
        (&path, vec![("client_id", "")], 400, "invalid_request", 900_144),
        (&path, vec![("grant_type", "password")], 400, "unsupported_grant_type", 70_003),
        (&path, vec![("scope", "https://management.azure.com/")], 400, "invalid_scope", 1_002_012),
        (&path, vec![("scope", "https://vault.example/.default")], 400, "invalid_resource", 500_011),
        (&path, vec![("client_assertion", "x")], 401, "invalid_client", 7_000_214),
        (&path, vec![assertion, ("client_assertion", "a.b.c")], 401, "invalid_client", 50_027),
        ("/11111111-0000-0000-0000-000000000000/oauth2/v2.0/token", vec![], 400, "invalid_request", 90_002),
    ] {
        let answer = azure.ask_for_token(path, &change).await;
        assert_eq!(answer.status, status, "{change:?}");
        assert_eq!(answer.body["error"], error, "{change:?}");
        assert_eq!(answer.body["error_codes"], json!([code]), "{change:?}");
        let description = answer.body["error_description"].as_str().unwrap();
        assert!(description.starts_with(&format!("AADSTS{code}: ")), "{description}");
    }
}

#[tokio::test]
async fn a_certificate_proves_an_app_in_both_forms_that_clients_send() {
    let azure = Azure::start(options()).await;
    let key = rsa::PrivateKey::new(&mut rand::rng(), 2048).unwrap();
    let pem = self_signed(&key);
    let registered = azure.put("/emulator/apps/with-certificate", &json!({"certificate": pem})).await;
    let client_id = registered.body["client_id"].as_str().unwrap();
    let path = format!("/{}/oauth2/v2.0/token", azure.setting("AZURE_TENANT_ID"));
    let audience = format!("{}{path}", azure.url());
    let der = rustls::pki_types::pem::PemObject::from_pem_slice(pem.as_bytes())
        .map(|der: rustls::pki_types::CertificateDer<'_>| der.to_vec())
        .unwrap();
    let older = json!({"alg": "RS256", "typ": "JWT", "x5t": URL_SAFE.encode(sha1::Sha1::digest(&der))});
    let newer =
        json!({"alg": "PS256", "typ": "JWT", "x5t#S256": URL_SAFE_NO_PAD.encode(sha2::Sha256::digest(&der))});
    let now = Timestamp::now().as_duration().as_secs_f64();
    let good = json!({
        "aud": audience, "iss": client_id, "sub": client_id, "jti": "1",
        "nbf": now, "iat": now, "exp": now + 600.0,
    });
    let stranger = rsa::PrivateKey::new(&mut rand::rng(), 2048).unwrap();
    for (what, header, claims, key, expected) in [
        ("RS256", &older, good.clone(), &key, None),
        ("PS256", &newer, good.clone(), &key, None),
        ("another key", &newer, good.clone(), &stranger, Some(700_027)),
        ("another certificate", &json!({"alg": "RS256", "x5t": "AAAA"}), good.clone(), &key, Some(700_027)),
        ("another audience", &newer, with(&good, "aud", json!("https://elsewhere")), &key, Some(700_023)),
        ("too old", &newer, with(&good, "exp", json!(now - 400.0)), &key, Some(700_024)),
        ("no id", &newer, with(&good, "jti", Value::Null), &key, Some(50_027)),
    ] {
        let assertion = sign(header, &claims, key);
        let answer = azure
            .ask_for_token(
                &path,
                &[
                    ("client_secret", ""),
                    ("client_id", client_id),
                    ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
                    ("client_assertion", &assertion),
                ],
            )
            .await;
        assert_eq!(answer.body["error_codes"][0].as_u64(), expected, "{what}: {}", answer.body);
        assert_eq!(answer.status.is_success(), expected.is_none(), "{what}");
    }
}

#[tokio::test]
async fn secrets_of_apps_are_not_shown() {
    let azure = Azure::start(options()).await;
    let shown = azure.put("/emulator/apps/other", &json!({"secret": "planted-secret"})).await;
    assert_eq!(shown.body["secrets"], 1);
    let state = azure.call(Method::GET, "/emulator/state", None).await;
    assert_eq!(state.status, 200);
    assert!(!state.body.to_string().contains("planted-secret"));
    assert!(!shown.body.to_string().contains("planted-secret"));
}

#[tokio::test]
async fn a_clock_that_is_wrong_makes_assertions_invalid() {
    let azure = Azure::start(options()).await;
    azure.fault("entra.clock-skew-seconds", json!(7200)).await;
    let key = rsa::PrivateKey::new(&mut rand::rng(), 2048).unwrap();
    let pem = self_signed(&key);
    let registered = azure.put("/emulator/apps/with-certificate", &json!({"certificate": pem})).await;
    let client_id = registered.body["client_id"].as_str().unwrap();
    let thumbprint = registered.body["certificates"][0].as_str().unwrap();
    let path = format!("/{}/oauth2/v2.0/token", azure.setting("AZURE_TENANT_ID"));
    let now = Timestamp::now().as_second();
    let claims = json!({
        "aud": format!("{}{path}", azure.url()), "iss": client_id, "sub": client_id, "jti": "1",
        "nbf": now, "exp": now + 600,
    });
    let assertion = sign(&json!({"alg": "RS256", "x5t": thumbprint}), &claims, &key);
    let form = [
        ("client_secret", ""),
        ("client_id", client_id),
        ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
        ("client_assertion", assertion.as_str()),
    ];
    assert_eq!(azure.ask_for_token(&path, &form).await.body["error_codes"], json!([700_024]));
    azure.fault("entra.clock-skew-seconds", json!(0)).await;
    assert_eq!(azure.ask_for_token(&path, &form).await.status, 200);
}

fn claims(token: &str) -> Value {
    let claims = token.split('.').nth(1).expect("three parts");
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).expect("base64url")).expect("JSON")
}

fn with(claims: &Value, name: &str, value: Value) -> Value {
    let mut claims = claims.clone();
    claims[name] = value;
    claims
}

fn self_signed(key: &rsa::PrivateKey) -> String {
    let pem = key.to_pkcs8_pem(LineEnding::LF).expect("PKCS #8");
    let key = rcgen::KeyPair::from_pem(&pem).expect("an RSA key");
    let params = rcgen::CertificateParams::new(vec!["app".to_owned()]).expect("a name");
    params.self_signed(&key).expect("a certificate").pem()
}

fn sign(header: &Value, claims: &Value, key: &rsa::PrivateKey) -> String {
    let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", encode(header), encode(claims));
    let signature = if header["alg"] == "PS256" {
        let signer = rsa::pss::SigningKey::<sha2::Sha256>::new(key.clone());
        signer.sign_with_rng(&mut rand::rng(), signed.as_bytes()).to_vec()
    } else {
        let signer = rsa::pkcs1v15::SigningKey::<sha2::Sha256>::new(key.clone());
        signer.sign_with_rng(&mut rand::rng(), signed.as_bytes()).to_vec()
    };
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}
