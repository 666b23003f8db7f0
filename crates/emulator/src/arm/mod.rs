//! Resource Manager and its providers.

#![expect(
    clippy::unnecessary_wraps,
    reason = "what answers a call has one signature, also where it never refuses"
)]

mod addresses;
mod backing;
pub mod container_groups;

mod gate;
mod identities;
mod locks;
mod names;
mod networks;
mod operations;
mod pages;
mod providers;
mod refusal;
mod regions;
mod registries;
mod resource_groups;
mod resources;
mod roles;
mod storage;
mod subscriptions;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::json;
use uuid::Uuid;

pub(crate) use addresses::{has_no_way_here, network_of};
pub(crate) use backing::{backend_opened, backend_plan, backends};
pub use container_groups::{ContainerGroup, Phase, stop_container_group};
pub use identities::{GroupIdentities, Identity, UserAssignedIdentity};
pub use locks::{Level, Lock};
pub use networks::{Delegation, Subnet, VirtualNetwork};
pub use operations::{Operation, Status};
pub(crate) use registries::door::{door as registry_door, token as registry_token};
pub(crate) use registries::logins;
pub use registries::{AdminUser, Registry, RegistryToken, add as add_registry};
pub use resource_groups::ResourceGroup;
pub use resources::Resource;
pub use roles::{RoleAssignment, RoleDefinition};
pub use storage::AccountKeys;
pub(crate) use storage::door::door as storage_door;

use crate::Effect;
use crate::faults::Knob;
use crate::http::{Reply, Request, Router};
use crate::world::{LOCATION, RESOURCE_GROUP, World};

/// Faults of Resource Manager.
pub const KNOBS: &[Knob] = &[
    Knob {
        name: "arm.capacity",
        meaning: "no room for container groups: a region, true for all, or {region, late} for a creation that fails later",
    },
    Knob {
        name: "arm.quota",
        meaning: "limits in place of 100 each: {ContainerGroups, StandardCores}, or one number for both",
    },
    Knob {
        name: "arm.image-inaccessible",
        meaning: "how many creations are refused since the image cannot be read",
    },
    Knob {
        name: "arm.registry-error",
        meaning: "how many creations are refused since the registry answers with an error",
    },
    Knob {
        name: "arm.image-platform",
        meaning: "the platform that every image is for, such as windows: creations for another are refused",
    },
    Knob {
        name: "arm.pull-fails",
        meaning: "images cannot be pulled: the registry's text, or {message, recovers} for a pull that works after all",
    },
    Knob { name: "arm.provisioning-stuck", meaning: "container groups stay in Creating" },
    Knob { name: "arm.provisioning-seconds", meaning: "how long a container group is provisioned at least" },
    Knob {
        name: "arm.container-exits",
        meaning: "containers end at once with this exit code, and their image does not run",
    },
    Knob {
        name: "arm.list-lag-seconds",
        meaning: "how long lists do not show what is new, and still show what is gone",
    },
    Knob { name: "arm.page-size", meaning: "how many resources a page of a list holds (100)" },
    Knob {
        name: "arm.names-taken",
        meaning: "names of registries and storage accounts that somebody else in the world has: one or a list",
    },
    Knob {
        name: "arm.not-offered",
        meaning: "a resource type that a region does not have: {type, region}, as in Microsoft.Network/natGateways",
    },
    Knob {
        name: "arm.leftover-association-link",
        meaning: "the last container group leaves its link on its subnet: for so many seconds, or true until it is deleted",
    },
    Knob {
        name: "arm.principal-not-found",
        meaning: "how many role assignments are refused since the directory has not heard of the principal yet",
    },
    Knob {
        name: "arm.delete-seconds",
        meaning: "deletions of container groups are answered with 202 and take so long",
    },
    Knob {
        name: "arm.delete-while-creating-leaks",
        meaning: "a container group that is deleted while it is created is created all the same",
    },
    Knob {
        name: "arm.restart-after-exit",
        meaning: "how many exits the platform answers with a restart, whatever the policy and the code",
    },
    Knob {
        name: "arm.transitioning",
        meaning: "how many writes to a container group are refused since it is still transitioning",
    },
];

/// What Resource Manager knows. Resources are found by their id in the lower case.
#[derive(Debug, Serialize, Deserialize)]
pub struct State {
    /// Resource groups.
    pub resource_groups: Vec<ResourceGroup>,
    /// Container groups.
    pub container_groups: BTreeMap<String, ContainerGroup>,
    /// Container groups that are gone and that lists still show.
    pub departed: Vec<container_groups::Departed>,
    /// Virtual networks.
    pub networks: BTreeMap<String, VirtualNetwork>,
    /// User-assigned identities.
    pub user_assigned_identities: BTreeMap<String, UserAssignedIdentity>,
    /// Registries.
    #[serde(default)]
    pub registries: Vec<Registry>,
    /// Tokens that they gave.
    #[serde(default)]
    pub registry_tokens: Vec<RegistryToken>,
    /// Other resources: what networks need, registries, storage accounts.
    #[serde(default)]
    pub resources: BTreeMap<String, Resource>,
    /// Locks.
    #[serde(default)]
    pub locks: Vec<Lock>,
    /// The keys of storage accounts, by the account's id.
    #[serde(default)]
    pub storage_secrets: BTreeMap<String, AccountKeys>,
    /// The admin users of registries, by the registry's id.
    #[serde(default)]
    pub registry_secrets: BTreeMap<String, AdminUser>,
    /// Roles.
    pub role_definitions: Vec<RoleDefinition>,
    /// Who has which role, over what.
    pub role_assignments: Vec<RoleAssignment>,
    /// Namespaces with which the subscription is not registered.
    pub unregistered_providers: Vec<String>,
    /// Operations, the finished ones too.
    pub operations: Vec<Operation>,
}

