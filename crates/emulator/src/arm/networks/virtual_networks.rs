//! Virtual networks, whole.

use hyper::Method;
use serde_json::{Value, json};

use super::{
    GUID, NAMESPACE, Subnet, VirtualNetwork, guid, invalid_prefix, links, refuse_busy, subnets, tagged,
};
use crate::State;
use crate::arm::addresses::{self, Range};
use crate::arm::gate::{Call, on};
use crate::arm::refusal::Refusal;
use crate::arm::{operations, pages, resources};
use crate::http::{Reply, Router};

const KIND: &str = "Microsoft.Network/virtualNetworks";
const READ: &str = "Microsoft.Network/virtualNetworks/read";
const WRITE: &str = "Microsoft.Network/virtualNetworks/write";

pub(super) fn routes(router: &mut Router) {
    let all = format!("/subscriptions/{{subscription}}/providers/{KIND}");
    let of_group = format!("/subscriptions/{{subscription}}/resourceGroups/{{group}}/providers/{KIND}");
    let one = format!("{of_group}/{{name}}");
    on(router, Method::GET, &all, READ, list);
    on(router, Method::GET, &of_group, READ, list);
    on(router, Method::GET, &one, READ, get);
    on(router, Method::PUT, &one, WRITE, put);
    on(router, Method::PATCH, &one, WRITE, patch);
    on(router, Method::DELETE, &one, "Microsoft.Network/virtualNetworks/delete", delete);
    let usages_action = "Microsoft.Network/virtualNetworks/usages/read";
    on(router, Method::GET, &format!("{one}/usages"), usages_action, usages);
}

fn show(state: &State, network: &VirtualNetwork) -> Value {
    let mut properties = network.properties.clone();
    properties["provisioningState"] = Value::from(operations::provisioning(state, &network.id));
    let shown = network.subnets.iter().map(|subnet| subnets::show(state, network, subnet));
    properties["subnets"] = shown.collect::<Vec<_>>().into();
    tagged(json!({
        "id": network.id, "name": network.name, "type": KIND, "location": network.location,
        "tags": network.tags, "properties": properties,
    }))
}

/// The network that a path names.
pub(super) fn find<'a>(state: &'a State, call: &Call) -> Result<&'a VirtualNetwork, Refusal> {
    let key = resources::id(call, KIND).to_ascii_lowercase();
    state.arm.networks.get(&key).ok_or_else(|| resources::missing(call, KIND))
}

fn list(state: &mut State, call: &Call) -> Result<Reply, Refusal> {
    let within = pages::within(call);
    let networks = state.arm.networks.iter().filter(|(key, _)| key.starts_with(&within));
    let shown = networks.map(|(_, network)| show(state, network)).collect();
    Ok(pages::page(state, call, shown))
}

fn get(state: &mut State, call: &Call) -> Result<Reply, Refusal> {
    Ok(Reply::json(200, &show(state, find(state, call)?)))
}

/// How full its subnets are.
fn usages(state: &mut State, call: &Call) -> Result<Reply, Refusal> {
    let network = find(state, call)?;
    let shown: Vec<Value> = network
        .subnets
        .iter()
        .map(|subnet| {
            let (used, limit) = addresses::usage(state, network, subnet);
            json!({
                "id": network.id_of(subnet), "currentValue": used, "limit": limit,
                "unit": "Count", "name": {"value": "SubnetSpace", "localizedValue": "Subnet size and usage"},
            })
        })
        .collect();
    Ok(Reply::json(200, &json!({"value": shown})))
}

