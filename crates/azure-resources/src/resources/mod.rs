//! Resources in general: what one is, where it is, and what is sent to make it.
//!
//! A [`Resource`] is data: an id, a kind, and the body of its `PUT`. Functions from plain values to resources stand in
//! the modules below, one for each provider; [`difference`] compares what is wanted with what was found; [`Resources`]
//! is the client.

pub mod authorization;
pub mod difference;
pub mod network;
pub mod registry;
pub mod storage;

mod client;
mod found;
mod scope;

use std::collections::BTreeMap;

use serde_json::{Value, json};

pub use client::{Lock, Provider, Resources};
pub use found::{Found, FoundSubnet};
pub use scope::{GUID_NAMESPACE, ResourceGroupId, group_of};

/// What sort of resource it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ResourceKind {
    /// A resource group.
    ResourceGroup,
    /// A network security group.
    NetworkSecurityGroup,
    /// A public IP address.
    PublicIpAddress,
    /// A NAT gateway.
    NatGateway,
    /// A virtual network, with its subnets.
    VirtualNetwork,
    /// A container registry.
    Registry,
    /// A storage account.
    StorageAccount,
    /// A container for blobs in a storage account.
    BlobContainer,
    /// A user-assigned identity.
    Identity,
    /// A custom role.
    RoleDefinition,
    /// Who has which role where.
    RoleAssignment,
}

impl ResourceKind {
    /// As Resource Manager calls it.
    pub fn resource_type(self) -> &'static str {
        match self {
            Self::ResourceGroup => "Microsoft.Resources/resourceGroups",
            Self::NetworkSecurityGroup => "Microsoft.Network/networkSecurityGroups",
            Self::PublicIpAddress => "Microsoft.Network/publicIPAddresses",
            Self::NatGateway => "Microsoft.Network/natGateways",
            Self::VirtualNetwork => "Microsoft.Network/virtualNetworks",
            Self::Registry => "Microsoft.ContainerRegistry/registries",
            Self::StorageAccount => "Microsoft.Storage/storageAccounts",
            Self::BlobContainer => "Microsoft.Storage/storageAccounts/blobServices/containers",
            Self::Identity => "Microsoft.ManagedIdentity/userAssignedIdentities",
            Self::RoleDefinition => "Microsoft.Authorization/roleDefinitions",
            Self::RoleAssignment => "Microsoft.Authorization/roleAssignments",
        }
    }

    /// The version of its interface that is spoken.
    pub fn api_version(self) -> &'static str {
        match self {
            Self::ResourceGroup => "2021-04-01",
            Self::NetworkSecurityGroup | Self::PublicIpAddress | Self::NatGateway | Self::VirtualNetwork => {
                "2024-07-01"
            }
            Self::Registry => "2023-07-01",
            Self::StorageAccount | Self::BlobContainer => "2025-08-01",
            Self::Identity => "2024-11-30",
            Self::RoleDefinition | Self::RoleAssignment => "2022-04-01",
        }
    }

    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Self::ResourceGroup => "resource group",
            Self::NetworkSecurityGroup => "network security group",
            Self::PublicIpAddress => "public IP address",
            Self::NatGateway => "NAT gateway",
            Self::VirtualNetwork => "virtual network",
            Self::Registry => "container registry",
            Self::StorageAccount => "storage account",
            Self::BlobContainer => "blob container",
            Self::Identity => "user-assigned identity",
            Self::RoleDefinition => "role definition",
            Self::RoleAssignment => "role assignment",
        }
    }

    /// Whether it can carry tags.
    pub fn has_tags(self) -> bool {
        !matches!(self, Self::BlobContainer | Self::RoleDefinition | Self::RoleAssignment)
    }

    /// Whether its name is one for all of Azure.
    pub fn has_global_name(self) -> bool {
        matches!(self, Self::Registry | Self::StorageAccount)
    }
}

