//! A registry in Azure gives a token of its own for one of Entra ID.
//!
//! `POST https://{login server}/oauth2/exchange` with `grant_type=access_token` (Azure/acr, docs/AAD-OAuth.md). Whoever
//! shows that token as a password gives [`REGISTRY_TOKEN_USER`] as the user.

use azure_http::{Credential, Dialect, HttpError, Method, Pipeline, Request};
use redact::Secret;
use serde::Deserialize;
use url::Url;

/// What a token for a registry is asked for; the same in every cloud (Assumed for sovereign ones: the Azure CLI asks
/// for it wherever it is not told otherwise).
const SCOPE: &str = "https://containerregistry.azure.net/.default";

/// The user's name that goes with a token as the password.
pub const REGISTRY_TOKEN_USER: &str = "00000000-0000-0000-0000-000000000000";

#[derive(Deserialize)]
struct Exchanged {
    refresh_token: String,
}

/// The password with which `credential` may pull from the registry `server`, for three hours.
pub async fn registry_token(
    pipeline: &Pipeline,
    credential: &Credential,
    server: &str,
    tenant: Option<&str>,
) -> Result<Secret, HttpError> {
    let url = Url::parse(&format!("https://{server}/oauth2/exchange")).map_err(|error| {
        HttpError::Settings { what: format!("the registry {server}"), detail: error.to_string() }
    })?;
    let token = credential.token(SCOPE).await?;
    let mut form =
        vec![("grant_type", "access_token"), ("service", server), ("access_token", token.expose())];
    form.extend(tenant.map(|tenant| ("tenant", tenant)));
    let request =
        Request::new(Method::Post, url, Dialect::Registry).form(&form).hide(&token).repeatable().attempts(3);
    let exchanged: Exchanged = pipeline.send(request).await?.json()?;
    Ok(Secret::new(exchanged.refresh_token))
}
