//! Microsoft.Network, as far as container groups need it: virtual networks with subnets and their delegations.

use hyper::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use super::addresses;
use super::gate::{Call, on};
use super::refusal::Refusal;
use super::regions;
use crate::http::{Reply, Router};

/// The service that a subnet for container groups is delegated to.
pub(super) const DELEGATE: &str = "Microsoft.ContainerInstance/containerGroups";

/// A virtual network.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct VirtualNetwork {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its region.
    pub location: String,
    /// Its tags.
    pub tags: Value,
    /// Its properties, without subnets.
    pub properties: Value,
    /// Its subnets.
    pub subnets: Vec<Subnet>,
}

/// A subnet.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Subnet {
    /// Its name.
    pub name: String,
    /// Its address range.
    pub address_prefix: String,
    /// The services it is delegated to.
    pub delegations: Vec<String>,
    /// Id of the NAT gateway by which it may call out.
    #[serde(default)]
    pub nat_gateway: Option<String>,
    /// Ids of other resources' addresses in it: network interfaces, private endpoints.
    #[serde(default)]
    pub ip_configurations: Vec<String>,
}

impl VirtualNetwork {
    /// The network of the sample: a delegated subnet for agents.
    pub(super) fn sample(resource_group: &str, location: &str) -> Self {
        let id = format!("{resource_group}/providers/Microsoft.Network/virtualNetworks/sampleprivatenetwork");
        Self {
            id,
            name: "sampleprivatenetwork".to_owned(),
            location: location.to_owned(),
            tags: json!({}),
            properties: json!({"addressSpace": {"addressPrefixes": ["10.10.0.0/16"]}}),
            subnets: vec![Subnet {
                name: "azure-devops-agents".to_owned(),
                address_prefix: "10.10.254.0/23".to_owned(),
                delegations: vec![DELEGATE.to_owned()],
                nat_gateway: None,
                ip_configurations: Vec::new(),
            }],
        }
    }
}

pub(super) fn routes(router: &mut Router) {
    let base =
        "/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.Network/virtualNetworks";
    let one = format!("{base}/{{network}}");
    on(router, Method::GET, base, "Microsoft.Network/virtualNetworks/read", list);
    on(router, Method::GET, &one, "Microsoft.Network/virtualNetworks/read", get);
    on(
        router,
        Method::GET,
        &format!("{one}/usages"),
        "Microsoft.Network/virtualNetworks/usages/read",
        usages,
    );
    on(router, Method::PUT, &one, "Microsoft.Network/virtualNetworks/write", put);
    on(router, Method::DELETE, &one, "Microsoft.Network/virtualNetworks/delete", delete);
    let subnets = format!("{one}/subnets");
    let subnet = format!("{subnets}/{{subnet}}");
    on(router, Method::GET, &subnets, "Microsoft.Network/virtualNetworks/subnets/read", subnet_list);
    on(router, Method::GET, &subnet, "Microsoft.Network/virtualNetworks/subnets/read", subnet_get);
    on(router, Method::PUT, &subnet, "Microsoft.Network/virtualNetworks/subnets/write", subnet_put);
    on(router, Method::DELETE, &subnet, "Microsoft.Network/virtualNetworks/subnets/delete", subnet_delete);
}

/// Whether a container group is in this subnet: Azure then holds a link on it.
fn is_used(state: &crate::State, subnet_id: &str) -> bool {
    state
        .arm
        .container_groups
        .values()
        .any(|group| group.subnets().any(|id| id.eq_ignore_ascii_case(subnet_id)))
}

fn show_subnet(state: &crate::State, network: &VirtualNetwork, subnet: &Subnet) -> Value {
    let id = format!("{}/subnets/{}", network.id, subnet.name);
    let delegations: Vec<Value> = subnet
        .delegations
        .iter()
        .enumerate()
        .map(|(index, service)| {
            json!({
                "name": index.to_string(), "id": format!("{id}/delegations/{index}"),
                "type": "Microsoft.Network/virtualNetworks/subnets/delegations",
                "properties": {
                    "provisioningState": "Succeeded", "serviceName": service,
                    "actions": ["Microsoft.Network/virtualNetworks/subnets/action"],
                },
            })
        })
        .collect();
    let mut properties = json!({
        "provisioningState": "Succeeded", "addressPrefix": subnet.address_prefix, "delegations": delegations,
        "privateEndpointNetworkPolicies": "Disabled", "privateLinkServiceNetworkPolicies": "Enabled",
    });
    if let Some(gateway) = &subnet.nat_gateway {
        properties["natGateway"] = json!({"id": gateway});
    }
    if !subnet.ip_configurations.is_empty() {
        let ids = subnet.ip_configurations.iter().map(|id| json!({"id": id}));
        properties["ipConfigurations"] = Value::Array(ids.collect());
    }
    if is_used(state, &id) {
        properties["serviceAssociationLinks"] = json!([{
            "name": "acisal", "id": format!("{id}/serviceAssociationLinks/acisal"),
            "type": "Microsoft.Network/virtualNetworks/subnets/serviceAssociationLinks",
            "properties": {
                "provisioningState": "Succeeded", "linkedResourceType": DELEGATE,
                "enabledForArmDeployments": false, "allowDelete": true, "locations": [network.location],
            },
        }]);
    }
    json!({"id": id, "name": subnet.name, "type": "Microsoft.Network/virtualNetworks/subnets", "properties": properties})
}

