//! Container groups and what is around them, by `azure-resources`.

use std::cell::RefCell;
use std::collections::BTreeMap;

use azure_resources::{
    ContainerGroupView, ContainerGroups, GroupError, Operation, OperationStatus, ResourceManager, SubnetId,
    Subscription,
};
use lifecycle::{AgentName, ContainerGroup};

use super::Connection;
use super::failures::{foreign, from_resource_manager, taken};
use super::spec::{all_tags, spec};
use crate::errors::Failure;
use crate::provision::plan::GroupPlan;
use crate::services::{
    Answer, ContainerState, Event, GroupView, Groups, ResourceGroup, ServiceError, Subnet, SubnetLookup,
    Usage,
};
use crate::settings::environment::Environment;
use crate::settings::{Azure, Network};

/// The container groups of the settings' resource group.
pub(crate) struct AzureGroups {
    subscription: Subscription,
    groups: ContainerGroups,
    resource_group: String,
    /// What creating the group came to is said by its operation alone.
    creation: RefCell<Option<Operation>>,
}

impl AzureGroups {
    pub(super) fn new(connection: &Connection, azure: &Azure) -> Self {
        let manager = ResourceManager::new(
            connection.pipeline.clone(),
            &connection.cloud,
            connection.credential.clone(),
        );
        let subscription = Subscription::new(manager, azure.subscription.clone());
        Self {
            groups: subscription.container_groups(azure.resource_group.clone()),
            subscription,
            resource_group: azure.resource_group.clone(),
            creation: RefCell::default(),
        }
    }

    /// The reason that a creation of ours failed for, where the service gives one.
    async fn reason(&self) -> Option<Event> {
        let operation = self.creation.borrow().clone()?;
        match self.groups.operation(&operation).await {
            Ok(OperationStatus::Failed { code, message, .. }) => {
                Some(Event { at: None, name: code, message, count: 1 })
            }
            Ok(OperationStatus::Running(_) | OperationStatus::Succeeded) => None,
            Err(error) => {
                tracing::debug!(%error, "the operation says nothing");
                None
            }
        }
    }

    /// For commands that need Azure alone.
    pub(crate) async fn connect(azure: &Azure, environment: &Environment) -> Result<Self, Failure> {
        Ok(Self::new(&Connection::open(azure, environment).await?, azure))
    }
}

fn not_done(error: GroupError) -> ServiceError {
    match error {
        GroupError::Foreign(name) => foreign(&name),
        GroupError::Http(error) => from_resource_manager(&error),
    }
}

impl Groups for AzureGroups {
    async fn resource_group(&self) -> Answer<Option<ResourceGroup>> {
        let found = self
            .subscription
            .resource_group(&self.resource_group)
            .await
            .map_err(|error| from_resource_manager(&error))?;
        Ok(found.map(|group| ResourceGroup { location: group.location }))
    }

    async fn subnet(&self, network: &Network) -> Answer<SubnetLookup> {
        let id = SubnetId::from_parts(
            self.subscription.id(),
            &network.resource_group,
            &network.name,
            &network.subnet,
        );
        let (subnet, room) = tokio::join!(
            Box::pin(self.subscription.subnet(&id)),
            Box::pin(self.subscription.subnet_room(&id))
        );
        match subnet.map_err(|error| from_resource_manager(&error))? {
            Some(subnet) => Ok(SubnetLookup::Found(Subnet {
                location: subnet.location,
                has_way_out: subnet.has_nat_gateway || subnet.has_route_table,
                security_group: subnet.security_group,
                delegations: subnet.delegations,
                others: subnet.others,
                free: room.ok().flatten().map(|room| room.limit.saturating_sub(room.used)),
            })),
            None => Ok(SubnetLookup::Missing),
        }
    }

    async fn usages(&self, location: &str) -> Answer<Vec<Usage>> {
        let usages =
            self.subscription.usages(location).await.map_err(|error| from_resource_manager(&error))?;
        let usage = |usage: azure_resources::Usage| Usage {
            name: usage.name,
            used: as_float(usage.current),
            limit: as_float(usage.limit),
        };
        Ok(usages.into_iter().map(usage).collect())
    }

    async fn create(&self, plan: &GroupPlan) -> Answer<()> {
        let spec = spec(plan, self.subscription.id());
        let created = if plan.name.is_minted() {
            Box::pin(self.groups.create_new(&plan.name, &plan.ownership, &spec))
                .await
                .map_err(GroupError::Http)
        } else {
            // Somebody may have taken a chosen name since preflight, and a PUT replaces what it finds.
            Box::pin(self.groups.create(&plan.name, &plan.ownership, &spec)).await
        };
        let operation = created.map_err(|error| match error {
            GroupError::Foreign(name) => taken(&name),
            GroupError::Http(error) => from_resource_manager(&error),
        })?;
        self.creation.replace(operation);
        if plan.tags.is_empty() {
            return Ok(());
        }
        // Our tags went with the group; the user's are for people, and not worth failing for.
        if let Err(error) = self.groups.set_tags(plan.name.as_str(), &all_tags(plan)).await {
            tracing::warn!(%error, "the tags of --tag were not set");
        }
        Ok(())
    }

    async fn group(&self, name: &AgentName) -> Answer<Option<GroupView>> {
        let found = self.groups.get(name.as_str()).await.map_err(|error| from_resource_manager(&error))?;
        let Some(mut group) = found.map(view) else { return Ok(None) };
        if group.provisioning_state.eq_ignore_ascii_case("Failed") {
            group.events.extend(self.reason().await);
        }
        Ok(Some(group))
    }

    async fn list(&self) -> Answer<Vec<ContainerGroup>> {
        let groups = self.groups.list_groups().await.map_err(|error| from_resource_manager(&error))?;
        let listed = |group: ContainerGroupView| ContainerGroup {
            phase: group.phase(),
            name: group.name,
            tags: group.tags,
        };
        Ok(groups.into_iter().map(listed).collect())
    }

    async fn delete(&self, name: &AgentName) -> Answer<()> {
        self.groups.delete_group(name).await.map_err(not_done)
    }

    async fn retag(&self, name: &AgentName, tags: &BTreeMap<String, String>) -> Answer<()> {
        self.groups.set_tags(name.as_str(), tags).await.map_err(|error| from_resource_manager(&error))
    }

    async fn logs(&self, name: &AgentName, tail: Option<u32>) -> Answer<Option<String>> {
        self.groups.tail(name.as_str(), tail).await.map_err(|error| from_resource_manager(&error))
    }

    fn group_preview(&self, plan: &GroupPlan) -> serde_json::Value {
        spec(plan, self.subscription.id()).to_masked_json(&all_tags(plan))
    }
}

/// Quotas are small numbers; cores of a container may be fractions.
fn as_float(count: u64) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}

fn view(group: ContainerGroupView) -> GroupView {
    let phase = group.phase();
    let container = group.containers.into_iter().next().and_then(|container| container.current);
    GroupView {
        phase,
        container: container.map(|state| ContainerState {
            state: state.state,
            exit_code: state.exit_code,
            detail: state.detail,
        }),
        events: group
            .events
            .into_iter()
            .map(|event| Event {
                at: event.last.or(event.first),
                name: event.name,
                message: event.message,
                count: event.count,
            })
            .collect(),
        id: group.id,
        provisioning_state: group.provisioning_state,
        tags: group.tags,
    }
}
