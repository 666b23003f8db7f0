//! Microsoft.ContainerInstance: container groups.
//!
//! | module | part |
//! |---|---|
//! | `shape` | which members a request may hold |
//! | `admission` | what the service checks before it accepts one |
//! | `requests` | the calls |
//! | `life` | what happens to a group afterwards, driven by time and by what runs it |
//! | `show` | what clients get to see |
//! | `places` | quotas and capabilities of a region |

mod admission;
mod containers;
mod life;
mod places;
mod requests;
mod shape;
mod show;
mod specification;

use std::net::IpAddr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

pub(super) use admission::delegation_missing;
pub use life::stop_container_group;
pub(super) use life::{carry_out, remove};
pub(crate) use life::{interrupted, observe};
pub(crate) use specification::specification;

use super::identities::Identity;
use crate::http::Router;

/// A container group.
#[derive(Clone, Serialize, Deserialize)]
pub struct ContainerGroup {
    /// Its id, as its creator wrote it.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The resource group it is in.
    pub resource_group: String,
    /// Its region.
    pub location: String,
    /// Its tags.
    pub tags: Value,
    /// Its zones, where given.
    pub zones: Value,
    /// The kind of its identity, as written in `identity.type`.
    pub identity_kind: Option<String>,
    /// Its identities.
    pub identities: Vec<Identity>,
    /// What opens the managed identity endpoint for it where its address does not.
    pub identity_token: String,
    /// The properties as accepted, secure values included.
    pub properties: Value,
    /// Names this incarnation: another group may have the name later, and reports about this one may come late.
    pub key: Uuid,
    /// How far it is provisioned.
    pub provisioning_state: ProvisioningState,
    /// The operation that provisions it.
    pub operation: Uuid,
    /// When it was created or last updated.
    pub created: Timestamp,
    /// When its first container started.
    pub started: Option<Timestamp>,
    /// Its address in its subnet, if it has joined one, or its public address.
    pub address: Option<IpAddr>,
    /// The address under which its containers call the emulator, where they have one of their own.
    #[serde(default)]
    pub service_address: Option<IpAddr>,
    /// Whether it was stopped.
    pub is_stopped: bool,
    /// Its init containers in order, then its containers.
    pub containers: Vec<ContainerState>,
    /// Events of the group itself.
    pub events: Vec<Event>,
}

impl std::fmt::Debug for ContainerGroup {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ContainerGroup")
            .field("id", &self.id)
            .field("provisioning_state", &self.provisioning_state)
            .field("containers", &self.containers)
            .finish_non_exhaustive()
    }
}

/// How far a resource is provisioned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ProvisioningState {
    /// Accepted.
    Pending,
    /// Being made.
    Creating,
    /// Made.
    Succeeded,
    /// Not made.
    Failed,
    /// Being deleted.
    Deleting,
}

/// A container of a group.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ContainerState {
    /// Its name.
    pub name: String,
    /// Whether it has to end before the others start.
    pub is_init: bool,
    /// What it does.
    pub phase: Phase,
    /// How it ended before, if it was started again.
    pub previous: Option<Ended>,
    /// How often it was started again.
    pub restarts: u32,
    /// What happened to it.
    pub events: Vec<Event>,
}

/// What a container does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Phase {
    /// It does not run.
    Waiting {
        /// Why.
        reason: String,
    },
    /// It runs.
    Running {
        /// Since when.
        since: Timestamp,
    },
    /// It has ended.
    Terminated(Ended),
}

/// How a container ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// When it had started.
    pub started: Timestamp,
    /// When it ended.
    pub finished: Timestamp,
    /// Its exit code.
    pub exit_code: i32,
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// `Normal` or `Warning`.
    pub kind: String,
    /// What kind of thing.
    pub name: String,
    /// What exactly.
    pub message: String,
    /// How often.
    pub count: u32,
    /// When first.
    pub first: Timestamp,
    /// When last.
    pub last: Timestamp,
}

/// A step in the life of a container group that time brings.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Step {
    /// It gets its place on a machine.
    Place,
    /// It may be ready: the least time of provisioning is over.
    Ready,
    /// A container is started again.
    Restart {
        /// Which.
        container: String,
    },
    /// Its deletion is done.
    Delete {
        /// The operation that deletes it.
        operation: Uuid,
    },
}

/// A group that is gone and that lists still show.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Departed {
    /// It.
    pub group: ContainerGroup,
    /// Until when.
    pub until: Timestamp,
}

/// What runs container groups says about one.
#[derive(Clone, Debug)]
pub enum Report {
    /// The image of a container is fetched.
    Pulling {
        /// Which container.
        container: String,
    },
    /// The image of a container is here.
    Pulled {
        /// Which container.
        container: String,
    },
    /// The image of a container cannot be fetched.
    PullFailed {
        /// Which container.
        container: String,
        /// Why.
        message: String,
    },
    /// The group has a place.
    Prepared,
    /// A container started.
    Started {
        /// Which.
        container: String,
        /// The address under which it calls the emulator, where it has one of its own.
        address: Option<IpAddr>,
    },
    /// A container could not be started.
    StartFailed {
        /// Which.
        container: String,
        /// Why.
        message: String,
    },
    /// A container ended.
    Exited {
        /// Which.
        container: String,
        /// Its exit code.
        code: i32,
    },
}

impl ContainerGroup {
    /// Whether something is being done to it.
    pub fn is_transitioning(&self) -> bool {
        !matches!(self.provisioning_state, ProvisioningState::Succeeded | ProvisioningState::Failed)
    }

    /// A property that is a text; "" where it is not there.
    pub(super) fn text(&self, name: &str) -> &str {
        self.properties[name].as_str().unwrap_or_default()
    }

    /// The ids of the subnets it is in.
    pub(super) fn subnets(&self) -> impl Iterator<Item = &str> {
        let ids = self.properties["subnetIds"].as_array().into_iter().flatten();
        ids.filter_map(|subnet| subnet["id"].as_str())
    }

    /// The cores it takes.
    pub(super) fn cores(&self) -> f64 {
        admission::cores(&self.properties)
    }

    fn container_mut(&mut self, name: &str) -> Option<&mut ContainerState> {
        self.containers.iter_mut().find(|container| container.name == name)
    }
}

/// Adds the routes.
pub(super) fn routes(router: &mut Router) {
    requests::routes(router);
    places::routes(router);
}
