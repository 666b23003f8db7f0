//! What can be known before anything is created.

use std::collections::BTreeMap;

use azure_http::{HttpError, Method};
use serde::Deserialize;

use crate::container_groups::{API_VERSION, PROVIDER};
use crate::manager::{if_there, lacks_subscription};
use crate::wire::{MaybeWrapped, null_is_nothing};
use crate::{ContainerGroups, ResourceManager};

const SUBSCRIPTIONS: &str = "2022-12-01";
const RESOURCES: &str = "2021-04-01";

/// A subscription and who reads it. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Subscription {
    manager: ResourceManager,
    id: String,
}

/// A subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubscriptionInfo {
    /// Its name.
    pub name: String,
    /// `Enabled`, `Disabled`, `Warned` …: only an enabled one takes new resources.
    pub state: String,
    /// The tenant that it trusts.
    pub tenant: Option<String>,
}

/// A resource group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResourceGroupInfo {
    /// Its region.
    pub location: String,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
}

/// How much of a quota is used in a region.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Usage {
    /// Which: `ContainerGroups`, `StandardCores` …
    pub name: String,
    /// Used now.
    pub current: u64,
    /// Allowed.
    pub limit: u64,
}

/// Whether two ways of writing a region mean the same: `West Europe` and `westeurope`.
pub fn same_location(one: &str, other: &str) -> bool {
    let normal = |text: &str| text.replace(' ', "").to_ascii_lowercase();
    normal(one) == normal(other)
}

impl Subscription {
    /// The subscription with that id.
    pub fn new(manager: ResourceManager, id: impl Into<String>) -> Self {
        Self { manager, id: id.into() }
    }

    /// Its id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The container groups of one of its resource groups.
    pub fn container_groups(&self, resource_group: impl Into<String>) -> ContainerGroups {
        ContainerGroups::new(self.manager.clone(), self.id.clone(), resource_group.into())
    }

    pub(crate) fn manager(&self) -> &ResourceManager {
        &self.manager
    }

    /// The subscription itself; `None` where there is none of that id, or the identity may not see it.
    pub async fn info(&self) -> Result<Option<SubscriptionInfo>, HttpError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Body {
            display_name: String,
            state: String,
            #[serde(default)]
            tenant_id: Option<String>,
        }
        let request = self.manager.request(Method::Get, &["subscriptions", &self.id], SUBSCRIPTIONS);
        let response = match self.manager.send(request).await {
            Err(error) if lacks_subscription(&error) => return Ok(None),
            response => if_there(response)?,
        };
        let Some(response) = response else { return Ok(None) };
        let Body { display_name, state, tenant_id } = response.json()?;
        Ok(Some(SubscriptionInfo { name: display_name, state, tenant: tenant_id }))
    }

    /// A resource group, if it is there.
    pub async fn resource_group(&self, name: &str) -> Result<Option<ResourceGroupInfo>, HttpError> {
        #[derive(Deserialize)]
        struct Body {
            location: String,
            #[serde(default, deserialize_with = "null_is_nothing")]
            tags: BTreeMap<String, String>,
        }
        let segments = ["subscriptions", &self.id, "resourceGroups", name];
        let request = self.manager.request(Method::Get, &segments, RESOURCES);
        let Some(response) = if_there(self.manager.send(request).await)? else { return Ok(None) };
        let Body { location, tags } = response.json()?;
        Ok(Some(ResourceGroupInfo { location, tags }))
    }

    /// Whether the subscription may have container groups at all: `Registered`, `NotRegistered`, `Registering` …
    pub async fn registration_state(&self) -> Result<String, HttpError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Body {
            registration_state: String,
        }
        let segments = ["subscriptions", &self.id, "providers", PROVIDER];
        let request = self.manager.request(Method::Get, &segments, RESOURCES);
        let Body { registration_state } = self.manager.send(request).await?.json()?;
        Ok(registration_state)
    }

    /// Asks for the right to have container groups; takes effect after a minute or so.
    pub async fn register_provider(&self) -> Result<(), HttpError> {
        let segments = ["subscriptions", &self.id, "providers", PROVIDER, "register"];
        let request = self.manager.request(Method::Post, &segments, RESOURCES).repeatable();
        self.manager.send(request).await.map(drop)
    }

    /// How much of each quota for container groups is used in a region.
    pub async fn usages(&self, location: &str) -> Result<Vec<Usage>, HttpError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Body {
            name: Name,
            current_value: u64,
            limit: u64,
        }
        #[derive(Deserialize)]
        struct Name {
            value: String,
        }
        let segments = ["subscriptions", &self.id, "providers", PROVIDER, "locations", location, "usages"];
        let request = self.manager.request(Method::Get, &segments, API_VERSION);
        let usages: MaybeWrapped<Body> = self.manager.send(request).await?.json()?;
        let usages = usages.into_vec().into_iter();
        Ok(usages
            .map(|usage| Usage { name: usage.name.value, current: usage.current_value, limit: usage.limit })
            .collect())
    }
}
