//! The supervisor: first process in an agent's container.
//!
//! It makes the official Azure Pipelines agent ready, runs it for one job as another user with a clean environment, and
//! leaves nothing behind: the agent is unregistered, the container group deletes itself. What it decides is in
//! [`machine`], a function from events to effects that knows neither clock nor network; what it does is in [`shell`];
//! [`start`] gets the secrets out of the environment first.

pub mod agent_environment;
pub mod agent_output;
pub mod agent_root;
pub mod assertion;
pub mod azure;
pub mod certificates;
pub mod console;
pub mod diagnostics;
pub mod machine;
pub mod notification;
pub mod outcome;
pub mod package;
pub mod platform;
pub mod settings;
pub mod shell;
pub mod start;
