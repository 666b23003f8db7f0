//! The whole product, seen from outside: our real programs against an emulator in this process.
//!
//! A [`World`] is one Azure with one organization. In it a test turns faults, runs `ephemeral-agents` as a user would
//! ([`World::provision`]), lets container groups live as real processes, reads what was printed, and looks at both
//! services afterwards ([`World::nothing_left`]). Nothing in here knows how the programs work.
//!
//! What a user is told about each failure stands in `docs/troubleshooting.md`; a test that plays a failure holds its
//! row against what was really printed ([`Printed::has_row`]).

#![expect(clippy::missing_panics_doc, reason = "in a test, a panic is how something is said")]

mod engine;
pub mod fidelity;
mod inside;
mod invocation;
mod life;
mod network;
mod pipelines;
mod programs;
mod published;
mod registry;
mod rights;
mod troubleshooting;
mod world;

pub use engine::Engine;
pub use inside::{Gate, descendant, end_of, has_ended, is_alive, kill_process, most_memory, signal};
pub use invocation::{Invocation, Printed, Started};
pub use life::Life;
pub use network::{NETWORK, SUBNET};
pub use registry::Registry;
pub use troubleshooting::rows;
pub use world::{AGENT_IMAGE, World, one_job};
