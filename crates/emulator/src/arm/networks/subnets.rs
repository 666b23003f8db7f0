//! The subnets of a virtual network, and what is checked about them.

use hyper::Method;
use serde_json::{Value, json};

use super::virtual_networks::{find, space};
use super::{
    DELEGATE, Delegation, NAMESPACE, Subnet, VirtualNetwork, etag, invalid_prefix, links, nat_gateways,
    refuse_busy, require_reference, security_groups,
};
use crate::State;
use crate::arm::addresses::Range;
use crate::arm::gate::{Call, on};
use crate::arm::operations;
use crate::arm::refusal::Refusal;
use crate::arm::{container_groups, pages};
use crate::http::{Reply, Router};

/// Azure gives a subnet no fewer addresses than a range with so many bits has.
const LONGEST_PREFIX: u32 = 29;

pub(super) fn routes(router: &mut Router) {
    let all = "/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.Network/virtualNetworks/{name}/subnets";
    let one = format!("{all}/{{subnet}}");
    on(router, Method::GET, all, "Microsoft.Network/virtualNetworks/subnets/read", list);
    on(router, Method::GET, &one, "Microsoft.Network/virtualNetworks/subnets/read", get);
    on(router, Method::PUT, &one, "Microsoft.Network/virtualNetworks/subnets/write", put);
    on(router, Method::DELETE, &one, "Microsoft.Network/virtualNetworks/subnets/delete", delete);
}

pub(super) fn show(state: &State, network: &VirtualNetwork, subnet: &Subnet) -> Value {
    let id = network.id_of(subnet);
    let delegation = |delegation: &Delegation| {
        json!({
            "name": delegation.name, "id": format!("{id}/delegations/{}", delegation.name),
            "type": "Microsoft.Network/virtualNetworks/subnets/delegations",
            "properties": {
                "provisioningState": "Succeeded", "serviceName": delegation.service,
                "actions": ["Microsoft.Network/virtualNetworks/subnets/action"],
            },
        })
    };
    let delegations: Vec<Value> = subnet.delegations.iter().map(delegation).collect();
    let mut properties = json!({
        "provisioningState": operations::provisioning(state, &id), "addressPrefix": subnet.address_prefix,
        "delegations": delegations, "privateEndpointNetworkPolicies": "Disabled",
        "privateLinkServiceNetworkPolicies": "Enabled",
    });
    if let Some(gateway) = &subnet.nat_gateway {
        properties["natGateway"] = json!({"id": gateway});
    }
    if let Some(group) = &subnet.network_security_group {
        properties["networkSecurityGroup"] = json!({"id": group});
    }
    if !subnet.service_endpoints.is_empty() {
        let endpoints = subnet.service_endpoints.iter().map(|service| {
            json!({"provisioningState": "Succeeded", "service": service, "locations": [network.location]})
        });
        properties["serviceEndpoints"] = Value::Array(endpoints.collect());
    }
    if !subnet.ip_configurations.is_empty() {
        let ids = subnet.ip_configurations.iter().map(|id| json!({"id": id}));
        properties["ipConfigurations"] = Value::Array(ids.collect());
    }
    if links::is_held(state, network, subnet) {
        properties["serviceAssociationLinks"] = json!([links::show(network, subnet)]);
    }
    let etag = etag(&properties);
    for delegation in properties["delegations"].as_array_mut().into_iter().flatten() {
        delegation["etag"] = Value::from(etag.as_str());
    }
    json!({
        "id": id, "name": subnet.name, "type": "Microsoft.Network/virtualNetworks/subnets", "etag": etag,
        "properties": properties,
    })
}