fn put(state: &mut State, call: &Call) -> Result<Reply, Refusal> {
    let (body, id) = (call.body()?, resources::id(call, KIND));
    refuse_busy(state, call, &id)?;
    let known = find(state, call).ok();
    let location =
        resources::location(&state.faults, (&body, call), KIND, known.map(|known| known.location.as_str()))?;
    let mut properties = body["properties"].clone();
    let asked = properties["subnets"].take();
    if let Some(properties) = properties.as_object_mut() {
        properties.remove("subnets");
    }
    properties[GUID] = guid(known.map(|known| &known.properties));
    // Assumed, as newer versions have it: subnets of which nothing is said stay.
    let subnets = match (asked.as_array(), known) {
        (Some(asked), _) => asked.iter().map(parse_part).collect::<Result<Vec<Subnet>, Refusal>>()?,
        (None, Some(known)) => known.subnets.clone(),
        (None, None) => Vec::new(),
    };
    let mut network = VirtualNetwork {
        id: id.clone(),
        name: call.param("name").to_owned(),
        location,
        tags: resources::tags(&body),
        properties,
        subnets,
    };
    check(state, known, &mut network)?;
    let (status, location) = (if known.is_some() { 200 } else { 201 }, network.location.clone());
    let operation = operations::settle(state, &id);
    let shown = show(state, &network);
    state.arm.networks.insert(id.to_ascii_lowercase(), network);
    Ok(operations::accepted(Reply::json(status, &shown), NAMESPACE, call, &location, operation))
}

/// A subnet as part of its network's body.
fn parse_part(subnet: &Value) -> Result<Subnet, Refusal> {
    let name = subnet["name"]
        .as_str()
        .ok_or_else(|| Refusal::content("A subnet has no name. Path 'properties.subnets'"))?;
    subnets::parse(subnet, name)
}

/// Checks a network as it is to be against what it was, and keeps what its subnets hold.
fn check(state: &State, known: Option<&VirtualNetwork>, network: &mut VirtualNetwork) -> Result<(), Refusal> {
    space(network)?;
    let old = known.map(|known| known.subnets.as_slice()).unwrap_or_default();
    let subnets = std::mem::take(&mut network.subnets);
    for subnet in subnets {
        let before = old.iter().find(|other| other.name.eq_ignore_ascii_case(&subnet.name));
        let subnet = subnets::check(state, network, before, subnet)?;
        network.subnets.push(subnet);
    }
    let goes =
        |subnet: &&Subnet| !network.subnets.iter().any(|other| other.name.eq_ignore_ascii_case(&subnet.name));
    old.iter().filter(goes).try_for_each(|subnet| links::refuse_used(state, network, subnet))
}

/// The ranges of a network.
pub(super) fn space(network: &VirtualNetwork) -> Result<Vec<Range>, Refusal> {
    let prefixes = network.properties["addressSpace"]["addressPrefixes"].as_array();
    let prefixes: Vec<&str> = prefixes.into_iter().flatten().filter_map(Value::as_str).collect();
    if prefixes.is_empty() {
        // Assumed: the code and the text.
        let message =
            format!("The address space of virtual network '{}' must hold an address prefix.", network.name);
        return Err(Refusal::new(400, "InvalidRequestFormat", message));
    }
    let mut ranges: Vec<Range> = Vec::new();
    for prefix in prefixes {
        let range = Range::parse(prefix).ok_or_else(|| invalid_prefix(prefix, &network.id))?;
        range.require_aligned(prefix, &network.id)?;
        if ranges.iter().any(|other| other.overlaps(range)) {
            // Assumed: the code and the text; the rule is documented.
            let message = format!(
                "The address prefix {prefix} of virtual network '{}' overlaps with another of its address prefixes.",
                network.name
            );
            return Err(Refusal::new(400, "NetcfgAddressPrefixesOverlap", message));
        }
        ranges.push(range);
    }
    Ok(ranges)
}

fn patch(state: &mut State, call: &Call) -> Result<Reply, Refusal> {
    let body = call.body()?;
    let id = find(state, call)?.id.to_ascii_lowercase();
    if let (Some(network), true) = (state.arm.networks.get_mut(&id), body["tags"].is_object()) {
        network.tags = body["tags"].clone();
    }
    get(state, call)
}

fn delete(state: &mut State, call: &Call) -> Result<Reply, Refusal> {
    let Ok(network) = find(state, call) else { return Ok(Reply::status(204)) };
    let (id, location) = (network.id.clone(), network.location.clone());
    refuse_busy(state, call, &id)?;
    network.subnets.iter().try_for_each(|subnet| links::refuse_used(state, network, subnet))?;
    let operation = operations::delete(state, &id);
    Ok(operations::accepted_deletion(NAMESPACE, call, &location, operation))
}
