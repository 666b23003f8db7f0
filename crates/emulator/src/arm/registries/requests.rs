//! The calls on registries. Behind each stands a real registry, and its login server is a port of loopback: the one
//! place that a Docker engine of this machine trusts without being told.

use hyper::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Registry;
use crate::arm::gate::{Call, on};
use crate::arm::refusal::Refusal;
use crate::arm::resources::{self, Resource};
use crate::arm::{names, operations, pages};
use crate::backends::{Command, NO_REGISTRY};
use crate::http::{Reply, Router};
use crate::world::random_secret;
use crate::{Effect, State};

pub(in crate::arm) const KIND: &str = "Microsoft.ContainerRegistry/registries";
const NAMESPACE: &str = "Microsoft.ContainerRegistry";
const READ: &str = "Microsoft.ContainerRegistry/registries/read";
const WRITE: &str = "Microsoft.ContainerRegistry/registries/write";

/// The admin user of a registry: its name is the registry's.
#[derive(Clone, Serialize, Deserialize)]
pub struct AdminUser {
    /// Both are good.
    pub(super) passwords: [String; 2],
}

impl std::fmt::Debug for AdminUser {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AdminUser").finish_non_exhaustive()
    }
}

pub(super) fn routes(router: &mut Router) {
    let all = format!("/subscriptions/{{subscription}}/providers/{KIND}");
    let of_group = format!("/subscriptions/{{subscription}}/resourceGroups/{{group}}/providers/{KIND}");
    let one = format!("{of_group}/{{name}}");
    on(router, Method::GET, &all, READ, list);
    on(router, Method::GET, &of_group, READ, list);
    on(router, Method::GET, &one, READ, get);
    on(router, Method::PUT, &one, WRITE, put);
    on(router, Method::PATCH, &one, WRITE, patch);
    on(router, Method::DELETE, &one, "Microsoft.ContainerRegistry/registries/delete", delete);
    on(
        router,
        Method::POST,
        &format!("{one}/listCredentials"),
        "Microsoft.ContainerRegistry/registries/listCredentials/action",
        credentials,
    );
    let regenerate = "Microsoft.ContainerRegistry/registries/regenerateCredential/action";
    on(router, Method::POST, &format!("{one}/regenerateCredential"), regenerate, regenerate_credential);
    on(
        router,
        Method::POST,
        "/subscriptions/{subscription}/providers/Microsoft.ContainerRegistry/checkNameAvailability",
        "Microsoft.ContainerRegistry/checkNameAvailability/read",
        check_name,
    );
}

/// What is wrong with a name. Assumed: the text; the rule is documented.
fn invalid_name(name: &str) -> Option<String> {
    let valid = (5..=50).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let message = "The resource name may contain alpha numeric characters only and must be between 5 and 50 characters.";
    (!valid).then(|| message.to_owned())
}

/// Whether another registry has a name, here or anywhere.
fn is_taken(state: &State, name: &str, id: &str) -> bool {
    let mut others = state.arm.resources.values().filter(|resource| resource.kind == KIND);
    names::taken_elsewhere(state, name)
        || others.any(|other| other.name.eq_ignore_ascii_case(name) && !other.id.eq_ignore_ascii_case(id))
}

fn check_name(state: &mut State, call: &Call) -> Result<Reply, Refusal> {
    let body = call.body()?;
    let name = body["name"].as_str().unwrap_or_default();
    let refused = |reason: &str, message: String| {
        Reply::json(200, &json!({"nameAvailable": false, "reason": reason, "message": message}))
    };
    Ok(match invalid_name(name) {
        Some(message) => refused("Invalid", message),
        None if is_taken(state, name, "") => {
            refused("AlreadyExists", format!("The registry {name} is already in use."))
        }
        None => Reply::json(200, &json!({ "nameAvailable": true })),
    })
}

fn list(state: &mut State, call: &Call) -> Result<Reply, Refusal> {
    Ok(pages::page(state, call, resources::listed(state, call, KIND, |state, registry| registry.show(state))))
}

fn get(state: &mut State, call: &Call) -> Result<Reply, Refusal> {
    Ok(Reply::json(200, &resources::find(state, call, KIND)?.show(state)))
}

/// The SKU that a body asks for. Assumed: the code and the text.
fn sku(body: &Value) -> Result<Value, Refusal> {
    let name = body["sku"]["name"].as_str().unwrap_or_default();
    let known = ["Basic", "Standard", "Premium"].into_iter().find(|known| known.eq_ignore_ascii_case(name));
    let known = known.ok_or_else(|| {
        let message = format!("The registry SKU '{name}' is not supported. Use Basic, Standard or Premium.");
        Refusal::new(400, "RegistrySkuNotSupported", message)
    })?;
    Ok(json!({"name": known, "tier": known}))
}

