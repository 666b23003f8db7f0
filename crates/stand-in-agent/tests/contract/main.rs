//! The agent against the server's side of the protocol, as a process: what the server and a supervisor notice.

#![expect(clippy::unwrap_used, reason = "a test ends where something is not as it must be")]

mod endings;
mod jobs;
mod node_tasks;
mod registration;
mod support;
