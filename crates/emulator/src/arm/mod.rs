//! Resource Manager and its providers.

use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::faults::Knob;
use crate::http::{Reply, Request, Router};
use crate::world::World;

/// Faults of Resource Manager.
pub const KNOBS: &[Knob] = &[];

/// What Resource Manager knows.
#[derive(Debug, Serialize, Deserialize)]
pub struct State {}

/// What will happen in Resource Manager.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Due {}

/// A managed identity.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Identity {
    /// Its client id.
    pub client_id: uuid::Uuid,
    /// Object id of its service principal.
    pub principal_id: uuid::Uuid,
    /// The user-assigned identity, or the resource that it belongs to.
    pub resource_id: String,
    /// Whether it belongs to one resource.
    pub is_system_assigned: bool,
}

/// The identities of a container group.
#[derive(Clone, Debug)]
pub struct GroupIdentities {
    /// When its containers started.
    pub started: Option<jiff::Timestamp>,
    /// They.
    pub identities: Vec<Identity>,
}

impl State {
    /// The identities of the container group that has this key, or this address.
    pub fn identities_of(&self, _key: Option<&str>, _address: std::net::IpAddr) -> Option<GroupIdentities> {
        None
    }

    /// The name of a managed identity.
    pub fn identity_name(&self, _principal: uuid::Uuid) -> Option<String> {
        None
    }

    /// A subscription with one resource group.
    pub fn new(_world: &World) -> Self {
        Self {}
    }
}

/// Carries out an event.
pub(crate) fn carry_out(_state: &mut crate::State, due: Due) {
    match due {}
}

/// Adds the routes.
pub(crate) fn routes(_router: &mut Router) {}

/// The reply where no route is.
pub(crate) fn no_route(request: &Request, _known_path: bool) -> Reply {
    Reply::json(404, &json!({"error": {"code": "InvalidResourceType", "message": request.path}}))
}
