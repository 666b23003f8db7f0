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
use crate::faults::Knob;
use crate::http::Router;

pub use connections::Connection;
pub(crate) use execution::{job_assigned, job_finished};
pub(crate) use hosted::carry_out as carry_out_hosted;
pub use hosted::{Hosted, HostedAgentCommand, HostedAgents};

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
    /// Whether a run has come to its end.
    pub fn is_over(&self, run_id: u64) -> bool {
        self.runs.get(&run_id).is_some_and(|run| run.finished.is_some())
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
    created: Timestamp,
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

/// The name of the service connection of this id.
pub(crate) fn service_connection(state: &crate::State, id: Uuid) -> Option<String> {
    state.pipelines.connections.iter().find(|connection| connection.id == id).map(|found| found.name.clone())
}

/// Adds the routes that Azure DevOps has: pipelines, runs, builds and their logs.
pub(crate) fn routes(router: &mut Router) {
    api::routes(router);
}

/// Adds the emulator's own: putting pipelines and service connections there.
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
