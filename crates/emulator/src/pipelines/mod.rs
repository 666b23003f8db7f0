//! Runs pipelines from YAML, and serves hosted pools.

mod expression;
mod model;
mod yaml;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::Emulator;
use crate::faults::Knob;
use crate::http::Router;

/// Faults of pipeline runs.
pub const KNOBS: &[Knob] = &[];

/// Pipelines and their runs.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct State {}

/// What will happen in a run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Due {}

/// Something to do for the hosted pools.
#[derive(Debug)]
pub enum HostedAgentCommand {}

/// Carries out an event.
pub(crate) fn carry_out(_state: &mut crate::State, due: Due) {
    match due {}
}

/// Adds the routes that Azure DevOps has: pipelines, runs, builds and their logs.
pub(crate) fn routes(_router: &mut Router) {}

/// Adds the emulator's own: putting a pipeline there.
pub(crate) fn control_routes(_router: &mut Router) {}

/// Starts doing it; what comes of it arrives as changes of the state.
pub(crate) fn carry_out_hosted(_emulator: &Arc<Emulator>, command: HostedAgentCommand) {
    match command {}
}

/// Ends the hosted agents that run.
pub(crate) async fn end_hosted_agents(_emulator: &Arc<Emulator>) {}

/// An agent got a job.
pub(crate) fn job_assigned(_state: &mut crate::State, _plan: uuid::Uuid, _job: uuid::Uuid, _agent: &str) {}

/// A job ended.
pub(crate) fn job_finished(_state: &mut crate::State, _plan: uuid::Uuid, _job: uuid::Uuid, _result: &str) {}

/// The name of a service connection, if a pipeline may use it.
pub(crate) fn service_connection(_state: &crate::State, _id: uuid::Uuid) -> Option<String> {
    None
}
