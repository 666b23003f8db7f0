//! Service principals: by secret, by certificate, by a token of somebody the tenant trusts.

use std::fmt;
use std::sync::Arc;

use azure_core::cloud::{CloudConfiguration, CustomConfiguration};
use azure_core::credentials::TokenCredential;
use azure_core::http::{ClientOptions, RetryOptions, Transport};
use azure_identity::{
    ClientAssertion, ClientAssertionCredential, ClientAssertionCredentialOptions, ClientSecretCredential,
    ClientSecretCredentialOptions,
};
use redact::Secret;

use super::assertion::{SignedAssertion, TokenFile};
use super::service_connection::{ConnectionToken, ServiceConnection};
use super::{Credential, from_azure_identity};
use crate::{Cloud, HttpError, Pipeline};

/// Which service principal, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServicePrincipal {
    /// The tenant, by id or domain.
    pub tenant: String,
    /// The app registration's client id.
    pub client: String,
}

/// With a client secret.
pub fn client_secret(
    pipeline: &Pipeline,
    cloud: &Cloud,
    principal: ServicePrincipal,
    secret: Secret,
) -> Result<Credential, HttpError> {
    let options = client_options(pipeline, cloud);
    let ServicePrincipal { tenant, client } = principal;
    let make = move || -> azure_core::Result<Arc<dyn TokenCredential>> {
        let options = ClientSecretCredentialOptions { client_options: options.clone() };
        let secret = secret.expose().to_owned().into();
        Ok(ClientSecretCredential::new(&tenant, client.clone(), secret, Some(options))?)
    };
    from_azure_identity("client secret", make)
}

/// With a certificate: `pem` holds it and its private key (PKCS#8 or PKCS#1, not encrypted).
pub fn client_certificate(
    pipeline: &Pipeline,
    cloud: &Cloud,
    principal: ServicePrincipal,
    pem: &Secret,
) -> Result<Credential, HttpError> {
    let audience = format!("{}/{}/oauth2/v2.0/token", cloud.authority_text(), principal.tenant);
    let assertion = SignedAssertion::new(pem, audience, principal.client.clone())?;
    by_assertion("client certificate", pipeline, cloud, principal, assertion)
}

/// With a token that the tenant trusts (workload identity federation), read from `file` each time: whoever writes the
/// file renews it.
pub fn federated(
    pipeline: &Pipeline,
    cloud: &Cloud,
    principal: ServicePrincipal,
    file: TokenFile,
) -> Result<Credential, HttpError> {
    by_assertion("federated token", pipeline, cloud, principal, file)
}

/// With the token that Azure DevOps gives to a job for a service connection (workload identity federation).
pub fn service_connection(
    pipeline: &Pipeline,
    cloud: &Cloud,
    principal: ServicePrincipal,
    connection: ServiceConnection,
) -> Result<Credential, HttpError> {
    let token = ConnectionToken { pipeline: pipeline.clone(), connection };
    by_assertion("workload identity federation", pipeline, cloud, principal, token)
}

fn by_assertion<A: ClientAssertion + Clone + fmt::Debug + 'static>(
    name: &'static str,
    pipeline: &Pipeline,
    cloud: &Cloud,
    principal: ServicePrincipal,
    assertion: A,
) -> Result<Credential, HttpError> {
    let options = client_options(pipeline, cloud);
    let ServicePrincipal { tenant, client } = principal;
    let make = move || -> azure_core::Result<Arc<dyn TokenCredential>> {
        let options = ClientAssertionCredentialOptions { client_options: options.clone() };
        Ok(ClientAssertionCredential::new(tenant.clone(), client.clone(), assertion.clone(), Some(options))?)
    };
    from_azure_identity(name, make)
}

/// Our transport below, no retries above it, and always an authority of our choosing: otherwise an environment variable
/// of theirs would decide.
fn client_options(pipeline: &Pipeline, cloud: &Cloud) -> ClientOptions {
    let mut custom = CustomConfiguration::default();
    custom.authority_host = cloud.authority_text();
    ClientOptions {
        transport: Some(Transport::new(Arc::new(pipeline.clone()))),
        retry: RetryOptions::none(),
        cloud: Some(Arc::new(CloudConfiguration::Custom(custom))),
        ..Default::default()
    }
}
