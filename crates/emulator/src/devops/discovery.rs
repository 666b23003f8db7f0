//! What clients ask before anything else: where things are, and as whom they are connected.

use std::sync::Arc;

use hyper::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use super::locations::{LOCATIONS, Location};
use super::wire::{Refusal, collection};
use super::{Call, Caller, endpoint};
use crate::Emulator;
use crate::http::{Reply, Request, Router};
use crate::world::ORGANIZATION;

/// Who owns the services: the id that stands for an Azure DevOps Server on one's own machine. Clients that see it take
/// every route from the one location table and do not look for services on other hosts.
pub(super) const SERVICE_OWNER: &str = "87966eaa-cb2a-443f-be3c-47bd3b5bf3cb";

/// Adds the routes. The location table is open, as clients ask for it before they show who they are.
pub(super) fn routes(router: &mut Router) {
    router.on(Method::OPTIONS, "/{organization}/_apis", locations);
    router.on(Method::OPTIONS, "/{organization}/_apis/{area}", locations);
    endpoint(router, Method::GET, "_apis/resourceAreas", resource_areas);
    endpoint(router, Method::GET, "_apis/resourceAreas/{area}", resource_area);
    endpoint(router, Method::GET, "_apis/connectionData", connection_data);
    endpoint(router, Method::HEAD, "_apis/connectionData", connection_data);
    endpoint(router, Method::GET, "_apis/serviceDefinitions", service_definitions);
    endpoint(router, Method::GET, "_apis/serviceDefinitions/{type}/{id}", service_definition);
}

async fn locations(_emulator: Arc<Emulator>, request: Request) -> Result<Reply, Reply> {
    let area = request.param("area");
    let wanted = |location: &&Location| area.is_empty() || location.area.eq_ignore_ascii_case(area);
    let found: Vec<Value> = LOCATIONS.iter().filter(wanted).map(Location::json).collect();
    Ok(Reply::json(200, &collection(&found)))
}

/// The form that tells clients to keep the URL they have.
async fn resource_areas(_call: Call) -> Result<Reply, Reply> {
    Ok(Reply::json(200, &json!({"count": 0, "value": null})))
}

async fn resource_area(call: Call) -> Result<Reply, Reply> {
    let message = format!("The resource area {} is not registered.", call.request.param("area"));
    Err(Refusal::new(404, "ResourceAreaNotFoundException", message).into())
}

fn identity(id: Uuid, name: &str) -> Value {
    json!({
        "id": id, "descriptor": format!("Microsoft.IdentityModel.Claims.ClaimsIdentity;{id}"),
        "subjectDescriptor": format!("aad.{id}"), "providerDisplayName": name, "customDisplayName": name,
        "isActive": true, "members": [], "memberOf": [], "memberIds": [],
        "properties": {"Account": {"$type": "System.String", "$value": name}}, "resourceVersion": 2, "metaTypeId": 0,
    })
}

/// The id under which a caller is known.
fn id_of(caller: &Caller, state: &crate::State) -> Uuid {
    match caller {
        Caller::Member { id, .. } => *id,
        Caller::Agent { agent_id, .. } => {
            state.devops.agents.get(agent_id).map_or(Uuid::nil(), |agent| agent.client_id)
        }
        Caller::Job { .. } => state.devops.build_service_id,
    }
}

async fn connection_data(call: Call) -> Result<Reply, Reply> {
    let base = &call.request.base_url;
    let (organization, id) =
        call.emulator.read(|state| (state.devops.organization_id, id_of(&call.caller, state)));
    let user = identity(id, &call.caller.name());
    let options = call.request.query.get("connectOptions").unwrap_or("0");
    let with_services = options == "1" || options.to_ascii_lowercase().contains("includeservices");
    let mut services = json!({
        "serviceOwner": SERVICE_OWNER, "defaultAccessMappingMoniker": "PublicAccessMapping", "lastChangeId": 1,
        "lastChangeId64": 1, "clientCacheFresh": false, "clientCacheTimeToLive": 3600,
        "accessMappings": [{
            "moniker": "PublicAccessMapping", "displayName": "Public Access Mapping",
            "accessPoint": format!("{base}/{ORGANIZATION}/"), "serviceOwner": SERVICE_OWNER, "virtualDirectory": "",
        }],
    });
    if with_services {
        services["serviceDefinitions"] = LOCATIONS.iter().map(Location::definition).collect();
    }
    Ok(Reply::json(
        200,
        &json!({
            "authenticatedUser": user, "authorizedUser": user, "instanceId": organization,
            "deploymentId": organization, "deploymentType": "onPremises", "locationServiceData": services,
        }),
    ))
}

async fn service_definitions(_call: Call) -> Result<Reply, Reply> {
    let definitions: Vec<Value> = LOCATIONS.iter().map(Location::definition).collect();
    Ok(Reply::json(200, &collection(&definitions)))
}

async fn service_definition(call: Call) -> Result<Reply, Reply> {
    let id = call.request.param("id");
    if let Some(location) = LOCATIONS.iter().find(|location| location.id.eq_ignore_ascii_case(id)) {
        Ok(Reply::json(200, &location.definition()))
    } else {
        let message = format!("The service definition {id} is not registered.");
        Err(Refusal::new(404, "ServiceDefinitionDoesNotExistException", message).into())
    }
}
