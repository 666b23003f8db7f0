//! Tokens and discovery against the emulator, where it is built.

#[expect(dead_code, reason = "other crates' tests use the rest")]
mod emulator;

use azure_http::identity::{DEVOPS_SCOPE, ServicePrincipal, client_secret};
use azure_http::{HttpError, Pipeline};
use emulator::Emulator;
use redact::Secret;

#[tokio::test]
async fn a_service_principal_gets_tokens_for_both_services() {
    let Some(emulator) = Emulator::start("tokens").await else { return };
    let (pipeline, cloud) = (emulator.pipeline(), emulator.cloud().await);
    let credential = emulator.credential(&pipeline, &cloud);
    for scope in [cloud.scope().as_str(), DEVOPS_SCOPE] {
        let token = credential.token(scope).await.expect("a token");
        assert_eq!(token.expose().split('.').count(), 3, "a JSON Web Token");
    }
    assert_eq!(pipeline.requests_sent(), 2);
}

#[tokio::test]
async fn a_wrong_secret_is_refused_with_its_number() {
    let Some(emulator) = Emulator::start("secret").await else { return };
    let (pipeline, cloud): (Pipeline, _) = (emulator.pipeline(), emulator.cloud().await);
    let principal = ServicePrincipal {
        tenant: emulator.value("AZURE_TENANT_ID").to_owned(),
        client: emulator.value("AZURE_CLIENT_ID").to_owned(),
    };
    let credential = client_secret(&pipeline, &cloud, principal, Secret::new("wrong")).expect("a credential");
    let error = credential.token(&cloud.scope()).await.unwrap_err();
    let HttpError::AuthenticationFailed { entra: Some(entra), .. } = error else { panic!("{error:?}") };
    assert_eq!(entra.number, Some(7_000_215));
}