fn show(state: &crate::State, network: &VirtualNetwork) -> Value {
    let mut properties = network.properties.clone();
    properties["provisioningState"] = Value::from("Succeeded");
    properties["subnets"] =
        network.subnets.iter().map(|subnet| show_subnet(state, network, subnet)).collect::<Vec<_>>().into();
    json!({
        "id": network.id, "name": network.name, "type": "Microsoft.Network/virtualNetworks",
        "location": network.location, "tags": network.tags, "etag": format!("W/\"{}\"", Uuid::new_v4()),
        "properties": properties,
    })
}

fn id(call: &Call) -> String {
    let (subscription, group) = (call.subscription(), call.param("group"));
    format!(
        "{subscription}/resourceGroups/{group}/providers/Microsoft.Network/virtualNetworks/{}",
        call.param("network")
    )
}

fn find<'a>(state: &'a crate::State, call: &Call) -> Result<&'a VirtualNetwork, Refusal> {
    state.arm.networks.get(&id(call).to_ascii_lowercase()).ok_or_else(|| {
        let name = format!("Microsoft.Network/virtualNetworks/{}", call.param("network"));
        Refusal::not_found(&name, call.param("group"))
    })
}

/// A subnet out of a body, which is a subnet's own or part of its network's.
fn parse_subnet(body: &Value, name: &str) -> Result<Subnet, Refusal> {
    let properties = &body["properties"];
    let prefix = properties["addressPrefix"].as_str().or_else(|| properties["addressPrefixes"][0].as_str());
    let prefix = prefix.ok_or_else(|| {
        let message = format!("Address prefix string for resource {name} cannot be null or empty.");
        Refusal::new(400, "InvalidAddressPrefixFormat", message)
    })?;
    let delegations = properties["delegations"].as_array().into_iter().flatten();
    let delegations = delegations.filter_map(|delegation| delegation["properties"]["serviceName"].as_str());
    Ok(Subnet {
        name: name.to_owned(),
        address_prefix: prefix.to_owned(),
        delegations: delegations.map(str::to_owned).collect(),
        nat_gateway: properties["natGateway"]["id"].as_str().map(str::to_owned),
        ip_configurations: Vec::new(),
    })
}

fn list(state: &mut crate::State, call: &Call) -> Result<Reply, Refusal> {
    let within =
        format!("{}/resourcegroups/{}/", call.subscription(), call.param("group")).to_ascii_lowercase();
    let networks = state.arm.networks.iter().filter(|(key, _)| key.starts_with(&within));
    let shown: Vec<Value> = networks.map(|(_, network)| show(state, network)).collect();
    Ok(Reply::json(200, &json!({"value": shown})))
}

fn get(state: &mut crate::State, call: &Call) -> Result<Reply, Refusal> {
    Ok(Reply::json(200, &show(state, find(state, call)?)))
}

/// How full its subnets are.
fn usages(state: &mut crate::State, call: &Call) -> Result<Reply, Refusal> {
    let network = find(state, call)?;
    let shown: Vec<Value> = network
        .subnets
        .iter()
        .map(|subnet| {
            let (used, limit) = addresses::usage(state, network, subnet);
            json!({
                "id": format!("{}/subnets/{}", network.id, subnet.name), "currentValue": used, "limit": limit,
                "unit": "Count", "name": {"value": "SubnetSpace", "localizedValue": "Subnet size and usage"},
            })
        })
        .collect();
    Ok(Reply::json(200, &json!({"value": shown})))
}

fn put(state: &mut crate::State, call: &Call) -> Result<Reply, Refusal> {
    let (body, id) = (call.body()?, id(call));
    let location = body["location"].as_str().map(regions::normalize).ok_or_else(|| {
        Refusal::new(400, "LocationRequired", "The location property is required for this definition.")
    })?;
    let mut properties = body["properties"].clone();
    let subnets = properties["subnets"].take();
    let subnets = subnets.as_array().into_iter().flatten();
    let subnets: Result<Vec<Subnet>, Refusal> =
        subnets.map(|subnet| parse_subnet(subnet, subnet["name"].as_str().unwrap_or_default())).collect();
    let known = state.arm.networks.get(&id.to_ascii_lowercase());
    let status = if known.is_some() { 200 } else { 201 };
    let network = VirtualNetwork {
        id: id.clone(),
        name: call.param("network").to_owned(),
        location,
        tags: if body["tags"].is_object() { body["tags"].clone() } else { json!({}) },
        properties,
        subnets: subnets?,
    };
    let shown = show(state, &network);
    state.arm.networks.insert(id.to_ascii_lowercase(), network);
    Ok(Reply::json(status, &shown))
}

