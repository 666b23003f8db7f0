//! Entra ID: token endpoints and managed identity.

use serde::{Deserialize, Serialize};

use crate::faults::Knob;
use crate::http::Router;
use crate::world::World;

/// Faults of Entra ID.
pub const KNOBS: &[Knob] = &[];

/// What Entra ID knows.
#[derive(Debug, Serialize, Deserialize)]
pub struct State {}

impl State {
    /// A tenant with the app registration `provisioner`.
    pub fn new(_world: &World) -> Self {
        Self {}
    }
}

/// Adds the routes.
pub(crate) fn routes(_router: &mut Router) {}
