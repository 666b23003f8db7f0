//! Microsoft.Network.

use serde_json::{Value, json};

use super::{Place, Resource, ResourceGroupId, ResourceKind};

/// The service that a subnet of container groups is delegated to.
const DELEGATE: &str = "Microsoft.ContainerInstance/containerGroups";

/// A rule of a network security group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecurityRule {
    /// Its name.
    pub name: String,
    /// The lower, the earlier it is asked: 100 to 4096.
    pub priority: u32,
    /// Whether it is about what comes in, or what goes out.
    pub inbound: bool,
    /// Whether it lets pass.
    pub allow: bool,
    /// Where from: `*`, a range of addresses, or a service tag.
    pub source: String,
    /// Where to.
    pub destination: String,
    /// Port or range of ports; `*` for all.
    pub ports: String,
}

/// A subnet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Subnet {
    /// Its name.
    pub name: String,
    /// Its range of addresses.
    pub prefix: String,
    /// Id of its network security group.
    pub security_group: Option<String>,
    /// Id of its NAT gateway.
    pub nat_gateway: Option<String>,
    /// Whether container groups may join it, and nothing else.
    pub for_container_groups: bool,
    /// Services that it reaches directly, and that know it: `Microsoft.Storage`.
    pub service_endpoints: Vec<String>,
}

/// A network security group.
pub fn security_group(
    group: &ResourceGroupId,
    name: &str,
    place: &Place,
    rules: &[SecurityRule],
) -> Resource {
    let rules: Vec<_> = rules.iter().map(security_rule).collect();
    let id = group.resource(ResourceKind::NetworkSecurityGroup, name);
    Resource::new(ResourceKind::NetworkSecurityGroup, id, place.body(&json!({ "securityRules": rules })))
}

fn security_rule(rule: &SecurityRule) -> Value {
    json!({
        "name": rule.name,
        "properties": {
            "priority": rule.priority,
            "direction": if rule.inbound { "Inbound" } else { "Outbound" },
            "access": if rule.allow { "Allow" } else { "Deny" },
            "protocol": "*",
            "sourceAddressPrefix": rule.source,
            "sourcePortRange": "*",
            "destinationAddressPrefix": rule.destination,
            "destinationPortRange": rule.ports,
        },
    })
}

/// A public IP address that stays the same, of the sort that NAT gateways take.
pub fn public_ip_address(group: &ResourceGroupId, name: &str, place: &Place) -> Resource {
    let mut body =
        place.body(&json!({ "publicIPAllocationMethod": "Static", "publicIPAddressVersion": "IPv4" }));
    body["sku"] = json!({ "name": "Standard" });
    Resource::new(ResourceKind::PublicIpAddress, group.resource(ResourceKind::PublicIpAddress, name), body)
}

/// A NAT gateway with the public IP address of that id.
pub fn nat_gateway(group: &ResourceGroupId, name: &str, place: &Place, address: &str) -> Resource {
    let mut body =
        place.body(&json!({ "idleTimeoutInMinutes": 4, "publicIpAddresses": [{ "id": address }] }));
    body["sku"] = json!({ "name": "Standard" });
    Resource::new(ResourceKind::NatGateway, group.resource(ResourceKind::NatGateway, name), body)
}

/// A virtual network.
pub fn virtual_network(
    group: &ResourceGroupId,
    name: &str,
    place: &Place,
    (address_space, subnets): (&str, &[Subnet]),
) -> Resource {
    let subnets: Vec<_> = subnets.iter().map(subnet).collect();
    let properties = json!({ "addressSpace": { "addressPrefixes": [address_space] }, "subnets": subnets });
    let id = group.resource(ResourceKind::VirtualNetwork, name);
    Resource::new(ResourceKind::VirtualNetwork, id, place.body(&properties))
}

fn subnet(subnet: &Subnet) -> Value {
    let mut properties = json!({ "addressPrefix": subnet.prefix });
    if let Some(id) = &subnet.security_group {
        properties["networkSecurityGroup"] = json!({ "id": id });
    }
    if let Some(id) = &subnet.nat_gateway {
        properties["natGateway"] = json!({ "id": id });
    }
    if subnet.for_container_groups {
        properties["delegations"] =
            json!([{ "name": "container-groups", "properties": { "serviceName": DELEGATE } }]);
    }
    if !subnet.service_endpoints.is_empty() {
        let endpoints: Vec<_> =
            subnet.service_endpoints.iter().map(|service| json!({ "service": service })).collect();
        properties["serviceEndpoints"] = json!(endpoints);
    }
    json!({ "name": subnet.name, "properties": properties })
}

/// The id of a subnet.
pub fn subnet_id(group: &ResourceGroupId, network: &str, subnet: &str) -> String {
    format!("{}/subnets/{subnet}", group.resource(ResourceKind::VirtualNetwork, network))
}

/// The id of the link by which Azure Container Instances holds on to a subnet. It may stay when the last container
/// group is gone, and then the subnet can neither be changed nor deleted.
pub fn container_link_id(subnet: &str) -> String {
    format!("{subnet}/providers/Microsoft.ContainerInstance/serviceAssociationLinks/default")
}

#[cfg(test)]
mod tests {
    use super::{SecurityRule, Subnet, nat_gateway, public_ip_address, security_group, virtual_network};
    use crate::resources::tests::{group, place};

    #[test]
    fn a_security_group() {
        let rule = SecurityRule {
            name: "nothing-to-agents".to_owned(),
            priority: 200,
            inbound: true,
            allow: false,
            source: "*".to_owned(),
            destination: "10.10.254.0/23".to_owned(),
            ports: "*".to_owned(),
        };
        insta::assert_json_snapshot!(security_group(&group(), "nsg", &place(), &[rule]).body());
    }

    #[test]
    fn a_way_out() {
        insta::assert_json_snapshot!(public_ip_address(&group(), "ip", &place()).body());
        insta::assert_json_snapshot!(nat_gateway(&group(), "nat", &place(), "/ip").body());
    }

    #[test]
    fn a_network() {
        let plain = Subnet {
            name: "storage".to_owned(),
            prefix: "10.10.8.0/21".to_owned(),
            security_group: Some("/nsg".to_owned()),
            ..Subnet::default()
        };
        let agents = Subnet {
            name: "agents".to_owned(),
            prefix: "10.10.254.0/23".to_owned(),
            security_group: Some("/nsg".to_owned()),
            nat_gateway: Some("/nat".to_owned()),
            for_container_groups: true,
            service_endpoints: vec!["Microsoft.Storage".to_owned()],
        };
        let network = virtual_network(&group(), "vnet", &place(), ("10.10.0.0/16", &[plain, agents]));
        insta::assert_json_snapshot!(network.body());
    }
}
