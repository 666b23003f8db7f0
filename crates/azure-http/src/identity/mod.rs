//! Who asks: the ways to an Entra ID token.
//!
//! The credentials of `azure_identity` do the work where they can be pointed at any cloud; they send through our
//! [`Pipeline`], so that its TLS, proxy, retries and errors are theirs too. The managed identity endpoint is asked by
//! ourselves, because theirs knows only one address.

mod assertion;
mod managed;
mod principal;
mod service_connection;

use std::collections::HashMap;
use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use azure_core::credentials::TokenCredential;
use azure_core::http::{AsyncRawResponse, HttpClient};
use azure_identity::{AzureCliCredential, AzureCliCredentialOptions};
use redact::Secret;
use tokio::sync::Mutex;
use tokio::time::Instant;

pub use assertion::TokenFile;
pub use managed::{IdentityId, METADATA_ENDPOINT, managed_identity, windows_container_identity};
pub use principal::{ServicePrincipal, client_certificate, client_secret, federated, service_connection};
pub use service_connection::ServiceConnection;

use crate::{Dialect, HttpError, Method, Pipeline, Request};

/// A token is renewed this long before it expires, so that it outlives the call it is sent with.
const RENEW_BEFORE: Duration = Duration::from_mins(5);

/// Azure DevOps' scope: the application id is the same in every cloud.
pub const DEVOPS_SCOPE: &str = "499b84ac-1321-427f-aa17-267ca6975798/.default";

/// Who asks for tokens, and the tokens it has. Cheap to clone; clones share the tokens.
#[derive(Clone)]
pub struct Credential(Arc<Inner>);

struct Inner {
    name: &'static str,
    source: Box<dyn TokenSource>,
    tokens: Mutex<HashMap<String, Fetched>>,
}

/// A token as its source gives it.
pub(crate) struct Token {
    pub(crate) secret: Secret,
    pub(crate) expires: SystemTime,
}

struct Fetched {
    token: Token,
    at: Instant,
}

/// Fetches a token, every time it is asked.
#[async_trait]
pub(crate) trait TokenSource: Send + Sync {
    async fn fetch(&self, scope: &str) -> Result<Token, HttpError>;
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credential({})", self.0.name)
    }
}

impl Credential {
    pub(crate) fn new(name: &'static str, source: impl TokenSource + 'static) -> Self {
        Self(Arc::new(Inner { name, source: Box::new(source), tokens: Mutex::default() }))
    }

    /// Which kind it is, as people call it: for messages.
    pub fn name(&self) -> &'static str {
        self.0.name
    }

    /// A token for `scope` that is good for the next minutes. Callers at the same time wait for one request.
    pub async fn token(&self, scope: &str) -> Result<Secret, HttpError> {
        let mut tokens = self.0.tokens.lock().await;
        let fresh_until = SystemTime::now() + RENEW_BEFORE;
        if let Some(fetched) = tokens.get(scope)
            && fetched.token.expires > fresh_until
        {
            return Ok(fetched.token.secret.clone());
        }
        let token = self.0.source.fetch(scope).await?;
        let secret = token.secret.clone();
        tokens.insert(scope.to_owned(), Fetched { token, at: Instant::now() });
        Ok(secret)
    }

    /// A service refused `token`: forgets it, if it is still the one we have and was fetched before `moment`. Whether
    /// it did, so that asking again gives another one.
    pub(crate) async fn forget(&self, scope: &str, token: &Secret, moment: Instant) -> bool {
        let mut tokens = self.0.tokens.lock().await;
        match tokens.get(scope) {
            Some(fetched) if fetched.token.secret == *token => {
                let old = fetched.at < moment;
                tokens.remove(scope);
                old
            }
            // Another call has renewed it meanwhile.
            _ => true,
        }
    }
}

/// What its credential is called.
const AZURE_CLI: &str = "Azure CLI";

