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

impl State {
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