/// A subnet out of a body, which is a subnet's own or part of its network's.
pub(super) fn parse(body: &Value, name: &str) -> Result<Subnet, Refusal> {
    let properties = &body["properties"];
    let prefix = properties["addressPrefix"].as_str().or_else(|| properties["addressPrefixes"][0].as_str());
    let prefix = prefix.ok_or_else(|| {
        let message = format!("Address prefix string for resource {name} cannot be null or empty.");
        Refusal::new(400, "InvalidAddressPrefixFormat", message)
    })?;
    let texts = |list: &str, pointer: &str| -> Vec<String> {
        let entries = properties[list].as_array().into_iter().flatten();
        entries.filter_map(|entry| entry.pointer(pointer)?.as_str()).map(str::to_owned).collect()
    };
    let id = |member: &str| properties[member]["id"].as_str().map(str::to_owned);
    Ok(Subnet {
        name: name.to_owned(),
        address_prefix: prefix.to_owned(),
        delegations: delegations(properties),
        nat_gateway: id("natGateway"),
        network_security_group: id("networkSecurityGroup"),
        service_endpoints: texts("serviceEndpoints", "/service"),
        ip_configurations: Vec::new(),
        leftover_link: None,
    })
}

/// The delegations of a subnet's properties.
fn delegations(properties: &Value) -> Vec<Delegation> {
    let entries = properties["delegations"].as_array().into_iter().flatten();
    entries
        .filter_map(|entry| {
            let service = entry.pointer("/properties/serviceName")?.as_str()?.to_owned();
            Some(Delegation { name: entry["name"].as_str().unwrap_or("0").to_owned(), service })
        })
        .collect()
}

/// Checks a subnet as it is to be against what it was and the others of its network, and keeps what it holds.
pub(super) fn check(
    state: &State,
    network: &VirtualNetwork,
    before: Option<&Subnet>,
    subnet: Subnet,
) -> Result<Subnet, Refusal> {
    let id = network.id_of(&subnet);
    check_range(network, &subnet)?;
    if let Some(gateway) = &subnet.nat_gateway {
        require_reference(state, &id, gateway, nat_gateways::KIND, &network.location)?;
    }
    if let Some(group) = &subnet.network_security_group {
        require_reference(state, &id, group, security_groups::KIND, &network.location)?;
    }
    let Some(before) = before else { return Ok(subnet) };
    let delegated = subnet.is_delegated_to(DELEGATE);
    if links::is_held(state, network, before) && !delegated {
        return Err(container_groups::delegation_missing(&id));
    }
    if links::groups(state, network, before).next().is_some()
        && before.address_prefix != subnet.address_prefix
    {
        let message = format!("Subnet {} is in use and cannot be updated.", subnet.name);
        return Err(Refusal::new(400, "InUsePrefixCannotBeDeleted", message));
    }
    let services = |subnet: &Subnet| {
        let services = subnet.delegations.iter().map(|delegation| delegation.service.as_str());
        services.collect::<Vec<_>>().join(",")
    };
    let (was, is) = (services(before), services(&subnet));
    if let (Some(other), true) = (before.ip_configurations.first(), was != is) {
        let message = format!(
            "Delegations of subnet {id} cannot be changed from [{was}] to [{is}] because it is being used by the \
             resource {other}."
        );
        return Err(Refusal::new(400, "SubnetDelegationsCannotChangeWhenSubnetUsedByResource", message));
    }
    let (ip_configurations, leftover_link) = (before.ip_configurations.clone(), before.leftover_link);
    Ok(Subnet { ip_configurations, leftover_link, ..subnet })
}

