//! What the sample consists of: settings to resources, in the order in which they can be made. Pure.

use std::collections::BTreeMap;

use azure_resources::resources::authorization::{
    ACR_PULL, Grant, PROVISION_ACTIONS, TAKE_DOWN_ACTIONS, identity, number_of, principal_of,
    role_assignment, role_definition, role_id,
};
use azure_resources::resources::network::{
    SecurityRule, Subnet, nat_gateway, public_ip_address, security_group, subnet_id, virtual_network,
};
use azure_resources::resources::registry::registry;
use azure_resources::resources::{Place, Resource, ResourceGroupId, resource_group, storage};

use crate::settings::sample::Sample;

/// The tag of everything that the sample made.
pub(crate) const MADE_BY: (&str, &str) = ("managed-by", "ephemeral-agents-sample");

/// The identity that deletes container groups from within.
pub(crate) const TAKE_DOWN_IDENTITY: &str = "ephemeral-agents-take-down";

/// The identity that pulls images.
pub(crate) const PULL_IDENTITY: &str = "ephemeral-agents-pull";

/// A role of the sample's own.
struct OwnRole {
    /// What its number is made of.
    key: &'static str,
    /// What people call it.
    what: &'static str,
    /// What it allows.
    actions: &'static [&'static str],
}

/// For the identity in the containers.
const TAKE_DOWN: OwnRole =
    OwnRole { key: "take-down", what: "Ephemeral agent take-down", actions: &TAKE_DOWN_ACTIONS };

/// For a pipeline's service connection.
const PROVISION: OwnRole =
    OwnRole { key: "provision", what: "Ephemeral agent provisioner", actions: &PROVISION_ACTIONS };

/// For the same, to get at the storage account from within the network.
const DEPLOY: OwnRole = OwnRole {
    key: "deploy",
    what: "Ephemeral agent storage access",
    actions: &["Microsoft.Storage/storageAccounts/read", "Microsoft.Storage/storageAccounts/listKeys/action"],
};

/// A part of the sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// The network.
    Network,
    /// The registry, and who pulls from it.
    Registry,
    /// The storage account.
    Storage,
    /// The identity in the containers, and the roles of whoever provisions.
    Agents,
}

impl Part {
    /// All of them, in the order in which they can be made.
    pub(crate) const ALL: [Self; 4] = [Self::Network, Self::Registry, Self::Storage, Self::Agents];
}

impl Sample {
    /// The resource group of everything but the network.
    pub(crate) fn group(&self) -> ResourceGroupId {
        ResourceGroupId::new(&self.subscription, &self.resource_group)
    }

    /// The resource group of the network.
    pub(crate) fn network_group(&self) -> ResourceGroupId {
        ResourceGroupId::new(&self.subscription, &self.network_group)
    }

    /// The id of the agents' subnet.
    pub(crate) fn agents_subnet(&self) -> String {
        subnet_id(&self.network_group(), &self.network, &self.subnet)
    }

    fn place(&self) -> Place {
        let tags = BTreeMap::from([(MADE_BY.0.to_owned(), MADE_BY.1.to_owned())]);
        Place { location: self.location.clone(), tags }
    }

    fn range(&self, third: u8, bits: u8) -> String {
        let (first, second) = self.addresses;
        format!("{first}.{second}.{third}.0/{bits}")
    }
}

/// Every resource of these parts; what another needs stands before it.
pub(crate) fn resources(sample: &Sample, parts: &[Part]) -> Vec<Resource> {
    let mut all: Vec<Resource> = Vec::new();
    for part in parts {
        let more = match part {
            Part::Network => network(sample),
            Part::Registry => images(sample),
            Part::Storage => files(sample),
            Part::Agents => agents(sample),
        };
        for resource in more {
            if all.iter().all(|known| known.id() != resource.id()) {
                all.push(resource);
            }
        }
    }
    all
}

fn network(sample: &Sample) -> Vec<Resource> {
    let (group, place) = (sample.network_group(), sample.place());
    let for_agents = sample.range(254, 23);
    let rule = SecurityRule {
        name: "nothing-to-agents".to_owned(),
        priority: 200,
        inbound: true,
        allow: false,
        source: "*".to_owned(),
        destination: for_agents.clone(),
        ports: "*".to_owned(),
    };
    let rules = security_group(&group, &format!("{}-nsg", sample.network), &place, &[rule]);
    let address = public_ip_address(&group, &format!("{}-nat-ip", sample.network), &place);
    let gateway = nat_gateway(&group, &format!("{}-nat", sample.network), &place, address.id());
    let plain = |name: &str, prefix: String| Subnet {
        name: name.to_owned(),
        prefix,
        security_group: Some(rules.id().to_owned()),
        ..Subnet::default()
    };
    let subnets = [
        plain("compute", sample.range(0, 21)),
        plain("storage", sample.range(8, 21)),
        plain("data", sample.range(16, 21)),
        plain("bastion", sample.range(250, 23)),
        Subnet {
            nat_gateway: Some(gateway.id().to_owned()),
            for_container_groups: true,
            service_endpoints: vec!["Microsoft.Storage".to_owned()],
            ..plain(&sample.subnet, for_agents)
        },
    ];
    let network = virtual_network(&group, &sample.network, &place, (&sample.range(0, 16), &subnets));
    vec![resource_group(&group, &place), rules, address, gateway, network]
}

