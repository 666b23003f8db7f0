//! Resources, by `azure-resources`.

use azure_http::HttpError;
use azure_resources::ResourceManager;
use azure_resources::resources::{Found, Lock, Provider, Resource, ResourceGroupId, ResourceKind, Resources};

use super::Connection;
use super::failures::from_resource_manager;
use crate::errors::Failure;
use crate::sample::{Store, StoreError, Told};
use crate::settings::Azure;
use crate::settings::environment::Environment;

/// The resources of the settings' subscription.
pub(crate) struct AzureStore(Resources);

impl AzureStore {
    /// Makes the client. Sends nothing, except to ask a custom cloud where its authority is.
    pub(crate) async fn connect(azure: &Azure, environment: &Environment) -> Result<Self, Failure> {
        let Connection { pipeline, cloud, credential } = Connection::open(azure, environment).await?;
        let manager = ResourceManager::new(pipeline, &cloud, credential);
        Ok(Self(Resources::new(manager, azure.subscription.clone())))
    }
}

fn told<T>(answer: Result<T, HttpError>) -> Told<T> {
    answer.map_err(|error| StoreError {
        code: error.service().and_then(|service| service.code.clone()).unwrap_or_default(),
        error: from_resource_manager(&error),
    })
}

impl Store for AzureStore {
    async fn get(&self, kind: ResourceKind, id: &str) -> Told<Option<Found>> {
        told(Box::pin(self.0.get(kind, id)).await)
    }

    async fn create(&self, resource: &Resource) -> Told<Found> {
        told(Box::pin(self.0.create(resource)).await)
    }

    async fn update(&self, resource: &Resource, found: &Found) -> Told<Found> {
        told(Box::pin(self.0.update(resource, found)).await)
    }

    async fn delete(&self, kind: ResourceKind, id: &str) -> Told<bool> {
        told(Box::pin(self.0.delete(kind, id)).await)
    }

    async fn free_subnet(&self, subnet: &str) -> Told<bool> {
        told(Box::pin(self.0.free_subnet(subnet)).await)
    }

    async fn in_group(&self, group: &ResourceGroupId) -> Told<Vec<Found>> {
        told(self.0.in_group(group).await)
    }

    async fn container_groups(&self) -> Told<Vec<Found>> {
        told(self.0.container_groups().await)
    }

    async fn grants(&self, group: &ResourceGroupId) -> Told<Vec<Found>> {
        told(self.0.grants(group).await)
    }

    async fn networks(&self, group: &ResourceGroupId) -> Told<Vec<Found>> {
        told(self.0.networks(group).await)
    }

    async fn name_refused(&self, resource: &Resource) -> Told<Option<String>> {
        told(self.0.name_refused(resource).await)
    }

    async fn provider(&self, namespace: &str, wanted: &str) -> Told<Option<Provider>> {
        told(self.0.provider(namespace, wanted).await)
    }

    async fn may(&self, group: Option<&ResourceGroupId>, action: &str) -> Told<Option<bool>> {
        told(self.0.may(group, action).await)
    }

    async fn locks(&self, group: &ResourceGroupId) -> Told<Vec<Lock>> {
        told(self.0.locks(group).await)
    }
}
