//! Public IP addresses, out of a range that is for documentation: nobody has them.

use hyper::Method;
use serde_json::{Value, json};

use super::{NAMESPACE, keep, refuse_busy, tagged, users};
use crate::State;
use crate::arm::gate::{Call, on};
use crate::arm::refusal::Refusal;
use crate::arm::resources::{self, Resource};
use crate::arm::{operations, pages};
use crate::http::{Reply, Router};

pub(super) const KIND: &str = "Microsoft.Network/publicIPAddresses";
const READ: &str = "Microsoft.Network/publicIPAddresses/read";

pub(super) fn routes(router: &mut Router) {
    let of_group = format!("/subscriptions/{{subscription}}/resourceGroups/{{group}}/providers/{KIND}");
    let one = format!("{of_group}/{{name}}");
    on(router, Method::GET, &format!("/subscriptions/{{subscription}}/providers/{KIND}"), READ, list);
    on(router, Method::GET, &of_group, READ, list);
    on(router, Method::GET, &one, READ, get);
    on(router, Method::PUT, &one, "Microsoft.Network/publicIPAddresses/write", put);
    on(router, Method::DELETE, &one, "Microsoft.Network/publicIPAddresses/delete", delete);
}

fn show(state: &State, address: &Resource) -> Value {
    let mut shown = address.show(state);
    if let Some(gateway) = users(state, &address.id).first() {
        shown["properties"]["natGateway"] = json!({ "id": gateway });
    }
    tagged(shown)
}

/// An address belongs to one resource.
pub(super) fn refuse_used(state: &State, address: &str, by: &str) -> Result<(), Refusal> {
    let users = users(state, address);
    let Some(other) = users.iter().find(|user| !user.eq_ignore_ascii_case(by)) else { return Ok(()) };
    let message = format!(
        "Resource {by} is referencing public IP address {address} that is already allocated to resource {other}."
    );
    Err(Refusal::new(400, "PublicIPAddressInUse", message))
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
    let known = resources::find(state, call, KIND).ok();
    let location =
        resources::location(&state.faults, (&body, call), KIND, known.map(|known| known.location.as_str()))?;
    let sku = body["sku"]["name"].as_str().unwrap_or("Basic");
    let method = body["properties"]["publicIPAllocationMethod"].as_str().unwrap_or("Dynamic");
    if sku == "Basic" {
        // Assumed: the code. Basic addresses were retired on 30 September 2025.
        let message =
            format!("Public IP address {id} cannot have the SKU Basic, which is retired; use Standard.");
        return Err(Refusal::new(400, "BasicSkuPublicIpAddressRetired", message));
    }
    if !["Standard", "StandardV2"].contains(&sku) || method != "Static" {
        // Assumed: the code and the text; the rule is documented.
        let message = format!("Standard sku publicIp {id} must have AllocationMethod set to Static.");
        return Err(Refusal::new(400, "StandardSkuPublicIPAddressesMustBeStatic", message));
    }
    let address = match known {
        Some(known) => known.properties["ipAddress"].clone(),
        None => Value::from(free_address(state)),
    };
    let resource = Resource {
        id,
        name: call.param("name").to_owned(),
        kind: KIND.to_owned(),
        location,
        tags: resources::tags(&body),
        sku: json!({"name": sku, "tier": "Regional"}),
        properties: json!({
            "publicIPAllocationMethod": method, "publicIPAddressVersion": "IPv4", "ipAddress": address,
            "idleTimeoutInMinutes": body["properties"]["idleTimeoutInMinutes"].as_u64().unwrap_or(4),
        }),
    };
    Ok(keep(state, call, resource, show))
}

fn free_address(state: &State) -> String {
    let is_taken = |address: &String| {
        let mut resources = state.arm.resources.values();
        resources.any(|resource| resource.properties["ipAddress"].as_str() == Some(address))
    };
    let mut all = (1..=254).map(|last| format!("203.0.113.{last}"));
    all.find(|address| !is_taken(address)).unwrap_or_default()
}

fn delete(state: &mut State, call: &Call) -> Result<Reply, Refusal> {
    let Ok(address) = resources::find(state, call, KIND) else { return Ok(Reply::status(204)) };
    let (id, location) = (address.id.clone(), address.location.clone());
    refuse_busy(state, call, &id)?;
    if let Some(user) = users(state, &id).first() {
        let message = format!(
            "Public IP address {id} can not be deleted since it is still allocated to resource {user}. In order to \
             delete the public IP, disassociate/detach the Public IP address from the resource. To learn how to do \
             this, see aka.ms/deletepublicip."
        );
        return Err(Refusal::new(400, "PublicIPAddressCannotBeDeleted", message));
    }
    let operation = operations::delete(state, &id);
    Ok(operations::accepted_deletion(NAMESPACE, call, &location, operation))
}
