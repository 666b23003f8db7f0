//! What clients read before they ask for a token.

use std::sync::Arc;

use hyper::Method;
use serde_json::json;

use super::errors::Refusal;
use crate::Emulator;
use crate::http::{Reply, Request, Router};

pub(super) fn routes(router: &mut Router) {
    router.on(Method::GET, "/{tenant}/v2.0/.well-known/openid-configuration", configuration);
    router.on(Method::GET, "/{tenant}/.well-known/openid-configuration", configuration);
    router.on(Method::GET, "/{tenant}/discovery/v2.0/keys", keys);
    router.on(Method::GET, "/{tenant}/discovery/keys", keys);
}

/// Whether a name is that of the tenant; `Err` is the reply when it is not.
pub(super) fn require_tenant(emulator: &Emulator, request: &Request) -> Result<String, Reply> {
    let (asked, tenant) = (request.param("tenant"), emulator.read(|state| state.world.tenant.to_string()));
    // The names that stand for every tenant stand for ours, the only one.
    let any = ["common", "organizations"].iter().any(|name| asked.eq_ignore_ascii_case(name));
    if any || asked.eq_ignore_ascii_case(&tenant) {
        return Ok(tenant);
    }
    Err(Refusal::unknown_tenant(asked).reply(emulator.now(), &request.base_url))
}

async fn configuration(emulator: Arc<Emulator>, request: Request) -> Result<Reply, Reply> {
    let tenant = require_tenant(&emulator, &request)?;
    let authority = format!("{}/{tenant}", request.base_url);
    let oauth = if request.path.to_ascii_lowercase().contains("/v2.0/") {
        format!("{authority}/oauth2/v2.0")
    } else {
        format!("{authority}/oauth2")
    };
    let body = json!({
        "issuer": format!("{authority}/v2.0"),
        "token_endpoint": format!("{oauth}/token"),
        "authorization_endpoint": format!("{oauth}/authorize"),
        "device_authorization_endpoint": format!("{oauth}/devicecode"),
        "end_session_endpoint": format!("{oauth}/logout"),
        "jwks_uri": format!("{authority}/discovery/v2.0/keys"),
        "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt", "client_secret_basic"],
        "response_modes_supported": ["query", "fragment", "form_post"],
        "response_types_supported": ["code", "id_token", "code id_token", "id_token token"],
        "subject_types_supported": ["pairwise"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "scopes_supported": ["openid", "profile", "email", "offline_access"],
        "claims_supported": ["sub", "iss", "aud", "exp", "iat", "nbf", "tid", "oid", "appid"],
        "tenant_region_scope": null,
    });
    Ok(Reply::json(200, &body))
}

async fn keys(emulator: Arc<Emulator>, request: Request) -> Result<Reply, Reply> {
    require_tenant(&emulator, &request)?;
    Ok(Reply::json(200, &json!({"keys": [emulator.signing_key.jwk()]})))
}
