//! NAT gateways: by them a subnet calls out.

use hyper::Method;
use serde_json::{Value, json};

use super::{NAMESPACE, keep, public_addresses, refuse_busy, require_reference, tagged, users};
use crate::State;
use crate::arm::gate::{Call, on};
use crate::arm::refusal::Refusal;
use crate::arm::resources::{self, Resource};
use crate::arm::{operations, pages};
use crate::http::{Reply, Router};

pub(super) const KIND: &str = "Microsoft.Network/natGateways";
const READ: &str = "Microsoft.Network/natGateways/read";

pub(super) fn routes(router: &mut Router) {
    let of_group = format!("/subscriptions/{{subscription}}/resourceGroups/{{group}}/providers/{KIND}");
    let one = format!("{of_group}/{{name}}");
    on(router, Method::GET, &format!("/subscriptions/{{subscription}}/providers/{KIND}"), READ, list);
    on(router, Method::GET, &of_group, READ, list);
    on(router, Method::GET, &one, READ, get);
    on(router, Method::PUT, &one, "Microsoft.Network/natGateways/write", put);
    on(router, Method::DELETE, &one, "Microsoft.Network/natGateways/delete", delete);
}

/// The ids of the public addresses of what is perhaps a NAT gateway.
pub(super) fn addresses(resource: &Resource) -> impl Iterator<Item = &str> {
    let listed = resource.properties["publicIpAddresses"].as_array().filter(|_| resource.kind == KIND);
    listed.into_iter().flatten().filter_map(|address| address["id"].as_str())
}

/// Whether the gateway of that id is there and has an address to call out from.
pub(super) fn has_address(state: &State, id: &str) -> bool {
    let gateway = state.arm.resources.get(&id.to_ascii_lowercase());
    gateway.is_some_and(|gateway| addresses(gateway).next().is_some())
}

fn show(state: &State, gateway: &Resource) -> Value {
    let mut shown = gateway.show(state);
    let subnets = users(state, &gateway.id);
    if !subnets.is_empty() {
        let subnets = subnets.into_iter().map(|id| json!({ "id": id }));
        shown["properties"]["subnets"] = Value::Array(subnets.collect());
    }
    tagged(shown)
}

fn list(state: &mut State, call: &Call) -> Result<Reply, Refusal> {
    Ok(pages::page(state, call, resources::listed(state, call, KIND, show)))
}

fn get(state: &mut State, call: &Call) -> Result<Reply, Refusal> {
    Ok(Reply::json(200, &show(state, resources::find(state, call, KIND)?)))
}

fn put(state: &mut State, call: &Call) -> Result<Reply, Refusal> {
    let (body, id) = (call.body()?, resources::id(call, KIND));
    refuse_busy(state, call, &id)?;
    let known = resources::find(state, call, KIND).ok().map(|known| known.location.as_str());
    let location = resources::location(&state.faults, (&body, call), KIND, known)?;
    let sku = body["sku"]["name"].as_str().unwrap_or("Standard");
    if !["Standard", "StandardV2"].contains(&sku) {
        return Err(Refusal::content(&format!("Error converting value \"{sku}\" to a SKU. Path 'sku.name'")));
    }
    let minutes = body["properties"]["idleTimeoutInMinutes"].as_u64().unwrap_or(4);
    if !(4..=120).contains(&minutes) {
        // Assumed: the code and the text; the range is documented.
        let message = format!("The idle timeout of NAT gateway {id} must be between 4 and 120 minutes.");
        return Err(Refusal::new(400, "NatGatewayIdleTimeoutOutOfRange", message));
    }
    let named = body["properties"]["publicIpAddresses"].as_array().into_iter().flatten();
    let addresses: Vec<Value> = named.cloned().collect();
    for address in &addresses {
        let address = address["id"].as_str().unwrap_or_default();
        require_reference(state, &id, address, public_addresses::KIND, &location)?;
        public_addresses::refuse_used(state, address, &id)?;
    }
    let resource = Resource {
        id,
        name: call.param("name").to_owned(),
        kind: KIND.to_owned(),
        location,
        tags: resources::tags(&body),
        sku: json!({"name": sku, "tier": "Regional"}),
        properties: json!({"idleTimeoutInMinutes": minutes, "publicIpAddresses": addresses}),
    };
    Ok(keep(state, call, resource, show))
}

/// Assumed: code and text while a subnet uses it.
fn delete(state: &mut State, call: &Call) -> Result<Reply, Refusal> {
    let Ok(gateway) = resources::find(state, call, KIND) else { return Ok(Reply::status(204)) };
    let (id, location) = (gateway.id.clone(), gateway.location.clone());
    refuse_busy(state, call, &id)?;
    let users = users(state, &id);
    if !users.is_empty() {
        let message = format!(
            "NAT gateway {id} cannot be deleted because it is in use by the following resources: {}. In order to \
             delete the NAT gateway, remove the association with the resource(s).",
            users.join(", ")
        );
        return Err(Refusal::new(400, "InUseNatGatewayCannotBeDeleted", message));
    }
    let operation = operations::delete(state, &id);
    Ok(operations::accepted_deletion(NAMESPACE, call, &location, operation))
}
