//! Resources by id.

use std::time::Duration;

use azure_http::{HttpError, Method, Request, Response, ServiceError};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::authorization::Permissions;
use super::difference::merged;
use super::{Found, Resource, ResourceGroupId, ResourceKind};
use crate::ResourceManager;
use crate::manager::if_there;
use crate::operation::{self, Operation, OperationStatus};
use crate::wire::null_is_nothing;

const RESOURCES: &str = "2021-04-01";
const LOCKS: &str = "2016-09-01";

/// Between two looks, where the service proposes no wait: the first and the longest.
const LOOK_AGAIN: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(5));

/// The longest that anything here takes is a network with its gateway: minutes.
const PATIENCE: Duration = Duration::from_mins(30);

/// Resources of a subscription. Cheap to clone. Every call that begins something waits until it is done.
#[derive(Clone, Debug)]
pub struct Resources {
    manager: ResourceManager,
    subscription: String,
}

/// A resource provider, as far as the subscription may use it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Provider {
    /// Whether the subscription is registered to use it.
    pub registered: bool,
    /// The regions of the type that was asked for, as people write them.
    pub locations: Vec<String>,
}

/// A lock, which keeps things from being deleted, or changed at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lock {
    /// Its resource id, which begins with that of what it locks.
    pub id: String,
    /// Whether it keeps from every change, not only from deleting.
    pub read_only: bool,
}

impl Resources {
    /// The resources of that subscription.
    pub fn new(manager: ResourceManager, subscription: impl Into<String>) -> Self {
        Self { manager, subscription: subscription.into() }
    }

    /// A resource, if it is there, once nothing goes on in it: somebody may have begun to make it, or to delete it, and
    /// have been stopped.
    pub async fn get(&self, kind: ResourceKind, id: &str) -> Result<Option<Found>, HttpError> {
        let mut waits = Waits::new();
        loop {
            match self.shown(kind, id).await? {
                Some(found) if !found.is_settled() => waits.wait(None, &self.manager).await?,
                found => return Ok(found),
            }
        }
    }

    /// A resource as it is at this moment, if it is there.
    async fn shown(&self, kind: ResourceKind, id: &str) -> Result<Option<Found>, HttpError> {
        let request = self.manager.by_id(Method::Get, id, kind.api_version());
        let Some(response) = if_there(self.manager.send(request).await)? else { return Ok(None) };
        Ok(Some(Found(response.json()?)))
    }

    /// Makes a resource.
    pub async fn create(&self, resource: &Resource) -> Result<Found, HttpError> {
        self.write(resource, Method::Put, resource.body()).await
    }

    /// Makes what was found into what is wanted, and keeps what others added to it.
    pub async fn update(&self, resource: &Resource, found: &Found) -> Result<Found, HttpError> {
        let merged = merged(resource.body(), found.body());
        // These take changes without what cannot be changed.
        let patched = matches!(resource.kind(), ResourceKind::StorageAccount | ResourceKind::Registry);
        if patched {
            let tags = &merged["tags"];
            let body = json!({ "tags": tags, "properties": resource.body()["properties"] });
            return self.write(resource, Method::Patch, &body).await;
        }
        self.write(resource, Method::Put, &merged).await
    }

    async fn write(&self, resource: &Resource, method: Method, body: &Value) -> Result<Found, HttpError> {
        let version = resource.kind().api_version();
        let request = self.manager.by_id(method, resource.id(), version).json(body)?;
        self.finish(request).await?;
        self.settled(resource).await
    }

    /// The resource, once nothing goes on in it.
    async fn settled(&self, resource: &Resource) -> Result<Found, HttpError> {
        let mut waits = Waits::new();
        loop {
            match self.shown(resource.kind(), resource.id()).await? {
                Some(found) if found.is_failed() => {
                    let message = format!("Resource Manager shows it as {}.", found.state());
                    return Err(failed(&self.manager, "ResourceDeploymentFailure".to_owned(), message));
                }
                Some(found) if found.is_settled() => return Ok(found),
                Some(_) | None => waits.wait(None, &self.manager).await?,
            }
        }
    }

    /// Removes a resource. `false`: it was not there.
    pub async fn delete(&self, kind: ResourceKind, id: &str) -> Result<bool, HttpError> {
        self.delete_by_id(id, kind.api_version()).await
    }

    /// Makes Azure Container Instances let go of a subnet. `false`: it did not hold it.
    pub async fn free_subnet(&self, subnet: &str) -> Result<bool, HttpError> {
        let link = super::network::container_link_id(subnet);
        self.delete_by_id(&link, crate::container_groups::API_VERSION).await
    }

    async fn delete_by_id(&self, id: &str, api_version: &str) -> Result<bool, HttpError> {
        let request = self.manager.by_id(Method::Delete, id, api_version);
        let status = if_there(self.finish(request).await)?;
        Ok(status.is_some_and(|status| status != 204))
    }