/// A resource that is wanted.
#[derive(Clone, Debug, PartialEq)]
pub struct Resource {
    kind: ResourceKind,
    id: String,
    label: String,
    words: Vec<String>,
    body: Value,
}

impl Resource {
    pub(crate) fn new(kind: ResourceKind, id: String, body: Value) -> Self {
        let label = id.rsplit('/').next().unwrap_or_default().to_owned();
        Self { kind, id, label, words: Vec::new(), body }
    }

    /// With the words of which its name was made.
    pub(crate) fn made_of(mut self, words: &[&str]) -> Self {
        self.words = words.iter().map(|word| (*word).to_owned()).collect();
        self
    }

    /// With a name for people, where its own is a number.
    pub(crate) fn called(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    /// What sort it is.
    pub fn kind(&self) -> ResourceKind {
        self.kind
    }

    /// Its resource id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Its own name: the end of its id.
    pub fn name(&self) -> &str {
        self.id.rsplit('/').next().unwrap_or_default()
    }

    /// The id of what it is in, or is about: everything in front of its type and name.
    pub fn parent(&self) -> &str {
        let parent = self.id.strip_suffix(self.name()).map_or("", |rest| rest.trim_end_matches('/'));
        let parent = parent.rsplit_once('/').map_or("", |(parent, _)| parent);
        parent
            .rsplit_once("/providers/")
            .filter(|(_, rest)| !rest.contains('/'))
            .map_or(parent, |(scope, _)| scope)
    }

    /// The words that its name was made of, besides the subscription, where the name is a number: a template's
    /// `guid()` makes the same of them.
    pub fn guid_words(&self) -> &[String] {
        &self.words
    }

    /// Its name for people.
    pub fn label(&self) -> &str {
        &self.label
    }

    /// The body of its `PUT`, for people and templates: what stands for a principal that is not known yet is
    /// [`authorization::principal_of`].
    pub fn body(&self) -> &Value {
        &self.body
    }

    /// The same with another body.
    #[must_use]
    pub fn with_body(&self, body: Value) -> Self {
        Self { body, ..self.clone() }
    }

    /// Kind and name, as in a sentence.
    pub fn in_words(&self) -> String {
        format!("{} {}", self.kind.words(), self.label)
    }
}

/// Where a resource is to be, and its tags.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Region.
    pub location: String,
    /// Tags.
    pub tags: BTreeMap<String, String>,
}

impl Place {
    /// A body with these properties.
    fn body(&self, properties: &Value) -> Value {
        json!({ "location": self.location, "tags": self.tags, "properties": properties })
    }
}

/// A resource group.
pub fn resource_group(group: &ResourceGroupId, place: &Place) -> Resource {
    let body = json!({ "location": place.location, "tags": place.tags });
    Resource::new(ResourceKind::ResourceGroup, group.id(), body)
}

#[cfg(test)]
mod tests {
    //! What the tests of the bodies share.

    use super::{Place, ResourceGroupId, resource_group};

    pub(super) fn group() -> ResourceGroupId {
        ResourceGroupId::new("s", "rg")
    }

    pub(super) fn place() -> Place {
        let tags = [("managed-by".to_owned(), "ephemeral-agents-sample".to_owned())].into();
        Place { location: "westeurope".to_owned(), tags }
    }

    #[test]
    fn a_parent_is_what_it_is_in_or_about() {
        let group = group();
        let account = super::storage::account(&group, "store", &place(), &[]);
        let container = super::storage::blob_container(&account, "test");
        let parents = [resource_group(&group, &place()), account.clone(), container];
        let parents: Vec<_> = parents.iter().map(|resource| resource.parent().to_owned()).collect();
        assert_eq!(
            parents,
            ["/subscriptions/s", &group.id(), &format!("{}/blobServices/default", account.id())]
        );
    }

    #[test]
    fn a_resource_group() {
        let wanted = resource_group(&group(), &place());
        assert_eq!(wanted.in_words(), "resource group rg");
        insta::assert_json_snapshot!(wanted.body());
    }
}