/// What will happen in Resource Manager.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Due {
    /// The deletion of a resource group is done.
    DeleteResourceGroup {
        /// Its id.
        id: String,
    },
    /// An operation ends well.
    Settle {
        /// Which.
        operation: Uuid,
    },
    /// A step in the life of a container group.
    ContainerGroup {
        /// Which incarnation of it.
        key: Uuid,
        /// What is to happen.
        step: container_groups::Step,
    },
}

impl State {
    /// A subscription with one resource group, and in it a network for agents.
    pub fn new(world: &World) -> Self {
        let subscription = format!("/subscriptions/{}", world.subscription);
        let id = format!("{subscription}/resourceGroups/{RESOURCE_GROUP}");
        let network = VirtualNetwork::sample(&id, LOCATION);
        let group = ResourceGroup {
            id,
            name: RESOURCE_GROUP.to_owned(),
            location: LOCATION.to_owned(),
            tags: json!({}),
            deletion: None,
        };
        let owner = RoleAssignment {
            name: Uuid::new_v4().to_string(),
            scope: subscription,
            role: roles::OWNER.to_owned(),
            principal: world.client_object_id,
            ..RoleAssignment::default()
        };
        Self {
            resource_groups: vec![group],
            container_groups: BTreeMap::new(),
            departed: Vec::new(),
            networks: BTreeMap::from([(network.id.to_ascii_lowercase(), network)]),
            user_assigned_identities: BTreeMap::new(),
            registries: Vec::new(),
            registry_tokens: Vec::new(),
            resources: BTreeMap::new(),
            locks: Vec::new(),
            registry_secrets: BTreeMap::new(),
            storage_secrets: BTreeMap::new(),
            role_definitions: roles::built_in(),
            role_assignments: vec![owner],
            unregistered_providers: Vec::new(),
            operations: Vec::new(),
        }
    }

    /// The resource group of that name.
    pub fn resource_group(&self, name: &str) -> Option<&ResourceGroup> {
        self.resource_groups.iter().find(|group| group.name.eq_ignore_ascii_case(name))
    }

    fn resource_group_mut(&mut self, name: &str) -> Option<&mut ResourceGroup> {
        self.resource_groups.iter_mut().find(|group| group.name.eq_ignore_ascii_case(name))
    }
}

/// Carries out an event.
pub(crate) fn carry_out(state: &mut crate::State, due: Due) {
    match due {
        Due::DeleteResourceGroup { id } => resource_groups::finish_deletion(state, &id),
        Due::Settle { operation } => operations::carry_out(state, operation),
        Due::ContainerGroup { key, step } => container_groups::carry_out(state, key, step),
    }
}

/// Takes a resource away, of whatever kind, and the roles and locks on it.
fn remove(state: &mut crate::State, id: &str) {
    let key = id.to_ascii_lowercase();
    container_groups::remove(state, &key);
    networks::remove_subnet(state, &key);
    state.arm.networks.remove(&key);
    state.arm.user_assigned_identities.remove(&key);
    if state.arm.resources.remove(&key).is_some_and(|resource| backing::kind(&resource).is_some()) {
        state.effects.push(Effect::Backend(crate::backends::Command::Close { id: id.to_owned() }));
    }
    state.arm.registries.retain(|registry| !registry.id.eq_ignore_ascii_case(id));
    state.arm.registry_secrets.remove(&key);
    state.arm.storage_secrets.remove(&key);
    roles::forget(state, id);
}

/// Adds the routes.
pub(crate) fn control_routes(router: &mut Router) {
    registries::control_routes(router);
}

/// Adds the routes of the service.
pub(crate) fn routes(router: &mut Router) {
    subscriptions::routes(router);
    providers::routes(router);
    operations::routes(router);
    resource_groups::routes(router);
    resources::routes(router);
    roles::routes(router);
    locks::routes(router);
    identities::routes(router);
    registries::routes(router);
    storage::routes(router);
    networks::routes(router);
    container_groups::routes(router);
}

/// The reply where no route is.
pub(crate) fn no_route(request: &Request, known_path: bool) -> Reply {
    let (status, code, message) = if known_path {
        let message = format!("The http method '{}' is not supported for this resource.", request.method);
        (405, "HttpMethodNotSupported", message)
    } else {
        let message = format!("The resource type or path '{}' could not be found.", request.path);
        (404, "InvalidResourceType", message)
    };
    let reply = refusal::Refusal::new(status, code, message).reply();
    gate::finish(reply.header("x-ms-failure-cause", "gateway"), None)
}