fn put(state: &mut State, call: &Call) -> Result<Reply, Refusal> {
    let (body, id, name) = (call.body()?, resources::id(call, KIND), call.param("name"));
    if let Some(problem) = invalid_name(name) {
        return Err(Refusal::new(400, "InvalidResourceName", problem));
    }
    let known = resources::find(state, call, KIND).ok();
    let location =
        resources::location(&state.faults, (&body, call), KIND, known.map(|known| known.location.as_str()))?;
    let sku = sku(&body)?;
    if is_taken(state, name, &id) {
        let message = format!(
            "The registry DNS name {name}.azurecr.io is already in use. You can check if the name is already claimed \
             using following API: https://docs.microsoft.com/en-us/rest/api/containerregistry/registries/checknameavailability"
        );
        return Err(Refusal::new(409, "AlreadyInUse", message));
    }
    let is_new = known.is_none();
    if is_new && state.programs.docker_registry.is_none() {
        // Not Azure's: what the emulator lacks.
        return Err(Refusal::new(501, "NoRegistryBehind", NO_REGISTRY));
    }
    let properties = match known {
        Some(known) => known.properties.clone(),
        None => json!({"creationDate": state.now.to_string(), "publicNetworkAccess": "Enabled"}),
    };
    let resource = Resource {
        id: id.clone(),
        name: name.to_owned(),
        kind: KIND.to_owned(),
        location: location.clone(),
        tags: resources::tags(&body),
        sku,
        properties,
    };
    state.arm.resources.insert(id.to_ascii_lowercase(), resource);
    set_admin(state, &id, body["properties"]["adminUserEnabled"].as_bool().unwrap_or(false));
    let operation = if is_new { operations::begin(state, &id) } else { operations::settle(state, &id) };
    if is_new {
        let open = Command::Open { id, operation: Some(operation) };
        state.effects.push(Effect::Backend(open));
    }
    let shown = resources::find(state, call, KIND)?.show(state);
    let reply = Reply::json(if is_new { 201 } else { 200 }, &shown);
    Ok(operations::accepted(reply, NAMESPACE, call, &location, operation))
}

/// Lets the admin user in, or no longer. Its passwords stay.
fn set_admin(state: &mut State, id: &str, enabled: bool) {
    let key = id.to_ascii_lowercase();
    if enabled {
        let user = || AdminUser { passwords: [random_secret(), random_secret()] };
        state.arm.registry_secrets.entry(key.clone()).or_insert_with(user);
    }
    if let Some(registry) = state.arm.resources.get_mut(&key) {
        registry.properties["adminUserEnabled"] = Value::from(enabled);
    }
}

fn patch(state: &mut State, call: &Call) -> Result<Reply, Refusal> {
    let body = call.body()?;
    let id = resources::find(state, call, KIND)?.id.clone();
    if let Some(enabled) = body["properties"]["adminUserEnabled"].as_bool() {
        set_admin(state, &id, enabled);
    }
    let sku = if body["sku"].is_object() { Some(sku(&body)?) } else { None };
    if let Some(registry) = state.arm.resources.get_mut(&id.to_ascii_lowercase()) {
        if body["tags"].is_object() {
            registry.tags = body["tags"].clone();
        }
        registry.sku = sku.unwrap_or_else(|| registry.sku.take());
    }
    get(state, call)
}

fn credentials(state: &mut State, call: &Call) -> Result<Reply, Refusal> {
    let registry = resources::find(state, call, KIND)?;
    let Some(user) = admin(state, &registry.id) else {
        let message = format!(
            "Cannot perform credential operations for {} as admin user is disabled. Kindly enable the admin user as \
             per docs: https://docs.microsoft.com/en-us/azure/container-registry/container-registry-authentication#admin-account",
            registry.id
        );
        return Err(Refusal::new(400, "UnAuthorizedForCredentialOperations", message));
    };
    let [first, second] = &user.passwords;
    let body = json!({"username": registry.name, "passwords": [
        {"name": "password", "value": first}, {"name": "password2", "value": second},
    ]});
    Ok(Reply::json(200, &body))
}

/// Another password in the place of `password` or `password2`: what was given out with the old one is worth nothing.
fn regenerate_credential(state: &mut State, call: &Call) -> Result<Reply, Refusal> {
    let asked = call.body()?;
    credentials(state, call)?;
    let index = match asked["name"].as_str() {
        Some("password") => 0,
        Some("password2") => 1,
        _ => {
            return Err(Refusal::content(
                "The name of a password must be one of 'password,password2'. Path 'name'",
            ));
        }
    };
    let key = resources::id(call, KIND).to_ascii_lowercase();
    if let Some(user) = state.arm.registry_secrets.get_mut(&key) {
        user.passwords[index] = random_secret();
    }
    credentials(state, call)
}

/// The admin user of the registry of that id, where it is let in.
pub(super) fn admin<'a>(state: &'a State, id: &str) -> Option<&'a AdminUser> {
    let key = id.to_ascii_lowercase();
    let registry = state.arm.resources.get(&key)?;
    registry.properties["adminUserEnabled"].as_bool().filter(|enabled| *enabled)?;
    state.arm.registry_secrets.get(&key)
}

fn delete(state: &mut State, call: &Call) -> Result<Reply, Refusal> {
    let Ok(registry) = resources::find(state, call, KIND) else { return Ok(Reply::status(204)) };
    let (id, location) = (registry.id.clone(), registry.location.clone());
    let operation = operations::delete(state, &id);
    Ok(operations::accepted_deletion(NAMESPACE, call, &location, operation))
}

/// The real registry answers on this port: from now on images can be in it.
pub(in crate::arm) fn opened(state: &mut State, id: &str, port: u16) {
    let login_server = format!("127.0.0.1:{port}");
    if let Some(resource) = state.arm.resources.get_mut(&id.to_ascii_lowercase()) {
        resource.properties["loginServer"] = Value::from(login_server.as_str());
    }
    let registry = Registry {
        id: id.to_owned(),
        behind: login_server.clone(),
        login_server,
        user: "emulator".to_owned(),
        password: random_secret(),
    };
    state.arm.registries.retain(|known| !known.id.eq_ignore_ascii_case(id));
    state.arm.registries.push(registry);
}
