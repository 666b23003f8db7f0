//! How a registry of Azure lets people in: with a token that it gave for one of Entra ID, or as a service principal.
//!
//! `POST /oauth2/exchange` on the registry's own host (Azure/acr, docs/AAD-OAuth.md). A registry whose login server is
//! the emulator's own host and port is found there.

use std::sync::Arc;

use hyper::Method;
use serde::{Deserialize, Serialize};
use serde_json::json;
use uuid::Uuid;

use super::registries::{PULL, Registry};
use super::roles;
use crate::entra::{Audience, verify_access_token};
use crate::http::{Reply, Request, Router};
use crate::{Emulator, State};

/// How long such a token is good.
const SECONDS: i64 = 3 * 3600;

/// A token that a registry gave.
#[derive(Clone, Serialize, Deserialize)]
pub struct RegistryToken {
    token: String,
    login_server: String,
    principal: Uuid,
    expires: i64,
}

impl std::fmt::Debug for RegistryToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RegistryToken").field("principal", &self.principal).finish_non_exhaustive()
    }
}

/// Whether somebody may pull who shows this user and password: the registry's own user, or a principal with the role
/// `AcrPull`, by a token (for a user of zeros) or by its client id and secret.
pub(super) fn may_pull(state: &State, registry: &Registry, user: &str, password: &str) -> bool {
    if user == registry.user && password == registry.password {
        return true;
    }
    let principal = match user.parse::<Uuid>() {
        Ok(id) if id.is_nil() => by_token(state, registry, password),
        Ok(_) => by_secret(state, user, password),
        Err(_) => None,
    };
    principal.is_some_and(|principal| roles::may(&state.arm, principal, PULL, &registry.id))
}

fn by_token(state: &State, registry: &Registry, token: &str) -> Option<Uuid> {
    let now = state.now.as_second();
    let mut known = state.arm.registry_tokens.iter();
    let is_it = |known: &&RegistryToken| {
        known.token == token && known.login_server == registry.login_server && known.expires > now
    };
    known.find(is_it).map(|known| known.principal)
}

fn by_secret(state: &State, client_id: &str, secret: &str) -> Option<Uuid> {
    let app = state.entra.app(client_id)?;
    let is_good = app.secrets.iter().any(|known| known.secret_text == secret && !known.expired);
    is_good.then_some(app.object_id)
}

/// Adds the route.
pub(super) fn routes(router: &mut Router) {
    router.on(Method::POST, "/oauth2/exchange", exchange);
}

async fn exchange(emulator: Arc<Emulator>, request: Request) -> Result<Reply, Reply> {
    let form = request.form();
    let field = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
    let refused = |message: &str| {
        let body = json!({"errors": [{"code": "UNAUTHORIZED", "message": message, "detail": null}]});
        Reply::json(401, &body)
    };
    if field("grant_type") != "access_token" {
        return Err(refused("unsupported grant_type"));
    }
    let known = emulator.read(|state| {
        let mut registries = state.arm.registries.iter();
        registries.any(|registry| registry.login_server.eq_ignore_ascii_case(field("service")))
    });
    if !known {
        return Err(refused("service is not this registry"));
    }
    let audiences = [Audience::ContainerRegistry, Audience::ResourceManager];
    let mut callers =
        audiences.into_iter().filter_map(|one| verify_access_token(&emulator, field("access_token"), one));
    let caller = callers.next().ok_or_else(|| refused("authentication required"))?;
    let token = Uuid::new_v4().simple().to_string() + &Uuid::new_v4().simple().to_string();
    emulator.change(|state| {
        let expires = state.now.as_second() + SECONDS;
        let login_server = field("service").to_ascii_lowercase();
        let given =
            RegistryToken { token: token.clone(), login_server, principal: caller.object_id, expires };
        state.arm.registry_tokens.push(given);
    });
    Ok(Reply::json(200, &json!({ "refresh_token": token })))
}
