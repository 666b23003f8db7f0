//! Entra ID: token endpoints, managed identity, and what Microsoft Graph tells of the directory.

mod apps;
mod assertion;
mod audience;
mod caller;
mod control;
mod discovery;
mod errors;
mod graph;
mod identity;
mod token;

use serde::{Deserialize, Serialize};

pub use apps::{App, Certificate, ClientSecret, FederatedCredential};
pub use audience::Audience;
pub use caller::{Caller, TokenFault, caller, verify_access_token};
pub(crate) use control::routes as control_routes;
pub(crate) use identity::routes as identity_routes;

use crate::faults::Knob;
use crate::http::Router;
use crate::world::World;

/// Faults of Entra ID.
pub const KNOBS: &[Knob] = &[
    Knob { name: "entra.slow-seconds", meaning: "token endpoints answer only after this many seconds" },
    Knob {
        name: "entra.identity-late-seconds",
        meaning: "connections to the managed identity endpoint are closed for this many seconds after a container group started",
    },
    Knob {
        name: "entra.clock-skew-seconds",
        meaning: "the clock of Entra ID is this many seconds ahead of everybody's; negative is behind",
    },
];

/// What Entra ID knows.
#[derive(Debug, Serialize, Deserialize)]
pub struct State {
    /// The app registrations of the tenant.
    pub apps: Vec<App>,
}

impl State {
    /// A tenant with the app registration `provisioner`.
    pub fn new(world: &World) -> Self {
        let provisioner = App {
            client_id: world.client_id,
            object_id: world.client_object_id,
            secrets: vec![ClientSecret { secret_text: world.client_secret.clone(), expired: false }],
            ..App::new("provisioner")
        };
        Self { apps: vec![provisioner] }
    }

    /// The app registration with this client id.
    pub fn app(&self, client_id: &str) -> Option<&App> {
        self.apps.iter().find(|app| app.client_id.to_string().eq_ignore_ascii_case(client_id))
    }
}

/// Adds the routes.
pub(crate) fn routes(router: &mut Router) {
    discovery::routes(router);
    token::routes(router);
    graph::routes(router);
}