    /// Everything in a resource group, if there is one.
    pub async fn in_group(&self, group: &ResourceGroupId) -> Result<Vec<Found>, HttpError> {
        self.list(&format!("{}/resources", group.id()), RESOURCES).await
    }

    /// Who has which role in a resource group, over it, or over what it is in.
    pub async fn grants(&self, group: &ResourceGroupId) -> Result<Vec<Found>, HttpError> {
        let kind = ResourceKind::RoleAssignment;
        let path = format!("{}/providers/{}", group.id(), kind.resource_type());
        self.list(&path, kind.api_version()).await
    }

    /// The virtual networks of a resource group.
    pub async fn networks(&self, group: &ResourceGroupId) -> Result<Vec<Found>, HttpError> {
        let kind = ResourceKind::VirtualNetwork;
        let path = format!("{}/providers/{}", group.id(), kind.resource_type());
        self.list(&path, kind.api_version()).await
    }

    /// The container groups of the subscription, as far as whoever asks may see them.
    pub async fn container_groups(&self) -> Result<Vec<Found>, HttpError> {
        let path = format!(
            "/subscriptions/{}/providers/Microsoft.ContainerInstance/containerGroups",
            self.subscription
        );
        self.list(&path, crate::container_groups::API_VERSION).await
    }

    async fn list(&self, path: &str, api_version: &str) -> Result<Vec<Found>, HttpError> {
        let request = self.manager.by_id(Method::Get, path, api_version);
        let all: Option<Vec<Value>> = if_there(self.manager.pages(request).await)?;
        Ok(all.unwrap_or_default().into_iter().map(Found).collect())
    }

