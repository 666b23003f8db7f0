//! The subnet that agents join.

use std::fmt;

use azure_http::{HttpError, Method};
use serde::Deserialize;

use crate::manager::if_there;
use crate::wire::null_is_nothing;
use crate::{ResourceManager, Subscription};

const API_VERSION: &str = "2024-07-01";

/// The service that a subnet of container groups is delegated to.
const DELEGATE: &str = "Microsoft.ContainerInstance/containerGroups";

/// A subnet's resource id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubnetId {
    id: String,
    network_length: usize,
}

impl SubnetId {
    /// From its parts.
    pub fn from_parts(subscription: &str, resource_group: &str, network: &str, subnet: &str) -> Self {
        let network = format!(
            "/subscriptions/{subscription}/resourceGroups/{resource_group}/providers/Microsoft.Network/virtualNetworks/{network}"
        );
        Self { network_length: network.len(), id: format!("{network}/subnets/{subnet}") }
    }

    /// From a resource id; `None` where it is none of a subnet.
    pub fn parse(id: &str) -> Option<Self> {
        let parts: Vec<_> = id.trim().trim_end_matches('/').strip_prefix('/')?.split('/').collect();
        let words = ["subscriptions", "resourcegroups", "providers", "virtualnetworks", "subnets"];
        let is_word = |(part, word): (&&str, &str)| part.eq_ignore_ascii_case(word);
        let (names, kinds): (Vec<_>, Vec<_>) = parts.chunks_exact(2).map(|pair| (pair[1], pair[0])).collect();
        let [subscription, resource_group, "Microsoft.Network" | "microsoft.network", network, subnet] =
            names.as_slice()
        else {
            return None;
        };
        let is_subnet = parts.len() == 2 * words.len() && kinds.iter().zip(words).all(is_word);
        is_subnet.then(|| Self::from_parts(subscription, resource_group, network, subnet))
    }

    /// The id.
    pub fn as_str(&self) -> &str {
        &self.id
    }

    /// The id of the network it is in.
    pub fn network(&self) -> &str {
        &self.id[..self.network_length]
    }

    /// Its own name.
    pub fn name(&self) -> &str {
        self.id.rsplit('/').next().unwrap_or_default()
    }
}

impl fmt::Display for SubnetId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.id)
    }
}

/// A subnet, as far as agents care.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subnet {
    /// The region of its network; container groups have to be in the same.
    pub location: String,
    /// Whether container groups may join it.
    pub delegated: bool,
    /// Services that it is delegated to.
    pub delegations: Vec<String>,
    /// Whether it has a NAT gateway: the supported way out of it.
    pub has_nat_gateway: bool,
    /// Whether it has a route table, which may lead out through a firewall.
    pub has_route_table: bool,
    /// Id of the security group that decides what goes in and out.
    pub security_group: Option<String>,
    /// Ids of what has an address in it: network interfaces, private endpoints.
    pub others: Vec<String>,
}

/// How full a subnet is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SubnetRoom {
    /// Addresses that are taken.
    pub used: u64,
    /// Addresses there are, without those that Azure keeps for itself.
    pub limit: u64,
}

#[derive(Deserialize)]
struct VirtualNetwork {
    location: String,
    properties: NetworkProperties,
}

#[derive(Deserialize)]
struct NetworkProperties {
    #[serde(default, deserialize_with = "null_is_nothing")]
    subnets: Vec<WireSubnet>,
}

#[derive(Deserialize)]
struct WireSubnet {
    name: String,
    properties: SubnetProperties,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SubnetProperties {
    #[serde(default, deserialize_with = "null_is_nothing")]
    delegations: Vec<Delegation>,
    #[serde(default)]
    nat_gateway: Option<serde_json::Value>,
    #[serde(default)]
    route_table: Option<serde_json::Value>,
    #[serde(default)]
    network_security_group: Option<Reference>,
    #[serde(default, deserialize_with = "null_is_nothing")]
    ip_configurations: Vec<Reference>,
}

#[derive(Deserialize)]
struct Reference {
    id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct NetworkUsage {
    #[serde(default)]
    id: String,
    #[serde(default)]
    current_value: f64,
    #[serde(default)]
    limit: f64,
}

#[derive(Deserialize)]
struct Delegation {
    properties: DelegationProperties,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct DelegationProperties {
    service_name: String,
}

impl Subscription {
    /// The subnet, if it is there. One request: the network's answer holds its subnets and the region.
    pub async fn subnet(&self, id: &SubnetId) -> Result<Option<Subnet>, HttpError> {
        let manager: &ResourceManager = self.manager();
        let request = manager.by_id(Method::Get, id.network(), API_VERSION);
        let Some(response) = if_there(manager.send(request).await)? else { return Ok(None) };
        let network: VirtualNetwork = response.json()?;
        let found =
            network.properties.subnets.into_iter().find(|subnet| subnet.name.eq_ignore_ascii_case(id.name()));
        Ok(found.map(|subnet| {
            let properties = subnet.properties;
            let SubnetProperties { delegations, ip_configurations, .. } = properties;
            let delegations: Vec<_> =
                delegations.into_iter().map(|delegation| delegation.properties.service_name).collect();
            Subnet {
                location: network.location,
                delegated: delegations.iter().any(|service| service.eq_ignore_ascii_case(DELEGATE)),
                delegations,
                has_nat_gateway: properties.nat_gateway.is_some(),
                has_route_table: properties.route_table.is_some(),
                security_group: properties.network_security_group.map(|group| group.id),
                others: ip_configurations.into_iter().map(|reference| reference.id).collect(),
            }
        }))
    }

    /// How full the subnet is, if the network says so.
    pub async fn subnet_room(&self, id: &SubnetId) -> Result<Option<SubnetRoom>, HttpError> {
        let usages = format!("{}/usages", id.network());
        let request = self.manager().by_id(Method::Get, &usages, API_VERSION);
        let usages: Vec<NetworkUsage> = self.manager().pages(request).await?;
        let own = usages.into_iter().find(|usage| usage.id.eq_ignore_ascii_case(id.as_str()));
        // No subnet has room for nothing: then it is a number that was not given.
        let own = own.filter(|usage| usage.limit >= 1.0);
        Ok(own.map(|usage| SubnetRoom { used: count(usage.current_value), limit: count(usage.limit) }))
    }
}

/// The service writes these counts as numbers with a fraction.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to what fits")]
fn count(number: f64) -> u64 {
    number.clamp(0.0, f64::from(u32::MAX)) as u64
}

#[cfg(test)]
mod tests {
    use super::SubnetId;

    #[test]
    fn an_id_reads_back_in_any_case() {
        let id = SubnetId::from_parts("s", "g", "v", "agents");
        let shouted = id.as_str().replace("resourceGroups", "RESOURCEGROUPS");
        assert_eq!(SubnetId::parse(&shouted), Some(id.clone()));
        assert_eq!(
            id.network(),
            "/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/virtualNetworks/v"
        );
        assert_eq!(id.name(), "agents");
        for other in ["", "agents", id.network()] {
            assert_eq!(SubnetId::parse(other), None, "{other}");
        }
    }
}
