//! Azure DevOps: agent pools, agents, sessions, messages, job requests, plans.

use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::faults::Knob;
use crate::http::{Reply, Request, Router};
use crate::world::{ORGANIZATION, World};

/// Faults of Azure DevOps.
pub const KNOBS: &[Knob] = &[];

/// What Azure DevOps knows.
#[derive(Debug, Serialize, Deserialize)]
pub struct State {}

/// What will happen in Azure DevOps.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Due {}

impl State {
    /// An organization with one project and three pools.
    pub fn new(_world: &World, _url: &str) -> Self {
        Self {}
    }

    /// Whether the first part of a path names an organization.
    pub fn is_organization(&self, name: &str) -> bool {
        name.eq_ignore_ascii_case(ORGANIZATION)
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
    Reply::json(404, &json!({"message": request.path}))
}
