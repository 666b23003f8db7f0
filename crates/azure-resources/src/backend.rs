//! Container groups behind the port.

use lifecycle::{AgentName, ComputeBackend, ComputeError, ContainerGroup, OwnershipTags, Timestamp};

use crate::{ContainerGroupSpec, ContainerGroupView, ContainerGroups, GroupError, compute_error};

/// How many lines are asked for: more than a person reads, less than the service keeps.
const TAIL: u32 = 200;

impl ComputeBackend for ContainerGroups {
    type Spec = ContainerGroupSpec;

    async fn list(&self) -> Result<Vec<ContainerGroup>, ComputeError> {
        let groups = self.list_groups().await.map_err(|error| compute_error(&error))?;
        Ok(groups.into_iter().map(ContainerGroupView::listed).collect())
    }

    async fn look(&self, name: &AgentName) -> Result<Option<ContainerGroup>, ComputeError> {
        let group = self.get(name.as_str()).await.map_err(|error| compute_error(&error))?;
        Ok(group.map(ContainerGroupView::listed))
    }

    async fn create(
        &self,
        name: &AgentName,
        tags: &OwnershipTags,
        spec: &ContainerGroupSpec,
    ) -> Result<(), ComputeError> {
        self.create(name, tags, spec).await.map(drop).map_err(|error| port_error(&error))
    }

    async fn mark(&self, group: &ContainerGroup, at: Timestamp) -> Result<(), ComputeError> {
        if group.ownership().is_none() {
            return Err(foreign(group));
        }
        // Assumed: new tags leave the containers as they are.
        match self.set_tags(&group.name, &group.tags_marked(at)).await {
            Err(error) if !error.is_not_found() => Err(compute_error(&error)),
            // What is gone needs no mark.
            Ok(()) | Err(_) => Ok(()),
        }
    }

    async fn delete(&self, name: &AgentName) -> Result<(), ComputeError> {
        self.delete_group(name).await.map_err(|error| port_error(&error))
    }

    async fn delete_listed(&self, group: &ContainerGroup) -> Result<(), ComputeError> {
        if group.ownership().is_none() {
            return Err(foreign(group));
        }
        self.ask_to_delete(&group.name).await.map_err(|error| compute_error(&error))
    }

    async fn logs(&self, name: &AgentName) -> Result<Option<String>, ComputeError> {
        self.tail(name.as_str(), Some(TAIL)).await.map_err(|error| compute_error(&error))
    }
}

fn foreign(group: &ContainerGroup) -> ComputeError {
    ComputeError::Foreign(format!("the container group {} does not carry our tags", group.name))
}

fn port_error(error: &GroupError) -> ComputeError {
    match error {
        GroupError::Foreign(_) => ComputeError::Foreign(error.to_string()),
        GroupError::Http(error) => compute_error(error),
    }
}
