//! The supervisor: first process in an agent's container.
//!
//! It makes the official Azure Pipelines agent ready, runs it for one job as another user with a clean environment, and
//! leaves nothing behind: the agent is unregistered, the container group deletes itself. What it decides is in
//! [`machine`], a function from events to effects that knows neither clock nor network.

pub mod agent_output;
pub mod machine;
pub mod notification;
pub mod outcome;
