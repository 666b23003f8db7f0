//! The container groups of one resource group.

use std::collections::BTreeMap;
use std::fmt;

use azure_http::{HttpError, Method, Request};
use lifecycle::{AgentName, OwnershipTags};
use serde::Deserialize;
use serde_json::json;

use crate::manager::if_there;
use crate::operation::{self, Operation, OperationStatus};
use crate::{ContainerGroupSpec, ContainerGroupView, ResourceManager, wire};

/// The first version with `identityAcls`.
pub(crate) const API_VERSION: &str = "2025-09-01";

/// The resource provider.
pub(crate) const PROVIDER: &str = "Microsoft.ContainerInstance";

/// Name of the one container in each group.
pub const AGENT_CONTAINER: &str = "agent";

/// Codes that mean "no log yet, or none any more".
const NO_LOG: [&str; 3] =
    ["ContainerLogNotAvailable", "ContainerNotFound", "ContainerGroupDeploymentNotReady"];

/// The container groups of one resource group. Cheap to clone. Its own methods fail with [`HttpError`], which has a
/// remedy; as [`lifecycle::ComputeBackend`] it fails with the port's words.
#[derive(Clone, Debug)]
pub struct ContainerGroups {
    manager: ResourceManager,
    subscription: String,
    resource_group: String,
}

/// Why a container group was not created or deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GroupError {
    /// A container group of that name exists and is not ours.
    Foreign(AgentName),
    /// The call failed.
    Http(HttpError),
}

impl fmt::Display for GroupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Foreign(name) => {
                write!(f, "a container group named {name} exists and was not made by us: it is left alone")
            }
            Self::Http(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for GroupError {}

impl From<HttpError> for GroupError {
    fn from(error: HttpError) -> Self {
        Self::Http(error)
    }
}

impl ContainerGroups {
    pub(crate) fn new(manager: ResourceManager, subscription: String, resource_group: String) -> Self {
        Self { manager, subscription, resource_group }
    }

    /// The resource id of the group of that name, there or not.
    pub fn id(&self, name: &AgentName) -> String {
        format!(
            "/subscriptions/{}/resourceGroups/{}/providers/{PROVIDER}/containerGroups/{name}",
            self.subscription, self.resource_group
        )
    }

    /// Asks for a container group under a name that was never used before: accepted, not awaited. One request; where
    /// its answer is lost, one more that looks whether it was heard.
    ///
    /// The caller waits, with [`ContainerGroups::operation`] or [`ContainerGroups::get`].
    pub async fn create_new(
        &self,
        name: &AgentName,
        tags: &OwnershipTags,
        spec: &ContainerGroupSpec,
    ) -> Result<Option<Operation>, HttpError> {
        let mut request = self.request(Method::Put, &[name.as_str()]).json(&spec.to_json(&tags.to_map()))?;
        for secret in spec.secrets() {
            request = request.hide(secret);
        }
        let error = match self.manager.send(request).await {
            Ok(response) => return Ok(Operation::from_response(&response)),
            Err(error) => error,
        };
        if !error.outcome_unknown() && !is_transitioning(&error) {
            return Err(error);
        }
        match self.get(name.as_str()).await {
            Ok(Some(group)) if group.ownership().as_ref() == Some(tags) => Ok(None),
            _ => Err(error),
        }
    }

    /// Like [`ContainerGroups::create_new`], for a name that may have been asked for before: what is ours with the
    /// same tags stays as it is, what is not ours is left alone.
    pub async fn create(
        &self,
        name: &AgentName,
        tags: &OwnershipTags,
        spec: &ContainerGroupSpec,
    ) -> Result<Option<Operation>, GroupError> {
        match self.get(name.as_str()).await? {
            None => Ok(self.create_new(name, tags, spec).await?),
            Some(group) if group.ownership().as_ref() == Some(tags) => Ok(None),
            Some(_) => Err(GroupError::Foreign(name.clone())),
        }
    }

    /// How an operation goes.
    pub async fn operation(&self, operation: &Operation) -> Result<OperationStatus, HttpError> {
        let response = self.manager.send(self.manager.verbatim(&operation.address)?).await?;
        Ok(operation::status(operation, &response))
    }

    /// The group with all that happened to it, if it is there.
    pub async fn get(&self, name: &str) -> Result<Option<ContainerGroupView>, HttpError> {
        let request = self.request(Method::Get, &[name]);
        let Some(response) = if_there(self.manager.send(request).await)? else { return Ok(None) };
        Ok(Some(response.json::<wire::ContainerGroup>()?.into()))
    }

    /// Every group, without what happened to it: lists leave that out.
    pub async fn list_groups(&self) -> Result<Vec<ContainerGroupView>, HttpError> {
        let groups: Vec<wire::ContainerGroup> = self.manager.pages(self.request(Method::Get, &[])).await?;
        Ok(groups.into_iter().map(Into::into).collect())
    }

    /// Asks to delete the group, if it is ours: accepted, not awaited. Absent counts as deleted. A group that is
    /// still being created may come through: ask again until it is gone.
    pub async fn delete_group(&self, name: &AgentName) -> Result<(), GroupError> {
        match self.get(name.as_str()).await? {
            None => Ok(()),
            Some(group) if group.ownership().is_none() => Err(GroupError::Foreign(name.clone())),
            Some(_) => Ok(self.ask_to_delete(name.as_str()).await?),
        }
    }

    /// The same without looking whose it is.
    pub(crate) async fn ask_to_delete(&self, name: &str) -> Result<(), HttpError> {
        if_there(self.manager.send(self.request(Method::Delete, &[name])).await).map(drop)
    }

    /// The last `tail` lines that the agent's container printed (all that are kept: `None`), if any can be had.
    pub async fn tail(&self, name: &str, tail: Option<u32>) -> Result<Option<String>, HttpError> {
        #[derive(Deserialize)]
        struct Body {
            #[serde(default)]
            content: Option<String>,
        }
        let mut request = self.request(Method::Get, &[name, "containers", AGENT_CONTAINER, "logs"]);
        if let Some(tail) = tail {
            request = request.query("tail", &tail.to_string());
        }
        match if_there(self.manager.send(request).await) {
            Ok(Some(response)) => {
                let Body { content } = response.json()?;
                Ok(content.filter(|content| !content.is_empty()))
            }
            Ok(None) => Ok(None),
            Err(error) if has_no_log(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Replaces the group's tags by `tags`.
    pub async fn set_tags(&self, name: &str, tags: &BTreeMap<String, String>) -> Result<(), HttpError> {
        let request = self.request(Method::Patch, &[name]).json(&json!({"tags": tags}))?;
        self.manager.send(request).await.map(drop)
    }

    fn request(&self, method: Method, below: &[&str]) -> Request {
        let resource_group = self.resource_group.as_str();
        let own = [
            "subscriptions",
            self.subscription.as_str(),
            "resourceGroups",
            resource_group,
            "providers",
            PROVIDER,
            "containerGroups",
        ];
        self.manager.request(method, &[&own, below].concat(), API_VERSION)
    }
}

fn code(error: &HttpError) -> &str {
    error.service().and_then(|error| error.code.as_deref()).unwrap_or_default()
}

/// A second try of a PUT meets the first one at work.
fn is_transitioning(error: &HttpError) -> bool {
    code(error) == "ContainerGroupTransitioning"
}

fn has_no_log(error: &HttpError) -> bool {
    NO_LOG.contains(&code(error))
}
