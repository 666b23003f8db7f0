//! Microsoft.ContainerRegistry: registries of Azure, and who may pull from them.
//!
//! | module | part |
//! |---|---|
//! | `requests` | the calls on registries |
//! | `tokens` | who is let in, by which token or password |
//! | `door` | the registry's own host, where images are pushed and pulled |
//!
//! Azure's registry exchanges the token of an identity for one of its own, if the identity has the role `AcrPull`.
//! Here a real registry that knows users and passwords stands behind each registry of the world, and the emulator logs
//! in to it on behalf of identities that have the role. One that is made through Resource Manager gets one of its own;
//! one that is made with `PUT /emulator/registries/{login_server}` stands for one that is there.

pub(crate) mod door;
mod requests;
mod tokens;

use std::sync::Arc;

use hyper::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

pub use requests::AdminUser;
pub(super) use requests::{KIND, opened};
pub use tokens::RegistryToken;

use super::container_groups::ContainerGroup;
use super::identities::is_open_to;
use super::roles;
use crate::compute::{Login, RegistryLogin};
use crate::control::{authorize, body};
use crate::http::{Reply, Request, Router};
use crate::{Emulator, State};

/// What an identity needs to pull.
pub(super) const PULL: &str = "Microsoft.ContainerRegistry/registries/pull/read";

/// What it says to somebody who is not let in, or nobody. Assumed: that this text reaches the events of the group.
const UNAUTHORIZED: &str =
    "unauthorized: authentication required, visit https://aka.ms/acr/authorization for more information.";

/// A registry of Azure, and the one that stands behind it.
#[derive(Clone, Serialize, Deserialize)]
pub struct Registry {
    /// Its resource id.
    pub id: String,
    /// The host that images name, such as `contoso.azurecr.io`.
    pub login_server: String,
    /// Host and port of the registry that stands behind it.
    pub behind: String,
    /// A user there who may pull.
    pub user: String,
    /// Their password.
    pub password: String,
}

impl std::fmt::Debug for Registry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Registry").field("id", &self.id).field("behind", &self.behind).finish_non_exhaustive()
    }
}

/// The registries that a group's images may be in, and how one gets in for this group.
pub(crate) fn logins(state: &State, group: &ContainerGroup) -> Vec<RegistryLogin> {
    let credentials = group.properties["imageRegistryCredentials"].as_array().into_iter().flatten();
    let mut logins: Vec<RegistryLogin> =
        credentials.filter_map(|credential| login(state, group, credential)).collect();
    for registry in &state.arm.registries {
        if !logins.iter().any(|login| login.server.eq_ignore_ascii_case(&registry.login_server)) {
            logins.push(RegistryLogin {
                server: registry.login_server.clone(),
                behind: registry.behind.clone(),
                login: Login::Refused(UNAUTHORIZED.to_owned()),
            });
        }
    }
    logins
}

fn login(state: &State, group: &ContainerGroup, credential: &Value) -> Option<RegistryLogin> {
    let text = |name: &str| credential[name].as_str().map(str::to_owned);
    let server = text("server")?;
    let known = state.arm.registries.iter().find(|known| known.login_server.eq_ignore_ascii_case(&server));
    let login = match text("identity") {
        Some(identity) => exchanged(state, group, known, &identity),
        None => with_password(state, known, text("username")?, text("password")?),
    };
    let behind = known.map_or_else(|| server.clone(), |known| known.behind.clone());
    Some(RegistryLogin { server, behind, login })
}

/// A user and a password are for the registry that is named; one of Azure knows them better than the one behind it.
fn with_password(state: &State, registry: Option<&Registry>, user: String, password: String) -> Login {
    match registry {
        None => Login::Password { user, password },
        Some(registry) if tokens::may_pull(state, registry, &user, &password) => {
            Login::Password { user: registry.user.clone(), password: registry.password.clone() }
        }
        Some(_) => Login::Refused(UNAUTHORIZED.to_owned()),
    }
}

/// What the registry gives for a token of an identity.
fn exchanged(state: &State, group: &ContainerGroup, registry: Option<&Registry>, identity: &str) -> Login {
    let Some(registry) = registry else {
        return Login::Refused("the emulator has no registry of that name: no such host".to_owned());
    };
    let identity = group.identities.iter().find(|known| known.resource_id.eq_ignore_ascii_case(identity));
    let may_pull = identity.is_some_and(|identity| {
        is_open_to(group, identity, "System")
            && roles::may(&state.arm, identity.principal_id, PULL, &registry.id)
    });
    if may_pull {
        return Login::Password { user: registry.user.clone(), password: registry.password.clone() };
    }
    Login::Refused(UNAUTHORIZED.to_owned())
}

/// Adds the routes.
pub(super) fn routes(router: &mut Router) {
    requests::routes(router);
    tokens::routes(router);
}

/// Adds the emulator's own: a registry before a real one that runs already.
pub(super) fn control_routes(router: &mut Router) {
    router.on(Method::PUT, "/emulator/registries/{login_server}", put);
}

#[derive(Deserialize)]
struct Body {
    /// Host and port of the registry that stands behind it.
    behind: String,
    user: String,
    password: String,
}

/// Makes a registry: `contoso.azurecr.io` becomes the resource `contoso` in the resource group of the world.
async fn put(emulator: Arc<Emulator>, request: Request) -> Result<Reply, Reply> {
    authorize(&emulator, &request)?;
    let Body { behind, user, password } = body(&request)?;
    let login_server = request.param("login_server").to_ascii_lowercase();
    let id = emulator.change(|state| add(state, &login_server, behind, user, password));
    Ok(Reply::json(200, &json!({ "id": id })))
}

/// Adds a registry to the world, in place of one of that name, and gives its resource id.
pub fn add(state: &mut State, login_server: &str, behind: String, user: String, password: String) -> String {
    let name = login_server.split('.').next().unwrap_or_default();
    let (subscription, group) = (state.world.subscription, crate::world::RESOURCE_GROUP);
    let id = format!(
        "/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.ContainerRegistry/registries/{name}"
    );
    let login_server = login_server.to_owned();
    state.arm.registries.retain(|known| known.login_server != login_server);
    state.arm.registries.push(Registry { id: id.clone(), login_server, behind, user, password });
    id
}
