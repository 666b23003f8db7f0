//! What `sample` needs of Resource Manager, as a trait: `wiring` implements it with the client crate, and tests in
//! memory.

use azure_resources::resources::{Found, Lock, Provider, Resource, ResourceGroupId, ResourceKind};

use crate::services::ServiceError;

/// Why Resource Manager did not do as it was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StoreError {
    /// Its own word for it; empty where it said none.
    pub(crate) code: String,
    /// In words for people.
    pub(crate) error: ServiceError,
}

/// Shorthand.
pub(crate) type Told<T> = Result<T, StoreError>;

/// The resources of a subscription. What begins something waits until it is done.
pub(crate) trait Store {
    /// A resource, if it is there, once nothing goes on in it.
    async fn get(&self, kind: ResourceKind, id: &str) -> Told<Option<Found>>;
    /// Makes a resource.
    async fn create(&self, resource: &Resource) -> Told<Found>;
    /// Makes what was found into what is wanted.
    async fn update(&self, resource: &Resource, found: &Found) -> Told<Found>;
    /// Removes a resource; `false`: it was not there.
    async fn delete(&self, kind: ResourceKind, id: &str) -> Told<bool>;
    /// Makes Azure Container Instances let go of a subnet.
    async fn free_subnet(&self, subnet: &str) -> Told<bool>;
    /// Everything in a resource group.
    async fn in_group(&self, group: &ResourceGroupId) -> Told<Vec<Found>>;
    /// The container groups of the subscription.
    async fn container_groups(&self) -> Told<Vec<Found>>;
    /// Who has which role in a resource group, over it, or over what it is in.
    async fn grants(&self, group: &ResourceGroupId) -> Told<Vec<Found>>;
    /// The virtual networks of a resource group.
    async fn networks(&self, group: &ResourceGroupId) -> Told<Vec<Found>>;
    /// Why nobody can have a resource of that name, if nobody can.
    async fn name_refused(&self, resource: &Resource) -> Told<Option<String>>;
    /// What the subscription may do with a provider, and where a type of it is to be had.
    async fn provider(&self, namespace: &str, wanted: &str) -> Told<Option<Provider>>;
    /// Whether whoever asks may do something in a resource group, or in the subscription.
    async fn may(&self, group: Option<&ResourceGroupId>, action: &str) -> Told<Option<bool>>;
    /// The locks on a resource group and on what is in it.
    async fn locks(&self, group: &ResourceGroupId) -> Told<Vec<Lock>>;
}