/// A subnet's range lies in its network's and apart from the others'.
fn check_range(network: &VirtualNetwork, subnet: &Subnet) -> Result<(), Refusal> {
    let (name, prefix) = (&subnet.name, &subnet.address_prefix);
    let id = network.id_of(subnet);
    let range = Range::parse(prefix).ok_or_else(|| invalid_prefix(prefix, &id))?;
    range.require_aligned(prefix, &id)?;
    let invalid = |code: &'static str, why: String| {
        Err(Refusal::new(
            400,
            code,
            format!("Subnet '{name}' is not valid {why} virtual network '{}'.", network.name),
        ))
    };
    if range.bits() > LONGEST_PREFIX {
        return invalid("NetcfgInvalidSubnet", format!("because it is smaller than /{LONGEST_PREFIX} in"));
    }
    if !space(network)?.iter().any(|whole| whole.covers(range)) {
        let why = "because its IP address range is outside the IP address range of";
        return invalid("NetcfgSubnetRangeOutsideVnet", why.to_owned());
    }
    let others = network.subnets.iter().filter(|other| !other.name.eq_ignore_ascii_case(name));
    let mut ranges = others.filter_map(|other| Range::parse(&other.address_prefix));
    if ranges.any(|other| other.overlaps(range)) {
        let why = "because its IP address range overlaps with that of an existing subnet in";
        return invalid("NetcfgSubnetRangesOverlap", why.to_owned());
    }
    Ok(())
}

fn list(state: &mut State, call: &Call) -> Result<Reply, Refusal> {
    let network = find(state, call)?;
    let shown = network.subnets.iter().map(|subnet| show(state, network, subnet)).collect();
    Ok(pages::page(state, call, shown))
}

/// The subnet that a path names, with its network.
pub(super) fn named<'a>(state: &'a State, call: &Call) -> Result<(&'a VirtualNetwork, &'a Subnet), Refusal> {
    let (network, name) = (find(state, call)?, call.param("subnet"));
    let subnet = network.subnets.iter().find(|subnet| subnet.name.eq_ignore_ascii_case(name));
    let subnet = subnet.ok_or_else(|| {
        let message = format!("Subnet '{name}' in virtual network '{}' was not found.", network.name);
        Refusal::new(404, "NotFound", message)
    })?;
    Ok((network, subnet))
}

fn get(state: &mut State, call: &Call) -> Result<Reply, Refusal> {
    let (network, subnet) = named(state, call)?;
    Ok(Reply::json(200, &show(state, network, subnet)))
}

fn put(state: &mut State, call: &Call) -> Result<Reply, Refusal> {
    let network = find(state, call)?;
    let asked = parse(&call.body()?, call.param("subnet"))?;
    let (network_id, id, location) = (network.id.clone(), network.id_of(&asked), network.location.clone());
    refuse_busy(state, call, &network_id)?;
    refuse_busy(state, call, &id)?;
    let known = network.subnets.iter().position(|other| other.name.eq_ignore_ascii_case(&asked.name));
    let subnet = check(state, network, known.map(|index| &network.subnets[index]), asked)?;
    if let Some(network) = state.arm.networks.get_mut(&network_id.to_ascii_lowercase()) {
        match known {
            Some(index) => network.subnets[index] = subnet,
            None => network.subnets.push(subnet),
        }
    }
    let operation = operations::settle(state, &id);
    let (network, subnet) = named(state, call)?;
    let reply = Reply::json(if known.is_some() { 200 } else { 201 }, &show(state, network, subnet));
    Ok(operations::accepted(reply, NAMESPACE, call, &location, operation))
}

fn delete(state: &mut State, call: &Call) -> Result<Reply, Refusal> {
    find(state, call)?;
    let Ok((network, subnet)) = named(state, call) else { return Ok(Reply::status(204)) };
    let (id, location) = (network.id_of(subnet), network.location.clone());
    refuse_busy(state, call, &network.id)?;
    refuse_busy(state, call, &id)?;
    links::refuse_used(state, network, subnet)?;
    let operation = operations::delete(state, &id);
    Ok(operations::accepted_deletion(NAMESPACE, call, &location, operation))
}

/// Takes a subnet away whose deletion is done. `id` in any case; another kind of id changes nothing.
pub(in crate::arm) fn remove(state: &mut State, id: &str) {
    let lower = id.to_ascii_lowercase();
    let Some((network, name)) = lower.split_once("/subnets/") else { return };
    if let Some(network) = state.arm.networks.get_mut(network) {
        network.subnets.retain(|subnet| !subnet.name.eq_ignore_ascii_case(name));
    }
}
