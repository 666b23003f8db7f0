//! Runs pipelines from YAML, and serves hosted pools.
//!
//! A pipeline's text is read ([`yaml`]) into what it says ([`model`]). A run of it ([`run`]) is carried on by a
//! function that says what happens next ([`engine`]) and a shell that does it ([`execution`]): jobs go to the pools
//! of [`crate::devops`], which tells of their fate by [`job_assigned`] and [`job_finished`]. Jobs of the hosted pool
//! get a stand-in agent each ([`hosted`]).

mod agent_files;
mod api;
mod check;
mod conditions;
mod connections;
mod engine;
mod execution;
mod expression;
mod hosted;
mod matrix;
mod message;
mod model;
mod number;
mod records;
mod run;
mod variables;
mod yaml;

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::Emulator;
use crate::arm::GroupIdentities;
use crate::faults::Knob;
use crate::http::Router;

pub use connections::Connection;
pub(crate) use execution::{job_assigned, job_finished};
pub(crate) use hosted::carry_out as carry_out_hosted;
pub use hosted::{Hosted, HostedAgentCommand, HostedAgents, set_identities};

/// Faults of pipeline runs. There are none: what fails a run are its jobs, its agents and the services they use.
pub const KNOBS: &[Knob] = &[];

/// Pipelines and their runs.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct State {
    definitions: BTreeMap<u64, Definition>,
    runs: BTreeMap<u64, run::Run>,
    connections: Vec<Connection>,
    /// What `counter()` gave last, by pipeline and prefix.
    counters: BTreeMap<String, i64>,
    hosted: Hosted,
    last_run_id: u64,
}

impl State {
    /// The key by which the machine of hosted agents asks for tokens of its identities; empty while it has none.
    pub fn machine_identity_key(&self) -> &str {
        self.hosted.identity_key()
    }

    /// Whether a run has come to its end.
    pub fn is_over(&self, run_id: u64) -> bool {
        self.runs.get(&run_id).is_some_and(|run| run.finished.is_some())
    }

    /// How a run ended, in the wire's word; `None` while it goes on.
    pub fn result(&self, run_id: u64) -> Option<&'static str> {
        self.runs.get(&run_id)?.phase.outcome().map(run::Outcome::wire)
    }

    /// The plan in which the jobs of a run report.
    pub fn plan(&self, run_id: u64) -> Option<Uuid> {
        self.runs.get(&run_id).map(|run| run.plan_id)
    }

    /// Registers a pipeline, in place of the one that has its name, and gives its id.
    fn define(&mut self, definition: Definition) -> u64 {
        let known = self.definitions.values().find(|known| known.name.eq_ignore_ascii_case(&definition.name));
        let id = known.map_or(self.definitions.len() as u64 + 1, |known| known.id);
        self.definitions.insert(id, Definition { id, ..definition });
        id
    }
}

/// A pipeline as it was put there.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Definition {
    id: u64,
    name: String,
    yaml: String,
    variables: run::Shades,
    repository: String,
    /// Where in the repository its text stands.
    #[serde(default = "api::usual_file")]
    file: String,
    created: Timestamp,
}

/// Starts a run of a pipeline that is nothing but its text, and gives its id; `Err` says what is wrong with the text.
pub async fn start(emulator: &Emulator, name: &str, yaml: &str) -> Result<u64, String> {
    let definition = defined(emulator, name, yaml);
    api::begin(emulator, definition, BTreeMap::new(), run::Shades::default()).await
}

/// Registers a pipeline that is nothing but its text, in place of the one that has its name, and gives its id.
pub fn define(emulator: &Emulator, name: &str, yaml: &str) -> u64 {
    defined(emulator, name, yaml).id
}

fn defined(emulator: &Emulator, name: &str, yaml: &str) -> Definition {
    let definition = Definition {
        id: 0,
        name: name.to_owned(),
        yaml: yaml.to_owned(),
        variables: run::Shades::default(),
        repository: emulator.data.display().to_string(),
        file: api::usual_file(),
        created: emulator.now(),
    };
    let id = emulator.change(|state| state.pipelines.define(definition.clone()));
    Definition { id, ..definition }
}

/// What will happen in a run.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub enum Due {
    /// A job's time is over.
    JobTimeout {
        /// The run.
        run_id: u64,
        /// The job.
        job_id: Uuid,
    },
}

/// Carries out an event.
pub(crate) fn carry_out(state: &mut crate::State, due: Due) {
    match due {
        Due::JobTimeout { run_id, job_id } => execution::job_timeout(state, run_id, job_id),
    }
}

/// The service connection of this id.
pub(crate) fn service_connection(state: &crate::State, id: Uuid) -> Option<&Connection> {
    state.pipelines.connections.iter().find(|connection| connection.id == id)
}

/// The identities of the machine that runs hosted agents, for those who have its key.
pub(crate) fn machine_identities(state: &crate::State, key: &str) -> Option<GroupIdentities> {
    hosted::identities(state, key)
}

/// Adds the routes that Azure DevOps has: pipelines, runs, builds and their logs.
pub(crate) fn routes(router: &mut Router) {
    api::routes(router);
}

/// Adds the emulator's own: putting pipelines and service connections there, and identities of hosted machines.
pub(crate) fn control_routes(router: &mut Router) {
    api::control_routes(router);
}

/// After a start with kept state: sees to the jobs of the hosted pool.
pub(crate) fn resume(emulator: &Arc<Emulator>) {
    emulator.change(hosted::resume);
}

/// Ends the hosted agents that run.
pub(crate) async fn end_hosted_agents(emulator: &Arc<Emulator>) {
    hosted::end_all(emulator).await;
}
