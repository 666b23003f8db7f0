//! Who may do what: managed identities of container groups, and service principals.

use emulator::arm::RoleAssignment;
use emulator::devops::{Member, Role};

use crate::World;

/// Id of the built-in role "Azure Container Instances Contributor Role".
const CONTAINER_INSTANCES_CONTRIBUTOR: &str = "5d977122-f97e-4b4d-a52f-6b43003ddb4d";

impl World {
    /// Lets the managed identity of an agent's container group unregister agents.
    pub async fn identity_joins_organization(&self, agent: &str) {
        let id = self.identity(agent).await;
        let member = Member { name: "self-destruct".to_owned(), role: Role::Administrator };
        self.emulator().change(|state| state.devops.members.insert(id, member));
    }

    /// Lets the managed identity of an agent's container group delete container groups.
    pub async fn identity_may_delete_groups(&self, agent: &str) {
        let principal = self.identity(agent).await;
        let (subscription, group) =
            (self.setting("AZURE_SUBSCRIPTION_ID"), self.setting("AZURE_RESOURCE_GROUP"));
        let assignment = RoleAssignment {
            name: principal.to_string(),
            scope: format!("/subscriptions/{subscription}/resourceGroups/{group}"),
            role: CONTAINER_INSTANCES_CONTRIBUTOR.to_owned(),
            principal,
        };
        self.emulator().change(|state| state.arm.role_assignments.push(assignment));
    }

    /// Object id of the managed identity of an agent's container group.
    async fn identity(&self, agent: &str) -> uuid::Uuid {
        self.wait_for("the identity of a container group", |state| {
            let group = state.arm.container_groups.values().find(|group| group.name == agent)?;
            Some(group.identities.first()?.principal_id)
        })
        .await
    }

    /// Lets the secrets of the service principal expire, or be good again.
    pub fn secrets_expire(&self, expired: bool) {
        self.emulator().change(|state| {
            for secret in state.entra.apps.iter_mut().flat_map(|app| &mut app.secrets) {
                secret.expired = expired;
            }
        });
    }
}
