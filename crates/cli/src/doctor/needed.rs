//! What whoever provisions has to be allowed, and over what.

use azure_resources::SubnetId;
use azure_resources::resources::ResourceGroupId;

use crate::settings::{Identity, ProvisionSettings, Registry};

/// Actions that are needed over a resource or a resource group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Needed {
    /// Its id.
    pub(super) scope: String,
    /// In words, as "the resource group agents".
    pub(super) words: String,
    /// The actions.
    pub(super) actions: &'static [&'static str],
    /// A built-in role that has all of them.
    pub(super) role: &'static str,
}

const IN_GROUP: &[&str] = &[
    "Microsoft.ContainerInstance/containerGroups/read",
    "Microsoft.ContainerInstance/containerGroups/write",
    "Microsoft.ContainerInstance/containerGroups/delete",
    "Microsoft.ContainerInstance/containerGroups/containers/logs/read",
];

const IN_SUBNET: &[&str] =
    &["Microsoft.Network/virtualNetworks/read", "Microsoft.Network/virtualNetworks/subnets/join/action"];

const OF_IDENTITY: &[&str] = &["Microsoft.ManagedIdentity/userAssignedIdentities/assign/action"];

/// What these settings need.
pub(super) fn needed(settings: &ProvisionSettings) -> Vec<Needed> {
    let azure = &settings.azure;
    let mut all = vec![Needed {
        scope: ResourceGroupId::new(&*azure.subscription, &*azure.resource_group).id(),
        words: format!("the resource group {}", azure.resource_group),
        actions: IN_GROUP,
        role: "Azure Container Instances Contributor Role",
    }];
    if let Some(network) = &settings.network {
        let subnet = SubnetId::from_parts(
            &azure.subscription,
            &network.resource_group,
            &network.name,
            &network.subnet,
        );
        all.push(Needed {
            scope: subnet.as_str().to_owned(),
            words: format!("the subnet {}/{}", network.name, network.subnet),
            actions: IN_SUBNET,
            role: "Network Contributor",
        });
    }
    for id in user_assigned(settings) {
        let name = id.rsplit('/').next().unwrap_or_default();
        all.push(Needed {
            words: format!("the identity {name}"),
            scope: id,
            actions: OF_IDENTITY,
            role: "Managed Identity Operator",
        });
    }
    all
}

/// The user-assigned identities that the container group gets, each once.
fn user_assigned(settings: &ProvisionSettings) -> Vec<String> {
    let mut ids = Vec::new();
    if let Registry::Identity { identity, .. } = &settings.container.registry {
        ids.push(identity.clone());
    }
    if let Some(Identity::UserAssigned(id)) = &settings.life.identity
        && !ids.iter().any(|known| known.eq_ignore_ascii_case(id))
    {
        ids.push(id.clone());
    }
    ids
}

#[cfg(test)]
mod tests {
    use super::needed;
    use crate::fake;
    use crate::settings::{Identity, ProvisionSettings, Registry};

    #[test]
    fn what_is_needed_follows_from_what_is_wanted() {
        let words = |settings: &ProvisionSettings| {
            needed(settings).into_iter().map(|needed| needed.words).collect::<Vec<_>>()
        };
        let mut settings = fake::settings();
        assert_eq!(words(&settings), ["the resource group agents"]);
        settings.network = Some(fake::network());
        settings.life.identity = Some(Identity::UserAssigned("/ids/one".to_owned()));
        settings.container.registry =
            Registry::Identity { server: "r.io".to_owned(), identity: "/IDS/one".to_owned() };
        let all = ["the resource group agents", "the subnet network/for-agents", "the identity one"];
        assert_eq!(words(&settings), all);
        settings.life.identity = Some(Identity::SystemAssigned);
        assert_eq!(words(&settings).len(), 3, "its own identity is made with it");
    }
}
