//! What `doctor` asks besides what `provision` asks, by the client crates.

use std::net::IpAddr;
use std::time::Duration;

use azure_devops::{AgentPackage, PipelinePermissions};
use azure_http::HttpError;
use azure_resources::resources::authorization::Permissions;
use azure_resources::resources::{Found, Provider, ResourceGroupId, ResourceKind, Resources};
use azure_resources::{
    ImageInfo, ImageName, Platform, REGISTRY_TOKEN_USER, RegistryAccess, ResourceManager, Subscription,
    SubscriptionInfo, look_at_image, registry_token,
};

use tokio::time::timeout;

use super::failures::{from_http, from_resource_manager};
use super::{Connection, Live};
use crate::errors::Failure;
use crate::services::Answer;
use crate::settings::environment::Environment;
use crate::settings::{ProvisionSettings, Registry};

/// DNS that takes longer helps no agent either.
const LONGEST_LOOKUP: Duration = Duration::from_secs(5);

/// Everything that can be looked at.
pub(crate) struct Surroundings {
    live: Live,
    connection: Connection,
    subscription: Subscription,
    resources: Resources,
    group: ResourceGroupId,
    tenant: Option<String>,
}

impl Surroundings {
    /// Makes the clients. Sends nothing, except to ask a custom cloud where its authority is.
    pub(crate) async fn connect(
        settings: &ProvisionSettings,
        environment: &Environment,
    ) -> Result<Self, Failure> {
        let azure = &settings.azure;
        let connection = Connection::open(azure, environment).await?;
        let live = Live::over(&connection, azure, &settings.devops)?;
        let manager = ResourceManager::new(
            connection.pipeline.clone(),
            &connection.cloud,
            connection.credential.clone(),
        );
        Ok(Self {
            live,
            subscription: Subscription::new(manager.clone(), azure.subscription.clone()),
            resources: Resources::new(manager, azure.subscription.clone()),
            group: ResourceGroupId::new(azure.subscription.clone(), azure.resource_group.clone()),
            tenant: azure.credential.tenant().map(str::to_owned),
            connection,
        })
    }

    /// What `provision` asks.
    pub(crate) fn services(&self) -> &Live {
        &self.live
    }

    /// Id of the resource group of the settings.
    pub(crate) fn resource_group_id(&self) -> String {
        self.group.id()
    }

    /// The host of Resource Manager.
    pub(crate) fn resource_manager(&self) -> String {
        self.connection.cloud.resource_manager.host_str().unwrap_or_default().to_owned()
    }

    /// By how many seconds this machine's clock is ahead, as far as answers have said what time it is.
    pub(crate) fn clock_ahead(&self) -> Option<i64> {
        self.connection.pipeline.clock_ahead()
    }

    /// The addresses of a host.
    pub(crate) async fn addresses(&self, host: &str) -> Answer<Vec<IpAddr>> {
        let found = timeout(LONGEST_LOOKUP, self.connection.pipeline.addresses(host)).await;
        let found = found.unwrap_or_else(|_| {
            Err(HttpError::NotResolved { host: host.to_owned(), detail: "DNS does not answer".to_owned() })
        });
        found.map_err(|error| from_http(&error))
    }

    /// The name of whoever asks, as Azure DevOps knows it.
    pub(crate) async fn who_am_i(&self) -> Answer<String> {
        let pools = &self.live.pools;
        pools.organization().who_am_i().await.map_err(|error| pools.failed(&error))
    }

    /// Which pipelines of a project may use a pool; `None`: the project has no queue of that name.
    pub(crate) async fn pipelines(&self, project: &str, pool: &str) -> Answer<Option<PipelinePermissions>> {
        let pools = &self.live.pools;
        let asked = async {
            let Some(queue) = pools.organization().queue(project, pool).await? else { return Ok(None) };
            pools.organization().pipelines_of_queue(project, queue.id).await.map(Some)
        };
        asked.await.map_err(|error| pools.failed(&error))
    }

    /// The newest package of the agent for a platform.
    pub(crate) async fn package(&self, platform: &str) -> Answer<Option<AgentPackage>> {
        let pools = &self.live.pools;
        pools.organization().newest_package(platform).await.map_err(|error| pools.failed(&error))
    }

    /// Whether something can be fetched from there.
    pub(crate) async fn can_fetch(&self, address: &str) -> Answer<()> {
        self.live.pools.organization().can_fetch(address).await.map_err(|error| from_http(&error))
    }

    /// The subscription.
    pub(crate) async fn subscription(&self) -> Answer<Option<SubscriptionInfo>> {
        self.subscription.info().await.map_err(|error| from_resource_manager(&error))
    }

    /// What the subscription may do with container groups.
    pub(crate) async fn provider(&self) -> Answer<Option<Provider>> {
        let found = self.resources.provider("Microsoft.ContainerInstance", "containerGroups").await;
        found.map_err(|error| from_resource_manager(&error))
    }

    /// What whoever asks may do over something.
    pub(crate) async fn permissions(&self, scope: &str) -> Answer<Option<Permissions>> {
        self.resources.permissions(scope).await.map_err(|error| from_resource_manager(&error))
    }

    /// What a principal may do over something.
    pub(crate) async fn permissions_of(&self, principal: &str, scope: &str) -> Answer<Permissions> {
        let found = self.resources.permissions_of(principal, scope).await;
        found.map_err(|error| from_resource_manager(&error))
    }

    /// The principal of a user-assigned identity.
    pub(crate) async fn principal(&self, identity: &str) -> Answer<Option<String>> {
        let found = self.resources.get(ResourceKind::Identity, identity).await;
        let found = found.map_err(|error| from_resource_manager(&error))?;
        Ok(found.and_then(|found| found.principal().map(str::to_owned)))
    }

    /// Id of the registry of that login server.
    pub(crate) async fn registry(&self, server: &str) -> Answer<Option<String>> {
        let found = self.resources.registry_of(server).await;
        Ok(found.map_err(|error| from_resource_manager(&error))?.map(|found| found.id().to_owned()))
    }

    /// A network security group.
    pub(crate) async fn security_group(&self, id: &str) -> Answer<Option<Found>> {
        let found = self.resources.get(ResourceKind::NetworkSecurityGroup, id).await;
        found.map_err(|error| from_resource_manager(&error))
    }

    /// An image, looked at as whoever is to pull it; where that is an identity, as whoever asks.
    pub(crate) async fn image(
        &self,
        name: &ImageName,
        registry: &Registry,
        wanted: &Platform,
    ) -> Answer<Option<ImageInfo>> {
        let pipeline = &self.connection.pipeline;
        let asked = async {
            let access = match registry {
                Registry::Anonymous => RegistryAccess::Anonymous,
                Registry::Password { user, password, .. } => {
                    RegistryAccess::Password { user: user.clone(), password: password.clone() }
                }
                Registry::Identity { server, .. } => {
                    let (own, tenant) = (&self.connection.credential, self.tenant.as_deref());
                    let password = registry_token(pipeline, own, server, tenant).await?;
                    RegistryAccess::Password { user: REGISTRY_TOKEN_USER.to_owned(), password }
                }
            };
            look_at_image(pipeline, (name, &access), wanted).await
        };
        asked.await.map_err(|error| from_http(&error))
    }
}