    /// Why nobody can have a resource of that name, if nobody can; for kinds whose names are one for all of Azure.
    pub async fn name_refused(&self, resource: &Resource) -> Result<Option<String>, HttpError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Body {
            name_available: bool,
            #[serde(default)]
            message: Option<String>,
        }
        let (provider, _) = split(resource.kind());
        let path = format!("/subscriptions/{}/providers/{provider}/checkNameAvailability", self.subscription);
        let body = json!({ "name": resource.label(), "type": resource.kind().resource_type() });
        let request = self.manager.by_id(Method::Post, &path, resource.kind().api_version());
        let answer: Body = self.manager.send(request.json(&body)?.repeatable()).await?.json()?;
        Ok((!answer.name_available).then(|| answer.message.unwrap_or_default()))
    }

    /// What the subscription may do with a provider, and where the type is to be had; `None` where nothing is said.
    pub async fn provider(&self, namespace: &str, wanted: &str) -> Result<Option<Provider>, HttpError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Body {
            registration_state: String,
            #[serde(default, deserialize_with = "null_is_nothing")]
            resource_types: Vec<Type>,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Type {
            resource_type: String,
            #[serde(default, deserialize_with = "null_is_nothing")]
            locations: Vec<String>,
        }
        let path = format!("/subscriptions/{}/providers/{namespace}", self.subscription);
        let request = self.manager.by_id(Method::Get, &path, RESOURCES);
        let Some(response) = if_there(self.manager.send(request).await)? else { return Ok(None) };
        let Body { registration_state, resource_types } = response.json()?;
        let mut types = resource_types.into_iter();
        let found = types.find(|known| known.resource_type.eq_ignore_ascii_case(wanted));
        Ok(Some(Provider {
            registered: registration_state.eq_ignore_ascii_case("Registered"),
            locations: found.map(|known| known.locations).unwrap_or_default(),
        }))
    }

    /// Whether whoever asks may do something in a resource group, or in the subscription; `None` where Resource
    /// Manager does not say.
    pub async fn may(
        &self,
        group: Option<&ResourceGroupId>,
        action: &str,
    ) -> Result<Option<bool>, HttpError> {
        let scope =
            group.map_or_else(|| format!("/subscriptions/{}", self.subscription), ResourceGroupId::id);
        let permissions = self.permissions(&scope).await?;
        Ok(permissions.map(|permissions| permissions.allow(action)))
    }

    /// What whoever asks may do with the resource, or in the resource group, of that id; `None` where Resource Manager
    /// does not say.
    pub async fn permissions(&self, scope: &str) -> Result<Option<Permissions>, HttpError> {
        let path = format!("{scope}/providers/Microsoft.Authorization/permissions");
        let request = self.manager.by_id(Method::Get, &path, ResourceKind::RoleAssignment.api_version());
        let rows: Option<Vec<Value>> = if_there(self.manager.pages(request).await)?;
        Ok(rows.map(Permissions::new))
    }

    /// What a principal may do with the resource, or in the resource group, of that id, by the roles that are assigned
    /// to itself there and above.
    pub async fn permissions_of(&self, principal: &str, scope: &str) -> Result<Permissions, HttpError> {
        let kind = ResourceKind::RoleAssignment;
        let path = format!("{scope}/providers/{}", kind.resource_type());
        let request = self.manager.by_id(Method::Get, &path, kind.api_version());
        let request = request.query("$filter", &format!("principalId eq '{principal}'"));
        let assigned: Vec<Value> = self.manager.pages(request).await?;
        let reaches = |found: &Found| {
            let of = found.scope().map(str::to_ascii_lowercase).unwrap_or_default();
            scope.to_ascii_lowercase().strip_prefix(of.trim_end_matches('/')).is_some_and(starts_anew)
        };
        let assigned = assigned.into_iter().map(Found).filter(reaches);
        let mut roles: Vec<_> = assigned
            .filter_map(|found| found.body()["properties"]["roleDefinitionId"].as_str().map(str::to_owned))
            .collect();
        roles.sort();
        roles.dedup();
        let mut rows = Vec::new();
        for role in roles {
            let Some(role) = self.shown(ResourceKind::RoleDefinition, &role).await? else { continue };
            rows.extend(role.body()["properties"]["permissions"].as_array().into_iter().flatten().cloned());
        }
        Ok(Permissions::new(rows))
    }

    /// The registry of that login server in the subscription, as far as whoever asks may see it.
    pub async fn registry_of(&self, login_server: &str) -> Result<Option<Found>, HttpError> {
        let kind = ResourceKind::Registry;
        let path = format!("/subscriptions/{}/providers/{}", self.subscription, kind.resource_type());
        let registries = self.list(&path, kind.api_version()).await?;
        let is_it = |found: &Found| {
            found.login_server().is_some_and(|server| server.eq_ignore_ascii_case(login_server))
        };
        Ok(registries.into_iter().find(is_it))
    }

    /// The locks on a resource group and on what is in it.
    pub async fn locks(&self, group: &ResourceGroupId) -> Result<Vec<Lock>, HttpError> {
        let path = format!("{}/providers/Microsoft.Authorization/locks", group.id());
        let locks = self.list(&path, LOCKS).await?;
        let lock = |found: Found| Lock {
            id: found.id().to_owned(),
            read_only: found.body()["properties"]["level"] == "ReadOnly",
        };
        Ok(locks.into_iter().map(lock).collect())
    }

    /// Sends a request and waits until all that it began is over; the status of the answer.
    async fn finish(&self, request: Request) -> Result<u16, HttpError> {
        let response = self.manager.send(request).await?;
        let (status, mut waits) = (response.status(), Waits::new());
        let mut next = pending(&response);
        while let Some(operation) = next {
            waits.wait(operation.retry_after, &self.manager).await?;
            let response = self.manager.send(self.manager.verbatim(&operation.address)?).await;
            // What was deleted may take its operation with it.
            let Some(response) = if_there(response)? else { break };
            next = match operation::status(&operation, &response) {
                OperationStatus::Running(next) => Some(next),
                OperationStatus::Succeeded => None,
                OperationStatus::Failed { code, message, .. } => {
                    return Err(failed(&self.manager, code, message));
                }
            };
        }
        Ok(status)
    }
}

/// What an answer left to wait for. A `Location` with 201 says where the new resource is, and nothing more.
fn pending(response: &Response) -> Option<Operation> {
    let is_done = response.status() != 202 && response.header("azure-asyncoperation").is_none();
    if is_done { None } else { Operation::from_response(response) }
}

fn failed(manager: &ResourceManager, code: String, message: String) -> HttpError {
    HttpError::Service(ServiceError {
        host: manager.host(),
        status: 409,
        code: Some(code),
        message,
        request_id: None,
        retry_after: None,
    })
}

/// Whether what is left of an id, behind that of something else, begins another part.
fn starts_anew(rest: &str) -> bool {
    rest.is_empty() || rest.starts_with('/')
}

/// Provider and type within it.
fn split(kind: ResourceKind) -> (&'static str, &'static str) {
    kind.resource_type().split_once('/').unwrap_or_default()
}

/// Waits that grow, and an end.
struct Waits {
    next: Duration,
    end: Instant,
}

impl Waits {
    fn new() -> Self {
        Self { next: LOOK_AGAIN.0, end: Instant::now() + PATIENCE }
    }

    async fn wait(&mut self, proposed: Option<Duration>, manager: &ResourceManager) -> Result<(), HttpError> {
        if Instant::now() >= self.end {
            return Err(HttpError::TimedOut { host: manager.host(), after: PATIENCE, sent: true });
        }
        sleep(proposed.unwrap_or(self.next)).await;
        self.next = (self.next * 2).min(LOOK_AGAIN.1);
        Ok(())
    }
}