fn images(sample: &Sample) -> Vec<Resource> {
    let (group, place) = (sample.group(), sample.place());
    let registry = registry(&group, &sample.registry, &place);
    let puller = identity(&group, PULL_IDENTITY, &place);
    let mut all = vec![resource_group(&group, &place), registry.clone(), puller.clone()];
    if !sample.without_roles {
        let pull = |principal: String, to_whom: &str| {
            let label = format!("AcrPull for {to_whom}");
            let (scope, role) = (registry.id().to_owned(), role_id(&sample.subscription, ACR_PULL));
            role_assignment(&group, &Grant { scope, role, key: "pull".to_owned(), principal, label })
        };
        all.push(pull(principal_of(puller.id()), PULL_IDENTITY));
        // A service connection to the registry pulls by itself.
        all.extend(sample.provisioner.clone().map(|who| pull(who, "the provisioner")));
    }
    all
}

fn files(sample: &Sample) -> Vec<Resource> {
    let (group, place) = (sample.group(), sample.place());
    let account = storage::account(&group, &sample.storage_account, &place, &[sample.agents_subnet()]);
    let container = storage::blob_container(&account, &sample.blob_container);
    vec![resource_group(&group, &place), account, container]
}

fn agents(sample: &Sample) -> Vec<Resource> {
    let (group, place) = (sample.group(), sample.place());
    let own = identity(&group, TAKE_DOWN_IDENTITY, &place);
    let mut all = vec![resource_group(&group, &place), own.clone()];
    if sample.without_roles {
        return all;
    }
    let network = sample.network_group();
    let define = |role: &OwnRole, elsewhere: &[&ResourceGroupId]| {
        role_definition(&group, (role.key, role.what), elsewhere, role.actions)
    };
    let grant = |role: &OwnRole, scope: String, principal: String, to_whom: &str| {
        let number = number_of(&define(role, &[])).to_owned();
        let label = format!("{} {to_whom}", role.what);
        let role_id = role_id(&sample.subscription, &number);
        role_assignment(&group, &Grant { scope, role: role_id, key: role.key.to_owned(), principal, label })
    };
    all.extend([define(&TAKE_DOWN, &[]), define(&PROVISION, &[&network]), define(&DEPLOY, &[])]);
    let to_own = format!("for {TAKE_DOWN_IDENTITY}");
    all.push(grant(&TAKE_DOWN, group.id(), principal_of(own.id()), &to_own));
    if let Some(who) = &sample.provisioner {
        let over = |group: &ResourceGroupId| format!("over {}, for the provisioner", group.name());
        all.push(grant(&PROVISION, group.id(), who.clone(), &over(&group)));
        if network != group {
            all.push(grant(&PROVISION, network.id(), who.clone(), &over(&network)));
        }
        all.push(grant(&DEPLOY, group.id(), who.clone(), &over(&group)));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::{Part, resources};
    use crate::sample::fake::sample;

    #[test]
    fn everything_in_an_order_in_which_it_can_be_made() {
        let all = resources(&sample(), &Part::ALL);
        let words: Vec<_> = all.iter().map(azure_resources::resources::Resource::in_words).collect();
        insta::assert_snapshot!(words.join("\n"));
        for (position, resource) in all.iter().enumerate() {
            let body = resource.body().to_string();
            let later = all[position + 1..].iter().find(|later| body.contains(&format!("{}\"", later.id())));
            assert!(later.is_none(), "{} needs {:?}", resource.in_words(), later);
        }
    }

    #[test]
    fn the_agents_subnet_is_where_the_network_has_it() {
        let sample = sample();
        let network = resources(&sample, &[Part::Network]).pop().expect("the network is last");
        insta::assert_json_snapshot!(network.body());
        assert!(sample.agents_subnet().starts_with(network.id()));
    }

    #[test]
    fn without_roles_there_are_none() {
        let without = crate::settings::sample::Sample { without_roles: true, ..sample() };
        let kinds: Vec<_> =
            resources(&without, &Part::ALL).iter().map(|resource| resource.kind().words()).collect();
        assert!(!kinds.iter().any(|kind| kind.starts_with("role")), "{kinds:?}");
    }
}