fn delete(state: &mut crate::State, call: &Call) -> Result<Reply, Refusal> {
    let Ok(network) = find(state, call) else { return Ok(Reply::status(204)) };
    for subnet in &network.subnets {
        refuse_if_used(state, network, subnet)?;
    }
    state.arm.networks.remove(&id(call).to_ascii_lowercase());
    Ok(Reply::status(200))
}

fn refuse_if_used(state: &crate::State, network: &VirtualNetwork, subnet: &Subnet) -> Result<(), Refusal> {
    let id = format!("{}/subnets/{}", network.id, subnet.name);
    if !is_used(state, &id) {
        return Ok(());
    }
    let message = format!(
        "Subnet {} is in use by {id}/serviceAssociationLinks/acisal and cannot be deleted. In order to delete the \
         subnet, delete all the resources within the subnet. See aka.ms/deletesubnet.",
        subnet.name
    );
    Err(Refusal::new(400, "InUseSubnetCannotBeDeleted", message))
}

fn subnet_list(state: &mut crate::State, call: &Call) -> Result<Reply, Refusal> {
    let network = find(state, call)?;
    let shown: Vec<Value> =
        network.subnets.iter().map(|subnet| show_subnet(state, network, subnet)).collect();
    Ok(Reply::json(200, &json!({"value": shown})))
}

fn subnet_get(state: &mut crate::State, call: &Call) -> Result<Reply, Refusal> {
    let (network, name) = (find(state, call)?, call.param("subnet"));
    let subnet = network.subnets.iter().find(|subnet| subnet.name.eq_ignore_ascii_case(name));
    let subnet = subnet.ok_or_else(|| {
        let message = format!("Subnet '{name}' in virtual network '{}' was not found.", network.name);
        Refusal::new(404, "NotFound", message)
    })?;
    Ok(Reply::json(200, &show_subnet(state, network, subnet)))
}

fn subnet_put(state: &mut crate::State, call: &Call) -> Result<Reply, Refusal> {
    let network = find(state, call)?;
    let subnet = parse_subnet(&call.body()?, call.param("subnet"))?;
    let known = network.subnets.iter().position(|other| other.name.eq_ignore_ascii_case(&subnet.name));
    let subnet_id = format!("{}/subnets/{}", network.id, subnet.name);
    let delegated = subnet.delegations.iter().any(|service| service.eq_ignore_ascii_case(DELEGATE));
    if is_used(state, &subnet_id) && !delegated {
        return Err(super::container_groups::delegation_missing(&subnet_id));
    }
    let others = known.and_then(|index| network.subnets[index].ip_configurations.first());
    if let (Some(other), Some(index)) = (others, known)
        && network.subnets[index].delegations != subnet.delegations
    {
        let message = format!(
            "Delegations of subnet {subnet_id} cannot be changed from [{}] to [{}] because it is being used by the \
             resource {other}.",
            network.subnets[index].delegations.join(","),
            subnet.delegations.join(",")
        );
        return Err(Refusal::new(400, "SubnetDelegationsCannotChangeWhenSubnetUsedByResource", message));
    }
    if let Some(network) = state.arm.networks.get_mut(&id(call).to_ascii_lowercase()) {
        match known {
            Some(index) => {
                let ip_configurations = std::mem::take(&mut network.subnets[index].ip_configurations);
                network.subnets[index] = Subnet { ip_configurations, ..subnet };
            }
            None => network.subnets.push(subnet),
        }
    }
    let shown = subnet_get(state, call)?;
    Ok(if known.is_some() { shown } else { Reply { status: hyper::StatusCode::CREATED, ..shown } })
}

fn subnet_delete(state: &mut crate::State, call: &Call) -> Result<Reply, Refusal> {
    let (network, name) = (find(state, call)?, call.param("subnet"));
    let Some(subnet) = network.subnets.iter().find(|subnet| subnet.name.eq_ignore_ascii_case(name)) else {
        return Ok(Reply::status(204));
    };
    refuse_if_used(state, network, subnet)?;
    if let Some(network) = state.arm.networks.get_mut(&id(call).to_ascii_lowercase()) {
        network.subnets.retain(|subnet| !subnet.name.eq_ignore_ascii_case(name));
    }
    Ok(Reply::status(200))
}
