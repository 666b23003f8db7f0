//! How a registry of Azure lets people in: with a token that it gave for one of Entra ID, or with a user and a
//! password.
//!
//! `POST /oauth2/exchange` on the registry's own host (Azure/acr, docs/AAD-OAuth.md). A registry whose login server is
//! the emulator's own host and port is found there.

use std::sync::Arc;

use hyper::Method;
use serde::{Deserialize, Serialize};
use serde_json::json;
use uuid::Uuid;

use super::{PULL, Registry, requests};
use crate::arm::roles;
use crate::entra::{Audience, verify_access_token};
use crate::http::{Reply, Request, Router};
use crate::{Emulator, State};

/// How long such a token is good.
const SECONDS: i64 = 3 * 3600;

/// Who signed in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Who {
    /// The admin user.
    Admin,
    /// The emulator itself, which pulls on behalf of identities.
    Platform,
    /// A principal of Entra ID.
    Principal(Uuid),
}

/// A token that a registry gave.
#[derive(Clone, Serialize, Deserialize)]
pub struct RegistryToken {
    token: String,
    login_server: String,
    who: Who,
    expires: i64,
}

impl std::fmt::Debug for RegistryToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RegistryToken").field("who", &self.who).finish_non_exhaustive()
    }
}

/// Whether somebody may pull who shows this user and password.
pub(super) fn may_pull(state: &State, registry: &Registry, user: &str, password: &str) -> bool {
    match by_password(state, registry, user, password) {
        Some(Who::Admin | Who::Platform) => true,
        Some(Who::Principal(principal)) => roles::may(&state.arm, principal, PULL, &registry.id),
        None => false,
    }
}

/// Who shows this user and password: the registry's own user, its admin user, a service principal by its client id and
/// secret, or somebody with a token (for a user of zeros).
pub(super) fn by_password(state: &State, registry: &Registry, user: &str, password: &str) -> Option<Who> {
    if user == registry.user && password == registry.password {
        return Some(Who::Platform);
    }
    let admin = requests::admin(state, &registry.id);
    let name = registry.id.rsplit('/').next().unwrap_or_default();
    if admin.is_some_and(|admin| {
        user.eq_ignore_ascii_case(name) && admin.passwords.iter().any(|known| known == password)
    }) {
        return Some(Who::Admin);
    }
    match user.parse::<Uuid>() {
        Ok(id) if id.is_nil() => by_token(state, registry, password),
        Ok(_) => by_secret(state, user, password).map(Who::Principal),
        Err(_) => None,
    }
}

/// Who was given a token that is still good.
pub(super) fn by_token(state: &State, registry: &Registry, token: &str) -> Option<Who> {
    let now = state.now.as_second();
    let mut known = state.arm.registry_tokens.iter();
    let is_it = |known: &&RegistryToken| {
        known.token == token && known.login_server == registry.login_server && known.expires > now
    };
    known.find(is_it).map(|known| known.who.clone())
}

fn by_secret(state: &State, client_id: &str, secret: &str) -> Option<Uuid> {
    let app = state.entra.app(client_id)?;
    let is_good = app.secrets.iter().any(|known| known.secret_text == secret && !known.expired);
    is_good.then_some(app.object_id)
}

/// Gives somebody a token; those that are over are forgotten.
pub(super) fn give(state: &mut State, login_server: &str, who: Who) -> String {
    let now = state.now.as_second();
    let token = Uuid::new_v4().simple().to_string() + &Uuid::new_v4().simple().to_string();
    let login_server = login_server.to_ascii_lowercase();
    let given = RegistryToken { token: token.clone(), login_server, who, expires: now + SECONDS };
    state.arm.registry_tokens.retain(|known| known.expires > now);
    state.arm.registry_tokens.push(given);
    token
}

/// Adds the route.
pub(super) fn routes(router: &mut Router) {
    router.on(Method::POST, "/oauth2/exchange", async |emulator: Arc<Emulator>, request| {
        exchange(&emulator, &request)
    });
}

/// A token of the registry for one of Entra ID.
pub(super) fn exchange(emulator: &Emulator, request: &Request) -> Result<Reply, Reply> {
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
        audiences.into_iter().filter_map(|one| verify_access_token(emulator, field("access_token"), one));
    let caller = callers.next().ok_or_else(|| refused("authentication required"))?;
    let token = emulator.change(|state| give(state, field("service"), Who::Principal(caller.object_id)));
    Ok(Reply::json(200, &json!({ "refresh_token": token })))
}
