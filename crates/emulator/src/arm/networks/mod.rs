//! Microsoft.Network, as far as container groups need it.
//!
//! | module | part |
//! |---|---|
//! | `virtual_networks` | virtual networks, whole |
//! | `subnets` | their subnets, and what is checked about them |
//! | `links` | what container groups leave on a subnet |
//! | `nat_gateways`, `public_addresses` | the way out |
//! | `security_groups`, `rules` | what is allowed through, and how that is decided |

mod links;
mod nat_gateways;
mod public_addresses;
mod rules;
mod security_groups;
mod subnets;
mod virtual_networks;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::Digest as _;
use uuid::Uuid;

pub(super) use super::addresses::joined;
pub(super) use links::group_left;
pub(super) use subnets::remove as remove_subnet;

use super::gate::Call;
use super::operations;
use super::refusal::Refusal;
use super::resources::{Resource, Show};
use crate::State;
use crate::http::{Reply, Router};

/// The provider.
const NAMESPACE: &str = "Microsoft.Network";

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
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subnet {
    /// Its name.
    pub name: String,
    /// Its address range.
    pub address_prefix: String,
    /// The services it is delegated to.
    pub delegations: Vec<Delegation>,
    /// Id of the NAT gateway by which it may call out.
    #[serde(default)]
    pub nat_gateway: Option<String>,
    /// Id of the security group that filters what goes in and out.
    #[serde(default)]
    pub network_security_group: Option<String>,
    /// The services that see who calls from it, such as `Microsoft.Storage`.
    #[serde(default)]
    pub service_endpoints: Vec<String>,
    /// Ids of other resources' addresses in it: network interfaces, private endpoints.
    #[serde(default)]
    pub ip_configurations: Vec<String>,
    /// Until when the link of container groups that are gone holds it.
    #[serde(default)]
    pub leftover_link: Option<Timestamp>,
}

/// A service that a subnet is kept for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delegation {
    /// What its maker calls it.
    pub name: String,
    /// Which service.
    pub service: String,
}

impl From<&str> for Delegation {
    /// The only one of a subnet, called as the Azure CLI calls it.
    fn from(service: &str) -> Self {
        Self { name: "0".to_owned(), service: service.to_owned() }
    }
}

impl Subnet {
    /// Whether it is kept for a service.
    pub(super) fn is_delegated_to(&self, service: &str) -> bool {
        self.delegations.iter().any(|delegation| delegation.service.eq_ignore_ascii_case(service))
    }
}

impl VirtualNetwork {
    /// The ids of its subnets.
    pub(super) fn subnet_ids(&self) -> impl Iterator<Item = String> {
        self.subnets.iter().map(|subnet| self.id_of(subnet))
    }

    fn id_of(&self, subnet: &Subnet) -> String {
        format!("{}/subnets/{}", self.id, subnet.name)
    }

    /// The network of the sample: a delegated subnet for agents.
    pub(super) fn sample(resource_group: &str, location: &str) -> Self {
        let id = format!("{resource_group}/providers/Microsoft.Network/virtualNetworks/sampleprivatenetwork");
        Self {
            id,
            name: "sampleprivatenetwork".to_owned(),
            location: location.to_owned(),
            tags: json!({}),
            properties: json!({"addressSpace": {"addressPrefixes": ["10.10.0.0/16"]}, GUID: Uuid::new_v4()}),
            subnets: vec![Subnet {
                name: "azure-devops-agents".to_owned(),
                address_prefix: "10.10.254.0/23".to_owned(),
                delegations: vec![DELEGATE.into()],
                ..Subnet::default()
            }],
        }
    }
}

pub(super) fn routes(router: &mut Router) {
    virtual_networks::routes(router);
    subnets::routes(router);
    links::routes(router);
    nat_gateways::routes(router);
    public_addresses::routes(router);
    security_groups::routes(router);
}

/// Whether what runs in a subnet may call out: it has a NAT gateway with a public address, and its security group does
/// not forbid it.
pub(super) fn has_way_out(state: &State, subnet: &Subnet) -> bool {
    let Some(gateway) = &subnet.nat_gateway else { return false };
    nat_gateways::has_address(state, gateway)
        && rules::may_call_out(&security_groups::rules_of(state, subnet))
}

/// Whether what runs in a subnet may reach a service of Azure, such as `Microsoft.Storage`, over HTTPS.
pub(super) fn may_reach(state: &State, subnet: &Subnet, service: &str) -> bool {
    let tag = service.trim_start_matches("Microsoft.");
    rules::may_reach(&security_groups::rules_of(state, subnet), tag)
}