/// The person who is signed in to the Azure CLI on this machine. `tenant` where it is not the CLI's current one.
pub fn azure_cli(tenant: Option<String>) -> Result<Credential, HttpError> {
    let make = move || -> azure_core::Result<Arc<dyn TokenCredential>> {
        let options = AzureCliCredentialOptions { tenant_id: tenant.clone(), ..Default::default() };
        Ok(AzureCliCredential::new(Some(options))?)
    };
    from_azure_identity(AZURE_CLI, make)
}

/// One of `azure_identity`'s credentials. It is made anew for each token: theirs keep tokens without a way to make them
/// forget one that a service has refused.
pub(crate) fn from_azure_identity(
    name: &'static str,
    make: impl Fn() -> azure_core::Result<Arc<dyn TokenCredential>> + Send + Sync + 'static,
) -> Result<Credential, HttpError> {
    make().map_err(|error| HttpError::Settings {
        what: format!("the credential ({name})"),
        detail: error.to_string(),
    })?;
    Ok(Credential::new(name, FromAzureIdentity { name, make }))
}

struct FromAzureIdentity<F> {
    name: &'static str,
    make: F,
}

#[async_trait]
impl<F> TokenSource for FromAzureIdentity<F>
where
    F: Fn() -> azure_core::Result<Arc<dyn TokenCredential>> + Send + Sync,
{
    async fn fetch(&self, scope: &str) -> Result<Token, HttpError> {
        let fetched = async { (self.make)()?.get_token(&[scope], None).await }.await;
        let token = fetched.map_err(|error| http_error(&error, self.name))?;
        Ok(Token { secret: Secret::new(token.token.secret()), expires: token.expires_on.into() })
    }
}

/// Our own error from underneath theirs; theirs, where it did not come from the network.
fn http_error(error: &azure_core::Error, name: &str) -> HttpError {
    let causes = std::iter::successors(Some(error as &(dyn Error + 'static)), |error| beneath(*error));
    let mut ours = causes.filter_map(|cause| cause.downcast_ref::<HttpError>());
    if let Some(ours) = ours.next() {
        return ours.clone();
    }
    let text = error.to_string();
    let reason = text.lines().next().unwrap_or_default();
    if name == AZURE_CLI {
        // Which of its types failed is of no interest.
        let detail = reason.split_once("authentication failed. ").map_or(reason, |(_, rest)| rest);
        return HttpError::NotSignedIn { detail: detail.to_owned() };
    }
    HttpError::AuthenticationFailed { host: name.to_owned(), reason: reason.to_owned(), entra: None }
}

/// What an error wraps; theirs does not always say so through `source`.
fn beneath<'e>(error: &'e (dyn Error + 'static)) -> Option<&'e (dyn Error + 'static)> {
    match error.downcast_ref::<azure_core::Error>().and_then(azure_core::Error::get_ref) {
        Some(wrapped) => Some(wrapped),
        None => error.source(),
    }
}

/// What `azure_identity` sends goes the same way as everything else. Token requests change nothing: they may be
/// repeated.
#[async_trait]
impl HttpClient for Pipeline {
    async fn execute_request(
        &self,
        request: &azure_core::http::Request,
    ) -> azure_core::Result<AsyncRawResponse> {
        let failed = |error: HttpError| azure_core::Error::new(azure_core::error::ErrorKind::Other, error);
        let azure_core::http::request::Body::Bytes(body) = request.body() else {
            return Err(failed(HttpError::Settings {
                what: "the token request".to_owned(),
                detail: "its body is a stream".to_owned(),
            }));
        };
        let mut ours = Request::new(Method::Post, request.url().clone(), Dialect::Entra)
            .header("content-type", "application/x-www-form-urlencoded")
            .repeatable();
        ours.body = Some(body.clone());
        let answer = self.send(ours).await.map_err(failed)?;
        let headers = azure_core::http::headers::Headers::new();
        Ok(AsyncRawResponse::from_bytes(answer.status().into(), headers, answer.bytes().clone()))
    }
}
