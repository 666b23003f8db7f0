//! Container groups behind the port.

use lifecycle::{AgentName, ComputeBackend, ComputeError, ComputePhase, ContainerGroup, OwnershipTags};

use crate::{ContainerGroupSpec, ContainerGroups, GroupError, compute_error};

/// How many lines are asked for: more than a person reads, less than the service keeps.
const TAIL: u32 = 200;

impl ComputeBackend for ContainerGroups {
    type Spec = ContainerGroupSpec;

    /// A list does not say whether a container has ended; ours that may have are looked at one by one.
    async fn list(&self) -> Result<Vec<ContainerGroup>, ComputeError> {
        let mut groups = Vec::new();
        for group in self.list_groups().await.map_err(|error| compute_error(&error))? {
            let may_have_ended = group.state.is_none() && group.phase() == ComputePhase::Running;
            if group.ownership().is_none() || !may_have_ended {
                groups.push(group.listed());
                continue;
            }
            let looked_at = self.get(&group.name).await.map_err(|error| compute_error(&error))?;
            groups.extend(looked_at.map(crate::ContainerGroupView::listed));
        }
        Ok(groups)
    }

    async fn create(
        &self,
        name: &AgentName,
        tags: &OwnershipTags,
        spec: &ContainerGroupSpec,
    ) -> Result<(), ComputeError> {
        self.create(name, tags, spec).await.map(drop).map_err(|error| port_error(&error))
    }

    async fn delete(&self, name: &AgentName) -> Result<(), ComputeError> {
        self.delete_group(name).await.map_err(|error| port_error(&error))
    }

    async fn logs(&self, name: &AgentName) -> Result<Option<String>, ComputeError> {
        self.tail(name.as_str(), Some(TAIL)).await.map_err(|error| compute_error(&error))
    }
}

fn port_error(error: &GroupError) -> ComputeError {
    match error {
        GroupError::Foreign(_) => ComputeError::Foreign(error.to_string()),
        GroupError::Http(error) => compute_error(error),
    }
}