/// What refers to a resource: the ids of the subnets and NAT gateways that use it.
fn users(state: &State, id: &str) -> Vec<String> {
    let is_it = |other: &Option<String>| other.as_ref().is_some_and(|other| other.eq_ignore_ascii_case(id));
    let subnets = state.arm.networks.values().flat_map(|network| {
        let using = network.subnets.iter();
        using
            .filter(|subnet| is_it(&subnet.nat_gateway) || is_it(&subnet.network_security_group))
            .map(|subnet| network.id_of(subnet))
    });
    let gateways =
        state.arm.resources.values().filter(|resource| {
            nat_gateways::addresses(resource).any(|address| address.eq_ignore_ascii_case(id))
        });
    subnets.chain(gateways.map(|gateway| gateway.id.clone())).collect()
}

/// What of a resource group cannot go since something that stays uses it. `within` is what ids in the group begin
/// with, in the lower case; so are the ids that this gives.
pub(super) fn used_from_without(state: &State, within: &str) -> Vec<String> {
    let stays = |user: &str| !user.to_ascii_lowercase().starts_with(within);
    let networks = state.arm.networks.iter().filter(|(key, _)| key.starts_with(within));
    let mut blocked: Vec<String> = networks
        .filter(|(_, network)| {
            let mut subnets = network.subnets.iter();
            subnets.any(|subnet| {
                let mut groups = links::groups(state, network, subnet);
                links::is_left_over(state, subnet) || groups.any(|group| stays(&group.id))
            })
        })
        .map(|(key, _)| key.clone())
        .collect();
    // Gateways before their addresses.
    for kind in [nat_gateways::KIND, security_groups::KIND, public_addresses::KIND] {
        let resources = state.arm.resources.iter().filter(|(key, _)| key.starts_with(within));
        let kept = resources.filter(|(_, resource)| resource.kind == kind).filter(|(_, resource)| {
            users(state, &resource.id).iter().any(|user| {
                let user = user.to_ascii_lowercase();
                stays(&user) || blocked.iter().any(|id| user.starts_with(id.as_str()))
            })
        });
        let kept: Vec<String> = kept.map(|(key, _)| key.clone()).collect();
        blocked.extend(kept);
    }
    blocked
}

/// One change at a time: another one is refused until that is done.
fn refuse_busy(state: &State, call: &Call, id: &str) -> Result<(), Refusal> {
    let Some(operation) = operations::pending(state, id) else { return Ok(()) };
    let message = format!(
        "Another operation on this or dependent resource is in progress. To retrieve status of the operation use uri: \
         {}.",
        operations::url_of(NAMESPACE, call, "westeurope", operation.id)
    );
    Err(Refusal::new(429, "AnotherOperationInProgress", message))
}

/// A resource that another one names must be there, in the same region.
fn require_reference(state: &State, from: &str, id: &str, kind: &str, location: &str) -> Result<(), Refusal> {
    let found = state.arm.resources.get(&id.to_ascii_lowercase());
    if found.is_some_and(|resource| resource.kind == kind && resource.location == location) {
        return Ok(());
    }
    let message = format!(
        "Resource {id} referenced by resource {from} was not found. Please make sure that the referenced resource \
         exists, and that both resources are in the same region."
    );
    Err(Refusal::new(400, "InvalidResourceReference", message))
}

/// Keeps a resource as its maker wrote it, and replies as to a change that goes on.
fn keep(state: &mut State, call: &Call, mut resource: Resource, show: Show) -> Reply {
    let (id, location) = (resource.id.clone(), resource.location.clone());
    let known = state.arm.resources.get(&id.to_ascii_lowercase());
    let status = if known.is_some() { 200 } else { 201 };
    resource.properties[GUID] = guid(known.map(|known| &known.properties));
    let operation = operations::settle(state, &id);
    let shown = show(state, &resource);
    state.arm.resources.insert(id.to_ascii_lowercase(), resource);
    operations::accepted(Reply::json(status, &shown), NAMESPACE, call, &location, operation)
}

/// The member of properties by which a network resource is told from one that had its name before.
const GUID: &str = "resourceGuid";

/// That of a resource: as it was, or a new one.
fn guid(known: Option<&Value>) -> Value {
    let known = known.map(|properties| properties[GUID].clone()).filter(Value::is_string);
    known.unwrap_or_else(|| json!(Uuid::new_v4()))
}

/// What is shown of a resource, with its tag.
fn tagged(mut shown: Value) -> Value {
    shown["etag"] = Value::from(etag(&shown["properties"]));
    shown
}

/// Changes with what it is the tag of, and only then.
fn etag(properties: &Value) -> String {
    let digest = sha2::Sha256::digest(properties.to_string());
    let id: [u8; 16] = std::array::from_fn(|index| digest[index]);
    format!("W/\"{}\"", Uuid::from_bytes(id))
}

/// A value that is no range of addresses where one has to be.
fn invalid_prefix(prefix: &str, of: &str) -> Refusal {
    let message = format!(
        "Address prefix {prefix} of resource {of} is not formatted correctly. It should follow CIDR notation, for \
         example 10.0.0.0/24."
    );
    Refusal::new(400, "InvalidAddressPrefixFormat", message)
}
