//! The managed identity endpoint, in the form of the instance metadata service.
//!
//! In Azure it is at 169.254.169.254, which cannot be bound here. Therefore it has a listener of its own, without TLS
//! as in Azure, and container groups with an identity are told where in `AZURE_POD_IDENTITY_AUTHORITY_HOST`. Who asks
//! is told by the network address of the container, or where groups share an address (processes) by a key in the path.
//! The machine of hosted agents is told by such a key too.

use std::sync::Arc;
use std::time::Duration;

use hyper::Method;
use serde_json::{Value, json};

use super::audience::Audience;
use super::token::{Grant, issue, now};
use crate::Emulator;
use crate::arm::Identity;
use crate::http::{Reply, Request, Router};

/// How long a token of a managed identity lasts, in seconds.
const LIFETIME: i64 = 28_799;

/// Adds the routes of that listener.
pub(crate) fn routes(router: &mut Router) {
    router.on(Method::GET, "/metadata/identity/oauth2/token", token);
    router.on(Method::GET, "/identity/{key}/metadata/identity/oauth2/token", token);
}

async fn token(emulator: Arc<Emulator>, request: Request) -> Result<Reply, Reply> {
    let late = emulator.read(|state| state.faults.number("entra.identity-late-seconds")).unwrap_or(0);
    let key = request.params.get("key").map(String::as_str);
    let group = emulator.read(|state| {
        let machine = || crate::pipelines::machine_identities(state, key?);
        state.arm.identities_of(key, request.peer.ip()).or_else(machine)
    });
    let Some(group) = group else { return Err(refused("Identity not found")) };
    let age = group.started.map_or(0, |started| emulator.now().duration_since(started).as_secs());
    if age < Duration::from_secs(late).as_secs().cast_signed() {
        return Err(Reply::connection_closed());
    }
    if request.header("metadata").is_none_or(|value| !value.eq_ignore_ascii_case("true")) {
        return Err(refused("Required metadata header not specified"));
    }
    if request.query.get("api-version").is_none() {
        return Err(refused("Required parameter api-version not specified"));
    }
    let resource =
        request.query.get("resource").ok_or_else(|| refused("Required parameter resource not specified"))?;
    let identity = choose(&group.identities, &request).map_err(refused)?;
    Audience::of(resource, &[&emulator.url, &emulator.identity_url])
        .ok_or_else(|| Reply::json(400, &json!({
            "error": "invalid_resource",
            "error_description": format!("AADSTS500011: The resource principal named {resource} was not found in the tenant."),
        })))?;
    Ok(grant(&emulator, identity, resource))
}

fn grant(emulator: &Emulator, identity: &Identity, resource: &str) -> Reply {
    let tenant = emulator.read(|state| state.world.tenant.to_string());
    let more = json!({ "xms_mirid": identity.resource_id });
    let grant =
        Grant { app_id: identity.client_id, object_id: identity.principal_id, audience: resource, more };
    let access_token = issue(emulator, &emulator.url, &tenant, &grant, LIFETIME);
    let now = now(emulator).as_second();
    let text = |number: i64| Value::from(number.to_string());
    let body = json!({
        "access_token": access_token, "client_id": identity.client_id, "refresh_token": "",
        "expires_in": text(LIFETIME), "ext_expires_in": text(LIFETIME), "expires_on": text(now + LIFETIME),
        "not_before": text(now), "resource": resource, "token_type": "Bearer",
    });
    Reply::json(200, &body)
}

/// The identity that a request names, or the only one there is.
fn choose<'a>(identities: &'a [Identity], request: &Request) -> Result<&'a Identity, &'static str> {
    let query = |name| request.query.get(name);
    let resource_id = query("msi_res_id").or_else(|| query("mi_res_id"));
    let is = |id: uuid::Uuid, text: &str| id.to_string().eq_ignore_ascii_case(text);
    let named = query("client_id").is_some() || query("object_id").is_some() || resource_id.is_some();
    if named {
        let found = identities.iter().find(|identity| {
            query("client_id").is_none_or(|id| is(identity.client_id, id))
                && query("object_id").is_none_or(|id| is(identity.principal_id, id))
                && resource_id.is_none_or(|id| identity.resource_id.eq_ignore_ascii_case(id))
        });
        return found.ok_or("Identity not found");
    }
    // A system-assigned identity is what one gets who names none.
    let system = identities.iter().find(|identity| identity.is_system_assigned);
    match (system, identities) {
        (Some(identity), _) | (None, [identity]) => Ok(identity),
        (None, []) => Err("Identity not found"),
        (None, _) => {
            Err("Multiple user assigned identities exist, please specify the clientId / resourceId of the \
                          identity in the token request")
        }
    }
}

fn refused(description: &str) -> Reply {
    Reply::json(400, &json!({"error": "invalid_request", "error_description": description}))
}
